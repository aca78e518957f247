"""Native kernels: nearest, within a radius, distance histograms, asymmetric scores, trees.

The work is done by one C++ extension (``native.cpp``), or, where it was not built, by a NumPy twin
that gives identical results. Rows are packed codes, uint8 [n, bytes]; bytes of padding are equal on
both sides and so never add to a distance. Ties are always broken by the smaller row number.

Big batches run in chunks of queries, so Ctrl-C works between chunks and ``progress=True`` shows a
bar. ``threads`` is the number of threads, all cores by default. No queries give empty results.
Where a database has fewer than ``k`` rows, row -1 fills up, with distance 65,535 or score -inf.
Codes may have 8,191 bytes: distances are uint16.

The environment variable ``HAMMINGBIRD_KERNELS`` chooses at import: ``twin``, or an instruction set
(``portable``, ``avx2``, ``avx512``, ``neon``). ``backend`` says which one runs.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.errors import InputError
from hammingbird.kernels import bucket_twin, twin
from hammingbird.kernels.bucket_twin import BUCKET_COST, Buckets
from hammingbird.kernels.checks import (
    FARTHEST,
    check_asked,
    check_descent,
    check_forest,
    check_k,
    check_listed,
    check_marks,
    check_padding,
    check_pair,
    check_radius,
    check_rows,
    check_threads,
    check_width,
    whole,
)
from hammingbird.kernels.twin import Codes, Counts, Distances, Rows, Scores

__all__ = [
    "BUCKET_COST",
    "Buckets",
    "backend",
    "best",
    "best_of",
    "descend",
    "forest",
    "histograms",
    "nearest",
    "nearest_in_buckets",
    "scores",
    "tables",
    "within",
    "within_in_buckets",
]


def _choose(wanted: str | None) -> tuple[Any, str]:
    if wanted == "twin":
        return twin, "numpy"
    try:
        native = import_module("hammingbird.kernels._native")
    except ImportError:
        warnings.warn(
            "hammingbird runs on its NumPy twin, several times slower: its native kernels were not "
            "built. Install a C++ compiler and run pip install --force-reinstall hammingbird",
            RuntimeWarning,
            stacklevel=3,
        )
        return twin, "numpy"
    if wanted:
        here = ["twin", *native.levels()]
        if wanted not in here:
            raise InputError(f"HAMMINGBIRD_KERNELS={wanted}: this machine has {', '.join(here)}")
        native.set_level(wanted)
    return native, f"native {native.level()}"


# Words of 8 bytes that are compared in one chunk of queries, for a fraction of a second at most.
_PATIENCE = 1 << 30
# Where results or temporary arrays grow with the pairs, memory is the limit.
_MEMORY = 1 << 26
_TWIN_MEMORY = 1 << 22

_kernels, backend = _choose(os.environ.get("HAMMINGBIRD_KERNELS"))
_buckets: Any = bucket_twin if _kernels is twin else _kernels


def nearest(
    queries: ArrayLike,
    database: ArrayLike,
    k: int,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> tuple[Rows, Distances]:
    """Exact ``k`` nearest database rows, nearest first: rows int64 and distances uint16 [n, k]."""
    queries, database = check_pair(queries, database)
    k, cores = check_k(k), check_threads(threads)
    rows = np.full((len(queries), k), -1, np.int64)
    distances = np.full((len(queries), k), FARTHEST, np.uint16)
    if not (there := min(k, len(database))):
        return rows, distances
    # A query holds up to 2 k candidates; k may be the whole database.
    most = min(_PATIENCE, _MEMORY * len(database) // (16 * there))
    for chunk in _chunks(len(queries), database, progress, most):
        rows[chunk, :there], distances[chunk, :there] = _kernels.nearest(
            queries[chunk], database, there, cores
        )
    return rows, distances


def within(
    queries: ArrayLike,
    database: ArrayLike,
    radius: int,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> tuple[Rows, Rows, Distances]:
    """Every database row at most ``radius`` away: offsets int64 [n + 1], rows, distances.

    The hits of query ``i`` are ``rows[offsets[i]:offsets[i + 1]]``, nearest first.
    """
    queries, database = check_pair(queries, database)
    radius, cores = check_radius(radius, database), check_threads(threads)
    offsets, rows, distances = [np.zeros(1, np.int64)], [], []
    for chunk in _chunks(len(queries), database, progress, _MEMORY):
        some = _kernels.within(queries[chunk], database, radius, cores)
        offsets.append(some[0][1:] + offsets[-1][-1])
        rows.append(some[1])
        distances.append(some[2])
    return (
        np.concatenate(offsets),
        np.concatenate([np.empty(0, np.int64), *rows]),
        np.concatenate([np.empty(0, np.uint16), *distances]),
    )


def nearest_in_buckets(
    queries: ArrayLike, tables: Buckets, k: int, budget: int, *, threads: int | None = None
) -> tuple[Rows, Distances, NDArray[np.int64]]:
    """Exact ``k`` nearest rows by multi-index hashing, and what each query cost, int64 [n].

    Cost counts codes compared, and ``BUCKET_COST`` for every bucket. A query that would exceed the
    budget has rows -1 and the cost -1 - cost: ask :func:`nearest` for it.
    """
    queries, codes = check_pair(queries, tables.codes)
    k, cores = check_k(k), check_threads(threads)
    found: tuple[Rows, Distances, NDArray[np.int64]] = _buckets.nearest_in_buckets(
        queries, codes, *tables[1:], k, min(max(budget, 0), 2**62), cores
    )
    return found


def within_in_buckets(
    queries: ArrayLike, tables: Buckets, radius: int, *, threads: int | None = None
) -> tuple[Rows, Rows, Distances]:
    """The same as :func:`within`, by multi-index hashing."""
    queries, codes = check_pair(queries, tables.codes)
    radius, cores = check_radius(radius, codes), check_threads(threads)
    found: tuple[Rows, Rows, Distances] = _buckets.within_in_buckets(
        queries, codes, *tables[1:], radius, cores
    )
    return found


def histograms(
    queries: ArrayLike,
    database: ArrayLike,
    n_bits: int,
    relevant: ArrayLike | None = None,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> tuple[Counts, Counts | None]:
    """Per query, how many rows lie at each distance 0..n_bits: uint32 [n, n_bits + 1], twice.

    The second result counts only the rows that ``relevant`` (bool [n_queries, n_database]) marks,
    and is None without it. Ones in the padding of a code are an :class:`InputError`.
    """
    queries, database = check_pair(queries, database)
    n_bits, cores = check_width(n_bits, database), check_threads(threads)
    check_padding(queries, n_bits, "queries")
    check_padding(database, n_bits, "database")
    marks = check_marks(relevant, queries, database)
    shape = (len(queries), n_bits + 1)
    everything = np.zeros(shape, np.uint32)
    some = None if marks is None else np.zeros(shape, np.uint32)
    for chunk in _chunks(len(queries), database, progress):
        here = None if marks is None else np.ascontiguousarray(marks[chunk])
        found = _kernels.histograms(queries[chunk], database, n_bits, here, cores)
        everything[chunk] = found[0]
        if some is not None:
            some[chunk] = found[1]
    return everything, some


def tables(query_scores: ArrayLike) -> Scores:
    """Byte tables [n, bytes, 256] of real scores [n, n_bits]: sums over a byte's bits of +-score.

    :func:`scores` and :func:`best` give the same by them as by the scores, to the last digit.
    """
    given = np.asarray(query_scores)
    if given.ndim != 2 or given.shape[1] == 0:
        raise InputError(f"query scores must have shape [n, n_bits], got {given.shape}")
    return twin.byte_tables(check_asked(given, given.shape[1]))


def scores(
    asked: ArrayLike,
    database: ArrayLike,
    n_bits: int,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> Scores:
    """Asymmetric scores of the rows, float32 [n, n_database]; larger is nearer.

    ``asked`` are look-up tables [n, bytes, 256], whose entries for a row's bytes are added up; or
    the queries' real scores [n, n_bits], each taken times the +-1 bit of a row, of which
    :func:`tables` would make tables. Bits of padding do not count in scores.
    """
    database = check_rows(database, "database")
    n_bits, cores = check_width(n_bits, database), check_threads(threads)
    asked = check_asked(asked, n_bits)
    found = [
        _kernels.table_scores(asked[chunk], database, cores)
        if asked.ndim == 3
        else _kernels.scores(asked[chunk], database, n_bits, cores)
        for chunk in _chunks(len(asked), database, progress, _MEMORY)
    ]
    if len(found) == 1:
        return found[0]  # type: ignore[no-any-return]
    return np.concatenate([np.empty((0, len(database)), np.float32), *found])


def forest(
    rows: ArrayLike,
    columns: ArrayLike,
    cuts: ArrayLike,
    leaves: ArrayLike,
    *,
    threads: int | None = None,
) -> Scores:
    """Sums of leaves [n, n_bits] that rows of bytes [n, d] reach: for every bit T trees.

    Trees are complete, of one depth D up to 8. ``columns``, int32, and ``cuts``, uint8, are
    [n_bits, T, 2^D - 1]: a row goes from node i to 2i + 2 if its byte is above the cut, else to
    2i + 1. ``leaves``, float32 [n_bits, T, 2^D], stand from left to right.
    """
    arrays = check_forest(rows, columns, cuts, leaves)
    found: Scores = _kernels.forest(*arrays, check_threads(threads))
    return found


def descend(
    costs: ArrayLike,
    codes: ArrayLike,
    cross: ArrayLike,
    parts: ArrayLike,
    base: float,
    weight: float,
    passes: int,
    *,
    threads: int | None = None,
) -> Codes:
    """Codes uint8 [n, m] whose bytes, in turn and ``passes`` times, took the value of least cost.

    They start as ``codes``. What a code costs is the sum of ``costs`` [n, m, 256], one number for
    the value of each byte, and of ``cross`` [m, m, 256, 256], one for every two bytes; and
    ``weight`` times the square of its deviation, which is the sum of ``parts`` [m, 256] and of
    ``cross``, less ``base``. ``cross`` is symmetric. A cost may be infinite, which bars a value.
    """
    arrays = check_descent(costs, codes, cross, parts)
    passes, cores = whole(passes, "passes", 0), check_threads(threads)
    found: Codes = _kernels.descend(*arrays, float(base), float(weight), passes, cores)
    return found


def best(
    asked: ArrayLike,
    database: ArrayLike,
    n_bits: int,
    k: int,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> tuple[Rows, Scores]:
    """Rows with the ``k`` largest asymmetric scores, largest first, and their scores [n, k].

    ``asked`` as in :func:`scores`.
    """
    database = check_rows(database, "database")
    n_bits, cores = check_width(n_bits, database), check_threads(threads)
    asked, k = check_asked(asked, n_bits), check_k(k)
    rows = np.full((len(asked), k), -1, np.int64)
    found = np.full((len(asked), k), -np.inf, np.float32)
    if not (there := min(k, len(database))):
        return rows, found
    for chunk in _chunks(len(asked), database, progress, _MEMORY):
        rows[chunk, :there], found[chunk, :there] = (
            _kernels.table_best(asked[chunk], database, there, cores)
            if asked.ndim == 3
            else _kernels.best(asked[chunk], database, n_bits, there, cores)
        )
    return rows, found


def best_of(
    asked: ArrayLike,
    database: ArrayLike,
    n_bits: int,
    offsets: ArrayLike,
    rows: ArrayLike,
    k: int,
    *,
    threads: int | None = None,
) -> tuple[Rows, Scores]:
    """The same as :func:`best` among ``rows[offsets[i]:offsets[i + 1]]`` for query i.

    As :func:`within` lists them; a query's rows are different rows.
    """
    database = check_rows(database, "database")
    n_bits, cores, k = check_width(n_bits, database), check_threads(threads), check_k(k)
    asked = check_asked(asked, n_bits)
    offsets, rows = check_listed(offsets, rows, len(asked), len(database))
    byte = asked if asked.ndim == 3 else twin.byte_tables(asked)
    found: tuple[Rows, Scores] = _kernels.table_best_of(byte, database, offsets, rows, k, cores)
    return found


def _chunks(
    n_queries: int, database: Codes, progress: bool, most: int = _PATIENCE
) -> Iterator[slice]:
    """Slices of queries that each compare at most ``most`` words, and few of them in the twin."""
    words = max(1, len(database) * -(-database.shape[1] // 8))
    step = max(1, min(most, _TWIN_MEMORY if _kernels is twin else most) // words)
    starts: Iterable[int] = range(0, n_queries, step)
    if progress:
        from tqdm import tqdm

        starts = tqdm(starts, unit="chunk", disable=None, leave=False)
    return (slice(start, start + step) for start in starts)

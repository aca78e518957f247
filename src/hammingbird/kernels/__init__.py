"""Hamming kernels: nearest, within a radius, distance histograms, asymmetric scores.

The work is done by one C++ extension (``native.cpp``), or, where it was not built, by a NumPy twin
that gives identical results. Rows are packed codes, uint8 [n, bytes]; bytes of padding are equal on
both sides and so never add to a distance. Ties are always broken by the smaller row number.

Big batches run in chunks of queries, so Ctrl-C works between chunks and ``progress=True`` shows a
bar. ``threads`` is the number of threads, all cores by default. No queries give empty results; an
empty database has no hits, but no k nearest either (:class:`InputError`).

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
from hammingbird.kernels import twin
from hammingbird.kernels.twin import Codes, Counts, Distances, Rows, Scores

__all__ = ["backend", "best", "histograms", "nearest", "scores", "within"]


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


def nearest(
    queries: ArrayLike,
    database: ArrayLike,
    k: int,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> tuple[Rows, Distances]:
    """Exact ``k`` nearest database rows, nearest first: rows int64 and distances uint16 [n, k]."""
    queries, database = _codes(queries, "queries"), _codes(database, "database")
    _check_widths(queries, database)
    _check_k(k, database)
    rows = np.empty((len(queries), k), np.int64)
    distances = np.empty((len(queries), k), np.uint16)
    # A query holds up to 2 k candidates; k may be the whole database.
    most = min(_PATIENCE, _MEMORY * len(database) // (16 * k))
    for chunk in _chunks(len(queries), database, progress, most):
        rows[chunk], distances[chunk] = _kernels.nearest(
            queries[chunk], database, k, _threads(threads)
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
    queries, database = _codes(queries, "queries"), _codes(database, "database")
    _check_widths(queries, database)
    if not isinstance(radius, int | np.integer) or radius < 0:
        raise InputError(f"radius must be a whole number of at least 0, got {radius!r}")
    radius = min(int(radius), 8 * database.shape[1])
    offsets, rows, distances = [np.zeros(1, np.int64)], [], []
    for chunk in _chunks(len(queries), database, progress, _MEMORY):
        some = _kernels.within(queries[chunk], database, radius, _threads(threads))
        offsets.append(some[0][1:] + offsets[-1][-1])
        rows.append(some[1])
        distances.append(some[2])
    return (
        np.concatenate(offsets),
        np.concatenate([np.empty(0, np.int64), *rows]),
        np.concatenate([np.empty(0, np.uint16), *distances]),
    )


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
    queries, database = _codes(queries, "queries"), _codes(database, "database")
    _check_widths(queries, database)
    _check_n_bits(n_bits, database)
    _check_padding(queries, n_bits, "queries")
    _check_padding(database, n_bits, "database")
    shape = (len(queries), n_bits + 1)
    marks = None if relevant is None else np.asarray(relevant)
    pairs = (len(queries), len(database))
    if marks is not None and (marks.dtype != bool or marks.shape != pairs):
        raise InputError(f"relevant must be bool {pairs}, got {marks.dtype} {marks.shape}")
    everything = np.zeros(shape, np.uint32)
    some = None if marks is None else np.zeros(shape, np.uint32)
    for chunk in _chunks(len(queries), database, progress):
        here = None if marks is None else np.ascontiguousarray(marks[chunk])
        found = _kernels.histograms(queries[chunk], database, n_bits, here, _threads(threads))
        everything[chunk] = found[0]
        if some is not None:
            some[chunk] = found[1]
    return everything, some


def scores(
    query_scores: ArrayLike,
    database: ArrayLike,
    n_bits: int,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> Scores:
    """Asymmetric scores: sum of a query's real scores times the +-1 bits of a row, [n, n_database].

    Larger is nearer. Bits of padding do not count.
    """
    database = _codes(database, "database")
    weights = _weights(query_scores, database, n_bits)
    found = [
        _kernels.scores(weights[chunk], database, n_bits, _threads(threads))
        for chunk in _chunks(len(weights), database, progress, _MEMORY)
    ]
    if len(found) == 1:
        return found[0]  # type: ignore[no-any-return]
    return np.concatenate([np.empty((0, len(database)), np.float32), *found])


def best(
    query_scores: ArrayLike,
    database: ArrayLike,
    n_bits: int,
    k: int,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> tuple[Rows, Scores]:
    """Rows with the ``k`` largest asymmetric scores, largest first, and their scores [n, k]."""
    database = _codes(database, "database")
    weights = _weights(query_scores, database, n_bits)
    _check_k(k, database)
    rows = np.empty((len(weights), k), np.int64)
    found = np.empty((len(weights), k), np.float32)
    for chunk in _chunks(len(weights), database, progress, _MEMORY):
        rows[chunk], found[chunk] = _kernels.best(
            weights[chunk], database, n_bits, k, _threads(threads)
        )
    return rows, found


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


def _threads(threads: int | None) -> int:
    if threads is None:
        if hasattr(os, "sched_getaffinity"):  # a container may have fewer cores than the machine
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if not isinstance(threads, int | np.integer) or threads < 1:
        raise InputError(f"threads must be a whole number of at least 1, got {threads!r}")
    return int(threads)


def _codes(codes: ArrayLike, name: str) -> Codes:
    codes = np.asarray(codes)
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] == 0:
        raise InputError(
            f"{name} must be packed codes, uint8 [n, bytes], got {codes.dtype} {codes.shape}"
        )
    return np.ascontiguousarray(codes)


def _weights(query_scores: ArrayLike, database: Codes, n_bits: int) -> Scores:
    _check_n_bits(n_bits, database)
    weights = np.ascontiguousarray(query_scores, np.float32)
    if weights.ndim != 2 or weights.shape[1] != n_bits:
        raise InputError(f"query scores must have shape [n, {n_bits}], got {weights.shape}")
    bad = np.flatnonzero(~np.isfinite(weights).all(axis=1))
    if len(bad):
        raise InputError(f"query scores row {bad[0]} has a value that is not finite")
    return weights


def _check_widths(queries: Codes, database: Codes) -> None:
    if queries.shape[1] != database.shape[1]:
        raise InputError(
            f"queries of {queries.shape[1]} bytes do not fit a database of {database.shape[1]}"
        )


def _check_n_bits(n_bits: int, database: NDArray[np.uint8]) -> None:
    if not isinstance(n_bits, int | np.integer) or -(-n_bits // 8) != database.shape[1]:
        raise InputError(f"n_bits={n_bits!r} does not fit codes of {database.shape[1]} bytes")


def _check_padding(codes: Codes, n_bits: int, name: str) -> None:
    dirty = np.flatnonzero(codes[:, -1] & np.uint8((1 << (-n_bits % 8)) - 1))
    if len(dirty):
        raise InputError(f"{name} row {dirty[0]} has ones in its padding: is {n_bits=} right?")


def _check_k(k: int, database: Codes) -> None:
    if not isinstance(k, int | np.integer) or not 1 <= k <= len(database):
        raise InputError(f"k={k!r} must be between 1 and the {len(database)} rows of the database")

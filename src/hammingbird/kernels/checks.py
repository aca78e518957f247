"""What the kernels take: arrays and numbers that native code and its twin can both work on."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hammingbird.errors import InputError
from hammingbird.kernels.twin import Codes, Scores

FARTHEST = 65_535
"""The largest distance, uint16; what stands where there are fewer than ``k`` rows."""
_MAX_BYTES = FARTHEST // 8
# Marked and unmarked rows share one table of 2 * (8 * bytes + 1) uint16 bins.
_MAX_MARKED_BYTES = 4095
_MAX_THREADS = 4096
_MAX_K = 2**31 - 1
# Half the range: the order of additions and their rounding cannot leave float32.
_MAX_SUM = float(np.finfo(np.float32).max) / 2


def whole(value: Any, name: str, least: int, most: int | None = None) -> int:
    """Return a whole number as an int, or raise :class:`InputError` if it is not in the range."""
    good = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if good and value >= least and (most is None or value <= most):
        return int(value)
    limits = f"of at least {least:,}" if most is None else f"between {least:,} and {most:,}"
    raise InputError(f"{name} must be a whole number {limits}, got {value!r}")


def check_k(k: object) -> int:
    """Return ``k`` as an int of at least 1."""
    return whole(k, "k", 1, _MAX_K)


def check_radius(radius: object, database: Codes) -> int:
    """Return a radius that is at most all bits."""
    bits: int = 8 * database.shape[1]
    return min(whole(radius, "radius", 0), bits)


def check_threads(threads: object) -> int:
    """Return the number of threads; None means all cores that this process may use."""
    if threads is not None:
        return whole(threads, "threads", 1, _MAX_THREADS)
    if hasattr(os, "sched_getaffinity"):  # a container may have fewer cores than the machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_rows(codes: ArrayLike, name: str) -> Codes:
    """Packed codes uint8 [n, bytes], C-ordered, of at most 65,528 bits: distances are uint16."""
    codes = np.asarray(codes)
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] == 0:
        raise InputError(
            f"{name} must be packed codes, uint8 [n, bytes], got {codes.dtype} {codes.shape}"
        )
    if codes.shape[1] > _MAX_BYTES:
        raise InputError(
            f"{name} of {8 * codes.shape[1]:,} bits are too wide: distances are counted up to "
            f"65,535, so codes may have {_MAX_BYTES:,} bytes; cut them into parts"
        )
    return np.ascontiguousarray(codes)


def check_pair(queries: ArrayLike, database: ArrayLike) -> tuple[Codes, Codes]:
    """Queries and a database that are equally wide."""
    queries, database = check_rows(queries, "queries"), check_rows(database, "database")
    if queries.shape[1] != database.shape[1]:
        raise InputError(
            f"queries of {queries.shape[1]} bytes do not fit a database of {database.shape[1]}"
        )
    return queries, database


def check_width(n_bits: object, database: Codes) -> int:
    """Return ``n_bits`` as an int if rows of the database have so many bits."""
    bits = whole(n_bits, "n_bits", 1)
    if -(-bits // 8) != database.shape[1]:
        raise InputError(f"{n_bits=} does not fit codes of {database.shape[1]} bytes")
    return bits


def check_padding(codes: Codes, n_bits: int, name: str) -> None:
    """Refuse ones behind the last bit."""
    dirty = np.flatnonzero(codes[:, -1] & np.uint8((1 << (-n_bits % 8)) - 1))
    if len(dirty):
        raise InputError(f"{name} row {dirty[0]} has ones in its padding: is {n_bits=} right?")


def check_marks(relevant: ArrayLike | None, queries: Codes, database: Codes) -> Any:
    """The marks of pairs, bool [n_queries, n_database], or None."""
    if relevant is None:
        return None
    marks, pairs = np.asarray(relevant), (len(queries), len(database))
    if marks.dtype != bool or marks.shape != pairs:
        raise InputError(f"relevant must be bool {pairs}, got {marks.dtype} {marks.shape}")
    if database.shape[1] > _MAX_MARKED_BYTES:
        raise InputError(
            f"relevant rows are counted for codes of up to {_MAX_MARKED_BYTES:,} bytes, "
            f"these have {database.shape[1]:,}: cut them into parts"
        )
    return marks


def check_asked(asked: ArrayLike, n_bits: int) -> Scores:
    """Scores of bits, float32 [n, n_bits], or byte tables [n, bytes, 256]; all sums are finite."""
    given = np.asarray(asked)
    n_bytes = -(-n_bits // 8)
    if given.dtype.kind not in "fiub":
        raise InputError(f"query scores must be real numbers [n, {n_bits}], got {given.dtype}")
    if given.shape[1:] not in ((n_bits,), (n_bytes, 256)):
        raise InputError(
            f"query scores must have shape [n, {n_bits}], or be tables [n, {n_bytes}, 256], "
            f"got {given.shape}"
        )
    with np.errstate(over="ignore"):
        asked = np.ascontiguousarray(given, np.float32)
    largest = (
        np.maximum(asked.max(axis=2), -asked.min(axis=2)) if asked.ndim == 3 else np.abs(asked)
    )
    bad = np.flatnonzero(~(largest.sum(axis=1, dtype=np.float64) < _MAX_SUM))
    if len(bad):
        finite = np.isfinite(given[bad[0]]).all()
        raise InputError(
            f"query scores row {bad[0]} is too large for sums in float32: divide the query's "
            "scores by their largest, the order stays"
            if finite
            else f"query scores row {bad[0]} has a value that is not finite"
        )
    return asked


def check_listed(offsets: ArrayLike, rows: ArrayLike, n: int, n_rows: int) -> tuple[Any, Any]:
    """Offsets int64 [n + 1] into ``rows``, int64, which are rows that there are."""
    starts, listed = np.ascontiguousarray(offsets), np.ascontiguousarray(rows)
    good = starts.dtype == listed.dtype == np.int64 and starts.shape == (n + 1,)
    good = good and listed.ndim == 1 and starts[0] == 0 and starts[-1] == len(listed)
    if not good or (np.diff(starts) < 0).any():
        raise InputError(
            f"offsets must be int64 [{n + 1}], ascending from 0 to the number of listed rows, int64"
        )
    if len(listed) and not (listed.min() >= 0 and listed.max() < n_rows):
        raise InputError(f"listed rows must be from 0 to {n_rows - 1}")
    return starts, listed


def check_forest(
    rows: ArrayLike, columns: ArrayLike, cuts: ArrayLike, leaves: ArrayLike
) -> tuple[Codes, Any, Codes, Scores]:
    """Rows of bytes and trees whose shapes fit and whose nodes look at columns that there are."""
    X, looked = np.ascontiguousarray(rows), np.ascontiguousarray(columns)
    cut, leaf = np.ascontiguousarray(cuts), np.ascontiguousarray(leaves)
    types = [str(array.dtype) for array in (X, looked, cut, leaf)]
    depth = (looked.shape[-1] + 1).bit_length() - 1 if looked.ndim == 3 else 0
    fits = (
        types == ["uint8", "int32", "uint8", "float32"]
        and X.ndim == 2
        and 1 <= depth <= 8
        and looked.shape == cut.shape == (*leaf.shape[:2], (1 << depth) - 1)
        and leaf.shape == (*looked.shape[:2], 1 << depth)
    )
    if not fits:
        raise InputError(
            "rows must be uint8 [n, d], columns int32 and cuts uint8 [n_bits, T, 2^D - 1], leaves "
            f"float32 [n_bits, T, 2^D] with D from 1 to 8, got {X.shape}, {looked.shape}, "
            f"{cut.shape} and {leaf.shape}"
        )
    if looked.size and not (looked.min() >= 0 and looked.max() < X.shape[1]):
        raise InputError(f"columns must be from 0 to {X.shape[1] - 1}, the columns of the rows")
    return X, looked, cut, leaf


def check_descent(
    costs: ArrayLike, codes: ArrayLike, cross: ArrayLike, parts: ArrayLike
) -> tuple[Scores, Codes, Scores, Scores]:
    """Costs [n, m, 256] of codes [n, m], and what two bytes, and one, add to their deviation."""
    start = check_rows(codes, "codes")
    arrays = [np.ascontiguousarray(array) for array in (costs, cross, parts)]
    n, m = start.shape
    shapes = [(n, m, 256), (m, m, 256, 256), (m, 256)]
    wrong = [array.shape for array in arrays] != shapes
    if wrong or any(array.dtype != np.float32 for array in arrays):
        raise InputError(
            f"costs, cross and parts must be float32 {', '.join(map(str, shapes))}, "
            f"got {', '.join(f'{array.dtype} {array.shape}' for array in arrays)}"
        )
    if np.isnan(arrays[0].sum()):
        raise InputError("costs hold numbers that are not finite")
    return arrays[0], start, arrays[1], arrays[2]

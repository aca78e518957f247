"""The NumPy twin of ``buckets.h``: multi-index hashing over tables of buckets.

A step looks into all buckets of table t whose key is ``a`` bits from the query's. When the steps
(0, 0), (0, 1) ... (a, t) are done, every code at most a * m + t bits away has been met (m tables).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hammingbird.kernels.twin import Codes, Distances, Rows

BUCKET_COST = 48
"""What looking into a bucket costs, in codes compared."""
NONE = 65_535


class Buckets(NamedTuple):
    """Tables of codes, one after the other; see :mod:`hammingbird.index.tables`."""

    codes: Codes
    """Table 0 has all n codes, sorted; the others every different code, by its substring."""
    offsets: NDArray[np.uint32]
    """Per table 2^length + 1 places where its buckets begin in ``codes``."""
    bits: NDArray[np.int64]
    """Where the substrings begin, and the end of the last."""
    rows: NDArray[np.uint32]
    """Row numbers of table 0."""
    gone: NDArray[np.bool_] | None
    """Rows that are not to be found."""


def nearest_in_buckets(
    queries: Codes,
    codes: Codes,
    offsets: NDArray[np.uint32],
    bits: NDArray[np.int64],
    rows: NDArray[np.uint32],
    gone: NDArray[np.bool_] | None,
    k: int,
    budget: int,
    threads: int = 1,  # noqa: ARG001
) -> tuple[Rows, Distances, NDArray[np.int64]]:
    """``k`` nearest rows by (distance, row), and what each query cost, as codes compared.

    A query that would cost more than the budget has no rows, and its cost is -1 - cost.
    """
    buckets = Buckets(codes, offsets, bits, rows, gone)
    found = np.full((len(queries), k), -1, np.int64)
    distances = np.full((len(queries), k), NONE, np.uint16)
    spent = np.zeros(len(queries), np.int64)
    for query, code in enumerate(queries):
        keys, cost = np.empty(0, np.int64), 0
        done = True
        for t, a, reached in _steps(bits):
            length = int(bits[t + 1] - bits[t])
            if a <= length:
                each = BUCKET_COST + (len(rows) >> length)
                if cost + comb(length, a) * each > budget:
                    done = False
                    break
                met, some = _look(buckets, code, t, a)
                cost += some
                keys = np.union1d(keys, met)[:k]
            if len(keys) == k and keys[-1] >> 32 <= reached:
                break
        spent[query] = cost if done else -1 - cost
        if done:
            found[query, : len(keys)] = keys & 0xFFFFFFFF
            distances[query, : len(keys)] = keys >> 32
    return found, distances, spent


def within_in_buckets(
    queries: Codes,
    codes: Codes,
    offsets: NDArray[np.uint32],
    bits: NDArray[np.int64],
    rows: NDArray[np.uint32],
    gone: NDArray[np.bool_] | None,
    radius: int,
    threads: int = 1,  # noqa: ARG001
) -> tuple[Rows, Rows, Distances]:
    """All rows at most ``radius`` away, query by query, by (distance, row)."""
    buckets, found = Buckets(codes, offsets, bits, rows, gone), []
    for code in queries:
        keys = np.empty(0, np.int64)
        for t, a, reached in _steps(bits):
            if a <= bits[t + 1] - bits[t]:
                met, _ = _look(buckets, code, t, a)
                keys = np.union1d(keys, met[met >> 32 <= radius])
            if reached >= radius:
                break
        found.append(keys)
    ends = np.cumsum([0, *map(len, found)], dtype=np.int64)
    everything = np.concatenate([np.empty(0, np.int64), *found])
    return ends, everything & 0xFFFFFFFF, (everything >> 32).astype(np.uint16)


def _steps(bits: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Table, bits to flip, and the distance up to which nothing is missing afterwards."""
    m = len(bits) - 1
    return [(t, a, a * m + t) for a in range(int(np.diff(bits).max()) + 1) for t in range(m)]


def _look(buckets: Buckets, query: Codes, t: int, a: int) -> tuple[NDArray[np.int64], int]:
    """Keys (distance and row in one number) of what the buckets of a step hold, and its cost."""
    lengths = np.diff(buckets.bits)
    first = int((2 ** lengths[:t] + 1).sum())
    looked = first + (key_of(query[None], buckets.bits, t) ^ _flips(int(lengths[t]), a))
    begins, ends = (buckets.offsets[looked + i].astype(np.int64) for i in (0, 1))
    places = _ranges(begins, ends)
    met = buckets.codes[places]
    if t:  # their rows are in table 0, which is sorted
        words, wanted = (
            _as_items(buckets.codes[: len(buckets.rows)]),
            _as_items(np.unique(met, axis=0)),
        )
        places = _ranges(np.searchsorted(words, wanted), np.searchsorted(words, wanted, "right"))
    rows = buckets.rows[places].astype(np.int64)
    apart = np.bitwise_count(buckets.codes[places] ^ query).sum(axis=1, dtype=np.int64)
    if buckets.gone is not None:
        apart, rows = apart[~buckets.gone[rows]], rows[~buckets.gone[rows]]
    return apart << 32 | rows, len(looked) * BUCKET_COST + int((ends - begins).sum())


def key_of(codes: Codes, bits: NDArray[np.int64], t: int) -> NDArray[np.uint32]:
    """Substring t of codes [n, bytes] as numbers [n], its first bit the highest."""
    start, stop = int(bits[t]), int(bits[t + 1])
    value = np.zeros(len(codes), np.uint64)
    for byte in range(start // 8, (stop - 1) // 8 + 1):
        value = value << np.uint64(8) | codes[:, byte]
    value >>= np.uint64(7 - (stop - 1) % 8)
    return (value & np.uint64((1 << (stop - start)) - 1)).astype(np.uint32)


@lru_cache(maxsize=64)
def _flips(length: int, ones: int) -> NDArray[np.int64]:
    """Numbers of ``length`` bits with so many ones."""
    chosen = np.array(list(combinations(range(length), ones)), np.int64)
    chosen = chosen.reshape(comb(length, ones), ones)
    flips: NDArray[np.int64] = (np.int64(1) << chosen).sum(axis=1)
    return flips


def _ranges(begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """All numbers of the ranges [begin, end), one after the other."""
    sizes = ends - begins
    starts = np.repeat(begins - np.cumsum(sizes) + sizes, sizes)
    return starts + np.arange(len(starts))


def _as_items(codes: Codes) -> NDArray[np.void]:
    """Codes as items that compare as their bytes do."""
    return np.ascontiguousarray(codes).view(f"S{codes.shape[1]}").ravel()

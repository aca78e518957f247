"""The NumPy twin of ``native.cpp``: the same functions, the same results, no compiler needed.

The caller (:mod:`hammingbird.kernels`) has checked all arguments and cut the queries into chunks,
so that a [chunk, n_database] matrix fits in memory. ``threads`` is there for the native signature.
"""

# ruff: noqa: ARG001
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Rows = NDArray[np.int64]
Distances = NDArray[np.uint16]
Counts = NDArray[np.uint32]
Scores = NDArray[np.float32]


def distances(queries: Codes, database: Codes) -> Distances:
    """All Hamming distances, uint16 [n_queries, n_database]."""
    left, right = _words(queries), _words(database)
    found = np.zeros((len(left), len(right)), np.uint16)
    for word in range(left.shape[1]):
        found += np.bitwise_count(left[:, word, None] ^ right[None, :, word])
    return found


def nearest(queries: Codes, database: Codes, k: int, threads: int = 1) -> tuple[Rows, Distances]:
    """Exact ``k`` nearest rows by (distance, row)."""
    n = len(database)
    # A key of distance and row is unique, so any selection by it breaks ties by row.
    keys = distances(queries, database).astype(np.int64) * n + np.arange(n)
    if k < n:
        keys = np.partition(keys, k - 1, axis=1)[:, :k]
    keys.sort(axis=1)
    return keys % n, (keys // n).astype(np.uint16)


def within(
    queries: Codes, database: Codes, radius: int, threads: int = 1
) -> tuple[Rows, Rows, Distances]:
    """All rows at most ``radius`` away, query by query, by (distance, row)."""
    found = distances(queries, database)
    query, rows = np.nonzero(found <= radius)
    hits = found[query, rows]
    order = np.lexsort((rows, hits, query))
    offsets = np.zeros(len(queries) + 1, np.int64)
    np.cumsum(np.bincount(query, minlength=len(queries)), out=offsets[1:])
    return offsets, rows[order], hits[order]


def histograms(
    queries: Codes,
    database: Codes,
    n_bits: int,
    relevant: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> tuple[Counts, Counts | None]:
    """Per query, how many rows lie at each distance 0..n_bits: all, and the relevant ones."""
    shape = (len(queries), n_bits + 1)
    bins = distances(queries, database) + np.arange(len(queries))[:, None] * (n_bits + 1)
    size = shape[0] * shape[1]
    everything = np.bincount(bins.ravel(), minlength=size).astype(np.uint32).reshape(shape)
    if relevant is None:
        return everything, None
    some = np.bincount(bins[relevant], minlength=size).astype(np.uint32).reshape(shape)
    return everything, some


def byte_tables(query_scores: Scores) -> Scores:
    """What each of the 256 values of a byte adds to a score, float32 [n_queries, bytes, 256].

    The order of the additions is part of the contract: four scores make half a byte, first to last;
    two halves make a byte.
    """
    bits = range(0, query_scores.shape[1], 8)
    tables = [_byte_table(query_scores[:, first : first + 8]) for first in bits]
    return np.stack(tables, axis=1)


def scores(query_scores: Scores, database: Codes, n_bits: int, threads: int = 1) -> Scores:
    """Sum of +-1 bits weighted by the query's scores, float32 [n_queries, n_database]."""
    return table_scores(byte_tables(query_scores), database)


def table_scores(tables: Scores, database: Codes, threads: int = 1) -> Scores:
    """Sum over the bytes of their entries, first to last, float32 [n_queries, n_database]."""
    found = np.zeros((len(tables), len(database)), np.float32)
    for byte in range(database.shape[1]):
        found += np.take(tables[:, byte], database[:, byte], axis=1)
    return found


def best(
    query_scores: Scores, database: Codes, n_bits: int, k: int, threads: int = 1
) -> tuple[Rows, Scores]:
    """Rows of the ``k`` largest scores, ties by row."""
    return _largest(scores(query_scores, database, n_bits), k)


def table_best(tables: Scores, database: Codes, k: int, threads: int = 1) -> tuple[Rows, Scores]:
    """The same by tables."""
    return _largest(table_scores(tables, database), k)


def table_best_of(
    tables: Scores, database: Codes, offsets: Rows, rows: Rows, k: int, threads: int = 1
) -> tuple[Rows, Scores]:
    """The same among ``rows[offsets[i] : offsets[i + 1]]`` for query i; -1 and -inf fill up."""
    best_rows = np.full((len(tables), k), -1, np.int64)
    found = np.full((len(tables), k), -np.inf, np.float32)
    for query, table in enumerate(tables):
        here = np.sort(rows[offsets[query] : offsets[query + 1]])
        if there := min(k, len(here)):
            some, values = _largest(table_scores(table[None], database[here]), there)
            best_rows[query, :there], found[query, :there] = here[some[0]], values[0]
    return best_rows, found


def _largest(found: Scores, k: int) -> tuple[Rows, Scores]:
    rows = np.empty((len(found), k), np.int64)
    for query, row in enumerate(found):
        bound = np.partition(row, len(row) - k)[len(row) - k]
        candidates = np.flatnonzero(row >= bound)
        rows[query] = candidates[np.argsort(-row[candidates], kind="stable")[:k]]
    return rows, np.take_along_axis(found, rows, axis=1)


def _byte_table(some: Scores) -> Scores:
    """Score of each of the 256 values of a byte, float32 [n_queries, 256]."""
    high, low = _half_table(some[:, :4]), _half_table(some[:, 4:])
    return (high[:, :, None] + low[:, None, :]).reshape(len(some), 256)


def _half_table(some: Scores) -> Scores:
    table = np.zeros((len(some), 1), np.float32)
    for bit in range(4):
        # A padding bit counts for nothing, whatever its value.
        weight = some[:, bit, None] if bit < some.shape[1] else np.float32(0)
        table = np.stack((table - weight, table + weight), axis=2).reshape(len(some), 2 << bit)
    return table


def forest(
    rows: Codes,
    columns: NDArray[np.int32],
    cuts: Codes,
    leaves: Scores,
    threads: int = 1,
) -> Scores:
    """Sums [n, n_bits] of the leaves that rows [n, d] reach in trees [n_bits, T, nodes]."""
    sums = np.zeros((len(columns), len(rows)), np.float32)
    by_column = np.ascontiguousarray(rows.T)
    for out, looked, cut, leaf in zip(sums, columns, cuts, leaves, strict=True):
        for nodes, bounds, values in zip(looked, cut, leaf, strict=True):
            right = np.packbits(by_column[nodes] > bounds[:, None], axis=1)
            out += values.take(_leaves_reached(right, len(rows)))
    return np.ascontiguousarray(sums.T)


def descend(
    costs: Scores,
    codes: Codes,
    cross: Scores,
    parts: Scores,
    base: float,
    weight: float,
    passes: int,
    threads: int = 1,
) -> Codes:
    """Codes whose bytes in turn took the value of least cost; see the caller."""
    rows, codes = np.arange(len(codes)), codes.copy()
    m = codes.shape[1]
    apart = np.full(len(codes), -np.float32(base))
    for byte in range(m):
        apart += parts[byte, codes[:, byte]]
        for other in range(byte):
            apart += cross[other, byte, codes[:, other], codes[:, byte]]
    for byte in np.tile(np.arange(m), passes):
        found, total = value_costs(byte, costs[:, byte], codes, cross, parts, apart, weight)
        codes[:, byte] = found.argmin(axis=1)
        apart = total[rows, codes[:, byte]]
    return codes


def value_costs(
    byte: int,
    costs: Scores,
    codes: Codes,
    cross: Scores,
    parts: Scores,
    apart: Scores,
    weight: float,
) -> tuple[Scores, Scores]:
    """What codes would cost with each value of a byte, and their deviations, [n, 256] each.

    ``costs`` [n, 256] are this byte's, ``apart`` [n] the deviations of the codes as they are.
    """
    more = np.zeros((len(codes), 256), np.float32)
    for other in range(codes.shape[1]):
        if other != byte:
            more += cross[other, byte, codes[:, other]]
    total = parts[byte] + more
    total += (apart - total[np.arange(len(codes)), codes[:, byte]])[:, None]
    more += costs
    more += np.float32(weight) * (total * total)
    return more, total


def _leaves_reached(right: Codes, n: int) -> Codes:
    """Leaf of each row, [n], from the answers of all nodes, eight rows to a byte."""
    leaf, taken, level = np.zeros(n, np.uint8), list[Codes](), 1
    while level <= len(right):
        answers = right[level - 1 : 2 * level - 1]
        for above in taken:
            left, other = np.split(answers, 2)
            answers = left ^ ((left ^ other) & above)
        taken.append(answers[0])
        leaf = 2 * leaf + np.unpackbits(answers[0], count=n)
        level *= 2
    return leaf


def _words(codes: Codes) -> NDArray[np.uint64]:
    """Codes as 8-byte words, zero bytes at the end."""
    padded = np.zeros((len(codes), -(-codes.shape[1] // 8) * 8), np.uint8)
    padded[:, : codes.shape[1]] = codes
    return padded.view(np.uint64)

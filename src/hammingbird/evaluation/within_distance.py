"""Relevance by the distance of the vectors that were encoded."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.errors import InputError
from hammingbird.evaluation.relevance import Relevance

SLAB = 1 << 14
"""Database rows that are converted to double precision at a time, a multiple of 8."""
QUERIES = 256
"""Queries that are compared with them at a time."""
KEPT = 1 << 31
"""Pairs whose relevance is held, a bit each: 256 MiB."""


class WithinDistance(Relevance):
    """Relevant if the Euclidean distance of the vectors is at most ``threshold``."""

    def __init__(self, queries: ArrayLike, database: ArrayLike, threshold: float) -> None:
        self._queries, self._database = np.asarray(queries), np.asarray(database)
        shapes = self._queries.shape, self._database.shape
        if self._queries.ndim != 2 or self._database.ndim != 2 or shapes[0][1] != shapes[1][1]:
            raise InputError(
                f"queries {shapes[0]} and database {shapes[1]} must be matrices of equal width"
            )
        if not threshold >= 0:
            raise InputError(f"threshold must be a distance of at least 0, got {threshold}")
        self.n_queries, self.n_database = shapes[0][0], shapes[1][0]
        self.threshold = float(threshold)
        self._kept: tuple[int, NDArray[np.uint8]] | None = None

    def rows(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Relevance of the whole database to queries ``start`` to ``stop``, bool [m, n]."""
        stop = min(stop, self.n_queries)
        parts = []
        while start < stop:
            first, bits = self._block_of(start)
            some = bits[start - first : stop - first]
            parts.append(np.unpackbits(some, axis=1, count=self.n_database).view(np.bool_))
            start += len(some)
        return np.concatenate([np.empty((0, self.n_database), np.bool_), *parts])

    def _block_of(self, query: int) -> tuple[int, NDArray[np.uint8]]:
        """The block of queries that holds ``query``: its first one, and a bit for every pair.

        The last block is kept: for up to ``KEPT`` pairs the database is read once in all.
        """
        size = max(1, KEPT // max(1, self.n_database))
        first = query // size * size
        if self._kept is None or self._kept[0] != first:
            self._kept = first, self._bits(first, min(first + size, self.n_queries))
        return self._kept

    def _bits(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Relevance to queries ``start`` to ``stop`` in one pass over the database, packed."""
        bits = np.empty((stop - start, -(-self.n_database // 8)), np.uint8)
        for first in range(0, self.n_database, SLAB):
            slab = np.asarray(self._database[first : first + SLAB], np.float64)
            squares = np.einsum("ij,ij->i", slab, slab)
            columns = slice(first // 8, first // 8 + -(-len(slab) // 8))
            for some in range(start, stop, QUERIES):
                queries = np.asarray(self._queries[some : min(some + QUERIES, stop)], np.float64)
                squared = (-2 * queries) @ slab.T
                squared += squares
                squared += np.einsum("ij,ij->i", queries, queries)[:, None]
                rows = slice(some - start, some - start + len(queries))
                bits[rows, columns] = np.packbits(squared <= self.threshold**2, axis=1)
        return bits

    def describe(self) -> str:
        """Name the rule in a few words, for result records."""
        return f"Euclidean distance at most {self.threshold:.6g}"


def percentile_threshold(
    train: ArrayLike, percentile: float = 5.0, *, seed: int = 0, limit: int = 5000
) -> float:
    """Euclidean distance below which ``percentile`` % of the pairs of training points lie.

    The neighbour rule of 22K LabelMe (MIHash, 4.2): 5 % of the pairs of 5,000 points. More than
    ``limit`` points are subsampled by ``seed``.
    """
    from scipy.spatial.distance import pdist

    train = np.asarray(train)
    if train.ndim != 2 or len(train) < 2:
        raise InputError(f"train must be at least two rows [n, d], got {train.shape}")
    if not 0 <= percentile <= 100:
        raise InputError(f"percentile must be between 0 and 100, got {percentile}")
    if len(train) > limit:
        train = train[np.random.default_rng(seed).choice(len(train), limit, replace=False)]
    return float(np.percentile(pdist(np.asarray(train, np.float64)), percentile))

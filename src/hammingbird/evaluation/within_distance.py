"""Relevance by the distance of the vectors that were encoded."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.errors import InputError
from hammingbird.evaluation.relevance import Relevance

SLAB = 1 << 14
"""Database rows that are converted to double precision at a time."""


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

    def rows(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Relevance of the whole database to queries ``start`` to ``stop``, bool [m, n]."""
        queries = np.asarray(self._queries[start:stop], np.float64)
        own = np.einsum("ij,ij->i", queries, queries)[:, None]
        within = np.empty((len(queries), self.n_database), np.bool_)
        for first in range(0, self.n_database, SLAB):
            part = slice(first, first + SLAB)
            squared = queries @ (-2 * np.asarray(self._database[part], np.float64).T)
            squared += self._squares[part]
            squared += own
            np.less_equal(squared, self.threshold**2, out=within[:, part])
        return within

    def describe(self) -> str:
        """Name the rule in a few words, for result records."""
        return f"Euclidean distance at most {self.threshold:.6g}"

    @cached_property
    def _squares(self) -> NDArray[np.float64]:
        slabs = (
            np.asarray(self._database[first : first + SLAB], np.float64)
            for first in range(0, self.n_database, SLAB)
        )
        return np.concatenate([np.einsum("ij,ij->i", slab, slab) for slab in slabs])


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

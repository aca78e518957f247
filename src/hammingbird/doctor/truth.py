"""Exact nearest rows of a few queries, in all rows and in nested parts of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.index import rerank

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

ROWS_AT_ONCE = 8192
SPARE = 16
"""Rows beyond the nearest that single precision finds; double precision orders all of them."""
SHRINK = 8
PARTS = (16, 4, 1)
SMALLEST_PART = 100


@dataclass(frozen=True)
class Part:
    """Some rows of the database, and the nearest of them to every query."""

    rows: Ids
    """Rows of the database, ascending, [m]."""
    nearest: Ids
    """Places in ``rows`` of the nearest, nearest first, [q, k]."""


def nested_rows(n: int, seed: int) -> list[Ids]:
    """Random rows of a database of ``n``: a 16th, a quarter holding these, all; none too small."""
    order = np.random.default_rng(seed).permutation(n)
    sizes = [n // part for part in PARTS if part == 1 or n // part >= SMALLEST_PART]
    return [np.sort(order[:size]) for size in sizes]


def nearest_in_parts(
    queries: Floats,
    database: NDArray[Any],
    k: int,
    parts: list[Ids],
    done: Callable[[int], object] = lambda _: None,
) -> list[Part]:
    """The ``k`` rows of every part nearest to each query by Euclidean distance, ties by row.

    The last part is the whole database, which is read once, block by block; ``done`` is told how
    many rows.
    """
    inside = [np.zeros(len(database), bool) for _ in parts]
    for mask, rows in zip(inside, parts, strict=True):
        mask[rows] = True
    centre = queries.mean(axis=0)
    asked = 2 * (queries - centre).T
    leaders = [_Leaders(len(queries), min(k + SPARE, len(rows))) for rows in parts]
    for start in range(0, len(database), ROWS_AT_ONCE):
        block = np.asarray(database[start : start + ROWS_AT_ONCE], np.float32) - centre
        scores = block @ asked
        scores -= np.einsum("ij,ij->i", block, block)[:, None]
        for mask, best in zip(inside, leaders, strict=True):
            rows = np.flatnonzero(mask[start : start + len(block)])
            best.see(scores if len(rows) == len(block) else scores[rows], rows + start)
        done(len(block))
    found = []
    for rows, best in zip(parts, leaders, strict=True):
        ids = rerank(queries, best.rows(), database, min(k, len(rows))).ids
        found.append(Part(rows, np.searchsorted(rows, ids)))
    return found


class _Leaders:
    """The rows with the ``m`` highest scores of every query among those seen so far."""

    def __init__(self, n_queries: int, m: int) -> None:
        self.m = m
        self._scores = np.full((n_queries, m), -np.inf, np.float32)
        self._rows = np.full((n_queries, m), -1, np.int64)
        self._waiting: list[tuple[Ids, Ids, Floats]] = []

    def see(self, scores: Floats, rows: Ids) -> None:
        """Take in scores [n, q] of database rows [n]."""
        limit = self._scores[:, -1]
        if not len(rows):
            return
        if not np.isfinite(limit).all():
            if len(rows) > self.m:
                place = np.argpartition(-scores, self.m - 1, axis=0)[: self.m]
            else:
                place = np.repeat(np.arange(len(rows))[:, None], scores.shape[1], axis=1)
            query = np.broadcast_to(np.arange(scores.shape[1]), place.shape)
            self._merge(query.ravel(), rows[place].ravel(), scores[place, query].ravel())
            return
        place, query = np.nonzero(scores > limit)
        self._waiting.append((query, rows[place], scores[place, query]))
        if sum(len(some[0]) for some in self._waiting) > SHRINK * self._rows.size:
            self.rows()

    def rows(self) -> Ids:
        """Rows [q, m], in no order; -1 where fewer were seen."""
        if self._waiting:
            query, rows, scores = (np.concatenate(one) for one in zip(*self._waiting, strict=True))
            self._waiting = []
            self._merge(query, rows, scores)
        return self._rows

    def _merge(self, query: Ids, rows: Ids, scores: Floats) -> None:
        q, m = self._rows.shape
        query = np.concatenate([np.repeat(np.arange(q), m), query])
        rows = np.concatenate([self._rows.ravel(), rows])
        scores = np.concatenate([self._scores.ravel(), scores])
        order = np.lexsort((rows, -scores, query))
        query = query[order]
        first = np.searchsorted(query, np.arange(q))
        kept = order[(first[:, None] + np.arange(m)).ravel()]
        self._rows, self._scores = rows[kept].reshape(q, m), scores[kept].reshape(q, m)

"""Exact nearest rows of a few queries, in all rows and in nested parts of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.targets import nearest_vectors

Ids = NDArray[np.int64]

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
    queries: NDArray[np.float32], database: NDArray[Any], k: int, parts: list[Ids]
) -> list[Part]:
    """The ``k`` rows of every part nearest to each query by Euclidean distance, ties by row.

    Each part holds the one before it: only the rows that it adds are searched.
    """
    found: list[Part] = []
    seen: Ids = np.empty(0, np.int64)
    ids: Ids = np.empty((len(queries), 0), np.int64)
    distances: NDArray[Any] = np.empty(ids.shape)
    for rows in parts:
        more = np.setdiff1d(rows, seen, assume_unique=True)
        added = nearest_vectors(queries, _taken(database, more), min(k, len(more)))
        ids = np.hstack([ids, more[added.ids]])
        distances = np.hstack([distances, added.distances])
        first = np.lexsort((ids, distances))[:, :k]
        ids = np.take_along_axis(ids, first, axis=1)
        distances = np.take_along_axis(distances, first, axis=1)
        found.append(Part(rows, np.searchsorted(rows, ids)))
        seen = rows
    return found


def nearest_in_all(queries: NDArray[np.float32], database: NDArray[Any], k: int) -> Part:
    """The ``k`` rows nearest to each query."""
    return nearest_in_parts(queries, database, k, [np.arange(len(database))])[0]


def _taken(database: NDArray[Any], rows: Ids) -> NDArray[Any]:
    """Rows of the database, without a copy where they are all."""
    return database if len(rows) == len(database) else database[rows]

"""What a method learns from: labels, label sets, pairs, triplets, nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.errors import InputError

Measure = Literal["l2", "inner", "cosine"]

SLAB = 1 << 14
"""Rows of a database that are converted to double precision at a time."""


class Neighbors(NamedTuple):
    """For every query its neighbours, nearest first, ties by the smaller id."""

    ids: NDArray[np.int64]
    """[n, k]; -1 where there are fewer than k."""
    distances: NDArray[np.generic]
    """[n, k], in the unit of whoever found them."""


@dataclass(frozen=True)
class Pairs:
    """Rows ``left[i]`` and ``right[i]`` are similar (True) or dissimilar (False)."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similar: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not len(self.left) == len(self.right) == len(self.similar):
            raise InputError("Pairs: left, right and similar must be equally long")


@dataclass(frozen=True)
class Triplets:
    """Row ``anchor[i]`` is closer to ``positive[i]`` than to ``negative[i]``."""

    anchor: NDArray[np.int64]
    positive: NDArray[np.int64]
    negative: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.anchor) == len(self.positive) == len(self.negative):
            raise InputError("Triplets: anchor, positive and negative must be equally long")


def without_label(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Rows that have no label, bool [n]: the number -1, NaN, or an empty label set [n, c]."""
    if y.ndim == 2:
        return np.asarray(~y.astype(bool).any(axis=1))
    if y.dtype.kind not in "iuf":
        return np.zeros(len(y), np.bool_)
    return np.asarray((y == -1) | np.isnan(y))


def check_rows(given: Any, n_rows: int) -> NDArray[np.int64]:
    """Row numbers [m] that targets name, all of them rows of X, and at least one."""
    rows: NDArray[np.int64] = np.asarray(given, np.int64).ravel()
    if len(rows) == 0 or rows.min() < 0 or rows.max() >= n_rows:
        raise InputError(f"y must name rows 0 to {n_rows - 1} of X, and at least one of them")
    return rows


def check_labels(y: Any, n_rows: int) -> tuple[NDArray[np.int64] | NDArray[np.bool_], list[Any]]:
    """Labels as numbers of classes [n], -1 for none, or label sets as bool [n, c]; and the classes.

    Labels may be anything that sorts. A class of label sets is the number of its column.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        if y.dtype.kind in "biuf" and np.isin(y, (0, 1)).all():
            raise InputError(
                "y [n, 1] of ones and zeros is label sets of one class, and one class teaches "
                "nothing: give labels as [n]"
            )
        y = y[:, 0]
    if y.ndim not in (1, 2) or len(y) != n_rows:
        raise InputError(
            f"y must hold a label or a label set for each of {n_rows} rows, got shape {y.shape}"
        )
    if y.ndim == 2:
        if not np.isin(y, (0, 1)).all():
            raise InputError("y as label sets [n, c] must hold only 0 and 1")
        return y.astype(bool), list(range(y.shape[1]))
    missing = without_label(y)
    try:
        classes, codes = np.unique(y[~missing], return_inverse=True)
    except TypeError as error:
        raise InputError(
            f"y must hold labels of one kind, numbers or strings ({error}): "
            "give -1 to the rows without a label"
        ) from error
    if len(classes) < 2:
        raise InputError(
            f"y has {len(classes)} classes, and one class teaches nothing: give at least two"
        )
    encoded = np.full(n_rows, -1, np.int64)
    encoded[~missing] = codes
    return encoded, _plain(classes)


def _plain(classes: NDArray[Any]) -> list[Any]:
    """Labels as JSON can hold them: numbers and strings, anything else as it is printed."""
    return [c if isinstance(c, int | float | str) else str(c) for c in classes.tolist()]


def nearest_vectors(
    queries: ArrayLike,
    database: ArrayLike,
    k: int,
    measure: Measure = "l2",
    *,
    exclude: ArrayLike | None = None,
    chunk: int = 256,
) -> Neighbors:
    """Exact ``k`` nearest database rows of every query, in double precision, ties by row number.

    Distances are squared Euclidean (``l2``), or minus the inner product or cosine. ``exclude``
    [n_queries] names for each query one database row to leave out (its own), -1 for none. The
    database is read once, slab by slab, and may be a memory map.
    """
    queries, database = np.asarray(queries), np.asarray(database)
    if queries.ndim != 2 or database.ndim != 2 or queries.shape[1] != database.shape[1]:
        raise InputError(
            f"queries {queries.shape} and database {database.shape} must be matrices of equal width"
        )
    if not 1 <= k <= len(database) - (exclude is not None):
        raise InputError(f"k={k} neighbours need that many rows, the database has {len(database)}")
    own = None if exclude is None else np.asarray(exclude)
    ids = np.full((len(queries), k), -1, np.int64)
    distances = np.full((len(queries), k), np.inf)
    for first in range(0, len(database), SLAB):
        slab = _prepare(database[first : first + SLAB], measure)
        norms = np.einsum("ij,ij->i", slab, slab) if measure == "l2" else None
        for start in range(0, len(queries), chunk):
            rows = slice(start, start + chunk)
            block = _prepare(queries[rows], measure)
            found = block @ slab.T
            if norms is not None:
                found *= -2
                found += norms
                found += np.einsum("ij,ij->i", block, block)[:, None]
            else:
                np.negative(found, out=found)
            if own is not None:
                column = own[rows] - first
                known = np.flatnonzero((column >= 0) & (column < len(slab)))
                found[known, column[known]] = np.inf
            _merge(ids[rows], distances[rows], found, first)
    return Neighbors(ids, distances)


def _merge(
    ids: NDArray[np.int64],
    distances: NDArray[np.float64],
    found: NDArray[np.float64],
    first: int,
) -> None:
    """Put what was found in rows ``first``, ... among the nearest so far [m, k], in place.

    Rows come in order, so a tie is won by those that are there.
    """
    k = ids.shape[1]
    if first == 0 and k <= found.shape[1]:
        ids[:], distances[:] = smallest(found, k)
        return
    closer = found < distances[:, -1:]
    for i in np.flatnonzero(closer.any(axis=1)):
        columns = np.flatnonzero(closer[i])
        values = np.concatenate([distances[i], found[i, columns]])
        order = np.argsort(values, kind="stable")[:k]
        ids[i] = np.concatenate([ids[i], first + columns])[order]
        distances[i] = values[order]


def smallest(
    values: NDArray[np.floating], k: int
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Columns and values of the ``k`` smallest entries of each row, ties by the smaller column."""
    if k < values.shape[1]:
        bound = np.partition(values, k - 1, axis=1)[:, k - 1 : k]
        columns = np.empty((len(values), k), np.int64)
        for i, (row, limit) in enumerate(zip(values, bound, strict=True)):
            candidates = np.flatnonzero(row <= limit)
            columns[i] = candidates[np.argsort(row[candidates], kind="stable")[:k]]
    else:
        columns = np.argsort(values, axis=1, kind="stable")
    return columns, np.take_along_axis(values, columns, axis=1)


def _prepare(X: NDArray[np.generic], measure: Measure) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = np.asarray(X, np.float64)
    if measure == "cosine":
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
    return rows

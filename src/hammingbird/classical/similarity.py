"""What shallow supervised methods learn from: some rows, and which of them are similar."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError
from hammingbird.targets import Neighbors, Pairs, Triplets, check_labels, check_rows


class Similarity(NamedTuple):
    """Some rows of the training data and what is known of every two of them."""

    rows: NDArray[np.int64]
    """[m], increasing."""
    signs: NDArray[np.int8]
    """[m, m], symmetric: 1 similar, -1 dissimilar, 0 unknown; a row is similar to itself."""


def similarity(
    y: Any, n_rows: int, most: int, rng: np.random.RandomState, method: str
) -> Similarity:
    """Draw at most ``most`` rows and tell which of them are similar.

    From labels or label sets, rows with a label are drawn evenly, and two are similar if they share
    one. From pairs or neighbours, the rows of pairs in random order are drawn, so that few rows
    hold many known pairs; two rows are what ``y`` says, or where it says nothing unknown (pairs) or
    dissimilar (neighbours).

    Raises :class:`InputError` if what was drawn has no similar or no dissimilar pair.
    """
    if most < 2:
        raise InputError(f"at least two rows are needed to compare, got {most}")
    learns = f"{method} learns from labels, label sets, Pairs or Neighbors"
    if y is None:
        raise InputError(f"{learns}; requires y to be passed, but the target y is None")
    if isinstance(y, Triplets):
        raise InputError(f"{learns}, y is Triplets")
    if isinstance(y, Pairs | Neighbors):
        found = _from_pairs(y, n_rows, most, rng)
    else:
        found = _from_labels(y, n_rows, most, rng)
    apart = found.signs == -1
    if not apart.any():
        raise InputError(
            "y has no dissimilar pair of rows, as one class has none: give rows that differ"
        )
    if (found.signs == 1).sum() <= len(found.rows):
        raise InputError(
            f"y has no similar pair among {len(found.rows)} rows, as labels that are all distinct "
            "have none: give labels that rows share"
        )
    return found


def _from_labels(y: Any, n_rows: int, most: int, rng: np.random.RandomState) -> Similarity:
    labels, _ = check_labels(y, n_rows)
    labelled = np.flatnonzero(labels.any(axis=1) if labels.ndim == 2 else labels >= 0)
    rows = np.sort(rng.permutation(labelled)[:most])
    if labels.ndim == 2:
        some = labels[rows].astype(np.float32)
        shared = some @ some.T > 0
    else:
        shared = labels[rows][:, None] == labels[rows]
    return Similarity(rows, np.where(shared, 1, -1).astype(np.int8))


def _from_pairs(
    y: Pairs | Neighbors, n_rows: int, most: int, rng: np.random.RandomState
) -> Similarity:
    left, right, similar = _pairs(y, n_rows)
    order = rng.permutation(len(left))
    ends, first = np.unique(np.stack([left, right], axis=1)[order], return_index=True)
    rows = np.sort(ends[np.argsort(first)[:most]])
    place = np.full(n_rows, -1)
    place[rows] = np.arange(len(rows))
    signs = np.full((len(rows), len(rows)), -1 if isinstance(y, Neighbors) else 0, np.int8)
    left, right = place[left], place[right]
    known = (left >= 0) & (right >= 0)
    left, right, said = left[known], right[known], np.where(similar[known], 1, -1)
    signs[left, right] = signs[right, left] = said
    np.fill_diagonal(signs, 1)
    if isinstance(y, Pairs) and (signs[left, right] != said).any():
        raise InputError("y gives a pair both as similar and as dissimilar: keep one of the two")
    return Similarity(rows, signs)


def _pairs(
    y: Pairs | Neighbors, n_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    if isinstance(y, Pairs):
        left, right = check_rows(y.left, n_rows), check_rows(y.right, n_rows)
        return left, right, np.asarray(y.similar, bool)
    ids = np.asarray(y.ids)
    if ids.ndim != 2 or len(ids) != n_rows or ids.max(initial=-1) >= n_rows:
        raise InputError(
            f"y as Neighbors must hold the nearest rows of X for each of its {n_rows} rows, "
            f"got ids of shape {ids.shape}"
        )
    left, column = np.nonzero((ids >= 0) & (ids != np.arange(n_rows)[:, None]))
    if not len(left):
        raise InputError("y holds no neighbours: give each row at least one other row")
    return left, ids[left, column].astype(np.int64), np.ones(len(left), bool)

"""What shallow supervised methods learn from: which rows are similar, or of what classes."""

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
    _check_kind(y, method)
    if isinstance(y, Pairs | Neighbors):
        found = _from_pairs(y, n_rows, most, rng)
    else:
        found = _from_labels(y, n_rows, most, rng)
    apart = found.signs == -1
    if not apart.any():
        raise InputError(ALL_SIMILAR)
    if (found.signs == 1).sum() <= len(found.rows):
        raise InputError(_none_similar(len(found.rows)))
    return found


class Indicators(NamedTuple):
    """Some rows of the training data, and the classes that they are of."""

    rows: NDArray[np.int64]
    """[m], increasing."""
    columns: Any
    """CSR [m, c] of float64, a column for each class that some row is of."""


def indicators(
    y: Any, n_rows: int, most: int, n_columns: int, rng: np.random.RandomState, method: str
) -> Indicators:
    """Tell which classes rows are of, by ones and zeros.

    From labels or label sets, of all rows with a label. Pairs and neighbours name no classes: at
    most ``most`` rows are drawn as in :func:`similarity`, and leading eigenvectors of the table of
    their signs, each times the root of its eigenvalue, stand for classes, ``n_columns`` at most.
    Where the pairs come from classes, these span what class indicators span, but for the constant.
    """
    from scipy.linalg import eigh
    from scipy.sparse import csr_array

    _check_kind(y, method)
    if isinstance(y, Pairs | Neighbors):
        rows, signs = similarity(y, n_rows, most, rng, method)
        first = max(0, len(rows) - n_columns)
        values, vectors = eigh(signs.astype(np.float64), subset_by_index=(first, len(rows) - 1))
        # A table with ones on its diagonal has a positive eigenvalue.
        kept = values > 1e-9 * values[-1]
        return Indicators(rows, csr_array(vectors[:, kept] * np.sqrt(values[kept])))
    labels, _ = check_labels(y, n_rows)
    if labels.ndim == 2:
        rows = np.flatnonzero(labels.any(axis=1))
        columns = csr_array(labels[rows].astype(np.float64))
    else:
        rows = np.flatnonzero(labels >= 0)
        places = labels[rows], np.arange(len(rows) + 1)
        columns = csr_array((np.ones(len(rows)), *places), (len(rows), int(labels.max()) + 1))
    counts = columns.sum(axis=0)
    if counts.max(initial=0) < 2:
        raise InputError(_none_similar(len(rows)))
    if np.isin(counts, (0, len(rows))).all():
        raise InputError(ALL_SIMILAR)
    return Indicators(rows, columns[:, np.flatnonzero(counts)])


ALL_SIMILAR = "y has no dissimilar pair of rows, as one class has none: give rows that differ"


def _none_similar(n_rows: int) -> str:
    return (
        f"y has no similar pair among {n_rows} rows, as labels that are all distinct have none: "
        "give labels that rows share"
    )


def _check_kind(y: Any, method: str) -> None:
    """Refuse what these methods do not learn from."""
    learns = f"{method} learns from labels, label sets, Pairs or Neighbors"
    if y is None:
        raise InputError(f"{learns}; requires y to be passed, but the target y is None")
    if isinstance(y, Triplets):
        raise InputError(f"{learns}, y is Triplets")


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

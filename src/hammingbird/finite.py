"""Numbers that single precision can hold: of vectors before they are used, of scores after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError
from hammingbird.inputs import is_sparse

LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).tiny)
USUAL = (1e-15, 1e15)
"""Sizes whose squares and products stay far inside single precision."""
SCALE = "scale X, for instance with scikit-learn's StandardScaler"


@dataclass
class Reach:
    """The largest absolute value of vectors seen so far, and where it is."""

    value: float = 0.0
    row: int = 0
    column: int = 0

    def see(self, values: NDArray[np.floating], first_row: int) -> None:
        """Take in rows, sparse or not, which :func:`check_values` has passed."""
        entries = _entries(values)
        if not entries.size:
            return
        for place in (int(entries.argmax()), int(entries.argmin())):
            if abs(float(entries[place])) > self.value:
                self.value = abs(float(entries[place]))
                row, self.column = _where(values, place)
                self.row = first_row + row

    def check(self) -> None:
        """Refuse vectors that single precision takes for zeros."""
        if 0 < self.value < SMALLEST:
            raise InputError(f"{self} and is smaller elsewhere, which is lost: {SCALE}")

    @property
    def is_usual(self) -> bool:
        """Whether no method should have trouble with it."""
        return self.value == 0 or USUAL[0] <= self.value <= USUAL[1]

    def __str__(self) -> str:
        return f"X reaches {self.value:.3g} in row {self.row}, column {self.column}"


def _entries(values: Any) -> NDArray[np.floating]:
    """Every value that is kept, in one row: those of a sparse matrix are not all."""
    entries: NDArray[np.floating] = values.data if is_sparse(values) else values.reshape(-1)
    return entries


def _where(values: Any, entry: int) -> tuple[int, int]:
    """Row and column of an entry, counted as ``values`` keeps them."""
    if not is_sparse(values):
        row, column = divmod(entry, values.shape[1])
        return int(row), int(column)
    row = np.searchsorted(values.indptr, entry, side="right") - 1
    return int(row), int(values.indices[entry])


def check_values(values: NDArray[np.floating], first_row: int) -> None:
    """Refuse rows [m, d] with NaN, infinity, or doubles that single precision cannot hold."""
    entries = _entries(values)
    # A finite sum proves that all values are; only an infinite one needs a look at each.
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(entries.sum(dtype=np.float64))
    wide = entries.dtype == np.float64 and entries.size > 0
    if finite and not (wide and max(entries.max(), -entries.min()) > LARGEST):
        return
    bad = np.flatnonzero(~(np.abs(entries) <= LARGEST))
    if not len(bad):
        return
    row, column = _where(values, int(bad[0]))
    value, place = entries[bad[0]], f"row {first_row + row}, column {column}"
    if np.isfinite(value):
        raise InputError(
            f"X has {value:.3g} in {place}, more than single precision can hold "
            f"({LARGEST:.2g}): {SCALE}"
        )
    what = "NaN" if np.isnan(value) else "infinity"
    raise InputError(f"X has {what} in {place}: drop the row or fill the value in")


def check_scores(scores: NDArray[np.floating], first_row: int) -> NDArray[np.floating]:
    """Refuse scores that are not finite: the sign of NaN says nothing, and search cannot weigh it.

    That is the row's fault (a model that gives such scores for its training vectors is refused
    at ``fit``): a value far beyond those that were learned from.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(scores.sum(dtype=np.float64)):
            return scores
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(bad):
        raise InputError(
            f"row {first_row + bad[0]} of X has scores that are not finite: its values are far "
            "beyond those that were learned from; scale it as the training vectors, or drop it"
        )
    return scores

"""The sign of each dimension: what ``packbits(x > 0)`` does, and its centred form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.linear import mean_of
from hammingbird.codes import Output
from hammingbird.inputs import dense
from hammingbird.linear import LinearHasher


class Sign(LinearHasher):
    """One bit per dimension: at least zero or, with ``center``, at least its training mean.

    Parameters
    ----------
    n_bits
        The first ``n_bits`` dimensions are used; ``None`` uses all of them.
    """

    max_bits_rule = "Leave n_bits out, or use LSH, which gives any number of bits."
    learns_sparse = True
    mean_: NDArray[np.float64]

    def __init__(
        self, n_bits: int | None = None, *, center: bool = False, output: Output = "packed"
    ) -> None:
        self.n_bits = n_bits
        self.center = center
        self.output = output

    def _max_bits(self, n_features: int) -> int:
        return min(super()._max_bits(n_features), n_features)

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self.mean_ = mean_of(X) if self.center else np.zeros(X.shape[1])

    def _map(self) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
        return self.mean_, np.eye(len(self.mean_), self.n_bits_), np.zeros(self.n_bits_)

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        first: NDArray[np.floating] = dense(X[:, : self.n_bits_])
        return first - self.mean_[: self.n_bits_].astype(X.dtype)

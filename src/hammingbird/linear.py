"""Linear hashers: what classical methods share, and what a linear deep hasher serves as."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError
from hammingbird.hasher import Hasher


class LinearHasher(Hasher):
    """Scores ``(x - mean_) @ weights_``, with ``mean_`` [d] and ``weights_`` [d, n_bits]."""

    mean_: NDArray[np.floating]
    weights_: NDArray[np.floating]

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return (X - self.mean_.astype(X.dtype)) @ self.weights_.astype(X.dtype)


class Linear(LinearHasher):
    """Scores ``(x - mean_) @ weights_ + bias_`` of numbers learned elsewhere; made by :meth:`of`.

    Encodes with NumPy alone; ``to_linear`` of a linear deep hasher returns it.
    """

    bias_: NDArray[np.floating]

    def __init__(self, n_bits: int = 64) -> None:
        self.n_bits = n_bits

    @classmethod
    def of(
        cls,
        mean: NDArray[np.floating],
        weights: NDArray[np.floating],
        bias: NDArray[np.floating],
    ) -> Linear:
        """Return a fitted hasher of ``mean`` [d], ``weights`` [d, n_bits] and ``bias`` [n_bits]."""
        if weights.shape != (*mean.shape, *bias.shape) or weights.ndim != 2:
            raise InputError(
                "mean [d], weights [d, n_bits] and bias [n_bits] do not fit: "
                f"{mean.shape}, {weights.shape}, {bias.shape}"
            )
        hasher = cls(weights.shape[1])
        hasher.n_bits_, hasher.n_features_in_ = weights.shape[1], len(mean)
        hasher.mean_, hasher.weights_, hasher.bias_ = mean, weights, bias
        return hasher

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        raise InputError("Linear is made with Linear.of(mean, weights, bias) and learns nothing")

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return super()._project(X) + self.bias_.astype(X.dtype)

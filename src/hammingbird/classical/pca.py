"""Signs of principal components, plain and after a random rotation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from hammingbird.classical.linear import (
    mean_of,
    principal_directions,
    random_rotation,
)
from hammingbird.linear import LinearHasher


class PCAHash(LinearHasher):
    """The signs of the ``n_bits`` leading principal components."""

    max_bits_rule = "Use LSH or SpectralHashing for more bits than dimensions."

    def __init__(self, n_bits: int = 64) -> None:
        self.n_bits = n_bits

    def _max_bits(self, n_features: int) -> int:
        return min(super()._max_bits(n_features), n_features)

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self.mean_ = mean_of(X)
        self.weights_, _ = principal_directions(X, self.mean_, self.n_bits_)


class RotatedPCA(PCAHash):
    """PCA, then a random rotation that spreads the variance over the bits.

    The starting point of ITQ, and a strong baseline of its own.
    """

    def __init__(self, n_bits: int = 64, *, random_state: int | None = None) -> None:
        super().__init__(n_bits)
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        super()._fit(X, y)
        rng: np.random.RandomState = check_random_state(self.random_state)
        self.weights_ = self.weights_ @ random_rotation(self.n_bits_, rng)

"""Signs of principal components, plain and after a random rotation."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from hammingbird.classical.linear import (
    mean_of,
    principal_directions,
    random_rotation,
)
from hammingbird.codes import Output
from hammingbird.estimator import check_random_state
from hammingbird.linear import LinearHasher


class PCAHash(LinearHasher):
    """The signs of the ``n_bits`` leading principal components."""

    learns_sparse = True
    max_bits_rule = "Use LSH or SpectralHashing for more bits than dimensions."

    def __init__(self, n_bits: int = 64, *, output: Output = "packed") -> None:
        self.n_bits = n_bits
        self.output = output

    def _max_bits(self, n_features: int) -> int:
        return min(super()._max_bits(n_features), n_features)

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self.mean_ = mean_of(X)
        self.weights_, _ = principal_directions(X, self.mean_, self.n_bits_)


class RotatedPCA(PCAHash):
    """PCA, then a random rotation that spreads the variance over the bits.

    The starting point of ITQ, and a strong baseline of its own.
    """

    def __init__(
        self, n_bits: int = 64, *, output: Output = "packed", random_state: int | None = None
    ) -> None:
        super().__init__(n_bits, output=output)
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        super()._fit(X, y)
        rng = check_random_state(self.random_state)
        self.weights_ = self.weights_ @ random_rotation(self.n_bits_, rng)

"""Cosine LSH: signs of Gaussian projections (Charikar, 2002)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.linear import mean_of
from hammingbird.codes import Output
from hammingbird.estimator import check_random_state
from hammingbird.linear import LinearHasher


class LSH(LinearHasher):
    """Random hyperplanes: two vectors agree in a bit with probability 1 - angle / pi.

    Parameters
    ----------
    center
        Subtract the training mean first. The collision law then holds for angles around the mean;
        on non-negative features the bits are far better balanced.
    """

    learns_sparse = True

    def __init__(
        self,
        n_bits: int = 64,
        *,
        center: bool = False,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.center = center
        self.output = output
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        rng = check_random_state(self.random_state)
        self.mean_ = mean_of(X) if self.center else np.zeros(X.shape[1])
        self.weights_ = rng.standard_normal((X.shape[1], self.n_bits_))

"""Spectral hashing (Weiss, Torralba and Fergus, NIPS 2008)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.linear import mean_of, principal_directions
from hammingbird.codes import Output
from hammingbird.hasher import Hasher, row_chunks


class SpectralHashing(Hasher):
    """Signs of the smoothest sine waves along the principal axes of a box around the data.

    The modes of axis ``j`` of width ``r_j`` have eigenvalues that grow as ``(m / r_j)^2``; the
    ``n_bits`` smallest are kept, so wide axes give several bits and there may be more bits than
    dimensions. Values outside the training box wrap around through the sine.
    """

    mean_: NDArray[np.float64]
    directions_: NDArray[np.float64]
    low_: NDArray[np.float64]
    frequency_: NDArray[np.float64]
    axis_: NDArray[np.int64]

    def __init__(self, n_bits: int = 64, *, output: Output = "packed") -> None:
        self.n_bits = n_bits
        self.output = output

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        k = min(self.n_bits_, X.shape[1])
        self.mean_ = mean_of(X)
        self.directions_, _ = principal_directions(X, self.mean_, k)
        low, high = np.full(k, np.inf), np.full(k, -np.inf)
        for chunk in row_chunks(X):
            components = self._components(chunk.values)
            low = np.minimum(low, components.min(axis=0))
            high = np.maximum(high, components.max(axis=0))
        width = np.maximum(high - low, np.finfo(np.float64).eps)
        # As many modes per axis as could be among the n_bits slowest, by their frequency m / r_j.
        counts = np.ceil((self.n_bits_ + 1) * width / width.max()).astype(int)
        counts = np.minimum(counts, self.n_bits_)
        axis = np.repeat(np.arange(k), counts)
        mode = np.concatenate([np.arange(1, count + 1) for count in counts])
        slowest = np.argsort(mode / width[axis], kind="stable")[: self.n_bits_]
        self.axis_ = axis[slowest]
        self.low_ = low[self.axis_]
        self.frequency_ = np.pi * mode[slowest] / width[self.axis_]

    def _components(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        centred: NDArray[np.floating] = X - self.mean_.astype(X.dtype)
        return np.asarray(centred @ self.directions_.astype(X.dtype))

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        shifted = self._components(X)[:, self.axis_] - self.low_.astype(X.dtype)
        return np.asarray(np.cos(shifted * self.frequency_.astype(X.dtype)))

"""Fewer bytes for each number, or fewer numbers: no library needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.linear import principal_directions
from hammingbird.errors import InputError
from hammingbird.rivals.rival import Rival

LEVELS = 255


class Float16(Rival):
    """Every number in half precision."""

    def __init__(self, n_bytes: int = 0, seed: int = 0) -> None:
        """Take what every rival is given; neither decides anything."""

    def _fit(self, X: NDArray[np.float32]) -> None:
        self.bytes_per_item = 2 * X.shape[1]

    def _encode(self, X: NDArray[np.float32]) -> NDArray[np.uint8]:
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(X.astype(np.float16)).view(np.uint8)

    def _decode(self, codes: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        return np.ascontiguousarray(codes).view(np.float16).astype(np.float32), None


class Int8(Rival):
    """A byte a dimension: 256 equal steps from the least to the largest value learned from."""

    def __init__(self, n_bytes: int = 0, seed: int = 0) -> None:
        """Take what every rival is given; neither decides anything."""

    def _fit(self, X: NDArray[np.float32]) -> None:
        self.least_ = X.min(axis=0)
        self.step_ = (X.max(axis=0) - self.least_) / LEVELS
        self.step_[self.step_ == 0] = 1
        self.bytes_per_item = X.shape[1]
        self.model_bytes += self.least_.nbytes + self.step_.nbytes

    def _encode(self, X: NDArray[np.float32]) -> NDArray[np.uint8]:
        codes: NDArray[np.uint8] = (
            np.rint((X - self.least_) / self.step_).clip(0, LEVELS).astype(np.uint8)
        )
        return codes

    def _decode(self, codes: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        return codes * self.step_ + self.least_, None


class Truncated(Int8):
    """The leading principal components, a byte each."""

    def __init__(self, n_bytes: int, seed: int = 0) -> None:
        """Take as many components as there are bytes."""
        self.n_bytes = n_bytes

    def _fit(self, X: NDArray[np.float32]) -> None:
        if self.n_bytes > X.shape[1]:
            raise InputError(
                f"truncation keeps at most {X.shape[1]} components of a byte, got {self.n_bytes} "
                "bytes: see int8 and float16"
            )
        directions, _ = principal_directions(X, np.zeros(X.shape[1]), self.n_bytes)
        self.directions_ = directions.astype(np.float32)
        super()._fit(X @ self.directions_)
        self.model_bytes += self.directions_.nbytes

    def _encode(self, X: NDArray[np.float32]) -> NDArray[np.uint8]:
        return super()._encode(X @ self.directions_)

    def _turn(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        return queries @ self.directions_

"""RaBitQ (Gao and Long, SIGMOD 2024) of leading principal components."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.linear import principal_directions, random_rotation
from hammingbird.errors import InputError
from hammingbird.rivals.rival import Rival


class RaBitQ(Rival):
    """Signs of randomly rotated components, and for each row two floats that undo their error.

    A row o, centred and rotated, is kept as its signs s, its norm, and the inner product of its
    unit vector with the unit vector s / sqrt(k). The inner product with a query q is then estimated
    without bias as ``|o| <q, s / sqrt(k)> / <o / |o|, s / sqrt(k)>``. A row takes k / 8 + 8 bytes;
    with fewer bits than dimensions, the k leading principal components are coded.
    """

    def __init__(self, n_bytes: int, seed: int = 0) -> None:
        """Take ``n_bytes`` of signs."""
        self.n_bytes, self.seed = n_bytes, seed

    def _fit(self, X: NDArray[np.float32]) -> None:
        k = 8 * self.n_bytes
        if k > X.shape[1]:
            raise InputError(f"RaBitQ has at most {X.shape[1]} signs here, got {k} bits")
        directions, _ = principal_directions(X, np.zeros(X.shape[1]), k)
        rotation = random_rotation(k, np.random.RandomState(self.seed))
        self.rotation_ = (directions @ rotation).astype(np.float32)
        self.bytes_per_item = self.n_bytes + 8
        self.model_bytes += self.rotation_.nbytes

    def _encode(self, X: NDArray[np.float32]) -> NDArray[np.uint8]:
        rows = X @ self.rotation_
        norm = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        along = np.abs(rows).sum(axis=1) / math.sqrt(rows.shape[1])  # |o| <o / |o|, s / sqrt(k)>
        kept = np.stack([norm, np.where(along > 0, along, 1)], axis=1).astype(np.float32)
        return np.concatenate([np.packbits(rows >= 0, axis=1), kept.view(np.uint8)], axis=1)

    def _decode(self, codes: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        kept = np.ascontiguousarray(codes[:, self.n_bytes :]).view(np.float32)
        squares = kept[:, 0] * kept[:, 0]
        signs = 2 * np.unpackbits(codes[:, : self.n_bytes], axis=1).astype(np.float32) - 1
        return signs * (squares / kept[:, 1] / math.sqrt(signs.shape[1]))[:, None], squares

    def _turn(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        return queries @ self.rotation_

"""Iterative quantization (Gong and Lazebnik, CVPR 2011)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.linear import rounded
from hammingbird.classical.pca import RotatedPCA
from hammingbird.codes import Output
from hammingbird.errors import InputError
from hammingbird.hasher import row_chunks


class ITQ(RotatedPCA):
    """PCA, then the rotation R that brings the projections V closest to their signs.

    Minimises ``|| B - V R ||^2`` over codes B in {-1, +1} and orthogonal R by turns, from a random
    rotation. ``objective_`` [max_iter] holds the mean squared error per entry after each update of
    R; it never rises, but for the rounding of products in single precision.

    Parameters
    ----------
    max_iter
        Rounds of sign and Procrustes steps; the authors use 50.
    """

    objective_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        max_iter: int = 50,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        super().__init__(n_bits, output=output, random_state=random_state)
        self.max_iter = max_iter

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        super()._fit(X, y)
        V = rounded(X, self._project)
        rotation, self.objective_ = rotation_to_signs(V, self.max_iter, "ITQ")
        self.weights_ = self.weights_ @ rotation
        self.n_iter_ = self.max_iter


def rotation_to_signs(
    V: NDArray[np.float32], max_iter: int, method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rotation [k, k] that brings ``V`` [n, k] near its signs, and each step's error."""
    from tqdm import tqdm  # not imported to encode

    if max_iter < 1:
        raise InputError(f"max_iter must be at least 1, got {max_iter}")
    total = float(np.einsum("ij,ij->", V, V, dtype=np.float64))
    rotation = np.eye(V.shape[1])
    objective = np.empty(max_iter)
    for step in tqdm(range(max_iter), desc=method, unit="step", leave=False, disable=None):
        correlation = _sign_correlation(V, rotation)
        left, singular, right = np.linalg.svd(correlation)
        rotation = left @ right
        # |B - VR|^2 = |B|^2 + |V|^2 - 2 tr(R'V'B), and the best R makes the trace their sum.
        objective[step] = (V.size + total - 2 * singular.sum()) / V.size
    return rotation, objective


def _sign_correlation(V: NDArray[np.float32], rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """``V' sign(V R)`` [k, k], summed over chunks so that no second copy of V is kept."""
    k = V.shape[1]
    correlation = np.zeros((k, k))
    turned, one = rotation.astype(np.float32), np.float32(1)
    for chunk in row_chunks(V):
        # Single precision, that of V, and twice as fast; sums over chunks are in double.
        correlation += chunk.values.T @ np.where(chunk.values @ turned >= 0, one, -one)
    return correlation

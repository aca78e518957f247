"""Supervised hashing with kernels (Liu, Wang, Ji, Jiang and Chang, CVPR 2012)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hammingbird.classical.linear import rounded
from hammingbird.classical.similarity import similarity
from hammingbird.classical.supervised.anchors import KernelHasher
from hammingbird.codes import Output
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state
from hammingbird.hasher import row_chunks

ANCHORS = 300
RIDGE = 1e-6
"""Share of the mean variance of kernel values that is added to each: centred, they lack a rank."""


class KSH(KernelHasher):
    """Bits whose inner products come near n_bits for similar rows and -n_bits for others.

    Bits of a kernel are found one by one: bit b [m] of a sample of rows should maximise b' R b, R
    what earlier bits leave of ``n_bits`` times the signs of the pairs; pairs that are not known
    stay out of it. Two ways are tried, and the better bit is kept: without the sign the problem is
    one of eigenvectors, and with a sigmoid for the sign L-BFGS goes on from there (the authors
    take accelerated gradients). ``gains_`` [n_bits, 2] has the b' R b of both, over m^2. Learns
    from labels, label sets, pairs or neighbours.

    Parameters
    ----------
    n_anchors
        Rows that the kernel compares with. None is 300, or every row where there are fewer.
    max_rows
        Rows whose pairs are learned from at most: memory grows with its square, 25 bytes a pair.
    max_iter
        Steps of the smooth search for a bit.
    """

    supervised = True

    gains_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        n_anchors: int | None = None,
        max_rows: int = 2000,
        max_iter: int = 50,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.n_anchors = n_anchors
        self.max_rows = max_rows
        self.max_iter = max_iter
        self.output = output
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if self.max_iter < 1:
            raise InputError(f"max_iter must be at least 1, got {self.max_iter}")
        rng = check_random_state(self.random_state)
        rows, signs = similarity(y, len(X), self.max_rows, rng, "KSH")
        self._draw_anchors(X, self.n_anchors, ANCHORS, rng)
        mean = self._mean_kernel(X)
        K = rounded(X[rows], self._kernel) - mean
        found = bits_of_kernel(K, signs, self.n_bits_, self.max_iter)
        self.weights_, self.gains_, self.n_iter_ = found
        self.bias_ = -mean @ self.weights_

    def _mean_kernel(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Mean kernel value of each anchor over all training rows, [m]."""
        total = np.zeros(len(self.anchors_))
        for chunk in row_chunks(X):
            total += self._kernel(chunk.values).sum(axis=0)
        return total / len(X)


def bits_of_kernel(
    K: NDArray[np.float64], signs: NDArray[np.int8], n_bits: int, max_iter: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Weights [q, n_bits] of centred kernel values ``K`` [m, q], what both ways gain, and steps.

    ``signs`` [m, m] tells similar (1), dissimilar (-1) and unknown (0) pairs.
    """
    from scipy.linalg import cholesky, eigh, solve_triangular
    from scipy.optimize import minimize

    m, q = K.shape
    variance = K.T @ K / m
    spread = float(np.trace(variance)) / q
    if not spread > 0:
        raise InputError("the kernel is constant, which teaches nothing: give rows that differ")
    variance[np.diag_indices(q)] += RIDGE * spread
    # Kernel values of unit variance: in them a vector of length 1 gives scores of mean square 1.
    root = cholesky(variance, lower=True)
    white = solve_triangular(root, K.T, lower=True).T
    residual, all_known = n_bits * signs.astype(np.float64), bool(signs.all())
    pull = white.T @ (residual @ white)
    weights, gains, steps = np.empty((q, n_bits)), np.empty((n_bits, 2)), 1
    for bit in tqdm(range(n_bits), desc="KSH", unit="bit", leave=False, disable=None):
        _, top = eigh(pull, subset_by_index=(q - 1, q - 1))
        spectral = solve_triangular(root, top[:, 0], lower=True, trans="T")
        search = minimize(
            smoothed, spectral, (K, residual), "L-BFGS-B", jac=True,
            options={"maxiter": max_iter, "ftol": 1e-6},
        )  # fmt: skip
        steps = max(steps, int(search.nit))
        tried = [np.where(K @ w >= 0, 1.0, -1.0) for w in (spectral, search.x)]
        gains[bit] = [b @ (residual @ b) / m**2 for b in tried]
        best = int(gains[bit].argmax())
        weights[:, bit] = (spectral, search.x)[best]
        b = tried[best]
        if all_known:
            residual -= np.outer(b, b)
            pull -= np.outer(white.T @ b, white.T @ b)
        else:
            residual -= np.where(signs == 0, 0.0, np.outer(b, b))
            pull = white.T @ (residual @ white)
    return weights, gains, steps


def smoothed(
    w: NDArray[np.float64], K: NDArray[np.float64], residual: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return -z' R z / m^2 and its gradient by w [q], z = 2 sigmoid(K w) - 1 in place of signs."""
    z = np.tanh(K @ w / 2)
    pulled = residual @ z
    gradient = K.T @ (pulled * (1 - z**2))
    return -float(z @ pulled) / len(K) ** 2, -gradient / len(K) ** 2

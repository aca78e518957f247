"""Scores that are linear in a Gaussian kernel to some training rows: what KSH and SDH share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.linear import mean_of
from hammingbird.errors import InputError
from hammingbird.hasher import Hasher, row_chunks


class KernelHasher(Hasher):
    """Scores ``k(x) @ weights_ + bias_``, k(x) [m] the Gaussian kernel of x and each anchor.

    The kernel is exp(-d^2 / (2 bandwidth_)), d the Euclidean distance; ``bandwidth_`` is the mean
    of d^2 over all training rows and anchors. Anchors are training rows, drawn by seed.
    """

    mean_: NDArray[np.float64]
    """[d]: rows count from here, which changes no distance and keeps their rounding small."""
    anchors_: NDArray[np.float64]
    """[m, d], from ``mean_``."""
    bandwidth_: float
    weights_: NDArray[np.float64]
    """[m, n_bits]."""
    bias_: NDArray[np.float64]

    def _draw_anchors(
        self, X: NDArray[Any], n_anchors: int | None, usual: int, rng: np.random.RandomState
    ) -> None:
        """Take ``n_anchors`` rows for anchors; None is ``usual``, or all rows if there are fewer.

        Raises :class:`InputError` for more anchors than rows, and if all rows are the same.
        """
        n = len(X)
        m = min(usual, n) if n_anchors is None else n_anchors
        if not 1 <= m <= n:
            raise InputError(
                f"n_anchors={m}, but {n} rows are learned from: give 1 to {n}, or None"
            )
        self.mean_ = mean_of(X)
        rows = np.sort(rng.permutation(n)[:m])
        self.anchors_ = np.asarray(X[rows], np.float64) - self.mean_
        # The mean of |x - a|^2 over all x and a, as the x have their mean at zero.
        total = sum(
            float(np.square(chunk.values.astype(np.float64) - self.mean_).sum())
            for chunk in row_chunks(X)
        )
        spread = total / n
        self.bandwidth_ = spread + float(np.square(self.anchors_).sum(axis=1).mean())
        if not 0 < spread < np.inf:
            raise InputError(
                "all rows are the same, or X is one sample: a kernel of them is constant and "
                "teaches nothing: give rows that differ"
            )

    def _kernel(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Kernel values [n, m] of a chunk of rows, in double precision.

        Weights of a kernel can be large and of either sign, so single precision would not do.
        """
        centred = np.asarray(X, np.float64) - self.mean_
        squares = centred @ self.anchors_.T
        squares *= -2
        squares += np.square(centred).sum(axis=1)[:, None]
        squares += np.square(self.anchors_).sum(axis=1)
        np.maximum(squares, 0, out=squares)
        squares *= -0.5 / self.bandwidth_
        kernel: NDArray[np.float64] = np.exp(squares, out=squares)
        return kernel

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        scores = self._kernel(X) @ self.weights_
        scores += self.bias_
        return scores

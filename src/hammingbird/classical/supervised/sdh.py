"""Supervised discrete hashing (Shen, Shen, Liu and Shen, CVPR 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hammingbird.classical.linear import rounded
from hammingbird.classical.similarity import indicators
from hammingbird.classical.supervised.anchors import KernelHasher
from hammingbird.codes import Output
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state
from hammingbird.hasher import row_chunks

ANCHORS = 1000


class SDH(KernelHasher):
    """Bits of a kernel from which a linear map tells the classes.

    Minimises, over bits B in {-1, +1}, class weights W and kernel weights P by turns,

        |Y - B W|^2 + penalty |W|^2 + nu (|B - phi P|^2 + ridge |P|^2),

    Y the class indicators and phi the kernel values beside a column of ones. W and P are least
    squares; bits move a column at a time, each to its best, all else fixed (discrete cyclic
    coordinate descent). ``objective_`` is the mean over the rows after each turn, and never rises.
    What encodes is sign(phi P). Learns from labels, label sets, pairs or neighbours.

    Parameters
    ----------
    n_anchors
        Rows that the kernel compares with. None is 1,000, or every row where there are fewer.
        A fit holds the kernel of all rows, 4 bytes a value.
    nu, penalty, ridge
        Weights of the terms above.
    max_iter, sweeps
        Turns, and rounds over the bits in each, at most; they end when no bit moves.
    max_rows
        Rows at most whose pairs stand for classes where ``y`` is pairs or neighbours: memory grows
        with its square. All rows with a label are learned from.
    """

    supervised = True

    objective_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        n_anchors: int | None = None,
        nu: float = 1e-5,
        penalty: float = 1.0,
        ridge: float = 1e-2,
        max_iter: int = 5,
        sweeps: int = 10,
        max_rows: int = 2000,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.n_anchors = n_anchors
        self.nu = nu
        self.penalty = penalty
        self.ridge = ridge
        self.max_iter = max_iter
        self.sweeps = sweeps
        self.max_rows = max_rows
        self.output = output
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if min(self.max_iter, self.sweeps) < 1:
            raise InputError("max_iter and sweeps must be at least 1")
        if not (self.nu >= 0 and self.penalty > 0 and self.ridge > 0):
            raise InputError("nu must be at least 0, penalty and ridge positive")
        rng = check_random_state(self.random_state)
        rows, Y = indicators(y, len(X), self.max_rows, self.n_bits_, rng, "SDH")
        known = X if len(rows) == len(X) else X[rows]
        self._draw_anchors(known, self.n_anchors, ANCHORS, rng)
        kernel = LeastSquares(rounded(known, self._kernel), self.ridge)
        B = np.where(rng.random_sample((len(rows), self.n_bits_)) < 0.5, -1.0, 1.0)
        objective = []
        turns = tqdm(range(self.max_iter), desc="SDH", unit="turn", leave=False, disable=None)
        for _ in turns:
            W = class_weights(B, Y, self.penalty)
            P = kernel.weights(B)
            moved = move_bits(B, self.nu * kernel.fitted(P) + Y @ W.T, W @ W.T, self.sweeps)
            fit = kernel.misfit(B, P)
            objective.append((class_loss(B, Y, W, self.penalty) + self.nu * fit) / len(rows))
            if not moved:
                break
        P = kernel.weights(B)
        self.weights_, self.bias_ = P[:-1], P[-1]
        self.objective_, self.n_iter_ = np.array(objective), len(objective)


class LeastSquares:
    """Ridge regression on kernel values ``phi`` [n, m], beside ones, for one B after another."""

    def __init__(self, phi: NDArray[np.float32], ridge: float) -> None:
        from scipy.linalg import cho_factor

        self.phi, self.ridge = phi, ridge
        gram = self._products(None)
        gram[np.diag_indices(len(gram))] += ridge
        self.factor = cho_factor(gram)

    def weights(self, B: NDArray[np.float64]) -> NDArray[np.float64]:
        """P [m + 1, n_bits], the last row that of the ones."""
        from scipy.linalg import cho_solve

        solved: NDArray[np.float64] = cho_solve(self.factor, self._products(B))
        return solved

    def fitted(self, P: NDArray[np.float64]) -> NDArray[np.float64]:
        """``phi P`` [n, n_bits]."""
        return np.concatenate(
            [chunk.values.astype(np.float64) @ P[:-1] + P[-1] for chunk in row_chunks(self.phi)]
        )

    def misfit(self, B: NDArray[np.float64], P: NDArray[np.float64]) -> float:
        """``|B - phi P|^2 + ridge |P|^2``."""
        return float(np.square(B - self.fitted(P)).sum() + self.ridge * np.square(P).sum())

    def _products(self, B: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """``phi' B``, or ``phi' phi``, summed in double precision."""
        total: Any = 0.0
        for chunk in row_chunks(self.phi):
            some = np.ones((len(chunk.values), self.phi.shape[1] + 1))
            some[:, :-1] = chunk.values
            total = total + some.T @ (some if B is None else B[chunk.start : chunk.stop])
        return np.asarray(total)


def class_weights(B: NDArray[np.float64], Y: Any, penalty: float) -> NDArray[np.float64]:
    """W [n_bits, c], the ridge regression of class indicators ``Y`` (CSR [n, c]) on bits."""
    gram = B.T @ B
    gram[np.diag_indices(len(gram))] += penalty
    return np.asarray(np.linalg.solve(gram, (Y.T @ B).T))


def class_loss(B: NDArray[np.float64], Y: Any, W: NDArray[np.float64], penalty: float) -> float:
    """``|Y - B W|^2 + penalty |W|^2``, without a dense Y."""
    cross = (Y.T @ B).T
    fit = float(np.square(Y.data).sum() - 2 * (cross * W).sum() + ((B.T @ B) * (W @ W.T)).sum())
    return fit + penalty * float(np.square(W).sum())


def move_bits(
    B: NDArray[np.float64], Q: NDArray[np.float64], gram: NDArray[np.float64], sweeps: int
) -> bool:
    """Move bits B [n, k], in place, to minimise |B W|^2 - 2 <B, Q>, ``gram`` [k, k] being W W'.

    A column's best, all others fixed, is the sign of Q's column less what the others give; where
    that is zero, either bit does and the old one stays. Tells whether any bit moved.
    """
    any_moved = False
    for _ in range(sweeps):
        moved = False
        for k in range(B.shape[1]):
            rest = B @ gram[:, k] - B[:, k] * gram[k, k]
            pull = Q[:, k] - rest
            wrong = pull * B[:, k] < 0
            if wrong.any():
                B[wrong, k] *= -1
                moved = any_moved = True
        if not moved:
            break
    return any_moved

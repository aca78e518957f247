"""Sequential projection learning (Wang, Kumar and Chang, ICML 2010), with labels and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hammingbird.classical.linear import mean_of, scatter
from hammingbird.classical.similarity import similarity
from hammingbird.codes import Output
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state
from hammingbird.hasher import row_chunks
from hammingbird.linear import LinearHasher

SMALL = 64
"""Columns up to which all eigenvectors are found at once."""


class SPLH(LinearHasher):
    """Linear bits, each made to mend the pairs that those before it had wrong.

    A bit is the sign of the direction w that maximises w' (X_l' S X_l / a + eta C / c) w: S [m, m]
    are the signs of the pairs of a sample X_l, C the covariance of all rows, a and c the Frobenius
    norms of both terms at the first bit. Then every pair that w has wrong gains weight (see
    :func:`mend`), and w is taken out of C. ``violated_`` [n_bits] is the share of the known pairs
    that each bit has wrong. Learns from labels, label sets, pairs or neighbours.

    Parameters
    ----------
    eta
        Weight of the variance of all rows beside that of the pairs.
    step
        The largest weight that a pair gains after a bit; 1 at most keeps every pair's sign.
    max_rows
        Rows whose pairs are learned from at most: memory grows with its square, 30 bytes a pair.
    """

    supervised = True

    violated_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        eta: float = 0.125,
        step: float = 1.0,
        max_rows: int = 2000,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.eta = eta
        self.step = step
        self.max_rows = max_rows
        self.output = output
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if not (self.eta >= 0 and 0 <= self.step <= 1):
            raise InputError("eta must be at least 0, and step from 0 to 1")
        rng = check_random_state(self.random_state)
        rows, signs = similarity(y, len(X), self.max_rows, rng, "SPLH")
        self.mean_ = mean_of(X)
        C = scatter(X, self.mean_) / len(X)
        L = np.asarray(X[rows], np.float64) - self.mean_
        S = signs.astype(np.float64)
        sizes = np.linalg.norm(L.T @ (S @ L)), np.linalg.norm(C)
        if not min(sizes) > 0:
            raise InputError("all rows are the same, which teaches nothing: give rows that differ")
        known = np.count_nonzero(signs)
        self.weights_ = np.zeros((X.shape[1], self.n_bits_))
        self.violated_ = np.zeros(self.n_bits_)

        def product(v: NDArray[np.float64]) -> NDArray[np.float64]:  # of S and C as they are
            return np.asarray(L.T @ (S @ (L @ v)) / sizes[0] + self.eta * (C @ v) / sizes[1])

        bits = tqdm(range(self.n_bits_), desc="SPLH", unit="bit", leave=False, disable=None)
        for bit in bits:
            w = leading_direction(product, X.shape[1])
            self.weights_[:, bit] = w
            self.violated_[bit] = mend(S, L @ w, self.step) / known
            deflate(C, w)


class USPLH(LinearHasher):
    """Linear bits without labels, each made to mend what the cut of the one before it broke.

    The first bit is the leading principal direction; all are cut at the median. Rows just left and
    just right of a cut are near, yet get other bits: pairs of them are taken for similar. Rows
    next to the cut and those farthest from it on the same side are far, yet share a bit: they are
    taken for dissimilar (see :func:`pseudo_pairs`). Later directions maximise w' M w, M the sum of
    eta C and of these pairs' products, each set by ``decay`` less for every bit since; every w is
    taken out of the covariance C.

    Parameters
    ----------
    eta
        Weight of the covariance.
    decay
        Weight of the pairs of the bit before; its square for the one before that, and so on.
    n_points
        Rows taken on each side, next to the cut and far from it; a quarter of all at most.
    """

    bias_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        eta: float = 0.125,
        decay: float = 0.1,
        n_points: int = 2000,
        output: Output = "packed",
    ) -> None:
        self.n_bits = n_bits
        self.eta = eta
        self.decay = decay
        self.n_points = n_points
        self.output = output

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if not (self.eta > 0 and 0 <= self.decay < 1) or self.n_points < 1:
            raise InputError("eta must be positive, decay from 0 to below 1, n_points at least 1")
        self.mean_ = mean_of(X)
        C = scatter(X, self.mean_) / len(X)
        if not np.trace(C) > 0:
            raise InputError("all rows are the same, or X is one sample: give rows that differ")
        pairs = np.zeros_like(C)
        self.weights_ = np.zeros((X.shape[1], self.n_bits_))
        self.bias_ = np.zeros(self.n_bits_)

        def product(v: NDArray[np.float64]) -> NDArray[np.float64]:  # of C and pairs as they are
            return np.asarray(self.eta * (C @ v) + pairs @ v)

        bits = tqdm(range(self.n_bits_), desc="USPLH", unit="bit", leave=False, disable=None)
        for bit in bits:
            w = leading_direction(product, X.shape[1])
            u = np.concatenate(
                [(chunk.values.astype(np.float64) - self.mean_) @ w for chunk in row_chunks(X)]
            )
            self.weights_[:, bit], self.bias_[bit] = w, -np.median(u)
            sides = pseudo_pairs(u + self.bias_[bit], self.n_points)
            means = [self._mean(X, rows) for rows in sides]
            pairs += products_of_pairs(*means)
            pairs *= self.decay
            deflate(C, w)

    def _mean(self, X: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean of some rows, from that of all."""
        mean: NDArray[np.float64] = np.asarray(X[rows], np.float64).mean(axis=0)
        return mean - self.mean_

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return super()._project(X) + self.bias_.astype(X.dtype)


def leading_direction(
    product: Callable[[NDArray[np.float64]], NDArray[np.float64]], d: int
) -> NDArray[np.float64]:
    """Eigenvector [d] of the largest eigenvalue of a symmetric matrix that ``product`` multiplies.

    Its largest entry is positive.
    """
    from scipy.linalg import eigh
    from scipy.sparse.linalg import LinearOperator, eigsh

    if d <= SMALL:
        matrix = product(np.eye(d))
        _, vectors = eigh((matrix + matrix.T) / 2, subset_by_index=(d - 1, d - 1))
    else:
        operator = LinearOperator((d, d), lambda v: product(v.ravel()), dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(d)
        _, vectors = eigsh(operator, 1, which="LA", v0=start)
    w: NDArray[np.float64] = vectors[:, 0]
    return w if w[np.abs(w).argmax()] >= 0 else -w


def deflate(C: NDArray[np.float64], w: NDArray[np.float64]) -> None:
    """Take the direction ``w``, of length 1, out of a covariance, in place."""
    along = C @ w
    C -= np.outer(w, along) + np.outer(along, w) - (w @ along) * np.outer(w, w)


def mend(S: NDArray[np.float64], u: NDArray[np.float64], step: float) -> int:
    """Give weight to pairs that scores ``u`` [m] have wrong, in place; return their number.

    A pair is wrong if u_i u_j and S_ij have other signs, and its S_ij grows by |u_i u_j|, which is
    scaled so that the largest of all is ``step``. (The paper's update; pairs of weight 0 stay.)
    """
    products = np.outer(u, u)
    wrong = products * S < 0
    largest = float(np.abs(products).max())
    if largest > 0:
        S -= np.where(wrong, products * (step / largest), 0.0)
    return int(np.count_nonzero(wrong))


def pseudo_pairs(
    u: NDArray[np.float64], n_points: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows far left of zero, just left, just right (zero too), and far right, by scores ``u`` [n].

    ``n_points`` of each, or half of the smaller side; at least one, though it be near and far.
    """
    order = np.argsort(u, kind="stable")
    left, right = order[u[order] < 0], order[u[order] >= 0]
    if not (len(left) and len(right)):  # more than half of the scores are equal
        left, right = order[: max(1, len(u) // 2)], order[len(u) // 2 :]
    count = max(1, min(n_points, len(left) // 2, len(right) // 2))
    return left[:count], left[-count:], right[:count], right[-count:]


def products_of_pairs(
    far_left: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    far_right: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean of x y' + y x' over the similar pairs less that over the dissimilar, from four means.

    Every row of one set pairs with every row of the other, so the means are enough.
    """
    similar = np.outer(left, right)
    dissimilar = (np.outer(far_left, left) + np.outer(right, far_right)) / 2
    half = similar - dissimilar
    return half + half.T

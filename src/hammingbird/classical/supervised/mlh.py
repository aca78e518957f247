"""Minimal loss hashing (Norouzi and Fleet, ICML 2011): a bound on a hinge of Hamming distances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hammingbird.classical.linear import mean_of
from hammingbird.classical.similarity import similarity
from hammingbird.codes import Output
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state
from hammingbird.hasher import row_chunks
from hammingbird.linear import LinearHasher

MOMENTUM = 0.9


class MLH(LinearHasher):
    """Linear bits that put similar pairs within a radius of Hamming distances, others beyond it.

    The loss of a pair is a hinge of its distance: see :func:`hinge`. It has no gradient, but an
    upper bound has one, of structured prediction: the best of loss plus score over all pairs of
    codes, less the score of their own. ``bound_`` and ``loss_`` [max_iter] are the means over each
    step's batch. Learns from labels, label sets, pairs or neighbours.

    Parameters
    ----------
    radius
        Distance rho of the hinge as a share of ``n_bits``.
    similar_share
        Share of similar pairs in a batch.
    learning_rate
        Of the first step; it falls linearly to zero. Momentum is 0.9.
    length
        To which each bit's weights are scaled after a step, for vectors of mean square length 1.
    max_rows
        Rows whose pairs are learned from at most: memory grows with its square, 9 bytes a pair.
    """

    supervised = True

    bias_: NDArray[np.float64]
    bound_: NDArray[np.float64]
    loss_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        radius: float = 0.3,
        similar_share: float = 0.5,
        learning_rate: float = 0.1,
        length: float = 3.0,
        batch_size: int = 100,
        max_iter: int = 2000,
        max_rows: int = 5000,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.radius = radius
        self.similar_share = similar_share
        self.learning_rate = learning_rate
        self.length = length
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.max_rows = max_rows
        self.output = output
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if not (0 <= self.radius < 1 and 0 < self.similar_share < 1) or self.max_iter < 1:
            raise InputError(
                "radius must be from 0 to below 1, similar_share between 0 and 1, max_iter at "
                "least 1"
            )
        if not (self.learning_rate > 0 and self.length > 0) or self.batch_size < 2:
            raise InputError("learning_rate and length must be positive, batch_size at least 2")
        rng = check_random_state(self.random_state)
        rows, signs = similarity(y, len(X), self.max_rows, rng, "MLH")
        pairs = [np.flatnonzero(np.triu(signs == sign, 1)) for sign in (1, -1)]
        self.mean_ = mean_of(X)
        scale = _root_mean_square(X, self.mean_)
        V = (np.asarray(X[rows], np.float64) - self.mean_) / scale
        V = np.concatenate([V, np.ones((len(V), 1))], axis=1)
        W = rng.standard_normal((V.shape[1], self.n_bits_))
        W[-1] = 0
        W[-1] = -np.median(V @ W, axis=0)
        W *= self.length / np.linalg.norm(W, axis=0)
        speed = np.zeros_like(W)
        count = max(1, round(self.similar_share * self.batch_size))
        losses = [hinge(self.n_bits_, self.radius, similar=similar) for similar in (True, False)]
        self.bound_, self.loss_ = np.zeros(self.max_iter), np.zeros(self.max_iter)
        steps = tqdm(range(self.max_iter), desc="MLH", unit="step", leave=False, disable=None)
        for step in steps:
            drawn = [
                rng.choice(some, size)
                for some, size in zip(pairs, (count, self.batch_size - count), strict=True)
            ]
            loss = np.repeat(losses, [len(some) for some in drawn], axis=0)
            left, right = np.divmod(np.concatenate(drawn), len(rows))
            slope, self.bound_[step], self.loss_[step] = bound(W, V[left], V[right], loss)
            rate = self.learning_rate * (1 - step / self.max_iter)
            speed = MOMENTUM * speed - rate * slope
            W += speed
            W *= self.length / np.maximum(np.linalg.norm(W, axis=0), np.finfo(float).tiny)
        self.weights_, self.bias_, self.n_iter_ = W[:-1] / scale, W[-1], self.max_iter

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return super()._project(X) + self.bias_.astype(X.dtype)


def _root_mean_square(X: NDArray[Any], mean: NDArray[np.float64]) -> float:
    """Root of the mean squared distance to the mean."""
    total = sum(float(np.square(chunk.values - mean).sum()) for chunk in row_chunks(X))
    if not total > 0:
        raise InputError("all rows are the same, which teaches nothing: give rows that differ")
    return float(np.sqrt(total / len(X)))


def hinge(n_bits: int, radius: float, *, similar: bool) -> NDArray[np.float64]:
    """Loss of a pair at the distances 0 to ``n_bits``: 1 at most, for either kind.

    With rho the whole number next to ``radius * n_bits``, max(m - rho + 1, 0) for a similar pair,
    and max(rho - m + 1, 0) for another, each divided by its largest value, as the authors' code
    has it.
    """
    m = np.arange(n_bits + 1.0)
    rho = round(radius * n_bits)
    values = np.maximum(m - rho + 1, 0) if similar else np.maximum(rho - m + 1, 0)
    return np.asarray(values / values.max())


def bound(
    W: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    loss: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float, float]:
    """Slope [d, n_bits], mean bound and mean loss of pairs of rows [m, d].

    ``loss`` [m, n_bits + 1] is each pair's at every distance.
    """
    u, v = left @ W, right @ W
    best_u, best_v, height = adjusted_codes(u, v, loss)
    own_u, own_v = np.where(u >= 0, 1.0, -1.0), np.where(v >= 0, 1.0, -1.0)
    above = height - (np.abs(u) + np.abs(v)).sum(axis=1)
    distance = (own_u != own_v).sum(axis=1)
    paid = loss[np.arange(len(loss)), distance]
    slope = left.T @ (best_u - own_u) + right.T @ (best_v - own_v)
    return slope / len(u), float(above.mean()), float(paid.mean())


def adjusted_codes(
    u: NDArray[np.float64], v: NDArray[np.float64], loss: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The codes g, h of +-1 that maximise ``loss(distance) + g u + h v``, and that maximum [m].

    For every distance the bits that differ are those that gain most by it, so that a sort of the
    gains and a running sum have them all.
    """
    same, other = np.abs(u + v), np.abs(u - v)
    gain = other - same
    order = np.argsort(-gain, axis=1, kind="stable")
    running = np.zeros(loss.shape)
    np.cumsum(np.take_along_axis(gain, order, axis=1), axis=1, out=running[:, 1:])
    values = loss + running
    distance = values.argmax(axis=1)
    rank = np.argsort(order, axis=1)
    differ = rank < distance[:, None]
    g = np.where(np.where(differ, u - v, u + v) >= 0, 1.0, -1.0)
    h = np.where(differ, -g, g)
    return g, h, values.max(axis=1) + same.sum(axis=1)

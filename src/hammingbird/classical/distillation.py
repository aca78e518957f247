"""Neighbour distillation in NumPy: its value and gradient, and the neighbours it learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 22
"""Distances that are held at a time: 16 MiB."""
GROUP = 16
"""Distances of which the smallest stands for all, until it is known which groups matter."""
TINY = np.float32(1e-24)
LOWEST = 12.0
"""Of a softmax's temperature: with less, few bits cannot rank a neighbour above a whole batch."""


def divergence(
    logits: NDArray[np.float32],
    target: NDArray[np.float32],
    sharpness: float,
    asymmetric: float,
) -> tuple[float, NDArray[np.float32]]:
    """Mean divergence, in nats, of a batch's codes from their target, and its gradient [m, k].

    ``target`` [m, m] says for each row which others are near: it sums to 1 and is 0 on the diagonal
    (a row of zeros does not count). The prediction is the softmax of
    ``temperature * <h_i, h_j> / k`` over the other rows, with the signs h of the logits and
    ``max(sharpness * sqrt(k), 12)`` for the temperature: scores of unrelated codes spread equally
    at every length. For the share ``asymmetric`` of the loss, row i keeps its logits, scaled to the
    norm of a code. The gradient passes signs straight through where a logit is within -1 and 1.
    """
    m, k = logits.shape
    codes = np.where(logits >= 0, np.float32(1), np.float32(-1))
    norm = np.sqrt(np.einsum("ij,ij->i", logits, logits)[:, None] + TINY)
    unit = logits / norm
    shares, left = [1 - asymmetric, asymmetric], [codes, np.float32(math.sqrt(k)) * unit]
    halves = [half for half in (0, 1) if shares[half]]
    sharp = np.float32(max(sharpness * math.sqrt(k), LOWEST) / k)
    sides = sharp * np.concatenate([left[half] for half in halves])
    predicted = (sides @ codes.T).reshape(len(halves), m, m)
    weights = np.array([shares[half] / m for half in halves], np.float32)[:, None]
    weights = weights * target.any(axis=1)
    found = sum(
        float(share[0]) * float(np.vdot(target, scores))
        for share, scores in zip(weights.max(axis=1, keepdims=True), predicted, strict=True)
    )
    predicted[:, np.arange(m), np.arange(m)] = -np.inf
    highest = predicted.max(axis=2)
    predicted -= highest[:, :, None]
    np.exp(predicted, out=predicted)
    sums = predicted.sum(axis=2)
    known = target[target > 0]
    entropy = -float(np.vdot(known, np.log(known))) / m
    value = float(np.vdot(weights, np.log(sums) + highest)) - found - entropy
    predicted /= sums[:, :, None]
    predicted -= target
    predicted *= weights[:, :, None]
    errors = predicted.reshape(-1, m)
    moved = (sharp * errors @ codes).reshape(len(halves), m, k)
    gradient = errors.T @ sides  # of the codes on the right
    if 0 in halves:
        gradient += moved[0]
    gradient *= np.abs(logits) <= 1
    if 1 in halves:
        pull = moved[-1]
        pull -= unit * np.einsum("ij,ij->i", unit, pull)[:, None]
        gradient += pull * (np.float32(math.sqrt(k)) / norm)
    return value, gradient


def over_lengths(
    logits: NDArray[np.float32],
    target: NDArray[np.float32],
    sharpness: float,
    asymmetric: float,
    lengths: Sequence[int],
) -> tuple[float, NDArray[np.float32]]:
    """The mean of :func:`divergence` over the whole code and its first ``lengths`` bits."""
    value, gradient = divergence(logits, target, sharpness, asymmetric)
    for k in lengths:
        part = np.ascontiguousarray(logits[:, :k])
        more, moved = divergence(part, target, sharpness, asymmetric)
        value += more
        gradient[:, :k] += moved
    count = 1 + len(lengths)
    return value / count, gradient / np.float32(count)


def nearest_rows(X: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids and squared distances [n, k] of the ``k`` nearest other rows, the nearest first.

    Exact up to single precision; ``X`` [n, d] should be centred, which loses fewer digits. The k
    smallest of a row's distances lie in the k groups of columns whose minima are smallest, so that
    only these are sorted.
    """
    n, d = X.shape
    squares = np.einsum("ij,ij->i", X, X)
    group = max(1, min(GROUP, n // k))
    width = math.ceil(n / group)
    # One product gives |y|^2 - 2 x.y; columns that fill up the last group are never near.
    right = np.zeros((d + 1, group * width), np.float32)
    right[:d, :n], right[d, :n], right[d, n:] = X.T, squares, np.inf
    ids = np.empty((n, k), np.int64)
    distances = np.empty((n, k), np.float32)
    step = max(1, BLOCK // right.shape[1])
    for start in range(0, n, step):
        part = X[start : start + step]
        rows = np.arange(len(part))
        left = np.concatenate([-2 * part, np.ones((len(part), 1), np.float32)], axis=1)
        found = left @ right
        found[rows, start + rows] = np.inf
        minima = found.reshape(len(part), group, width).min(axis=1)
        groups = np.argpartition(minima, k - 1, axis=1)[:, :k]
        columns = (groups[:, None, :] + width * np.arange(group)[:, None]).reshape(len(part), -1)
        values = np.take_along_axis(found, columns, axis=1)
        order = np.lexsort((columns, values), axis=1)[:, :k]  # ties by the smaller row
        ids[start : start + step] = np.take_along_axis(columns, order, axis=1)
        distances[start : start + step] = np.take_along_axis(values, order, axis=1)
    return ids, np.maximum(distances + squares[:, None], 0)


class NeighborTargets:
    """Targets of batches from the list of every row's nearest ``ids`` and ``distances`` [n, k].

    Within a batch, the target of row i is the softmax of ``-|x_i - x_j|^2 / (bandwidth * reach)``
    over those rows j of which one has the other on its list: rows further away would have no
    weight, and their distances are never computed. ``reach`` is the median distance of the tenth
    neighbours.
    """

    def __init__(
        self, ids: NDArray[np.int64], distances: NDArray[np.float32], bandwidth: float
    ) -> None:
        self.ids = ids
        reach = float(np.median(distances[:, min(9, distances.shape[1] - 1)]))
        if not reach > 0:  # most rows are there many times
            reach = float(distances.mean()) or 1.0
        self.logits = -distances / np.float32(bandwidth * reach)
        self._places = np.full(len(ids), -1)

    def company(
        self, anchors: NDArray[np.int64], size: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """The ``anchors`` and of each ``size`` random neighbours, every row once, in order."""
        near = self.ids[anchors]
        columns = rng.random(near.shape).argsort(axis=1)[:, :size]
        return np.unique(np.concatenate([anchors, np.take_along_axis(near, columns, 1).ravel()]))

    def within(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The target [m, m] of a batch of different rows."""
        m = len(rows)
        self._places[rows] = np.arange(m)
        places = self._places[self.ids[rows]]
        self._places[rows] = -1
        i, slot = np.nonzero(places >= 0)
        j, logits = places[i, slot], self.logits[rows[i], slot]
        target = np.full((m, m), -np.inf, np.float32)
        target[i, j] = logits
        target[j, i] = logits  # equal where both are listed, up to rounding
        most = target.max(axis=1, keepdims=True)
        target -= np.where(np.isfinite(most), most, np.float32(0))
        np.exp(target, out=target)
        target /= np.maximum(target.sum(axis=1, keepdims=True), TINY)
        return target

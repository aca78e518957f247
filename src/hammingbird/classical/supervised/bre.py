"""Binary reconstructive embeddings (Kulis and Darrell, NIPS 2009), with and without labels."""

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
from hammingbird.linear import LinearHasher

ANCHORS = 20


class ReconstructiveEmbedding(LinearHasher):
    """Bits whose Hamming distances come near given ones: squared distances of unit vectors.

    Each bit is a linear kernel to ``n_anchors`` rows of its own, and so linear: ``weights_``. The
    objective ``sum (hamming / n_bits - wanted)^2`` over some pairs of a sample of the rows has no
    gradient; one weight after another moves to where it is least, all else fixed, which a sort
    finds. Vectors count from their mean, at unit length. ``objective_`` is its mean over the pairs
    after each sweep over all weights; it never rises.

    Parameters
    ----------
    n_anchors
        Rows that a bit compares with. None is 20, or every row where there are fewer.
    n_partners
        Rows that each row of the sample is paired with, drawn by seed.
    max_rows
        Rows of the sample at most.
    max_iter, tolerance
        Sweeps at most; they end when the objective falls by less than this share.
    """

    objective_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        n_anchors: int | None = None,
        n_partners: int = 50,
        max_rows: int = 1000,
        max_iter: int = 10,
        tolerance: float = 1e-3,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.n_anchors = n_anchors
        self.n_partners = n_partners
        self.max_rows = max_rows
        self.max_iter = max_iter
        self.tolerance = tolerance
        self.output = output
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if min(self.n_partners, self.max_iter) < 1 or self.max_rows < 2:
            raise InputError("n_partners and max_iter must be at least 1, max_rows at least 2")
        rng = check_random_state(self.random_state)
        self.mean_ = mean_of(X)
        rows, left, right, wanted = self._pairs(X, y, rng)
        q = min(ANCHORS, len(rows)) if self.n_anchors is None else self.n_anchors
        if not 1 <= q <= len(rows):
            raise InputError(
                f"n_anchors={q}, but {len(rows)} rows are learned from: give 1 to {len(rows)}, "
                "or None"
            )
        U = self._unit(X[rows])
        anchors = np.stack([rng.permutation(len(rows))[:q] for _ in range(self.n_bits_)])
        kernels = np.einsum("nd,kqd->kqn", U, U[anchors], optimize=True)
        descent = Descent(kernels, left, right, wanted, rng)
        objective = [descent.objective()]
        sweeps = tqdm(range(self.max_iter), desc="BRE", unit="sweep", leave=False, disable=None)
        for _ in sweeps:
            for bit in rng.permutation(self.n_bits_):
                for anchor in rng.permutation(q):
                    descent.move(bit, anchor)
            objective.append(descent.objective())
            if objective[-2] - objective[-1] <= self.tolerance * objective[-2]:
                break
        self.objective_, self.n_iter_ = np.array(objective), len(objective) - 1
        weights = np.einsum("kq,kqd->dk", descent.weights, U[anchors])
        # The length changes no bit, and single steps can make it large.
        self.weights_ = weights / np.maximum(np.linalg.norm(weights, axis=0), np.finfo(float).tiny)

    def _unit(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Rows from their mean, at unit length; a row at the mean stays zero."""
        centred = np.asarray(X, np.float64) - self.mean_
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        unit: NDArray[np.float64] = np.zeros_like(centred)
        np.divide(centred, lengths, out=unit, where=lengths > 0)
        return unit

    def _pairs(
        self, X: NDArray[Any], y: Any, rng: np.random.RandomState
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Rows of the sample, the pairs among them by place, and their wanted distances."""
        rows = np.sort(rng.permutation(len(X))[: self.max_rows])
        left, right = partners(np.ones((len(rows), len(rows)), bool), self.n_partners, rng)
        U = self._unit(X[rows])
        wanted = 0.5 * np.square(U[left] - U[right]).sum(axis=1)
        largest = float(wanted.max(initial=0.0))
        if not largest > 0:
            raise InputError("all rows are the same, or X is one sample: give rows that differ")
        return rows, left, right, wanted / largest


class BRE(ReconstructiveEmbedding):
    """Bits whose Hamming distances are small for similar pairs and large for others.

    Supervised :class:`ReconstructiveEmbedding`: the wanted distance is 0 for a similar pair, else
    1. Learns from labels, label sets, pairs or neighbours.
    """

    supervised = True

    def _pairs(
        self, X: NDArray[Any], y: Any, rng: np.random.RandomState
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        rows, signs = similarity(y, len(X), self.max_rows, rng, "BRE")
        half = max(1, self.n_partners // 2)
        drawn = [partners(signs == sign, half, rng) for sign in (1, -1)]
        left, right = np.concatenate(drawn, axis=1)
        return rows, left, right, (signs[left, right] < 0).astype(np.float64)


def partners(
    known: NDArray[np.bool_], count: int, rng: np.random.RandomState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw at most ``count`` known partners for each row of ``known`` [m, m], never itself."""
    left, right = [], []
    for row, have in enumerate(known):
        others = np.flatnonzero(have)
        drawn = rng.permutation(others[others != row])[:count]
        left.append(np.full(len(drawn), row))
        right.append(drawn)
    return np.concatenate(left), np.concatenate(right)


class Descent:
    """Coordinate descent on the weights [n_bits, q] of step functions of ``kernels``.

    ``kernels`` [n_bits, q, n] holds what each weight is multiplied with for each row; pairs
    ``left``, ``right`` are places among the rows.
    """

    def __init__(
        self,
        kernels: NDArray[np.float64],
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        wanted: NDArray[np.float64],
        rng: np.random.RandomState,
    ) -> None:
        self.kernels, self.left, self.right, self.wanted = kernels, left, right, wanted
        self.weights = rng.standard_normal(kernels.shape[:2])
        self.scores = np.einsum("kq,kqn->kn", self.weights, kernels)
        self.bits = self.scores >= 0
        self.apart = (self.bits[:, left] != self.bits[:, right]).sum(axis=0)

    def objective(self) -> float:
        """Mean squared difference of the pairs' Hamming distances, over n_bits, and the wanted."""
        return float(np.square(self.apart / len(self.bits) - self.wanted).mean())

    def move(self, bit: int, anchor: int) -> None:
        """Move one weight to the middle of the interval in which the objective is least.

        As the weight grows, each row's bit turns once, at a threshold of its own. A pair differs
        either between the thresholds of its rows or outside of them, so that its share of the
        objective changes at two places, and a running sum over the sorted thresholds has it all.
        """
        kernel = self.kernels[bit, anchor]
        turns = np.flatnonzero(kernel)
        if not len(turns):
            return
        rest = self.scores[bit] - self.weights[bit, anchor] * kernel
        thresholds = -rest[turns] / kernel[turns]
        order = np.argsort(thresholds, kind="stable")
        place = np.full(len(kernel), len(turns))
        place[turns[order]] = np.arange(len(turns))
        # Bits for a weight below all thresholds.
        low = np.where(kernel != 0, kernel < 0, rest >= 0)
        differ = low[self.left] != low[self.right]
        others = self.apart - (self.bits[bit, self.left] != self.bits[bit, self.right])
        k = len(self.bits)
        # What it costs that the pair differs in this bit.
        cost = (2 * (others / k - self.wanted) + 1 / k) / k
        change = np.where(differ, -cost, cost)
        first = np.minimum(place[self.left], place[self.right])
        last = np.maximum(place[self.left], place[self.right])
        steps = np.bincount(first, change, len(turns) + 1) - np.bincount(
            last, change, len(turns) + 1
        )
        # Entry i: the objective, beside a constant, between thresholds i - 1 and i.
        values = np.concatenate([[0.0], np.cumsum(steps[:-1])]) + cost[differ].sum()
        ends = thresholds[order]
        # No interval between equal thresholds holds a number.
        values[1:-1][np.diff(ends) <= 0] = np.inf
        now = cost[self.bits[bit, self.left] != self.bits[bit, self.right]].sum()
        best = int(values.argmin())
        if not values[best] < now - 1e-12 * max(1.0, abs(now)):
            return
        weight = _middle(ends, best)
        scores = rest + weight * kernel
        bits = scores >= 0
        differ = bits[self.left] != bits[self.right]
        # Rounding may put a weight between two close thresholds on the wrong side.
        if cost[differ].sum() < now:
            self.weights[bit, anchor], self.scores[bit], self.bits[bit] = weight, scores, bits
            self.apart = others + differ


def _middle(ends: NDArray[np.float64], interval: int) -> float:
    """A number inside the interval before ``ends[interval]``; the outer ones have no bound."""
    if interval == 0:
        return float(ends[0] - max(1.0, abs(ends[0])))
    if interval == len(ends):
        return float(ends[-1] + max(1.0, abs(ends[-1])))
    return float((ends[interval - 1] + ends[interval]) / 2)

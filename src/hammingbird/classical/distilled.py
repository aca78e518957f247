"""DistilledHash: bits from unlabelled vectors that keep each one's neighbours."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.adam import Adam
from hammingbird.classical.distillation import NeighborTargets, nearest_rows, over_lengths
from hammingbird.classical.itq import ITQ
from hammingbird.classical.linear import evenly, standardised
from hammingbird.codes import Output, check_n_bits
from hammingbird.errors import InputError
from hammingbird.estimator import check_is_fitted, check_random_state
from hammingbird.linear import LinearHasher

if TYPE_CHECKING:
    from typing_extensions import Self

FIRST_ROWS = 10_000
"""Rows that the starting point is computed from."""
ROUNDS = 20
"""Turns of iterative quantization at the start; the authors' 50 gain little more."""
WARM_UP = 0.1
"""Share of the steps in which the learning rate rises."""
PASSES, FEWEST, MOST = 16, 500, 2500
"""Times over the rows, and the least and the most steps that this may take."""
COMPANY = 8
"""Rows of a batch that stand together: one, and neighbours of it."""


class DistilledHash(LinearHasher):
    """Codes whose order of neighbours is that of the float vectors; needs no labels.

    A batch holds rows with some of their nearest neighbours. For each row, the target is how near
    the others are to it as vectors, a softmax, and the loss is the cross-entropy from it to a
    softmax over the codes' inner products (see :func:`~.distillation.divergence`). The linear map
    starts from iterative quantization and is trained by Adam, signs forward and a straight-through
    gradient backward. It serves Hamming distance and asymmetric search alike, and gives any number
    of bits. ``divergence_`` [n_iter_] is in nats per row, at every step.

    For other networks see ``DeepDistilledHash``, which needs torch.

    Parameters
    ----------
    bandwidth
        Sharpness of the target, relative to the median squared distance of the tenth neighbours.
    sharpness
        Of the codes' softmax, whose temperature is ``sharpness * sqrt(n_bits)``, and at least 12.
    asymmetric
        Share, in [0, 1], of a second prediction in which a row keeps its logits, as a query does in
        asymmetric search.
    n_neighbors
        How many neighbours of a row are looked for: its target and its company in a batch.
    prefixes
        Shorter lengths that the first bits of a code are to serve as well, such as (16, 32);
        ``prefix`` gives their hashers.
    max_rows
        Learn from this many evenly spaced rows at most: finding neighbours takes time quadratic in
        it, and room for these rows.
    max_iter
        Steps; None takes as many as pass 16 times over the rows, from 500 to 2,500.
    batch_size, learning_rate
        Rows of a batch, and Adam's rate, which rises for a tenth of the steps and then falls to 0.
    """

    bias_: NDArray[np.float64]
    divergence_: NDArray[np.float32]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        bandwidth: float = 0.1,
        sharpness: float = 1.75,
        asymmetric: float = 0.5,
        n_neighbors: int = 50,
        prefixes: Sequence[int] | None = None,
        max_rows: int = 50_000,
        max_iter: int | None = None,
        batch_size: int = 512,
        learning_rate: float = 6e-3,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.bandwidth = bandwidth
        self.sharpness = sharpness
        self.asymmetric = asymmetric
        self.n_neighbors = n_neighbors
        self.prefixes = prefixes
        self.max_rows = max_rows
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.output = output
        self.random_state = random_state

    def prefix(self, n_bits: int) -> Self:
        """Return a fitted hasher of the first ``n_bits`` bits, at most as many as were learned."""
        check_is_fitted(self)
        if check_n_bits(n_bits) > self.n_bits_:
            raise InputError(f"n_bits must be at most {self.n_bits_}, got {n_bits}")
        shorter = copy.copy(self)
        shorter.n_bits = shorter.n_bits_ = int(n_bits)
        shorter.prefixes = None
        shorter.weights_ = np.ascontiguousarray(self.weights_[:, :n_bits])
        shorter.bias_ = self.bias_[:n_bits].copy()
        return shorter

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self._check_parameters(len(X))
        X = evenly(X, self.max_rows)
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        self.mean_, scale, rows = standardised(X)
        weights = _start(rows, self.n_bits_, rng)
        bias = np.zeros(self.n_bits_, np.float32)
        self.n_iter_ = self._steps(len(rows))
        near = nearest_rows(rows, min(self.n_neighbors, len(rows) - 1))
        targets = NeighborTargets(*near, self.bandwidth)
        self._train(rows, targets, weights, bias, np.random.default_rng(seed))
        self.weights_ = weights.astype(np.float64) / scale
        self.bias_ = bias.astype(np.float64)

    def _steps(self, n: int) -> int:
        if self.max_iter is not None:
            return self.max_iter
        return int(np.clip(PASSES * math.ceil(n / self._anchors), FEWEST, MOST))

    @property
    def _anchors(self) -> int:
        """Rows of a batch that bring their neighbours."""
        return max(1, self.batch_size // COMPANY)

    def _check_parameters(self, n_rows: int) -> None:
        for name, least in (
            ("max_iter", 1), ("n_neighbors", 1), ("batch_size", 2), ("max_rows", 2),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is None and name == "max_iter":
                continue
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}, got {value}")
        for name in ("bandwidth", "sharpness", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.asymmetric <= 1:
            raise InputError(f"asymmetric must be in [0, 1], got {self.asymmetric}")
        bad = [k for k in self.prefixes or () if not 1 <= k < self.n_bits_]
        if bad:
            raise InputError(f"a prefix must have 1 to {self.n_bits_ - 1} bits, got {bad[0]}")
        if n_rows < 2:
            raise InputError(f"neighbours need more than {n_rows} sample, found 1 sample")

    def _train(
        self,
        X: NDArray[np.float32],
        targets: NeighborTargets,
        weights: NDArray[np.float32],
        bias: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> None:
        """Move ``weights`` [d, n_bits] and ``bias`` [n_bits] in place."""
        from threadpoolctl import threadpool_limits  # these are not imported to encode
        from tqdm import tqdm

        adam = Adam(np.zeros((2, weights.size + bias.size), np.float32), 0)
        found = np.empty(self.n_iter_, np.float32)
        anchors = _in_turn(len(X), self._anchors, rng)
        steps = tqdm(
            range(self.n_iter_), desc="DistilledHash", unit="step", leave=False, disable=None
        )
        # A batch's products are so small that more threads would only wait for each other.
        with threadpool_limits(1, "blas"):
            for step in steps:
                rows = targets.company(next(anchors), COMPANY - 1, rng)
                x = X[rows]
                found[step], gradient = over_lengths(
                    x @ weights + bias,
                    targets.within(rows),
                    self.sharpness,
                    self.asymmetric,
                    self.prefixes or (),
                )
                adam.step([weights, bias], [x.T @ gradient, gradient.sum(axis=0)], self._rate(step))
        self.divergence_ = found

    def _rate(self, step: int) -> float:
        done = step / self.n_iter_
        if done < WARM_UP:
            return self.learning_rate * (0.04 + 0.96 * done / WARM_UP)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return super()._project(X) + self.bias_.astype(X.dtype)


def _start(X: NDArray[np.float32], n_bits: int, rng: np.random.RandomState) -> NDArray[np.float32]:
    """Iterative quantization's directions [d, n_bits], their scores of unit variance on average.

    Beyond one bit per dimension, further random rotations of all components are fitted and added.
    """
    n, d = X.shape
    sample = X[np.linspace(0, n - 1, min(n, FIRST_ROWS)).astype(np.int64)]
    blocks = []
    for first in range(0, n_bits, d):
        itq = ITQ(min(d, n_bits - first), max_iter=ROUNDS, random_state=rng.randint(2**31 - 1))
        blocks.append(itq.fit(sample).weights_)
    weights = np.concatenate(blocks, axis=1).astype(np.float32)
    size = float(np.sqrt(np.mean(np.square(sample @ weights))))
    return weights / np.float32(size or 1.0)


def _in_turn(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Row numbers by ``size``: all rows once in random order, then again, without end."""
    order = rng.permutation(n)
    while True:
        while len(order) < min(size, n):
            order = np.concatenate([order, rng.permutation(n)])
        yield order[:size]
        order = order[size:]

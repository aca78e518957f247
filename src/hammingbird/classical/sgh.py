"""Stochastic generative hashing (Dai, Guo, Kumar, He and Song, ICML 2017)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.classical.adam import Adam
from hammingbird.classical.gaussian import (
    Derivative,
    GaussianModel,
    logit_gradient,
    negative_entropy,
)
from hammingbird.classical.linear import (
    mean_of,
    principal_directions,
    random_rotation,
)
from hammingbird.codes import Output
from hammingbird.decoder import LinearDecoder, least_squares_decoder
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state
from hammingbird.linear import LinearHasher

if TYPE_CHECKING:
    from typing_extensions import Self

FIRST_ROWS = 10_000
"""Rows that the starting point is computed from."""
MEMORY = 0.99
"""Share that a step keeps of the running estimate of rho^2."""
SMALLEST_VARIANCE = 1e-6
"""Least rho^2, per variance of a bit: data that codes reconstruct fully keep a finite energy."""
START_SLOPE = 2.0
"""Logits at the start, per standard deviation of a bit."""


class SGH(LinearDecoder, LinearHasher):
    """Bits from which a Gaussian decoder gets the vectors back with the fewest nats.

    Minimises the free energy ``E_q[log q(h | x) - log p(x, h)]`` by distributional stochastic
    gradients: an encoder of independent bits, a linear decoder (``decode``), and rho, which is
    learned. It starts at rotated principal components. While it trains, rho comes down from the
    standard deviation of a bit, as in deterministic annealing, so that bits settle late.
    ``free_energy_`` [steps] is in nats per vector of the scaled data, at the rho of each step.

    For another network, for labels or pairs, and for the scale-invariant variant, see ``DeepSGH``.

    Parameters
    ----------
    derivative
        ``exact`` takes the energy's difference over each bit, ``approximate`` its gradient
        (Lemma 3).
    stochastic
        Draw training bits from the encoder, as in the paper; or take their signs, as in the
        authors' code, which is both quicker and better here.
    rho
        Standard deviation of the noise, in the units of X; None learns it.
    annealed
        Lower rho slowly, or train at its final value from the first step.
    learned_prior
        Learn beta, the bits' log odds, or keep bits even a priori.
    max_iter
        Steps over which rho and the learning rate fall; ``partial_fit`` beyond them keeps training
        at the last values.
    learning_rate
        Of Adam, relative to a direction of length one.
    """

    bias_: NDArray[np.float32]
    beta_: NDArray[np.float32]
    rho_: float
    free_energy_: NDArray[np.float32]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        derivative: Derivative = "exact",
        stochastic: bool = False,
        rho: float | None = None,
        annealed: bool = True,
        learned_prior: bool = False,
        max_iter: int = 2500,
        batch_size: int = 500,
        learning_rate: float = 0.3,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.derivative = derivative
        self.stochastic = stochastic
        self.rho = rho
        self.annealed = annealed
        self.learned_prior = learned_prior
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.output = output
        self.random_state = random_state

    def partial_fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Train on one more block of vectors [n, d], once through; the first sets the start.

        Streams of any length are learned block by block. Saved hashers go on where they were.
        """
        X, reach = self._validated(X, first=not hasattr(self, "steps_"))
        if not hasattr(self, "steps_"):
            self._check_parameters()
            self._start(X)
        self._train(X, math.ceil(len(X) / self.batch_size))
        self._check_learned(X, reach)
        return self

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self._check_parameters()
        self._start(X)
        self._train(X, self.max_iter)
        self.n_iter_ = self.max_iter
        codes = self._encode(X)
        decoder, offset = least_squares_decoder(codes, self.n_bits_, X, self.mean_)
        self.decoder_, self.offset_ = decoder.astype(np.float32), offset.astype(np.float32)

    def _check_parameters(self) -> None:
        if self.derivative not in ("exact", "approximate"):
            raise InputError(
                f"derivative must be 'exact' or 'approximate', got {self.derivative!r}"
            )
        for name in ("max_iter", "batch_size"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise InputError(f"{name} must be a whole number of at least 1")
        if not self.learning_rate > 0 or (self.rho is not None and not self.rho > 0):
            raise InputError("learning_rate and rho must be positive")

    def _start(self, X: NDArray[Any]) -> None:
        """Start from rotated principal components, and the decoder that fits their signs."""
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        chosen = np.random.default_rng(self.seed_).permutation(len(X))[:FIRST_ROWS]
        sample = np.asarray(X[np.sort(chosen)], np.float32)
        bits, width = self.n_bits_, X.shape[1]
        mean = mean_of(sample)
        directions, variances = principal_directions(sample, mean, min(bits, width))
        # With more bits than dimensions the rotation's rows are cut, and its columns spread.
        rotation = random_rotation(bits, np.random.RandomState(self.seed_))[: len(variances)]
        spread = float(np.sqrt(variances.sum() / bits))
        self.scale_ = spread if spread > 0 else 1.0
        self.mean_ = mean.astype(np.float32)
        self.weights_ = (START_SLOPE / self.scale_ * directions @ rotation).astype(np.float32)
        self.bias_ = np.zeros(bits, np.float32)
        self.beta_ = np.zeros(bits, np.float32)
        codes = self._encode(sample)
        decoder, offset = least_squares_decoder(codes, bits, sample, self.mean_)
        self.decoder_, self.offset_ = decoder.astype(np.float32), offset.astype(np.float32)
        model = self._model()
        rest = model.rest((sample - self.mean_) / np.float32(self.scale_), self._signs(sample))
        self.rho_ = self.scale_ * math.sqrt(max(float(np.mean(rest**2)), SMALLEST_VARIANCE))
        self.moments_ = np.zeros((2, 2 * bits * (width + 1) + width), np.float32)
        self.steps_ = 0
        self.free_energy_ = np.empty(0, np.float32)

    def _train(self, X: NDArray[Any], steps: int) -> None:
        from scipy.special import expit  # these are not imported to encode
        from threadpoolctl import threadpool_limits
        from tqdm import tqdm

        scale = np.float32(self.scale_)
        weights, bias, model = self.weights_ * scale, self.bias_.copy(), self._model()
        learned = (self.rho_ / self.scale_) ** 2 if self.rho is None else (self.rho / scale) ** 2
        parameters = [weights, bias, model.decoder, model.offset, model.beta]
        adam = Adam(self.moments_, self.steps_)
        rng = np.random.default_rng([self.seed_, self.steps_])
        energies = np.empty(steps, np.float32)
        bar = tqdm(
            _batches(len(X), self.batch_size, steps, rng),
            desc="SGH",
            total=steps,
            unit="step",
            leave=False,
            disable=None,
        )
        # A batch's products are so small that more threads would only wait for each other.
        with threadpool_limits(1, "blas"):
            for step, rows in enumerate(bar):
                x = (X[rows].astype(np.float32) - self.mean_) / scale
                logits = x @ weights + bias
                q = expit(logits)
                h = self._neuron(logits, q, rng)
                rest = model.rest(x, h)
                if self.rho is None:
                    now = max(float(np.mean(rest * rest)), SMALLEST_VARIANCE)
                    learned = MEMORY * learned + (1 - MEMORY) * now
                left = 1 - min(1.0, adam.steps / self.max_iter)
                model.variance = float(learned ** (1 - left * self.annealed))
                energies[step] = np.mean(model.energy(h, rest) + negative_entropy(q))
                differences = model.differences(h, rest, self.derivative)
                in_logits = logit_gradient(q, logits, differences) / np.float32(len(x))
                decoder, offset, beta = model.gradients(h, rest)
                if not self.learned_prior:
                    beta = np.zeros_like(beta)
                gradients = [x.T @ in_logits, in_logits.sum(axis=0), decoder, offset, beta]
                adam.step(parameters, gradients, self._rate(left, X.shape[1]))
        self.weights_, self.bias_, self.beta_ = weights / scale, bias, model.beta
        self.decoder_ = model.decoder * scale
        self.offset_ = model.offset * scale + self.mean_
        self.rho_ = float(scale * np.sqrt(learned))
        self.moments_, self.steps_ = adam.moments, adam.steps
        self.free_energy_ = np.concatenate([self.free_energy_, energies])

    def _rate(self, left: float, width: int) -> float:
        """Half a cosine down to a hundredth, for directions whose entries are ``1 / sqrt(d)``."""
        fall = 0.5 * (1 - math.cos(math.pi * left))
        return self.learning_rate / math.sqrt(width) * max(0.01, fall)

    def _neuron(
        self, logits: NDArray[np.float32], q: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """+1 where ``q`` exceeds a uniform draw (D.3), or one half."""
        on = q > rng.random(q.shape, np.float32) if self.stochastic else logits >= 0
        return np.where(on, np.float32(1), np.float32(-1))

    def _model(self) -> GaussianModel:
        """The decoder in the units of training: centred, a variance of one per bit."""
        scale = np.float32(self.scale_)
        offset = (self.offset_ - self.mean_) / scale
        return GaussianModel(self.decoder_ / scale, offset, self.beta_.copy(), 1.0)

    def _signs(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.where(self._project(X) >= 0, 1, -1).astype(X.dtype)

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return super()._project(X) + self.bias_.astype(X.dtype)


def _batches(
    n: int, size: int, steps: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Row numbers of ``steps`` batches: all rows once in random order, then again."""
    parts = math.ceil(n / size)
    for step in range(steps):
        if step % parts == 0:
            order = np.array_split(rng.permutation(n), parts)
        # Sorted, so that a memory map is read forwards.
        yield np.sort(order[step % parts])

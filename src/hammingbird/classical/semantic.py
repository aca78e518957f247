"""Semantic hashing (Salakhutdinov and Hinton, 2007): an autoencoder with a noisy code layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from hammingbird.classical.adam import Adam
from hammingbird.classical.linear import mean_of
from hammingbird.codes import Output
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state
from hammingbird.hasher import Hasher, row_chunks

Layers = list[NDArray[np.float32]]
DEVIATION_FLOOR = 0.05
"""Least standard deviation to divide by, as a share of the root mean square one."""


class SemanticHashing(Hasher):
    """Stacked restricted Boltzmann machines, unrolled and fine-tuned with noise on the code layer.

    Two machines are trained by one step of contrastive divergence: the first has Gaussian visible
    units, for standardised columns. The autoencoder made of them is then fine-tuned to lower the
    squared error, while Gaussian noise on what enters its code units drives them to 0 or 1. Bits
    are cut at the median of the training data, so that none is dead. ``error_`` [max_iter] is the
    mean squared error of each batch per standardised vector.

    Parameters
    ----------
    hidden
        Units between the vectors and the code.
    noise
        Standard deviation of the noise.
    pretraining
        Steps of contrastive divergence for each machine.
    """

    mean_: NDArray[np.float32]
    deviation_: NDArray[np.float32]
    hidden_weights_: NDArray[np.float32]
    hidden_bias_: NDArray[np.float32]
    code_weights_: NDArray[np.float32]
    median_: NDArray[np.float32]
    error_: NDArray[np.float32]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        hidden: int = 256,
        noise: float = 4.0,
        pretraining: int = 1000,
        max_iter: int = 2000,
        batch_size: int = 256,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.hidden = hidden
        self.noise = noise
        self.pretraining = pretraining
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.output = output
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if min(self.hidden, self.pretraining, self.max_iter, self.batch_size) < 1 or self.noise < 0:
            raise InputError("sizes and steps must be at least 1, and noise not negative")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rng = np.random.default_rng(seed)
        mean = mean_of(X)
        deviation = np.sqrt(_variance(X, mean))
        floor = DEVIATION_FLOOR * float(np.sqrt(np.mean(deviation**2)))
        self.mean_ = mean.astype(np.float32)
        self.deviation_ = np.maximum(deviation, floor or 1.0).astype(np.float32)

        def visible() -> NDArray[np.float32]:
            rows = np.sort(rng.integers(0, len(X), self.batch_size))
            return self._standardised(np.asarray(X[rows], np.float32))

        with threadpool_limits(1, "blas"):
            first = train_machine(
                visible, X.shape[1], self.hidden, self.pretraining, rng, gaussian=True
            )
            second = train_machine(
                lambda: expit(visible() @ first[0] + first[1]),
                self.hidden,
                self.n_bits_,
                self.pretraining,
                rng,
                gaussian=False,
            )
            layers = [*first, *second]
            self.error_ = self._fine_tune(layers, visible, rng)
        self.hidden_weights_, self.hidden_bias_, self.code_weights_ = (
            layers[0],
            layers[1],
            layers[3],
        )
        self.median_ = np.zeros(self.n_bits_, np.float32)
        logits = [self._project(chunk.values) for chunk in row_chunks(X)]
        self.median_ = np.median(np.concatenate(logits), axis=0).astype(np.float32)
        self.n_iter_ = self.max_iter

    def _fine_tune(self, layers: Layers, visible: Any, rng: np.random.Generator) -> Any:
        """Unroll ``[W, b, a, V, c, b']`` of the machines, then descend by Adam; in place."""
        W, b, a, V, c, back = layers
        W_up, V_up = W.T.copy(), V.T.copy()
        parameters = [W, b, V, c, V_up, back, W_up, a]
        adam = Adam(np.zeros((2, sum(part.size for part in parameters)), np.float32), 0)
        errors = np.empty(self.max_iter, np.float32)
        for step in tqdm(range(self.max_iter), desc="fine-tuning", leave=False, disable=None):
            x = visible()
            h1 = expit(x @ W + b)
            noise = self.noise * rng.standard_normal((len(x), self.n_bits_), np.float32)
            code = expit(h1 @ V + c + noise)
            h2 = expit(code @ V_up + back)
            rest = h2 @ W_up + a - x
            errors[step] = np.mean(np.einsum("ij,ij->i", rest, rest))
            d_out = 2 * rest / np.float32(len(x))
            d_h2 = d_out @ W_up.T * h2 * (1 - h2)
            d_code = d_h2 @ V_up.T * code * (1 - code)
            d_h1 = d_code @ V.T * h1 * (1 - h1)
            gradients = [
                x.T @ d_h1,
                d_h1.sum(0),
                h1.T @ d_code,
                d_code.sum(0),
                code.T @ d_h2,
                d_h2.sum(0),
                h2.T @ d_out,
                d_out.sum(0),
            ]
            adam.step(parameters, gradients, 1e-3 * (1 - step / self.max_iter))
        return errors

    def _standardised(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return (X - self.mean_.astype(X.dtype)) / self.deviation_.astype(X.dtype)

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        """What enters the code units, less its median."""
        dtype = X.dtype
        hidden = self._standardised(X) @ self.hidden_weights_.astype(dtype)
        hidden = expit(hidden + self.hidden_bias_.astype(dtype))
        logits: NDArray[np.floating] = hidden @ self.code_weights_.astype(dtype)
        return logits - self.median_.astype(dtype)


def train_machine(
    visible: Any,
    n_visible: int,
    n_hidden: int,
    steps: int,
    rng: np.random.Generator,
    *,
    gaussian: bool,
) -> Layers:
    """Train a restricted Boltzmann machine by CD-1; return weights, hidden and visible biases.

    ``visible()`` draws a batch [m, n_visible], standardised if ``gaussian``, else in [0, 1].
    """
    weights = (0.01 * rng.standard_normal((n_visible, n_hidden))).astype(np.float32)
    hidden_bias = np.zeros(n_hidden, np.float32)
    visible_bias = np.zeros(n_visible, np.float32)
    rate = np.float32(1e-3 if gaussian else 0.05)
    moves = [np.zeros_like(part) for part in (weights, hidden_bias, visible_bias)]
    for step in range(steps):
        momentum = np.float32(0.5 if step < steps // 4 else 0.9)
        v = visible()
        on = expit(v @ weights + hidden_bias)
        drawn = (on > rng.random(on.shape, np.float32)).astype(np.float32)
        back = drawn @ weights.T + visible_bias
        back = back if gaussian else expit(back)
        again = expit(back @ weights + hidden_bias)
        n = np.float32(len(v))
        slopes = [
            (v.T @ on - back.T @ again) / n,
            (on - again).mean(axis=0),
            (v - back).mean(axis=0),
        ]
        parts = (weights, hidden_bias, visible_bias)
        for part, move, slope in zip(parts, moves, slopes, strict=True):
            move *= momentum
            move += rate * slope
            part += move
    return [weights, hidden_bias, visible_bias]


def _variance(X: NDArray[Any], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros(X.shape[1])
    for chunk in row_chunks(X):
        total += ((chunk.values - mean) ** 2).sum(axis=0)
    return total / len(X)

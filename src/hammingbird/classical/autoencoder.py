"""Binary autoencoder by the method of auxiliary coordinates (Carreira-Perpinan, CVPR 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.itq import ITQ
from hammingbird.codes import Output, pack, unpack
from hammingbird.decoder import LinearDecoder, least_squares_decoder, reconstruction_error
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state
from hammingbird.hasher import row_chunks
from hammingbird.linear import LinearHasher

if TYPE_CHECKING:
    from sklearn.linear_model import SGDClassifier

ENUMERATED = 10
"""Up to this many bits the z step tries every code."""
SWEEPS = 100


class BinaryAutoencoder(LinearDecoder, LinearHasher):
    """An autoencoder whose code layer is a step function, trained without its gradient.

    Each vector gets a free code z. By turns, a decoder is fitted to the codes by least squares
    (f), a linear SVM per bit learns to predict them (h), and every code moves to the minimum of
    ``|x - f(z)|^2 + mu (bits in which z and h(x) differ)`` (z), while mu grows until z = h(x).
    It starts at the codes of ITQ: from those of PCA, the authors' start, it ends at larger errors.
    ``error_`` [rounds] is the mean squared error of the codes h(x) with the decoder of each round.

    Parameters
    ----------
    mu, growth
        The penalty of the first round, in units of the variance per bit, and what each later round
        multiplies it by. A large one at the start keeps all codes where they are.
    max_iter
        Rounds at most.
    passes
        Passes over the data of each SVM in each round; they go on from where they were.
    """

    max_bits_rule = "Use SGH or LSH for more bits than dimensions."
    bias_: NDArray[np.float64]
    error_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        mu: float = 0.05,
        growth: float = 2.0,
        max_iter: int = 12,
        passes: int = 1,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.mu = mu
        self.growth = growth
        self.max_iter = max_iter
        self.passes = passes
        self.output = output
        self.random_state = random_state

    def _max_bits(self, n_features: int) -> int:
        return min(super()._max_bits(n_features), n_features)

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        from tqdm import tqdm  # not imported to encode

        if not self.mu > 0 or not self.growth > 1 or self.max_iter < 1 or self.passes < 1:
            raise InputError("mu must be positive, growth above 1, max_iter and passes at least 1")
        rng = check_random_state(self.random_state)
        start = ITQ(self.n_bits_, random_state=cast(Any, rng)).fit(X)
        self.mean_, self.weights_, self.bias_ = start.mean_, start.weights_, np.zeros(self.n_bits_)
        Z = unpack(self._encode(X), self.n_bits_)
        unit = max(_variance_per_bit(start, X), np.finfo(float).tiny)
        svms = _svms(self.n_bits_, rng)
        errors: list[float] = []
        rounds = tqdm(range(self.max_iter), desc="BA", unit="round", leave=False, disable=None)
        for step in rounds:
            self._fit_decoder(Z, X)
            self._fit_encoder(Z, X, svms, np.sqrt(unit * self.n_bits_))
            predicted = unpack(self._encode(X), self.n_bits_)
            mu = self.mu * unit * self.growth**step
            Z = _z_step(self, X, predicted, mu)
            errors.append(self._error(X, predicted))
            if np.array_equal(Z, predicted):
                break
        self._fit_decoder(unpack(self._encode(X), self.n_bits_), X)
        self.error_, self.n_iter_ = np.array(errors), len(errors)

    def _fit_decoder(self, Z: NDArray[np.int8], X: NDArray[Any]) -> None:
        self.decoder_, self.offset_ = least_squares_decoder(pack(Z), self.n_bits_, X, self.mean_)

    def _fit_encoder(
        self, Z: NDArray[np.int8], X: NDArray[Any], svms: list[SGDClassifier], scale: float
    ) -> None:
        """One linear SVM per bit, by stochastic subgradients, on vectors of about unit length."""
        for _ in range(self.passes):
            for chunk in row_chunks(X):
                scaled = (chunk.values - self.mean_.astype(chunk.values.dtype)) / scale
                for bit, svm in enumerate(svms):
                    svm.partial_fit(scaled, Z[chunk.start : chunk.stop, bit], classes=[-1, 1])
        self.weights_ = np.stack([svm.coef_[0] for svm in svms], axis=1).astype(np.float64) / scale
        self.bias_ = np.array([svm.intercept_[0] for svm in svms])

    def _error(self, X: NDArray[Any], signs: NDArray[np.int8]) -> float:
        return reconstruction_error(pack(signs), self.n_bits_, X, self.decoder_, self.offset_)

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return super()._project(X) + self.bias_.astype(X.dtype)


def _variance_per_bit(hasher: LinearHasher, X: NDArray[Any]) -> float:
    squares = [np.mean(hasher.project(chunk.values) ** 2) for chunk in row_chunks(X)]
    return float(np.mean(squares))


def _svms(n_bits: int, rng: np.random.RandomState) -> list[SGDClassifier]:
    from sklearn.linear_model import SGDClassifier

    seeds = rng.randint(2**31 - 1, size=n_bits)
    return [SGDClassifier(loss="hinge", alpha=1e-4, random_state=int(seed)) for seed in seeds]


def _z_step(
    hasher: LinearDecoder, X: NDArray[Any], predicted: NDArray[np.int8], mu: float
) -> NDArray[np.int8]:
    Z = np.empty_like(predicted)
    decoder = hasher.decoder_.astype(np.float64)
    gram = decoder @ decoder.T
    for chunk in row_chunks(X):
        rows = slice(chunk.start, chunk.stop)
        pull = (chunk.values - hasher.offset_) @ decoder.T + mu / 4 * predicted[rows]
        if len(gram) <= ENUMERATED:
            Z[rows] = enumerate_codes(gram, pull)
        else:
            Z[rows] = flip_bits(gram, pull, predicted[rows])
    return Z


def enumerate_codes(gram: NDArray[np.float64], pull: NDArray[np.float64]) -> NDArray[np.int8]:
    """The codes z in {-1, +1} with the least ``z' gram z - 2 pull . z``, by trying them all.

    Rows of ``pull`` [n, n_bits] stand for ``f``'s products with x and the penalty: the decoder's
    Gram matrix holds all that the distance from x needs (the QR trick of the authors).
    """
    n_bits = len(gram)
    bits = (np.arange(1 << n_bits)[:, None] >> np.arange(n_bits)) & 1
    every = (2 * bits - 1).astype(np.int8)
    lengths = np.einsum("ij,ij->i", every @ gram, every)
    chosen = [
        np.argmin(lengths - 2 * pull[first : first + 4096] @ every.T, axis=1)
        for first in range(0, len(pull), 4096)
    ]
    codes: NDArray[np.int8] = every[np.concatenate(chosen)]
    return codes


def flip_bits(
    gram: NDArray[np.float64], pull: NDArray[np.float64], start: NDArray[np.int8]
) -> NDArray[np.int8]:
    """The same minimum searched from ``start`` by flips of single bits that strictly improve."""
    z = start.astype(np.float64)
    products = z @ gram
    unchanged = 0
    slack = 1e-10 * np.trace(gram)
    for turn in range(SWEEPS * len(gram)):
        bit = turn % len(gram)
        own = z[:, bit]
        gain = own * (products[:, bit] - gram[bit, bit] * own - pull[:, bit])
        rows = np.flatnonzero(gain > slack)
        products[rows] -= 2 * own[rows, None] * gram[bit]
        z[rows, bit] = -own[rows]
        unchanged = 0 if len(rows) else unchanged + 1
        if unchanged >= len(gram):
            break
    return z.astype(np.int8)

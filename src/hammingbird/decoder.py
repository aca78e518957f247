"""Codes back to vectors: the linear decoder that generative hashers learn beside their bits."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import Codes, check_codes, pack, unpack
from hammingbird.errors import InputError
from hammingbird.estimator import check_is_fitted
from hammingbird.hasher import Hasher, row_chunks

RIDGE = 1e-6
"""Weight of the ridge that keeps constant or equal bits solvable, per row."""


class LinearDecoder(Hasher):
    """A hasher whose codes h in {-1, +1} stand for the vectors ``offset_ + h @ decoder_``.

    ``decoder_`` is [n_bits, d] and ``offset_`` [d], in the units of the training vectors.
    """

    decoder_: NDArray[np.floating]
    offset_: NDArray[np.floating]

    def decode(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Return the vectors [n, d] that packed codes stand for."""
        check_is_fitted(self)
        signs = unpack(codes, self.n_bits_).astype(np.float32)
        return signs @ self.decoder_.astype(np.float32) + self.offset_.astype(np.float32)

    def scores(
        self, queries: ArrayLike, codes: ArrayLike, measure: Literal["inner", "l2"] = "inner"
    ) -> NDArray[np.float32]:
        """Compare real queries [q, d] with decoded codes, [q, n]; larger is nearer.

        ``inner`` is the inner product with the decoded vector (SGH, section C); ``l2`` is minus the
        squared distance from it. Both are read from byte look-up tables, without decoding.
        """
        weights, constant = self.score_weights(queries, measure)
        codes = check_codes(codes, self.n_bits_)
        scores = kernels.scores(weights, codes, self.n_bits_)
        scores += constant[:, None]
        if measure == "l2":
            scores -= self.squared_lengths(codes)
        return scores

    def score_weights(
        self, queries: ArrayLike, measure: Literal["inner", "l2"] = "inner"
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what each +1 bit adds to a query's score, [q, n_bits], and what all rows share.

        ``kernels.best`` ranks a database by these weights; for ``l2``, subtract
        :meth:`squared_lengths`.
        """
        check_is_fitted(self)
        queries = np.asarray(self._check(queries, reset=False), np.float32)
        decoder, offset = self.decoder_.astype(np.float32), self.offset_.astype(np.float32)
        if measure == "inner":
            return queries @ decoder.T, queries @ offset
        if measure != "l2":
            raise InputError(f"measure must be 'inner' or 'l2', got {measure!r}")
        centred = queries - offset
        return 2 * (centred @ decoder.T), -np.einsum("ij,ij->i", centred, centred)

    def _encode(self, X: NDArray[Any]) -> Codes:
        """Codes of rows that are known to be good, while the hasher is being fitted."""
        return np.concatenate([pack(self._project(chunk.values)) for chunk in row_chunks(X)])

    def squared_lengths(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Squared lengths [n] of decoded codes, measured from ``offset_``."""
        signs = unpack(codes, self.n_bits_)
        gram = (self.decoder_ @ self.decoder_.T).astype(np.float32)
        lengths = [
            np.einsum("ij,ij->i", chunk.values @ gram, chunk.values) for chunk in row_chunks(signs)
        ]
        return np.concatenate([np.empty(0, np.float32), *lengths])


def least_squares_decoder(
    codes: Codes, n_bits: int, X: NDArray[Any], mean: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The decoder [n_bits, d] and offset [d] that reconstruct ``X`` [n, d] best from its codes.

    ``mean`` [d], a point amid the data, keeps the sums precise. X is read in chunks.
    """
    moments = np.zeros((n_bits + 1, n_bits + 1))
    products = np.zeros((n_bits + 1, X.shape[1]))
    centre = np.asarray(mean, np.float64)
    for chunk in row_chunks(X):
        signs = np.ones((len(chunk.values), n_bits + 1), np.float32)
        signs[:, :-1] = unpack(codes[chunk.start : chunk.stop], n_bits)
        moments += signs.T @ signs
        products += signs.T @ (chunk.values - centre.astype(chunk.values.dtype))
    ridge = RIDGE * len(X) * np.eye(n_bits + 1)
    ridge[-1, -1] = 0.0
    solution = np.asarray(np.linalg.solve(moments + ridge, products), np.float64)
    return solution[:-1], solution[-1] + centre


def reconstruction_error(
    codes: Codes,
    n_bits: int,
    X: NDArray[Any],
    decoder: NDArray[np.floating],
    offset: NDArray[np.floating],
) -> float:
    """Mean squared error per vector of ``offset + h @ decoder`` against ``X`` [n, d]."""
    total = 0.0
    for chunk in row_chunks(X):
        dtype = chunk.values.dtype
        signs = unpack(codes[chunk.start : chunk.stop], n_bits).astype(dtype)
        rest = chunk.values - (signs @ decoder.astype(dtype) + offset.astype(dtype))
        total += float(np.einsum("ij,ij->", rest, rest, dtype=np.float64))
    return total / len(X)

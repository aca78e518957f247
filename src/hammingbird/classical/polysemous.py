"""Polysemous codes (Douze, Jegou and Perronnin, ECCV 2016): read as numbers, and as bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.classical.distillation import NeighborTargets, nearest_rows
from hammingbird.classical.linear import evenly, standardised
from hammingbird.classical.numbering import alike, numbered, pull
from hammingbird.classical.product import (
    assigned,
    decoded,
    distances,
    margins,
    nearest,
    ones,
    refitted,
    turned,
)
from hammingbird.codes import Codes, Output, check_codes, n_bytes
from hammingbird.errors import InputError
from hammingbird.estimator import check_is_fitted, check_random_state
from hammingbird.finite import check_scores, check_values
from hammingbird.hasher import Hasher, row_chunks

TURNED_ON = 1 << 14
"""Rows that the rotation is learned from at most."""
NEAR_ROWS, NEIGHBORS, BANDWIDTH = 10_000, 50, 0.1
"""Rows whose neighbours the numbers are learned from, how many, and how far these count: a share of
the median squared distance of the tenth."""
DRAWN = 100
"""Rows that stand, for each, for all that are not near."""


class Polysemous(Hasher):
    """Every byte is the number of one of 256 centres, and its bits tell how far apart they are.

    A rotation deals the dimensions to the bytes, and k-means finds the centres of each (optimized
    product quantization). So codes are searched by look-up tables, as precisely as product
    quantization does it: :meth:`tables`. The centres are numbered such that neighbours get bits
    that agree, and the same codes are searched by Hamming distance, alone or as a filter before the
    tables. The numbers lower the cross-entropy from a softmax over true distances to one over
    Hamming distances, as far as it is linear in these; the paper has them follow the centres'
    distances instead, by annealing, which keeps a little less in bits.

    A bit's score is its margin: the squared distance from the nearest centre whose number has a 0
    there, less that from the nearest with a 1. Bits of a last byte that is not full number fewer
    centres. ``error_`` is the mean squared error of the centres.

    Parameters
    ----------
    spread
        Leading components of each byte, 8 at most of any use, that are turned to say equally much
        at the start: tables are best with none of them, bits with 8.
    rotations
        Turns of k-means and rotation.
    max_iter
        Rounds of k-means after them.
    max_rows
        Learn from this many evenly spaced rows at most.
    """

    max_bits_rule = "Use LSH or DistilledHash for more than a byte a dimension."
    mean_: NDArray[np.float64]
    rotation_: NDArray[np.float32]
    centers_: NDArray[np.float32]
    scale_: float
    error_: float

    def __init__(
        self,
        n_bits: int = 64,
        *,
        spread: int = 0,
        rotations: int = 20,
        max_iter: int = 15,
        max_rows: int = 50_000,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.spread = spread
        self.rotations = rotations
        self.max_iter = max_iter
        self.max_rows = max_rows
        self.output = output
        self.random_state = random_state

    def asked(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return look-up tables: the margins of bits know less."""
        return self.tables(X)

    def tables(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return minus the squared distances of queries from all centres, [q, bytes, 256].

        A code's score is minus the squared distance of the query from what the code stands for.
        """
        check_is_fitted(self)
        rows = self._check(X, reset=False)
        m, _, s = self.centers_.shape
        tables = np.empty((rows.shape[0], m, 256), np.float32)
        for chunk in row_chunks(rows):
            V = self._checked(chunk.values, chunk.start)
            here = tables[chunk.start : chunk.stop]
            for byte in range(m):
                part = V[:, byte * s : (byte + 1) * s]
                squares = np.einsum("ij,ij->i", part, part)
                here[:, byte] = -distances(part, self.centers_[byte]) - squares[:, None]
        tables *= np.float32(self.scale_**2)
        return tables

    def reconstruct(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Return the vectors [n, d] that packed codes stand for."""
        check_is_fitted(self)
        known = check_codes(codes, self.n_bits_)
        V = decoded(known, self.centers_) @ self.rotation_.T
        return V * np.float32(self.scale_) + self.mean_.astype(np.float32)

    def _max_bits(self, n_features: int) -> int:
        return min(super()._max_bits(n_features), 8 * n_features)

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self._check_parameters(len(X))
        rng = check_random_state(self.random_state)
        X = evenly(X, self.max_rows)
        self.mean_, self.scale_, rows = standardised(X)
        m = n_bytes(self.n_bits_)
        bits = [min(8, self.n_bits_ - 8 * byte) for byte in range(m)]
        sizes = [len(part) for part in np.array_split(np.arange(X.shape[1]), m)]
        k = [1 << b for b in bits]
        some = evenly(rows, TURNED_ON)
        self.rotation_, centers = turned(some, sizes, k, self.spread, self.rotations, rng)
        V = rows @ self.rotation_
        for _ in range(self.max_iter):
            refitted(V, centers, k)
        codes = assigned(V, centers, k)
        rest = V - decoded(codes, centers)
        self.error_ = float(np.einsum("ij,ij->", rest, rest)) / len(V) * self.scale_**2
        self.n_iter_ = self.max_iter
        numbers = self._numbered(V, codes, centers, k, rng)
        self.centers_ = np.zeros_like(centers)
        for byte, count in enumerate(k):
            ordered = centers[byte][np.argsort(numbers[byte, :count])]
            self.centers_[byte] = np.repeat(ordered, 256 // count, axis=0)

    def _numbered(
        self,
        V: NDArray[np.float32],
        codes: Codes,
        centers: NDArray[np.float32],
        k: list[int],
        rng: np.random.RandomState,
    ) -> Codes:
        """Numbers of the centres, uint8 [bytes, 256]."""
        some = np.linspace(0, len(V) - 1, min(len(V), NEAR_ROWS)).astype(np.int64)
        codes = codes[some]
        numbers = np.zeros((len(k), 256), np.uint8)
        ids, squares = nearest_rows(V[some], min(NEIGHBORS, len(some) - 1))
        logits = NeighborTargets(ids, squares, BANDWIDTH).logits
        target = np.exp(logits - logits[:, :1])  # the nearest comes first
        target /= target.sum(axis=1, keepdims=True)
        drawn = rng.randint(0, len(some), (len(some), DRAWN))
        weights = pull(codes, ids, target, drawn)
        for byte, count in enumerate(k):
            shares = alike(centers[byte, :count])
            here = shares.T @ weights[byte, :count, :count] @ shares
            numbers[byte, :count] = numbered(here)
        return numbers

    def _check_parameters(self, n_rows: int) -> None:
        for name, least in (("spread", 0), ("rotations", 0), ("max_iter", 1), ("max_rows", 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}, got {value}")
        if n_rows < 2:
            raise InputError(f"neighbours need more than {n_rows} sample, found 1 sample")

    def _turned(self, X: NDArray[np.floating]) -> NDArray[np.float32]:
        """Rows [n, d] in the coordinates of the centres, [n, bytes * s], in single precision."""
        centred = (X - self.mean_.astype(X.dtype)) / X.dtype.type(self.scale_)
        return centred.astype(np.float32, copy=False) @ self.rotation_

    def _checked(self, X: NDArray[np.floating], first_row: int) -> NDArray[np.float32]:
        """The same of a chunk of rows, whose distances are finite."""
        check_values(X, first_row)
        with np.errstate(over="ignore", invalid="ignore"):
            V = self._turned(X)
            check_scores(np.einsum("ij,ij->i", V, V)[:, None], first_row)
        return V

    def _codes(self, X: NDArray[np.floating], first_row: int) -> Codes:
        return nearest(self._checked(X, first_row), self.centers_)

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        V = self._turned(X)
        m, _, s = self.centers_.shape
        scores = np.empty((len(V), 8 * m), np.float32)
        for byte in range(m):
            apart = distances(V[:, byte * s : (byte + 1) * s], self.centers_[byte])
            found = margins(apart)
            # Between centres that are equally near, the number that codes have decides.
            found[(found == 0) & ~ones(apart.argmin(axis=1))] = -TINY
            scores[:, 8 * byte : 8 * byte + 8] = found
        return scores[:, : self.n_bits_] * np.float32(self.scale_**2)


TINY = np.finfo(np.float32).tiny

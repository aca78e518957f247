"""DistilledComposite: bits that keep neighbours, and bytes whose vectors add up to the row's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.classical.distilled import DistilledHash
from hammingbird.classical.linear import evenly, principal_directions, standardised
from hammingbird.classical.product import margins, ones
from hammingbird.codes import Codes, Output, check_codes, n_bytes, pack
from hammingbird.errors import InputError
from hammingbird.estimator import check_is_fitted
from hammingbird.finite import check_scores, check_values
from hammingbird.hasher import Hasher, row_chunks
from hammingbird.kernels.twin import value_costs

Floats = NDArray[np.float32]
WIDTH = 4
"""Principal components a bit in which vectors are added up."""
SWEEPS, FIRST_SWEEPS = 3, 6
"""Turns of all bytes in a round, and before the first one."""
PRIOR = 1.0
"""Rows at zero that each vector of a codebook counts beside its own."""
PASSES = 2
"""Turns of all bytes when a row is encoded."""
BLOCK = 1024
"""Rows whose costs are held at a time."""
TINY = np.finfo(np.float32).tiny


class DistilledComposite(Hasher):
    """Bits of :class:`DistilledHash`, moved such that the vectors of a code's bytes add up to x.

    For codes that are read twice, as bits and by look-up tables: :meth:`tables`. Each byte is also
    the number of one of 256 vectors of its codebook, and a code stands for the sum of its bytes'
    vectors y. A row takes the code for which ``|x - y|^2 + constancy * deviation^2 - fidelity *
    agreement`` is small. The deviation is that of |y|^2 from a sum of one number a byte, which the
    tables take for it (composite quantization: Zhang, Du and Wang, ICML 2014, with one number
    for all codes); the agreement is the mean over the bits of DistilledHash's score, of variance 1,
    times the bit as +-1. Starting from DistilledHash's codes, bytes take in turn the value that
    costs least, and the vectors move to the mean of what the other bytes leave of their rows.

    A bit's score is its margin: the least cost of a byte with a 0 there, less that with a 1, the
    other bytes being as they are. ``error_`` is the mean of |x - y|^2.

    Parameters
    ----------
    fidelity
        Weight of the agreement: more is better as bits, less is better by tables.
    constancy
        Weight of the squared deviation, where |x|^2 is 1 on average.
    rounds
        Turns of codes and codebooks.
    max_rows
        Learn from this many evenly spaced rows at most.
    """

    max_bits_rule = "Use DistilledHash for longer codes."
    mean_: NDArray[np.float64]
    scale_: float
    directions_: Floats
    """Principal components, [d, r]."""
    weights_: Floats
    """Of the bits' scores, [d, n_bits]."""
    bias_: Floats
    books_: Floats
    """[bytes, 256, r]"""
    norms_: Floats
    """What a byte adds to the squared norm, [bytes, 256]; with ``base_``, which is their mean."""
    base_: float
    error_: float

    def __init__(
        self,
        n_bits: int = 64,
        *,
        fidelity: float = 0.7,
        constancy: float = 4.0,
        rounds: int = 20,
        max_rows: int = 50_000,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.fidelity = fidelity
        self.constancy = constancy
        self.rounds = rounds
        self.max_rows = max_rows
        self.output = output
        self.random_state = random_state

    def asked(self, X: ArrayLike) -> Floats:
        """Return look-up tables: the margins of bits know less."""
        return self.tables(X)

    def tables(self, X: ArrayLike) -> Floats:
        """Return look-up tables [q, bytes, 256].

        A code's score is minus the squared distance of the query from what the code stands for.
        """
        check_is_fitted(self)
        rows = self._check(X, reset=False)
        m = len(self.books_)
        tables = np.empty((rows.shape[0], m, 256), np.float32)
        for chunk in row_chunks(rows):
            x = self._centred(chunk.values, chunk.start)
            here = 2 * (x @ self.directions_) @ self._flat().T
            squares = np.einsum("ij,ij->i", x, x)
            here = here.reshape(len(x), m, 256) - self.norms_
            here -= ((squares + np.float32(self.base_)) / m)[:, None, None]
            tables[chunk.start : chunk.stop] = here
        tables *= np.float32(self.scale_**2)
        return tables

    def reconstruct(self, codes: ArrayLike) -> Floats:
        """Return the vectors [n, d] that packed codes stand for."""
        check_is_fitted(self)
        known = check_codes(codes, self.n_bits_)
        x = added_up(self.books_, known) @ self.directions_.T
        return x * np.float32(self.scale_) + self.mean_.astype(np.float32)

    def _max_bits(self, n_features: int) -> int:
        return 256

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self._check_parameters(len(X))
        X = evenly(X, self.max_rows)
        bits = DistilledHash(
            self.n_bits_, max_rows=self.max_rows, random_state=self.random_state
        ).fit(X)
        d = X.shape[1]
        self.mean_, deviation, rows = standardised(X)
        self.scale_ = deviation * math.sqrt(d)
        rows /= np.float32(math.sqrt(d))
        r = min(d, WIDTH * self.n_bits_)
        self.directions_ = principal_directions(rows, np.zeros(d), r)[0].astype(np.float32)
        weights = bits.weights_ * self.scale_
        spread = float((rows @ weights.astype(np.float32) + bits.bias_).std()) or 1.0
        self.weights_ = (weights / spread).astype(np.float32)
        self.bias_ = (bits.bias_ / spread).astype(np.float32)
        self._train(rows)
        self.n_iter_ = self.rounds

    def _train(self, x: Floats) -> None:
        """Learn the codebooks from centred rows of mean squared norm 1."""
        from tqdm import tqdm

        m = n_bytes(self.n_bits_)
        self.books_ = np.zeros((m, 256, self.directions_.shape[1]), np.float32)
        self.norms_ = np.zeros((m, 256), np.float32)
        v = x @ self.directions_
        codes = pack(self._bits(x))
        self._refit(v, codes, 0, FIRST_SWEEPS)
        turns = tqdm(
            range(self.rounds), desc="DistilledComposite", unit="round", leave=False, disable=None
        )
        for _ in turns:
            codes = self._settled(x, codes)
            self._refit(v, codes, self.constancy, SWEEPS)
        rest = x - added_up(self.books_, codes) @ self.directions_.T
        self.error_ = float(np.einsum("ij,ij->", rest, rest)) / len(x) * self.scale_**2

    def _refit(self, v: Floats, codes: Codes, constancy: float, sweeps: int) -> None:
        """Move the codebooks to their rows, and forget what was made of them."""
        self.base_ = refitted(v, codes, self.books_, self.norms_, constancy, sweeps)
        self.__dict__.pop("_cross", None)

    def _check_parameters(self, n_rows: int) -> None:
        for name, least in (("rounds", 1), ("max_rows", 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}, got {value}")
        for name in ("fidelity", "constancy"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must be at least 0, got {getattr(self, name)}")
        if n_rows < 2:
            raise InputError(f"neighbours need more than {n_rows} sample, found 1 sample")

    def _centred(self, X: NDArray[np.floating], first_row: int) -> Floats:
        """Rows [n, d] of mean squared norm 1, in single precision, whose squares are finite."""
        check_values(X, first_row)
        with np.errstate(over="ignore", invalid="ignore"):
            centred = (X - self.mean_.astype(X.dtype)) / X.dtype.type(self.scale_)
            x = centred.astype(np.float32, copy=False)
            check_scores(np.einsum("ij,ij->i", x, x)[:, None], first_row)
        return x

    def _flat(self) -> Floats:
        """All vectors, [bytes * 256, r]."""
        return self.books_.reshape(-1, self.books_.shape[2])

    def _bits(self, x: Floats) -> Floats:
        """DistilledHash's scores [n, n_bits] of centred rows, of variance 1."""
        return x @ self.weights_ + self.bias_

    def _costs(self, x: Floats) -> Iterator[tuple[slice, Floats]]:
        """What every value of a byte adds to the costs of codes, [rows, bytes, 256], by blocks."""
        ones = np.ones((len(x), 1), np.float32)
        factors = np.concatenate([x @ self.directions_, self._bits(x), ones], axis=1)
        weights = self._factors()
        for start in range(0, len(x), BLOCK):
            rows = slice(start, start + BLOCK)
            yield rows, (factors[rows] @ weights).reshape(-1, *self.norms_.shape)

    def _factors(self) -> Floats:
        """What components, bits' scores and 1 add to costs, [r + n_bits + 1, bytes * 256]."""
        books = self._flat()
        squares = np.einsum("ij,ij->i", books, books) + self._barred().ravel()
        agreement = kernels.tables(np.eye(self.n_bits_, dtype=np.float32)).reshape(self.n_bits_, -1)
        agreement *= np.float32(-self.fidelity / self.n_bits_)
        return np.concatenate([np.float32(-2) * books.T, agreement, squares[None]])

    def _barred(self) -> Floats:
        """Infinite [bytes, 256] where a value has ones behind the last bit, else 0."""
        barred = np.zeros(self.norms_.shape, np.float32)
        behind = np.arange(256) & ((1 << (-self.n_bits_ % 8)) - 1)
        barred[-1, behind != 0] = np.inf
        return barred

    def _pairs(self) -> tuple[Floats, Floats]:
        """What two bytes add to |y|^2, [bytes, bytes, 256, 256], and one to the deviation."""
        books = self._flat()
        squares = np.einsum("ij,ij->i", books, books).reshape(self.norms_.shape)
        if "_cross" not in self.__dict__:
            m = len(self.books_)
            cross = (2 * books @ books.T).reshape(m, 256, m, 256).transpose(0, 2, 1, 3)
            self._cross: Floats = np.ascontiguousarray(cross)
        return self._cross, squares - self.norms_

    def _settled(self, x: Floats, codes: Codes) -> Codes:
        """Better codes [n, bytes] of centred rows, starting from ``codes``."""
        return np.concatenate([better for _, better in self._settling(x, codes)])

    def _settling(self, x: Floats, codes: Codes) -> Iterator[tuple[Floats, Codes]]:
        """The same by blocks, with their costs."""
        cross, parts = self._pairs()
        for rows, costs in self._costs(x):
            yield (
                costs,
                kernels.descend(
                    costs, codes[rows], cross, parts, self.base_, self.constancy, PASSES
                ),
            )

    def _codes(self, X: NDArray[np.floating], first_row: int) -> Codes:
        x = self._centred(X, first_row)
        return self._settled(x, pack(self._bits(x)))

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        x = self._centred(X, 0)
        found = [self._margins(*block) for block in self._settling(x, pack(self._bits(x)))]
        return np.concatenate(found)[:, : self.n_bits_] * np.float32(self.scale_**2)

    def _margins(self, costs: Floats, codes: Codes) -> Floats:
        """What each bit of ``codes`` gains, [n, 8 * bytes], the other bytes as they are."""
        cross, parts = self._pairs()
        apart = deviation(added_up(self.books_, codes), codes, self.norms_, self.base_)
        found = np.empty((len(codes), 8 * len(parts)), np.float32)
        for byte in range(len(parts)):
            offered, _ = value_costs(
                byte, costs[:, byte], codes, cross, parts, apart, self.constancy
            )
            with np.errstate(invalid="ignore"):  # behind the last bit
                margin = margins(offered)
            # The code decides: a byte that came first may not be the best one any more.
            found[:, 8 * byte : 8 * byte + 8] = np.where(
                ones(codes[:, byte]), np.maximum(margin, TINY), np.minimum(margin, -TINY)
            )
        return found


def added_up(books: Floats, codes: Codes) -> Floats:
    """Sums [n, r] of the vectors [bytes, 256, r] that codes [n, bytes] name."""
    total: Floats = books[0, codes[:, 0]]
    for byte in range(1, len(books)):
        total += books[byte, codes[:, byte]]
    return total


def deviation(y: Floats, codes: Codes, norms: Floats, base: float) -> Floats:
    """How far |y|^2 is from the sum of one number a byte, [n]."""
    squares = np.einsum("ij,ij->i", y, y)
    named = norms[np.arange(len(norms)), codes].sum(axis=1)
    apart: Floats = squares - np.float32(base) - named
    return apart


def refitted(
    v: Floats, codes: Codes, books: Floats, norms: Floats, constancy: float, sweeps: int
) -> float:
    """Move ``books`` and ``norms`` to the rows [n, r] of their codes, in place; return the base.

    Lowers the mean of ``|v - y|^2 + constancy * deviation^2``, byte after byte: the vectors of one
    byte have different rows, and each moves by what is left of these over the mean curvature along
    y: to their mean where constancy is 0.
    """
    from scipy.sparse import csr_matrix  # not imported to encode

    n, m = codes.shape
    named = codes.astype(np.int64)
    every, once = np.arange(n), np.ones(n, np.float32)
    members = [csr_matrix((once, (named[:, byte], every)), (256, n)) for byte in range(m)]
    counts = [np.bincount(named[:, byte], minlength=256) + PRIOR for byte in range(m)]
    y = added_up(books, codes)
    base = 0.0

    def level() -> float:
        """One turn of the norms; returns the base."""
        base: float = float(np.einsum("ij,ij->", y, y, dtype=np.float64)) / n
        apart = deviation(y, codes, norms, base)
        for byte in range(m):
            moved = (members[byte] @ apart - PRIOR * norms[byte]) / counts[byte]
            norms[byte] += moved
            apart -= moved[codes[:, byte]]
        return base

    for _ in range(sweeps):
        base = level()
        said = norms[np.arange(m), codes].sum(axis=1)
        for byte in range(m):
            rest, steep = v - y, counts[byte]
            if constancy:
                squares = np.einsum("ij,ij->i", y, y)
                apart = squares - np.float32(base) - said
                rest -= (np.float32(2 * constancy) * apart)[:, None] * y
                steep = steep + members[byte] @ (4 * constancy * squares)
            moved = members[byte] @ rest - np.float32(PRIOR) * books[byte]
            moved /= steep.astype(np.float32)[:, None]
            books[byte] += moved
            y += moved[codes[:, byte]]
    for _ in range(SWEEPS):
        base = level()
    return base

"""Words of algebraic codes over GF(2^m): shortened and extended BCH, Reed-Solomon."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int8]

POOL = 4096
"""Most words of a code that are looked at when some of them are chosen."""

# A primitive polynomial over GF(2) for each degree, bit i = coefficient of x^i.
PRIMITIVE = {
    2: 0x7, 3: 0xB, 4: 0x13, 5: 0x25, 6: 0x43, 7: 0x89,
    8: 0x11D, 9: 0x211, 10: 0x409, 11: 0x805, 12: 0x1053, 13: 0x201B,
}  # fmt: skip


def bch(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
    """Words of the strongest code that has enough, whole or as blocks of powers of two."""
    dimension = max(1, (n_classes - 1).bit_length())
    yield _combine(_bch_generator(n_bits, dimension), dimension, rng)
    blocks = [1 << bit for bit in range(n_bits.bit_length()) if n_bits >> bit & 1]
    if len(blocks) > 1 and min(blocks) >= dimension:
        parts = [_bch_generator(block, dimension)[:dimension] for block in blocks]
        yield _combine(np.concatenate(parts, axis=1), dimension, rng)


def _bch_generator(n_bits: int, dimension: int) -> NDArray[np.uint8]:
    """Generator matrix of a shortened, where possible extended BCH code with enough rows."""
    best, best_distance = np.eye(n_bits, dtype=np.uint8), 1
    for m in range(max(2, n_bits.bit_length() - 1), min(n_bits.bit_length() + 2, 14)):
        for parity in (0, 1):
            length = n_bits - parity
            if not dimension <= length < 1 << m:
                continue
            designed, polynomial = _bch_polynomial(m, length - dimension)
            if designed + parity > best_distance:
                k = length - len(polynomial) + 1
                best, best_distance = np.zeros((k, n_bits), np.uint8), designed + parity
                for row in range(k):
                    best[row, row : row + len(polynomial)] = polynomial
                if parity:
                    best[:, -1] = best.sum(axis=1) % 2
    return best


@cache
def _bch_polynomial(m: int, max_degree: int) -> tuple[int, NDArray[np.uint8]]:
    """Designed distance and generator polynomial with the most consecutive roots it can have."""
    power, _ = _field(m)
    order, covered = (1 << m) - 1, {0}
    polynomial, designed = np.ones(1, np.uint8), 1
    for root in range(1, order):
        if root not in covered:
            coset = {root * 2**j % order for j in range(m)}
            if len(polynomial) - 1 + len(coset) > max_degree:
                break
            covered |= coset
            minimal = np.ones(1, np.int64)  # the product of (x + alpha^c) over the coset
            for c in coset:
                shifted, scaled = np.append(0, minimal), np.append(minimal, 0)
                minimal = shifted ^ _multiply(scaled, power[c], m)
            polynomial = (np.convolve(polynomial, minimal) % 2).astype(np.uint8)
        designed = root + 1
    return designed, polynomial


def _combine(generator: NDArray[np.uint8], dimension: int, rng: np.random.RandomState) -> Words:
    """All sums of the rows of a generator matrix, or of a random part of them if too many."""
    rows = min(len(generator), max(dimension, POOL.bit_length() - 1))
    part = generator[np.sort(rng.permutation(len(generator))[:rows])]
    messages = np.arange(1 << rows)[:, None] >> np.arange(rows) & 1
    return (2 * (messages.astype(np.float32) @ part.astype(np.float32) % 2) - 1).astype(np.int8)


def reed_solomon(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
    """Polynomials over GF(2^m) at one point per m bits, their values written in binary."""
    for m in range(2, 9):
        points = -(-n_bits // m)
        degree = max(1, -(-(n_classes - 1).bit_length() // m))
        for k in (degree, degree + 1):
            if points <= 1 << m and k <= points and n_classes <= 1 << m * k:
                for _ in range(4 if n_classes <= 128 else 1):
                    yield _evaluate(m, k, points, n_classes, rng)[:, :n_bits]


def _evaluate(m: int, k: int, points: int, n_classes: int, rng: np.random.RandomState) -> Words:
    size = 1 << m
    n = min(size**k, max(POOL // 4, n_classes))
    messages = np.zeros((n, k), np.int64)
    numbers = distinct_numbers(n, m * k, rng)
    for j in range(k):
        messages[:, j] = numbers >> m * j & size - 1
    x = np.arange(points)
    values = np.zeros((n, points), np.int64)
    for j in reversed(range(k)):  # Horner
        values = _multiply(values, x, m) ^ messages[:, j, None]
    # A multiplier per point keeps the symbol distance and mixes the binary images.
    values = _multiply(values, 1 + rng.permutation(size - 1)[x % (size - 1)], m)
    bits = values[:, :, None] >> np.arange(m) & 1
    return (2 * bits.reshape(n, -1) - 1).astype(np.int8)


@cache
def _field(m: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Powers of the primitive element of GF(2^m), written twice, and their logarithms."""
    order = (1 << m) - 1
    power, log = np.ones(2 * order, np.int64), np.zeros(order + 1, np.int64)
    for i in range(1, 2 * order):
        power[i] = power[i - 1] << 1
        if power[i] > order:
            power[i] ^= PRIMITIVE[m]
    log[power[:order]] = np.arange(order)
    return power, log


def _multiply(a: NDArray[np.int64], b: NDArray[np.int64], m: int) -> NDArray[np.int64]:
    power, log = _field(m)
    return np.where((a == 0) | (b == 0), 0, power[log[a] + log[b]])


def distinct_numbers(n: int, n_bits: int, rng: np.random.RandomState) -> NDArray[np.int64]:
    """Draw ``n`` different numbers below ``2^n_bits``."""
    if 1 << n_bits <= 16 * n:
        return rng.permutation(1 << n_bits)[:n]
    numbers = np.empty(0, np.int64)
    while len(numbers) < n:
        numbers = np.unique(np.append(numbers, rng.randint(0, 1 << n_bits, n, np.int64)))
    return rng.permutation(numbers)[:n]

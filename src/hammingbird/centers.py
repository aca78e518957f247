"""Class centres: one word of +-1 per class, pairwise as far apart as known constructions allow.

CSQ and the posterior plug-in (``_D``) pull the codes of a class towards its centre, so the least
distance between two centres bounds how well classes can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from hammingbird.codes import check_n_bits
from hammingbird.errors import InputError

Kind = Literal["auto", "hadamard", "bch", "reed_solomon", "random", "greedy"]
Words: TypeAlias = NDArray[np.int8]
"""Words [n, n_bits] of -1 and +1."""

POOL = 4096
"""Most words of a code that are looked at when some of them are chosen."""

# A primitive polynomial over GF(2) for each degree, bit i = coefficient of x^i.
PRIMITIVE = {
    2: 0x7, 3: 0xB, 4: 0x13, 5: 0x25, 6: 0x43, 7: 0x89,
    8: 0x11D, 9: 0x211, 10: 0x409, 11: 0x805, 12: 0x1053, 13: 0x201B,
}  # fmt: skip


class Centers(NamedTuple):
    """Centres and what they achieve."""

    centers: Words
    """int8 [n_classes, n_bits], no row twice."""
    min_distance: int
    """Least Hamming distance between two rows (``n_bits`` for a single class)."""
    kind: str
    """The construction that made them."""


def make_centers(
    n_classes: int, n_bits: int, kind: Kind = "auto", random_state: int | None = None
) -> Centers:
    """Return ``n_classes`` centres of ``n_bits`` bits; the same seed gives the same centres.

    ``hadamard`` takes rows of Hadamard matrices and their negations (Sylvester, Paley I and II,
    several side by side, or columns of a larger one); ``bch`` and ``reed_solomon`` take words of
    shortened and extended codes; ``random`` is the best of up to 500 draws; ``greedy`` adds the
    farthest candidate, one by one. ``auto`` builds all of them and keeps the largest distance.
    """
    n_bits = check_n_bits(n_bits)
    if isinstance(n_classes, bool) or not isinstance(n_classes, int | np.integer) or n_classes < 1:
        raise InputError(f"n_classes must be a whole number of at least 1, got {n_classes!r}")
    if n_bits < 63 and n_classes > 1 << n_bits:
        raise InputError(
            f"{n_bits} bits have only {1 << n_bits} words for {n_classes} classes: "
            f"use n_bits={int(n_classes - 1).bit_length()} or more"
        )
    if kind != "auto" and kind not in _KINDS:
        raise InputError(f"no centres are called {kind!r}: choose from auto, {', '.join(_KINDS)}")
    rng = check_random_state(random_state)
    best: Centers | None = None
    for name in _KINDS if kind == "auto" else [kind]:
        for pool in _KINDS[name](int(n_classes), n_bits, rng):
            words = _spread(pool, int(n_classes), rng)
            distance = min_distance(words)
            if distance and (best is None or distance > best.min_distance):
                best = Centers(words, distance, name)
        if best is not None and best.min_distance >= plotkin_bound(int(n_classes), n_bits):
            break  # no code does better
    if best is None:
        raise InputError(
            f"{kind} gives no {n_classes} centres of {n_bits} bits: use kind='bch' or 'greedy'"
            + (f", or n_bits={_hadamard_bits(int(n_classes))}" if kind == "hadamard" else "")
        )
    return best


def min_distance(words: Words) -> int:
    """Least Hamming distance between two of the rows, 0 if one occurs twice."""
    n, n_bits = words.shape
    if n == 1:
        return n_bits
    real = words.astype(np.float32)
    closest = -n_bits
    for start in range(0, n, 1024):
        block = real[start : start + 1024]
        agreement = block @ real[start:].T
        np.fill_diagonal(agreement, -n_bits)
        closest = max(closest, int(agreement.max()))
    return (n_bits - closest) // 2


def plotkin_bound(n_classes: int, n_bits: int) -> int:
    """No ``n_classes`` words of ``n_bits`` bits are all farther apart than this (Plotkin)."""
    if n_classes < 2:
        return n_bits
    even = n_classes + n_classes % 2
    return n_bits * even // (2 * (even - 1))


def _spread(pool: Words, n: int, rng: np.random.RandomState, work: float = 3e8) -> Words:
    """Choose ``n`` of the words, always the farthest from those chosen, from several starts."""
    if len(pool) == n:
        return pool
    real = pool.astype(np.float32)
    best, best_distance = pool[:n], -1
    for _ in range(max(1, min(20, int(work / (real.size * n))))):
        order = rng.permutation(len(real))
        chosen = np.empty(n, np.int64)
        nearest = np.full(len(real), np.inf, np.float32)
        for i in range(n):
            chosen[i] = order[np.argmax(nearest[order])]
            np.minimum(nearest, -(real @ real[chosen[i]]), out=nearest)
        distance = min_distance(pool[chosen])
        if distance > best_distance:
            best, best_distance = pool[chosen], distance
    return best


def _hadamard(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
    for orders in _side_by_side(n_bits):
        if 2 * min(orders, default=0) >= n_classes:
            # Orthogonal rows stay K/2 apart under any sign; a random one balances column 0.
            parts = [hadamard_matrix(order)[: min(orders)] for order in orders]
            signs = rng.choice([-1, 1], (min(orders), 1)).astype(np.int8)
            rows = np.concatenate(parts, axis=1) * signs
            yield np.concatenate([rows, -rows])[:n_classes]
    for order in range(n_bits + 1, 2 * n_bits + 1):
        if 2 * order >= n_classes and _has_hadamard(order):
            matrix = hadamard_matrix(order)
            for _ in range(20):
                # Column 0 is constant: rows alone keep all their distance without it.
                columns = 1 + rng.permutation(order - 1)[:n_bits]
                rows = matrix[:, columns]
                yield (rows if order >= n_classes else np.concatenate([rows, -rows]))[:n_classes]


def _side_by_side(n_bits: int) -> Iterator[list[int]]:
    """Ways to write ``n_bits`` as one or two Hadamard orders, or as powers of two."""
    for first in range(n_bits, n_bits // 2 - 1, -1):
        orders = [order for order in (first, n_bits - first) if order]
        if all(_has_hadamard(order) for order in orders):
            yield orders
    yield [1 << bit for bit in range(n_bits.bit_length()) if n_bits >> bit & 1]


def hadamard_matrix(order: int) -> Words:
    """Matrix [order, order] of orthogonal rows of +-1: Sylvester, Paley I or Paley II."""
    if order == 1:
        return np.ones((1, 1), np.int8)
    if order & (order - 1) and _is_prime(order - 1) and order % 4 == 0:
        return _first_column_one(_paley_core(order - 1) + np.eye(order, dtype=np.int8))
    if order & (order - 1) and order % 4 == 0 and order // 2 % 4 == 2 and _is_prime(order // 2 - 1):
        core = _paley_core(order // 2 - 1)
        eye = np.eye(order // 2, dtype=np.int8)
        return _first_column_one(np.block([[core + eye, core - eye], [core - eye, -core - eye]]))
    if order % 2 or not _has_hadamard(order // 2):
        raise InputError(f"no Hadamard matrix of order {order} is built here: use {order + 1} up")
    half = hadamard_matrix(order // 2)
    return np.block([[half, half], [half, -half]])


def _has_hadamard(order: int) -> bool:
    if order in (1, 2):
        return True
    paley = _is_prime(order - 1) or (order // 2 % 4 == 2 and _is_prime(order // 2 - 1))
    return order % 4 == 0 and (paley or _has_hadamard(order // 2))


def _hadamard_bits(n_classes: int) -> int:
    """Fewest bits for which a Hadamard matrix and its negation have that many rows."""
    order = (n_classes + 1) // 2
    while not _has_hadamard(order):
        order += 1
    return order


def _paley_core(q: int) -> Words:
    """Conference-like matrix [q + 1, q + 1]: zero diagonal, quadratic residues mod prime q."""
    residue = np.full(q, -1, np.int8)
    residue[np.unique(np.arange(1, q) ** 2 % q)] = 1
    residue[0] = 0
    core = np.ones((q + 1, q + 1), np.int8)
    core[0, 0] = 0
    core[1:, 1:] = residue[np.subtract.outer(np.arange(q), np.arange(q)) % q]
    if q % 4 == 3:
        core[1:, 0] = -1  # skew-symmetric, as the construction needs
    return core


def _first_column_one(matrix: Words) -> Words:
    return matrix * matrix[:, :1]


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


def _bch(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
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


def _combine(
    generator: NDArray[np.uint8], dimension: int, rng: np.random.RandomState
) -> Words:
    """All sums of the rows of a generator matrix, or of a random part of them if too many."""
    rows = min(len(generator), max(dimension, POOL.bit_length() - 1))
    part = generator[np.sort(rng.permutation(len(generator))[:rows])]
    messages = np.arange(1 << rows)[:, None] >> np.arange(rows) & 1
    return (2 * (messages.astype(np.float32) @ part.astype(np.float32) % 2) - 1).astype(np.int8)


def _reed_solomon(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
    """Polynomials over GF(2^m), evaluated at one point per m bits; their values written in binary."""
    for m in range(2, 9):
        points = -(-n_bits // m)
        degree = max(1, -(-(n_classes - 1).bit_length() // m))
        for k in (degree, degree + 1):
            if points <= 1 << m and k <= points and n_classes <= 1 << m * k:
                for _ in range(4):
                    yield _evaluate(m, k, points, n_classes, rng)[:, :n_bits]


def _evaluate(m: int, k: int, points: int, n_classes: int, rng: np.random.RandomState) -> Words:
    size = 1 << m
    n = min(size**k, max(POOL // 4, n_classes))
    messages = np.zeros((n, k), np.int64)
    numbers = _distinct(n, m * k, rng)
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


def _random(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
    best, best_distance = _draw(n_classes, n_bits, rng), -1
    for _ in range(max(10, min(500, 50_000_000 // n_classes**2))):
        words = _draw(n_classes, n_bits, rng)
        distance = min_distance(words)
        if distance > best_distance:
            best, best_distance = words, distance
    yield best


def _greedy(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
    yield _draw(min(1 << min(n_bits, 62), max(2 * POOL, 2 * n_classes)), n_bits, rng)


def _draw(n: int, n_bits: int, rng: np.random.RandomState) -> Words:
    """Random words; distinct where repeats are not astronomically unlikely."""
    if n_bits > 60:
        return (2 * rng.randint(0, 2, (n, n_bits)) - 1).astype(np.int8)
    numbers = _distinct(n, n_bits, rng)
    return (2 * (numbers[:, None] >> np.arange(n_bits) & 1) - 1).astype(np.int8)


def _distinct(n: int, n_bits: int, rng: np.random.RandomState) -> NDArray[np.int64]:
    """Draw ``n`` different numbers below ``2^n_bits``."""
    if 1 << n_bits <= 16 * n:
        return rng.permutation(1 << n_bits)[:n]
    numbers = np.empty(0, np.int64)
    while len(numbers) < n:
        numbers = np.unique(np.append(numbers, rng.randint(0, 1 << n_bits, n, np.int64)))
    return rng.permutation(numbers)[:n]


_KINDS: dict[str, Callable[[int, int, np.random.RandomState], Iterator[Words]]] = {
    "hadamard": _hadamard,
    "bch": _bch,
    "reed_solomon": _reed_solomon,
    "random": _random,
    "greedy": _greedy,
}

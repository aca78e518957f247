"""Class centres: one word of +-1 per class, pairwise as far apart as known constructions allow.

CSQ and the posterior plug-in (``_D``) pull the codes of a class towards its centre, so the least
distance between two centres bounds how well classes can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from hammingbird.centers.block_codes import POOL, bch, distinct_numbers, reed_solomon
from hammingbird.centers.hadamard import Words, fewest_bits, hadamard
from hammingbird.codes import check_n_bits, hamming, pack
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state

Kind = Literal["auto", "hadamard", "bch", "reed_solomon", "random", "greedy"]
Assignment = Literal["fixed", "nearest"]
"""Whether a class keeps its centre, or takes the nearest one after every epoch."""


class Centers(NamedTuple):
    """Centres and what they achieve."""

    centers: Words
    """int8 [n_classes, n_bits], no row twice."""
    min_distance: int
    """Least Hamming distance between two rows (``n_bits`` for a single class)."""
    kind: str
    """The construction that made them."""


__all__ = ["Assignment", "Centers", "Kind", "make_centers", "min_distance", "plotkin_bound"]


def make_centers(
    n_classes: int, n_bits: int, kind: Kind = "auto", random_state: int | None = None
) -> Centers:
    """Return ``n_classes`` centres of ``n_bits`` bits; the same seed gives the same centres.

    ``hadamard`` takes rows of Hadamard matrices and their negations (Sylvester, Paley I and II,
    several side by side, or columns of a larger one); ``bch`` and ``reed_solomon`` take words of
    shortened and extended codes; ``random`` is the best of up to 500 draws; ``greedy`` adds the
    farthest candidate, one by one. ``auto`` keeps the largest distance of all but ``random``.
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
    n = int(n_classes)
    best: Centers | None = None
    for name in [k for k in _KINDS if k != "random"] if kind == "auto" else [kind]:
        for pool in _KINDS[name](n, n_bits, rng):
            words = _spread(pool, n, rng)
            distance = min_distance(words)
            if distance and (best is None or distance > best.min_distance):
                best = Centers(words, distance, name)
        if best is not None and best.min_distance >= plotkin_bound(n, n_bits):
            break  # no code does better
    if best is None:
        raise InputError(
            f"{kind} gives no {n_classes} centres of {n_bits} bits: use kind='bch' or 'greedy'"
            + (f", or n_bits={fewest_bits(n)}" if kind == "hadamard" else "")
        )
    return best


def min_distance(words: Words) -> int:
    """Least Hamming distance between two of the rows, 0 if one occurs twice."""
    n, n_bits = len(words), int(words.shape[1])
    if n == 1:
        return n_bits
    codes = pack(words)
    closest = n_bits
    for start in range(0, n, 1024):
        distances = hamming(codes[start : start + 1024], codes[start:])
        np.fill_diagonal(distances, n_bits)
        closest = min(closest, int(distances.min()))
    return closest


def plotkin_bound(n_classes: int, n_bits: int) -> int:
    """No ``n_classes`` words of ``n_bits`` bits are all farther apart than this (Plotkin)."""
    if n_classes < 2:
        return n_bits
    even = n_classes + n_classes % 2
    return n_bits * even // (2 * (even - 1))


def _spread(pool: Words, n: int, rng: np.random.RandomState, work: float = 2e7) -> Words:
    """Choose ``n`` of the words, always the farthest from those chosen, from several starts."""
    if len(pool) == n:
        return pool
    best, best_distance = pool[:n], -1
    for _ in range(max(1, min(10, int(work / (pool.size * n))))):
        pool = pool[rng.permutation(len(pool))]  # ties go to the first
        codes = pack(pool)
        chosen = np.empty(n, np.int64)
        distances = np.full(len(pool), pool.shape[1] + 1, np.uint16)
        for i in range(n):
            chosen[i] = np.argmax(distances)
            np.minimum(distances, hamming(codes, codes[chosen[i]])[:, 0], out=distances)
        distance = min_distance(pool[chosen])
        if distance > best_distance:
            best, best_distance = pool[chosen], distance
        if distance >= plotkin_bound(n, pool.shape[1]):
            break
    return best


def _random(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
    best, best_distance = _draw(n_classes, n_bits, rng), -1
    for _ in range(max(10, min(500, 50_000_000 // n_classes**2))):
        words = _draw(n_classes, n_bits, rng)
        distance = min_distance(words)
        if distance > best_distance:
            best, best_distance = words, distance
    yield best


def _greedy(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
    yield _draw(min(1 << min(n_bits, 62), max(POOL, 2 * n_classes)), n_bits, rng)


def _draw(n: int, n_bits: int, rng: np.random.RandomState) -> Words:
    """Random words; distinct where repeats are not astronomically unlikely."""
    if n_bits > 60:
        return (2 * rng.randint(0, 2, (n, n_bits)) - 1).astype(np.int8)
    numbers = distinct_numbers(n, n_bits, rng)
    return (2 * (numbers[:, None] >> np.arange(n_bits) & 1) - 1).astype(np.int8)


_KINDS: dict[str, Callable[[int, int, np.random.RandomState], Iterator[Words]]] = {
    "hadamard": hadamard,
    "bch": bch,
    "reed_solomon": reed_solomon,
    "random": _random,
    "greedy": _greedy,
}

"""Rows of Hadamard matrices, orthogonal words of +-1: half of the bits differ between any two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError

Words = NDArray[np.int8]


def hadamard(n_classes: int, n_bits: int, rng: np.random.RandomState) -> Iterator[Words]:
    """Rows of matrices side by side, and columns of larger matrices, each with its negations."""
    for orders in _side_by_side(n_bits):
        if 2 * min(orders, default=0) >= n_classes:
            # Orthogonal rows stay K/2 apart under any sign; a random one balances column 0.
            parts = [hadamard_matrix(order)[: min(orders)] for order in orders]
            signs = rng.choice([-1, 1], (min(orders), 1)).astype(np.int8)
            rows = np.concatenate(parts, axis=1) * signs
            yield np.concatenate([rows, -rows])[:n_classes]
    for order in range(n_bits + 1, 2 * n_bits + 1):
        if 2 * order >= n_classes and _exists(order):
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
        if all(_exists(order) for order in orders):
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
    if order % 2 or not _exists(order // 2):
        raise InputError(f"no Hadamard matrix of order {order} is built here: use {order + 1} up")
    half = hadamard_matrix(order // 2)
    return np.block([[half, half], [half, -half]])


def _exists(order: int) -> bool:
    if order in (1, 2):
        return True
    paley = _is_prime(order - 1) or (order // 2 % 4 == 2 and _is_prime(order // 2 - 1))
    return order % 4 == 0 and (paley or _exists(order // 2))


def fewest_bits(n_classes: int) -> int:
    """Fewest bits for which a Hadamard matrix and its negation have that many rows."""
    order = (n_classes + 1) // 2
    while not _exists(order):
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

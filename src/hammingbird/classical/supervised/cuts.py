"""Bits of training rows that minimise pair weights, block by block with exact graph cuts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError, MissingExtraError


def blocks_of_similar(
    similar: NDArray[np.bool_], size: int, rng: np.random.RandomState
) -> list[NDArray[np.int64]]:
    """Cut rows into blocks of at most ``size`` in which every two rows are similar.

    ``similar`` [n, n] is symmetric. A block starts at a row that no block has and takes further
    rows, in random order, as long as they are similar to all in it.
    """
    order = rng.permutation(len(similar))
    free = np.ones(len(similar), bool)
    blocks = []
    for start in order:
        if not free[start]:
            continue
        block, free[start] = [start], False
        fits = similar[start] & free
        while len(block) < size and fits.any():
            row = order[fits[order]][0]
            block.append(row)
            free[row] = False
            fits &= similar[row]
            fits[row] = False
        blocks.append(np.array(block))
    return blocks


def cut_block(inside: NDArray[np.floating], outside: NDArray[np.floating]) -> NDArray[np.float32]:
    """Bits z of +-1, [m], that minimise ``sum_{i<j} inside_ij z_i z_j + sum_i outside_i z_i``.

    ``inside`` [m, m] is symmetric and nowhere positive: then the energy is sub-modular, and the
    minimum cut of a graph finds its minimum (Kolmogorov and Zabih, PAMI 2004).
    """
    if (inside > 0).any():
        raise InputError("pair weights in a block must not be positive: the cut is not exact")
    try:
        import maxflow
    except ImportError as error:
        raise MissingExtraError("PyMaxflow", "trees") from error
    graph = maxflow.GraphFloat(len(outside), len(outside) * (len(outside) - 1) // 2)
    nodes = graph.add_nodes(len(outside))
    left, right = np.nonzero(np.triu(inside, 1))
    apart = -2.0 * inside[left, right].astype(np.float64)
    graph.add_edges(nodes[left], nodes[right], apart, apart)
    # A node cut from the source is +1: it pays the capacity from there.
    graph.add_grid_tedges(nodes, 2.0 * np.maximum(outside, 0), 2.0 * np.maximum(-outside, 0))
    graph.maxflow()
    return np.where(graph.get_grid_segments(nodes), 1, -1).astype(np.float32)


def energy(weights: NDArray[np.floating], bits: NDArray[np.floating]) -> float:
    """``sum_{i<j} weights_ij z_i z_j`` of bits of +-1."""
    return float(bits @ (weights @ bits)) / 2


def cut_in_turn(
    weights: NDArray[np.floating],
    blocks: list[NDArray[np.int64]],
    bits: NDArray[np.float32],
    sweeps: int,
) -> NDArray[np.float32]:
    """Lower ``sum_{i<j} weights_ij z_i z_j`` from ``bits`` [n] on: each block to its minimum.

    ``weights`` [n, n] is symmetric with a zero diagonal. A sweep cuts every block once, the others
    fixed, so that the energy never rises; it ends when a sweep changes nothing.
    """
    bits = bits.copy()
    for _ in range(sweeps):
        before = bits.copy()
        for block in blocks:
            rows = weights[block]
            inside = rows[:, block]
            outside = rows @ bits - inside @ bits[block]
            found = cut_block(inside, outside)
            gain = energy(inside, bits[block]) + outside @ bits[block]
            if energy(inside, found) + outside @ found < gain:
                bits[block] = found
        if np.array_equal(bits, before):
            break
    return bits


def start_bits(
    weights: NDArray[np.floating], rng: np.random.RandomState, steps: int = 30
) -> NDArray[np.float32]:
    """Signs of about the eigenvector whose bits would have the least energy, +-1 [n].

    Power iteration, shifted so that the least eigenvalue is the largest in size.
    """
    vector = rng.standard_normal(len(weights)).astype(weights.dtype)
    shift = 0.0
    for _ in range(steps):
        vector /= max(float(np.linalg.norm(vector)), np.finfo(np.float32).tiny)
        product = weights @ vector
        shift = max(shift, float(vector @ product), float(np.linalg.norm(product)))
        vector = shift * vector - product
    return np.where(vector >= 0, 1, -1).astype(np.float32)

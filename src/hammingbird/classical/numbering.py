"""Numbers for the centres of a byte such that their Hamming distance tells near from far."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import Codes

Weights = NDArray[np.float64]


def bits_apart(k: int) -> NDArray[np.float32]:
    """Hamming distances [k, k] of the numbers below ``k``."""
    numbers = np.arange(k)
    apart: NDArray[np.float32] = np.bitwise_count(numbers[:, None] ^ numbers[None]).astype(
        np.float32
    )
    return apart


def numbered(weights: Weights) -> NDArray[np.int64]:
    """Numbers [k] of centres that make ``sum_ij weights_ij hamming(number_i, number_j)`` small.

    A quadratic assignment problem (Douze, Jegou and Perronnin, ECCV 2016, solve theirs by simulated
    annealing): the relaxation to doubly stochastic matrices (Vogelstein et al., PLOS ONE 2015),
    then :func:`swapped`.
    """
    from scipy.optimize import quadratic_assignment  # not imported to encode

    scale = float(np.abs(weights).sum()) or 1.0
    with warnings.catch_warnings():  # of a seed: from the barycentre nothing is drawn
        warnings.simplefilter("ignore", FutureWarning)
        found = quadratic_assignment(weights / scale, bits_apart(len(weights)), method="faq")
    return swapped(weights, np.asarray(found.col_ind, np.int64), len(weights))


def swapped(weights: Weights, numbers: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Exchange two numbers, those that lower the sum most, up to ``most`` times.

    ``weights`` [k, k] are symmetric. With S = weights @ hamming, an exchange of u and v changes
    half the sum by ``S_uv + S_vu - S_uu - S_vv + 2 weights_uv hamming_uv``, so that all exchanges
    are known at once; S itself changes by a matrix of rank one but for two columns.
    """
    k = len(weights)
    W = weights - np.diag(np.diag(weights))
    W /= float(np.abs(W).sum()) or 1.0
    numbers = numbers.copy()
    apart = bits_apart(k)[numbers][:, numbers].astype(np.float64)
    sums = W @ apart
    for _ in range(most):
        change = sums + W * apart
        change = change + change.T
        own = sums.diagonal()
        change -= own
        change -= own[:, None]
        np.fill_diagonal(change, 0)
        u, v = divmod(int(change.argmin()), k)
        if change[u, v] >= -1e-12:
            break
        numbers[[u, v]] = numbers[[v, u]]
        sums += np.outer(W[:, u] - W[:, v], apart[:, v] - apart[:, u])
        apart[[u, v]] = apart[[v, u]]
        apart[:, [u, v]] = apart[:, [v, u]]
        sums[:, [u, v]] = W @ apart[:, [u, v]]
    return numbers


def alike(centers: NDArray[np.float32]) -> Weights:
    """Shares [k, k], of sum 1 a row, in which weights of a centre are those of centres beside it.

    Pairs of rows are too few for each of 65,536 pairs of centres: what is seen of one pair counts
    for those around it. Shares fall with the squared distance, over that of the fourth neighbour.
    """
    here = centers.astype(np.float64)
    squares = np.einsum("ij,ij->i", here, here)
    apart = np.maximum(squares[:, None] + squares - 2 * here @ here.T, 0)
    reach = float(np.sort(apart, axis=1)[:, min(4, len(here) - 1)].mean()) or 1.0
    shares = np.exp(-apart / reach)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def pull(
    centers: Codes,
    ids: NDArray[np.int64],
    target: NDArray[np.float32],
    drawn: NDArray[np.int64],
) -> Weights:
    """How much each two centres of a byte belong together, [bytes, 256, 256].

    ``centers`` [n, bytes] are the rows' centres. Row i has the neighbours ``ids[i]``, weighted by
    ``target[i]`` (sum 1), and ``drawn[i]`` stand for all rows. The cross-entropy from the target to
    a softmax over minus the codes' Hamming distances has, where all distances are equal, the
    gradient target - 1 / n in them. It is summed here over the pairs of rows that have the two
    centres; its sum with the distances of the centres' numbers is what numbers are to make small.
    """
    n, m = centers.shape
    left = centers.astype(np.int64) * 256
    share = np.full(drawn.size, 1.0 / drawn.shape[1])
    weights = np.empty((m, 256, 256))
    for byte in range(m):
        near = left[:, byte, None] + centers[ids, byte]
        far = left[:, byte, None] + centers[drawn, byte]
        found = np.bincount(near.ravel(), target.ravel(), 1 << 16)
        found -= np.bincount(far.ravel(), share, 1 << 16)
        weights[byte] = found.reshape(256, 256)
    both: Weights = (weights + weights.transpose(0, 2, 1)) / (2 * n)
    return both

"""Product quantization with a learned rotation: k-means for every byte, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.itq import rotation_to_signs
from hammingbird.classical.kmeans import deal
from hammingbird.classical.linear import principal_directions, random_rotation

Floats = NDArray[np.float32]
TURNS, TRIES = 20, 4
"""Of iterative quantization at the start; rounds of k-means that starts are compared after."""
BLOCK = 8192
"""Rows whose distances to all centres are held at a time."""


def distances(V: Floats, centers: Floats) -> Floats:
    """Squared distances [n, k] of rows [n, s] from centres [k, s], less each row's own square."""
    found: Floats = V @ (-2 * centers.T)
    found += np.einsum("ij,ij->i", centers, centers)
    return found


def nearest(V: Floats, centers: Floats) -> NDArray[np.uint8]:
    """Numbers [n, bytes] of the nearest centres [bytes, k, s] of rows [n, bytes * s].

    Of equally near ones, the first.
    """
    m, _, s = centers.shape
    codes = np.empty((len(V), m), np.uint8)
    for first in range(0, len(V), BLOCK):
        rows = slice(first, first + BLOCK)
        for byte in range(m):
            part = V[rows, byte * s : (byte + 1) * s]
            codes[rows, byte] = distances(part, centers[byte]).argmin(axis=1)
    return codes


def margins(costs: Floats) -> Floats:
    """Per bit [n, 8], the least cost [n, 256] of a value with a 0 there, less that with a 1."""
    found = np.empty((len(costs), 8), np.float32)
    for bit in range(8):
        sides = costs.reshape(len(costs), 1 << bit, 2, 128 >> bit).min(axis=(1, 3))
        found[:, bit] = sides[:, 0] - sides[:, 1]
    return found


def ones(numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which bits [n, 8] of numbers [n] below 256 are set."""
    return np.unpackbits(numbers.astype(np.uint8)[:, None], axis=1).astype(bool)


def decoded(codes: NDArray[np.uint8], centers: Floats) -> Floats:
    """The centres that codes [n, bytes] name, side by side, [n, bytes * s]."""
    m, _, s = centers.shape
    return centers[np.arange(m), codes].reshape(len(codes), m * s)


def turned(
    X: Floats, sizes: list[int], k: list[int], spread: int, rounds: int, rng: np.random.RandomState
) -> tuple[Floats, Floats]:
    """Rotation [d, bytes * s] and centres [bytes, 256, s] that fit centred rows ``X`` [n, d].

    Optimized product quantization (Ge, He, Ke and Sun, CVPR 2013): a round of k-means and the best
    rotation to what it reconstructs take turns. Byte i codes ``sizes[i]`` dimensions by ``k[i]``
    centres; s is the largest size, and missing dimensions are zero. The start is the better of the
    dimensions as they stand, which suits neighbouring pixels, and of :func:`first_rotation`.
    """
    d, s = X.shape[1], max(sizes)
    used = np.concatenate([byte * s + np.arange(size) for byte, size in enumerate(sizes)])
    best = np.inf
    for start in (np.eye(d), first_rotation(X, sizes, spread, rng)):
        turn = np.zeros((d, len(sizes) * s), np.float32)
        turn[:, used] = start
        V = X @ turn
        found = first_centers(V, k, rng)
        for _ in range(TRIES):
            codes = refitted(V, found, k)
        rest = V - decoded(codes, found)
        error = float(np.einsum("ij,ij->", rest, rest))
        if error < best:
            best, rotation, centers = error, turn, found
    V = X @ rotation
    for _ in range(rounds):
        codes = refitted(V, centers, k)
        left, _, right = np.linalg.svd((X.T @ decoded(codes, centers)[:, used]).astype(np.float64))
        rotation[:, used] = left @ right
        V = X @ rotation
    return rotation, centers


def first_rotation(
    X: Floats, sizes: list[int], spread: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Directions [d, d], byte after byte.

    Principal components are dealt to the bytes so that the products of their variances are
    balanced. The leading ones, ``spread`` a byte, are turned before as iterative quantization turns
    them, so that each says about as much.
    """
    d = X.shape[1]
    leading = [min(spread, size) for size in sizes]
    directions, variances = principal_directions(X, np.zeros(d), d)
    if not spread:
        return directions[:, deal(variances, sizes)]
    top = directions[:, : sum(leading)] @ random_rotation(sum(leading), rng)
    top = top @ rotation_to_signs((X @ top).astype(np.float32), TURNS, "OPQ")[0]
    rest = directions[:, sum(leading) :]
    if rest.shape[1]:
        others = [size - lead for size, lead in zip(sizes, leading, strict=True)]
        rest = rest[:, deal(variances[sum(leading) :], others)]
        parts = zip(
            np.split(top, np.cumsum(leading)[:-1], axis=1),
            np.split(rest, np.cumsum(others)[:-1], axis=1),
            strict=True,
        )
        top = np.concatenate([part for pair in parts for part in pair], axis=1)
    return np.asarray(top)


def first_centers(V: Floats, k: list[int], rng: np.random.RandomState) -> Floats:
    """Centres [bytes, 256, s] that are rows, different ones where there are enough."""
    n, m = len(V), len(k)
    s = V.shape[1] // m
    centers = np.zeros((m, 256, s), np.float32)
    for byte, count in enumerate(k):
        rows = rng.choice(n, count, replace=n < count)
        centers[byte, :count] = V[rows, byte * s : (byte + 1) * s]
    return centers


def assigned(V: Floats, centers: Floats, k: list[int]) -> NDArray[np.uint8]:
    """Numbers [n, bytes] of the nearest among the first ``k[i]`` centres of byte i."""
    s = centers.shape[2]
    parts = [
        nearest(V[:, byte * s : (byte + 1) * s], centers[byte : byte + 1, :count])
        for byte, count in enumerate(k)
    ]
    return np.concatenate(parts, axis=1)


def refitted(V: Floats, centers: Floats, k: list[int]) -> NDArray[np.uint8]:
    """One round of k-means: numbers of the nearest centres, which then move to their means.

    A centre without rows moves to the row that is farthest from its own, if that is away from it.
    """
    from scipy.sparse import csr_matrix  # not imported to encode

    n, s = len(V), centers.shape[2]
    codes = assigned(V, centers, k)
    for byte, count in enumerate(k):
        part = V[:, byte * s : (byte + 1) * s]
        here = centers[byte : byte + 1, :count]
        chosen = codes[:, byte].astype(np.int64)
        sizes = np.bincount(chosen, minlength=count)
        members = csr_matrix((np.ones(n, np.float32), (chosen, np.arange(n))), shape=(count, n))
        means = (members @ part) / np.maximum(sizes, 1)[:, None]
        empty = np.flatnonzero(sizes == 0)
        old = here[0].copy()
        here[0][sizes > 0] = means[sizes > 0]
        if len(empty):
            rest = part - old[chosen]
            lost = np.einsum("ij,ij->i", rest, rest)
            far = np.argsort(-lost, kind="stable")[: len(empty)]
            far = far[lost[far] > 0]
            here[0][empty[: len(far)]] = part[far]
    return codes

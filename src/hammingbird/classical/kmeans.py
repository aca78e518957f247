"""K-means hashing (He, Wen and Sun, CVPR 2013), its product version."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from hammingbird.classical.linear import mean_of, principal_directions, rounded
from hammingbird.codes import Output
from hammingbird.errors import InputError
from hammingbird.hasher import Hasher, row_chunks

FLOOR = 1e-4
"""Variances below this share of the largest count as equal when dimensions are dealt out."""
MOVES = 10
"""Steps of the quasi-Newton method in each update of the centres."""


class KMeansHashing(Hasher):
    """K-means whose centres are named by bits, so that Hamming distance stands for theirs.

    Principal components are dealt out to subspaces of equal volume. In each, 2^b centres minimise
    the quantization error plus ``affinity`` times the squared difference of the centres' distances
    and the scaled roots of their codes' Hamming distances. A vector gets the bits of its nearest
    centres. ``objective_`` [max_iter] is their sum over the subspaces; centres start at the
    corners of a cube of principal components.

    Parameters
    ----------
    subspace_bits
        b; the last subspaces have one less where ``n_bits`` is not a multiple.
    affinity
        lambda of the paper.
    """

    max_bits_rule = "Use LSH or SpectralHashing for more bits than dimensions."
    mean_: NDArray[np.float64]
    directions_: NDArray[np.float64]
    centers_: NDArray[np.float64]
    objective_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        subspace_bits: int = 4,
        affinity: float = 10.0,
        max_iter: int = 50,
        output: Output = "packed",
    ) -> None:
        self.n_bits = n_bits
        self.subspace_bits = subspace_bits
        self.affinity = affinity
        self.max_iter = max_iter
        self.output = output

    def _max_bits(self, n_features: int) -> int:
        return min(super()._max_bits(n_features), n_features)

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if not 1 <= self.subspace_bits <= 8 or self.max_iter < 1 or self.affinity < 0:
            raise InputError(
                "subspace_bits must be from 1 to 8, max_iter at least 1, affinity not negative"
            )
        bits, sizes = self._parts(self.n_bits_), self._parts(X.shape[1])
        self.mean_ = mean_of(X)
        directions, variances = principal_directions(X, self.mean_, X.shape[1])
        self.directions_ = directions[:, deal(variances, sizes)]
        V = rounded(X, self._components)
        ends = np.cumsum(sizes)[:-1]
        self.objective_, centers = np.zeros(self.max_iter), []
        parts = list(zip(np.split(V, ends, axis=1), bits, strict=True))
        for part, b in tqdm(parts, desc="KMH", unit="part", leave=False, disable=None):
            found, objective = fit_centers(part, b, self.affinity, self.max_iter)
            centers.append(found.ravel())
            self.objective_ += objective
        self.centers_, self.n_iter_ = np.concatenate(centers), self.max_iter

    def _parts(self, total: int) -> list[int]:
        """Split bits or dimensions into as many nearly equal parts as there are subspaces."""
        count = -(-self.n_bits_ // self.subspace_bits)
        return [len(part) for part in np.array_split(np.arange(total), count)]

    def _components(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return (X - self.mean_.astype(X.dtype)) @ self.directions_.astype(X.dtype)

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        """How much nearer the nearest centre with the bit set is than the nearest without."""
        V, scores = self._components(X), []
        sizes, taken, column = self._parts(X.shape[1]), 0, 0
        for b, size in zip(self._parts(self.n_bits_), sizes, strict=True):
            centers = self.centers_[taken : taken + (size << b)].reshape(1 << b, size)
            distances = squared_distances(V[:, column : column + size], centers.astype(X.dtype))
            on = corners(b) > 0
            for bit in range(b):
                near, far = distances[:, on[:, bit]], distances[:, ~on[:, bit]]
                scores.append(far.min(axis=1) - near.min(axis=1))
            taken, column = taken + (size << b), column + size
        return np.stack(scores, axis=1)


def corners(b: int) -> NDArray[np.int64]:
    """All codes of ``b`` bits as -1 / +1, row i the binary number i, [2^b, b]."""
    return 2 * ((np.arange(1 << b)[:, None] >> np.arange(b)[::-1]) & 1) - 1


def deal(variances: NDArray[np.float64], sizes: list[int]) -> NDArray[np.int64]:
    """Order dimensions by subspace so that the subspaces' products of variances are balanced.

    Each dimension, the largest variance first, goes to the subspace with the smallest product so
    far that has room (eigenvalue allocation; Ge, He, Ke and Sun, CVPR 2013).
    """
    floor = max(FLOOR * float(variances.max()), np.finfo(float).tiny)
    logs = np.log(np.maximum(variances, floor) / floor)
    parts: list[list[int]] = [[] for _ in sizes]
    totals = np.zeros(len(sizes))
    for dimension, log in enumerate(logs):
        room = [len(part) < size for part, size in zip(parts, sizes, strict=True)]
        chosen = int(np.argmin(np.where(room, totals, np.inf)))
        parts[chosen].append(dimension)
        totals[chosen] += log
    return np.concatenate([np.array(part, np.int64) for part in parts])


def fit_centers(
    V: NDArray[np.floating], b: int, affinity: float, max_iter: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres [2^b, d] of one subspace's components [n, d], and the objective of every round."""
    codes = corners(b)
    side = float(np.abs(V[:, :b]).mean())
    centers = np.zeros((1 << b, V.shape[1]))
    centers[:, :b] = side * codes
    wanted = 2 * side * np.sqrt((codes[:, None] != codes[None]).sum(axis=2))
    objective, before = np.empty(max_iter), np.empty(0, np.int64)
    for step in range(max_iter):
        nearest = _nearest(V, centers)
        if np.array_equal(nearest, before):
            objective[step:] = objective[step - 1]
            break
        before = nearest
        members = np.equal(np.arange(len(centers))[:, None], nearest).astype(V.dtype)
        counts, sums = members.sum(axis=1, dtype=np.float64), (members @ V).astype(np.float64)
        means = sums / np.maximum(counts, 1)[:, None]
        spread = float(np.einsum("ij,ij->", V, V, dtype=np.float64))
        spread = (spread - float((counts[:, None] * means**2).sum())) / len(V)
        centers, moved = move_centers(centers, means, counts / len(V), wanted, affinity)
        objective[step] = spread + moved
    return centers, objective


def _nearest(V: NDArray[np.floating], centers: NDArray[np.float64]) -> NDArray[np.int64]:
    here = centers.astype(V.dtype)
    return np.concatenate(
        [squared_distances(chunk.values, here).argmin(axis=1) for chunk in row_chunks(V)]
    )


def move_centers(
    centers: NDArray[np.float64],
    means: NDArray[np.float64],
    shares: NDArray[np.float64],
    wanted: NDArray[np.float64],
    affinity: float,
) -> tuple[NDArray[np.float64], float]:
    """Lower ``sum_i p_i |c_i - m_i|^2 + affinity sum_ij p_i p_j (|c_i - c_j| - wanted_ij)^2``.

    Centres without vectors weigh nothing and stay.
    """
    weights = affinity * shares[:, None] * shares[None]

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        c = flat.reshape(centers.shape)
        apart = c[:, None] - c[None]
        distances = np.sqrt(np.maximum(np.einsum("ijk,ijk->ij", apart, apart), 1e-24))
        gaps = (distances - wanted) * (wanted > 0)
        value = float((shares @ (c - means) ** 2).sum() + (weights * gaps**2).sum())
        slope = 4 * np.einsum("ij,ijk->ik", weights * gaps / distances, apart)
        slope += 2 * shares[:, None] * (c - means)
        return value, slope.ravel()

    found = minimize(cost, centers.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": MOVES})
    return found.x.reshape(centers.shape), float(found.fun)


def squared_distances(
    V: NDArray[np.floating], centers: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Squared distances [n, centres], less each vector's own squared length."""
    found: NDArray[np.floating] = np.einsum("ij,ij->i", centers, centers) - 2 * V @ centers.T
    return found

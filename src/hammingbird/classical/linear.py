"""What linear methods share: moments of data read in chunks, and rotations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.hasher import row_chunks
from hammingbird.inputs import is_sparse

WIDEST = 4096
"""Columns of sparse vectors up to which their covariance is made."""


def mean_of(X: Any) -> NDArray[np.float64]:
    """Column means [d] of ``X`` [n, d], in double precision."""
    if is_sparse(X):
        sums: NDArray[np.float64] = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel()
        sums /= X.shape[0]
        return sums
    total = np.zeros(X.shape[1])
    for chunk in row_chunks(X):
        total += chunk.values.sum(axis=0, dtype=np.float64)
    return total / len(X)


def evenly(X: Any, most: int) -> Any:
    """``X``, or ``most`` evenly spaced rows of it where it has more."""
    if len(X) <= most:
        return X
    return X[np.linspace(0, len(X) - 1, most).astype(np.int64)]


def standardised(X: NDArray[Any]) -> tuple[NDArray[np.float64], float, NDArray[np.float32]]:
    """The mean [d], the root of the mean variance, and the rows [n, d] with both taken off."""
    mean = mean_of(X)
    total = 0.0
    for chunk in row_chunks(X):
        total += float(np.square(chunk.values - mean).sum())
    scale = math.sqrt(total / X.size) or 1.0
    rows = np.empty(X.shape, np.float32)
    for chunk in row_chunks(X):
        rows[chunk.start : chunk.stop] = (chunk.values - mean) / scale
    return mean, scale, rows


def principal_directions(
    X: Any, mean: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ``k`` leading eigenvectors [d, k] of the covariance of ``X``, and their variances [k].

    Each column's largest entry is positive, so that the same data give the same directions.
    """
    from scipy.linalg import eigh  # not imported to encode

    n, d = X.shape
    if is_sparse(X) and d > max(WIDEST, k):
        variances, directions = _leading(X, mean, k)
    else:
        covariance = scatter(X, mean) / n
        variances, directions = eigh(covariance, subset_by_index=(d - k, d - 1))
    variances, directions = variances[::-1], directions[:, ::-1]
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(k)]
    return directions * np.where(largest < 0, -1.0, 1.0), np.maximum(variances, 0.0)


def scatter(X: Any, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the outer products of centred rows, [d, d]."""
    if is_sparse(X):
        rows = X.astype(np.float64)
        products: NDArray[np.float64] = (rows.T @ rows).toarray()
        products -= X.shape[0] * np.outer(mean, mean)
        return products
    scatter = np.zeros((X.shape[1], X.shape[1]))
    for chunk in row_chunks(X):
        centred = chunk.values.astype(np.float64) - mean
        scatter += centred.T @ centred
    return scatter


def _leading(
    X: Any, mean: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest variances, ascending, and directions of wide sparse rows, which stay sparse."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    rows, d = X.astype(np.float64), X.shape[1]
    columns = rows.T.tocsr()

    def covariance(v: NDArray[np.float64]) -> NDArray[np.float64]:
        v = v.ravel()
        product: NDArray[np.float64] = columns @ (rows @ v) / X.shape[0] - mean * (mean @ v)
        return product

    start = np.random.default_rng(0).standard_normal(d)
    variances, directions = eigsh(LinearOperator((d, d), covariance, dtype=float), k, v0=start)
    order = np.argsort(variances)
    return variances[order], directions[:, order]


def rounded(
    X: NDArray[Any], project: Callable[[NDArray[np.float64]], NDArray[np.floating]]
) -> NDArray[np.float32]:
    """What a map of double precision makes of ``X``, rounded to single precision.

    The same numbers in another type give the same result to the last digit, which may decide where
    a method that goes by turns ends: bits that depend on each other, centres that share a vector.
    """
    return np.concatenate(
        [
            project(chunk.values.astype(np.float64)).astype(np.float32)
            for chunk in row_chunks(X, sparse=True)
        ]
    )


def random_rotation(k: int, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Draw an orthogonal matrix [k, k] from the uniform (Haar) distribution."""
    q, r = np.linalg.qr(rng.standard_normal((k, k)))
    rotation: NDArray[np.float64] = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return rotation

"""What linear methods share: moments of data read in chunks, and rotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from hammingbird.hasher import row_chunks


def mean_of(X: NDArray[Any]) -> NDArray[np.float64]:
    """Column means [d] of ``X`` [n, d], in double precision."""
    total = np.zeros(X.shape[1])
    for chunk in row_chunks(X):
        total += chunk.values.sum(axis=0, dtype=np.float64)
    return total / len(X)


def principal_directions(
    X: NDArray[Any], mean: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ``k`` leading eigenvectors [d, k] of the covariance of ``X``, and their variances [k].

    Each column's largest entry is positive, so that the same data give the same directions.
    """
    d = X.shape[1]
    scatter = np.zeros((d, d))
    for chunk in row_chunks(X):
        centred = chunk.values.astype(np.float64) - mean
        scatter += centred.T @ centred
    variances, directions = eigh(scatter / len(X), subset_by_index=(d - k, d - 1))
    variances, directions = variances[::-1], directions[:, ::-1]
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(k)]
    return directions * np.where(largest < 0, -1.0, 1.0), np.maximum(variances, 0.0)


def rounded(
    X: NDArray[Any], project: Callable[[NDArray[np.float64]], NDArray[np.floating]]
) -> NDArray[np.float32]:
    """What a map of double precision makes of ``X``, rounded to single precision.

    The same numbers in another type give the same result to the last digit, which may decide where
    a method that goes by turns ends: bits that depend on each other, centres that share a vector.
    """
    return np.concatenate(
        [
            project(np.asarray(chunk.values, np.float64)).astype(np.float32)
            for chunk in row_chunks(X)
        ]
    )


def random_rotation(k: int, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Draw an orthogonal matrix [k, k] from the uniform (Haar) distribution."""
    q, r = np.linalg.qr(rng.standard_normal((k, k)))
    rotation: NDArray[np.float64] = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return rotation

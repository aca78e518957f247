"""ITQ-CCA (Gong and Lazebnik, CVPR 2011): directions that labels correlate with, then ITQ."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.itq import rotation_to_signs
from hammingbird.classical.linear import mean_of, random_rotation, rounded, scatter
from hammingbird.classical.similarity import indicators
from hammingbird.codes import Output
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state
from hammingbird.hasher import row_chunks
from hammingbird.linear import LinearHasher

log = logging.getLogger(__name__)


class ITQCCA(LinearHasher):
    """Canonical directions of vectors and class indicators, rotated to fit their signs best.

    Each direction counts by its canonical correlation. Labels of C classes have C - 1 directions
    that correlate, label sets C at most: ``rank_``. With more bits than that the rotation spreads
    these directions over all bits, which then repeat each other, and a warning is logged.
    ``correlations_`` [rank_] falls; ``objective_`` is that of :class:`ITQ`. Learns from labels,
    label sets, pairs or neighbours.

    Parameters
    ----------
    ridge
        What is added to the variance of each direction, as a share of the mean variance.
    max_iter
        Steps of the rotation.
    max_rows
        Rows at most whose pairs stand for classes where ``y`` is pairs or neighbours: memory grows
        with its square. All rows with a label are learned from.
    """

    supervised = True

    correlations_: NDArray[np.float64]
    objective_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        ridge: float = 1e-4,
        max_iter: int = 50,
        max_rows: int = 2000,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.ridge = ridge
        self.max_iter = max_iter
        self.max_rows = max_rows
        self.output = output
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if not self.ridge > 0:
            raise InputError(f"ridge must be positive, got {self.ridge}")
        rng = check_random_state(self.random_state)
        rows, columns = indicators(y, len(X), self.max_rows, self.n_bits_, rng, "ITQ-CCA")
        known = X if len(rows) == len(X) else X[rows]
        self.mean_ = mean_of(known)
        directions, correlations = canonical(known, self.mean_, columns, self.ridge)
        self.rank_ = len(correlations)
        if self.rank_ < self.n_bits_:
            log.warning(
                "ITQ-CCA: y correlates with %d directions only, which %d bits share: more bits "
                "than %d add little",
                self.rank_, self.n_bits_, self.rank_,
            )  # fmt: skip
        kept = slice(min(self.rank_, self.n_bits_))
        self.correlations_ = correlations[kept]
        weights = directions[:, kept] * self.correlations_
        # Rows of a rotation of all bits: where directions are missing, columns of zeros.
        self.weights_ = weights @ random_rotation(self.n_bits_, rng)[: weights.shape[1]]
        rotation, self.objective_ = rotation_to_signs(
            rounded(X, self._project), self.max_iter, "ITQ-CCA"
        )
        self.weights_ = self.weights_ @ rotation
        self.n_iter_ = self.max_iter


def canonical(
    X: NDArray[Any], mean: NDArray[np.float64], columns: Any, ridge: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Canonical directions [d, r] of rows ``X`` and ``columns`` (CSR [n, c]), and correlations [r].

    Projections on the directions have variance 1, ridge included. The c columns need none: what
    is constant, or the sum of others, is left out, so r is at most their rank from their mean.
    """
    from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular

    n, d = X.shape
    variance = scatter(X, mean) / n
    spread = float(np.trace(variance)) / d
    if not spread > 0:
        raise InputError("all rows are the same, which teaches nothing: give rows that differ")
    variance[np.diag_indices(d)] += ridge * spread
    shares = np.asarray(columns.mean(axis=0)).ravel()
    cross = np.zeros((d, len(shares)))
    for chunk in row_chunks(X):
        centred = chunk.values.astype(np.float64) - mean
        # Indicators need not be centred too, as the rows are.
        cross += (columns[chunk.start : chunk.stop].T @ centred).T
    cross /= n
    values, vectors = eigh((columns.T @ columns).toarray() / n - np.outer(shares, shares))
    kept = values > 1e-9 * max(values[-1], np.finfo(float).tiny)
    white = vectors[:, kept] / np.sqrt(values[kept])
    try:
        root = cholesky(variance, lower=True)
    except (LinAlgError, ValueError) as error:
        raise InputError(f"the covariance of X is not positive: {error}") from error
    left, correlations, _ = np.linalg.svd(
        solve_triangular(root, cross @ white, lower=True), full_matrices=False
    )
    some = correlations > 1e-9
    if not some.any():
        raise InputError("no direction of X correlates with y: give labels that X tells apart")
    directions = solve_triangular(root, left[:, some], lower=True, trans="T")
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    return directions * np.where(largest < 0, -1.0, 1.0), correlations[some]

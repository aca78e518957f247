"""Real scores to rank by, one block of queries at a time: float vectors, and asymmetric scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import check_codes
from hammingbird.errors import InputError
from hammingbird.evaluation.ranking import ScoreChunk
from hammingbird.targets import Measure

SLAB = 8192


def vector_scores(queries: ArrayLike, database: ArrayLike, measure: Measure = "l2") -> ScoreChunk:
    """Score by minus the squared Euclidean distance, the inner product or the cosine of vectors.

    This is what the codes replace. Scores are computed in double precision, slab by slab of the
    database, which may be a memory map.
    """
    queries, database = np.asarray(queries), np.asarray(database)
    if queries.ndim != 2 or database.ndim != 2 or queries.shape[1] != database.shape[1]:
        raise InputError(
            f"queries {queries.shape} and database {database.shape} must be matrices of equal width"
        )
    if measure not in ("l2", "inner", "cosine"):
        raise InputError(f"measure must be 'l2', 'inner' or 'cosine', got {measure!r}")

    squares_of_slab: dict[int, NDArray[np.float64]] = {}

    def chunk(start: int, stop: int) -> NDArray[np.float32]:
        block = np.asarray(queries[start:stop], np.float64)
        squares = np.einsum("ij,ij->i", block, block)[:, None]
        scores = np.empty((len(block), len(database)), np.float32)
        for first in range(0, len(database), SLAB):
            slab = np.asarray(database[first : first + SLAB], np.float64)
            found = block @ slab.T
            if measure != "inner":
                if first not in squares_of_slab:
                    squares_of_slab[first] = np.einsum("ij,ij->i", slab, slab)
                slab_squares = squares_of_slab[first]
                if measure == "l2":
                    found *= 2
                    found -= slab_squares
                    found -= squares
                else:  # the query's own norm does not change its ranking
                    found /= np.sqrt(np.maximum(slab_squares, np.finfo(float).tiny))
            scores[:, first : first + SLAB] = found
        return scores

    return chunk


def in_blocks(score_chunk: ScoreChunk, n_queries: int, block: int) -> ScoreChunk:
    """The same scores, made for ``block`` queries at a time; the last block is kept.

    For scores whose cost is a pass over the database, however few the queries are.
    """
    kept: dict[int, NDArray[np.float32]] = {}

    def chunk(start: int, stop: int) -> NDArray[np.float32]:
        first = start - start % block
        if stop > first + block:
            return score_chunk(start, stop)
        if first not in kept:
            kept.clear()
            kept[first] = score_chunk(first, min(first + block, n_queries))
        return kept[first][start - first : stop - first]

    return chunk


def asymmetric_scores(
    query_scores: ArrayLike, database_codes: ArrayLike, n_bits: int
) -> ScoreChunk:
    """Score codes by what the queries ask, see ``Hasher.asked``.

    The inner product of real scores [q, n_bits] with the codes' +-1 bits, or the sum over the bytes
    of look-up tables [q, bytes, 256].
    """
    weights = np.ascontiguousarray(query_scores, np.float32)
    database = check_codes(database_codes, n_bits, "database_codes")
    if weights.shape[1:] not in ((n_bits,), (database.shape[1], 256)):
        raise InputError(
            f"query_scores must have shape [n, {n_bits}], or be tables "
            f"[n, {database.shape[1]}, 256], got {weights.shape}"
        )
    return lambda start, stop: kernels.scores(weights[start:stop], database, n_bits)

"""Exact re-ranking of what an index found, with the original vectors."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.errors import InputError
from hammingbird.kernels.checks import check_k
from hammingbird.targets import Measure, Neighbors

_CHUNK = 1 << 23  # numbers gathered at a time, 64 MB in double precision


def rerank(
    query_vectors: ArrayLike,
    candidates: ArrayLike,
    vectors: Any,
    k: int,
    measure: Measure = "l2",
) -> Neighbors:
    """Order each query's candidates by their true distance and keep the ``k`` nearest.

    ``candidates`` [n_queries, m] are ids, -1 where there is none; ``vectors[id]`` is the vector of
    an id (an array, or a memory map, of which only the candidates are read). Distances are squared
    Euclidean (``l2``), or minus the inner product or cosine, in double precision; ties by id. Where
    a query has fewer than ``k`` candidates, id -1 and an infinite distance fill up.
    """
    queries, ids, k = np.asarray(query_vectors), np.asarray(candidates), check_k(k)
    vectors = vectors if hasattr(vectors, "ndim") else np.asarray(vectors)
    for name, array in (("query vectors", queries), ("vectors", vectors)):
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name} must be real numbers, got {array.dtype}")
    if queries.ndim != 2 or vectors.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise InputError(
            f"query vectors {queries.shape} and vectors {vectors.shape} must be equally wide"
        )
    if ids.ndim != 2 or len(ids) != len(queries) or ids.dtype.kind not in "iu":
        raise InputError(f"candidates must be ids [{len(queries)}, m], got {ids.dtype} {ids.shape}")
    if ids.size and not -1 <= ids.min() <= ids.max() < len(vectors):
        raise InputError(f"candidates must be ids of the {len(vectors)} vectors, or -1")
    if measure not in get_args(Measure):
        raise InputError(f"measure must be one of {', '.join(get_args(Measure))}, got {measure!r}")
    found = np.full((len(ids), k), -1, np.int64)
    distances = np.full((len(ids), k), np.inf)
    there = min(k, ids.shape[1])
    if not there or not len(vectors):
        return Neighbors(found, distances)
    step = max(1, _CHUNK // (ids.shape[1] * max(1, queries.shape[1])))
    for start in range(0, len(ids), step):
        chunk = slice(start, start + step)
        # Ascending ids read a memory map forwards, and make the stable sort break ties by id.
        some = np.sort(ids[chunk].astype(np.int64), axis=1)
        values = _distances(queries[chunk], np.asarray(vectors[some.clip(0)]), measure)
        if not np.isfinite(values).all():
            raise InputError("query vectors and candidates' vectors must be finite")
        values[some < 0] = np.inf
        order = np.argsort(values, axis=1, kind="stable")[:, :there]
        found[chunk, :there] = np.take_along_axis(some, order, axis=1)
        distances[chunk, :there] = np.take_along_axis(values, order, axis=1)
    return Neighbors(found, distances)


def _distances(
    queries: NDArray[np.generic], vectors: NDArray[np.generic], measure: Measure
) -> NDArray[np.float64]:
    """Distances [n, m] of queries [n, d] to their own candidates [n, m, d]."""
    q, x = queries.astype(np.float64)[:, None], vectors.astype(np.float64)
    if measure == "l2":
        difference = x - q
        squares: NDArray[np.float64] = np.einsum("ijk,ijk->ij", difference, difference)
        return squares
    inner: NDArray[np.float64] = (x @ q.transpose(0, 2, 1))[:, :, 0]
    if measure == "cosine":
        tiny = np.finfo(float).tiny
        inner /= np.maximum(np.linalg.norm(x, axis=2) * np.linalg.norm(q, axis=2), tiny)
    return -inner

"""A shortlist by bits in the store, then an order by what tells more, here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hammingbird import kernels
from hammingbird.errors import InputError
from hammingbird.hasher import Hasher
from hammingbird.index import rerank
from hammingbird.stores.store import Store
from hammingbird.targets import Measure, Neighbors


def two_stages(
    store: Store,
    hasher: Hasher,
    queries: ArrayLike,
    k: int,
    *,
    shortlist: int = 200,
    vectors: Any = None,
    measure: Measure = "l2",
) -> Neighbors:
    """The best ``k`` of the ``shortlist`` codes that the store finds nearest to query vectors.

    They are ordered by the true distance of ``vectors[id]``, or, without vectors, by the queries'
    real scores against the codes that came back, so that floats are kept nowhere; distances are
    then minus the scores. Ids and distances are [n, k]; id -1 fills up at an infinite distance.
    """
    if shortlist < k:
        raise InputError(f"a shortlist of {shortlist} has no {k} nearest: make it longer than k")
    found = store.search(hasher.encode(queries), shortlist).ids
    if vectors is not None:
        return rerank(queries, found, vectors, k, measure)
    scores = hasher.project(queries)
    known = np.unique(found[found >= 0])
    codes = store.fetch(known)
    ids = np.full((len(found), k), -1, np.int64)
    distances = np.full((len(found), k), np.inf)
    for query, candidates in enumerate(found):
        there = np.sort(candidates[candidates >= 0])
        held = codes[np.searchsorted(known, there)]
        rows, best = kernels.best(scores[query : query + 1], held, store.n_bits, k)
        filled = rows[0] >= 0
        ids[query, filled] = there[rows[0][filled]]
        distances[query, filled] = -best[0][filled]
    return Neighbors(ids, distances)

"""A shortlist by bits in the store, then an order by what tells more, here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hammingbird import kernels
from hammingbird.errors import InputError
from hammingbird.hasher import Hasher
from hammingbird.index import rerank
from hammingbird.index.scan import ids_at
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
    asymmetric scores of the codes that came back, so that floats are kept nowhere; distances are
    then minus the scores. Ids and distances are [n, k]; id -1 fills up at an infinite distance.
    """
    if shortlist < k:
        raise InputError(f"a shortlist of {shortlist} has no {k} nearest: make it longer than k")
    found = store.search(hasher.encode(queries), shortlist).ids
    if vectors is not None:
        return rerank(queries, found, vectors, k, measure)
    there = found >= 0
    known = np.unique(found[there])
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    listed = np.searchsorted(known, found[there])
    codes, asked = store.fetch(known), hasher.asked(queries)
    rows, scores = kernels.best_of(asked, codes, store.n_bits, offsets, listed, k)
    return Neighbors(ids_at(known, rows), -scores.astype(np.float64))

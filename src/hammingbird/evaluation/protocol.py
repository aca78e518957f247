"""What a result record must say about how it was measured, and the check for shared items."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.errors import InputError
from hammingbird.evaluation.ranking import check_sizes
from hammingbird.evaluation.relevance import Relevance
from hammingbird.storage import hash_rows


def describe_protocol(
    relevance: Relevance,
    *,
    train_in_database: bool | None = None,
    query_in_database: bool | None = None,
    self_rows: ArrayLike | None = None,
) -> dict[str, Any]:
    """Everything that decides what a metric means, ready for JSON; None where nobody said."""
    own = check_sizes(relevance, relevance.n_queries, relevance.n_database, self_rows)
    return {
        "relevance": relevance.describe(),
        "queries": relevance.n_queries,
        "database": relevance.n_database,
        "unlabelled_queries": relevance.unlabelled_queries,
        "unlabelled_database_rows": relevance.unlabelled_database,
        "no_label": "-1 or an empty label set: the query excluded, the row never relevant",
        "excluded_queries": int((relevance.n_relevant(own) == 0).sum()),
        "no_relevant_item": "query excluded from all means",
        "ties": "expected value over all orders of tied items; _worst and _best are its bounds",
        "divisor": "map@T: relevant items among the first T; map_min@T: min(T, relevant items)",
        "no_hit_in_cutoff": "counts 0",
        "empty_ball": "precision@hR: counts 0; precision_nonempty@hR: skipped",
        "cutoff_beyond_database": "the whole database",
        "train_in_database": train_in_database,
        "query_in_database": query_in_database,
        "self_match": "kept" if own is None else "left out",
    }


def overlap(queries: ArrayLike, database: ArrayLike) -> NDArray[np.int64]:
    """First database row that equals each query exactly, -1 for none, [n_queries].

    Vectors or codes; the result serves as ``self_rows``. Rows are hashed, hits are compared.
    """
    queries, database = np.asarray(queries), np.asarray(database)
    if queries.ndim != 2 or database.ndim != 2 or queries.shape[1] != database.shape[1]:
        raise InputError(
            f"queries {queries.shape} and database {database.shape} must be matrices of equal width"
        )
    kind = np.result_type(queries, database)
    left, right = hash_rows(queries, kind), hash_rows(database, kind)
    hashes, first = np.unique(right, return_index=True)
    rows = np.full(len(queries), -1, np.int64)
    if not len(hashes):
        return rows
    place = np.minimum(np.searchsorted(hashes, left), len(hashes) - 1)
    for query in np.flatnonzero(hashes[place] == left):
        if np.array_equal(queries[query], database[first[place[query]]]):
            rows[query] = first[place[query]]
    return rows


def check_disjoint(
    queries: ArrayLike, database: ArrayLike, what: str = "queries", *, allow: bool = False
) -> int:
    """Count the rows of ``queries`` that are in the database too; refuse any unless allowed."""
    shared = overlap(queries, database)
    found = np.flatnonzero(shared >= 0)
    if len(found) and not allow:
        raise InputError(
            f"{len(found)} {what} are in the database too (row {found[0]} is database row "
            f"{shared[found[0]]}): remove them, or allow the overlap if it is meant"
        )
    return len(found)

"""What a ranked database looks like to a metric: tied groups, and how many in each are relevant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.codes import Codes, check_codes
from hammingbird.errors import InputError
from hammingbird.evaluation.relevance import Counts, Relevance

ScoreChunk = Callable[[int, int], NDArray[np.float32]]
"""Scores of the whole database for queries start to stop, float32 [m, n]; higher is nearer."""

Integers = NDArray[np.int64]
BLOCK_SCORES = 1 << 21


@dataclass(frozen=True)
class Ranking:
    """For every query, the groups of tied items that hold at least one relevant item.

    Groups are flat arrays, ordered by query and then from near to far. Items of one group have
    equal distances (or exactly equal scores), so nothing says which of them comes first. Groups
    without a relevant item are implied by ``before``.
    """

    query: Integers
    """[g], the query that the group belongs to."""
    before: Integers
    """[g], items strictly nearer."""
    size: Integers
    """[g], items in the group."""
    hits_before: Integers
    """[g], relevant items strictly nearer."""
    hits: Integers
    """[g], relevant items in the group, at least one."""
    n_relevant: Integers
    """[q], relevant items in the whole database."""
    n_items: Integers
    """[q], ranked items (the database without the query itself)."""
    counts: Counts | None = None
    """[q, n_bits + 1], items at every Hamming distance; None if the ranking is not by distance."""
    relevant_counts: Counts | None = None
    """[q, n_bits + 1], relevant items at every Hamming distance."""

    @property
    def n_queries(self) -> int:
        """Number of queries."""
        return len(self.n_relevant)

    @classmethod
    def from_codes(
        cls,
        query_codes: ArrayLike,
        database_codes: ArrayLike,
        n_bits: int,
        relevance: Relevance,
        *,
        self_rows: ArrayLike | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> Ranking:
        """Rank by Hamming distance.

        ``self_rows`` [n_queries] names for each query one database row that is the query itself
        and is left out, -1 for none. ``start`` and ``stop`` rank some of the queries only.
        """
        queries = check_codes(query_codes, n_bits, "query_codes")
        database = check_codes(database_codes, n_bits, "database_codes")
        own = check_sizes(relevance, len(queries), len(database), self_rows)
        part = slice(start, len(queries) if stop is None else stop)
        counts, relevant = relevance.counts(queries[part], database, n_bits, part.start)
        if own is not None:
            _leave_out(own[part], queries[part], database, relevance, start, counts, relevant)
        return cls.from_counts(counts, relevant)

    @classmethod
    def from_counts(cls, counts: Counts, relevant_counts: Counts) -> Ranking:
        """Rank by Hamming distance, from the items at every distance [q, n_bits + 1]."""
        query, distance = np.nonzero(relevant_counts)
        nearer = np.cumsum(counts, axis=1, dtype=np.int64)
        relevant_nearer = np.cumsum(relevant_counts, axis=1, dtype=np.int64)
        size = counts[query, distance].astype(np.int64)
        hits = relevant_counts[query, distance].astype(np.int64)
        return cls(
            query=query,
            before=nearer[query, distance] - size,
            size=size,
            hits_before=relevant_nearer[query, distance] - hits,
            hits=hits,
            n_relevant=relevant_nearer[:, -1],
            n_items=nearer[:, -1],
            counts=counts,
            relevant_counts=relevant_counts,
        )

    @classmethod
    def from_scores(
        cls,
        score_chunk: ScoreChunk,
        relevance: Relevance,
        *,
        self_rows: ArrayLike | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> Ranking:
        """Rank by real scores, the highest first; ties are exactly equal float32 scores."""
        own = check_sizes(relevance, relevance.n_queries, relevance.n_database, self_rows)
        stop = relevance.n_queries if stop is None else stop
        step = score_block(relevance.n_database)
        parts = []
        for first in range(start, stop, step):
            last = min(first + step, stop)
            scores = np.asarray(score_chunk(first, last), np.float32)
            if scores.shape != (last - first, relevance.n_database):
                raise InputError(
                    f"scores of queries {first} to {last} must have shape "
                    f"{(last - first, relevance.n_database)}, got {scores.shape}"
                )
            rows = relevance.rows(first, last)
            parts.append(_rank_scores(scores, rows, None if own is None else own[first:last]))
        return parts[0] if len(parts) == 1 else _join(cls, parts)


def score_block(n_database: int) -> int:
    """Queries whose scores are held in memory at once."""
    return max(1, BLOCK_SCORES // n_database)


def check_sizes(
    relevance: Relevance, n_queries: int, n_database: int, self_rows: ArrayLike | None
) -> Integers | None:
    """Raise :class:`InputError` unless all sizes agree; return ``self_rows`` as an array."""
    if not n_queries or not n_database:
        raise InputError(f"nothing to rank: {n_queries} queries, {n_database} database items")
    for what, ours, theirs in (
        ("queries", n_queries, relevance.n_queries),
        ("database items", n_database, relevance.n_database),
    ):
        if ours != theirs:
            raise InputError(
                f"{ours} {what}, but the labels or neighbors are those of {theirs}: "
                "give one for each"
            )
    if self_rows is None:
        return None
    own = np.asarray(self_rows)
    if own.shape != (n_queries,) or not np.issubdtype(own.dtype, np.integer):
        raise InputError(f"self_rows must be one whole number per query, got shape {own.shape}")
    if own.min() < -1 or own.max() >= n_database:
        raise InputError(f"self_rows must be database rows from 0 to {n_database - 1}, or -1")
    return own.astype(np.int64)


def _leave_out(
    own: Integers,
    queries: Codes,
    database: Codes,
    relevance: Relevance,
    start: int,
    counts: Counts,
    relevant: Counts,
) -> None:
    """Take every query's own database row out of the counts, in place."""
    known = np.flatnonzero(own >= 0)
    distance = np.bitwise_count(queries[known] ^ database[own[known]]).sum(axis=1, dtype=np.int64)
    counts[known, distance] -= 1
    step = max(1, (1 << 24) // len(database))
    for first in range(0, len(own), step):
        rows = relevance.rows(start + first, start + min(first + step, len(own)))
        inside = slice(*np.searchsorted(known, (first, first + step)))
        chosen = known[inside]
        relevant[chosen, distance[inside]] -= rows[chosen - first, own[chosen]]


def _rank_scores(
    scores: NDArray[np.float32], rows: NDArray[np.bool_], own: Integers | None
) -> Ranking:
    """Sort integer keys that hold the score (descending) above one bit of relevance."""
    if np.isnan(scores).any():
        raise InputError("scores must not be NaN")
    n_queries, n = scores.shape
    bits = (scores + np.float32(0)).view(np.uint32)  # adding zero turns -0 into +0
    ascending = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    keys = (~ascending).astype(np.uint64) << np.uint64(1)
    keys |= rows
    n_items = np.full(n_queries, n)
    if own is not None:
        known = np.flatnonzero(own >= 0)
        keys[known, own[known]] = np.iinfo(np.uint64).max
        n_items[known] -= 1
    keys.sort(axis=1)
    ranked = np.arange(n) < n_items[:, None]
    relevant = (keys & np.uint64(1)).astype(np.bool_) & ranked
    keys >>= np.uint64(1)
    begins = np.ones(keys.shape, np.bool_)
    np.not_equal(keys[:, 1:], keys[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    hits = np.add.reduceat(relevant.ravel(), starts, dtype=np.int64)
    size = np.diff(starts, append=keys.size)
    n_relevant = relevant.sum(axis=1)
    earlier = np.cumsum(hits) - hits
    some = np.flatnonzero(hits)
    query, before = np.divmod(starts[some], n)
    return Ranking(
        query=query,
        before=before,
        size=size[some],
        hits_before=earlier[some] - (np.cumsum(n_relevant) - n_relevant)[query],
        hits=hits[some],
        n_relevant=n_relevant,
        n_items=n_items,
    )


def _join(cls: type[Ranking], parts: list[Ranking]) -> Ranking:
    first_query = np.cumsum([0] + [part.n_queries for part in parts[:-1]])

    def flat(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    query = [part.query + shift for part, shift in zip(parts, first_query, strict=True)]
    names = ("before", "size", "hits_before", "hits", "n_relevant", "n_items")
    return cls(query=np.concatenate(query), **{name: flat(name) for name in names})

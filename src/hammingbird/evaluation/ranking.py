"""What a ranked database looks like to a metric: tied groups, and how many in each are relevant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.codes import Codes, check_codes, paired_distances
from hammingbird.errors import InputError
from hammingbird.evaluation.grades import Grades, grades_by_distance, step_gains
from hammingbird.evaluation.relevance import Counts, Relevance

ScoreChunk = Callable[[int, int], NDArray[np.float32]]
"""Scores of the whole database for queries start to stop, float32 [m, n]; higher is nearer."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
BLOCK_SCORES = 1 << 21
LARGE_BLOCK = 1 << 25
"""Scores of a few queries that are held at once where the database is large: 128 MiB."""


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
    grades: Callable[[], Grades] | None = None
    """Counts the grades, when a metric asks for them; None if relevance is yes or no."""

    @property
    def n_queries(self) -> int:
        """Number of queries."""
        return len(self.n_relevant)

    def per_query(
        self, values: NDArray[np.number[Any]], groups: NDArray[np.bool_] | slice = slice(None)
    ) -> Floats:
        """Add up values of groups (of all, or of those chosen) query by query, [q]."""
        return np.bincount(self.query[groups], values, self.n_queries).astype(np.float64)

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
        ranking = cls.from_counts(counts, relevant)
        if relevance.highest_grade == 1:
            return ranking

        def grades() -> Grades:
            rows = None if own is None else own[part]
            return grades_by_distance(
                relevance, queries[part], database, n_bits, relevant, rows, start
            )

        return replace(ranking, grades=grades)

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
        groups: list[tuple[Integers, Integers, Integers, Floats, Integers]] = []
        highest = relevance.highest_grade
        step = score_block(relevance.n_database)
        for first in range(start, stop, step):
            last = min(first + step, stop)
            scores = _check_scores(score_chunk(first, last), first, last, relevance.n_database)
            relevant = relevance.items(first, last)
            of_query = np.full(last - first, -1) if own is None else own[first:last]
            groups += [
                _rank_query(*one, highest) for one in zip(scores, relevant, of_query, strict=True)
            ]
        n_groups = [len(group[0]) for group in groups]
        query = np.repeat(np.arange(len(groups)), n_groups)
        before, size, hits, gain = (
            np.concatenate(part) for part in list(zip(*groups, strict=True))[:4]
        )
        grades = Grades(gain, np.stack([group[4] for group in groups]))
        n_relevant = np.bincount(query, hits, len(groups)).astype(np.int64)
        return cls(
            query=query,
            before=before,
            size=size,
            hits_before=np.cumsum(hits) - hits - (np.cumsum(n_relevant) - n_relevant)[query],
            hits=hits,
            n_relevant=n_relevant,
            n_items=relevance.n_database
            - (np.zeros(len(groups), np.int64) if own is None else (own[start:stop] >= 0)),
            grades=(lambda: grades) if highest > 1 else None,
        )


def score_block(n_database: int) -> int:
    """Queries whose scores are held in memory at once."""
    return max(1, BLOCK_SCORES // n_database, min(32, LARGE_BLOCK // n_database))


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
    distance = paired_distances(queries[known], database[own[known]])
    counts[known, distance] -= 1
    # At least 0: where vectors decide, a pair alone may be rounded otherwise than among others.
    there = relevance.grades_of(start + known, own[known]) > 0
    relevant[known, distance] -= there & (relevant[known, distance] > 0)


def _rank_query(
    scores: NDArray[np.float32],
    relevant: tuple[Integers, NDArray[Any]],
    own: int,
    highest: int,
) -> tuple[Integers, Integers, Integers, Floats, Integers]:
    """Rank one query: items before, items in, hits in and gain of its groups; items by grade."""
    items, grades = relevant
    if own >= 0:
        items, grades = items[items != own], grades[items != own]
    values, group, hits = np.unique(-scores[items], return_inverse=True, return_counts=True)
    grade = grades.astype(np.int64)
    gain = np.bincount(group, np.cumsum(step_gains(highest))[grade - 1], len(values))
    at_least = np.cumsum(np.bincount(grade, minlength=highest + 1)[:0:-1])[::-1]
    # What is behind the last relevant item has no say in any place: only the rest is sorted.
    distances = -scores[scores >= -values[-1]] if len(values) else scores[:0]
    distances.sort()
    before = np.searchsorted(distances, values)
    size = np.searchsorted(distances, values, "right") - before
    if own >= 0:
        before -= values > -scores[own]
        size -= values == -scores[own]
    return before, size, hits, gain.astype(np.float64), at_least


def _check_scores(
    scores: NDArray[np.float32], start: int, stop: int, n_database: int
) -> NDArray[np.float32]:
    scores = np.asarray(scores, np.float32)
    if scores.shape != (stop - start, n_database):
        raise InputError(
            f"scores of queries {start} to {stop} must have shape {(stop - start, n_database)}, "
            f"got {scores.shape}"
        )
    if np.isnan(scores).any():
        raise InputError("scores must not be NaN")
    return scores

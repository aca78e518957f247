"""Which database items are right answers to which query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import Codes
from hammingbird.errors import InputError
from hammingbird.targets import Neighbors

Counts = NDArray[np.uint32]
BLOCK_BYTES = 1 << 24


class Relevance(ABC):
    """A rule that says for every query and database item whether the item is a right answer."""

    n_queries: int
    n_database: int

    @abstractmethod
    def rows(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Relevance of the whole database to queries ``start`` to ``stop``, bool [m, n]."""

    @abstractmethod
    def describe(self) -> str:
        """Name the rule in a few words, for result records."""

    def counts(
        self, query_codes: Codes, database_codes: Codes, n_bits: int, start: int = 0
    ) -> tuple[Counts, Counts]:
        """Items and relevant items at every Hamming distance, uint32 [m, n_bits + 1] each.

        ``query_codes`` are the codes of queries ``start``, ``start + 1`` and so on. Rules with
        structure override this to avoid the bool rows.
        """
        block = max(1, BLOCK_BYTES // max(1, self.n_database))
        found = []
        for first in range(0, len(query_codes), block):
            codes = query_codes[first : first + block]
            rows = self.rows(start + first, start + first + len(codes))
            found.append(kernels.histograms(codes, database_codes, n_bits, rows))
        every, relevant = zip(*found, strict=True)
        return np.concatenate(every), np.concatenate(relevant)

    def n_relevant(self, self_rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Relevant items of every query, int64 [n_queries], without its row in ``self_rows``."""
        found = np.zeros(self.n_queries, np.int64)
        block = max(1, BLOCK_BYTES // max(1, self.n_database))
        for first in range(0, self.n_queries, block):
            rows = self.rows(first, min(first + block, self.n_queries))
            found[first : first + block] = np.count_nonzero(rows, axis=1)
            if self_rows is not None:
                own = self_rows[first : first + block]
                known = np.flatnonzero(own >= 0)
                found[first + known] -= rows[known, own[known]]
        return found


class SameLabel(Relevance):
    """Relevant if the labels are equal, or the label sets share at least one label.

    Labels are one per item (1-D, numbers or strings) or sets (2-D, 0 or 1 per label). An item
    with an empty label set is relevant to nothing.
    """

    def __init__(self, query_labels: ArrayLike, database_labels: ArrayLike) -> None:
        queries, database = np.asarray(query_labels), np.asarray(database_labels)
        if queries.ndim != database.ndim or queries.ndim not in (1, 2):
            raise InputError(
                "query and database labels must both be 1-D (one label each) or 2-D (label sets), "
                f"got {queries.ndim}-D and {database.ndim}-D"
            )
        self.n_queries, self.n_database = len(queries), len(database)
        self.sets = queries.ndim == 2
        if self.sets:
            self._queries, self._database = _label_sets(queries, database)
        else:
            self._queries, self._database = _label_numbers(queries, database)

    def rows(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Relevance of the whole database to queries ``start`` to ``stop``, bool [m, n]."""
        if self.sets:
            return np.asarray(self._queries[start:stop] @ self._database.T > 0)
        return np.asarray(self._queries[start:stop, None] == self._database)

    def describe(self) -> str:
        """Name the rule in a few words, for result records."""
        return "shares a label" if self.sets else "same label"

    def counts(
        self, query_codes: Codes, database_codes: Codes, n_bits: int, start: int = 0
    ) -> tuple[Counts, Counts]:
        """Items and relevant items at every Hamming distance, uint32 [m, n_bits + 1] each.

        With one label per item, the relevant items are a block of the database ordered by label:
        every class is counted against its own block, which costs a fraction of the full scan.
        """
        if self.sets:
            return super().counts(query_codes, database_codes, n_bits, start)
        every, _ = kernels.histograms(query_codes, database_codes, n_bits)
        relevant = np.zeros_like(every)
        order, bounds = self._by_label
        ordered = database_codes[order]
        labels = self._queries[start : start + len(query_codes)]
        by_label = np.argsort(labels, kind="stable")
        present, first = np.unique(labels[by_label], return_index=True)
        for label, members in zip(present, np.split(by_label, first[1:]), strict=True):
            block = ordered[bounds[label] : bounds[label + 1]]
            if len(block):
                relevant[members] = kernels.histograms(query_codes[members], block, n_bits)[0]
        return every, relevant

    @cached_property
    def _by_label(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        counts = np.bincount(self._database, minlength=int(self._queries.max(initial=0)) + 1)
        order = np.argsort(self._database, kind="stable")
        return order, np.concatenate([[0], np.cumsum(counts)])


class ListedNeighbors(Relevance):
    """Relevant if the item is in the query's list of true neighbours.

    ``ids`` [n_queries, k] are database rows, -1 where a query has fewer than ``k``.
    """

    def __init__(self, ids: ArrayLike | Neighbors, n_database: int) -> None:
        ids = np.asarray(ids.ids if isinstance(ids, Neighbors) else ids)
        if ids.ndim != 2 or (ids.size and not np.issubdtype(ids.dtype, np.integer)):
            raise InputError(
                f"neighbors must be whole numbers [n_queries, k], got {ids.dtype} {ids.shape}"
            )
        ids = ids.astype(np.int64)
        if ids.size and not -1 <= ids.min() <= ids.max() < n_database:
            raise InputError(
                f"neighbors must be database rows from 0 to {n_database - 1}, or -1 for none: "
                f"got {ids.min()} to {ids.max()}"
            )
        ordered = np.sort(ids, axis=1)
        twice = np.any((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0), axis=1)
        if twice.any():
            raise InputError(f"neighbors of query {np.argmax(twice)} name a database row twice")
        self.ids, self.n_queries, self.n_database = ids, len(ids), int(n_database)

    def rows(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Relevance of the whole database to queries ``start`` to ``stop``, bool [m, n]."""
        ids = self.ids[start:stop]
        rows = np.zeros((len(ids), self.n_database), np.bool_)
        query, column = np.nonzero(ids >= 0)
        rows[query, ids[query, column]] = True
        return rows

    def describe(self) -> str:
        """Name the rule in a few words, for result records."""
        return f"{self.ids.shape[1]} listed neighbors"

    def counts(
        self, query_codes: Codes, database_codes: Codes, n_bits: int, start: int = 0
    ) -> tuple[Counts, Counts]:
        """Items and relevant items at every Hamming distance, uint32 [m, n_bits + 1] each.

        Only the listed pairs are compared for the relevant ones.
        """
        every, _ = kernels.histograms(query_codes, database_codes, n_bits)
        relevant = np.zeros(every.shape, np.uint32)
        ids = self.ids[start : start + len(query_codes)]
        block = max(1, BLOCK_BYTES // max(1, ids.shape[1] * query_codes.shape[1]))
        for first in range(0, len(ids), block):
            query, column = np.nonzero(ids[first : first + block] >= 0)
            query += first
            differ = query_codes[query] ^ database_codes[ids[query, column]]
            distance = np.bitwise_count(differ).sum(axis=1, dtype=np.int64)
            np.add.at(relevant, (query, distance), 1)
        return every, relevant


def _label_sets(queries: NDArray[Any], database: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    if queries.shape[1] != database.shape[1]:
        raise InputError(
            f"label sets must be equally wide, got {queries.shape[1]} and {database.shape[1]}"
        )
    for sets in (queries, database):
        if sets.size and not np.isin(sets, (0, 1)).all():
            raise InputError("label sets (2-D labels) must be 0 or 1: give class numbers as 1-D")
    return queries.astype(np.float32), database.astype(np.float32)


def _label_numbers(
    queries: NDArray[Any], database: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    both = np.concatenate([queries, database])
    if np.issubdtype(both.dtype, np.floating) and np.isnan(both).any():
        raise InputError("labels must not be NaN: leave out the unlabelled items")
    try:
        names, numbers = np.unique(both, return_inverse=True)
    except TypeError as error:
        raise InputError(f"labels must be numbers or strings of one kind: {error}") from error
    numbers = numbers.astype(np.min_scalar_type(len(names)))
    return numbers[: len(queries)], numbers[len(queries) :]

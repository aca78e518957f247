"""Which database items are right answers to which query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import Codes, paired_distances
from hammingbird.errors import InputError
from hammingbird.targets import Neighbors

Counts = NDArray[np.uint32]
BLOCK_BYTES = 1 << 24


class Relevance(ABC):
    """A rule that says for every query and database item whether the item is a right answer."""

    n_queries: int
    n_database: int
    unlabelled_queries: int = 0
    """Queries without a label; they have nothing relevant, and do not count."""
    unlabelled_database: int = 0
    """Database items without a label; they are relevant to nothing."""
    highest_grade: int = 1
    """Above 1 if relevance has grades: no pair of a query and an item has a higher one."""

    @abstractmethod
    def rows(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Relevance of the whole database to queries ``start`` to ``stop``, bool [m, n]."""

    def grades(self, start: int, stop: int) -> NDArray[Any]:
        """How relevant the database is to queries ``start`` to ``stop``, whole numbers [m, n]."""
        return self.rows(start, stop)

    def items(self, start: int, stop: int) -> list[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Relevant database rows of queries ``start`` to ``stop``, and their grades, [r] each."""
        grades = self.grades(start, stop)
        rows = [np.flatnonzero(row) for row in grades]
        return [(some, row[some]) for some, row in zip(rows, grades, strict=True)]

    def grades_of(self, queries: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Grade of each query and the database item beside it, int64 [p]."""
        pairs = zip(queries.tolist(), items.tolist(), strict=True)
        return np.array([self.grades(q, q + 1)[0, item] for q, item in pairs], np.int64)

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
            known = np.flatnonzero(self_rows >= 0)
            found[known] -= self.grades_of(known, self_rows[known]) > 0
        return found


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

    def items(self, start: int, stop: int) -> list[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Listed database rows of queries ``start`` to ``stop``, and a 1 for each."""
        listed = [np.sort(ids[ids >= 0]) for ids in self.ids[start:stop]]
        return [(ids, np.ones(len(ids), np.bool_)) for ids in listed]

    def n_relevant(self, self_rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Listed items of every query, int64 [n_queries], without its row in ``self_rows``."""
        others = self.ids >= 0
        if self_rows is not None:
            others &= self.ids != self_rows[:, None]
        return np.asarray(np.count_nonzero(others, axis=1), np.int64)

    def grades_of(self, queries: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.int64]:
        """1 where the query lists the database item beside it, int64 [p]."""
        return np.asarray((self.ids[queries] == items[:, None]).any(axis=1), np.int64)

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
            distance = paired_distances(query_codes[query], database_codes[ids[query, column]])
            np.add.at(relevant, (query, distance), 1)
        return every, relevant

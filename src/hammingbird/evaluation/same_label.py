"""Relevance by labels: one for each item, or a set of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import Codes
from hammingbird.errors import InputError
from hammingbird.evaluation.relevance import Counts, Relevance
from hammingbird.targets import without_label


class SameLabel(Relevance):
    """Relevant if the labels are equal, or the label sets share at least one label.

    Labels are one per item (1-D, numbers or strings) or sets (2-D, 0 or 1 per label). The number
    -1 and the empty set are no label: such an item is relevant to nothing, and such a query has
    nothing relevant. Of sets, the grade of an item is the number of labels it shares.
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
            largest = (sets.sum(axis=1).max(initial=1) for sets in (self._queries, self._database))
            self.highest_grade = max(1, int(min(largest)))
        else:
            self._queries, self._database = _label_numbers(queries, database)
        self.unlabelled_queries = int(without_label(queries).sum())
        self.unlabelled_database = int(without_label(database).sum())

    def rows(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Relevance of the whole database to queries ``start`` to ``stop``, bool [m, n]."""
        if self.sets:
            return np.asarray(self.grades(start, stop) > 0)
        return np.asarray(self._queries[start:stop, None] == self._database)

    def grades(self, start: int, stop: int) -> NDArray[Any]:
        """Shared labels of queries ``start`` to ``stop`` and the whole database, [m, n]."""
        if self.sets:
            return np.asarray(self._queries[start:stop] @ self._database.T)
        return self.rows(start, stop)

    def grades_of(self, queries: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Shared labels of each query and the database item beside it, int64 [p]."""
        ours, theirs = self._queries[queries], self._database[items]
        shared = (ours * theirs).sum(axis=1) if self.sets else ours == theirs
        return np.asarray(shared, np.int64)

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
        raise InputError("labels must not be NaN: give -1 to the items without a label")
    try:
        names, numbers = np.unique(both, return_inverse=True)
    except TypeError as error:
        raise InputError(f"labels must be numbers or strings of one kind: {error}") from error
    # No label is a number of its own on either side, so that it never equals another.
    numbers = numbers.astype(np.min_scalar_type(len(names) + 1))
    asked, stored = numbers[: len(queries)], numbers[len(queries) :]
    asked[without_label(queries)] = len(names)
    stored[without_label(database)] = len(names) + 1
    return asked, stored

"""Every order of the tied items of one query, and metrics of an order, with plain loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from hammingbird.codes import pack
from hammingbird.evaluation import Relevance

N_BITS = 12

items = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=9).filter(
    lambda some: any(relevant for _, relevant in some)
)
"""Distance and relevance of every database item; at least one is relevant."""


class Given(Relevance):
    """A relevance matrix as it is."""

    def __init__(self, matrix):
        self.matrix = np.asarray(matrix, bool)
        self.n_queries, self.n_database = self.matrix.shape

    def rows(self, start, stop):
        return self.matrix[start:stop]

    def describe(self):
        return "given"


class Graded(Given):
    """A matrix of grades as it is."""

    def __init__(self, matrix):
        super().__init__(np.asarray(matrix) > 0)
        self.matrix_of_grades = np.asarray(matrix)
        self.highest_grade = max(1, int(self.matrix_of_grades.max()))

    def grades(self, start, stop):
        return self.matrix_of_grades[start:stop].copy()


def as_codes(some):
    """One query and a database at the wanted distances of it, with the relevance."""
    query = pack(-np.ones((1, N_BITS)))
    bits = [[1.0] * distance + [-1.0] * (N_BITS - distance) for distance, _ in some]
    return query, pack(np.array(bits)), Given([[relevant for _, relevant in some]])


def orders(some) -> Iterator[list[bool]]:
    """All equally likely orders: the relevance of the ranked items, ties in any order."""
    groups = []
    for distance in sorted({distance for distance, _ in some}):
        group = [relevant for d, relevant in some if d == distance]
        groups.append(
            [
                [place in places for place in range(len(group))]
                for places in itertools.combinations(range(len(group)), sum(group))
            ]
        )
    for parts in itertools.product(*groups):
        yield [relevant for part in parts for relevant in part]


def slow_ap(order, cutoff=None, divisor="hits"):
    cutoff = len(order) if cutoff is None else min(cutoff, len(order))
    hits, total = 0, 0.0
    for rank, relevant in enumerate(order[:cutoff], 1):
        if relevant:
            hits += 1
            total += hits / rank
    if divisor == "min":
        return total / min(cutoff, sum(order))
    return total / hits if hits else 0.0


def slow_ndcg(order, n):
    n = min(n, len(order))
    gain = sum(relevant / math.log2(rank + 1) for rank, relevant in enumerate(order[:n], 1))
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(n, sum(order)) + 1))


def graded_orders(some) -> Iterator[list[int]]:
    """All equally likely orders: the grades of the ranked items, ties in any order."""
    groups = [
        list(itertools.permutations([grade for d, grade in some if d == distance]))
        for distance in sorted({distance for distance, _ in some})
    ]
    for parts in itertools.product(*groups):
        yield [grade for part in parts for grade in part]


def slow_graded_ndcg(order, n):
    def gained(grades):
        return sum((2**grade - 1) / math.log2(i + 2) for i, grade in enumerate(grades[:n]))

    return gained(order) / gained(sorted(order, reverse=True))

"""What codes keep of a search with the vectors themselves, one value a query, for every use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import kernels
from hammingbird.codes import Codes
from hammingbird.doctor.estimates import Floats
from hammingbird.doctor.truth import Part
from hammingbird.errors import InputError
from hammingbird.evaluation import ListedNeighbors, Ranking, SameLabel, average_precision
from hammingbird.evaluation.average_precision import listed_average_precision
from hammingbird.evaluation.metrics import recall_at
from hammingbird.index import rerank

NEAREST = 10
"""The nearest neighbours that codes are to keep."""
CANDIDATES = (50, 100, 200, 500)
"""Rows that are ordered again by their vectors."""
PAGE = 100
"""Results that count with labels."""
HAMMING, ASYMMETRIC = "Hamming alone", "asymmetric"
RERANKS = {f"re-rank of {candidates}": candidates for candidates in CANDIDATES}
"""The nearest by Hamming distance are ordered again."""
BOTH, BOTH_CANDIDATES = "asym., re-rank of 100", 100
"""The best by asymmetric search are ordered again."""
REREAD = {**RERANKS, BOTH: BOTH_CANDIDATES}
"""Uses of the vectors, and how many candidates they take."""
BY_BITS, BY_SCORES = (HAMMING, *RERANKS), (ASYMMETRIC, BOTH)
USES = (HAMMING, ASYMMETRIC, *RERANKS, BOTH)
"""How codes are searched: alone, by what the queries ask, or with the vectors at hand."""


class Quality(ABC):
    """What counts as a good result, in one part of the database."""

    part: Part
    what: str
    depth: int
    """Nearest rows that must be known."""
    ceiling: Floats | None = None
    """What the vectors themselves reach, a value a query; 1 where it is None."""

    @abstractmethod
    def of_codes(
        self, query: Codes, asked: NDArray[np.floating], database: Codes, n_bits: int
    ) -> dict[str, Floats]:
        """Value a query of every use, from the queries' codes [q] and what they ask, and codes [n].

        They ask scores [q, n_bits] or look-up tables [q, bytes, 256].
        """

    @abstractmethod
    def of_hits(self, hits: NDArray[np.int64]) -> dict[str, Floats]:
        """Value a query of another search that gives rows [q, 500] in order, -1 for none."""


class NeighborsKept(Quality):
    """The share of the ten nearest neighbours among the first ten results."""

    what = "of the ten nearest neighbours"
    depth = NEAREST

    def __init__(self, part: Part) -> None:
        self.part = part

    def of_codes(
        self, query: Codes, asked: NDArray[np.floating], database: Codes, n_bits: int
    ) -> dict[str, Floats]:
        """Expected over ties; a re-rank finds what is among its candidates."""
        truth = ListedNeighbors(self.part.nearest[:, :NEAREST], len(database))
        ranking = Ranking.from_codes(query, database, n_bits, truth)
        asymmetric, _ = kernels.best(asked, database, n_bits, BOTH_CANDIDATES)
        return {
            HAMMING: recall_at(ranking, NEAREST),
            ASYMMETRIC: self._found(asymmetric[:, :NEAREST]),
            **{use: recall_at(ranking, depth) for use, depth in RERANKS.items()},
            BOTH: self._found(asymmetric),
        }

    def of_hits(self, hits: NDArray[np.int64]) -> dict[str, Floats]:
        """A re-rank finds what is among its candidates."""
        return {
            ASYMMETRIC: self._found(hits[:, :NEAREST]),
            **{use: self._found(hits[:, :depth]) for use, depth in REREAD.items()},
        }

    def _found(self, ids: NDArray[np.int64]) -> Floats:
        truth = self.part.nearest[:, :NEAREST]
        return np.array([np.isin(t, i).mean() for t, i in zip(truth, ids, strict=True)])


class LabelsKept(Quality):
    """MAP of the first hundred results, where the rows of a query's own label are right."""

    what = "of the float vectors' MAP@100"
    depth = PAGE

    def __init__(
        self,
        part: Part,
        query_labels: NDArray[Any],
        labels: NDArray[Any],
        queries: NDArray[np.float32],
        vectors: NDArray[Any],
    ) -> None:
        """``labels`` and ``vectors`` are those of the part's rows."""
        self.part, self.queries, self.vectors = part, queries, vectors
        self.relevance = SameLabel(query_labels, labels)
        self._counts = self.relevance.n_relevant() > 0
        if not self._counts.any():
            raise InputError("no held-out row shares its label with another: are these the labels?")
        self.ceiling = self._precision(part.nearest)

    def of_codes(
        self, query: Codes, asked: NDArray[np.floating], database: Codes, n_bits: int
    ) -> dict[str, Floats]:
        """Expected over ties by Hamming distance; behind a re-rank its order goes on."""
        ranking = Ranking.from_codes(query, database, n_bits, self.relevance)
        asymmetric, _ = kernels.best(asked, database, n_bits, BOTH_CANDIDATES)
        nearest, _ = kernels.nearest(query, database, max(CANDIDATES))
        return {
            HAMMING: average_precision(ranking, PAGE),
            ASYMMETRIC: self._precision(asymmetric),
            **self._reranked(nearest, RERANKS),
            **self._reranked(asymmetric, {BOTH: BOTH_CANDIDATES}),
        }

    def of_hits(self, hits: NDArray[np.int64]) -> dict[str, Floats]:
        """Behind a re-rank the order of the search goes on."""
        return {ASYMMETRIC: self._precision(hits[:, :PAGE]), **self._reranked(hits, REREAD)}

    def _reranked(self, hits: NDArray[np.int64], depths: dict[str, int]) -> dict[str, Floats]:
        found = {}
        for use, depth in depths.items():
            first = rerank(self.queries, hits[:, :depth], self.vectors, depth).ids
            found[use] = self._precision(np.hstack([first, hits[:, depth:PAGE]])[:, :PAGE])
        return found

    def _precision(self, ids: NDArray[np.int64]) -> Floats:
        """Average precision of rows [q, 100] in order, divided by the hits among them."""
        query = np.repeat(np.arange(len(ids)), ids.shape[1])
        grades = self.relevance.grades_of(query, ids.ravel()).reshape(ids.shape)
        right = (grades > 0) & (ids >= 0)
        value = listed_average_precision(right)
        value[~self._counts] = np.nan
        return value

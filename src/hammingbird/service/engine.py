"""What the service does, without HTTP: it encodes, searches, and keeps items."""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import Codes, check_codes, paired_distances
from hammingbird.datasets.images import frame_of
from hammingbird.errors import HammingbirdError, InputError
from hammingbird.hasher import Hasher
from hammingbird.index import rerank
from hammingbird.index.rows import check_ids
from hammingbird.service.items import Items, Payload, Written
from hammingbird.targets import Measure


class UnknownIdError(InputError):
    """An id that no item has."""


class TakenIdError(InputError):
    """An id that an item has already."""


@dataclass(frozen=True, eq=False)
class Question:
    """Queries of one request, all of one kind, and what is asked about them.

    With ``scores`` (see ``Hasher.asked``) the search is asymmetric. With ``vectors`` [n, d] the
    ``candidates``
    nearest are ordered by the distance of the vectors.
    """

    codes: Codes
    k: int
    scores: NDArray[np.floating] | None = None
    vectors: NDArray[Any] | None = None
    candidates: int = 0
    measure: Measure = "l2"
    radius: int | None = None
    histogram: bool = False
    payloads: bool = True

    @property
    def depth(self) -> int:
        """How many codes are looked for."""
        return max(self.k, self.candidates) if self.vectors is not None else self.k


@dataclass(eq=False)
class Found:
    """Answers to a question: ids and distances [n, k], -1 where nothing is left, nearest first.

    ``order`` holds what the hits are ordered by, where that is not the Hamming distance: scores
    (largest first), or distances of the vectors. ``within`` counts the codes inside the radius.
    """

    ids: NDArray[np.int64]
    distances: NDArray[np.uint16]
    order: NDArray[np.floating] | None = None
    histograms: NDArray[np.uint32] | None = None
    within: NDArray[np.int64] | None = None
    payloads: dict[int, Payload] | None = None


class Engine:
    """Items, their index in memory, and perhaps the model that makes their codes.

    A change is on the disk before it is in the index. Searches see one moment and wait for no
    writer. ``threads`` work at one batch of searches.
    """

    def __init__(self, items: Items, hasher: Hasher | None = None, threads: int | None = None):
        if hasher is not None and hasher.n_bits_ != items.n_bits:
            raise InputError(
                f"the model gives {hasher.n_bits_} bits, the codes have {items.n_bits}: "
                "give the model that made them"
            )
        self.items, self.n_bits, self.hasher = items, items.n_bits, hasher
        self.threads = threads or max(1, (os.cpu_count() or 1) - 1)
        self.index = items.index()
        self._writing = Lock()

    def close(self) -> None:
        """Let the file go."""
        with self._writing:
            self.items.close()

    @property
    def model(self) -> Hasher:
        """The model, or an error that says there is none."""
        if self.hasher is None:
            raise InputError("this service has no model: send codes, or start it with --model")
        return self.hasher

    @cached_property
    def frame(self) -> tuple[int, ...]:
        """Height and width, and 3 if coloured, of the pictures that the model takes."""
        return frame_of(self.model)

    def questions(self, vectors: NDArray[Any]) -> tuple[Codes, NDArray[np.floating]]:
        """Codes of vectors [n, d], or pictures as :attr:`frame` says, and what these ask."""
        return self.model.questions(vectors)

    def encode(self, vectors: NDArray[Any]) -> Codes:
        """Packed codes of vectors [n, d]."""
        return self.model.encode(vectors)

    def search(self, questions: Sequence[Question]) -> list[Found | Exception]:
        """Answer questions together: those of one depth and kind are one call of the kernels."""
        answers: list[Found | Exception] = [InputError("not answered")] * len(questions)
        groups = defaultdict(list)
        for i, question in enumerate(questions):
            groups[question.depth, question.scores is None].append(i)
        for (depth, symmetric), members in groups.items():
            some = [questions[i] for i in members]
            found = self._nearest(some, depth) if symmetric else self._best(some, depth)
            for i, question, one in zip(members, some, found, strict=True):
                try:
                    answers[i] = self._finish(question, one)
                except HammingbirdError as error:  # noqa: PERF203 - one answer, not all
                    answers[i] = error
        self._add_payloads(questions, answers)
        return answers

    def write(
        self,
        codes: Codes,
        ids: Sequence[int | None],
        vectors: Sequence[NDArray[np.float32] | None],
        payloads: Sequence[str | None],
        *,
        replace: bool = False,
    ) -> list[int]:
        """Store items and return their ids; those without an id get the next ones."""
        codes = check_codes(codes, self.n_bits)
        with self._writing:
            fresh = iter(range(self._next_id(ids), 2**63))
            known = check_ids(np.array([next(fresh) if i is None else i for i in ids], np.int64))
            if len(np.unique(known)) < len(known):
                raise TakenIdError("an id comes twice in one request: ids must be unique")
            taken = known[self.index.contains(known)]
            if len(taken) and not replace:
                raise TakenIdError(f"id {taken[0]} is taken: replace it, or leave ids out")
            self.items.write(Written(known, codes, vectors, payloads))
            self.index.upsert(codes, known, sort=True)
        written: list[int] = known.tolist()
        return written

    def remove(self, ids: Sequence[int]) -> None:
        """Forget items; an id that no item has is an error, and nothing is forgotten."""
        with self._writing:
            gone = self._known(ids)
            self.items.remove(gone.tolist())
            self.index.remove(gone)

    def item(self, i: int) -> tuple[Codes, Payload | None]:
        """The code [bytes] and the payload of one item."""
        (code,) = self.codes_of([i])
        return code, self.items.payloads([i]).get(i)

    def codes_of(self, ids: Sequence[int]) -> Codes:
        """The codes [n, bytes] of items."""
        codes, there = self.index.find(ids)
        if not there.all():
            raise UnknownIdError(f"there is no item {ids[int(there.argmin())]}")
        return codes

    def any_id(self) -> int | None:
        """The id of some item, another each time; None if there is none."""
        ids = self.index.ids
        return int(ids[secrets.randbelow(len(ids))]) if len(ids) else None

    def _known(self, ids: Sequence[int]) -> NDArray[np.int64]:
        known = check_ids(np.unique(ids))
        missing = known[~self.index.contains(known)]
        if len(missing):
            raise UnknownIdError(f"there is no item {missing[0]}")
        return known

    def _next_id(self, ids: Sequence[int | None]) -> int:
        given = [i for i in ids if i is not None]
        here = self.index.ids
        return max([int(here[-1]) if len(here) else -1, *given]) + 1

    def _nearest(self, questions: Sequence[Question], depth: int) -> list[Found]:
        codes = np.concatenate([question.codes for question in questions])
        ids, distances = self.index.search(codes, depth, threads=self.threads)
        cuts = np.cumsum([len(question.codes) for question in questions])[:-1]
        return [
            Found(*both)
            for both in zip(np.split(ids, cuts), np.split(distances, cuts), strict=True)
        ]

    def _best(self, questions: Sequence[Question], depth: int) -> list[Found]:
        found = []
        scores = np.concatenate([np.asarray(q.scores, np.float32) for q in questions])
        ids, values = self.index.search_scores(scores, depth, threads=self.threads)
        start = 0
        for question in questions:
            some = slice(start, start := start + len(question.codes))
            found.append(Found(*self._distances(question.codes, ids[some]), values[some]))
        return found

    def _distances(
        self, queries: Codes, ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
        """Ids [n, k], -1 for those that are gone by now, and their Hamming distances."""
        asked = ids >= 0
        codes, there = self.index.find(ids[asked])
        distances = np.full(ids.shape, 65535, np.uint16)
        distances[asked] = paired_distances(codes, queries[np.nonzero(asked)[0]])
        kept = np.full(ids.shape, -1, np.int64)
        kept[asked] = np.where(there, ids[asked], -1)
        return kept, distances

    def _finish(self, question: Question, found: Found) -> Found:
        if question.vectors is not None:
            found = self._reranked(question, found)
        if question.histogram or question.radius is not None:
            counts = self.index.histograms(question.codes, threads=self.threads)
            found.histograms = counts if question.histogram else None
            if question.radius is not None:
                found.within = counts[:, : question.radius + 1].sum(axis=1)
                found.ids = np.where(found.distances <= question.radius, found.ids, -1)
        return found

    def _reranked(self, question: Question, found: Found) -> Found:
        there = np.unique(found.ids[found.ids >= 0])
        known = self.items.vectors(there.tolist())
        if len(known) < len(there):
            lacking = next(i for i in there.tolist() if i not in known)
            raise InputError(f"item {lacking} has no vector to re-rank by: add it with one")
        assert question.vectors is not None
        width = question.vectors.shape[1]
        table = np.zeros((len(there), width), np.float32)
        for row, i in enumerate(there.tolist()):
            if len(known[i]) != width:
                raise InputError(f"item {i} has a vector of {len(known[i])} numbers, not {width}")
            table[row] = known[i]
        rows = np.where(found.ids >= 0, there.searchsorted(found.ids), -1)
        order = rerank(question.vectors, rows, table, question.k, question.measure)
        ids = np.where(order.ids >= 0, there[order.ids.clip(0)] if len(there) else -1, -1)
        values: NDArray[np.floating] = order.distances.astype(np.float64)
        return Found(*self._distances(question.codes, ids), values)

    def _add_payloads(
        self, questions: Sequence[Question], answers: Sequence[Found | Exception]
    ) -> None:
        asked = [
            answer
            for question, answer in zip(questions, answers, strict=True)
            if question.payloads and isinstance(answer, Found)
        ]
        if asked:
            every = np.unique(np.concatenate([answer.ids.ravel() for answer in asked]))
            payloads = self.items.payloads(every[every >= 0].tolist())
            for answer in asked:
                answer.payloads = payloads

"""Exact search without comparing all codes, by multi-index hashing."""

from __future__ import annotations

import os
import time
from math import comb
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import Codes, check_codes, check_n_bits, n_bytes
from hammingbird.errors import InputError
from hammingbird.index.files import read_rows, write_rows
from hammingbird.index.rows import Ids, Rows, check_ids
from hammingbird.index.scan import Within, ids_at, read_only
from hammingbird.index.tables import build
from hammingbird.kernels import Buckets
from hammingbird.kernels.checks import FARTHEST, check_k, check_radius
from hammingbird.targets import Neighbors

SAMPLE, DEPTH = 32, 256
"""Codes whose so many neighbours are sought to time the tables against the scan."""
SHARE = 0.5
"""A query may spend so much of the time of a scan before it is scanned after all."""
LEAST_EXTRA = 4096
MOST_EXTRA, MOST_GONE = 1 / 16, 1 / 8
"""Parts of the codes that may have come or gone since the tables were made."""


class State(NamedTuple):
    """What one search sees. Tables are made of ``main`` when they are first asked for."""

    main: Rows
    extra: Rows
    """Codes that came later, compared one by one."""
    gone: NDArray[np.bool_] | None
    """Rows of ``main`` that were removed, or replaced by one of ``extra``."""
    n_gone: int
    tables: Buckets | None
    paces: tuple[int, int]
    """Codes compared in buckets while a scan takes one query, and one of many."""

    def in_main(self, ids: Ids) -> tuple[NDArray[np.bool_], Ids]:
        """Which ids are rows of ``main`` and not gone, bool [n], and those rows."""
        here = self.main.contains(ids)
        rows = self.main.ids.searchsorted(ids[here])
        if self.gone is not None:
            stay = ~self.gone[rows]
            here[here], rows = stay, rows[stay]
        return here, rows

    def next_ids(self, count: int) -> Ids:
        """The ids after the largest."""
        last = self.main
        if self.gone is not None and self.gone[-1]:
            stay = np.flatnonzero(~self.gone)
            last = last._replace(top=int(last.ids[stay[-1]]) if len(stay) else -1)
        return max(last, self.extra, key=lambda rows: rows.top).next_ids(count)

    def without_rows(self, rows: Ids) -> State:
        """The same with rows of ``main`` marked as gone."""
        if not len(rows):
            return self
        gone = np.zeros(self.main.n, bool) if self.gone is None else self.gone.copy()
        gone[rows] = True
        return self._replace(gone=gone, n_gone=self.n_gone + len(rows))

    @property
    def stale(self) -> bool:
        """Whether so much has changed that the tables are worth making again."""
        return (
            self.extra.n > max(LEAST_EXTRA, self.main.n * MOST_EXTRA)
            or self.n_gone > self.main.n * MOST_GONE
        )

    def alive(self) -> Rows:
        """What is left of ``main``."""
        if self.gone is None:
            return self.main
        return Rows.of(self.main.codes[~self.gone], self.main.ids[~self.gone])

    def merged(self) -> State:
        """All codes as ``main``, without tables."""
        if not (self.extra.n or self.n_gone):
            return self
        alive, extra = self.alive(), self.extra.sorted()
        ids = np.concatenate([alive.ids, extra.ids])
        codes = np.concatenate([alive.codes, extra.codes])
        if len(extra.ids) and len(ids) > len(extra.ids):
            order = np.argsort(ids, kind="stable")
            ids, codes = ids[order], codes[order]
        return _of(Rows.of(codes, ids), codes.shape[1])


class MultiIndex:
    """Exact search over codes of ``n_bits`` bits that looks at few of them.

    A code is cut into substrings, each with a table of buckets; codes that are near agree, nearly,
    in one substring (Norouzi, Punjani, Fleet 2012). Results are those of :class:`Scan`, always: at
    a time that grows slower than the number of codes, for about three times its memory. It pays
    for millions of short codes (64 bits) and near neighbours. Where it does not, which is measured
    when the tables are made, queries are scanned.

    Ids, changes and threads are as in :class:`Scan`. The tables are made at the first search, and
    again when a sixteenth of the codes is new or an eighth is gone.
    """

    def __init__(self, n_bits: int) -> None:
        self.n_bits = check_n_bits(n_bits)
        self._writing = Lock()
        self._state = _of(_none(n_bytes(n_bits)), n_bytes(n_bits))

    def __len__(self) -> int:
        state = self._state
        return state.main.n - state.n_gone + state.extra.size

    def __repr__(self) -> str:
        return f"MultiIndex(n_bits={self.n_bits}) of {len(self)} codes"

    def __getstate__(self) -> dict[str, Any]:
        rows = self._state.merged().main
        return {"n_bits": self.n_bits, "codes": rows.codes, "ids": rows.ids}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["n_bits"])  # type: ignore[misc]
        self._state = _of(Rows.of(state["codes"], state["ids"]), n_bytes(self.n_bits))

    @property
    def ids(self) -> Ids:
        """All ids, ascending, int64 [n]."""
        return read_only(self._state.merged().main.ids)

    @property
    def codes(self) -> Codes:
        """All codes, in the order of ``ids``, uint8 [n, bytes]."""
        return read_only(self._state.merged().main.codes)

    def contains(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Which of the ids [n] the index holds, bool [n]."""
        wanted, state = check_ids(ids), self._state
        found: NDArray[np.bool_] = state.in_main(wanted)[0] | state.extra.contains(wanted)
        return found

    def add(self, codes: ArrayLike, ids: ArrayLike | None = None) -> MultiIndex:
        """Store codes [n, bytes] under new ids [n], by default those after the largest id.

        Returns the index itself.
        """
        codes = check_codes(codes, self.n_bits)
        new = None if ids is None else check_ids(ids, len(codes))
        with self._writing:
            state = self._state
            if new is None:
                new = state.next_ids(len(codes))
            taken = new[state.in_main(new)[0]]
            if len(taken):
                raise InputError(f"id {taken[0]} is taken: use upsert to replace its code")
            self._state = state._replace(extra=state.extra.with_rows(codes, new))
        return self

    def upsert(self, codes: ArrayLike, ids: ArrayLike) -> MultiIndex:
        """Store codes [n, bytes] under ids [n]; the code of an id that is there is replaced.

        Returns the index itself.
        """
        codes = check_codes(codes, self.n_bits)
        new = check_ids(ids, len(codes))
        with self._writing:
            state = self._state
            extra = state.extra.with_rows(codes, new, replace=True)
            self._state = state._replace(extra=extra).without_rows(state.in_main(new)[1])
        return self

    def remove(self, ids: ArrayLike) -> MultiIndex:
        """Forget the codes with these ids; an id that is not there is an :class:`InputError`.

        Returns the index itself.
        """
        gone = check_ids(ids)
        with self._writing:
            state = self._state
            here, rows = state.in_main(gone)
            extra = state.extra.without(gone[~here]) if not here.all() else state.extra
            self._state = state._replace(extra=extra).without_rows(np.unique(rows))
        return self

    def search(self, codes: ArrayLike, k: int) -> Neighbors:
        """Exact ``k`` nearest codes: ids int64 and Hamming distances uint16, both [n, k].

        Where there are fewer than ``k`` codes, id -1 and distance 65,535 fill up.
        """
        queries, k = check_codes(codes, self.n_bits, "queries"), check_k(k)
        state = self._ready()
        found = self._search_main(state, queries, k)
        if not state.extra.n:
            return found
        rows, distances = kernels.nearest(queries, state.extra.codes, k)
        return _nearer(found, Neighbors(ids_at(state.extra.ids, rows), distances), k)

    def within(self, codes: ArrayLike, radius: int) -> Within:
        """Every code at most ``radius`` bits away, nearest first, ties by the smaller id."""
        queries = check_codes(codes, self.n_bits, "queries")
        radius = check_radius(radius, queries)
        state = self._ready()
        if _looks(state, radius) <= _budget(state, queries):
            offsets, rows, distances = kernels.within_in_buckets(queries, _tables(state), radius)
            found = Within(offsets, state.main.ids[rows], distances)
        else:
            alive = state.alive()
            offsets, rows, distances = kernels.within(queries, alive.codes, radius)
            found = Within(offsets, alive.ids[rows], distances)
        if not state.extra.n:
            return found
        offsets, rows, distances = kernels.within(queries, state.extra.codes, radius)
        return _united(found, Within(offsets, state.extra.ids[rows], distances))

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write ``index.json``, ``codes.npy`` and ``ids.npy`` into a new folder, as a Scan does."""
        write_rows(folder, "MultiIndex", self.n_bits, self._state.merged().main, overwrite)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> MultiIndex:
        """Read a saved index; its tables are made at the first search."""
        n_bits, rows = read_rows(folder, "MultiIndex", False)
        index = cls(n_bits)
        index._state = _of(rows, n_bytes(n_bits))
        return index

    # -- which way a query goes -----------------------------------------------------------------

    def _search_main(self, state: State, queries: Codes, k: int) -> Neighbors:
        """The nearest codes of ``main``, by its tables where that is quicker."""
        there = min(k, state.main.n - state.n_gone)
        ids = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), FARTHEST, np.uint16)
        if not (there and len(queries)):
            return Neighbors(ids, distances)
        budget = _budget(state, queries)
        left = np.ones(len(queries), bool)
        # The first queries tell whether it is worth asking the tables for the others.
        for start, end in ((0, SAMPLE), (SAMPLE, len(queries))):
            some = slice(start, min(end, len(queries)))
            rows, far, spent = kernels.nearest_in_buckets(
                queries[some], _tables(state), there, budget
            )
            ids[some, :there], distances[some, :there] = ids_at(state.main.ids, rows), far
            left[some] = spent < 0
            if len(queries) <= end or left[some].mean() > SHARE:
                break
        if left.any():
            alive = state.alive()
            rows, far = kernels.nearest(queries[left], alive.codes, there)
            ids[left, :there], distances[left, :there] = alive.ids[rows], far
        return Neighbors(ids, distances)

    # -- what a search sees ---------------------------------------------------------------------

    def _ready(self) -> State:
        """The codes at this moment, with tables, and ids of ``extra`` in order."""
        state = self._state
        if state.tables is None or state.stale or state.extra.ordered < state.extra.n:
            with self._writing:
                state = self._state
                if state.stale or state.tables is None:
                    state = state.merged()
                if state.tables is None:
                    tables = build(state.main.codes, self.n_bits)
                    state = state._replace(tables=tables, paces=_paces(tables, state.main.codes))
                self._state = state = state._replace(extra=state.extra.sorted())
        return state


def _none(width: int) -> Rows:
    return Rows.of(np.empty((0, width), np.uint8), np.empty(0, np.int64))


def _of(main: Rows, width: int) -> State:
    return State(main, _none(width), None, 0, None, (0, 0))


def _tables(state: State) -> Buckets:
    assert state.tables is not None
    return state.tables._replace(gone=state.gone)


def _paces(tables: Buckets, codes: Codes) -> tuple[int, int]:
    """Time the tables against the scan, on one core and by its own time, whatever else runs."""
    if not len(codes):
        return 0, 0
    sample = codes[np.linspace(0, len(codes) - 1, SAMPLE).astype(np.int64)]
    start = time.thread_time()
    deep = min(DEPTH, len(codes))
    _, _, spent = kernels.nearest_in_buckets(sample, tables, deep, len(codes), threads=1)
    each = (time.thread_time() - start) / int(np.where(spent < 0, -spent, spent).sum())
    found = []
    for queries in (sample[:1], sample):
        start = time.thread_time()
        kernels.nearest(queries, codes, 10, threads=1)
        found.append(int((time.thread_time() - start) / len(queries) / max(each, 1e-12)))
    return found[0], found[1]


def _budget(state: State, queries: Codes) -> int:
    """Codes that a query may compare in buckets before a scan would have been quicker."""
    return int(SHARE * state.paces[len(queries) >= SAMPLE])


def _looks(state: State, radius: int) -> int:
    """What a search within a radius is expected to cost, as codes compared."""
    tables, cost = _tables(state), 0
    lengths = np.diff(tables.bits).tolist()
    for step in range(radius + 1):
        ones, t = divmod(step, len(lengths))
        each = kernels.BUCKET_COST + (state.main.n >> lengths[t])
        cost += comb(lengths[t], ones) * each
    return cost


def _nearer(one: Neighbors, other: Neighbors, k: int) -> Neighbors:
    """The ``k`` nearest of both."""
    ids = np.concatenate([one.ids, other.ids], axis=1)
    distances = np.concatenate([one.distances, other.distances], axis=1)
    order = np.lexsort((ids, distances), axis=1)[:, :k]
    return Neighbors(
        np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)
    )


def _united(one: Within, other: Within) -> Within:
    """The hits of both, query by query."""
    n = len(one.offsets) - 1
    query = np.concatenate(
        [np.repeat(np.arange(n), np.diff(some.offsets)) for some in (one, other)]
    )
    ids, distances = np.append(one.ids, other.ids), np.append(one.distances, other.distances)
    order = np.lexsort((ids, distances, query))
    return Within(one.offsets + other.offsets, ids[order], distances[order])

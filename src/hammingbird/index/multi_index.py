"""Exact search without comparing all codes, by multi-index hashing."""

from __future__ import annotations

import os
import time
from math import comb
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import Codes, check_codes, check_n_bits, n_bytes
from hammingbird.errors import InputError
from hammingbird.index.files import read_rows, write_rows
from hammingbird.index.rows import Ids, Rows, check_ids
from hammingbird.index.scan import Within, ids_at, read_only
from hammingbird.index.state import State, nearer, united
from hammingbird.index.tables import build
from hammingbird.kernels import Buckets
from hammingbird.kernels.checks import FARTHEST, check_k, check_radius
from hammingbird.targets import Neighbors

MOST_BITS = 128
SAMPLE, DEPTH = 32, 256
"""Codes whose so many neighbours are sought to time the tables against the scan."""
SHARE = 0.5
"""A query may spend so much of the time of a scan before it is scanned after all."""


class MultiIndex:
    """Exact search over codes of ``n_bits`` bits that looks at few of them.

    A code is cut into substrings, each with a table of buckets; codes that are near agree, nearly,
    in one substring (Norouzi, Punjani, Fleet 2012). Results are those of :class:`Scan`, always: at
    a time that grows slower than the number of codes, for about three times its memory. It pays
    for millions of short codes (64 bits) and near neighbours. Where it does not, which is measured
    when the tables are made, queries are scanned. Codes have at most 128 bits: of longer ones the
    neighbours are too far away, and every table would hold them all once more.

    Ids, changes and threads are as in :class:`Scan`. The tables are made at the first search, and
    again when a sixteenth of the codes is new or an eighth is gone.
    """

    def __init__(self, n_bits: int) -> None:
        self.n_bits = check_n_bits(n_bits)
        if n_bits > MOST_BITS:
            raise InputError(
                f"MultiIndex is for codes of at most {MOST_BITS} bits, got {n_bits}: use Scan, "
                "which is as quick for them and takes a fraction of the memory"
            )
        self._writing = Lock()
        self._state = State.of(
            Rows.of(np.empty((0, n_bytes(n_bits)), np.uint8), np.empty(0, np.int64))
        )

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
        self._state = State.of(Rows.of(state["codes"], state["ids"]))

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
        return nearer(found, Neighbors(ids_at(state.extra.ids, rows), distances), k)

    def within(self, codes: ArrayLike, radius: int) -> Within:
        """Every code at most ``radius`` bits away, nearest first, ties by the smaller id."""
        queries = check_codes(codes, self.n_bits, "queries")
        radius = check_radius(radius, queries)
        state = self._ready()
        if _looks(state, radius) <= _budget(state, queries):
            offsets, rows, distances = kernels.within_in_buckets(queries, state.buckets, radius)
            found = Within(offsets, state.main.ids[rows], distances)
        else:
            alive = state.alive()
            offsets, rows, distances = kernels.within(queries, alive.codes, radius)
            found = Within(offsets, alive.ids[rows], distances)
        if not state.extra.n:
            return found
        offsets, rows, distances = kernels.within(queries, state.extra.codes, radius)
        return united(found, Within(offsets, state.extra.ids[rows], distances))

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write ``index.json``, ``codes.npy`` and ``ids.npy`` into a new folder, as a Scan does."""
        write_rows(folder, "MultiIndex", self.n_bits, self._state.merged().main, overwrite)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> MultiIndex:
        """Read a saved index; its tables are made at the first search."""
        n_bits, rows = read_rows(folder, "MultiIndex", False)
        index = cls(n_bits)
        index._state = State.of(rows)
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
                queries[some], state.buckets, there, budget
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
    tables, cost = state.buckets, 0
    lengths = np.diff(tables.bits).tolist()
    for step in range(radius + 1):
        ones, t = divmod(step, len(lengths))
        each = kernels.BUCKET_COST + (state.main.n >> lengths[t])
        cost += comb(lengths[t], ones) * each
    return cost

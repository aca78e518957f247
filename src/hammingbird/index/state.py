"""What one search of a :class:`MultiIndex` sees: codes with tables, and what changed since."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hammingbird.index.rows import Ids, Rows
from hammingbird.index.scan import Within
from hammingbird.kernels import Buckets
from hammingbird.targets import Neighbors

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

    @classmethod
    def of(cls, main: Rows) -> State:
        """Rows that nothing has changed yet, without tables."""
        extra = Rows.of(main.code_room[:0], main.id_room[:0])
        return cls(main, extra, None, 0, None, (0, 0))

    @property
    def buckets(self) -> Buckets:
        """The tables, which know what is gone."""
        assert self.tables is not None
        return self.tables._replace(gone=self.gone)

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
        return State.of(Rows.of(codes, ids))


def nearer(one: Neighbors, other: Neighbors, k: int) -> Neighbors:
    """The ``k`` nearest of both."""
    ids = np.concatenate([one.ids, other.ids], axis=1)
    distances = np.concatenate([one.distances, other.distances], axis=1)
    order = np.lexsort((ids, distances), axis=1)[:, :k]
    return Neighbors(
        np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)
    )


def united(one: Within, other: Within) -> Within:
    """The hits of both, query by query."""
    n = len(one.offsets) - 1
    query = np.concatenate(
        [np.repeat(np.arange(n), np.diff(some.offsets)) for some in (one, other)]
    )
    ids, distances = np.append(one.ids, other.ids), np.append(one.distances, other.distances)
    order = np.lexsort((ids, distances, query))
    return Within(one.offsets + other.offsets, ids[order], distances[order])

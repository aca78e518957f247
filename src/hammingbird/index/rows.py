"""Codes under ids as one search sees them: never changed once made, and cheap to append to."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.codes import Codes
from hammingbird.errors import InputError

LAST_ID = 2**63 - 1
Ids = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


def check_ids(ids: ArrayLike, count: int | None = None) -> Ids:
    """Ids [n], whole numbers of at least 0, as int64; ``count`` of them if it is given."""
    ids = np.asarray(ids)
    if ids.ndim != 1 or (ids.dtype.kind not in "iu" and len(ids)):
        raise InputError(f"ids must be whole numbers [n], got {ids.dtype} {ids.shape}")
    if count is not None and len(ids) != count:
        raise InputError(f"{len(ids)} ids do not fit {count} codes")
    # Arrays from another process may begin anywhere in memory, which not every client bears.
    found = np.require(ids, np.int64, "A")
    if len(found) and found.min() < 0:  # unsigned numbers that are too large are negative here
        raise InputError(f"ids must be between 0 and {LAST_ID}, got {ids.min()} to {ids.max()}")
    return found


class Rows(NamedTuple):
    """The first ``n`` rows of two buffers, which may have room behind them for the next rows.

    Only the newest value may be appended to: older ones share its buffers and end before what is
    new. Ids ascend up to row ``ordered``. Ids behind it came late, smaller than one before them or
    in place of an equal one; ``late`` knows their rows, and :meth:`sorted` puts them in order.
    """

    code_room: Codes
    id_room: Ids
    n: int
    size: int
    """How many different ids there are."""
    top: int
    """The largest id, -1 if there is none."""
    ordered: int
    late: dict[int, int]

    @classmethod
    def of(cls, codes: Codes, ids: Ids) -> Rows:
        """Rows whose ids ascend."""
        n = len(ids)
        return cls(codes, ids, n, n, int(ids[-1]) if n else -1, n, {})

    @property
    def codes(self) -> Codes:
        """Codes [n, bytes]."""
        return self.code_room[: self.n]

    @property
    def ids(self) -> Ids:
        """Ids [n] of the codes."""
        return self.id_room[: self.n]

    def next_ids(self, count: int) -> Ids:
        """The ids after the largest."""
        if self.top > LAST_ID - count:
            raise InputError(
                f"there are not {count} ids after the largest one, {self.top}: give ids of your own"
            )
        return np.arange(self.top + 1, self.top + 1 + count, dtype=np.int64)

    def contains(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of the ids are here, bool [n]."""
        known = self.id_room[: self.ordered]
        places = known.searchsorted(ids)
        found: NDArray[np.bool_] = places < self.ordered
        found[found] = known[places[found]] == ids[found]
        if self.late:
            for i in np.flatnonzero(~found):
                row = self.late.get(int(ids[i]))
                # `late` is shared with later values and with an addition that was interrupted, so
                # what it says of a row is looked up, and sought where the row is not ours.
                found[i] = row is not None and (
                    (row < self.n and self.id_room[row] == ids[i])
                    or (self.id_room[self.ordered : self.n] == ids[i]).any()
                )
        return found

    def with_rows(self, codes: Codes, ids: Ids, *, replace: bool = False) -> Rows:
        """These and new rows; an id that is here already, or comes twice, is an error.

        With ``replace`` the new code takes the place of the one that is here.
        """
        count, n = len(ids), self.n + len(ids)
        if not count:
            return self
        ascend = count == 1 or bool((ids[1:] > ids[:-1]).all())
        append = ascend and self.ordered == self.n and int(ids[0]) > self.top
        size = n if append else self.size + self._check_new(ids, ascend, replace)
        code_room, id_room = self.code_room, self.id_room
        if n > len(id_room):
            code_room, id_room = _grown(self.codes, n), _grown(self.ids, n)
        code_room[self.n : n] = codes
        id_room[self.n : n] = ids
        if append:
            return Rows(code_room, id_room, n, n, int(ids[-1]), n, self.late)
        top = max(self.top, int(ids.max()))
        rows = Rows(code_room, id_room, n, size, top, self.ordered, self.late)
        # Sorting is put off until a search, or until it is worth it.
        if n - self.ordered > 1024 + n // 64:
            return rows.sorted()
        self.late.update(zip(ids.tolist(), range(self.n, n), strict=True))
        return rows

    def without(self, ids: Ids) -> Rows:
        """The other rows; an id that is not here is an error."""
        unknown = np.flatnonzero(~self.contains(ids))
        if len(unknown):
            raise InputError(f"id {ids[unknown[0]]} is not in the index")
        rows = self.sorted()
        stay = np.ones(rows.n, bool)
        stay[rows.ids.searchsorted(ids)] = False
        return Rows.of(rows.codes[stay], rows.ids[stay])

    def sorted(self) -> Rows:
        """The same codes in ascending order of ids."""
        if self.ordered == self.n:
            return self
        order = np.argsort(self.ids, kind="stable")
        ids = self.ids[order]
        newest = np.append(ids[1:] != ids[:-1], True)  # of equal ids the one that came last
        return Rows.of(self.code_room[order[newest]], ids[newest])

    def _check_new(self, ids: Ids, ascend: bool, replace: bool) -> int:
        """How many of the ids are new; all must be, unless they may replace."""
        if not ascend:
            sorted_ids = np.sort(ids)
            twice = np.flatnonzero(sorted_ids[1:] == sorted_ids[:-1])
            if len(twice):
                raise InputError(f"id {sorted_ids[twice[0]]} comes twice: ids must be unique")
        taken = np.flatnonzero(self.contains(ids))
        if len(taken) and not replace:
            raise InputError(f"id {ids[taken[0]]} is taken: use upsert to replace its code")
        return len(ids) - len(taken)


def _grown(array: NDArray[Number], needed: int) -> NDArray[Number]:
    """A copy in memory with room for as many again, so that many small additions stay cheap."""
    room: NDArray[Number] = np.empty((max(needed, 2 * len(array)), *array.shape[1:]), array.dtype)
    room[: len(array)] = array
    return room

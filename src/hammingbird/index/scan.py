"""The exact index: every code is compared, ties go to the smaller id."""

from __future__ import annotations

import os
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import Codes, check_codes, check_n_bits, n_bytes, pack_asked
from hammingbird.errors import InputError
from hammingbird.index.files import read_rows, write_rows
from hammingbird.index.rows import Ids, Number, Rows, check_ids
from hammingbird.targets import Neighbors


class Within(NamedTuple):
    """The hits of query ``i`` are ``ids[offsets[i]:offsets[i + 1]]``, nearest first, ties by id."""

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    distances: NDArray[np.uint16]


class Ranked(NamedTuple):
    """For every query its ids by score, largest first, ties by the smaller id; both [n, k].

    Where there are fewer than ``k`` codes, id -1 and score -inf fill up.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


class Radius(NamedTuple):
    """Filter of a search in two steps: codes at most so many bits from the query's own.

    ``own`` are the queries' codes. Where they are left out, each byte takes the value that its
    table has the most for: right for scores of bits and for product codes, not where the bytes'
    vectors add up (``DistilledComposite``).
    """

    bits: int
    own: ArrayLike | None = None


class Shortlist(NamedTuple):
    """Filter of a search in two steps: so many codes, those nearest to the query's own.

    ``own`` as in :class:`Radius`.
    """

    codes: int
    own: ArrayLike | None = None


class Scan:
    """Exact search over codes of ``n_bits`` bits by comparing all of them.

    Each code has an id, a unique whole number of at least 0. Any number of threads may search while
    others change the index: a search sees the codes as they were at one moment, and changes wait
    for each other. One code is added in a few microseconds, whatever the size.
    """

    def __init__(self, n_bits: int) -> None:
        self.n_bits = check_n_bits(n_bits)
        self._writing = Lock()
        self._rows = Rows.of(np.empty((0, n_bytes(n_bits)), np.uint8), np.empty(0, np.int64))

    def __len__(self) -> int:
        return self._rows.size

    def __repr__(self) -> str:
        return f"Scan(n_bits={self.n_bits}) of {len(self)} codes"

    def __getstate__(self) -> dict[str, Any]:
        rows = self._now()
        return {"n_bits": self.n_bits, "codes": rows.codes, "ids": rows.ids}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.n_bits, self._writing = state["n_bits"], Lock()
        self._rows = Rows.of(state["codes"], state["ids"])

    @property
    def ids(self) -> Ids:
        """All ids, ascending, int64 [n]."""
        return read_only(self._now().ids)

    @property
    def codes(self) -> Codes:
        """All codes, in the order of ``ids``, uint8 [n, bytes]."""
        return read_only(self._now().codes)

    def contains(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Which of the ids [n] the index holds, bool [n]."""
        return self._rows.contains(check_ids(ids))

    def find(self, ids: ArrayLike) -> tuple[Codes, NDArray[np.bool_]]:
        """The codes of these ids, uint8 [n, bytes], zero where there is none; which there are."""
        rows, ids = self._now(), check_ids(ids)
        there = rows.contains(ids)
        codes = np.zeros((len(ids), n_bytes(self.n_bits)), np.uint8)
        codes[there] = rows.codes[rows.ids.searchsorted(ids[there])]
        return codes, there

    def add(self, codes: ArrayLike, ids: ArrayLike | None = None) -> Scan:
        """Store codes [n, bytes] under new ids [n], by default those after the largest id.

        Returns the index itself.
        """
        codes = check_codes(codes, self.n_bits)
        new = None if ids is None else check_ids(ids, len(codes))
        with self._writing:
            rows = self._rows
            self._rows = rows.with_rows(codes, rows.next_ids(len(codes)) if new is None else new)
        return self

    def upsert(self, codes: ArrayLike, ids: ArrayLike, *, sort: bool = False) -> Scan:
        """Store codes [n, bytes] under ids [n]; the code of an id that is there is replaced.

        With ``sort``, ids that are not the largest are put in order at once instead of at the next
        search, which then has nothing to wait for. Returns the index itself.
        """
        codes = check_codes(codes, self.n_bits)
        new = check_ids(ids, len(codes))
        with self._writing:
            rows = self._rows.with_rows(codes, new, replace=True)
            self._rows = rows.sorted() if sort else rows
        return self

    def remove(self, ids: ArrayLike) -> Scan:
        """Forget the codes with these ids; an id that is not there is an :class:`InputError`.

        Copies the codes that stay: remove many at a time. Returns the index itself.
        """
        gone = check_ids(ids)
        with self._writing:
            self._rows = self._rows.without(gone)
        return self

    def search(
        self,
        queries: ArrayLike,
        k: int,
        *,
        filter: Radius | Shortlist | None = None,  # noqa: A002 - the word for it
        threads: int | None = None,
        progress: bool = False,
    ) -> Neighbors:
        """Exact ``k`` nearest codes: ids int64 and Hamming distances uint16, both [n, k].

        ``queries`` are codes or, for an asymmetric search, look-up tables [n, bytes, 256] as
        ``Hasher.tables`` gives them; distances are then minus the scores, float32. With a
        ``filter`` the tables are read in two steps: only for codes that are near the query's own by
        Hamming distance.

        Where there are fewer than ``k`` codes, id -1 and distance 65,535 (by tables, infinity) fill
        up. ``threads`` are all cores unless given, here and in the other searches.
        """
        asked = np.asarray(queries)
        if asked.ndim == 3:
            return self._by_tables(asked, k, filter, threads, progress)
        if filter is not None:
            raise InputError(
                "a filter chooses codes to read tables for: search by hasher.tables(X)"
            )
        queries, rows = check_codes(asked, self.n_bits, "queries"), self._now()
        found, distances = kernels.nearest(
            queries, rows.codes, k, threads=threads, progress=progress
        )
        return Neighbors(ids_at(rows.ids, found), distances)

    def within(
        self, codes: ArrayLike, radius: int, *, threads: int | None = None, progress: bool = False
    ) -> Within:
        """Every code at most ``radius`` bits away."""
        queries, rows = check_codes(codes, self.n_bits, "queries"), self._now()
        offsets, found, distances = kernels.within(
            queries, rows.codes, radius, threads=threads, progress=progress
        )
        return Within(offsets, rows.ids[found], distances)

    def histograms(self, codes: ArrayLike, *, threads: int | None = None) -> NDArray[np.uint32]:
        """Per query, how many codes lie at each distance 0..n_bits: uint32 [n, n_bits + 1]."""
        queries, rows = check_codes(codes, self.n_bits, "queries"), self._now()
        return kernels.histograms(queries, rows.codes, self.n_bits, threads=threads)[0]

    def search_scores(
        self, query_scores: ArrayLike, k: int, *, threads: int | None = None, progress: bool = False
    ) -> Ranked:
        """Asymmetric search: real scores [n, n_bits] of the queries against the stored bits.

        A code's score is the sum of the query's scores, each times +1 or -1 (Gordo et al. 2014), or
        of what look-up tables [n, bytes, 256] hold for its bytes (Jegou et al. 2011).
        """
        rows = self._now()
        found, scores = kernels.best(
            query_scores, rows.codes, self.n_bits, k, threads=threads, progress=progress
        )
        return Ranked(ids_at(rows.ids, found), scores)

    def _by_tables(
        self,
        tables: NDArray[Any],
        k: int,
        chosen: Radius | Shortlist | None,
        threads: int | None,
        progress: bool,
    ) -> Neighbors:
        rows = self._now()
        if chosen is None:
            ids, scores = self.search_scores(tables, k, threads=threads, progress=progress)
            return Neighbors(ids, -scores)
        if chosen.own is None:
            codes = pack_asked(tables, self.n_bits)
        else:
            codes = check_codes(chosen.own, self.n_bits, "own")
            if len(codes) != len(tables):
                raise InputError(
                    f"{len(codes)} own codes do not fit tables of {len(tables)} queries"
                )
        if isinstance(chosen, Radius):
            offsets, listed, _ = kernels.within(codes, rows.codes, chosen.bits, threads=threads)
        else:
            near, _ = kernels.nearest(codes, rows.codes, chosen.codes, threads=threads)
            near = near[:, : len(rows.codes)]
            offsets = np.arange(len(near) + 1) * near.shape[1]
            listed = near.ravel()
        found, scores = kernels.best_of(
            tables, rows.codes, self.n_bits, offsets, listed, k, threads=threads
        )
        return Neighbors(ids_at(rows.ids, found), -scores)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write ``index.json``, ``codes.npy`` and ``ids.npy`` into a new folder."""
        write_rows(folder, "Scan", self.n_bits, self._now(), overwrite)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, mmap: bool = False) -> Scan:
        """Read a saved index. With ``mmap`` the codes stay on disk, and are not checksummed.

        A mapped index can be changed: the first change copies its codes into memory.
        """
        n_bits, rows = read_rows(folder, "Scan", mmap)
        index = cls(n_bits)
        index._rows = rows
        return index

    def _now(self) -> Rows:
        """The codes at this moment, ids ascending, so that the kernels' ties by row are by id."""
        rows = self._rows
        if rows.ordered < rows.n:
            with self._writing:
                rows = self._rows = self._rows.sorted()
        return rows


def ids_at(ids: Ids, found: Ids) -> Ids:
    """Ids of found rows, -1 where there is none."""
    return np.where(found < 0, -1, ids[found]) if len(ids) else found


def read_only(array: NDArray[Number]) -> NDArray[Number]:
    """The same array, which may not be written to."""
    view = array.view()
    view.flags.writeable = False
    return view

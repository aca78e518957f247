"""The exact index: every code is compared, ties go to the smaller id."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import Codes, check_codes, check_n_bits, n_bytes
from hammingbird.errors import FileError, InputError
from hammingbird.storage import load_folder, save_folder
from hammingbird.targets import Neighbors

Number = TypeVar("Number", bound=np.generic)


class Within(NamedTuple):
    """The hits of query ``i`` are ``ids[offsets[i]:offsets[i + 1]]``, nearest first, ties by id."""

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    distances: NDArray[np.uint16]


class Ranked(NamedTuple):
    """For every query its ids by score, largest first, ties by the smaller id; both [n, k]."""

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


class Scan:
    """Exact search over codes of ``n_bits`` bits by comparing all of them.

    Each code has an id, a unique whole number of at least 0. ``add`` copies what is stored: add big
    batches rather than single codes.
    """

    def __init__(self, n_bits: int) -> None:
        self.n_bits = check_n_bits(n_bits)
        # Rows are kept in ascending order of ids, so the kernels' ties by row are ties by id.
        self._codes: Codes = np.empty((0, n_bytes(n_bits)), np.uint8)
        self._ids: NDArray[np.int64] = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"Scan(n_bits={self.n_bits}) of {len(self)} codes"

    @property
    def ids(self) -> NDArray[np.int64]:
        """All ids, ascending, int64 [n]."""
        return _read_only(self._ids)

    @property
    def codes(self) -> Codes:
        """All codes, in the order of ``ids``, uint8 [n, bytes]."""
        return _read_only(self._codes)

    def add(self, codes: ArrayLike, ids: ArrayLike | None = None) -> Scan:
        """Store codes [n, bytes] under new ids [n], by default those after the largest id.

        Returns the index itself.
        """
        codes = check_codes(codes, self.n_bits)
        if ids is None:
            start = int(self._ids[-1]) + 1 if len(self) else 0
            new = np.arange(start, start + len(codes), dtype=np.int64)
        else:
            new = _check_ids(ids)
            if len(new) != len(codes):
                raise InputError(f"{len(new)} ids do not fit {len(codes)} codes")
        all_ids = np.concatenate([self._ids, new])
        all_codes = np.concatenate([self._codes, codes])
        if len(new) and not (np.diff(all_ids) > 0).all():
            order = np.argsort(all_ids, kind="stable")
            all_ids = all_ids[order]
            again = np.flatnonzero(all_ids[1:] == all_ids[:-1])
            if len(again):
                raise InputError(f"id {all_ids[again[0]]} is taken: ids must be unique")
            all_codes = all_codes[order]
        self._ids, self._codes = all_ids, all_codes
        return self

    def remove(self, ids: ArrayLike) -> Scan:
        """Forget the codes with these ids; an id that is not there is an :class:`InputError`.

        Returns the index itself.
        """
        gone = _check_ids(ids)
        unknown = gone[~np.isin(gone, self._ids)]
        if len(unknown):
            raise InputError(f"id {unknown[0]} is not in the index")
        stay = ~np.isin(self._ids, gone)
        self._ids, self._codes = self._ids[stay], self._codes[stay]
        return self

    def search(self, codes: ArrayLike, k: int, *, progress: bool = False) -> Neighbors:
        """Exact ``k`` nearest codes: ids int64 and Hamming distances uint16, both [n, k]."""
        queries = check_codes(codes, self.n_bits, "queries")
        rows, distances = kernels.nearest(queries, self._codes, k, progress=progress)
        return Neighbors(self._ids[rows], distances)

    def within(self, codes: ArrayLike, radius: int, *, progress: bool = False) -> Within:
        """Every code at most ``radius`` bits away."""
        queries = check_codes(codes, self.n_bits, "queries")
        offsets, rows, distances = kernels.within(queries, self._codes, radius, progress=progress)
        return Within(offsets, self._ids[rows], distances)

    def search_scores(self, query_scores: ArrayLike, k: int, *, progress: bool = False) -> Ranked:
        """Asymmetric search: real scores [n, n_bits] of the queries against the stored bits.

        A code's score is the sum of the query's scores, each times +1 or -1 (Gordo et al. 2014).
        """
        rows, scores = kernels.best(query_scores, self._codes, self.n_bits, k, progress=progress)
        return Ranked(self._ids[rows], scores)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write ``index.json``, ``codes.npy`` and ``ids.npy`` into a new folder."""

        def write(to: Path) -> None:
            np.save(to / "codes.npy", self._codes, allow_pickle=False)
            np.save(to / "ids.npy", self._ids, allow_pickle=False)

        manifest = {"class": "Scan", "n_bits": self.n_bits, "n_codes": len(self)}
        save_folder(folder, "index", manifest, write, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, mmap: bool = False) -> Scan:
        """Read a saved index. With ``mmap`` the codes stay on disk, and are not checksummed."""
        manifest, folder = load_folder(folder, "index", verify=not mmap)
        if manifest.get("class") != "Scan":
            raise FileError(f"{folder} holds a {manifest.get('class')!r}, not a Scan")
        index = cls(manifest["n_bits"])
        shape = manifest["n_codes"], n_bytes(index.n_bits)
        index._codes = _read(folder / "codes.npy", np.uint8, shape, mmap)
        index._ids = _read(folder / "ids.npy", np.int64, shape[:1], False)
        return index


def _read(file: Path, dtype: type[Number], shape: tuple[int, ...], mmap: bool) -> NDArray[Number]:
    try:
        array: NDArray[Number] = np.load(file, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FileError(f"{file} cannot be read: {error}") from error
    if array.dtype != dtype or array.shape != shape:
        raise FileError(f"{file} does not fit index.json: save or copy the folder again")
    return array


def _check_ids(ids: ArrayLike) -> NDArray[np.int64]:
    ids = np.asarray(ids)
    if ids.ndim != 1 or (ids.dtype.kind not in "iu" and len(ids)):
        raise InputError(f"ids must be whole numbers [n], got {ids.dtype} {ids.shape}")
    if len(ids) and (ids.min() < 0 or ids.max() > np.iinfo(np.int64).max):
        raise InputError(f"ids must be between 0 and 2**63 - 1, got {ids.min()} to {ids.max()}")
    return ids.astype(np.int64)


def _read_only(array: NDArray[Number]) -> NDArray[Number]:
    view = array.view()
    view.flags.writeable = False
    return view

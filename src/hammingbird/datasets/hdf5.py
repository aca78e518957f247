"""The HDF5 files of ann-benchmarks: ``train``, ``test`` and the neighbours of the test part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets.source import (
    DEFLATE_RATIO,
    Array,
    Dataset,
    Part,
    Source,
    listed,
    reading,
    vectors,
    vectors_shape,
)
from hammingbird.errors import FileError, MissingExtraError

KEYS: dict[Part, str] = {"train": "train", "query": "test"}
FILTERS = (1, 2, 3, 4, 5, 6, 32000)
"""gzip, shuffle, fletcher32, szip, nbit, scale-offset and LZF; all others are code from a disk."""
MOST_LINKS = 16
SMALL = 1 << 26
"""Arrays of fewer bytes are read whatever the file stores of them."""


class Hdf5File(Source):
    """One part of an ann-benchmarks file; contiguous parts are memory-mapped.

    Nothing but this file is ever opened: links to other files, virtual datasets and values that
    are stored elsewhere are refused.
    """

    def __init__(self, path: Path, part: Part, array: str | None = None) -> None:
        self.path, self._key, self._part = path, array or KEYS[part], part
        with reading(path), _open(path) as file:
            values = self._values(file)
            if values.ndim != 2:
                raise FileError(
                    f"{path}: {self._key} must hold vectors [n, d], its shape is {values.shape}"
                )
            self.shape = vectors_shape(path, values.shape, values.dtype)

    def load(self) -> Dataset:
        """Map or read the part; a query part brings its neighbours."""
        with reading(self.path), _open(self.path) as file:
            values = self._values(file)
            offset = None if file.userblock_size else _offset(values)
            X = (
                _whole(self.path, values)
                if offset is None
                else np.memmap(self.path, values.dtype, "r", offset, values.shape)
            )
            has_neighbors = self._part == "query" and self._key == "test"
            neighbors = self._neighbors(file) if has_neighbors else None
        return Dataset(self.path.name, vectors(X), neighbors=neighbors)

    def blocks(self, rows: int) -> Iterator[Array]:
        """Read one slice of the part after another."""
        with reading(self.path), _open(self.path) as file:
            values = self._values(file)
            for start in range(0, len(values), rows):
                yield vectors(values[start : start + rows])

    def _values(self, file: Any) -> Any:
        values = _dataset(self.path, file, self._key)
        if values is None:
            raise FileError(f"{self.path} has no array {self._key!r}, it has: {_members(file)}")
        return values

    def _neighbors(self, file: Any) -> NDArray[np.int64] | None:
        stored, train = (_dataset(self.path, file, name) for name in ("neighbors", "train"))
        if stored is None:
            if file.get("neighbors", getlink=True) is None:
                return None
            raise FileError(f"{self.path}: neighbors is no array of row numbers: remove it")
        if stored.ndim != 2 or len(stored) != self.shape[0]:
            raise FileError(
                f"{self.path} has neighbours of shape {stored.shape} for {self.shape[0]} queries"
            )
        if stored.dtype.kind not in "iu":
            raise FileError(f"{self.path} has neighbours of type {stored.dtype}: store row numbers")
        neighbors = _whole(self.path, stored)
        n_train = 0 if train is None or train.ndim != 2 else len(train)
        if neighbors.size and (neighbors.max() >= n_train or neighbors.min() < -1):
            raise FileError(f"{self.path} has neighbours that are no rows of its train part")
        return neighbors.astype(np.int64)


def _dataset(path: Path, file: Any, name: str) -> Any:
    """Return the array of this name, None if there is none; all of it lies in this very file."""
    import h5py

    found, steps, links = file, name.split("/")[::-1], 0
    while steps:
        step = steps.pop()
        if step in ("", "."):
            continue
        link = found.get(step, getlink=True) if isinstance(found, h5py.Group) else None
        if isinstance(link, h5py.SoftLink) and links < MOST_LINKS:
            links += 1
            found = file if link.path.startswith("/") else found
            steps += link.path.split("/")[::-1]
        elif isinstance(link, h5py.HardLink):
            found = found[step]
        elif link is None:
            return None
        else:
            where = f" to {link.filename}" if isinstance(link, h5py.ExternalLink) else ""
            raise FileError(
                f"{path}: {name} is a link{where} that leads out of this file or nowhere, and "
                "other files are never opened: copy the array into this file"
            )
    if not isinstance(found, h5py.Dataset):
        return None
    _check_storage(path, name, found)
    _check_chunks(path, name, found)
    return found


def _members(file: Any) -> str:
    """Name what the file holds, and what is no array."""
    import h5py

    kinds = {h5py.Group: " (a group)", h5py.Datatype: " (a type)"}
    return listed(
        name + kinds.get(file.get(name, getclass=True), "")
        if isinstance(file.get(name, getlink=True), h5py.HardLink)
        else f"{name} (a link)"
        for name in file
    )


def _check_storage(path: Path, name: str, values: Any) -> None:
    """Refuse values outside the file, and types and packings that NumPy and HDF5 do not have."""
    if values.is_virtual or values.external:
        raise FileError(
            f"{path}: the values of {name} are stored in other files, which are never opened: "
            "copy them into this file"
        )
    plist = values.id.get_create_plist()
    packings = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    for number, *_, title in packings:
        if number not in FILTERS:
            raise FileError(
                f"{path}: {name} is packed with filter {number} ({title.decode(errors='replace')}),"
                " which needs a plugin, and plugins are never loaded: pack it with gzip"
            )
    try:
        values.dtype  # noqa: B018 - worked out when it is asked for
    except TypeError as error:
        raise FileError(
            f"{path}: {name} has a type that NumPy lacks ({error}): convert it to float32"
        ) from error


def _check_chunks(path: Path, name: str, values: Any) -> None:
    """Refuse chunks that store too few bytes: HDF5 would fill them with whatever is in memory."""
    if values.chunks is None or not hasattr(values.id, "chunk_iter"):
        return
    whole = int(np.prod(values.chunks, dtype=object)) * values.id.get_type().get_size()
    every = (1 << values.id.get_create_plist().get_nfilters()) - 1

    def short(chunk: Any) -> Any:
        packed = chunk.filter_mask & every != every  # a set bit is a packing left out
        return chunk if not chunk.size or (not packed and chunk.size != whole) else None

    chunk = values.id.chunk_iter(short)
    if chunk is not None:
        raise FileError(
            f"{path} is altered: the chunk of {name} at {chunk.chunk_offset} stores {chunk.size} "
            f"bytes for {whole}"
        )


def _offset(values: Any) -> int | None:
    """Return where the values lie in the file exactly as NumPy would write them, else None."""
    import h5py

    plain = values.dtype.kind in "iuf" and not values.id.get_create_plist().get_nfilters()
    if not plain or values.id.get_type() != h5py.h5t.py_create(values.dtype, logical=True):
        return None
    offset: int | None = values.id.get_offset()  # None if the values are in chunks
    return offset


def _whole(path: Path, values: Any) -> Array:
    """Read all values, unless the file stores too few bytes to hold them."""
    stored = values.id.get_storage_size()
    if values.nbytes > SMALL + DEFLATE_RATIO * min(stored, path.stat().st_size):
        raise FileError(
            f"{path}: {values.name} claims {values.nbytes} bytes, but {stored} are stored: use "
            "stream() if most of it was never written"
        )
    array: Array = values[:]
    return array


def _open(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "files") from None
    return h5py.File(path, "r")

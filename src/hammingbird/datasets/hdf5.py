"""The HDF5 files of ann-benchmarks: ``train``, ``test`` and the neighbours of the test part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets.source import Array, Dataset, Part, Source, listed, reading, vectors_shape
from hammingbird.errors import FileError, MissingExtraError

KEYS: dict[Part, str] = {"train": "train", "query": "test"}


class Hdf5File(Source):
    """One part of an ann-benchmarks file; contiguous parts are memory-mapped."""

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
            # None if the values are chunked or compressed.
            offset = None if file.userblock_size else values.id.get_offset()
            X = (
                values[:]
                if offset is None
                else np.memmap(self.path, values.dtype, "r", offset, values.shape)
            )
            has_neighbors = self._part == "query" and self._key == "test" and "neighbors" in file
            neighbors = self._neighbors(file) if has_neighbors else None
        return Dataset(self.path.name, X, neighbors=neighbors)

    def blocks(self, rows: int) -> Iterator[Array]:
        """Read one slice of the part after another."""
        with reading(self.path), _open(self.path) as file:
            values = self._values(file)
            for start in range(0, len(values), rows):
                yield values[start : start + rows]

    def _values(self, file: Any) -> Any:
        values = file.get(self._key)
        if not hasattr(values, "dtype"):
            raise FileError(f"{self.path} has no array {self._key!r}, it has: {listed(file)}")
        return values

    def _neighbors(self, file: Any) -> NDArray[np.int64]:
        found = file["neighbors"]
        neighbors: NDArray[np.int64] = np.asarray(found[:], np.int64)
        n_train = len(file["train"]) if "train" in file else 0
        if neighbors.ndim != 2 or len(neighbors) != self.shape[0]:
            raise FileError(
                f"{self.path} has neighbours of shape {neighbors.shape} for {self.shape[0]} queries"
            )
        if neighbors.size and (neighbors.max() >= n_train or neighbors.min() < -1):
            raise FileError(f"{self.path} has neighbours that are no rows of its train part")
        return neighbors


def _open(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "files") from None
    return h5py.File(path, "r")

"""The TEXMEX files ``.fvecs``, ``.ivecs`` and ``.bvecs``: per row its width, then its values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hammingbird.datasets.source import Array, Dataset, Source, reading
from hammingbird.errors import FileError

VALUES = {".fvecs": "<f4", ".ivecs": "<i4", ".bvecs": "u1"}
WIDTH = np.dtype("<i4")


class VectorsFile(Source):
    """Rows ``[width int32][values]``, mapped into memory as a view that skips the widths."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._dtype = np.dtype(VALUES[path.suffix.lower()])
        with reading(path), path.open("rb") as stream:
            first = stream.read(WIDTH.itemsize)
            size = path.stat().st_size
        if not size:
            raise FileError(f"{path} is empty")
        if len(first) < WIDTH.itemsize:
            raise FileError(f"{path} is truncated: it ends before its first row")
        width = int(np.frombuffer(first, WIDTH)[0])
        row_bytes = WIDTH.itemsize + width * self._dtype.itemsize
        if width < 1 or row_bytes > size:
            raise FileError(f"{path} is no {path.suffix} file: its first row claims width {width}")
        if size % row_bytes:
            raise FileError(
                f"{path} is truncated, or its rows differ in width: "
                f"{size} bytes are no whole number of rows of {row_bytes} bytes"
            )
        self.shape = (size // row_bytes, width)

    def load(self) -> Dataset:
        """Map the file into memory, after one pass that checks the width of every row."""
        rows = self._map()
        for start in range(0, len(rows), 1 << 16):
            self._check(rows[start : start + (1 << 16)], start)
        return Dataset(self.path.name, self._values(rows))

    def blocks(self, rows: int) -> Iterator[Array]:
        """Yield copies of the rows, each block checked as it passes."""
        everything = self._map()
        for start in range(0, len(everything), rows):
            block = everything[start : start + rows]
            self._check(block, start)
            yield np.array(self._values(block))

    def _map(self) -> Array:
        n, width = self.shape
        row_bytes = WIDTH.itemsize + width * self._dtype.itemsize
        with reading(self.path):
            return np.memmap(self.path, np.uint8, "r", shape=(n, row_bytes))

    def _check(self, block: Array, start: int) -> None:
        widths = np.ascontiguousarray(block[:, : WIDTH.itemsize]).view(WIDTH)[:, 0]
        wrong = np.flatnonzero(widths != self.shape[1])
        if len(wrong):
            raise FileError(
                f"{self.path} row {start + wrong[0]} has width {widths[wrong[0]]}, "
                f"the first row has {self.shape[1]}: all rows must be equally wide"
            )

    def _values(self, block: Array) -> Array:
        return block[:, WIDTH.itemsize :].view(self._dtype)

"""MNIST's idx files, plain or gzipped, with the labels that lie beside the images."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from hammingbird.datasets.source import (
    DEFLATE_RATIO,
    Array,
    Dataset,
    Source,
    check_end,
    fill,
    images,
    labels,
    reading,
    vectors,
    vectors_shape,
)
from hammingbird.errors import FileError

UNSIGNED_BYTES = 0x08
DIMENSIONS_OF_LABELS = 1


class IdxFile(Source):
    """Images, unsigned bytes [n, h, w], behind a header of big-endian sizes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sizes = _sizes(path)
        if len(self._sizes) == DIMENSIONS_OF_LABELS:
            raise FileError(f"{path} holds labels: pass the file of the images beside it")
        self.shape = vectors_shape(path, self._sizes, np.dtype(np.uint8))

    def load(self) -> Dataset:
        """Map the images, or unpack them; read the labels if they are there."""
        array, beside = _read(self.path, self._sizes), self._labels_beside()
        y = None
        if beside is not None:
            sizes = _sizes(beside)
            if len(sizes) > 2 or sizes[0] != self.shape[0]:
                raise FileError(
                    f"{beside} has labels of shape {sizes} for {self.shape[0]} rows: "
                    "one per row is needed"
                )
            y = labels(beside, np.array(_read(beside, sizes)), self.shape[0])
        return Dataset(self.path.name, vectors(array), y, images(array))

    def blocks(self, rows: int) -> Iterator[Array]:
        """Unpack the images block by block."""
        n = self.shape[0]
        with _open(self.path) as stream:
            stream.read(_header_bytes(self._sizes))
            for start in range(0, n, rows):
                block = np.empty((min(rows, n - start), *self._sizes[1:]), np.uint8)
                fill(self.path, stream, block)
                yield vectors(block)
            check_end(self.path, stream)

    def _labels_beside(self) -> Path | None:
        name = self.path.name.replace("images", "labels").replace("idx3", "idx1")
        plain = name.removesuffix(".gz")
        for candidate in (name, plain, f"{plain}.gz"):
            beside = self.path.with_name(candidate)
            if candidate != self.path.name and beside.is_file():
                return beside
        return None


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with reading(path), path.open("rb") as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        with gzip.open(file) as unpacked:
            yield unpacked  # type: ignore[misc]


def _sizes(path: Path) -> tuple[int, ...]:
    """Read the header and check it against the size of the file, before anything is allocated."""
    with _open(path) as stream:
        magic = stream.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != UNSIGNED_BYTES or not magic[3]:
            raise FileError(
                f"{path} is no idx file of unsigned bytes: it starts with {magic.hex()}"
            )
        content = stream.read(4 * magic[3])
        if len(content) < 4 * magic[3]:
            raise FileError(f"{path} is truncated: its header ends early")
    sizes = struct.unpack(f">{magic[3]}I", content)
    if 0 in sizes:
        raise FileError(f"{path} is empty: its shape is {sizes}")
    promised = _header_bytes(sizes) + int(np.prod(sizes, dtype=object))
    stored = path.stat().st_size
    packed = path.suffix.lower() == ".gz"
    if promised > stored * (DEFLATE_RATIO if packed else 1) or (not packed and promised < stored):
        raise FileError(
            f"{path} is truncated or altered: its header promises {promised} bytes, "
            f"the file has {stored}"
        )
    return sizes


def _read(path: Path, sizes: tuple[int, ...]) -> Array:
    if path.suffix.lower() != ".gz":
        with reading(path):
            return np.memmap(path, np.uint8, "r", _header_bytes(sizes), sizes)
    with _open(path) as stream:
        values = np.empty(sizes, np.uint8)
        stream.read(_header_bytes(sizes))
        fill(path, stream, values)
        check_end(path, stream)
    return values


def _header_bytes(sizes: tuple[int, ...]) -> int:
    return 4 + 4 * len(sizes)

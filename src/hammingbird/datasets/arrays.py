"""NumPy's own files: ``.npy``, memory-mapped, and ``.npz``, read or streamed without pickle."""

from __future__ import annotations

import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from hammingbird.datasets.source import (
    Array,
    Dataset,
    Source,
    images,
    labels,
    listed,
    reading,
    vectors,
    vectors_shape,
)
from hammingbird.errors import FileError

VECTORS = ("X", "features", "vectors", "data", "images")
LABELS = ("y", "labels")


class Header(NamedTuple):
    """What the header of an ``.npy`` stream promises."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


class ArrayFile(Source):
    """One array in a ``.npy`` file."""

    def __init__(self, path: Path) -> None:
        with reading(path), path.open("rb") as stream:
            header = _checked_header(stream, path.stat().st_size)
        self.path = path
        self.shape = vectors_shape(path, header.shape, header.dtype)

    def load(self) -> Dataset:
        """Map the array into memory; nothing is read before it is used."""
        with reading(self.path):
            array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return Dataset(self.path.name, vectors(array), images=images(array))


class ArchiveFile(Source):
    """Named arrays in a ``.npz`` file: the vectors, labels if there are any, others left alone."""

    def __init__(self, path: Path, array: str | None = None) -> None:
        self.path = path
        with reading(path), zipfile.ZipFile(path) as archive:
            self._headers = {
                member.filename.removesuffix(".npy"): _member_header(archive, member)
                for member in archive.infolist()
                if member.filename.endswith(".npy")
            }
        self._key = self._choose(array)
        header = self._headers[self._key]
        self.shape = vectors_shape(path, header.shape, header.dtype)

    def load(self) -> Dataset:
        """Read the vectors, and the labels, images and class names beside them."""
        array = self._read(self._key)
        y = next((self._read(name) for name in LABELS if name in self._headers), None)
        pictures = images(array)
        if pictures is None and "images" in self._headers and self._key != "images":
            pictures = images(self._read("images"))
            pictures = pictures if pictures is not None and len(pictures) == len(array) else None
        names = self._headers.get("classes")
        has_names = names is not None and names.dtype.kind in "US" and len(names.shape) == 1
        return Dataset(
            self.path.name,
            vectors(array),
            None if y is None else labels(self.path, y, len(array)),
            pictures,
            classes=self._read("classes") if has_names else None,
        )

    def blocks(self, rows: int) -> Iterator[Array]:
        """Decompress the vectors block by block."""
        header = self._headers[self._key]
        if header.fortran:  # rows are not contiguous in the file
            yield from super().blocks(rows)
            return
        row_bytes = header.dtype.itemsize * self.shape[1]
        with (
            reading(self.path),
            zipfile.ZipFile(self.path) as archive,
            archive.open(f"{self._key}.npy") as stream,
        ):
            _header(stream)
            for start in range(0, self.shape[0], rows):
                n = min(rows, self.shape[0] - start)
                content = stream.read(n * row_bytes)
                if len(content) < n * row_bytes:
                    raise FileError(f"{self.path} is truncated: {self._key} ends early")
                block = np.frombuffer(content, header.dtype).reshape(n, *header.shape[1:])
                yield vectors(block)

    def _choose(self, array: str | None) -> str:
        found = listed(self._headers)
        if array is not None:
            if array not in self._headers:
                raise FileError(f"{self.path} has no array {array!r}, it has: {found}")
            return array
        named = [name for name in VECTORS if name in self._headers]
        others = [name for name in self._headers if name not in (*LABELS, "classes")]
        if not named and len(others) != 1:
            raise FileError(
                f"{self.path} has no array of vectors named {', '.join(VECTORS)}, "
                f"it has: {found}; name one with array="
            )
        return (named or others)[0]

    def _read(self, name: str) -> Array:
        if self._headers[name].dtype.hasobject:
            raise FileError(
                f"{self.path}: the array {name} holds Python objects, which are never loaded: "
                "save it as numbers or strings"
            )
        with (
            reading(self.path),
            zipfile.ZipFile(self.path) as archive,
            archive.open(f"{name}.npy") as stream,
        ):
            array: Array = np.lib.format.read_array(stream, allow_pickle=False)
        return array


def _header(stream: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(stream)
    try:
        if version == (1, 0):
            header = Header(*np.lib.format.read_array_header_1_0(stream))
        elif version == (2, 0):
            header = Header(*np.lib.format.read_array_header_2_0(stream))
        else:
            raise ValueError(f"version {version} of the npy format")
    except (SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"no npy header: {error}") from error
    if min(header.shape, default=0) < 0:
        raise ValueError(f"negative shape {header.shape}")
    return header


def _member_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    with archive.open(member) as stream:
        return _checked_header(stream, member.file_size)


def _checked_header(stream: IO[bytes], size: int) -> Header:
    """Read a header and hold it against the size of the stream, before anything is allocated."""
    header = _header(stream)
    promised = header.dtype.itemsize * int(np.prod(header.shape, dtype=object))
    if not header.dtype.hasobject and promised != size - stream.tell():
        raise ValueError(f"the header promises {promised} bytes, {size - stream.tell()} follow")
    return header

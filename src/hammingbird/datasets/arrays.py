"""NumPy's own files: ``.npy``, memory-mapped, and ``.npz``, read or streamed without pickle."""

from __future__ import annotations

import io
import tokenize
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

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
    listed,
    reading,
    vectors,
    vectors_shape,
)
from hammingbird.errors import FileError

VECTORS = ("X", "features", "vectors", "data", "images")
LABELS = ("y", "labels")
LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}
"""Bytes that hold the length of the header, by the version of the npy format."""
LONGEST_HEADER = 10_000
LAST_CHARACTER = 0x10FFFF
PACKINGS = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA"}


class Header(NamedTuple):
    """What the header of an ``.npy`` stream promises."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    start: int
    """Bytes before the first value."""

    @property
    def order(self) -> Literal["C", "F"]:
        """The order of the values in the file."""
        return "F" if self.fortran else "C"


class ArrayFile(Source):
    """One array in a ``.npy`` file."""

    def __init__(self, path: Path) -> None:
        with reading(path), path.open("rb") as stream:
            header = self._header = _header(path, stream, path.stat().st_size, exactly=False)
        self.path = path
        self.shape = vectors_shape(path, header.shape, header.dtype)

    def load(self) -> Dataset:
        """Map the array into memory; nothing is read before it is used."""
        array = _mapped(self.path, self._header)
        return Dataset(self.path.name, vectors(array), images=images(array))


class ArchiveFile(Source):
    """Named arrays in a ``.npz`` file: the vectors, labels if there are any, others left alone."""

    def __init__(self, path: Path, array: str | None = None) -> None:
        self.path = path
        with reading(path), zipfile.ZipFile(path) as archive:
            self._headers = {
                member.filename.removesuffix(".npy"): _member_header(path, archive, member)
                for member in archive.infolist()
                if member.filename.endswith(".npy")
            }
        self._key = self._choose(array)
        header = self._headers[self._key]
        self.shape = vectors_shape(path, header.shape, header.dtype)

    def load(self) -> Dataset:
        """Read the vectors, and the labels, images and class names beside them."""
        array = self._read(self._key)
        y = next((self._read_labels(name) for name in LABELS if name in self._headers), None)
        pictures = images(array)
        if pictures is None and self._has_images():
            pictures = images(self._read("images"))
        names = self._headers.get("classes")
        has_names = names is not None and names.dtype.kind in "US" and len(names.shape) == 1
        return Dataset(
            self.path.name,
            vectors(array),
            y,
            pictures,
            classes=self._read("classes") if has_names else None,
        )

    def blocks(self, rows: int) -> Iterator[Array]:
        """Decompress the vectors block by block."""
        header = self._headers[self._key]
        if header.fortran:  # rows are not contiguous in the file
            yield from super().blocks(rows)
            return
        with self._member(self._key) as stream:
            for start in range(0, self.shape[0], rows):
                n = min(rows, self.shape[0] - start)
                block = np.empty((n, *header.shape[1:]), header.dtype)
                fill(self.path, stream, block)
                yield vectors(block)
            check_end(self.path, stream)

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

    def _has_images(self) -> bool:
        header = self._headers.get("images")
        return (
            header is not None and header.dtype == np.uint8 and header.shape[:1] == self.shape[:1]
        )

    def _read_labels(self, name: str) -> Array:
        header = self._headers[name]
        n = self.shape[0]
        if header.shape[:1] != (n,):
            raise FileError(
                f"{self.path} has labels of shape {header.shape} for {n} rows: "
                "one per row is needed"
            )
        return labels(self.path, self._read(name), n)

    def _read(self, name: str) -> Array:
        header = self._headers[name]
        if header.dtype.hasobject:
            raise FileError(
                f"{self.path}: the array {name} holds Python objects, which are never loaded: "
                "save it as numbers or strings"
            )
        with self._member(name) as stream:
            values = np.empty(header.shape, header.dtype, header.order)
            fill(self.path, stream, values.T if header.fortran else values)
            check_end(self.path, stream)
        return _checked_text(self.path, values)

    @contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        """Open the values of an array, behind its header."""
        with (
            reading(self.path),
            zipfile.ZipFile(self.path) as archive,
            archive.open(f"{name}.npy") as stream,
        ):
            stream.read(self._headers[name].start)
            yield stream


def read_array(path: Path) -> Array:
    """Read the one array of a ``.npy`` file, whatever its shape, but no Python objects."""
    with reading(path), path.open("rb") as stream:
        header = _header(path, stream, path.stat().st_size, exactly=False)
    if header.dtype.hasobject:
        raise FileError(
            f"{path} holds Python objects, which are never loaded: save numbers or strings, "
            "-1 where there is no label"
        )
    return _checked_text(path, np.array(_mapped(path, header)))


def _mapped(path: Path, header: Header) -> Array:
    with reading(path):
        return np.memmap(path, header.dtype, "r", header.start, header.shape, header.order)


def _checked_text(path: Path, values: Array) -> Array:
    """Refuse strings with characters that Unicode does not have: Python cannot print them."""
    if values.dtype.kind == "U":
        characters = values.reshape(-1, order="A").view(f"{values.dtype.str[0]}u4")
        if characters.max(initial=0) > LAST_CHARACTER:
            raise FileError(f"{path}: its strings are damaged: save it again")
    return values


def _member_header(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        packing = PACKINGS.get(member.compress_type, f"method {member.compress_type}")
        raise FileError(
            f"{path}: {member.filename} is packed by {packing}, which NumPy never uses: "
            "save it again with numpy.savez_compressed"
        )
    if member.file_size > DEFLATE_RATIO * min(member.compress_size, path.stat().st_size):
        raise FileError(
            f"{path}: {member.filename} claims to unpack {member.compress_size} bytes into "
            f"{member.file_size}, which cannot be: it is altered"
        )
    with archive.open(member) as stream:
        return _header(path, stream, member.file_size)


def _header(path: Path, stream: IO[bytes], size: int, *, exactly: bool = True) -> Header:
    """Read a header and hold it against the size of the stream, before anything is allocated.

    A file may go on behind its array, as a file of codes does.
    """
    magic = stream.read(8)
    if magic[:4] == b"PK\3\4":
        raise FileError(f"{path} is a zip archive, not one array: name it .npz")
    version = np.lib.format.read_magic(io.BytesIO(magic))
    if version not in LENGTH_BYTES:
        raise ValueError(f"version {version} of the npy format")
    content = stream.read(LENGTH_BYTES[version])
    length = int.from_bytes(content, "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header claims {length} bytes, an array's has at most 10,000")
    text = io.BytesIO(content + stream.read(length))
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else (np.lib.format.read_array_header_2_0)
    )
    try:
        shape, fortran, dtype = read(text)
    except (SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"no npy header: {error}") from error
    if any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"its shape is {shape}")
    start = len(magic) + len(content) + length
    promised, rest = dtype.itemsize * int(np.prod(shape, dtype=object)), size - start
    if not dtype.hasobject and (
        promised > rest or (exactly and promised < rest) or not dtype.itemsize
    ):
        raise ValueError(f"the header promises {promised} bytes, {rest} follow")
    return Header(shape, fortran, dtype, start)

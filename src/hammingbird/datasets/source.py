"""What every file format gives: its shape, its rows in blocks, and the whole as a Dataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets.kept import in_kept_order
from hammingbird.errors import FileError, HammingbirdError

DEFLATE_RATIO = 1032
"""Deflate, which gzip and zip use, packs no better than this."""

BLOCK = 1 << 16
"""Rows of a block, unless they are wide."""
BLOCK_NUMBERS = 1 << 25
"""A block holds at most this many numbers."""

Array: TypeAlias = NDArray[Any]
Part = Literal["train", "query"]


@dataclass(frozen=True)
class Dataset:
    """Vectors or images as a file holds them, with the labels that came with them."""

    name: str
    """The file's name, for reports."""
    X: Array
    """Vectors [n, d] of the file's own type, memory-mapped where possible; images are flattened."""
    y: Array | None = None
    """Labels [n], whole numbers or strings, or label sets [n, c] with ones where a label holds."""
    images: NDArray[np.uint8] | None = None
    """[n, h, w] or [n, h, w, 3] when the rows are images."""
    neighbors: NDArray[np.int64] | None = None
    """Rows of the train part nearest to each query [n, k], where the file ships them."""
    classes: Array | None = None
    """Names of the classes that whole-number labels (or columns of label sets) stand for."""
    names: Array | None = None
    """Names of the rows [n]: of a folder of images, where each lies in it."""

    @property
    def frame(self) -> tuple[int, ...] | None:
        """Height and width, and 3 if coloured, of the images; None where rows are vectors."""
        return None if self.images is None else self.images.shape[1:]

    def inputs(self, takes_images: bool) -> Array:
        """Return the images as they are, for a network that wants them, else the vectors."""
        return self.images if takes_images and self.images is not None else self.X

    def take(self, rows: slice | NDArray[np.int64]) -> Dataset:
        """Return some rows, with their labels and images; true neighbours are left behind."""
        return replace(
            self,
            X=self.X[rows],
            y=None if self.y is None else self.y[rows],
            images=None if self.images is None else self.images[rows],
            names=None if self.names is None else self.names[rows],
            neighbors=None,
        )

    def keep(self, order: NDArray[np.int64]) -> Dataset:
        """Return the rows of a :func:`kept_order`; memory maps stay such."""
        return replace(
            self,
            X=in_kept_order(self.X, order),
            y=None if self.y is None else self.y[order],
            images=None if self.images is None else in_kept_order(self.images, order),
            names=None if self.names is None else self.names[order],
            neighbors=None,
        )


class Source(ABC):
    """An opened file: its shape is known, its rows are read when they are asked for."""

    path: Path
    shape: tuple[int, int]
    names: Array | None = None
    """Names of the rows [n], where they have some."""

    @abstractmethod
    def load(self) -> Dataset:
        """Return everything that the file holds."""

    def blocks(self, rows: int) -> Iterator[Array]:
        """Yield the vectors in blocks of ``rows`` rows."""
        X = self.load().X
        for start in range(0, len(X), rows):
            yield np.asarray(X[start : start + rows])

    def stream(self, rows: int = BLOCK) -> Iterator[Array]:
        """Yield the vectors in blocks of ``rows`` rows, or fewer where rows are wide."""
        return self.blocks(block_rows(self.shape[1], rows))


def block_rows(width: int, rows: int = BLOCK) -> int:
    """Rows of a block: ``rows``, or fewer where they are wide."""
    return max(1, min(rows, BLOCK_NUMBERS // width))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what a reading library raises into a :class:`FileError` that names ``path``."""
    try:
        yield
    except HammingbirdError:
        raise
    except MemoryError as error:
        raise FileError(
            f"{path} does not fit in memory: use stream(), or a smaller part"
        ) from error
    except Exception as error:  # of a damaged file, a reading library may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileError(
            f"{path} cannot be read, it may be truncated or of another format: {reason}"
        ) from error


def fill(path: Path, stream: IO[bytes], values: Array) -> None:
    """Read exactly the bytes of ``values`` from a stream of the file ``path``."""
    rest = values.reshape(-1).view(np.uint8).data
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise FileError(f"{path} is truncated: it ends before its last row")
        rest = rest[count:]


def check_end(path: Path, stream: IO[bytes]) -> None:
    """Refuse what is left; reading past the last row also makes gzip and zip compare checksums."""
    if stream.read(1):
        raise FileError(f"{path} is altered: it holds more bytes than its header promises")


def listed(names: Iterable[str]) -> str:
    """Name what a file holds in a message, the first ten at most."""
    names = list(names)
    rest = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(names[:10]) or "nothing") + rest


def frames(array: Array) -> Array:
    """Return an array with its channels last, and without a channel axis where there is but one."""
    if array.ndim == 4 and array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = np.moveaxis(array, 1, 3)
    return array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array


def vectors(array: Array) -> Array:
    """Return the rows of ``array`` as vectors [n, d], a view where possible; truths are bytes."""
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    return array if array.ndim == 2 else frames(array).reshape(len(array), -1)


def images(array: Array) -> NDArray[np.uint8] | None:
    """Return ``array`` as images if it can hold some: bytes [n, h, w] or [n, h, w, 3]."""
    array = frames(array)
    colours = array.ndim == 4 and array.shape[3] == 3
    return array if array.dtype == np.uint8 and (array.ndim == 3 or colours) else None


def vectors_shape(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the shape [n, d] of the vectors in an array of this shape, or refuse the array."""
    if dtype.hasobject:
        raise FileError(
            f"{path} holds Python objects, which are never loaded: save an array of numbers"
        )
    if dtype.kind not in "biuf":
        raise FileError(f"{path} holds {dtype} where vectors of numbers are expected")
    if not 2 <= len(shape) <= 4:
        raise FileError(
            f"{path} must hold vectors [n, d] or images [n, h, w], its shape is {shape}"
        )
    if 0 in shape:
        raise FileError(f"{path} is empty: its shape is {shape}")
    return shape[0], int(np.prod(shape[1:], dtype=object))


def labels(path: Path, y: Array, n: int) -> Array:
    """Return labels [n] or label sets [n, c] of ``n`` rows, or say what is wrong with them.

    A column [n, 1] of ones and zeros is a label set of one class, any other is a label a row.
    """
    if y.dtype.hasobject:
        raise FileError(
            f"{path} has labels that are Python objects, which are never loaded: "
            "save them as whole numbers or strings, -1 where there is none"
        )
    if y.ndim not in (1, 2) or len(y) != n:
        raise FileError(f"{path} has labels of shape {y.shape} for {n} rows: one per row is needed")
    if y.dtype.kind not in "biufUS":
        raise FileError(f"{path} has labels of type {y.dtype}: use whole numbers or strings")
    if y.dtype.kind == "f":
        with np.errstate(over="ignore"):  # float16 ends below 2**53
            whole = ((np.abs(y) < 1 << 53) & (np.rint(y) == y)).all()
        if not whole:
            raise FileError(f"{path} has labels that are not whole numbers: {y.dtype}")
        y = y.astype(np.int64)
    sets = y.ndim == 2 and y.dtype.kind in "biu" and bool(np.isin(y, (0, 1)).all())
    if y.ndim == 2 and y.shape[1] == 1 and not sets:
        return y[:, 0]
    if y.ndim == 2 and not sets:
        raise FileError(f"{path} has label sets with values other than 0 and 1")
    return y

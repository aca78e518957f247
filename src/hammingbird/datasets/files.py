"""Open any of the file formats by its ending: all of it, block by block, or only its shape."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from hammingbird.datasets.arrays import ArchiveFile, ArrayFile
from hammingbird.datasets.hdf5 import Hdf5File
from hammingbird.datasets.idx import IdxFile
from hammingbird.datasets.images import Frame, ImageFolder, Pictures, Size
from hammingbird.datasets.parquet import open_parquet
from hammingbird.datasets.source import BLOCK, Array, Dataset, Part, Source, reading
from hammingbird.datasets.vecs import VALUES, VectorsFile
from hammingbird.errors import FileError, InputError

ENDINGS = (
    ".npy, .npz, .fvecs, .ivecs, .bvecs, .hdf5, .h5, .parquet, "
    "-idx3-ubyte, -idx3-ubyte.gz, or a folder of images"
)
NAMED = (".npz", ".hdf5", ".h5", ".parquet")

Name = str | os.PathLike[str]
Labels = Literal["folders"]
"""Where the labels of a folder of images are."""


def load(
    path: Name,
    *,
    part: Part = "train",
    array: str | None = None,
    image_size: int | None = None,
    frame: Frame | None = None,
    labels: Labels | None = None,
) -> Dataset:
    """Read a file of vectors or images, memory-mapped where the format allows.

    ``part`` picks ``train`` or ``test`` inside an ann-benchmarks file and changes nothing
    elsewhere. ``array`` names the array of an ``.npz`` or HDF5 file or the Parquet column, where
    the usual names do not find it. ``image_size`` resizes encoded images to squares. ``frame``,
    [h, w] or [h, w, 3], is what encoded images are read as unless ``image_size`` is given, and
    means nothing to other files: a model's :attr:`Hasher.frame`. ``labels="folders"`` takes the
    subfolders of a folder of images for their labels.
    """
    return open_file(
        path, part=part, array=array, image_size=image_size, frame=frame, labels=labels
    ).load()


def stream(
    path: Name,
    *,
    part: Part = "train",
    rows: int = BLOCK,
    array: str | None = None,
    image_size: int | None = None,
) -> Iterator[Array]:
    """Yield only the vectors, in order, in blocks of ``rows`` rows or fewer where rows are wide.

    Memory is bounded by the block, except for the image headers and Fortran-ordered ``.npz``.
    """
    if rows < 1:
        raise InputError(f"rows must be at least 1, got {rows}")
    return open_file(path, part=part, array=array, image_size=image_size).stream(rows)


def shape(
    path: Name,
    *,
    part: Part = "train",
    array: str | None = None,
    image_size: int | None = None,
) -> tuple[int, int]:
    """Return [n, d] of the vectors from headers alone; encoded images have their headers read."""
    return open_file(path, part=part, array=array, image_size=image_size).shape


def open_file(
    path: Name,
    *,
    part: Part = "train",
    array: str | None = None,
    image_size: int | None = None,
    frame: Frame | None = None,
    labels: Labels | None = None,
) -> Source:
    """Open a file of any known format by its ending, and check its header."""
    path = Path(path)
    if part not in ("train", "query"):
        raise InputError(f"part must be 'train' or 'query', got {part!r}")
    if image_size is not None and image_size < 1:
        raise InputError(f"image_size must be at least 1, got {image_size}")
    with reading(path):
        if not path.exists():
            raise FileError(f"{path} does not exist")
        if not path.is_dir() and not path.is_file():
            raise FileError(f"{path} is neither a file nor a folder")
    ending = path.suffix.lower()
    if array is not None and (path.is_dir() or ending not in NAMED):
        raise InputError(f"{path} has no named arrays to choose from: leave array= out")
    if labels not in (None, "folders"):
        raise InputError(f"labels must be 'folders' or left out, got {labels!r}")
    if labels is not None and not path.is_dir():
        raise InputError(f"{path} is no folder of images: its labels come with it")
    size = frame if image_size is None else image_size
    source = _open(path, ending, part, array, size, labels is not None)
    if image_size is not None and not isinstance(source, Pictures):
        raise InputError(
            f"{path} holds arrays, not encoded images to be resized: leave image_size= out"
        )
    return source


def _open(
    path: Path, ending: str, part: Part, array: str | None, size: Size, folders_are_labels: bool
) -> Source:
    if path.is_dir():
        return ImageFolder(path, size, folders_are_labels)
    if ending == ".parquet":
        return open_parquet(path, array, size)
    if ending == ".npy":
        return ArrayFile(path)
    if ending == ".npz":
        return ArchiveFile(path, array)
    if ending in VALUES:
        return VectorsFile(path)
    if ending in (".hdf5", ".h5"):
        return Hdf5File(path, part, array)
    if path.name.lower().endswith(("-ubyte", "-ubyte.gz")):
        return IdxFile(path)
    raise FileError(f"{path} has an unknown ending: known are {ENDINGS}")

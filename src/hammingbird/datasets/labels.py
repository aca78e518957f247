"""Labels in files: a bare array, or those that come with vectors."""

from __future__ import annotations

from pathlib import Path

from hammingbird.datasets.arrays import read_array
from hammingbird.datasets.files import Name, load
from hammingbird.datasets.source import Array, labels
from hammingbird.errors import FileError


def read_labels(path: Name) -> Array:
    """Labels [n], whole numbers or strings, or label sets [n, c] of ones and zeros.

    From a bare array (``.npy``), any file of vectors that comes with labels, or the subfolders of a
    folder of images.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        if not path.is_file():
            raise FileError(f"{path} does not exist, or is no file")
        y = read_array(path)
        return labels(path, y, y.shape[0] if y.ndim else 1)
    found = load(path, part="query", labels="folders" if path.is_dir() else None).y
    if found is None:
        raise FileError(f"{path} has no labels: give a .npy array of them, or a file with labels")
    return found

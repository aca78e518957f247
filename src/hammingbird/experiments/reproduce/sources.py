"""The real data that the papers' results are made from, found on the user's disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets import load
from hammingbird.errors import FileError

VARIABLE = "HAMMINGBIRD_DATA"


def data_file(name: str) -> Path:
    """Return a file in the folder that ``HAMMINGBIRD_DATA`` names, else in ``../shared/data``."""
    folder = Path(os.environ.get(VARIABLE, "../shared/data"))
    path = folder / name
    if not path.exists():
        raise FileError(f"{path} is missing: set {VARIABLE} to the folder that holds {name}")
    return path


def mnist() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return 60,000 training and 10,000 test images with pixels in [0, 1], [n, 784]."""
    train, test = (
        np.divide(load(data_file(f"mnist/{part}-images-idx3-ubyte.gz")).X, 255, dtype=np.float32)
        for part in ("train", "t10k")
    )
    return train, test


def sift() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return 60,000 base and 1,000 query descriptors, [n, 128]."""
    parts = [
        np.asarray(load(data_file(f"sift/sift60k_{part}.bvecs")).X, np.float32)
        for part in ("base", "query")
    ]
    return parts[0], parts[1]


def word_vectors(n_queries: int = 10_000) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return 71,291 skip-gram vectors [n, 100] of any length, and the rows that are queries."""
    X: Any = np.asarray(load(data_file("word2vec/sgns71291.npz"), array="X").X, np.float32)
    return X, np.random.default_rng(0).permutation(len(X))[:n_queries]

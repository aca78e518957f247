"""The real data that the papers' results are made from, found on the user's disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets import Dataset, Split, load
from hammingbird.datasets.splits import center_unit, cifar_1, cifar_2, labelme
from hammingbird.errors import FileError
from hammingbird.storage import fingerprint

Parts: TypeAlias = tuple[Dataset, Dataset, Dataset]
"""What is learnt from, the queries, what is searched."""

VARIABLE = "HAMMINGBIRD_DATA"
ORIGINS = {
    "mnist": "MNIST's four idx files, 11 MB; as pictures in rasbt/mnist-pngs, MIT",
    "cifar10": "CIFAR-10 as image Parquet, and its MobileNetV2 features, 55 MB; "
    "www.cs.toronto.edu/~kriz/cifar.html, to be cited",
    "imagenet100-tiny": "100 classes of Tiny-ImageNet at 64 pixels, and their MobileNetV2 "
    "features, 39 MB; image-net.org, for research only",
    "gist": "512-d GIST of 22,000 Tiny-ImageNet pictures, 9 MB; image-net.org, for research only",
    "sift": "SIFT descriptors as .bvecs, 11 MB; the format of corpus-texmex.irisa.fr",
    "word2vec": "71,291 skip-gram vectors of 100 dimensions, 14 MB; any word2vec makes them",
    "banking77": "PolyAI's Banking77 under all-MiniLM-L6-v2, 10 MB; "
    "PolyAI-LDN/task-specific-datasets, CC BY 4.0",
    "tmc2007": "TMC2007-500, 28,596 aviation reports, 1 MB; mulan.sourceforge.net",
    "weights": "MobileNetV2 1.0 at 224 pixels, quantized, its arrays as .npz, 4 MB; "
    "google-coral/test_data, Apache-2.0",
}
"""What each folder holds, how large it is, where it comes from, and under which terms."""


class MissingDataError(FileError):
    """A file that a result is made from is not there."""


def data_folder() -> Path:
    """Return the folder that ``HAMMINGBIRD_DATA`` names, else ``../shared/data``."""
    return Path(os.environ.get(VARIABLE, "../shared/data"))


def data_file(name: str) -> Path:
    """Return a file of the data folder; if it is missing, say where it comes from."""
    path = data_folder() / name
    if not path.exists():
        known = ORIGINS.get(name.partition("/")[0], "a file of your own")
        raise MissingDataError(
            f"{path} is missing: set {VARIABLE} to the folder that holds {name} ({known})"
        )
    return path


def data_listing() -> str:
    """Return a short name of the files in the data folder, by their places and sizes."""
    folder = data_folder()
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return fingerprint({str(file.relative_to(folder)): file.stat().st_size for file in files})


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


def banking77() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return 10,003 training and 3,080 test questions as vectors [n, 384]."""
    train, test = (
        np.asarray(load(data_file(f"banking77/banking77_{part}.npz")).X, np.float32)
        for part in ("train", "test")
    )
    return train, test


def cifar_1_features() -> Parts:
    """Return CIFAR-10's features by the protocol cifar-1."""
    return _cifar_features(cifar_1, "cifar-1")


def cifar_2_features() -> Parts:
    """Return CIFAR-10's features by the protocol cifar-2."""
    return _cifar_features(cifar_2, "cifar-2")


def imagenet100_features() -> Parts:
    """Return features of 100 classes: 10,000 to learn from, 5,000 queries, 20,000 to search in."""
    train, query, database = (
        load(data_file(f"imagenet100-tiny/mobilenetv2_{part}.npz"))
        for part in ("train", "query", "database")
    )
    return replace(train, name="imagenet100"), query, database


def imagenet100_pictures() -> NDArray[np.uint8]:
    """Return the pictures of the 5,000 queries of :func:`imagenet100_features`, [n, 64, 64, 3]."""
    pictures: Any = load(data_file("imagenet100-tiny/query.parquet")).images
    return np.asarray(pictures[np.arange(len(pictures))], np.uint8)


def tmc2007() -> Parts:
    """Return aviation reports with label sets: 10,000 of the 21,519 searched are learnt from."""
    database, query = (load(data_file(f"tmc2007/tmc2007_{part}.npz")) for part in ("train", "test"))
    rows = np.random.default_rng(0).permutation(len(database.X))[:10_000]
    return _part(database, rows, "tmc2007"), query, database


def gist() -> Parts:
    """Return GIST descriptors, centred and of unit length, by the protocol of 22K LabelMe."""
    every = load(data_file("gist/gist512_22k.npz"))
    split = labelme(every.X[:, 0])
    X = center_unit(every.X, split.train)
    return _split(Dataset("gist", X), split)


def _cifar_features(protocol: Callable[..., Split], name: str) -> Parts:
    parts = [load(data_file(f"cifar10/mobilenetv2_{part}.npz")) for part in ("train", "test")]
    labels = np.concatenate([part.y for part in parts if part.y is not None])
    every = Dataset(name, np.concatenate([part.X for part in parts]), labels)
    return _split(every, protocol(labels))


def _split(every: Dataset, split: Split) -> Parts:
    train = _part(every, split.train, every.name)
    query = _part(every, split.query, f"{every.name}, queries")
    if np.array_equal(split.train, split.database):
        return train, query, train
    return train, query, _part(every, split.database, f"{every.name}, database")


def _part(every: Dataset, rows: NDArray[np.int64], name: str) -> Dataset:
    return Dataset(name, every.X[rows], None if every.y is None else every.y[rows])

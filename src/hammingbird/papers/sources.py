"""The real data that the papers' results are made from, found on the user's disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets import Dataset, Split, load
from hammingbird.datasets.source import reading
from hammingbird.datasets.splits import center_unit, cifar_1, cifar_2, labelme
from hammingbird.errors import FileError
from hammingbird.papers.places import data_file, data_folder
from hammingbird.papers.published import IMAGENET100, Parts

LABELME = "labelme/LabelMe_gist.mat"
GIST_WIDTH = 512
TINY_LEARNT = 10_000


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


def banking77_labels() -> Parts:
    """Return the same questions with their 77 intents: the training part is searched."""
    train, query = (load(data_file(f"banking77/banking77_{p}.npz")) for p in ("train", "test"))
    train = replace(train, name="banking77")
    return train, query, train


def cifar_1_features() -> Parts:
    """Return CIFAR-10's features by the protocol cifar-1."""
    return _cifar_features(cifar_1, "cifar-1")


def cifar_2_features() -> Parts:
    """Return CIFAR-10's features by the protocol cifar-2."""
    return _cifar_features(cifar_2, "cifar-2")


def imagenet100_features() -> Parts:
    """Return features of ImageNet-100 by HashNet's lists, if they are there, else of Tiny's."""
    own = (data_folder() / IMAGENET100.name).exists()
    return IMAGENET100() if own else tiny_imagenet100()


def tiny_imagenet100() -> Parts:
    """Return features of 100 classes: 10,000 to learn from, 5,000 queries, 20,000 to search in."""
    train, query, database = (
        load(data_file(f"imagenet100-tiny/mobilenetv2_{part}.npz"))
        for part in ("train", "query", "database")
    )
    return replace(train, name="imagenet100"), query, database


def tiny_pictures() -> Parts:
    """Return the pictures [n, 64, 64, 3] of the rows of :func:`tiny_imagenet100`."""
    database, query = (
        load(data_file(f"imagenet100-tiny/{part}.parquet")) for part in ("train", "query")
    )
    train = database.take(slice(0, TINY_LEARNT))
    return replace(train, name="imagenet100-pictures"), query, database


def cifar_2_pictures() -> Parts:
    """Return CIFAR-10's pictures [n, 32, 32, 3] by the protocol cifar-2."""
    train, query = (
        load(data_file(f"cifar10/{part}-00000-of-00001.parquet")) for part in ("train", "test")
    )
    train = replace(train, name="cifar-2-pictures")
    return train, query, train


def imagenet100_pictures() -> NDArray[np.uint8]:
    """Return the pictures of the 5,000 queries of :func:`tiny_imagenet100`, [n, 64, 64, 3]."""
    pictures: Any = load(data_file("imagenet100-tiny/query.parquet")).images
    return np.asarray(pictures[np.arange(len(pictures))], np.uint8)


def tmc2007() -> Parts:
    """Return aviation reports with label sets: 10,000 of the 21,519 searched are learnt from."""
    database, query = (load(data_file(f"tmc2007/tmc2007_{part}.npz")) for part in ("train", "test"))
    rows = np.random.default_rng(0).permutation(len(database.X))[:10_000]
    return _part(database, rows, "tmc2007"), query, database


def tmc2007_all() -> Parts:
    """Return the same reports, but all that are searched are learnt from."""
    _, query, database = tmc2007()
    database = replace(database, name="tmc2007-all")
    return database, query, database


def gist() -> Parts:
    """Return GIST descriptors, centred and of unit length, by the protocol of 22K LabelMe.

    LabelMe's own if they are there, else those of Tiny-ImageNet's pictures.
    """
    own = data_folder() / LABELME
    name = "labelme" if own.exists() else "gist"
    every = labelme_gist(own) if own.exists() else load(data_file("gist/gist512_22k.npz")).X
    split = labelme(every[:, 0])
    return _split(Dataset(name, center_unit(every, split.train)), split)


def labelme_gist(path: Path) -> NDArray[Any]:
    """Read the GIST descriptors [n, 512] of 22K LabelMe as MATLAB's file of them has them."""
    from scipy.io import loadmat

    with reading(path):
        content = loadmat(path, variable_names=["gist"])
    found = np.asarray(content.get("gist", ()))
    if found.ndim != 2 or found.shape[1] != GIST_WIDTH or found.dtype.kind not in "fu":
        raise FileError(f"{path} has no matrix gist [n, {GIST_WIDTH}]: is it LabelMe_gist.mat?")
    return found


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

"""What SGH's figures search: vectors, queries, and their true neighbours where a file has them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets import load
from hammingbird.datasets.source import Array
from hammingbird.datasets.splits import labelme
from hammingbird.errors import FileError
from hammingbird.papers.figures import Vectors
from hammingbird.papers.places import data_file, data_folder
from hammingbird.papers.quick import ROWS, drawn
from hammingbird.papers.sources import mnist, sift

LEARNT = 100_000
"""Rows to learn from, the first of the file for this where a set comes with one."""


@dataclass(frozen=True)
class Search:
    """Vectors to learn from, to ask for and to search in."""

    name: str
    learn: Vectors
    """[n, d]; the vectors that are searched themselves, where no others come with them."""
    queries: Vectors
    X: Array
    """What is searched [n, d], memory-mapped where the file may be larger than memory."""
    ids: NDArray[np.int64] | None = None
    """True neighbours of the queries, from the file that comes with the set."""
    short: bool = False
    """Whether ``learn`` was cut."""

    @property
    def models(self) -> str:
        """The name under which what was learned is kept."""
        return f"{self.name}-{len(self.learn)}" if self.short else self.name


FILES = {
    "sift1m": (
        "sift_base.fvecs", "sift_query.fvecs", "sift_learn.fvecs", "sift_groundtruth.ivecs",
    ),
    "gist1m": (
        "gist_base.fvecs", "gist_query.fvecs", "gist_learn.fvecs", "gist_groundtruth.ivecs",
    ),
    "sift1b": (
        "bigann_base.bvecs", "bigann_query.bvecs", "bigann_learn.bvecs", "gnd/idx_1000M.ivecs",
    ),
}  # fmt: skip
"""Of each of the TEXMEX sets: base, queries, what is learned from, true neighbours."""


def mnist_search() -> Search:
    """MNIST, the test images as queries."""
    X, queries = mnist()
    return Search("mnist", X, queries, X)


def sift_search() -> Search:
    """60,000 SIFT descriptors, with their true neighbours."""
    X, queries = sift()
    truth = load(data_file("sift/sift60k_groundtruth.ivecs")).X
    return Search("sift", X, queries, X, np.asarray(truth, np.int64))


def gist_search() -> Search:
    """GIST-512 of 20,000 pictures, and of 2,000 others."""
    every = np.asarray(load(data_file("gist/gist512_22k.npz")).X, np.float32)
    split = labelme(every[:, 0])
    X = every[split.database]
    return Search("gist512", X, every[split.query], X)


def own_searches(*names: str) -> list[Search]:
    """Of the TEXMEX sets that are named, those that the data folder has."""
    return [_texmex(name) for name in names if (data_folder() / name).exists()]


def short_search(search: Search) -> Search:
    """The same, with at most so many rows to learn from as a shorter form takes."""
    n = len(search.learn)
    return search if n <= ROWS else replace(search, learn=search.learn[drawn(n)], short=True)


def _texmex(name: str) -> Search:
    base, asked, learned, truth = (load(data_file(f"{name}/{file}")).X for file in FILES[name])
    widths = {part.shape[1] for part in (base, asked, learned)}
    if len(widths) > 1:
        raise FileError(f"{data_folder() / name} has files of vectors of different widths")
    ids = np.asarray(truth, np.int64)
    if len(ids) != len(asked) or ids.min() < 0 or ids.max() >= len(base):
        raise FileError(
            f"{data_folder() / name}/{FILES[name][3]} does not name rows of "
            f"{FILES[name][0]} for each of the {len(asked):,} queries"
        )
    learn = np.asarray(learned[:LEARNT], np.float32)
    return Search(name, learn, np.asarray(asked, np.float32), base, ids)

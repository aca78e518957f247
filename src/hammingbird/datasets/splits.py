"""The published split protocols, drawn by seed from labels, and the check that keeps them honest.

Sizes default to the published ones. Where a data set has an official test part, the rows are
those of the official training part followed by those of the test part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.errors import InputError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Rows to learn from, to ask for and to search in."""

    train: Rows
    query: Rows
    database: Rows
    dropped: int = 0
    """Rows left out because they have no label."""

    @property
    def train_in_database(self) -> bool:
        """Whether every training row is also searched."""
        return bool(np.isin(self.train, self.database).all())

    def check(self, *, allow_overlap: bool = False) -> Split:
        """Return the split, or raise :class:`InputError` if queries are searched or learnt from."""
        for name, rows in (("train", self.train), ("database", self.database)):
            shared = len(np.intersect1d(self.query, rows))
            if shared and not allow_overlap:
                raise InputError(
                    f"{shared} queries are also in the {name} rows: remove them from one side, "
                    "or pass allow_overlap=True"
                )
        return self


def cifar_54k(labels: ArrayLike, seed: int = 0, *, queries: int = 100, train: int = 500) -> Split:
    """CIFAR-10 as HashNet's authors split it: per class 100 queries, 500 to learn from, the rest.

    The training rows are not searched (thulab's DeepHash).
    """
    split = cifar_1(labels, seed, queries=queries, train=train)
    return Split(split.train, split.query, np.setdiff1d(split.database, split.train)).check()


def cifar_1(labels: ArrayLike, seed: int = 0, *, queries: int = 100, train: int = 500) -> Split:
    """CIFAR-10 as in DPSH, DTSH and MIHash: as ``cifar_54k``, but everything else is searched."""
    labels = _classes(labels)
    rng = np.random.default_rng(seed)
    query, learn = [], []
    for value in np.unique(labels):
        rows = _draw(rng, np.flatnonzero(labels == value), queries + train, f"class {value}")
        query.append(rows[:queries])
        learn.append(rows[queries:])
    asked = np.concatenate(query)
    return Split(np.concatenate(learn), asked, _others(len(labels), asked)).check()


def cifar_2(labels: ArrayLike, seed: int = 0, *, queries: int = 10_000) -> Split:  # noqa: ARG001
    """CIFAR-10's official parts: the test part asks, the training part is learnt and searched."""
    n_train = _official(len(np.asarray(labels)), queries)
    train = np.arange(n_train)
    return Split(train, np.arange(n_train, n_train + queries), train).check()


def nus_1(labels: ArrayLike, seed: int = 0, *, queries: int = 100, train: int = 500) -> Split:
    """NUS-WIDE's 21 concepts as in DPSH and MIHash: 100 queries and 500 rows a concept.

    From the most frequent concept to the rarest, rows are drawn from those that show it and are
    not taken yet. Everything but the queries is searched. ``labels`` are sets [n, 21].
    """
    sets = _sets(labels)
    rng = np.random.default_rng(seed)
    labelled = np.flatnonzero(sets.any(axis=1))
    free = np.ones(len(sets), bool)
    query = _per_concept(rng, sets, free, queries)
    learn = _per_concept(rng, sets, free, train)
    database = np.setdiff1d(labelled, query)
    return Split(learn, query, database, len(sets) - len(labelled)).check()


def nus_2(labels: ArrayLike, seed: int = 0, *, queries: int = 100) -> Split:
    """As ``nus_1`` with the same queries, but everything that is searched is also learnt from."""
    split = nus_1(labels, seed, queries=queries, train=0)
    return Split(split.database, split.query, split.database, split.dropped).check()


def hashnet(
    labels: ArrayLike, seed: int = 0, *, queries: int = 5_000, train: int = 10_000
) -> Split:
    """NUS-WIDE-81 and MS COCO as HashNet's text says: 5,000 queries, the rest is the database.

    10,000 rows of the database are learnt from. Unlabelled rows are dropped and counted; the
    released lists keep them, and their COCO database holds the queries.
    """
    sets = _sets(labels)
    labelled = np.flatnonzero(sets.any(axis=1))
    rng = np.random.default_rng(seed)
    rows = _draw(rng, labelled, queries + train, "the labelled rows")
    query = rows[:queries]
    database = np.setdiff1d(labelled, query)
    return Split(rows[queries:], query, database, len(sets) - len(labelled)).check()


def imagenet100(
    labels: ArrayLike, seed: int = 0, *, queries: int = 5_000, train: int = 100
) -> Split:
    """ImageNet-100: the validation part asks, the training part is searched, 100 a class learnt.

    HashNet's text says 100 rows a class, its released list has 130. ``labels`` [n].
    """
    labels = _classes(labels)
    n_database = _official(len(labels), queries)
    rng = np.random.default_rng(seed)
    learn = [
        _draw(rng, np.flatnonzero(labels[:n_database] == value), train, f"class {value}")
        for value in np.unique(labels[:n_database])
    ]
    database = np.arange(n_database)
    return Split(np.concatenate(learn), np.arange(n_database, len(labels)), database).check()


def labelme(labels: ArrayLike, seed: int = 0, *, queries: int = 2_000, train: int = 5_000) -> Split:
    """22K LabelMe as MIHash's text says: 2,000 random queries, the rest searched, 5,000 learnt.

    Any array with one row per image will do for ``labels``; see :func:`center_unit`.
    """
    n = len(np.asarray(labels))
    rows = _draw(np.random.default_rng(seed), np.arange(n), queries + train, "the rows")
    return Split(rows[queries:], rows[:queries], _others(n, rows[:queries])).check()


SPLITS: Mapping[str, Callable[..., Split]] = {
    "cifar-54k": cifar_54k,
    "cifar-1": cifar_1,
    "cifar-2": cifar_2,
    "nus-1": nus_1,
    "nus-2": nus_2,
    "hashnet": hashnet,
    "imagenet100": imagenet100,
    "labelme": labelme,
}
"""Every protocol by name; all take ``(labels, seed, *, queries=...)``."""


def center_unit(X: ArrayLike, train: ArrayLike) -> NDArray[np.float32]:
    """Centre vectors [n, d] with the mean of the ``train`` rows, scale to unit length (MIHash)."""
    values = np.asarray(X, np.float32)
    values = values - values[np.asarray(train)].mean(axis=0, dtype=np.float64).astype(np.float32)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    centred: NDArray[np.float32] = values / np.maximum(norms, np.finfo(np.float32).tiny)
    return centred


def _per_concept(
    rng: np.random.Generator, sets: NDArray[np.bool_], free: NDArray[np.bool_], count: int
) -> Rows:
    """Draw ``count`` free rows per concept, most frequent concept first; they stop being free."""
    drawn: list[Rows] = []
    for concept in np.argsort(-sets.sum(axis=0), kind="stable"):
        rows = _draw(rng, np.flatnonzero(sets[:, concept] & free), count, f"concept {concept}")
        free[rows] = False
        drawn.append(rows)
    return np.concatenate(drawn)


def _draw(rng: np.random.Generator, rows: Rows, count: int, name: str) -> Rows:
    if len(rows) < count:
        raise InputError(f"{name} has {len(rows)} rows left, {count} are needed: ask for fewer")
    return rng.permutation(rows)[:count]


def _others(n: int, rows: Rows) -> Rows:
    return np.setdiff1d(np.arange(n), rows)


def _official(n: int, queries: int) -> int:
    if not 0 < queries < n:
        raise InputError(f"{queries} of {n} rows cannot be the official test part")
    return n - queries


def _classes(labels: ArrayLike) -> NDArray[np.generic]:
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise InputError(f"this protocol needs one label per row [n], got shape {labels.shape}")
    return labels


def _sets(labels: ArrayLike) -> NDArray[np.bool_]:
    labels = np.asarray(labels)
    if labels.ndim != 2 or not labels.size:
        raise InputError(f"this protocol needs label sets [n, c], got shape {labels.shape}")
    return labels.astype(bool)

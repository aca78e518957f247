"""What a comparison is about: train, query and database vectors, and what counts as relevant."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.comparison.code import code_fingerprint
from hammingbird.comparison.draw import Parts
from hammingbird.comparison.truth import kept
from hammingbird.datasets import Dataset
from hammingbird.datasets.source import images
from hammingbird.errors import InputError
from hammingbird.evaluation import (
    ListedNeighbors,
    Relevance,
    SameLabel,
    WithinDistance,
    describe_protocol,
    overlap,
    percentile_threshold,
)
from hammingbird.hasher import row_chunks
from hammingbird.inputs import as_rows, dense, is_torch_dataset, labels_of
from hammingbird.storage import fingerprint, fingerprint_rows
from hammingbird.targets import Measure, Neighbors, nearest_vectors

RELEVANCE_FORMS = "labels, neighbors:K, inner:K or percentile:P"
RECALL_NEIGHBORS = 10


@dataclass(frozen=True)
class Task:
    """Vectors to learn from, to search with and to search in, and the rule of relevance."""

    train: Dataset
    query: Dataset
    database: Dataset
    rule: str
    """``labels``, ``neighbors:K``, ``inner:K`` or ``percentile:P``."""
    allow_overlap: bool = False
    """Whether more than half of the queries may be rows of the database."""
    folder: Path | None = None
    """Where true neighbours are kept."""
    held_out: bool = False
    """Whether it is known that no query is a row of the database."""
    train_within: bool = False
    """Whether it is known that all training rows are rows of the database."""
    drawn: dict[str, int] = field(default_factory=dict)
    """How many rows were drawn, and by which seed."""

    @classmethod
    def of(cls, parts: Parts, rule: str, allow_overlap: bool, folder: Path) -> Task:
        """Return the task of parts that were given or drawn."""
        return cls(
            parts.train,
            parts.query,
            parts.database,
            rule,
            allow_overlap,
            folder,
            parts.held_out,
            parts.train_within,
            parts.said,
        )

    def __post_init__(self) -> None:
        widths = {part.X.shape[1] for part in (self.train, self.query, self.database)}
        if len(widths) > 1:
            raise InputError(
                "train, query and database must be equally wide, got "
                + ", ".join(str(part.X.shape) for part in (self.train, self.query, self.database))
            )
        self._check_rule()
        _check_different(self.database)
        if 2 * self.overlap > len(self.query.X) and not self.allow_overlap:
            raise InputError(
                f"{self.overlap} of {len(self.query.X)} queries are rows of the database: give "
                "other queries, or allow it (--allow-overlap), which leaves each query's own row "
                "out of its results"
            )

    def _check_rule(self) -> None:
        """Refuse a rule that these parts cannot have."""
        kind, value = _parse(self.rule)
        for name, part in (("query", self.query), ("database", self.database)):
            if kind == "labels" and part.y is None:
                raise InputError(
                    f"the {name} file {part.name} has no labels: add them, or use "
                    "--relevance neighbors:10"
                )
        n = len(self.database.X)
        if n < 2:
            raise InputError(f"{self.database.name} has {n} row: nothing to rank in it")
        if kind in ("neighbors", "inner") and value > n:
            raise InputError(f"{self.rule}: the database has only {n} rows")

    @property
    def measure(self) -> Measure:
        """How float vectors are compared: the ceiling that codes are held against."""
        kind, _ = _parse(self.rule)
        return {"labels": "cosine", "inner": "inner"}.get(kind, "l2")  # type: ignore[return-value]

    @cached_property
    def own_rows(self) -> NDArray[np.int64]:
        """For every query the first identical database row, -1 if there is none."""
        if self.held_out:
            return np.full(len(self.query.X), -1)
        return overlap(self.query.X, self.database.X)

    @property
    def overlap(self) -> int:
        """How many queries are also rows of the database."""
        return int(np.count_nonzero(self.own_rows >= 0))

    @property
    def self_rows(self) -> NDArray[np.int64] | None:
        """Rows to leave out: each query's own, if any query is a row of the database."""
        return self.own_rows if self.overlap else None

    @cached_property
    def neighbors(self) -> NDArray[np.int64]:
        """The true nearest neighbours of every query, for ``recallK@N``, int64 [q, >= 10]."""
        kind, value = _parse(self.rule)
        k = (
            max(RECALL_NEIGHBORS, int(value))
            if kind in ("neighbors", "inner")
            else RECALL_NEIGHBORS
        )
        k = min(k, len(self.database.X) - (self.self_rows is not None))
        measure: Measure = "inner" if kind == "inner" else "l2"
        made_of = {"k": k, "measure": measure, "code": code_fingerprint("targets")}

        def find() -> NDArray[np.int64]:
            own = self.self_rows
            return nearest_vectors(self.query.X, self.database.X, k, measure, exclude=own).ids

        place = None if self.folder is None else self.folder / f"{measure}-{k}"
        return kept(place, {**made_of, "data": self.description}, find)

    @cached_property
    def relevance(self) -> Relevance:
        """The rule, applied to these queries and this database."""
        kind, value = _parse(self.rule)
        if kind == "labels":
            assert self.query.y is not None
            assert self.database.y is not None
            return SameLabel(self.query.y, self.database.y)
        if kind == "percentile":
            return WithinDistance(self.query.X, self.database.X, self._threshold)
        return ListedNeighbors(self.neighbors[:, : int(value)], len(self.database.X))

    @cached_property
    def targets(self) -> NDArray[np.generic] | Neighbors | None:
        """What supervised methods learn from: labels, or neighbours by the rule of relevance."""
        kind, value = _parse(self.rule)
        if kind == "labels":
            return self.train.y
        X = np.asarray(self.train.X)
        if kind == "percentile":
            return _all_within(X, self._threshold)
        k = min(int(value), len(X) - 1)
        return nearest_vectors(X, X, k, self.measure, exclude=np.arange(len(X)))

    @cached_property
    def _threshold(self) -> float:
        return percentile_threshold(np.asarray(self.train.X), _parse(self.rule)[1])

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides what a metric means, for the result records."""
        shared = (
            len(self.train.X)
            if self.train is self.database or self.train_within
            else int(np.count_nonzero(overlap(self.train.X, self.database.X) >= 0))
        )
        return {
            "rule": self.rule,
            **self.drawn,
            "float_measure": self.measure,
            **describe_protocol(
                self.relevance,
                train_in_database=bool(shared),
                query_in_database=bool(self.overlap),
                self_rows=self.self_rows,
            ),
            "train_rows_in_database": shared,
            "query_rows_in_database": self.overlap,
        }

    @cached_property
    def description(self) -> dict[str, Any]:
        """Names, sizes and fingerprints of the three parts: every byte of each."""
        train = _describe(self.train)
        return {
            "name": self.train.name,
            "train": train,
            "query": _describe(self.query),
            "database": train if self.database is self.train else _describe(self.database),
        }


def as_dataset(data: Dataset | ArrayLike, y: ArrayLike | None = None, name: str = "") -> Dataset:
    """Wrap what ``fit`` takes, so that people need not build a ``Dataset`` themselves.

    Labels of a torch Dataset come with it. Sparse rows become an array, as float vectors are what
    codes are compared with.
    """
    if isinstance(data, Dataset):
        return data
    rows = dense(as_rows(data), name)
    if not (hasattr(rows, "__array__") or isinstance(rows, list | tuple)):
        raise InputError(f"{name} must be a matrix of vectors [n, d], got a {type(data).__name__}")
    if is_torch_dataset(data):
        y = labels_of(data) if y is None else y
        pictures, rows = images(rows), rows.reshape(len(rows), -1)
    else:
        pictures = None
    try:
        X = rows if isinstance(rows, np.memmap) else np.asarray(rows)
    except Exception as error:
        raise InputError(f"{name} must be a matrix of vectors [n, d]: {error}") from error
    if X.ndim != 2 or not X.size or X.dtype.kind not in "fiub":
        raise InputError(f"{name} must be a matrix of vectors [n, d], got {X.dtype} {X.shape}")
    labels = None if y is None else np.asarray(y)
    return Dataset(name=name or "array", X=X, y=labels, images=pictures, neighbors=None)


def _parse(rule: str) -> tuple[str, float]:
    kind, _, value = rule.partition(":")
    try:
        number = float(value) if value else 0.0
    except ValueError:
        number = -1.0
    whole = kind in ("neighbors", "inner") and number >= 1 and number == int(number)
    if whole or (kind == "percentile" and 0 < number < 100) or rule == "labels":
        return kind, number
    raise InputError(f"relevance must be {RELEVANCE_FORMS}, got {rule!r}")


def _check_different(database: Dataset) -> None:
    """Refuse a database whose rows are all equal."""
    X = database.X
    if len(X) > 1 and all((chunk.values == X[0]).all() for chunk in row_chunks(X)):
        raise InputError(
            f"all {len(X):,} rows of {database.name} are equal: every code would find any of them"
        )


def _describe(part: Dataset) -> dict[str, Any]:
    images = None if part.images is None else fingerprint_rows(part.images)
    return {
        "name": part.name,
        "rows": len(part.X),
        "width": part.X.shape[1],
        "dtype": str(part.X.dtype),
        "fingerprint": fingerprint_rows(part.X),
        **({} if images is None else {"images": images}),
        **({} if part.y is None else {"labels": _fingerprint_labels(part.y)}),
    }


def _fingerprint_labels(y: NDArray[Any]) -> str:
    return fingerprint({"labels": y.astype(str).tolist()})


def _all_within(X: NDArray[Any], threshold: float) -> Neighbors:
    """All other rows at most ``threshold`` away, in the order of rows, -1 after the last."""
    within = WithinDistance(X, X, threshold)
    found = [
        np.flatnonzero(row)
        for start in range(0, len(X), 1024)
        for row in within.rows(start, min(start + 1024, len(X)))
    ]
    found = [ids[ids != row] for row, ids in enumerate(found)]
    ids = np.full((len(X), max(map(len, found))), -1)
    for row, some in enumerate(found):
        ids[row, : len(some)] = some
    return Neighbors(ids, np.zeros(ids.shape))

"""Which rows play which part: given as files, or drawn from one by a seed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets import Dataset, hold_out
from hammingbird.datasets.kept import kept_order
from hammingbird.errors import InputError
from hammingbird.finite import check_values
from hammingbird.hasher import row_chunks

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Vectors to learn from, to search with and to search in."""

    train: Dataset
    query: Dataset
    database: Dataset
    said: dict[str, int] = field(default_factory=dict)
    """How many rows were drawn, and by which seed; empty if none were."""
    rows: dict[str, Rows] = field(default_factory=dict)
    """For each part that was drawn, the rows of its file."""
    held_out: bool = False
    """Whether no query is a row of the database."""
    train_within: bool = False
    """Whether all training rows are rows of the database."""


def draw(
    train: Dataset,
    query: Dataset | None,
    database: Dataset | None,
    *,
    holdout: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Parts:
    """Hold ``holdout`` queries out of ``train``; learn from ``sample`` of its rows only.

    The database is what is left of ``train``, never a sample of it, if none is given.
    """
    for part in (train, query, database):
        if part is not None:
            check_finite(part)
    rows: dict[str, Rows] = {}
    if holdout is not None:
        if query is not None or database is not None:
            raise InputError(
                "holdout takes the queries out of train and searches the rest: "
                "leave query and database out"
            )
        held = hold_out(train.X, holdout, random_state=seed)
        left = np.ones(len(train.X), bool)
        left[held.kept] = False
        order = kept_order(len(train.X), np.flatnonzero(left))
        rows |= {"query": held.queries, "database": order}
        train, query = train.keep(order), train.take(held.queries)
    if query is None:
        raise InputError("compare needs queries: a query file, or holdout, which takes them out")
    learn = train
    if sample is not None:
        if sample < 1:
            raise InputError(f"sample must be at least 1, got {sample}")
        if sample < len(train.X):
            chosen = np.random.default_rng([seed, 1]).choice(len(train.X), sample, replace=False)
            rows["train"] = np.sort(chosen)
            learn = train.take(rows["train"])
    said = {"holdout": holdout, "sample": sample}
    drawn = {name: value for name, value in said.items() if value is not None}
    return Parts(
        learn,
        query,
        train if database is None else database,
        {**drawn, "draw_seed": seed} if drawn else {},
        {
            name: rows["database"][of] if name == "train" and "database" in rows else of
            for name, of in rows.items()
        },
        held_out=holdout is not None,
        train_within=database is None,
    )


def check_finite(part: Dataset) -> None:
    """Refuse a part with NaN or infinity, by its name and the place."""
    if part.X.dtype.kind != "f":
        return
    try:
        for chunk in row_chunks(part.X):
            check_values(chunk.values, chunk.start)
    except InputError as error:
        raise InputError(f"{part.name}: {error}") from error

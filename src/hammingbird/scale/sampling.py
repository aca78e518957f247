"""Rows to learn from, drawn over all parts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets.parquet import VectorTable, open_parquet
from hammingbird.datasets.source import Dataset
from hammingbird.errors import FileError, InputError
from hammingbird.scale.engine import Engine, InProcess
from hammingbird.scale.parts import Part, list_parts


def sample_rows(
    source: str | os.PathLike[str],
    rows: int | None = None,
    *,
    seed: int = 0,
    vectors: str | None = None,
    engine: Engine | None = None,
) -> Dataset:
    """Draw ``rows`` rows of a folder of Parquet files, each set of them equally likely.

    Headers say how many rows there are, so row numbers are drawn first, as a reservoir would have
    kept them, and workers then bring those of their parts, with labels. What is drawn depends on
    the seed alone, not on the engine. ``None``, or more than there are, takes all, in order.
    """
    parts = list_parts(source, vectors=vectors)
    total = sum(part.rows for part in parts)
    chosen = np.arange(total) if rows is None else chosen_rows(total, rows, seed)
    firsts = [part.first for part in parts]
    cuts = np.split(chosen, np.searchsorted(chosen, firsts[1:]))
    job = {part.name: some - part.first for part, some in zip(parts, cuts, strict=True)}
    asked = [part for part in parts if len(job[part.name])]
    found = list((engine or InProcess()).map(_take, job, asked))
    return replace(
        found[0],
        name=Path(source).name,
        X=np.concatenate([data.X for data in found]),
        y=_labels(found, source),
    )


def chosen_rows(total: int, rows: int, seed: int) -> NDArray[np.int64]:
    """``rows`` different row numbers below ``total``, ascending; all where there are no more."""
    if rows < 1:
        raise InputError(f"a sample needs at least one row, got {rows}")
    if rows >= total:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, rows, replace=False, shuffle=False))


def _take(job: dict[str, NDArray[np.int64]], part: Part) -> Dataset:
    part.check()
    table = open_parquet(Path(part.path), part.vectors)
    assert isinstance(table, VectorTable)
    return table.take(job[part.name])


def _labels(found: list[Dataset], source: str | os.PathLike[str]) -> NDArray[Any] | None:
    labels = [data.y for data in found if data.y is not None]
    if not labels:
        return None
    if len(labels) < len(found) or len({(y.shape[1:], y.dtype.kind) for y in labels}) > 1:
        raise FileError(
            f"{source} has parts with labels of other kinds, or without: write them alike"
        )
    return np.concatenate(labels)

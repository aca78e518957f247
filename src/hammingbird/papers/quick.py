"""The shorter form of a result, by one rule: what ``hammingbird reproduce --quick`` makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from hammingbird.papers.published import Parts

T = TypeVar("T")

ROWS = 10_000
RULE = (
    f"one seed, the shortest and the longest length, at most {ROWS:,} rows to learn from; "
    "what is searched stays whole"
)


def ends(values: Sequence[T]) -> tuple[T, ...]:
    """The first and the last, of two or fewer all."""
    return tuple(values) if len(values) < 3 else (values[0], values[-1])


def fewer_rows(parts: Parts) -> Parts:
    """Draw the rows to learn from where there are too many; runs on them have their own name."""
    train, query, database = parts
    if len(train.X) <= ROWS:
        return parts
    rows = np.sort(np.random.default_rng(0).permutation(len(train.X))[:ROWS])
    return replace(train.take(rows), name=f"{train.name}-{ROWS}"), query, database

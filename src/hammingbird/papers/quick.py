"""The shorter form of a result, by one rule: what ``hammingbird reproduce --quick`` makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hammingbird.papers.published import Parts

T = TypeVar("T")

ROWS = 10_000
EPOCHS = 5
RULE = (
    f"one seed, the shortest and the longest length, at most {ROWS:,} rows to learn from, "
    f"{EPOCHS} epochs of a network that is fine-tuned; what is searched stays whole"
)


def ends(values: Sequence[T]) -> tuple[T, ...]:
    """The first and the last, of two or fewer all."""
    return tuple(values) if len(values) < 3 else (values[0], values[-1])


def drawn(n: int) -> NDArray[np.int64]:
    """Rows to learn from, of ``n`` that are too many, in their order."""
    return np.sort(np.random.default_rng(0).permutation(n)[:ROWS])


def fewer_rows(parts: Parts) -> Parts:
    """Draw the rows to learn from where there are too many; runs on them have their own name."""
    train, query, database = parts
    if len(train.X) <= ROWS:
        return parts
    rows = drawn(len(train.X))
    return replace(train.take(rows), name=f"{train.name}-{ROWS}"), query, database

"""Queries of classes that no method has seen (HashNet, Table 2), by two readings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.comparison.results import average
from hammingbird.comparison.run import compare
from hammingbird.datasets import Dataset
from hammingbird.papers.markdown import write_table
from hammingbird.papers.published import Parts
from hammingbird.papers.quick import ends, fewer_rows
from hammingbird.papers.sources import imagenet100_features
from hammingbird.papers.tables import SEEDS

METHODS = ("hashnet", "dhn", "itq")
BITS = (16, 32, 48, 64)
METRIC = "map@1000"
LEFT_OUT = 4
"""Classes of which each is left out of the training once."""
UNSEEN = 25
"""Classes that are all left out together."""


def unseen_classes(
    out: Path, seeds: Sequence[int] = SEEDS, *, quick: bool = False
) -> dict[str, Any]:
    """MAP@1000 of queries whose classes were not learned from.

    ``one class``: one is left out and asks, all classes are searched, averaged over drawn classes
    (the authors' answer to a question). ``a quarter``: 25 of 100 are left out, ask and are searched
    (Sablayrolles et al. 2017). The paper's own numbers are not in the text that we have. The
    pretrained network saw all of these classes.
    """
    lengths, seeds = (ends(BITS), seeds[:1]) if quick else (BITS, seeds)
    parts = imagenet100_features()
    if quick:
        parts = fewer_rows(parts)
    assert parts[0].y is not None
    classes = np.random.default_rng(0).permutation(np.unique(parts[0].y))
    tasks = {
        f"one class-{c}": _without(parts, np.array([c]), search_all=True)
        for c in classes[:LEFT_OUT].tolist()
    }
    tasks["a quarter"] = _without(parts, classes[:UNSEEN], search_all=False)
    found: dict[tuple[str, str, int], list[float]] = {}
    for name, task in tasks.items():
        results = compare(
            *task,
            methods=METHODS,
            bits=lengths,
            seeds=seeds,
            relevance="labels",
            out=out / "runs" / f"zero-shot-{name.replace(' ', '-')}",
            metrics=[METRIC],
        )
        for row in average(results):
            if row.method in (*METHODS, "float"):
                key = (name.partition("-")[0], row.method, row.bits or 0)
                found.setdefault(key, []).append(row.metrics[METRIC].mean)
    records = [
        {"reading": reading, "method": method, "bits": bits, METRIC: float(np.mean(values))}
        for (reading, method, bits), values in found.items()
    ]
    rows = [
        [reading, method, *(f"{np.mean(found[reading, method, b]):.3f}" for b in columns)]
        for reading in ("one class", "a quarter")
        for method, columns in [*((m, lengths) for m in METHODS), ("float", (0,) * len(lengths))]
    ]
    write_table(
        out / "hashnet-table2.md", ["reading", "method", *(f"{b} bits" for b in lengths)], rows
    )
    return {"data": parts[0].name, "metric": METRIC, "seeds": len(seeds), "records": records}


def _without(parts: Parts, unseen: NDArray[np.int64], *, search_all: bool) -> Parts:
    """Learn without some classes and ask for them, in all classes or in these alone."""
    train, query, database = parts

    def of(part: Dataset, mine: bool) -> Dataset:
        labels: Any = part.y
        return part.take(np.flatnonzero(np.isin(labels, unseen) == mine))

    searched = database if search_all else of(database, mine=True)
    return of(train, mine=False), of(query, mine=True), searched

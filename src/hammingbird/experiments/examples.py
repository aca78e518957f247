"""The first ten results of a few queries, for data that are images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hammingbird import kernels
from hammingbird.experiments.task import Task

if TYPE_CHECKING:
    from hammingbird.experiments.report import Examples

N_QUERIES = 6
N_RESULTS = 10


def show_examples(out: Path, task: Task, results: dict[str, Any]) -> Examples | None:
    """Look up the results of six queries in every cell of the longest codes, first seed."""
    from hammingbird.experiments.report import ExampleRow, Examples

    pictures, shelf = task.query.images, task.database.images
    cells = [r for r in results["records"] if r["role"] != "ceiling" and r["method"] != "sign"]
    if pictures is None or shelf is None or not cells:
        return None
    longest = max(record["bits"] for record in cells)
    cells = [r for r in cells if r["bits"] == longest and r["seed"] == cells[0]["seed"]]
    chosen = np.linspace(0, len(pictures) - 1, min(N_QUERIES, len(pictures))).astype(int)
    relevant = [task.relevance.rows(query, query + 1)[0] for query in chosen]
    rows = []
    for record in cells:
        folder = out / "cells" / f"{record['method']}-{record['bits']}-{record['seed']}"
        query, database = (
            np.load(folder / f"{part}.npy", mmap_mode="r", allow_pickle=False)
            for part in ("query", "database")
        )
        found, _ = kernels.nearest(query[chosen], database, min(N_RESULTS, len(database)))
        correct = np.stack([row[ids] for row, ids in zip(relevant, found, strict=True)])
        rows.append(
            ExampleRow(
                title=f"{record['method']}, {record['bits']} bits",
                results=np.asarray(shelf[found]),
                correct=correct,
                precision=record["metrics"]["precision@10"],
            )
        )
    names = None
    if task.query.y is not None and task.query.y.ndim == 1:
        labels = task.query.y[chosen]
        classes = task.query.classes
        known = classes is not None and labels.dtype.kind in "iu"
        names = [
            str(classes[label] if known and classes is not None else label) for label in labels
        ]
    return Examples(queries=np.asarray(pictures[chosen]), labels=names, rows=rows)

"""The first ten results of a few queries, for data that are images: a folder of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import kernels
from hammingbird.comparison.task import Task
from hammingbird.storage import discard, load_folder, save_folder

N_QUERIES = 6
N_RESULTS = 10

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class ExampleRow:
    """What one method found at one code length."""

    title: str
    results: Images
    """[m, 10, h, w] or [m, 10, h, w, 3], nearest first."""
    correct: NDArray[np.bool_]
    """[m, 10]"""
    precision: float
    """Mean precision@10 over all queries, not only those shown."""


@dataclass(frozen=True)
class Examples:
    """A few image queries and their first results."""

    queries: Images
    """[m, h, w] or [m, h, w, 3]"""
    labels: list[str] | None
    rows: list[ExampleRow]


def store_examples(out: Path, task: Task, results: dict[str, Any]) -> None:
    """Look up the results of six queries in every cell of the longest codes, first seed.

    They go into ``<out>/examples``; where there are no images, what is there is removed.
    """
    folder = out / "examples"
    examples = _examples(out, task, results)
    if examples is None:
        discard(folder)
        return

    def write(temporary: Path) -> None:
        np.save(temporary / "queries.npy", examples.queries)
        for i, row in enumerate(examples.rows):
            np.save(temporary / f"results-{i}.npy", row.results)
            np.save(temporary / f"correct-{i}.npy", row.correct)

    titles = [{"title": row.title, "precision": row.precision} for row in examples.rows]
    content = {"labels": examples.labels, "rows": titles}
    save_folder(folder, "examples", content, write, overwrite=True)


def read_examples(out: Path) -> Examples | None:
    """Read what :func:`store_examples` stored, None if there is nothing."""
    if not (out / "examples").exists():
        return None
    manifest, folder = load_folder(out / "examples", "examples")

    def read(name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(folder / f"{name}.npy", allow_pickle=False)
        return array

    rows = [
        ExampleRow(row["title"], read(f"results-{i}"), read(f"correct-{i}"), row["precision"])
        for i, row in enumerate(manifest["rows"])
    ]
    return Examples(read("queries"), manifest["labels"], rows)


def _examples(out: Path, task: Task, results: dict[str, Any]) -> Examples | None:
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
    return Examples(np.asarray(pictures[chosen]), _names(task, chosen), rows)


def _names(task: Task, chosen: NDArray[np.int64]) -> list[str] | None:
    """Class names of single labels, or the labels themselves."""
    if task.query.y is None or task.query.y.ndim != 1:
        return None
    labels, classes = task.query.y[chosen], task.query.classes
    if classes is None or labels.dtype.kind not in "iu":
        return [str(label) for label in labels]
    return [str(classes[label]) for label in labels]

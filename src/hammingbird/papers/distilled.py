"""DistilledHash, this library's own: the 10 nearest neighbours that codes keep, on four sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import catalog
from hammingbird.codes import pack
from hammingbird.comparison.results import Row, average
from hammingbird.comparison.run import compare
from hammingbird.datasets import Dataset
from hammingbird.evaluation import asymmetric_scores, evaluate, evaluate_scores
from hammingbird.papers.markdown import write_table
from hammingbird.papers.published import Parts
from hammingbird.papers.quick import ends, fewer_rows
from hammingbird.papers.sources import banking77, mnist, sift, word_vectors
from hammingbird.targets import nearest_vectors

METRIC = "recall10@10"
METHODS = ("distilled", "itq", "rotated-pca", "sgh")
BITS = (32, 64, 128, 256)
SEEDS = (0, 1, 2)
ROWS, QUERIES = 20_000, 1_000


def neighbors_kept(
    out: Path, seeds: Sequence[int] | None = None, *, quick: bool = False
) -> dict[str, Any]:
    """Recall 10@10 by Hamming distance and by asymmetric scores, at 32 to 256 bits."""
    seeds = seeds or SEEDS
    lengths, seeds = (ends(BITS), seeds[:1]) if quick else (BITS, seeds)
    records: list[dict[str, Any]] = []
    for whole, query in sets():
        train = fewer_rows((whole, query, whole))[0] if quick else whole
        results = compare(
            train,
            query,
            whole,
            methods=METHODS,
            bits=lengths,
            seeds=seeds,
            relevance="neighbors:10",
            out=out / "runs" / f"{train.name}-neighbors",
            metrics=[METRIC],
        )
        records += [_record(train.name, row) for row in average(results) if row.method in METHODS]
    _write_markdown(out / "distilled.md", records, lengths)
    return {"metric": METRIC, "seeds": len(seeds), "records": records}


def prefixes(
    out: Path,  # noqa: ARG001
    seeds: Sequence[int] | None = None,
    *,
    quick: bool = False,
) -> dict[str, Any]:
    """One model whose first 16 and 32 bits serve as well, beside a model for each length."""
    seeds = seeds or SEEDS
    X, queries = banking77()
    ids = nearest_vectors(queries, X, 10).ids
    records = []
    for seed in seeds[:1] if quick else seeds:
        shared = catalog.make("distilled", 64, seed).set_params(prefixes=(16, 32)).fit(X)
        for bits in (16, 32, 64):
            own = catalog.make("distilled", bits, seed).fit(X)
            for name, hasher in (("prefix", shared), ("own", own)):
                scores = hasher.project(queries)[:, :bits].astype(np.float32)
                codes = pack(hasher.project(X)[:, :bits])
                given: dict[str, Any] = {"neighbors": ids, "metrics": (METRIC,)}
                hamming = evaluate(pack(scores), codes, n_bits=bits, **given)
                ranked = asymmetric_scores(scores, codes, bits)
                asymmetric = evaluate_scores(ranked, len(X), **given)
                records.append(
                    {
                        "seed": seed,
                        "bits": bits,
                        "model": name,
                        "hamming": hamming[METRIC],
                        "asymmetric": asymmetric[METRIC],
                    }
                )
    return {"data": "Banking77", "metric": METRIC, "records": records}


def sets() -> list[tuple[Dataset, Dataset]]:
    """Return what is searched, which is learned from too, and queries, of four kinds of vectors."""
    return [
        (Dataset(name, X[:ROWS]), Dataset(f"{name}, queries", queries))
        for name, (X, queries) in _vectors().items()
    ]


def sets_apart() -> list[Parts]:
    """Return the same kinds where every second row is learned from and the others are searched."""
    parts = []
    for name, (X, queries) in _vectors().items():
        rows = X[: 2 * ROWS]
        parts.append(
            (
                Dataset(f"{name}, to learn from", rows[1::2]),
                Dataset(f"{name}, queries", queries),
                Dataset(name, rows[::2]),
            )
        )
    return parts


def _vectors() -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Rows of four kinds, and queries that are not among them."""
    words, _ = word_vectors()
    words = words / np.linalg.norm(words, axis=1, keepdims=True)
    order = np.random.default_rng(0).permutation(len(words))
    asked = slice(ROWS, ROWS + QUERIES)
    images, digits = mnist()
    base, descriptors = sift()
    return {
        "banking77": banking77(),
        "mnist": (images, digits[:QUERIES]),
        "sift": (base, descriptors[:QUERIES]),
        "words": (words[np.delete(order, asked)], words[order[asked]]),
    }


def _record(data: str, row: Row) -> dict[str, Any]:
    parts = {"metrics": row.metrics, "asymmetric": row.asymmetric, "seconds": row.seconds}
    means = {name: {k: v.mean for k, v in part.items()} for name, part in parts.items()}
    return {"data": data, "method": row.method, "bits": row.bits, "seeds": row.seeds, **means}


def _write_markdown(path: Path, records: list[dict[str, Any]], lengths: Sequence[int]) -> None:
    """Hamming / asymmetric per data, method and length, and the seconds of the longest fit."""
    rows = []
    for data in dict.fromkeys(r["data"] for r in records):
        for method in METHODS:
            row = {r["bits"]: r for r in records if (r["data"], r["method"]) == (data, method)}
            cells = [
                f"{row[b]['metrics'][METRIC]:.3f} / {row[b]['asymmetric'][METRIC]:.3f}"
                if b in row
                else ""
                for b in lengths
            ]
            seconds = max(r["seconds"]["fit"] for r in row.values())
            rows.append([data, method, *cells, f"{seconds:.0f}"])
    write_table(path, ["data", "method", *(f"{b} bits" for b in lengths), "fit, s"], rows)

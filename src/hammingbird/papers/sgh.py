"""Stochastic Generative Hashing, Figures 6 to 8: what codes find."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hammingbird import rivals
from hammingbird.datasets.source import Array
from hammingbird.decoder import LinearDecoder
from hammingbird.evaluation import asymmetric_scores
from hammingbird.hasher import Hasher
from hammingbird.papers.figures import (
    RANKS,
    SEED,
    Vectors,
    fitted,
    recall_of_codes,
    recall_of_scores,
    true_neighbors,
)
from hammingbird.papers.quick import ends
from hammingbird.papers.searches import (
    Search,
    gist_search,
    mnist_search,
    own_searches,
    short_search,
    sift_search,
)
from hammingbird.papers.sources import word_vectors
from hammingbird.report.axes import Line, line_panel
from hammingbird.report.canvas import save_panels

METHODS = ("lsh", "sh", "itq", "kmh", "ba", "sgh")
BITS, ALL_BITS = (16, 32, 64), (8, 16, 32, 64)
NEIGHBORS = 100
Records: TypeAlias = list[dict[str, Any]]


def recall_by_rank(out: Path, *, quick: bool = False) -> dict[str, Any]:
    """Figure 6: Recall 1@N, and the main paper's 10@N, at 16, 32 and 64 bits."""
    lengths = ends(BITS) if quick else BITS
    records = []
    for found in _sets("sift1m", "gist1m", "sift1b", quick=quick):
        data, ids = found.name, _truth(out, found)
        for bits in lengths:
            for method in METHODS:
                query, database = _codes(_fitted(out, found, method, bits), found.queries, found.X)
                for k in (1, 10):
                    values = recall_of_codes(query, database, bits, ids[:, :k])
                    records.append(_curve(data, method, bits, f"recall{k}", values))
        for k in (1, 10):
            panels = [
                line_panel(
                    f"{data}, {bits} bits", "N", f"Recall {k}@N", _lines(records, data, bits, k)
                )
                for bits in lengths
            ]
            save_panels(out / f"sgh-fig6-{data}-recall{k}.svg", panels)
    tables = {f"recall {k}@100": at_rank(records, f"recall{k}", 100) for k in (1, 10)}
    return {"ranks": list(RANKS), **tables, "records": records}


def recall_by_bits(out: Path, *, quick: bool = False) -> dict[str, Any]:
    """Figure 7: Recall 100@100, and Recall 10@100, at 8 to 64 bits."""
    lengths = ends(ALL_BITS) if quick else ALL_BITS
    records: list[dict[str, Any]] = []
    sets = _sets("sift1m", "gist1m", quick=quick)
    for found in sets:
        data, ids = found.name, _truth(out, found)
        for bits in lengths:
            for method in METHODS:
                query, database = _codes(_fitted(out, found, method, bits), found.queries, found.X)
                for k in (10, 100):
                    (value,) = recall_of_codes(query, database, bits, ids[:, :k], ranks=(100,))
                    records.append(_curve(data, method, bits, f"recall{k}@100", [value]))
    panels = [
        line_panel(
            data,
            "bits",
            "Recall 100@100",
            [
                Line(
                    method.upper(),
                    [
                        (r["bits"], r["values"][0])
                        for r in records
                        if (r["data"], r["method"], r["metric"]) == (data, method, "recall100@100")
                    ],
                )
                for method in METHODS
            ],
        )
        for data in (found.name for found in sets)
    ]
    save_panels(out / "sgh-fig7.svg", panels)
    tables = {f"recall {k}@100": by_bits(records, f"recall{k}@100") for k in (10, 100)}
    return {**tables, "records": records}


def inner_products(out: Path, *, quick: bool = False) -> dict[str, Any]:
    """Figure 8: Recall 10@N by inner product; each query is left out of its own results."""
    lengths = ends(BITS) if quick else BITS
    X, own = word_vectors()
    queries = X[own]
    ids = true_neighbors(out, "word2vec", queries, X, "inner", own)[:, :10]
    records = []
    for bits in lengths:
        for method in ("lsh", "sh", "itq", "ba", "sgh"):
            hasher = fitted(out, "word2vec", method, bits, X)
            query, database = _codes(hasher, queries, X)
            values = recall_of_codes(query, database, bits, ids, own)
            records.append(_curve("word2vec", method, bits, "recall10", values))
            if isinstance(hasher, LinearDecoder):
                weights, _ = hasher.score_weights(queries)
                scores = asymmetric_scores(weights, database, bits)
                values = recall_of_scores(scores, len(X), ids, own)
                records.append(_curve("word2vec", f"{method} x.Uh", bits, "recall10", values))
        quantizer = rivals.choose(["pq"])["pq"].make(bits // 8, SEED)
        quantizer.fit(X)
        scores = quantizer.scores(queries, quantizer.encode(X), "inner")
        values = recall_of_scores(scores, len(X), ids, own)
        records.append(_curve("word2vec", "pq", bits, "recall10", values))
    panels = [
        line_panel(f"{bits} bits", "N", "Recall 10@N", _lines(records, "word2vec", bits, 10))
        for bits in lengths
    ]
    save_panels(out / "sgh-fig8.svg", panels)
    tables = {f"{bits} bits": by_rank(records, bits) for bits in lengths}
    return {"ranks": list(RANKS), "queries": len(own), **tables, "records": records}


def at_rank(records: Records, metric: str, rank: int) -> Records:
    """A line per set and method: a recall within the first ``rank``, a column per length."""
    place = RANKS.index(rank)
    return by_bits([{**r, "values": r["values"][place:]} for r in records], metric)


def by_bits(records: Records, metric: str) -> Records:
    """A line per set and method: the first value of a metric, a column per length."""
    chosen = [r for r in records if r["metric"] == metric]
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for r in chosen:
        start = {"data": r["data"], "method": r["method"]}
        line = lines.setdefault((r["data"], r["method"]), start)
        line[f"{r['bits']} bits"] = r["values"][0]
    return list(lines.values())


def by_rank(records: Records, bits: int) -> Records:
    """A line per method at one length, a column for some of the ranks."""
    return [
        {
            "method": r["method"],
            **{f"N={n}": r["values"][RANKS.index(n)] for n in (10, 100, 1000)},
        }
        for r in records
        if r["bits"] == bits
    ]


def _sets(*names: str, quick: bool) -> list[Search]:
    found = [mnist_search(), sift_search(), gist_search(), *own_searches(*names)]
    return [short_search(search) for search in found] if quick else found


def _fitted(out: Path, found: Search, method: str, bits: int) -> Hasher:
    hasher: Hasher = fitted(out, found.models, method, bits, found.learn)
    return hasher


def _truth(out: Path, found: Search) -> NDArray[np.int64]:
    if found.ids is not None:
        return found.ids[:, :NEIGHBORS]
    return true_neighbors(out, found.name, found.queries, found.X)


def _codes(
    hasher: Hasher, queries: Vectors, X: Array
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return hasher.transform(queries), hasher.transform(X)


def _curve(data: str, method: str, bits: int, metric: str, values: list[float]) -> dict[str, Any]:
    return {
        "data": data,
        "method": method,
        "bits": bits,
        "metric": metric,
        "values": [round(value, 5) for value in values],
    }


def _lines(records: Records, data: str, bits: int, k: int) -> list[Line]:
    return [
        Line(
            r["method"].upper().replace("X.UH", "x.Uh"),
            list(zip(RANKS, r["values"], strict=True)),
        )
        for r in records
        if (r["data"], r["bits"], r["metric"]) == (data, bits, f"recall{k}")
    ]

"""Metrics and curves of one cell, computed from its codes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import Codes
from hammingbird.comparison.task import Task
from hammingbird.evaluation import (
    Ranking,
    asymmetric_scores,
    evaluate,
    evaluate_scores,
    parse_metric,
    vector_scores,
)
from hammingbird.evaluation.diagnostics import bit_balance
from hammingbird.evaluation.metrics import precision_at, recall_at
from hammingbird.evaluation.ranking import ScoreChunk, score_block
from hammingbird.evaluation.scores import in_blocks

METRICS = (
    "map",
    "map_worst",
    "map_best",
    "map@1000",
    "map_worst@1000",
    "map_best@1000",
    "map_min@1000",
    "precision@10",
    "precision@100",
    "precision@h2",
    "precision_nonempty@h2",
    "nonempty@h2",
    "recall@100",
    "recall10@10",
    "recall10@100",
    "ndcg@100",
)
RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000)
QUERY_BLOCK = 256
"""Curves are summed over so many queries at a time."""
FLOAT_SCORES = 1 << 28
"""Scores of float vectors that are held at once, 1 GiB: each block reads the whole database."""

Curves = dict[str, Any]


class Measures(TypedDict):
    """What is known of one cell."""

    metrics: dict[str, float]
    asymmetric: dict[str, float]
    curves: Curves


def measure_codes(
    task: Task,
    query: Codes,
    database: Codes,
    query_scores: NDArray[np.float32],
    n_bits: int,
    metrics: Sequence[str],
) -> Measures:
    """Measure the ranking by Hamming distance, and the asymmetric one by the queries' scores."""
    given = _truth(task, metrics)
    points = Points(len(database), n_bits)
    found = evaluate(query, database, n_bits=n_bits, metrics=metrics, watch=points.see, **given)
    by_rank = [name for name in metrics if not parse_metric(name).by_radius]
    block = score_block(len(database))
    scores = in_blocks(asymmetric_scores(query_scores, database, n_bits), len(query), block)
    asymmetric = evaluate_scores(scores, len(database), metrics=by_rank, **given)
    curves = points.curves()
    curves["histogram"] = points.histogram()
    curves["bit_balance"] = _rounded(bit_balance(database, n_bits))
    # Where all balls are empty, precision_nonempty is undefined and is left out.
    defined = {name: value for name, value in found.items() if not np.isnan(value)}
    return Measures(metrics=defined, asymmetric=asymmetric, curves=curves)


def measure_float(task: Task, metrics: Sequence[str]) -> Measures:
    """Measure the float vectors' own ranking: the ceiling of every code."""
    scores = vector_scores(task.query.X, task.database.X, task.measure)
    return measure_scores(task, scores, metrics)


def measure_scores(task: Task, score_chunk: ScoreChunk, metrics: Sequence[str]) -> Measures:
    """Measure a ranking by real scores that cost a pass over the database."""
    queries, database = task.query.X, task.database.X
    step = score_block(len(database))
    block = step * max(1, FLOAT_SCORES // (step * len(database)))
    scores = in_blocks(score_chunk, len(queries), block)
    by_rank = [name for name in metrics if not parse_metric(name).by_radius]
    points = Points(len(database), 0)
    found = evaluate_scores(
        scores, len(database), metrics=by_rank, watch=points.see, **_truth(task, metrics)
    )
    return Measures(metrics=found, asymmetric={}, curves=points.curves())


def _truth(task: Task, metrics: Sequence[str]) -> dict[str, Any]:
    needed = any(parse_metric(name).k is not None for name in metrics)
    return {
        "relevance": task.relevance,
        "neighbors": task.neighbors if needed else None,
        "self_rows": task.self_rows,
    }


class Points:
    """Precision and recall by rank, and the distances of pairs, of queries in blocks."""

    def __init__(self, n_database: int, n_bits: int) -> None:
        far = np.geomspace(2000, n_database, 8).astype(int).tolist()
        last = far if n_database > 2000 else [n_database]
        self.ranks = [r for r in RANKS if r < n_database] + last
        self._found: list[NDArray[np.float64]] = []
        self._counted = 0
        self._pairs = np.zeros((2, n_bits + 1), np.int64)

    def see(self, ranking: Ranking) -> None:
        """Go on with the next queries."""
        self._counted += int(np.count_nonzero(ranking.n_relevant))
        by_rank = [(precision_at(ranking, r), recall_at(ranking, r)) for r in self.ranks]
        self._found.append(np.nan_to_num(np.array(by_rank)))
        if ranking.counts is not None and ranking.relevant_counts is not None:
            relevant = ranking.relevant_counts.sum(axis=0, dtype=np.int64)
            self._pairs += relevant, ranking.counts.sum(axis=0, dtype=np.int64) - relevant

    def curves(self) -> Curves:
        """Return means over the queries that count."""
        found = np.concatenate(self._found, axis=2)
        blocks = [found[..., i : i + QUERY_BLOCK] for i in range(0, found.shape[2], QUERY_BLOCK)]
        total = sum(np.ascontiguousarray(block).sum(axis=2) for block in blocks)
        precision, recall = total.T / max(self._counted, 1)
        head = [i for i, r in enumerate(self.ranks) if r <= RANKS[-1]]
        n = [self.ranks[i] for i in head]
        return {
            "precision_recall": {"recall": _rounded(recall), "precision": _rounded(precision)},
            "precision_at": {"n": n, "value": _rounded(precision[head])},
            "recall_at": {"n": n, "value": _rounded(recall[head])},
        }

    def histogram(self) -> dict[str, list[float]]:
        """Return the shares of the relevant and of the other pairs at every Hamming distance."""
        relevant, other = self._pairs
        return {"relevant": _density(relevant), "other": _density(other)}


def _density(counts: NDArray[np.int64]) -> list[float]:
    return _rounded(counts / max(int(counts.sum()), 1))


def _rounded(values: NDArray[np.floating]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]

"""Metrics and curves of one cell, computed from its codes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    by_rank = [name for name in metrics if not parse_metric(name).by_radius]
    found = evaluate(query, database, n_bits=n_bits, metrics=metrics, **given)
    scores = asymmetric_scores(query_scores, database, n_bits)
    asymmetric = evaluate_scores(scores, len(database), metrics=by_rank, **given)

    def rank(start: int, stop: int) -> Ranking:
        return Ranking.from_codes(
            query,
            database,
            n_bits,
            task.relevance,
            self_rows=task.self_rows,
            start=start,
            stop=stop,
        )

    curves, relevant, other = _curves(task, rank, n_bits)
    curves["histogram"] = {"relevant": _density(relevant), "other": _density(other)}
    curves["bit_balance"] = _rounded(bit_balance(database, n_bits))
    # Where all balls are empty, precision_nonempty is undefined and is left out.
    defined = {name: value for name, value in found.items() if not np.isnan(value)}
    return Measures(metrics=defined, asymmetric=asymmetric, curves=curves)


def measure_float(task: Task, metrics: Sequence[str]) -> Measures:
    """Measure the float vectors' own ranking: the ceiling of every code."""
    scores = vector_scores(task.query.X, task.database.X, task.measure)
    by_rank = [name for name in metrics if not parse_metric(name).by_radius]
    found = evaluate_scores(scores, len(task.database.X), metrics=by_rank, **_truth(task, metrics))

    def rank(start: int, stop: int) -> Ranking:
        return Ranking.from_scores(
            scores, task.relevance, self_rows=task.self_rows, start=start, stop=stop
        )

    return Measures(metrics=found, asymmetric={}, curves=_curves(task, rank, 0)[0])


def _truth(task: Task, metrics: Sequence[str]) -> dict[str, Any]:
    needed = any(parse_metric(name).k is not None for name in metrics)
    return {
        "relevance": task.relevance,
        "neighbors": task.neighbors if needed else None,
        "self_rows": task.self_rows,
    }


def _curves(
    task: Task, rank: Callable[[int, int], Ranking], n_bits: int
) -> tuple[Curves, NDArray[np.int64], NDArray[np.int64]]:
    """Precision and recall by rank, and the distances of relevant and other pairs."""
    n = len(task.database.X)
    far = np.geomspace(2000, n, 8).astype(int).tolist() if n > 2000 else [n]
    ranks = [r for r in RANKS if r < n] + far
    totals = np.zeros((2, len(ranks)))
    counted = 0
    relevant = np.zeros(n_bits + 1, np.int64)
    everything = np.zeros(n_bits + 1, np.int64)
    for ranking in _blocks(task, rank):
        counted += int(np.count_nonzero(ranking.n_relevant))
        for i, r in enumerate(ranks):
            totals[0, i] += np.nansum(precision_at(ranking, r))
            totals[1, i] += np.nansum(recall_at(ranking, r))
        if ranking.counts is not None and ranking.relevant_counts is not None:
            relevant += ranking.relevant_counts.sum(axis=0, dtype=np.int64)
            everything += ranking.counts.sum(axis=0, dtype=np.int64)
    precision, recall = totals / max(counted, 1)
    head = [i for i, r in enumerate(ranks) if r <= RANKS[-1]]
    curves = {
        "precision_recall": {"recall": _rounded(recall), "precision": _rounded(precision)},
        "precision_at": {"n": [ranks[i] for i in head], "value": _rounded(precision[head])},
        "recall_at": {"n": [ranks[i] for i in head], "value": _rounded(recall[head])},
    }
    return curves, relevant, everything - relevant


def _blocks(task: Task, rank: Callable[[int, int], Ranking]) -> Iterator[Ranking]:
    n = len(task.query.X)
    for start in range(0, n, QUERY_BLOCK):
        yield rank(start, min(start + QUERY_BLOCK, n))


def _density(counts: NDArray[np.int64]) -> list[float]:
    return _rounded(counts / max(int(counts.sum()), 1))


def _rounded(values: NDArray[np.floating]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]

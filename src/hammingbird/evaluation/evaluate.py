"""Measure codes or scores in one call, by the names of metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from hammingbird.codes import check_codes
from hammingbird.errors import InputError
from hammingbird.evaluation.legacy import legacy_map
from hammingbird.evaluation.metrics import mean
from hammingbird.evaluation.names import parse_metric
from hammingbird.evaluation.ranking import Floats, Ranking, ScoreChunk, check_sizes, score_block
from hammingbird.evaluation.relevance import ListedNeighbors, Relevance
from hammingbird.evaluation.same_label import SameLabel
from hammingbird.targets import Neighbors

DEFAULT_METRICS = ("map", "map_worst", "map_best", "map@1000", "precision@100", "precision@h2")

Truth = ArrayLike | Neighbors | None
Rank = Callable[[Relevance, int, int], Ranking]
Watch = Callable[[Ranking], None]


def evaluate(
    query_codes: ArrayLike,
    database_codes: ArrayLike,
    *,
    n_bits: int,
    query_labels: ArrayLike | None = None,
    database_labels: ArrayLike | None = None,
    neighbors: Truth = None,
    relevance: Relevance | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    self_rows: ArrayLike | None = None,
    legacy: str | None = None,
    progress: bool = False,
    watch: Watch | None = None,
) -> dict[str, float]:
    """Measure a ranking by Hamming distance.

    Give labels of both sides (1-D, or 0/1 label sets [n, c]; -1 and the empty set are no label: a
    query without one does not count, an item without one is never relevant), or the true
    ``neighbors`` of the queries (database rows [n_queries, k], nearest first), or any other
    ``relevance``. With labels and neighbours, labels say what is relevant and neighbours serve
    ``recallK@N`` alone.

    Metrics by name, values are means over queries with anything relevant in the database:

    - ``map``, ``map@T``: average precision, the expected value over the orders of tied items;
      ``map_worst`` and ``map_best`` are its bounds. ``map@T`` divides by the relevant items found
      among the first T, as the papers' code does, ``map_min@T`` by the smaller of T and all
      relevant items.
    - ``precision@N``, ``recall@N``: of the first N items, expected.
    - ``ndcg@N``: discounted gain of the first N items, expected, divided by the largest that any
      order of the database has. The gain is 2^r - 1 of r shared labels, so 0 or 1 unless labels
      are sets.
    - ``precision@hR``, ``recall@hR``: within Hamming radius R. An empty ball has precision 0;
      ``precision_nonempty@hR`` leaves it out (NaN if all are empty), ``nonempty@hR`` is the share
      of the others.
    - ``recallK@N``: share of the K nearest true neighbours among the first N.

    Cutoffs beyond the database mean all of it. ``self_rows`` [n_queries] names the database row
    that is the query itself and is left out, -1 for none. Memory is bounded by blocks of queries;
    ``watch`` is shown the ranking of each block, in order.

    ``legacy`` names a published repository, and ``map`` and ``map@T`` become what its code prints,
    with its tie order and its losses; see :data:`hammingbird.evaluation.legacy.RULES`.
    """
    queries = check_codes(query_codes, n_bits, "query_codes")
    database = check_codes(database_codes, n_bits, "database_codes")

    def rank(rule: Relevance, start: int, stop: int) -> Ranking:
        return Ranking.from_codes(
            queries, database, n_bits, rule, self_rows=self_rows, start=start, stop=stop
        )

    truth = choose_relevance(len(database), query_labels, database_labels, neighbors, relevance)
    check_sizes(truth, len(queries), len(database), self_rows)
    if legacy is not None:
        if self_rows is not None:
            raise InputError("no legacy rule leaves the query's own row out: drop self_rows")
        return legacy_map(queries, database, truth, legacy, _names(metrics))
    step = max(1, min((1 << 22) // (n_bits + 1), (1 << 31) // len(database)))
    return _measure(_names(metrics), truth, neighbors, rank, step, progress, watch)


def evaluate_scores(
    score_chunk: ScoreChunk,
    n_database: int,
    *,
    query_labels: ArrayLike | None = None,
    database_labels: ArrayLike | None = None,
    neighbors: Truth = None,
    relevance: Relevance | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS[:-1],
    self_rows: ArrayLike | None = None,
    progress: bool = False,
    watch: Watch | None = None,
) -> dict[str, float]:
    """Measure a ranking by real scores, highest first, as :func:`evaluate` does one by distance.

    ``score_chunk(start, stop)`` gives the scores of the whole database for some queries (see
    :func:`vector_scores` and :func:`asymmetric_scores`). Only exactly equal float32 scores tie.
    Metrics within a Hamming radius are refused.
    """
    for name in _names(metrics):
        if parse_metric(name).by_radius:
            raise InputError(f"{name} needs codes: scores have no Hamming radius")

    def rank(rule: Relevance, start: int, stop: int) -> Ranking:
        return Ranking.from_scores(score_chunk, rule, self_rows=self_rows, start=start, stop=stop)

    truth = choose_relevance(n_database, query_labels, database_labels, neighbors, relevance)
    check_sizes(truth, truth.n_queries, n_database, self_rows)
    step = score_block(n_database)
    return _measure(_names(metrics), truth, neighbors, rank, step, progress, watch)


def choose_relevance(
    n_database: int,
    query_labels: ArrayLike | None = None,
    database_labels: ArrayLike | None = None,
    neighbors: Truth = None,
    relevance: Relevance | None = None,
) -> Relevance:
    """Turn what the caller has into a rule: labels before neighbours, and nothing beside a rule."""
    if (query_labels is None) != (database_labels is None):
        raise InputError("labels are needed for both sides: query_labels and database_labels")
    if relevance is not None:
        if query_labels is not None:
            raise InputError("give labels or relevance, not both")
        return relevance
    if query_labels is not None and database_labels is not None:
        return SameLabel(query_labels, database_labels)
    if neighbors is None:
        raise InputError(
            "what is relevant? Give query_labels and database_labels, neighbors, or relevance"
        )
    return ListedNeighbors(neighbors, n_database)


def _names(metrics: Sequence[str]) -> list[str]:
    return [metrics] if isinstance(metrics, str) else list(metrics)


def _measure(
    names: list[str],
    truth: Relevance,
    neighbors: Truth,
    rank: Rank,
    step: int,
    progress: bool,
    watch: Watch | None,
) -> dict[str, float]:
    from tqdm import tqdm

    wanted = [parse_metric(name) for name in names]
    ks = {metric.k for metric in wanted if metric.k is not None}
    rules: dict[int | None, Relevance] = {None: truth}
    rules.update(_first_neighbors(neighbors, ks, truth))
    values: dict[str, list[Floats]] = {metric.name: [] for metric in wanted}
    blocks = range(0, truth.n_queries, step)
    for start in tqdm(blocks, "evaluate", leave=False, disable=None if progress else True):
        stop = min(start + step, truth.n_queries)
        rankings: dict[Relevance, Ranking] = {}
        if watch is not None:
            rankings[truth] = rank(truth, start, stop)
            watch(rankings[truth])
        for metric in wanted:
            rule = rules[metric.k]
            if rule not in rankings:
                rankings[rule] = rank(rule, start, stop)
            values[metric.name].append(metric.per_query(rankings[rule]))
    means = {name: mean(np.concatenate(parts)) for name, parts in values.items()}
    for name, value in means.items():
        if np.isnan(value) and not name.startswith("precision_nonempty"):
            raise InputError(
                "no query has a relevant item in the database: check labels and rows "
                "(-1 and an empty label set are no label)"
            )
    return means


def _first_neighbors(
    neighbors: Truth, ks: set[int], truth: Relevance
) -> dict[int | None, Relevance]:
    """One rule for every K of recallK@N."""
    if not ks:
        return {}
    if neighbors is None:
        raise InputError(f"recall{min(ks)}@N needs neighbors: the true neighbors of the queries")
    every = ListedNeighbors(neighbors, truth.n_database)
    width = every.ids.shape[1]
    if max(ks) > width or every.n_queries != truth.n_queries:
        raise InputError(
            f"recall{max(ks)}@N for {truth.n_queries} queries needs as many neighbors, "
            f"got {every.ids.shape}"
        )
    same = isinstance(truth, ListedNeighbors) and np.array_equal(truth.ids, every.ids)
    return {
        k: truth if same and k == width else ListedNeighbors(every.ids[:, :k], truth.n_database)
        for k in ks
    }

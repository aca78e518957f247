"""A query that is a row of the database is left out of its own results, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from slow_rankings import Given, Graded

from hammingbird.codes import pack
from hammingbird.evaluation import (
    ListedNeighbors,
    SameLabel,
    WithinDistance,
    asymmetric_scores,
    evaluate,
    evaluate_scores,
    overlap,
    vector_scores,
)
from hammingbird.targets import nearest_vectors

N_BITS = 10
BY_RANK = ["map", "map_worst@9", "map_min@9", "precision@5", "recall_best@5", "ndcg@6"]
BY_RADIUS = ["precision@h3", "precision_nonempty@h2", "nonempty@h2", "recall@h3"]


@pytest.fixture(scope="module")
def data():
    """Twelve queries; five are rows of the database, of which two are there three times."""
    rng = np.random.default_rng(31)
    database = np.round(rng.standard_normal((40, 3)), 2)
    database[[17, 30]], database[[21, 22]] = database[4], database[9]
    queries = np.round(rng.standard_normal((12, 3)), 2) + 0.005
    there = [0, 3, 5, 8, 11], [9, 30, 13, 4, 39]
    queries[there[0]] = database[there[1]]
    directions = rng.standard_normal((3, N_BITS))
    labels = rng.integers(-1, 4, 12), rng.integers(-1, 4, 40)
    sets = (rng.random((12, 4)) < 0.5).astype(int), (rng.random((40, 4)) < 0.5).astype(int)
    for asked, stored in (labels, sets):
        stored[[4, 9]] = stored[[30, 21]]
        asked[there[0]] = stored[there[1]]
    return queries, database, directions, labels, sets


def rule_of(name, data):
    queries, database, _, labels, sets = data
    return {
        "labels": lambda: SameLabel(*labels),
        "sets": lambda: SameLabel(*sets),
        "neighbors": lambda: ListedNeighbors(nearest_vectors(queries, database, 6), 40),
        "percentile": lambda: WithinDistance(queries, database, 0.9),
    }[name]()


def test_overlap_names_the_first_of_equal_rows(data):
    own = overlap(data[0], data[1])
    expected = np.full(12, -1)
    expected[[0, 3, 5, 8, 11]] = [9, 4, 13, 4, 39]
    assert own.tolist() == expected.tolist()
    # Exact bytes: numbers that compare equal but are written otherwise are other rows.
    assert overlap(np.array([[-0.0, 1.0]]), np.array([[0.0, 1.0]])).tolist() == [-1]


@pytest.mark.parametrize("name", ["labels", "sets", "neighbors", "percentile"])
@pytest.mark.parametrize("by", ["codes", "asymmetric", "float"])
def test_equals_the_database_without_that_row(name, by, data):
    queries, database, directions, *_ = data
    rule, own = rule_of(name, data), overlap(queries, database)
    codes = pack(queries @ directions), pack(database @ directions)
    metrics = BY_RANK + (BY_RADIUS if by == "codes" else [])

    def measure(chosen, rows, relevance, **more):
        stored = codes[1][rows]
        if by == "codes":
            return evaluate(
                codes[0][chosen],
                stored,
                n_bits=N_BITS,
                relevance=relevance,
                metrics=metrics,
                **more,
            )
        scores = (
            asymmetric_scores(queries[chosen] @ directions, stored, N_BITS)
            if by == "asymmetric"
            else vector_scores(queries[chosen], database[rows])
        )
        return evaluate_scores(scores, len(stored), relevance=relevance, metrics=metrics, **more)

    found = measure(np.arange(12), np.arange(40), rule, self_rows=own)
    single = []
    for query in range(12):
        kept = np.flatnonzero(np.arange(40) != own[query])
        grades = rule.grades(query, query + 1)[:, kept]
        if grades.any():
            single.append(measure([query], kept, Graded(grades)))
    for metric in metrics:
        values = np.array([one[metric] for one in single])
        assert found[metric] == pytest.approx(np.nanmean(values)), metric
    assert measure(np.arange(12), np.arange(40), rule) != found


def test_neighbors_of_recall_leave_the_own_row_out_as_well(data):
    queries, database, directions, labels, _ = data
    own = overlap(queries, database)
    codes = pack(queries @ directions), pack(database @ directions)
    others = nearest_vectors(queries, database, 3, exclude=own)
    found = evaluate(
        *codes,
        n_bits=N_BITS,
        query_labels=labels[0],
        database_labels=labels[1],
        neighbors=others,
        metrics=["recall3@8"],
        self_rows=own,
    )
    single = []
    for query in range(12):
        kept = np.flatnonzero(np.arange(40) != own[query])
        near = Given(np.isin(kept, others.ids[query])[None])
        single.append(
            evaluate(
                codes[0][[query]], codes[1][kept], n_bits=N_BITS, relevance=near, metrics="recall@8"
            )["recall@8"]
        )
    assert found["recall3@8"] == pytest.approx(np.mean(single))

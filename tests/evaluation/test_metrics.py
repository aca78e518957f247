"""Metrics at ranks and within radii against every order and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_rankings import N_BITS, as_codes, items, orders, slow_ndcg

from hammingbird.errors import InputError
from hammingbird.evaluation import ListedNeighbors, Ranking, metrics


@settings(max_examples=200, deadline=None)
@given(items, st.integers(1, 11))
def test_at_ranks_equals_all_orders(some, n):
    query, database, relevance = as_codes(some)
    ranking = Ranking.from_codes(query, database, N_BITS, relevance)
    hits = [sum(order[:n]) for order in orders(some)]
    total = sum(relevant for _, relevant in some)
    for ties, expected in (("expected", np.mean(hits)), ("worst", min(hits)), ("best", max(hits))):
        assert metrics.hits_at(ranking, n, ties)[0] == pytest.approx(expected)
        precision = expected / min(n, len(some))
        assert metrics.precision_at(ranking, n, ties)[0] == pytest.approx(precision)
        assert metrics.recall_at(ranking, n, ties)[0] == pytest.approx(expected / total)
    gain = np.mean([slow_ndcg(order, n) for order in orders(some)])
    assert metrics.ndcg_at(ranking, n)[0] == pytest.approx(gain)


@settings(max_examples=100, deadline=None)
@given(items, st.integers(0, 13))
def test_within_radius_equals_loops(some, radius):
    query, database, relevance = as_codes(some)
    ranking = Ranking.from_codes(query, database, N_BITS, relevance)
    ball = [relevant for distance, relevant in some if distance <= radius]
    total = sum(relevant for _, relevant in some)
    assert metrics.nonempty_within(ranking, radius)[0] == bool(ball)
    assert metrics.recall_within(ranking, radius)[0] == pytest.approx(sum(ball) / total)
    precision = metrics.precision_within(ranking, radius)[0]
    skipped = metrics.precision_within(ranking, radius, "skip")[0]
    if ball:
        assert precision == skipped == pytest.approx(np.mean(ball))
    else:
        assert precision == 0
        assert np.isnan(skipped)


def test_empty_balls():
    counts = np.array([[0, 4, 6], [2, 2, 6], [5, 5, 0]], np.uint32)
    relevant = np.array([[0, 1, 2], [1, 0, 3], [0, 0, 0]], np.uint32)
    ranking = Ranking.from_counts(counts, relevant)
    assert metrics.mean(metrics.precision_within(ranking, 0)) == pytest.approx(0.25)
    assert metrics.mean(metrics.precision_within(ranking, 0, "skip")) == pytest.approx(0.5)
    assert metrics.mean(metrics.nonempty_within(ranking, 0)) == pytest.approx(0.5)
    with pytest.raises(InputError, match="empty must be"):
        metrics.precision_within(ranking, 0, "one")


def test_recall_of_neighbors_equals_simulation():
    """Protocols, section 6: the expected contribution of a tied neighbour is clip((N - a) / n)."""
    rng = np.random.default_rng(5)
    database = rng.integers(0, 256, (400, 1), np.uint8)
    queries = rng.integers(0, 256, (20, 1), np.uint8)
    ids = rng.permuted(np.tile(np.arange(400), (20, 1)), axis=1)[:, :10]
    ranking = Ranking.from_codes(queries, database, 8, ListedNeighbors(ids, 400))
    distance = np.bitwise_count(queries[:, None, 0] ^ database[None, :, 0])
    shares = np.zeros(20)
    for query in range(20):
        for neighbor in ids[query]:
            a = (distance[query] < distance[query, neighbor]).sum()
            n = (distance[query] == distance[query, neighbor]).sum()
            shares[query] += min(max((50 - a) / n, 0), 1) / 10
    assert np.allclose(metrics.recall_at(ranking, 50), shares)
    draws = []
    for _ in range(300):
        top = np.argsort(distance + rng.random(distance.shape) * 0.5, axis=1)[:, :50]
        draws.append(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(top, ids, strict=True)]))
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(metrics.mean(metrics.recall_at(ranking, 50)) - np.mean(draws)) < 4 * error


def test_curves():
    rng = np.random.default_rng(6)
    counts = rng.integers(0, 9, (30, 9)).astype(np.uint32)
    relevant = rng.integers(0, counts + 1).astype(np.uint32)
    ranking = Ranking.from_counts(counts, relevant)
    precision, recall = metrics.precision_recall_by_radius(ranking)
    assert precision.shape == recall.shape == (9,)
    assert np.all(np.diff(recall) >= 0)
    assert recall[-1] == pytest.approx(1)
    precision, recall = metrics.precision_recall_by_rank(ranking, [1, 5, 1000])
    assert precision[1] == metrics.mean(metrics.precision_at(ranking, 5))
    assert recall[2] == pytest.approx(1)


def test_radius_of_scores_is_refused():
    ranking = Ranking.from_scores(
        lambda start, stop: np.zeros((stop - start, 3), np.float32), ListedNeighbors([[1]], 3)
    )
    with pytest.raises(InputError, match="by real scores"):
        metrics.precision_within(ranking, 2)


def test_mean_of_nothing_is_nan():
    assert np.isnan(metrics.mean(np.array([np.nan])))

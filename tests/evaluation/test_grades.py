"""NDCG of label sets: gains by the number of shared labels, against every order of tied items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_rankings import N_BITS, Graded, as_codes, graded_orders, slow_graded_ndcg

from hammingbird.codes import hamming, pack
from hammingbird.evaluation import Ranking, SameLabel, evaluate, evaluate_scores, metrics
from hammingbird.evaluation import grades as module

graded_items = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6
).filter(lambda some: any(grade for _, grade in some))


@settings(max_examples=200, deadline=None)
@given(graded_items, st.integers(1, 8))
def test_equals_all_orders(some, n):
    query, database, _ = as_codes(some)
    rule = Graded([[grade for _, grade in some]])
    expected = np.mean([slow_graded_ndcg(order, n) for order in graded_orders(some)])
    ranking = Ranking.from_codes(query, database, N_BITS, rule)
    assert metrics.ndcg_at(ranking, n)[0] == pytest.approx(expected)
    scores = -np.array([[distance for distance, _ in some]], np.float32)
    ranking = Ranking.from_scores(lambda start, stop: scores[start:stop], rule)
    assert metrics.ndcg_at(ranking, n)[0] == pytest.approx(expected)


def sets(seed, n=12, m=9):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 5)) < 0.4).astype(int), (rng.random((m, 5)) < 0.4).astype(int)
    return labels, (pack(rng.standard_normal((n, 3))), pack(rng.standard_normal((m, 3))))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("by", ["codes", "scores"])
def test_label_sets_gain_by_shared_labels(own, by, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 9 * 5)  # blocks of five queries
    labels, codes = sets(3)
    labels[0][2] = 0  # no label at all
    rows = np.where(np.arange(12) % 3 == 0, np.arange(12) % 9, -1)
    distance = hamming(*codes)
    expected = []
    for query in range(12):
        shared = labels[1] @ labels[0][query]
        kept = [item for item in range(9) if not (own and item == rows[query])]
        some = [(int(distance[query, item]), int(shared[item])) for item in kept]
        if any(grade for _, grade in some):
            orders = [slow_graded_ndcg(order, 4) for order in _draws(some)]
            expected.append(np.mean(orders))
    given_ = {
        "query_labels": labels[0],
        "database_labels": labels[1],
        "metrics": ["ndcg@4"],
        "self_rows": rows if own else None,
    }
    if by == "codes":
        found = evaluate(*codes, n_bits=3, **given_)
    else:
        near = -distance.astype(np.float32)
        found = evaluate_scores(lambda start, stop: near[start:stop], 9, **given_)
    assert found["ndcg@4"] == pytest.approx(np.mean(expected), abs=1e-9)


def _draws(some):
    """All orders, with equal orders of a group of equal grades taken once."""
    groups = [
        sorted(grade for d, grade in some if d == distance)
        for distance in sorted({d for d, _ in some})
    ]
    orders = [[]]
    for group in groups:
        ways = _arrangements(group)
        orders = [order + way for order in orders for way in ways]
    return orders


def _arrangements(group):
    """Distinct orders of a sorted multiset, each equally likely."""
    if not group:
        return [[]]
    found = []
    for i, grade in enumerate(group):
        if i and grade == group[i - 1]:
            continue
        found += [[grade, *rest] for rest in _arrangements(group[:i] + group[i + 1 :])]
    return found


def test_one_shared_label_or_none_is_what_it_is_for_single_labels():
    rng = np.random.default_rng(4)
    single = rng.integers(0, 4, 20), rng.integers(0, 4, 50)
    codes = pack(rng.standard_normal((20, 8))), pack(rng.standard_normal((50, 8)))
    rankings = [
        Ranking.from_codes(*codes, 8, rule)
        for rule in (SameLabel(*single), SameLabel(*(np.eye(4, dtype=int)[y] for y in single)))
    ]
    np.testing.assert_array_equal(*(metrics.ndcg_at(ranking, 10) for ranking in rankings))


def test_the_best_order_scores_one():
    labels, _ = sets(5)
    shared = (labels[0] @ labels[1].T).astype(np.float32)
    found = evaluate_scores(
        lambda start, stop: shared[start:stop],
        9,
        query_labels=labels[0],
        database_labels=labels[1],
        metrics=["ndcg@3", "ndcg@100"],
    )
    assert found == pytest.approx({"ndcg@3": 1, "ndcg@100": 1})

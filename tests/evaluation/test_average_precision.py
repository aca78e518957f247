"""Closed forms under ties against every order, shuffles, and known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_rankings import N_BITS, Given, as_codes, items, orders, slow_ap

from hammingbird.codes import hamming, pack
from hammingbird.errors import InputError
from hammingbird.evaluation import Ranking, average_precision
from hammingbird.evaluation.average_precision import harmonic_part


@settings(max_examples=400, deadline=None)
@given(items, st.one_of(st.none(), st.integers(1, 11)), st.sampled_from(["hits", "min"]))
def test_equals_all_orders(some, cutoff, divisor):
    query, database, relevance = as_codes(some)
    ranking = Ranking.from_codes(query, database, N_BITS, relevance)
    values = [slow_ap(order, cutoff, divisor) for order in orders(some)]
    found = {
        ties: average_precision(ranking, cutoff, divisor=divisor, ties=ties)[0]
        for ties in ("expected", "worst", "best")
    }
    assert found["expected"] == pytest.approx(np.mean(values), abs=1e-12)
    assert found["worst"] == pytest.approx(min(values), abs=1e-12)
    assert found["best"] == pytest.approx(max(values), abs=1e-12)


@pytest.mark.parametrize("cutoff", [None, 40, 150, 700])
def test_equals_the_mean_of_shuffles(cutoff):
    rng = np.random.default_rng(1)
    distance = rng.binomial(6, 0.4, 1000)
    relevant = rng.random(1000) < 0.5 / (1 + distance)
    query, database, relevance = as_codes(list(zip(distance, relevant, strict=True)))
    ranking = Ranking.from_codes(query, database, N_BITS, relevance)
    values = []
    for _ in range(2000):
        shuffled = rng.permutation(1000)
        order = relevant[shuffled][np.argsort(distance[shuffled], kind="stable")][:cutoff]
        ranks = np.flatnonzero(order) + 1
        values.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    error = np.std(values) / math.sqrt(len(values))
    expected, worst, best = (
        average_precision(ranking, cutoff, ties=ties)[0] for ties in ("expected", "worst", "best")
    )
    assert abs(expected - np.mean(values)) < 3 * error
    assert worst <= min(values)
    assert max(values) <= best


@pytest.mark.parametrize("cutoff", [1000, 12_000])
def test_big_cut_groups_are_exact(cutoff):
    """The window over the hypergeometric loses nothing against SciPy over its whole support."""
    from scipy.stats import hypergeom

    size, hits = 30_000, 9_000
    counts = np.array([[100, size, 10]], np.uint32)
    relevant = np.array([[40, hits, 0]], np.uint32)
    ranking = Ranking.from_counts(counts, relevant)
    inside = cutoff - 100
    x = np.arange(inside + 1)
    first = average_precision(Ranking.from_counts(counts[:, :1], relevant[:, :1]))[0] * 40
    places = np.arange(1, inside + 1)[None, :]
    some = np.linspace(0, inside, 20, dtype=int)
    share = some[:, None] / inside
    rise = (places - 1) * (some[:, None] - 1) / (inside - 1)
    loops = (share * (41 + rise) / (100 + places)).sum(axis=1)
    # Given x hits inside, the sum of precisions is a parabola in x through these points.
    sums = np.polynomial.Polynomial.fit(some, loops, 2)(x)
    expected = (hypergeom.pmf(x, size, hits, inside) * (first + sums) / (40 + x)).sum()
    assert average_precision(ranking, cutoff)[0] == pytest.approx(expected, rel=1e-9)


def test_perfect_ranking_is_one():
    ranking = Ranking.from_counts(
        np.array([[5000, 0, 5000]], np.uint32), np.array([[5000, 0, 0]], np.uint32)
    )
    for ties in ("expected", "worst", "best"):
        assert average_precision(ranking, ties=ties)[0] == pytest.approx(1, abs=1e-12)


def test_all_tied_is_near_the_share_of_relevant_items():
    ranking = Ranking.from_counts(np.array([[10_000]], np.uint32), np.array([[1000]], np.uint32))
    assert average_precision(ranking)[0] == pytest.approx(0.1, abs=0.002)
    assert average_precision(ranking, ties="worst")[0] < 0.06
    assert average_precision(ranking, ties="best")[0] == pytest.approx(1)


def test_divisors_agree_without_a_cutoff_and_are_ordered_with_one():
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 30, (50, 13)).astype(np.uint32)
    relevant = rng.integers(0, counts + 1).astype(np.uint32)
    ranking = Ranking.from_counts(counts, relevant)
    assert np.allclose(average_precision(ranking), average_precision(ranking, divisor="min"))
    beyond = average_precision(ranking, 10_000, divisor="min")
    assert np.allclose(average_precision(ranking), beyond)
    for cutoff in (1, 10, 50):
        hits = average_precision(ranking, cutoff)
        least = average_precision(ranking, cutoff, divisor="min")
        assert np.all(hits >= least - 1e-12)


def test_queries_without_relevant_items_are_nan():
    counts = np.full((2, 3), 4, np.uint32)
    ranking = Ranking.from_counts(counts, np.array([[0, 0, 0], [0, 1, 0]], np.uint32))
    for cutoff in (None, 3, 6):
        assert np.isnan(average_precision(ranking, cutoff)).tolist() == [True, False]


def test_no_hit_within_the_cutoff_is_zero():
    ranking = Ranking.from_counts(np.array([[5, 5]], np.uint32), np.array([[0, 5]], np.uint32))
    assert average_precision(ranking, 5)[0] == 0
    assert average_precision(ranking, 3, divisor="min", ties="best")[0] == 0


@pytest.mark.parametrize("before", [0, 5, 63, 64, 1000, 10**6, 10**9])
@pytest.mark.parametrize("n", [0, 1, 2, 77, 5000])
def test_harmonic_part_is_exact(before, n):
    slow = math.fsum(1 / (before + t) for t in range(1, n + 1))
    assert harmonic_part(np.array([before]), np.array([n]))[0] == pytest.approx(slow, rel=2e-13)


def test_ranking_by_real_codes_equals_loops():
    rng = np.random.default_rng(4)
    queries, database = pack(rng.standard_normal((5, 12))), pack(rng.standard_normal((9, 12)))
    matrix = rng.random((5, 9)) < 0.4
    matrix[:, 0] = True
    values = average_precision(Ranking.from_codes(queries, database, 12, Given(matrix)))
    for value, distance, relevant in zip(values, hamming(queries, database), matrix, strict=True):
        some = list(zip(distance.tolist(), relevant.tolist(), strict=True))
        assert value == pytest.approx(np.mean([slow_ap(order) for order in orders(some)]))


def test_wrong_arguments():
    ranking = Ranking.from_counts(np.array([[5, 5]], np.uint32), np.array([[0, 5]], np.uint32))
    with pytest.raises(InputError, match="ties must be"):
        average_precision(ranking, ties="index")
    with pytest.raises(InputError, match="divisor must be"):
        average_precision(ranking, 3, divisor="T")

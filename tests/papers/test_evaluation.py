"""Facts about the metrics of HashNet, MIHash and the Lower-Bound paper."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hammingbird.codes import pack
from hammingbird.evaluation import Ranking, SameLabel, average_precision
from hammingbird.evaluation.average_precision import lowest_average_precision
from hammingbird.evaluation.diagnostics import mutual_information


def ranked(order: list[int]) -> Ranking:
    """One query with all items at distinct distances."""
    relevant = np.array([order], np.uint32)
    return Ranking.from_counts(np.ones_like(relevant), relevant)


def test_papers_divisor_prefers_fewer_hits():
    """[+, -, -] scores more than [+, -, +]; dividing by min(T, R) mends it."""
    first, second = ranked([1, 0, 0, 1]), ranked([1, 0, 1, 0])
    assert average_precision(first, 3)[0] == pytest.approx(1)
    assert average_precision(second, 3)[0] == pytest.approx(5 / 6)
    assert average_precision(first, 3, divisor="min")[0] == pytest.approx(1 / 2)
    assert average_precision(second, 3, divisor="min")[0] == pytest.approx(5 / 6)


def test_half_of_the_hits_doubles_the_papers_value():
    """Protocols, section 1: 1,300 relevant items, 500 of them in the top 1,000."""
    order = np.zeros(5000, int)
    order[np.linspace(0, 999, 500).astype(int)] = 1
    order[1000:1800] = 1
    ranking = ranked(order.tolist())
    papers, standard = (average_precision(ranking, 1000, divisor=d)[0] for d in ("hits", "min"))
    assert standard == pytest.approx(papers / 2)


def test_lowest_average_precision_equals_brute_force():
    cases = 0
    for n in range(2, 10):
        for positives in range(1, n):
            lowest: dict[tuple[int, int], float] = {}
            for places in itertools.combinations(range(n), positives):
                order = [int(place in places) for place in range(n)]
                first_miss, last_hit = order.index(0) + 1, max(places) + 1
                if last_hit > positives:
                    value = average_precision(ranked(order))[0]
                    key = first_miss, last_hit
                    lowest[key] = min(value, lowest.get(key, 2.0))
            for (first_miss, last_hit), value in lowest.items():
                formula = lowest_average_precision(positives, first_miss, last_hit)
                assert formula == pytest.approx(value)
                cases += 1
    assert cases > 100


def test_mutual_information_goes_with_average_precision():
    """MIHash, Fig. 2 (right): random linear hashes; Pearson .98 in the paper, at least .95 here."""
    rng = np.random.default_rng(0)
    spread = np.geomspace(4, 0.5, 24)
    labels = rng.integers(0, 10, 2100)
    X = (rng.standard_normal((10, 24)) * spread)[labels] + rng.standard_normal((2100, 24)) * spread
    queries = slice(0, 100)
    relevance = SameLabel(labels[queries], labels[100:])
    information, precision = [], []
    for _ in range(50):
        codes = pack(X @ rng.standard_normal((24, 32)))
        ranking = Ranking.from_codes(codes[queries], codes[100:], 32, relevance)
        information.append(mutual_information(ranking).mean())
        precision.append(average_precision(ranking).mean())
    assert np.corrcoef(information, precision)[0, 1] >= 0.95

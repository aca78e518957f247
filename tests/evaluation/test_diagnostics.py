"""Diagnostics against plain formulas on small codes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from slow_rankings import Given

from hammingbird.codes import hamming, pack
from hammingbird.errors import InputError
from hammingbird.evaluation import Ranking, diagnostics, evaluate


@pytest.fixture(params=[7, 1 << 16])
def block(request, monkeypatch):
    monkeypatch.setattr(diagnostics, "BLOCK", request.param)


def test_bits(block):
    rng = np.random.default_rng(16)
    scores = rng.standard_normal((50, 12)) + np.linspace(-1, 1, 12)
    scores[:, 3] = 1
    codes, ones = pack(scores), scores >= 0
    assert np.allclose(diagnostics.bit_balance(codes, 12), ones.mean(axis=0))
    correlation = diagnostics.bit_correlation(codes, 12)
    varying = np.arange(12) != 3
    expected = np.corrcoef(ones[:, varying].T)
    assert np.allclose(correlation[np.ix_(varying, varying)], expected)
    assert np.array_equal(correlation[3], np.arange(12) == 3)


def test_code_usage():
    codes = np.repeat(np.array([[1, 16], [2, 32], [3, 48]], np.uint8), [2, 1, 1], axis=0)
    count, entropy = diagnostics.code_usage(codes, 12)
    assert count == 3
    assert entropy == pytest.approx(1.5)


def test_densities_and_information():
    rng = np.random.default_rng(17)
    queries, database = pack(rng.standard_normal((6, 12))), pack(rng.standard_normal((200, 12)))
    matrix = rng.random((6, 200)) < 0.2
    matrix[5] = False
    ranking = Ranking.from_codes(queries, database, 12, Given(matrix))
    distance = hamming(queries, database)
    relevant, others = diagnostics.distance_densities(ranking)
    for density, chosen in ((relevant, matrix), (others, ~matrix)):
        assert np.allclose(density, np.bincount(distance[chosen], minlength=13) / chosen.sum())
    information = diagnostics.mutual_information(ranking)
    assert np.isnan(information[5])
    for query in range(5):
        joint = np.zeros((13, 2))
        np.add.at(joint, (distance[query], matrix[query].astype(int)), 1 / 200)
        product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
        some = joint > 0
        expected = (joint[some] * np.log2(joint[some] / product[some])).sum()
        assert information[query] == pytest.approx(expected)


def test_separation(block):
    rng = np.random.default_rng(18)
    centers = pack(np.array([[1.0] * 24, [-1.0] * 24, [1.0] * 12 + [-1.0] * 12]))
    labels = rng.integers(0, 3, 90)
    codes = centers[labels].copy()
    for row in range(0, 90, 2):  # one bit of some codes; the majority stays
        codes[row, rng.integers(0, 3)] ^= np.uint8(1 << rng.integers(0, 8))
    for given in (None, centers):
        found = diagnostics.class_separation(codes, labels, 24, given)
        assert (found.min_inter, found.max_intra, found.ratio) == (12, 1, 12)
        assert found.ratio_95 == 12
        assert found.perfect
    perfect = evaluate(
        codes, codes, query_labels=labels, database_labels=labels, n_bits=24, metrics=["map_worst"]
    )
    assert perfect["map_worst"] == pytest.approx(1)
    exact = diagnostics.class_separation(centers, [0, 1, 2], 24)
    assert exact.ratio == exact.ratio_95 == np.inf


def test_separation_leaves_out_what_has_no_label():
    codes = pack(np.array([[1.0] * 16] * 5 + [[-1.0] * 16] * 5 + [[1.0, -1.0] * 8] * 3))
    labels = np.repeat([2, 7, -1], [5, 5, 3])
    assert diagnostics.class_separation(codes, labels, 16).min_inter == 16
    given = diagnostics.class_separation(codes, labels, 16, codes[[0, 5]])
    assert (given.min_inter, given.max_intra) == (16, 0)


def test_separation_with_centres_that_were_used():
    """Centres come with the classes they belong to: in any order, more than the codes have."""
    centers = pack(np.array([[1.0] * 12, [-1.0] * 12, [1.0] * 6 + [-1.0] * 6, [-1.0, 1.0] * 6]))
    labels = np.array(["fir", "ash", "fir", "ash", "fir"])
    codes = centers[[3, 0, 3, 0, 3]].copy()
    codes[1, 0] ^= 0b11100000  # three bits off
    names = ["ash", "elm", "oak", "fir"]
    found = diagnostics.class_separation(codes, labels, 12, centers, names)
    between = [
        int(np.bitwise_count(centers[i] ^ centers[j]).sum()) for i in range(4) for j in range(i)
    ]
    assert (found.min_inter, found.max_intra) == (min(between), 3) == (6, 3)
    assert found.ratio == 2
    swapped = diagnostics.class_separation(codes, labels, 12, centers[::-1], names[::-1])
    assert swapped == found
    one = diagnostics.class_separation(codes[::2], labels[::2], 12, centers, names)
    assert (one.min_inter, one.max_intra) == (6, 0)
    with pytest.raises(InputError, match="label 'fir' has no centre"):
        diagnostics.class_separation(codes, labels, 12, centers[:3], names[:3])
    with pytest.raises(InputError, match="4 centers for 3 classes"):
        diagnostics.class_separation(codes, labels, 12, centers, names[:3])


@pytest.mark.parametrize("m", [1, 7])
def test_posterior_divergence_against_enumeration(m, monkeypatch):
    """Lower Bound, F.3.1: all joint probabilities, the mean over rows of the product of blocks."""
    monkeypatch.setattr(diagnostics, "AT_ONCE", 3 * m)
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((60, 5)) + rng.standard_normal((60, 1))
    blocks = [rng.dirichlet(np.ones(1 << size), m) for size in (3, 2)]
    expected = total = 0.0
    for code in itertools.product((0, 1), repeat=5):
        first = code[0] + 2 * code[1] + 4 * code[2]
        second = code[3] + 2 * code[4]
        p = np.mean([blocks[0][i, first] * blocks[1][i, second] for i in range(m)])
        share = np.mean([tuple(int(s >= 0) for s in row) == code for row in scores])
        total += p
        if share:
            expected += share * math.log(share / p)
    assert total == pytest.approx(1)
    found = diagnostics.posterior_divergence(pack(scores), 5, [np.log(block) for block in blocks])
    assert found == pytest.approx(expected)


def test_the_naive_posterior_is_the_product_of_the_bits():
    """Two bits that agree in 84 of 100 codes (Appendix D), and a constant one."""
    bits = np.repeat([[1, 1], [0, 0], [1, 0], [0, 1]], [45, 39, 8, 8], axis=0)
    codes = pack(np.column_stack([2.0 * bits - 1, np.ones(100)]))
    ones = bits.mean(axis=0)
    expected = 0.0
    for (a, b), share in {(1, 1): 0.45, (0, 0): 0.39, (1, 0): 0.08, (0, 1): 0.08}.items():
        p = (ones[0] if a else 1 - ones[0]) * (ones[1] if b else 1 - ones[1])
        expected += share * math.log(share / p)
    naive = diagnostics.posterior_divergence(codes, 3, diagnostics.bit_margins(codes, 3))
    assert naive == pytest.approx(expected)
    exact = np.log([[0.39, 0.08, 0.08, 0.45]])
    assert diagnostics.posterior_divergence(
        codes, 3, [exact, diagnostics.bit_margins(codes, 3)[2]]
    ) == pytest.approx(0, abs=1e-12)
    impossible = [exact, np.array([[0.0, -np.inf]])]
    assert diagnostics.posterior_divergence(codes, 3, impossible) == np.inf
    with pytest.raises(InputError, match="of 3 bits in all"):
        diagnostics.posterior_divergence(codes, 3, [exact])
    with pytest.raises(InputError, match="of 3 bits in all"):
        diagnostics.posterior_divergence(codes, 3, [np.zeros((2, 9))])
    with pytest.raises(InputError, match="of 3 bits in all"):
        diagnostics.posterior_divergence(codes, 3, [exact, np.zeros((2, 2))])
    with pytest.raises(InputError, match="of 3 bits in all"):
        diagnostics.posterior_divergence(codes, 3, [])


def test_one_outlier_moves_only_the_literal_ratio():
    codes = pack(np.array([[1.0] * 16] * 50 + [[-1.0] * 16] * 50))
    codes[0] = codes[-1]
    found = diagnostics.class_separation(codes, np.repeat([0, 1], 50), 16)
    assert found.max_intra == 16
    assert not found.perfect
    assert found.intra_95 == 0


def test_wrong_input():
    codes = pack(np.ones((4, 12)))
    with pytest.raises(InputError, match="empty"):
        diagnostics.bit_balance(codes[:0], 12)
    with pytest.raises(InputError, match="one per code"):
        diagnostics.class_separation(codes, [0, 1], 12)
    with pytest.raises(InputError, match="two classes"):
        diagnostics.class_separation(codes, [1, 1, 1, 1], 12)
    with pytest.raises(InputError, match="give one for each"):
        diagnostics.class_separation(codes, [0, 0, 1, 1], 12, codes)

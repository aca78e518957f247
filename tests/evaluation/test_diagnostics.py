"""Diagnostics against plain formulas on small codes."""

from __future__ import annotations

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

"""Rules of relevance: rows, structured counts, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from slow_rankings import Given

from hammingbird import kernels
from hammingbird.codes import pack
from hammingbird.errors import InputError
from hammingbird.evaluation import (
    ListedNeighbors,
    SameLabel,
    WithinDistance,
    percentile_threshold,
    within_distance,
)
from hammingbird.evaluation import relevance as module
from hammingbird.targets import Neighbors


def rules(rng):
    labels = rng.integers(0, 4, 25), rng.integers(1, 6, 70)
    sets = (rng.random((25, 5)) < 0.3).astype(int), (rng.random((70, 5)) < 0.3).astype(int)
    ids = rng.permuted(np.tile(np.arange(70), (25, 1)), axis=1)[:, :6]
    ids[3, 4:] = -1
    names = np.array(["a", "b", "c", "d", "e", "f"])
    X, Y = rng.standard_normal((25, 3)), rng.standard_normal((70, 3))
    listed = np.zeros((25, 70), bool)
    for query, row in enumerate(ids):
        listed[query, row[row >= 0]] = True
    return {
        "labels": (SameLabel(*labels), labels[0][:, None] == labels[1]),
        "names": (SameLabel(names[labels[0]], names[labels[1]]), labels[0][:, None] == labels[1]),
        "sets": (SameLabel(*sets), (sets[0][:, None] & sets[1]).any(axis=2)),
        "listed": (ListedNeighbors(Neighbors(ids, ids), 70), listed),
        "near": (WithinDistance(X, Y, 1.2), np.linalg.norm(X[:, None] - Y, axis=2) <= 1.2),
    }


@pytest.mark.parametrize("name", ["labels", "names", "sets", "listed", "near"])
@pytest.mark.parametrize("n_bits", [12, 64])
def test_rows_and_counts(name, n_bits, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 500)
    rng = np.random.default_rng(7)
    rule, expected = rules(rng)[name]
    assert np.array_equal(rule.rows(0, 25), expected)
    assert np.array_equal(rule.rows(7, 12), expected[7:12])
    assert np.array_equal(rule.n_relevant(), expected.sum(axis=1))
    assert rule.describe()
    codes = pack(rng.standard_normal((25, n_bits))), pack(rng.standard_normal((70, n_bits)))
    for start, stop in ((0, 25), (5, 21)):
        every, relevant = rule.counts(codes[0][start:stop], codes[1], n_bits, start)
        both = kernels.histograms(codes[0][start:stop], codes[1], n_bits, expected[start:stop])
        assert np.array_equal(every, both[0])
        assert np.array_equal(relevant, both[1])


def test_n_relevant_without_self():
    rule = Given(np.eye(3, 4, dtype=bool))
    assert rule.n_relevant(np.array([0, -1, 3])).tolist() == [0, 1, 1]


def test_unlabelled_items_of_sets_are_relevant_to_nothing():
    rule = SameLabel([[0, 0], [1, 0]], [[0, 0], [1, 1]])
    assert rule.rows(0, 2).tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_minus_one_is_no_label(kind):
    queries, database = np.array([-1, 3, 7, -1], kind), np.array([3, -1, -1, 3, 8], kind)
    rule = SameLabel(queries, database)
    expected = np.zeros((4, 5), bool)
    expected[1, [0, 3]] = True
    assert np.array_equal(rule.rows(0, 4), expected)
    assert rule.n_relevant().tolist() == [0, 2, 0, 0]
    assert (rule.unlabelled_queries, rule.unlabelled_database) == (2, 2)
    rng = np.random.default_rng(2)
    codes = pack(rng.standard_normal((4, 9))), pack(rng.standard_normal((5, 9)))
    every, relevant = rule.counts(*codes, 9)
    both = kernels.histograms(*codes, 9, expected)
    assert np.array_equal(every, both[0])
    assert np.array_equal(relevant, both[1])
    # Where all are labelled, or labels are names, nothing is missing.
    assert SameLabel([0, 1], [1]).unlabelled_queries == 0
    assert SameLabel(["-1"], ["-1"]).rows(0, 1).all()


@pytest.mark.parametrize("name", ["labels", "names", "sets", "listed", "near"])
def test_grades_of_pairs_are_those_of_rows(name):
    rule, expected = rules(np.random.default_rng(9))[name]
    query, item = (part.ravel() for part in np.indices(expected.shape))
    grades = rule.grades_of(query, item).reshape(expected.shape)
    assert np.array_equal(grades > 0, expected)
    assert np.array_equal(grades, rule.grades(0, 25))
    assert grades.max() <= rule.highest_grade


@pytest.mark.parametrize(
    ("queries", "database", "message"),
    [
        ([1, 2], [[1, 0]], "both be 1-D"),
        ([[1, 0]], [[1, 0, 0]], "equally wide"),
        ([[3]], [[4]], "0 or 1"),
        ([1.0, np.nan], [1.0], "NaN"),
        (np.array([1, "a"], object), np.array([1], object), "one kind"),
    ],
)
def test_wrong_labels(queries, database, message):
    with pytest.raises(InputError, match=message):
        SameLabel(queries, database)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2], "whole numbers"),
        ([[0.5]], "whole numbers"),
        ([[5]], "database rows from 0 to 4"),
        ([[-2]], "database rows"),
        ([[0, 1], [2, 2]], "query 1 name a database row twice"),
    ],
)
def test_wrong_neighbors(ids, message):
    with pytest.raises(InputError, match=message):
        ListedNeighbors(ids, 5)


def test_wrong_distances():
    with pytest.raises(InputError, match="equal width"):
        WithinDistance(np.zeros((2, 3)), np.zeros((2, 4)), 1)
    with pytest.raises(InputError, match="at least 0"):
        WithinDistance(np.zeros((2, 3)), np.zeros((2, 3)), float("nan"))


@pytest.mark.parametrize(("kept", "passes"), [(1 << 31, 1), (45 * 7, 3), (1, 20)])
def test_distances_are_found_block_by_block(monkeypatch, kept, passes):
    """The database is read once for every block of queries that is kept, whatever is asked for."""
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((45, 3))
    expected = np.linalg.norm(X[:, None] - Y, axis=2) <= 1.2
    for name, value in (("SLAB", 16), ("QUERIES", 3), ("KEPT", kept)):
        monkeypatch.setattr(within_distance, name, value)
    rule, reads = WithinDistance(X, Y, 1.2), []
    found = rule._bits
    monkeypatch.setattr(rule, "_bits", lambda *block: reads.append(block) or found(*block))
    rows = [rule.rows(start, start + 4) for start in range(0, 20, 4)]
    np.testing.assert_array_equal(np.concatenate(rows), expected)
    assert len(reads) == passes
    np.testing.assert_array_equal(rule.rows(5, 18), expected[5:18])
    assert rule.rows(3, 3).shape == (0, 45)


def test_percentile_threshold():
    train = np.random.default_rng(8).standard_normal((300, 4))
    threshold = percentile_threshold(train, 5)
    rows = WithinDistance(train, train, threshold).rows(0, 300)
    share = (rows.sum() - 300) / (300 * 299)
    assert share == pytest.approx(0.05, abs=0.001)
    assert percentile_threshold(train, 5, limit=100) == percentile_threshold(train, 5, limit=100)
    with pytest.raises(InputError, match="two rows"):
        percentile_threshold(train[:1])
    with pytest.raises(InputError, match="between 0 and 100"):
        percentile_threshold(train, 101)

"""Rankings by distance and by score are the same ranking, in blocks or at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_rankings import Given

from hammingbird.codes import hamming, pack
from hammingbird.errors import InputError
from hammingbird.evaluation import Ranking, ranking

FIELDS = ("query", "before", "size", "hits_before", "hits", "n_relevant", "n_items")


def assert_equal(a, b):
    for field in FIELDS:
        assert np.array_equal(getattr(a, field), getattr(b, field)), field


def slow(scores, relevant, own):
    """All groups of one query that hold a relevant item: before, size, hits before, hits."""
    keep = np.arange(len(scores)) != own
    scores, relevant = scores[keep], relevant[keep]
    groups = []
    for value in sorted(set(scores.tolist()), reverse=True):
        same, ahead = scores == value, scores > value
        if relevant[same].any():
            groups.append((ahead.sum(), same.sum(), relevant[ahead].sum(), relevant[same].sum()))
    return groups


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from([1, 5, 12, 17]), st.integers(1, 6), st.integers(1, 40)
)
def test_codes_scores_and_loops_agree(seed, n_bits, n_queries, n_database):
    rng = np.random.default_rng(seed)
    queries = pack(rng.standard_normal((n_queries, n_bits)))
    database = pack(rng.standard_normal((n_database, n_bits)))
    rule = Given(rng.random((n_queries, n_database)) < 0.3)
    own = rng.integers(-1, n_database, n_queries)
    scores = -hamming(queries, database).astype(np.float32)
    by_code = Ranking.from_codes(queries, database, n_bits, rule, self_rows=own)
    by_score = Ranking.from_scores(lambda a, b: scores[a:b], rule, self_rows=own)
    assert_equal(by_code, by_score)
    for query in range(n_queries):
        of_query = by_code.query == query
        found = [getattr(by_code, field)[of_query] for field in FIELDS[1:5]]
        expected = slow(scores[query], rule.matrix[query], own[query])
        assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_scores_of_all_kinds_are_ordered(monkeypatch):
    values = np.array(
        [[0.0, -0.0, 1e-45, -1e-45, np.inf, -np.inf, 3.4e38, -3.4e38, 1.5, -1.5, 1.5, 2]] * 3,
        np.float32,
    )
    matrix = np.ones(values.shape, bool)
    matrix[1, 4] = False
    monkeypatch.setattr(ranking, "BLOCK_SCORES", 12)
    found = Ranking.from_scores(lambda a, b: values[a:b], Given(matrix))
    for query in range(3):
        groups = slow(values[query], matrix[query], -1)
        assert found.before[found.query == query].tolist() == [group[0] for group in groups]
        assert found.hits[found.query == query].tolist() == [group[3] for group in groups]


@pytest.mark.parametrize("block", [1, 300, 1 << 20])
def test_blocks_do_not_matter(block, monkeypatch):
    rng = np.random.default_rng(9)
    scores = rng.integers(0, 5, (11, 100)).astype(np.float32)
    rule = Given(rng.random((11, 100)) < 0.1)
    whole = Ranking.from_scores(lambda a, b: scores[a:b], rule)
    monkeypatch.setattr(ranking, "BLOCK_SCORES", block)
    assert_equal(whole, Ranking.from_scores(lambda a, b: scores[a:b], rule))
    part = Ranking.from_scores(lambda a, b: scores[a:b], rule, start=4, stop=9)
    assert np.array_equal(part.hits, whole.hits[(whole.query >= 4) & (whole.query < 9)])


def test_part_of_the_queries():
    rng = np.random.default_rng(10)
    queries, database = pack(rng.standard_normal((9, 12))), pack(rng.standard_normal((50, 12)))
    rule, own = Given(rng.random((9, 50)) < 0.3), np.arange(9)
    whole = Ranking.from_codes(queries, database, 12, rule, self_rows=own)
    part = Ranking.from_codes(queries, database, 12, rule, self_rows=own, start=3, stop=7)
    assert np.array_equal(part.counts, whole.counts[3:7])
    assert np.array_equal(part.relevant_counts, whole.relevant_counts[3:7])
    assert part.n_queries == 4


def test_one_item():
    found = Ranking.from_codes(pack([[1.0]]), pack([[-1.0]]), 1, Given([[True]]))
    assert (found.before.tolist(), found.size.tolist(), found.hits.tolist()) == ([0], [1], [1])
    alone = Ranking.from_codes(pack([[1.0]]), pack([[-1.0]]), 1, Given([[True]]), self_rows=[0])
    assert alone.n_items.tolist() == alone.n_relevant.tolist() == [0]


def test_wrong_input():
    codes, rule = pack(np.ones((2, 12))), Given(np.ones((2, 2), bool))
    with pytest.raises(InputError, match="nothing to rank"):
        Ranking.from_codes(codes[:0], codes, 12, Given(np.ones((0, 2), bool)))
    with pytest.raises(InputError, match="nothing to rank"):
        Ranking.from_codes(codes, codes[:0], 12, Given(np.ones((2, 0), bool)))
    with pytest.raises(InputError, match="2 queries, but the labels or neighbors are those of 1"):
        Ranking.from_codes(codes, codes, 12, Given(np.ones((1, 2), bool)))
    with pytest.raises(InputError, match="2 database items, but"):
        Ranking.from_codes(codes, codes, 12, Given(np.ones((2, 3), bool)))
    with pytest.raises(InputError, match="one whole number per query"):
        Ranking.from_codes(codes, codes, 12, rule, self_rows=[0])
    with pytest.raises(InputError, match="rows from 0 to 1"):
        Ranking.from_codes(codes, codes, 12, rule, self_rows=[0, 2])
    with pytest.raises(InputError, match="padding"):
        Ranking.from_codes(codes | 1, codes, 12, rule)
    with pytest.raises(InputError, match="NaN"):
        Ranking.from_scores(lambda a, b: np.full((b - a, 2), np.nan, np.float32), rule)
    with pytest.raises(InputError, match="must have shape"):
        Ranking.from_scores(lambda a, b: np.zeros((b - a, 3), np.float32), rule)

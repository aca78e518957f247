"""FastHash and StructHash: graph cuts, boosted trees and rankings, against brute force."""

from __future__ import annotations

import sys
from itertools import permutations, product

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.classical.supervised.cuts import (
    blocks_of_similar,
    cut_block,
    cut_in_turn,
    energy,
    start_bits,
)
from hammingbird.classical.supervised.fasthash import pair_weights
from hammingbird.classical.supervised.rankings import Lists, draw_lists, worst_order, worst_rankings
from hammingbird.classical.supervised.structhash import Machine


class TestCuts:
    @pytest.mark.parametrize("seed", range(10))
    def test_a_cut_finds_the_least_energy_of_all_bits(self, seed):
        rng = np.random.default_rng(seed)
        inside = -np.abs(rng.standard_normal((7, 7)))
        inside += inside.T
        np.fill_diagonal(inside, 0)
        outside = 4 * rng.standard_normal(7)
        found = cut_block(inside, outside)
        best = min(
            energy(inside, np.array(z)) + outside @ np.array(z)
            for z in product([-1.0, 1.0], repeat=7)
        )
        assert energy(inside, found) + outside @ found == pytest.approx(best)

    def test_a_block_that_is_not_sub_modular_is_refused(self):
        inside = np.array([[0, 1.0], [1.0, 0]])
        with pytest.raises(hb.InputError, match="must not be positive"):
            cut_block(inside, np.zeros(2))

    def test_blocks_hold_every_row_once_and_only_similar_ones(self):
        rng = np.random.RandomState(0)
        sets = rng.random_sample((60, 5)) < 0.3
        similar = (sets.astype(int) @ sets.T.astype(int)) > 0
        blocks = blocks_of_similar(similar, 6, rng)
        assert sorted(np.concatenate(blocks)) == list(range(60))
        assert max(map(len, blocks)) == 6
        for block in blocks:
            inside = similar[np.ix_(block, block)]
            assert (inside | np.eye(len(block), dtype=bool)).all()

    @pytest.mark.parametrize("loss", ["hinge", "ksh", "bre"])
    def test_cutting_in_turn_never_raises_the_energy(self, loss):
        rng = np.random.RandomState(1)
        y = rng.randint(0, 4, 80)
        table = np.where(y[:, None] == y, 1, -1).astype(np.int8)
        np.fill_diagonal(table, 0)
        weights = pair_weights(table, np.zeros((80, 80), np.int16), 1, loss)
        blocks = blocks_of_similar(table > 0, 8, rng)
        bits = start_bits(weights, rng)
        for _ in range(4):
            after = cut_in_turn(weights, blocks, bits, 1)
            assert energy(weights, after) <= energy(weights, bits) + 1e-3
            bits = after
        assert 0 < (bits > 0).sum() < 80

    @pytest.mark.parametrize("loss", ["hinge", "ksh", "bre"])
    def test_pair_weights_are_differences_of_losses(self, loss):
        def value(similar, m, r):
            if loss == "hinge":
                return m**2 if similar else max(r / 2 - m, 0) ** 2
            if loss == "ksh":
                return (r - 2 * m - (r if similar else -r)) ** 2
            return (m / r - (0 if similar else 1)) ** 2

        rng = np.random.default_rng(0)
        r = 6
        table = rng.integers(-1, 2, (9, 9)).astype(np.int8)
        distances = rng.integers(0, r, (9, 9)).astype(np.int16)
        found = pair_weights(table, distances, r, loss)
        for i, j in np.ndindex(9, 9):
            m = int(distances[i, j])
            same, other = (value(table[i, j] > 0, m + d, r) for d in (0, 1))
            expected = (same - other) / 2 if table[i, j] else 0
            assert found[i, j] == pytest.approx(expected, rel=1e-6)
        assert (found[table > 0] < 0).all()


class TestRankings:
    @pytest.mark.parametrize("loss", ["ndcg", "auc"])
    def test_the_worst_order_is_the_worst_of_all(self, loss):
        rng = np.random.default_rng(0)
        for _ in range(20):
            p, n = rng.integers(1, 4, 2)
            similar, other = (rng.integers(0, 4, k) * 0.3 * rng.random() for k in (p, n))

            def gain(ahead, lost, similar=similar, other=other):
                signs = np.where(ahead, -1, 1)
                return lost + (signs * (similar[:, None] - other[None])).mean()

            best = -np.inf
            for order in permutations(range(p + n)):
                place = np.argsort(order)
                ahead = place[p:][None] < place[:p][:, None]
                discounts = 1 / np.log2(place[:p] + 2)
                ideal = 1 / np.log2(np.arange(p) + 2)
                lost = ahead.mean() if loss == "auc" else 1 - discounts.sum() / ideal.sum()
                best = max(best, gain(ahead, lost))
            ahead, losses = worst_order(similar[None], other[None], loss)
            assert gain(ahead[0], losses[0]) == pytest.approx(best)

    def test_a_constraint_is_the_right_ranking_less_the_wrong_one(self):
        rng = np.random.default_rng(1)
        lists = Lists(np.arange(3), rng.integers(0, 9, (3, 7)), 3)
        scores = rng.standard_normal((3, 7))
        coefficients, lost = worst_rankings(scores, lists, "auc")
        expected, total = 0.0, 0.0
        for row in scores:
            ahead, losses = worst_order(row[None, :3], row[None, 3:], "auc")
            differences = row[:3, None] - row[None, 3:]
            expected += differences.mean() - (np.where(ahead[0], -1, 1) * differences).mean()
            total += losses[0]
        assert float((coefficients * scores).sum()) == pytest.approx(expected / 3, rel=1e-5)
        assert lost == pytest.approx(total / 3)

    def test_lists_hold_similar_rows_first(self):
        y = np.arange(40) % 4
        signs = np.where(y[:, None] == y, 1, -1).astype(np.int8)
        np.fill_diagonal(signs, 0)
        lists = draw_lists(signs, 12, 5, np.random.RandomState(0))
        assert lists.rows.shape == (12, 10)
        assert (signs[lists.queries[:, None], lists.rows[:, :5]] == 1).all()
        assert (signs[lists.queries[:, None], lists.rows[:, 5:]] == -1).all()

    def test_pairs_that_share_no_row_cannot_rank(self):
        pairs = hb.Pairs(np.array([0, 2]), np.array([1, 3]), np.array([True, False]))
        with pytest.raises(hb.InputError, match="none can rank"):
            hb.StructHash(4).fit(np.eye(5), pairs)


class TestMachine:
    def machine(self, loss="ndcg"):
        rng = np.random.RandomState(0)
        y = rng.randint(0, 3, 60)
        signs = np.where(y[:, None] == y, 1, -1).astype(np.int8)
        np.fill_diagonal(signs, 0)
        machine = Machine(draw_lists(signs, 60, 8, rng), loss, 10.0)
        for c in (0, 1, None):  # two good bits and one of noise
            machine.add_bit(rng.random_sample(60) < 0.5 if c is None else y == c)
            machine.solve(20)
        return machine

    @pytest.mark.parametrize("loss", ["ndcg", "auc"])
    def test_weights_are_not_negative_and_favour_what_ranks(self, loss):
        weights = self.machine(loss).weights
        assert (weights >= 0).all()
        assert weights[:2].min() > 5 * weights[2]

    def test_no_ranking_is_violated_by_more_than_the_slack(self):
        machine = self.machine()
        scores = (machine.weights @ machine.agreements).reshape(machine.lists.rows.shape)
        coefficients, lost = worst_rankings(scores, machine.lists, "ndcg")
        assert lost - float((coefficients * scores).sum()) <= machine.violation + 2e-3

    def test_similar_rows_want_the_same_bit(self):
        machine = self.machine()
        weights = machine.pair_weights(60)
        np.testing.assert_array_equal(weights, weights.T)
        lists = machine.lists
        assert (weights[lists.queries[:, None], lists.rows[:, : lists.n_similar]] <= 0).all()
        assert (weights[lists.queries[:, None], lists.rows[:, lists.n_similar :]] >= 0).all()


class TestTrees:
    def test_walked_trees_give_what_lightgbm_gives(self, clusters, monkeypatch):
        from hammingbird.classical.supervised import trees

        boosters = []
        boost = trees.GrowingRows.boost
        monkeypatch.setattr(
            trees.GrowingRows, "boost", lambda *a: boosters.append(boost(*a)) or boosters[-1]
        )
        X, y = clusters
        hasher = hb.FastHash(3, n_trees=7, random_state=0).fit(X, y)
        rows = hasher._bytes(X)
        expected = np.stack([b.predict(rows, raw_score=True) for b in boosters], axis=1)
        np.testing.assert_allclose(hasher.project(X), expected, atol=1e-5)

    def test_bits_follow_the_labels(self, clusters):
        X, y = clusters
        hasher = hb.FastHash(12, n_trees=10, random_state=0).fit(X[:200], y[:200])
        assert (hasher.energy_[:, 1] <= hasher.energy_[:, 0] + 1e-6).all()
        apart = hb.hamming(hasher.transform(X[200:]), hasher.transform(X[:200]))
        nearest = apart.argmin(axis=1)
        assert (y[:200][nearest] == y[200:]).mean() > 0.9

    def test_constant_columns_and_values_beyond_the_ends(self, clusters):
        X, y = clusters
        X = X.copy()
        X[:, 2] = 7.0
        hasher = hb.FastHash(4, n_trees=3, random_state=0).fit(X, y)
        far = X.copy()
        far[:, 2] = 1e30
        np.testing.assert_array_equal(hasher.transform(far), hasher.transform(X))

    def test_weighted_hamming_is_the_asymmetric_score(self, clusters):
        X, y = clusters
        hasher = hb.StructHash(8, n_trees=5, n_queries=100, list_size=10, random_state=0)
        codes = hasher.fit(X, y).transform(X)
        assert (hasher.bit_weights_ >= 0).all()
        assert (hasher.bit_weights_ > 0).any()
        np.testing.assert_allclose(hasher.project(X), hasher.weigh(codes), atol=1e-30)
        found = hb.Scan(n_bits=8).add(codes).search_scores(hasher.weigh(codes[:3]), k=300)
        differ = hb.unpack(codes[:3], 8)[:, None] != hb.unpack(codes, 8)[None]
        weighted = (differ * hasher.bit_weights_).sum(axis=2)
        for query in range(3):
            distances = (hasher.bit_weights_.sum() - found.scores[query]) / 2
            np.testing.assert_allclose(distances, np.sort(weighted[query]), atol=1e-5)

    @pytest.mark.parametrize("library", ["lightgbm", "maxflow"])
    def test_a_missing_library_names_the_extra(self, library, clusters, monkeypatch):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(hb.MissingExtraError, match=r"hammingbird\[trees\]"):
            hb.FastHash(4).fit(*clusters)

    @pytest.mark.parametrize(
        "wrong", [{"n_trees": 0}, {"depth": 9}, {"column_share": 0.0}, {"loss": "mse"}]
    )
    def test_wrong_parameters_are_refused(self, wrong, clusters):
        for method in (hb.FastHash, hb.StructHash):
            with pytest.raises(hb.InputError, match=next(iter(wrong))):
                method(4, **wrong).fit(*clusters)

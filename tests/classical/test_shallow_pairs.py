"""BRE's coordinate steps and MLH's bound, against brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.classical.supervised.bre import Descent, partners
from hammingbird.classical.supervised.mlh import adjusted_codes, bound, hinge


def problem(seed: int, n: int = 12, n_bits: int = 3, q: int = 4) -> Descent:
    rng = np.random.RandomState(seed)
    kernels = rng.standard_normal((n_bits, q, n))
    kernels[0, 0, :3] = 0.0
    left, right = partners(np.ones((n, n), bool), 5, rng)
    return Descent(kernels, left, right, rng.random_sample(len(left)), rng)


def slow_objective(descent: Descent, weights: np.ndarray) -> float:
    bits = np.einsum("kq,kqn->kn", weights, descent.kernels) >= 0
    total = 0.0
    for i, j, wanted in zip(descent.left, descent.right, descent.wanted, strict=True):
        total += (np.mean(bits[:, i] != bits[:, j]) - wanted) ** 2
    return total / len(descent.left)


class TestBRE:
    @pytest.mark.parametrize("seed", range(5))
    def test_a_step_finds_the_least_of_all_weights_and_never_raises_the_objective(self, seed):
        descent = problem(seed)
        for bit, anchor in [*np.ndindex(3, 4), *np.ndindex(3, 4)]:
            before = slow_objective(descent, descent.weights)
            assert descent.objective() == pytest.approx(before, abs=1e-12)
            best = before
            for weight in np.concatenate([[-1e6, 1e6], np.linspace(-30, 30, 2001)]):
                other = descent.weights.copy()
                other[bit, anchor] = weight
                best = min(best, slow_objective(descent, other))
            descent.move(bit, anchor)
            after = slow_objective(descent, descent.weights)
            assert descent.objective() == pytest.approx(after, abs=1e-12)
            assert after <= before + 1e-12
            assert after <= best + 1e-9

    def test_a_kernel_of_zeros_moves_nothing(self):
        descent = problem(0)
        descent.kernels[1, 2] = 0.0
        before = descent.weights.copy()
        descent.move(1, 2)
        np.testing.assert_array_equal(descent.weights, before)

    def test_equal_thresholds_hold_no_weight_between_them(self):
        descent = problem(0)
        descent.kernels[:] = 1.0  # a constant kernel: all rows have one bit
        descent.scores = np.einsum("kq,kqn->kn", descent.weights, descent.kernels)
        descent.bits = descent.scores >= 0
        descent.apart[:] = 0
        before = descent.objective()
        for bit, anchor in np.ndindex(3, 4):
            descent.move(bit, anchor)
        assert descent.objective() == before

    @pytest.mark.parametrize("name", ["bre", "bre-u"])
    def test_the_objective_falls_and_is_that_of_the_codes(self, name, clusters):
        X, y = clusters
        hasher = hb.make(name, 8, 0).fit(X, y)
        assert (np.diff(hasher.objective_) <= 0).all()
        assert hasher.objective_[-1] < 0.9 * hasher.objective_[0]

    def test_without_labels_distances_come_near_those_of_the_vectors(self, clusters):
        X, _ = clusters
        hasher = hb.ReconstructiveEmbedding(32, random_state=0).fit(X)
        U = X - X.mean(axis=0)
        U /= np.linalg.norm(U, axis=1, keepdims=True)
        apart = np.square(U[:, None] - U[None]).sum(axis=2)
        codes = hasher.transform(X)
        upper = np.triu_indices(len(X), 1)
        assert np.corrcoef(apart[upper], hb.hamming(codes, codes)[upper])[0, 1] > 0.8

    def test_rows_that_are_all_the_same_are_refused(self):
        with pytest.raises(hb.InputError, match="rows that differ"):
            hb.ReconstructiveEmbedding(4, n_anchors=2).fit(np.ones((30, 3)))

    def test_more_anchors_than_rows_are_refused(self, clusters):
        with pytest.raises(hb.InputError, match="n_anchors=20, but 10 rows"):
            hb.BRE(4, n_anchors=20).fit(clusters[0][:10], np.arange(10) % 2)


class TestMLH:
    @pytest.mark.parametrize("similar", [True, False])
    def test_loss_adjusted_codes_are_the_best_of_all(self, similar):
        rng = np.random.default_rng(0)
        u, v = rng.standard_normal((2, 20, 4))
        loss = np.tile(hinge(4, 0.3, similar=similar), (20, 1))
        g, h, height = adjusted_codes(u, v, loss)
        codes = np.array(list(product([-1, 1], repeat=4)))
        for i in range(20):
            values = {
                (*a, *b): loss[i, (a != b).sum()] + a @ u[i] + b @ v[i]
                for a in codes
                for b in codes
            }
            assert height[i] == pytest.approx(max(values.values()))
            assert values[(*g[i].astype(int), *h[i].astype(int))] == pytest.approx(height[i])

    def test_the_bound_is_above_the_loss_on_every_pair(self):
        rng = np.random.default_rng(1)
        W = rng.standard_normal((6, 16))
        loss = np.stack([hinge(16, 0.3, similar=bool(i % 2)) for i in range(200)])
        left, right = rng.standard_normal((2, 200, 6))
        for i in range(200):
            _, above, paid = bound(W, left[i : i + 1], right[i : i + 1], loss[i : i + 1])
            assert above >= paid - 1e-12

    def test_the_slope_is_that_of_the_bound(self):
        rng = np.random.default_rng(2)
        W = rng.standard_normal((5, 8))
        left, right = rng.standard_normal((2, 30, 5))
        loss = np.tile(hinge(8, 0.25, similar=True), (30, 1))
        slope = bound(W, left, right, loss)[0]
        step = 1e-6 * rng.standard_normal(W.shape)
        change = bound(W + step, left, right, loss)[1] - bound(W - step, left, right, loss)[1]
        assert change / 2 == pytest.approx(float((slope * step).sum()), rel=1e-4)

    def test_hinges_are_those_of_the_paper_over_their_largest(self):
        np.testing.assert_allclose(hinge(10, 0.3, similar=True) * 8, np.arange(11).clip(2) - 2)
        np.testing.assert_allclose(hinge(10, 0.3, similar=False)[:5] * 4, [4, 3, 2, 1, 0])

    def test_bound_and_loss_fall(self, clusters):
        X, y = clusters
        hasher = hb.MLH(16, max_iter=500, random_state=0).fit(X, y)
        assert (hasher.bound_ >= hasher.loss_ - 1e-12).all()
        assert hasher.bound_[-50:].mean() < 0.5 * hasher.bound_[:5].mean()
        assert hasher.loss_[-50:].mean() < hasher.loss_[:20].mean()

    def test_rows_that_are_all_the_same_are_refused(self):
        with pytest.raises(hb.InputError, match="rows that differ"):
            hb.MLH(4).fit(np.ones((30, 3)), np.arange(30) % 2)


LEARNERS = ["bre", "mlh", "itq-cca", "ksh", "sdh", "splh", "fasthash", "structhash"]


@pytest.mark.parametrize("name", LEARNERS)
class TestTargets:
    @pytest.mark.parametrize(
        ("y", "why"),
        [
            (np.zeros(300, int), "one class"),
            (np.arange(300), "all distinct"),
            (None, "labels"),
            (hb.Pairs(np.array([0]), np.array([300]), np.array([True])), "rows 0 to 299"),
            (hb.Triplets(np.array([0]), np.array([1]), np.array([2])), "Triplets"),
        ],
        ids=["one class", "distinct", "none", "outside", "triplets"],
    )
    def test_what_cannot_be_learned_from_is_refused(self, name, y, why, clusters):
        with pytest.raises(hb.InputError, match=why):
            hb.make(name, 4, 0).fit(clusters[0], y)

    def test_more_bits_than_there_can_be_are_refused(self, name, clusters):
        with pytest.raises(hb.InputError, match="n_bits must be between 1 and 4096"):
            hb.make(name, 5000, 0).fit(*clusters)

    def test_label_sets_pairs_and_missing_labels(self, name, clusters):
        X, y = clusters
        rng = np.random.default_rng(0)
        left, right = rng.integers(0, 300, (2, 4000))
        pairs = hb.Pairs(left, right, y[left] == y[right])
        some = np.where(np.arange(300) % 3, y, -1)
        for given in (np.eye(7, dtype=int)[y], pairs, some):  # the seventh class is absent
            codes = small(name).fit(X, given).transform(X)
            apart = hb.hamming(codes, codes)
            same = y[:, None] == y[None]
            assert apart[same].mean() + 1 < apart[~same].mean()


def small(name):
    hasher = hb.make(name, 8, 0)
    few = {"n_trees": 5, "max_iter": 300, "n_queries": 100, "list_size": 10}
    return hasher.set_params(**{k: v for k, v in few.items() if k in hasher.get_params()})

"""ITQ-CCA, KSH, SDH, SPLH and USPLH: the facts of their objectives, against slow twins."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.sparse import csr_array

import hammingbird as hb
from hammingbird.classical.similarity import indicators, similarity
from hammingbird.classical.supervised.itqcca import canonical
from hammingbird.classical.supervised.ksh import bits_of_kernel, smoothed
from hammingbird.classical.supervised.sdh import (
    LeastSquares,
    class_loss,
    class_weights,
    move_bits,
)
from hammingbird.classical.supervised.splh import (
    deflate,
    leading_direction,
    mend,
    products_of_pairs,
    pseudo_pairs,
)

RNG = np.random.RandomState


def one_hot(y: np.ndarray) -> csr_array:
    return csr_array(np.eye(y.max() + 1)[y])


class TestIndicators:
    def test_labels_and_sets_are_ones_and_zeros_without_absent_classes(self):
        y = np.array([3, -1, 5, 3, 5])
        rows, columns = indicators(y, 5, 2000, 8, RNG(0), "it")
        np.testing.assert_array_equal(rows, [0, 2, 3, 4])
        np.testing.assert_array_equal(columns.toarray(), [[1, 0], [0, 1], [1, 0], [0, 1]])
        sets = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]])
        rows, columns = indicators(sets, 4, 2000, 8, RNG(0), "it")
        np.testing.assert_array_equal(rows, [0, 2, 3])
        np.testing.assert_array_equal(columns.toarray(), sets[[0, 2, 3]][:, [0, 2]])

    def test_pairs_of_classes_span_what_their_labels_span(self, clusters):
        _, y = clusters
        left, right = np.triu_indices(len(y), 1)
        pairs = hb.Pairs(left, right, y[left] == y[right])
        rows, columns = indicators(pairs, len(y), 2000, 32, RNG(0), "it")
        spanned = np.concatenate([np.ones((len(y), 1)), columns.toarray()], axis=1)
        assert columns.shape[1] == 5  # of six classes, without the constant
        basis = np.linalg.qr(spanned)[0]
        wanted = one_hot(y).toarray()[rows]
        np.testing.assert_allclose(basis @ (basis.T @ wanted), wanted, atol=1e-8)


class TestITQCCA:
    def test_directions_have_the_correlations_that_scikit_learn_finds(self, clusters):
        from sklearn.cross_decomposition import CCA

        X, y = clusters
        Y = one_hot(y)
        directions, correlations = canonical(X, X.mean(axis=0), Y, 1e-12)
        theirs = CCA(5, max_iter=2000).fit_transform(X, Y.toarray()[:, :-1])
        found = [np.corrcoef(a, b)[0, 1] for a, b in zip(*(t.T for t in theirs), strict=True)]
        np.testing.assert_allclose(correlations, found, atol=1e-3)
        scores = (X - X.mean(axis=0)) @ directions
        np.testing.assert_allclose(scores.T @ scores / len(X), np.eye(5), atol=1e-8)

    def test_directions_count_by_their_correlation(self, clusters):
        hasher = hb.ITQCCA(5, ridge=1e-12, random_state=0).fit(*clusters)
        scores = hasher.project(clusters[0])
        spread = np.linalg.eigvalsh(scores.T @ scores / len(scores))
        np.testing.assert_allclose(np.sqrt(spread[::-1]), hasher.correlations_, rtol=1e-6)

    def test_bits_beyond_the_classes_are_told_and_span_no_more(self, clusters, caplog):
        with caplog.at_level(logging.WARNING):
            few = hb.ITQCCA(5, random_state=0).fit(*clusters)
            assert not caplog.records
            many = hb.ITQCCA(16, random_state=0).fit(*clusters)
        assert "5 directions only, which 16 bits share" in caplog.text
        assert few.rank_ == many.rank_ == 5
        assert np.linalg.matrix_rank(many.weights_, tol=1e-8) == 5
        np.testing.assert_allclose(many.correlations_, few.correlations_)

    def test_the_objective_falls_and_is_that_of_the_codes(self, clusters):
        hasher = hb.ITQCCA(16, random_state=0).fit(*clusters)
        assert (np.diff(hasher.objective_) <= 1e-9).all()
        scores = hasher.project(clusters[0])
        error = np.square(np.where(scores >= 0, 1.0, -1.0) - scores).mean()
        assert error <= hasher.objective_[-1] + 1e-6

    def test_an_absent_class_and_a_class_of_all_rows_change_nothing(self, clusters):
        X, y = clusters
        sets = one_hot(y).toarray()
        more = np.concatenate([sets, np.zeros((300, 1)), np.ones((300, 1))], axis=1)
        directions = hb.ITQCCA(5, random_state=0).fit(X, sets)
        found = hb.ITQCCA(5, random_state=0).fit(X, more)
        assert found.rank_ == directions.rank_ == 5
        np.testing.assert_allclose(found.correlations_, directions.correlations_)

    def test_fewer_rows_than_columns_leave_the_ridge(self):
        rng = np.random.default_rng(0)
        X, y = rng.standard_normal((30, 100)), np.arange(30) % 3
        hasher = hb.ITQCCA(2, random_state=0).fit(X, y)
        assert (hasher.correlations_ < 1).all()
        assert np.isfinite(hasher.project(X)).all()


def slow_gain(K: np.ndarray, w: np.ndarray, residual: np.ndarray) -> float:
    bits = [1.0 if score >= 0 else -1.0 for score in K @ w]
    pairs = np.ndindex(len(bits), len(bits))
    return sum(bits[i] * bits[j] * residual[i, j] for i, j in pairs) / len(bits) ** 2


class TestKSH:
    def data(self, m: int = 40, q: int = 6) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        K, y = rng.standard_normal((m, q)), rng.integers(0, 3, m)
        return K - K.mean(axis=0), np.where(y[:, None] == y, 1, -1).astype(np.int8)

    def test_the_gradient_equals_finite_differences(self):
        K, signs = self.data()
        residual = 8.0 * signs
        for seed in range(5):
            w = 2 * np.random.default_rng(seed).standard_normal(6)
            error = check_grad(
                lambda w: smoothed(w, K, residual)[0], lambda w: smoothed(w, K, residual)[1], w
            )
            assert error < 1e-6 * max(1, np.linalg.norm(smoothed(w, K, residual)[1]))

    def test_each_bit_is_the_better_of_the_two_on_what_earlier_bits_leave(self):
        K, signs = self.data()
        signs[3, 7] = signs[7, 3] = 0  # unknown: no bit counts there
        weights, gains, steps = bits_of_kernel(K, signs, 8, 50)
        residual = 8.0 * signs
        for bit, w in enumerate(weights.T):
            assert slow_gain(K, w, residual) == pytest.approx(gains[bit].max(), abs=1e-9)
            bits = np.where(K @ w >= 0, 1.0, -1.0)
            residual = residual - np.outer(bits, bits) * (signs != 0)
        assert (gains[:, 0] < gains[:, 1]).any()
        assert (gains[:, 0] > gains[:, 1]).any() or steps > 1

    def test_the_first_direction_is_the_best_without_the_sign(self):
        K, signs = self.data()
        weights, _, _ = bits_of_kernel(K, signs, 1, 1)

        def ratio(w: np.ndarray) -> float:
            return (K @ w) @ signs @ (K @ w) / ((K @ w) @ (K @ w))

        spectral = np.linalg.eigh(
            np.linalg.solve(np.linalg.cholesky(K.T @ K), K.T) @ signs @ K
            @ np.linalg.inv(np.linalg.cholesky(K.T @ K)).T
        )[0][-1]  # fmt: skip
        rng = np.random.default_rng(1)
        assert all(ratio(w) <= spectral + 1e-9 for w in rng.standard_normal((500, 6)))
        assert ratio(weights[:, 0]) <= spectral + 1e-9

    def test_anchors_that_repeat_leave_a_kernel_without_full_rank(self, clusters):
        X, y = np.repeat(clusters[0][:40], 3, axis=0), np.repeat(clusters[1][:40], 3)
        hasher = hb.KSH(12, n_anchors=100, random_state=0).fit(X, y)
        assert np.isfinite(hasher.project(X)).all()
        codes = hasher.transform(X)
        apart = hb.hamming(codes, codes)
        assert apart[y[:, None] == y].mean() + 3 < apart[y[:, None] != y].mean()

    def test_a_constant_kernel_is_refused(self):
        with pytest.raises(hb.InputError, match="kernel is constant"):
            bits_of_kernel(np.zeros((10, 3)), np.ones((10, 10), np.int8), 2, 5)


class TestSDH:
    def problem(self, seed: int = 0, n: int = 60, k: int = 6) -> tuple[np.ndarray, csr_array]:
        rng = np.random.default_rng(seed)
        return np.where(rng.random((n, k)) < 0.5, -1.0, 1.0), one_hot(np.arange(n) % 4)

    @pytest.mark.parametrize("seed", range(5))
    def test_no_move_of_a_bit_raises_the_loss(self, seed):
        B, Y = self.problem(seed)
        rng = np.random.default_rng(seed)
        W, F, nu = rng.standard_normal((6, 4)), rng.standard_normal((60, 6)), 0.3

        def loss() -> float:
            return float(np.square(Y.toarray() - B @ W).sum() + nu * np.square(B - F).sum())

        before, moved = loss(), True
        turns = 0
        while moved:
            moved = move_bits(B, nu * F + Y @ W.T, W @ W.T, 1)
            assert loss() <= before + 1e-9
            before, turns = loss(), turns + 1
        assert turns > 1
        for i, k in np.ndindex(B.shape):  # where it ends, no single bit is better turned
            B[i, k] *= -1
            assert loss() >= before - 1e-9
            B[i, k] *= -1

    def test_a_bit_without_pull_stays(self):
        B, _ = self.problem()
        before = B.copy()
        assert not move_bits(B, np.zeros_like(B), np.zeros((6, 6)), 3)
        np.testing.assert_array_equal(B, before)

    def test_the_loss_is_that_of_the_formula_and_least_squares_are_least(self):
        B, Y = self.problem()
        rng = np.random.default_rng(0)
        W = class_weights(B, Y, 1.0)
        slow = np.square(Y.toarray() - B @ W).sum() + np.square(W).sum()
        assert class_loss(B, Y, W, 1.0) == pytest.approx(slow)
        phi = rng.random((60, 9)).astype(np.float32)
        kernel = LeastSquares(phi, 0.1)
        P = kernel.weights(B)
        ones = np.concatenate([phi, np.ones((60, 1))], axis=1)
        np.testing.assert_allclose(kernel.fitted(P), ones @ P, atol=1e-6)
        for _ in range(20):
            step = 1e-2 * rng.standard_normal(W.shape)
            assert class_loss(B, Y, W + step, 1.0) > class_loss(B, Y, W, 1.0)
            step = 1e-2 * rng.standard_normal(P.shape)
            assert kernel.misfit(B, P + step) > kernel.misfit(B, P)

    @pytest.mark.parametrize("nu", [1e-5, 1.0])
    def test_the_objective_never_rises(self, nu, clusters):
        hasher = hb.SDH(16, nu=nu, max_iter=20, random_state=0).fit(*clusters)
        assert len(hasher.objective_) > 1
        assert (np.diff(hasher.objective_) <= 1e-9).all()

    def test_a_class_gets_one_code(self, clusters):
        X, y = clusters
        codes = hb.SDH(16, random_state=0).fit(X, y).transform(X)
        apart = hb.hamming(codes, codes)
        assert apart[y[:, None] == y].mean() < 0.5
        assert apart[y[:, None] != y].mean() > 4


class TestSPLH:
    def test_only_wrong_pairs_gain_weight_and_none_changes_its_sign(self):
        rng = np.random.default_rng(0)
        u = rng.standard_normal(8)
        S = rng.integers(-1, 2, (8, 8)).astype(float)
        S = np.triu(S) + np.triu(S, 1).T
        before, largest = S.copy(), max(abs(a * b) for a in u for b in u)
        count = mend(S, u, 0.5)
        wrong = 0
        for i, j in np.ndindex(8, 8):
            if u[i] * u[j] * before[i, j] < 0:
                wrong += 1
                gained = 0.5 * abs(u[i] * u[j]) / largest
                assert S[i, j] == pytest.approx(before[i, j] + np.sign(before[i, j]) * gained)
            else:
                assert S[i, j] == before[i, j]
        assert count == wrong > 0
        np.testing.assert_array_equal(np.sign(S), np.sign(before))

    def test_scores_of_zero_change_nothing(self):
        S = np.ones((4, 4))
        assert mend(S, np.zeros(4), 1.0) == 0
        np.testing.assert_array_equal(S, 1)

    def test_the_residual_is_the_covariance_without_the_direction(self):
        rng = np.random.default_rng(0)
        X, w = rng.standard_normal((30, 6)), rng.standard_normal(6)
        w /= np.linalg.norm(w)
        C = X.T @ X
        deflate(C, w)
        rest = X - np.outer(X @ w, w)
        np.testing.assert_allclose(C, rest.T @ rest, atol=1e-10)

    @pytest.mark.parametrize("d", [5, 100])
    def test_the_leading_direction_is_the_eigenvector(self, d):
        A = np.random.default_rng(d).standard_normal((d, d))
        A += A.T
        w = leading_direction(lambda v: A @ v, d)
        values, vectors = np.linalg.eigh(A)
        assert w @ A @ w == pytest.approx(values[-1])
        assert abs(w @ vectors[:, -1]) == pytest.approx(1)
        assert w[np.abs(w).argmax()] > 0

    def test_the_first_direction_is_that_of_the_formula(self, clusters):
        X, y = clusters
        hasher = hb.SPLH(3, eta=0.5, max_rows=100, random_state=0).fit(X, y)
        rows, signs = similarity(y, len(X), 100, RNG(0), "SPLH")
        L, V = X[rows] - X.mean(axis=0), X - X.mean(axis=0)
        pairs, variance = L.T @ signs @ L, V.T @ V
        M = pairs / np.linalg.norm(pairs) + 0.5 * variance / np.linalg.norm(variance)
        assert abs(np.linalg.eigh(M)[1][:, -1] @ hasher.weights_[:, 0]) == pytest.approx(1)
        u = L @ hasher.weights_[:, 0]
        assert hasher.violated_[0] == pytest.approx(np.mean(np.outer(u, u) * signs < 0))

    @pytest.mark.parametrize("name", ["splh", "usplh"])
    def test_where_the_variance_is_all_that_counts_directions_are_principal(self, name, clusters):
        X, y = clusters
        hasher = hb.make(name, 4, 0).set_params(eta=1e9).fit(X, y)
        principal = hb.PCAHash(4).fit(X)
        np.testing.assert_allclose(hasher.weights_, principal.weights_, atol=1e-5)

    def test_more_bits_than_columns_live_on_the_pairs(self, clusters):
        X, y = clusters
        codes = hb.SPLH(24, random_state=0).fit(X[:, :4], y).transform(X[:, :4])
        assert len(np.unique(codes, axis=0)) > 6


class TestUSPLH:
    def test_pairs_are_rows_next_to_the_cut_and_far_from_it(self):
        u = np.array([5.0, -1.0, 0.0, -7.0, 2.0, -3.0, 9.0, -2.0])
        far_left, left, right, far_right = pseudo_pairs(u, 2)
        np.testing.assert_array_equal(sorted(u[far_left]), [-7, -3])
        np.testing.assert_array_equal(sorted(u[left]), [-2, -1])
        np.testing.assert_array_equal(sorted(u[right]), [0, 2])
        np.testing.assert_array_equal(sorted(u[far_right]), [5, 9])
        assert all(len(rows) == 1 for rows in pseudo_pairs(u, 1))

    def test_scores_that_are_all_equal_still_give_pairs(self):
        assert all(len(rows) == 2 for rows in pseudo_pairs(np.zeros(9), 100))
        assert all(len(rows) == 1 for rows in pseudo_pairs(np.zeros(2), 100))

    def test_products_are_those_of_all_pairs(self):
        rng = np.random.default_rng(0)
        sets = rng.standard_normal((4, 3, 5))
        similar = [np.outer(x, y) + np.outer(y, x) for x in sets[1] for y in sets[2]]
        dissimilar = [
            np.outer(x, y) + np.outer(y, x)
            for a, b in ((0, 1), (2, 3)) for x in sets[a] for y in sets[b]
        ]  # fmt: skip
        found = products_of_pairs(*sets.mean(axis=1))
        np.testing.assert_allclose(found, np.mean(similar, 0) - np.mean(dissimilar, 0))

    def test_a_later_direction_is_that_of_the_formula_and_bits_are_balanced(self, clusters):
        X, _ = clusters
        hasher = hb.USPLH(3, eta=0.2, decay=0.3, n_points=20).fit(X)
        V = X - X.mean(axis=0)
        C = V.T @ V / len(V)
        w, second, third = hasher.weights_.T
        pairs = np.zeros_like(C)
        for before, after in ((w, second), (second, third)):
            u = V @ before
            sides = pseudo_pairs(u - np.median(u), 20)
            pairs = 0.3 * (pairs + products_of_pairs(*(V[rows].mean(axis=0) for rows in sides)))
            deflate(C, before)
            best = np.linalg.eigh(0.2 * C + pairs)[1][:, -1]
            assert abs(best @ after) == pytest.approx(1)
        np.testing.assert_array_equal((hasher.project(X) >= 0).sum(axis=0), 150)


KERNELS = ["ksh", "sdh"]


@pytest.mark.parametrize("name", KERNELS)
class TestKernels:
    def test_scores_are_those_of_the_formula(self, name, clusters):
        X, y = clusters
        hasher = hb.make(name, 6, 0).set_params(n_anchors=30).fit(X, y)
        anchors = hasher.anchors_ + hasher.mean_
        apart = np.array([[np.square(x - a).sum() for a in anchors] for x in X])
        assert hasher.bandwidth_ == pytest.approx(apart.mean())
        assert {tuple(a) for a in np.round(anchors, 9)} <= {tuple(x) for x in np.round(X, 9)}
        kernel = np.exp(-apart / (2 * apart.mean()))
        scores = hasher.project(X)
        np.testing.assert_allclose(kernel @ hasher.weights_ + hasher.bias_, scores, atol=1e-6)
        if name == "ksh":  # whose kernel counts from its mean over the training rows
            np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-6)

    def test_more_anchors_than_rows_are_refused(self, name, clusters):
        with pytest.raises(hb.InputError, match="n_anchors=20, but 10 rows"):
            hb.make(name, 4).set_params(n_anchors=20).fit(clusters[0][:10], np.arange(10) % 2)

    def test_rows_far_from_the_origin_keep_their_kernel(self, name, clusters):
        X, y = clusters
        near = hb.make(name, 8, 0).fit(X, y).transform(X)
        far = hb.make(name, 8, 0).fit(X + 1e6, y).transform(X + 1e6)
        assert (np.unpackbits(near) == np.unpackbits(far)).mean() > 0.97


@pytest.mark.parametrize("name", ["itq-cca", "ksh", "sdh", "splh", "usplh"])
def test_rows_that_are_all_the_same_are_refused(name):
    with pytest.raises(hb.InputError, match="rows that differ"):
        hb.make(name, 4, 0).fit(np.ones((30, 6)), np.arange(30) % 2)

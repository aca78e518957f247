"""SGH: the model against enumeration, the derivatives, training, streams, decoding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import expit

import hammingbird as hb
from hammingbird.classical.adam import Adam
from hammingbird.classical.gaussian import GaussianModel, logit_gradient, negative_entropy
from hammingbird.classical.sgh import SGH
from hammingbird.decoder import least_squares_decoder, reconstruction_error


def made_model(n_bits, d=5, seed=0):
    rng = np.random.default_rng(seed)
    model = GaussianModel(
        rng.standard_normal((n_bits, d)), rng.standard_normal(d), rng.standard_normal(n_bits), 0.7
    )
    return model, rng.standard_normal((3, d)), rng.standard_normal((3, n_bits))


def every_code(n_bits, values=(-1.0, 1.0)):
    return np.array(list(itertools.product(values, repeat=n_bits)))


def probability(h, q):
    """q(h) of one code in {-1, +1}."""
    return np.prod(np.where(h > 0, q, 1 - q))


def energy_of_bits(h, x, U, a, beta, variance):
    """``-log p(x, h)`` of one code in {0, 1}, from the supplement's (2), normalised."""
    rest = x - a - h @ U
    partition = sum(np.log(1 + np.exp(b)) for b in beta)
    width = len(x) / 2 * np.log(2 * np.pi * variance)
    return rest @ rest / (2 * variance) + width - beta @ h + partition


def free_energy(model, x, logits):
    """``E_q[log q - log p]`` of one vector, over all codes."""
    q, total = expit(logits), 0.0
    for h in every_code(len(logits)):
        p = probability(h, q)
        energy = model.energy(h[None], model.rest(x[None], h[None]))[0]
        total += p * (np.log(p) + energy)
    return total


def slope(function, at, eps=1e-5):
    found = np.zeros_like(at)
    for k in range(len(at)):
        step = np.zeros_like(at)
        step[k] = eps
        found[k] = (function(at + step) - function(at - step)) / (2 * eps)
    return found


class TestModel:
    def test_the_joint_is_normalised(self):
        model, _, _ = made_model(3, d=1)
        grid = np.linspace(-30, 30, 60_001)[:, None]
        total = 0.0
        for h in every_code(3):
            H = np.repeat(h[None], len(grid), axis=0)
            total += np.exp(-model.energy(H, model.rest(grid, H))).sum() * (grid[1, 0] - grid[0, 0])
        assert total == pytest.approx(1)

    @pytest.mark.parametrize("n_bits", [1, 2, 4, 6])
    def test_exact_differences_are_those_of_flipping_each_bit(self, n_bits):
        model, X, _ = made_model(n_bits)
        for h in every_code(n_bits):
            H = np.repeat(h[None], len(X), axis=0)
            found = model.differences(H, model.rest(X, H), "exact")
            for k in range(n_bits):
                up, down = H.copy(), H.copy()
                up[:, k], down[:, k] = 1, -1
                expected = model.energy(up, model.rest(X, up)) - model.energy(
                    down, model.rest(X, down)
                )
                np.testing.assert_allclose(found[:, k], expected)

    @pytest.mark.parametrize("n_bits", [1, 3, 6])
    def test_the_expected_gradient_is_that_of_the_enumerated_free_energy(self, n_bits):
        """E over drawn codes of the doubly stochastic gradient, bit by bit, is exact."""
        model, X, logits = made_model(n_bits)
        for x, z in zip(X, logits, strict=True):
            q = expit(z)
            expected = np.zeros(n_bits)
            for h in every_code(n_bits):
                differences = model.differences(h[None], model.rest(x[None], h[None]), "exact")
                expected += probability(h, q) * logit_gradient(q[None], z[None], differences)[0]
            truth = slope(lambda at, x=x: free_energy(model, x, at), z)
            np.testing.assert_allclose(expected, truth, rtol=1e-5, atol=1e-7)

    def test_the_mean_of_drawn_gradients_is_the_enumerated_one(self):
        model, X, logits = made_model(4)
        x, z = X[0], logits[0]
        q, rng = expit(z), np.random.default_rng(1)
        H = np.where(q > rng.random((40_000, 4)), 1.0, -1.0)
        many = np.repeat(x[None], len(H), axis=0)
        drawn = logit_gradient(q, z, model.differences(H, model.rest(many, H), "exact"))
        truth = slope(lambda at: free_energy(model, x, at), z)
        error = drawn.std(axis=0) / np.sqrt(len(H))
        assert (np.abs(drawn.mean(axis=0) - truth) < 4 * error).all()

    @pytest.mark.parametrize("n_bits", [1, 5])
    def test_the_approximate_derivative_is_lemma_3(self, n_bits):
        """Twice the gradient in h (D.3, Eq. 14); exact less it is ``-2 h_k |u_k|^2 / rho^2``."""
        model, X, _ = made_model(n_bits)
        for h in every_code(n_bits):
            H = np.repeat(h[None], len(X), axis=0)
            found = model.differences(H, model.rest(X, H), "approximate")
            for row, x in enumerate(X):
                gradient = slope(
                    lambda at, x=x: model.energy(at[None], model.rest(x[None], at[None]))[0], h
                )
                np.testing.assert_allclose(found[row], 2 * gradient, rtol=1e-6, atol=1e-6)
            exact = model.differences(H, model.rest(X, H), "exact")
            lengths = (model.decoder**2).sum(axis=1)
            np.testing.assert_allclose(exact - found, -2 * H * lengths / model.variance)

    def test_gradients_of_the_decoder_offset_and_prior(self):
        model, X, _ = made_model(3)
        H = np.where(np.random.default_rng(2).random((3, 3)) > 0.5, 1.0, -1.0)

        def mean_energy(flat):
            U, a, beta = np.split(flat, [15, 20])
            other = GaussianModel(U.reshape(3, 5), a, beta, 0.7)
            return other.energy(H, other.rest(X, H)).mean()

        at = np.concatenate([model.decoder.ravel(), model.offset, model.beta])
        found = np.concatenate([g.ravel() for g in model.gradients(H, model.rest(X, H))])
        np.testing.assert_allclose(found, slope(mean_energy, at), rtol=1e-5, atol=1e-8)

    def test_entropy_equals_enumeration(self):
        q = np.array([[0.2, 0.9, 0.5], [0.0, 1.0, 0.3]])
        for row, found in zip(q, negative_entropy(q), strict=True):
            chances = [probability(h, row) for h in every_code(3)]
            assert found == pytest.approx(sum(p * np.log(p) for p in chances if p > 0))


class TestBitsAndSigns:
    """D.3: codes in {0, 1} and in {-1, +1} are one model under a change of variables."""

    def test_energies_are_equal(self):
        model, X, _ = made_model(4)
        U, a, beta = bits_of(model)
        for h in every_code(4):
            for x in X:
                expected = model.energy(h[None], model.rest(x[None], h[None]))[0]
                found = energy_of_bits((h + 1) / 2, x, U, a, beta, model.variance)
                assert found == pytest.approx(expected)

    def test_training_from_matched_starts_gives_the_same_codes(self, clusters):
        """The {0, 1} model, with its own formulas, trained beside the {-1, +1} one."""
        X = (clusters[0] - clusters[0].mean(axis=0)) / 4
        rng = np.random.default_rng(0)
        W = rng.standard_normal((20, 6))
        U, a, beta = 0.3 * rng.standard_normal((6, 20)), np.zeros(20), np.zeros(6)
        variance = 0.5
        signs = [W.copy(), U.copy(), a.copy(), beta.copy()]
        bits = [W.copy(), 2 * U, a - U.sum(axis=0), 2 * beta]
        rate = 0.02
        for _ in range(60):
            model = GaussianModel(signs[1], signs[2], signs[3], variance)
            z = X @ signs[0]
            H = np.where(z >= 0, 1.0, -1.0)
            rest = model.rest(X, H)
            in_logits = logit_gradient(expit(z), z, model.differences(H, rest, "exact"))
            steps = [X.T @ in_logits / len(X), *model.gradients(H, rest)]
            for part, step in zip(signs, steps, strict=True):
                part -= rate * step

            z = X @ bits[0]
            h = (z >= 0).astype(float)
            rest = X - bits[2] - h @ bits[1]
            lengths = (bits[1] ** 2).sum(axis=1)
            differences = (-rest @ bits[1].T + (0.5 - h) * lengths) / variance - bits[3]
            q = expit(z)
            steps = [
                X.T @ (q * (1 - q) * (differences + z)) / len(X),
                -h.T @ rest / len(X) / variance,
                -rest.mean(axis=0) / variance,
                expit(bits[3]) - h.mean(axis=0),
            ]
            # The same step in the other variables: U = U'/2, a = a' + sum U'/2, beta = beta'/2.
            bits[0] -= rate * steps[0]
            in_U = 2 * steps[1] - steps[2]
            bits[1] -= rate * 2 * in_U
            bits[2] -= rate * (steps[2] - in_U.sum(axis=0))
            bits[3] -= rate * 4 * steps[3]
        np.testing.assert_allclose(bits[0], signs[0], rtol=1e-8, atol=1e-10)
        np.testing.assert_array_equal(X @ bits[0] >= 0, X @ signs[0] >= 0)
        assert not np.array_equal(X @ W >= 0, X @ signs[0] >= 0)


def bits_of(model):
    return 2 * model.decoder, model.offset - model.decoder.sum(axis=0), 2 * model.beta


class TestTraining:
    def test_the_free_energy_falls_and_stays_bounded(self, clusters):
        """Of drawn bits: what the gradients of the exact derivative are of."""
        X, _ = clusters
        for rho, prior in ((2.0, False), (2.0, True), (None, True)):
            hasher = SGH(
                8, rho=rho, annealed=False, learned_prior=prior, stochastic=True,
                max_iter=400, random_state=0,
            ).fit(X)  # fmt: skip
            energy = hasher.free_energy_
            assert np.isfinite(energy).all()
            assert energy[-50:].mean() < energy[:50].mean()
            # A density is at most (2 pi rho^2)^(-d/2), so the energy is at least its logarithm.
            least = X.shape[1] / 2 * np.log(2 * np.pi * (hasher.rho_ / hasher.scale_) ** 2)
            assert energy[-1] > least

    def test_data_that_codes_hold_fully_keep_a_finite_energy(self):
        X = np.repeat([[0.0, 1.0, 2.0], [3.0, -1.0, 0.0]], 20, axis=0)
        hasher = SGH(4, max_iter=300, learned_prior=True, random_state=0).fit(X)
        assert np.isfinite(hasher.free_energy_).all()
        assert np.isfinite(hasher.beta_).all()
        np.testing.assert_allclose(hasher.decode(hasher.transform(X)), X, atol=1e-3)

    def test_it_reconstructs_better_than_itq(self, clusters):
        X, _ = clusters
        errors = {}
        for hasher in (SGH(8, random_state=0), hb.ITQ(8, random_state=0)):
            codes = hasher.fit(X).transform(X)
            decoder = least_squares_decoder(codes, 8, X, hasher.mean_)
            errors[type(hasher).__name__] = reconstruction_error(codes, 8, X, *decoder)
        assert errors["SGH"] < errors["ITQ"]

    @pytest.mark.parametrize("derivative", ["exact", "approximate"])
    @pytest.mark.parametrize("stochastic", [True, False])
    def test_every_mode_lowers_the_error_of_its_start(self, clusters, derivative, stochastic):
        X, _ = clusters
        short, full = (
            SGH(
                8, derivative=derivative, stochastic=stochastic, max_iter=steps, random_state=0
            ).fit(X)
            for steps in (1, 600)
        )
        before, after = (
            reconstruction_error(h.transform(X), 8, X, h.decoder_, h.offset_) for h in (short, full)
        )
        assert after < before

    def test_units_and_origin_do_not_matter(self, clusters):
        X, _ = clusters
        here, there, moved = (
            SGH(8, max_iter=50, random_state=0).fit(data) for data in (X, 4 * X, X + 8)
        )
        np.testing.assert_array_equal(here.transform(X), there.transform(4 * X))
        assert there.rho_ == pytest.approx(4 * here.rho_)
        # Rounding moves a few bits early on, and training carries them apart.
        same = hb.unpack(here.transform(X), 8) == hb.unpack(moved.transform(X + 8), 8)
        assert same.mean() > 0.9

    @pytest.mark.parametrize(
        "parameters",
        [
            {"derivative": "none"},
            {"max_iter": 0},
            {"batch_size": 2.5},
            {"learning_rate": 0},
            {"rho": -1.0},
        ],
    )
    def test_impossible_parameters(self, clusters, parameters):
        with pytest.raises(hb.InputError):
            SGH(8, **parameters).fit(clusters[0])


class TestStreams:
    def test_blocks_of_a_stream_are_learned(self, clusters):
        X, _ = clusters
        stream = SGH(8, max_iter=300, batch_size=50, random_state=0)
        for _ in range(50):
            for start in range(0, 300, 100):
                stream.partial_fit(X[start : start + 100])
        assert stream.steps_ == 300
        whole = SGH(8, max_iter=300, batch_size=50, random_state=0).fit(X)
        errors = [
            reconstruction_error(h.transform(X), 8, X, h.decoder_, h.offset_)
            for h in (stream, whole, SGH(8, max_iter=1, random_state=0).fit(X))
        ]
        assert errors[0] < errors[2]
        assert errors[0] < 1.1 * errors[1]

    def test_a_saved_hasher_goes_on_where_it_was(self, clusters, tmp_path):
        X, _ = clusters
        one = SGH(8, max_iter=100, batch_size=50, random_state=0).partial_fit(X[:150])
        one.save(tmp_path / "half")
        other = hb.load(tmp_path / "half")
        one.partial_fit(X[150:])
        other.partial_fit(X[150:])
        np.testing.assert_array_equal(one.transform(X), other.transform(X))
        np.testing.assert_array_equal(one.decoder_, other.decoder_)

    def test_blocks_of_another_width_are_refused(self, clusters):
        X, _ = clusters
        hasher = SGH(8, max_iter=10).partial_fit(X)
        with pytest.raises(hb.InputError, match="features"):
            hasher.partial_fit(X[:, :5])
        with pytest.raises(hb.InputError, match="NaN"):
            hasher.partial_fit(np.full((2, 20), np.nan))


class TestDecoder:
    @pytest.fixture
    def hasher(self, clusters):
        return SGH(12, max_iter=200, random_state=0).fit(clusters[0])

    def test_decode_is_offset_plus_signs_times_decoder(self, hasher, clusters):
        codes = hasher.transform(clusters[0][:9])
        for row, signs in zip(hasher.decode(codes), hb.unpack(codes, 12), strict=True):
            expected = hasher.offset_ + sum(
                s * u for s, u in zip(signs, hasher.decoder_, strict=True)
            )
            np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-4)

    def test_scores_are_those_of_decoded_codes(self, hasher, clusters):
        X, _ = clusters
        queries, codes = X[:7], hasher.transform(X)
        decoded = hasher.decode(codes)
        inner = hasher.scores(queries, codes)
        np.testing.assert_allclose(inner, queries @ decoded.T, rtol=1e-3, atol=1e-2)
        squares = ((queries[:, None] - decoded[None]) ** 2).sum(axis=2)
        np.testing.assert_allclose(
            hasher.scores(queries, codes, "l2"), -squares, rtol=1e-3, atol=1e-2
        )
        with pytest.raises(hb.InputError, match="measure"):
            hasher.scores(queries, codes, "cosine")
        with pytest.raises(hb.InputError, match="features"):
            hasher.scores(queries[:, :3], codes)

    def test_the_decoder_is_least_squares(self, hasher, clusters):
        X, _ = clusters
        codes = hasher.transform(X)
        signs = np.c_[hb.unpack(codes, 12), np.ones(len(X))]
        expected = np.linalg.lstsq(signs, X, rcond=None)[0]
        decoder, offset = least_squares_decoder(codes, 12, X, hasher.mean_)
        # Bits may depend on each other: then the fit is unique, its coefficients are not.
        np.testing.assert_allclose(signs[:, :-1] @ decoder + offset, signs @ expected, atol=1e-3)


def test_adam_is_its_paper():
    rng = np.random.default_rng(0)
    at = rng.standard_normal((2, 3)).astype(np.float32)
    expected, m, v = at.astype(float).copy(), np.zeros((2, 3)), np.zeros((2, 3))
    adam = Adam(np.zeros((2, 6), np.float32), 0)
    for t in range(1, 20):
        gradient = rng.standard_normal((2, 3)).astype(np.float32)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        expected -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        adam.step([at], [gradient], 0.01)
    np.testing.assert_allclose(at, expected, rtol=1e-4, atol=1e-5)

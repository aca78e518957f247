"""What the binary autoencoder, k-means hashing and semantic hashing must do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import expit

import hammingbird as hb
from hammingbird.classical.autoencoder import BinaryAutoencoder, enumerate_codes, flip_bits
from hammingbird.classical.kmeans import (
    KMeansHashing,
    corners,
    deal,
    fit_centers,
    move_centers,
    squared_distances,
)
from hammingbird.classical.semantic import SemanticHashing, train_machine


class TestBinaryAutoencoder:
    def problem(self, n_bits, n=40, seed=0):
        rng = np.random.default_rng(seed)
        decoder = rng.standard_normal((n_bits, n_bits + 2))
        X = rng.standard_normal((n, n_bits + 2)) * 2
        predicted = np.where(rng.random((n, n_bits)) > 0.5, 1, -1).astype(np.int8)
        return decoder, X, predicted

    def cost(self, x, z, h, decoder, mu):
        return ((x - z @ decoder) ** 2).sum() + mu * (z != h).sum()

    @pytest.mark.parametrize("n_bits", [1, 2, 4, 8])
    @pytest.mark.parametrize("mu", [0.0, 0.7, 50.0])
    def test_enumeration_finds_the_least_penalised_error(self, n_bits, mu):
        decoder, X, predicted = self.problem(n_bits, n=12)
        pull = X @ decoder.T + mu / 4 * predicted
        found = enumerate_codes(decoder @ decoder.T, pull)
        every = np.array(list(itertools.product((-1, 1), repeat=n_bits)))
        for x, z, h in zip(X, found, predicted, strict=True):
            best = min(self.cost(x, code, h, decoder, mu) for code in every)
            assert self.cost(x, z, h, decoder, mu) == pytest.approx(best)

    @pytest.mark.parametrize("n_bits", [2, 5, 8])
    def test_enumeration_equals_the_best_of_flips_from_every_start(self, n_bits):
        decoder, X, predicted = self.problem(n_bits, n=6)
        mu, gram = 0.5, decoder @ decoder.T
        pull = X @ decoder.T + mu / 4 * predicted
        found = enumerate_codes(gram, pull)
        every = np.array(list(itertools.product((-1, 1), repeat=n_bits)), np.int8)
        for row, (x, h) in enumerate(zip(X, predicted, strict=True)):
            ends = flip_bits(gram, np.repeat(pull[row : row + 1], len(every), axis=0), every)
            costs = [self.cost(x, z, h, decoder, mu) for z in ends]
            np.testing.assert_array_equal(ends[int(np.argmin(costs))], found[row])

    def test_flips_only_improve_and_end_where_none_does(self):
        decoder, X, predicted = self.problem(14)
        mu, gram = 1.0, decoder @ decoder.T
        found = flip_bits(gram, X @ decoder.T + mu / 4 * predicted, predicted)
        for x, z, h in zip(X, found, predicted, strict=True):
            here = self.cost(x, z, h, decoder, mu)
            assert here <= self.cost(x, h, h, decoder, mu)
            for bit in range(14):
                other = z.copy()
                other[bit] *= -1
                assert self.cost(x, other, h, decoder, mu) >= here - 1e-8

    def test_ties_do_not_flip_for_ever(self):
        start = np.ones((3, 2), np.int8)
        np.testing.assert_array_equal(flip_bits(np.zeros((2, 2)), np.zeros((3, 2)), start), start)

    @pytest.mark.parametrize("n_bits", [8, 12])
    def test_training_lowers_the_error(self, clusters, n_bits):
        X, _ = clusters
        hasher = BinaryAutoencoder(n_bits, passes=5, random_state=0).fit(X)
        assert hasher.error_.min() < hasher.error_[0] or hasher.n_iter_ == 1
        decoded = hasher.decode(hasher.transform(X))
        assert ((X - decoded) ** 2).sum() < ((X - X.mean(axis=0)) ** 2).sum()

    def test_impossible_parameters(self, clusters):
        for parameters in ({"mu": 0}, {"growth": 1.0}, {"max_iter": 0}, {"passes": 0}):
            with pytest.raises(hb.InputError):
                BinaryAutoencoder(4, **parameters).fit(clusters[0])


class TestKMeansHashing:
    def test_dimensions_are_dealt_out_evenly(self):
        variances = np.geomspace(100, 0.1, 12)
        order = deal(variances, [4, 4, 4])
        assert sorted(order) == list(range(12))
        volumes = np.log(variances[order]).reshape(3, 4).sum(axis=1)
        plain = np.log(variances).reshape(3, 4).sum(axis=1)
        assert np.ptp(volumes) < np.ptp(plain) / 3

    def test_the_cost_of_centres_is_the_papers(self):
        rng = np.random.default_rng(0)
        centers, means = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
        shares, affinity = np.array([0.5, 0.3, 0.2, 0.0]), 10.0
        codes = corners(2)
        wanted = np.sqrt((codes[:, None] != codes[None]).sum(axis=2))
        moved, value = move_centers(centers, means, shares, wanted, affinity)
        expected = (shares * ((moved - means) ** 2).sum(axis=1)).sum()
        for i in range(4):
            for j in range(4):
                gap = np.linalg.norm(moved[i] - moved[j]) - wanted[i, j]
                expected += affinity * shares[i] * shares[j] * gap**2
        assert value == pytest.approx(expected)
        np.testing.assert_allclose(moved[3], centers[3])  # no vectors, no weight: it stays

    def test_without_affinity_it_is_k_means(self, clusters):
        V = clusters[0][:, :3] - clusters[0][:, :3].mean(axis=0)
        centers, objective = fit_centers(V, 3, 0.0, 60)
        assert (np.diff(objective) <= 1e-8).all()
        nearest = squared_distances(V, centers).argmin(axis=1)
        for i in np.unique(nearest):
            np.testing.assert_allclose(centers[i], V[nearest == i].mean(axis=0), atol=1e-3)

    def test_bits_name_the_nearest_centre(self, clusters):
        X, _ = clusters
        hasher = KMeansHashing(8, subspace_bits=4).fit(X)
        signs = hb.unpack(hasher.transform(X), 8)
        V = (X - hasher.mean_) @ hasher.directions_
        centers = hasher.centers_.reshape(2, 16, 10)
        for part in range(2):
            distances = squared_distances(V[:, 10 * part : 10 * part + 10], centers[part])
            expected = corners(4)[distances.argmin(axis=1)]
            np.testing.assert_array_equal(signs[:, 4 * part : 4 * part + 4], expected)

    def test_affinity_makes_hamming_distance_stand_for_the_centres(self, clusters):
        V = clusters[0] - clusters[0].mean(axis=0)
        codes = corners(4)
        hamming = np.sqrt((codes[:, None] != codes[None]).sum(axis=2))
        off = ~np.eye(16, dtype=bool)
        fit = {}
        for affinity in (0.0, 10.0):
            centers, _ = fit_centers(V, 4, affinity, 20)
            apart = np.linalg.norm(centers[:, None] - centers[None], axis=2)
            fit[affinity] = np.corrcoef(apart[off], hamming[off])[0, 1]
        assert fit[10.0] > fit[0.0]

    def test_impossible_parameters(self, clusters):
        for parameters in ({"subspace_bits": 9}, {"max_iter": 0}, {"affinity": -1}):
            with pytest.raises(hb.InputError):
                KMeansHashing(8, **parameters).fit(clusters[0])


class TestSemanticHashing:
    def test_no_bit_is_dead(self, clusters):
        X, _ = clusters
        codes = SemanticHashing(8, pretraining=100, max_iter=200, random_state=0).fit_transform(X)
        on = (hb.unpack(codes, 8) > 0).mean(axis=0)
        assert ((on > 0.4) & (on < 0.6)).all()

    def test_fine_tuning_lowers_the_error(self, clusters):
        hasher = SemanticHashing(8, pretraining=100, max_iter=400, random_state=0)
        error = hasher.fit(clusters[0]).error_
        assert error[-50:].mean() < 0.9 * error[:50].mean()

    def test_a_machine_learns_its_data(self):
        """Reconstructions of a trained machine are nearer its patterns than an untrained one's."""
        rng = np.random.default_rng(0)
        patterns = (rng.random((3, 12)) > 0.5).astype(np.float32)
        errors = []
        for steps in (1, 2000):
            W, c, b = train_machine(
                lambda: patterns[rng.integers(0, 3, 64)], 12, 8, steps, rng, gaussian=False
            )
            errors.append(np.mean((expit(expit(patterns @ W + c) @ W.T + b) - patterns) ** 2))
        assert errors[1] < 0.2 * errors[0]

    def test_impossible_parameters(self, clusters):
        for parameters in ({"hidden": 0}, {"noise": -1.0}, {"max_iter": 0}):
            with pytest.raises(hb.InputError):
                SemanticHashing(8, **parameters).fit(clusters[0])

"""What each classical method must do, by its own theory."""

from __future__ import annotations

import numpy as np
import pytest

import hammingbird as hb


def test_sign_is_packbits(clusters):
    X, _ = clusters
    np.testing.assert_array_equal(hb.Sign().fit(X).transform(X), np.packbits(X >= 0, axis=1))
    np.testing.assert_array_equal(
        hb.Sign(center=True).fit(X).transform(X), np.packbits(X - X.mean(axis=0) >= 0, axis=1)
    )


def test_lsh_collides_with_probability_one_minus_the_angle_over_pi():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(8)
    n_bits = 4096
    for b in (a + 0.5 * rng.standard_normal(8), rng.standard_normal(8), -a):
        expected = (
            1 - np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)) / np.pi
        )
        codes = hb.LSH(n_bits, random_state=1).fit([a, b]).transform([a, b])
        rate = 1 - hb.hamming(codes[:1], codes[1:])[0, 0] / n_bits
        assert abs(rate - expected) <= 3 * np.sqrt(expected * (1 - expected) / n_bits) + 1e-12


def test_lsh_ignores_scale_unless_centred(clusters):
    X, _ = clusters
    scaled = X * np.linspace(0.1, 10, len(X))[:, None]
    hasher = hb.LSH(64, random_state=0).fit(X)
    np.testing.assert_array_equal(hasher.transform(X), hasher.transform(scaled))


def test_pca_bits_are_signs_of_principal_components(clusters):
    X, _ = clusters
    scores = hb.PCAHash(5).fit(X).project(X)
    covariance = scores.T @ scores / len(X)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-10)
    expected = np.sort(np.linalg.eigvalsh(np.cov(X.T, bias=True)))[::-1][:5]
    np.testing.assert_allclose(np.diag(covariance), expected)


def test_a_rotation_keeps_lengths_and_spreads_variance(clusters):
    X, _ = clusters
    plain = hb.PCAHash(8).fit(X).project(X)
    rotated = hb.RotatedPCA(8, random_state=0).fit(X).project(X)
    np.testing.assert_allclose((plain**2).sum(axis=1), (rotated**2).sum(axis=1))
    assert np.ptp(rotated.var(axis=0)) < np.ptp(plain.var(axis=0))


class TestITQ:
    def test_the_objective_never_rises_and_is_what_it_says(self, clusters):
        X, _ = clusters
        hasher = hb.ITQ(10, random_state=0).fit(X)
        single = 1e-7 * hasher.objective_[0]  # the precision of the products
        assert (np.diff(hasher.objective_) <= single).all()
        scores = hasher.project(X)
        error = np.mean((np.where(scores >= 0, 1, -1) - scores) ** 2)
        # The stored value is before the last sign step, which can only improve on it.
        assert error <= hasher.objective_[-1] + single
        slow = hb.ITQ(10, max_iter=1, random_state=0).fit(X)
        start = hb.RotatedPCA(10, random_state=0).fit(X).project(X)
        signs = np.where(start >= 0, 1, -1)
        np.testing.assert_allclose(slow.objective_[0], np.mean((signs - slow.project(X)) ** 2))

    def test_the_rotation_is_orthogonal(self, clusters):
        X, _ = clusters
        weights = hb.ITQ(10, random_state=0).fit(X).weights_
        np.testing.assert_allclose(weights.T @ weights, np.eye(10), atol=1e-10)

    def test_it_quantises_better_than_its_start(self, clusters):
        X, _ = clusters
        hasher = hb.ITQ(10, random_state=0).fit(X)
        assert hasher.objective_[-1] < hasher.objective_[0]

    def test_it_subtracts_the_mean(self, clusters):
        X, _ = clusters
        here, moved = hb.ITQ(10, random_state=0).fit(X), hb.ITQ(10, random_state=0).fit(X + 100.0)
        np.testing.assert_allclose(moved.mean_, here.mean_ + 100.0)
        # Rounding differs, so a few points at the boundary may fall on the other side.
        same = hb.unpack(moved.transform(X + 100.0), 10) == hb.unpack(here.transform(X), 10)
        assert same.mean() > 0.99

    def test_at_least_one_step(self, clusters):
        with pytest.raises(hb.InputError, match="max_iter"):
            hb.ITQ(10, max_iter=0).fit(clusters[0])


class TestSpectralHashing:
    def reference(self, X, n_bits):
        """The eigenfunctions one by one, from the paper."""
        centred = X - X.mean(axis=0)
        _, vectors = np.linalg.eigh(np.cov(X.T))
        V = centred @ vectors[:, ::-1][:, : min(n_bits, X.shape[1])]
        low, high = V.min(axis=0), V.max(axis=0)
        modes = [
            (m * np.pi / (high[j] - low[j]), j, m)
            for j in range(V.shape[1])
            for m in range(1, n_bits + 2)
        ]
        bits = []
        for _, j, m in sorted(modes)[:n_bits]:
            bits.append(np.sin(np.pi / 2 + m * np.pi * (V[:, j] - low[j]) / (high[j] - low[j])))
        return np.stack(bits, axis=1)

    @pytest.mark.parametrize("n_bits", [3, 12, 64])
    def test_bits_are_the_slowest_eigenfunctions(self, clusters, n_bits):
        X, _ = clusters
        scores = hb.SpectralHashing(n_bits).fit(X).project(X)
        reference = self.reference(X, n_bits)
        # The direction of an axis is free: a flip turns mode m into (-1)^m times itself.
        same = np.abs(np.sum(np.sign(scores) * np.sign(reference), axis=0)) / len(X)
        np.testing.assert_allclose(same, 1.0, atol=0.02)

    def test_more_bits_than_dimensions(self, clusters):
        X = clusters[0][:, :3]
        codes = hb.SpectralHashing(40).fit(X).transform(X)
        assert codes.shape == (len(X), 5)
        assert len(np.unique(codes, axis=0)) > 100

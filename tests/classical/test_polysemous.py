"""Polysemous codes: numbers, margins, tables, and what bad input gives."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import hammingbird as hb
from hammingbird import kernels
from hammingbird.classical.numbering import alike, bits_apart, numbered, pull, swapped
from hammingbird.classical.product import refitted, turned
from hammingbird.codes import pack


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(1500, 4)) @ rng.normal(size=(4, 19)) + 0.3).astype(np.float32)


@pytest.fixture(scope="module", params=[16, 12, 24])
def fitted(request, rows):
    return hb.Polysemous(request.param, rotations=3, max_iter=3, random_state=0).fit(rows)


def total(weights, numbers):
    return float((weights * bits_apart(len(numbers))[numbers][:, numbers]).sum())


def some_weights(k, seed):
    weights = np.random.default_rng(seed).normal(size=(k, k))
    return weights + weights.T


@pytest.mark.parametrize("seed", range(3))
def test_every_exchange_lowers_the_sum_and_the_best_is_taken(seed):
    weights, numbers = some_weights(16, seed), np.random.default_rng(seed).permutation(16)
    for _ in range(8):
        after = []
        for u in range(16):
            for v in range(u):
                other = numbers.copy()
                other[[u, v]] = other[[v, u]]
                after.append(total(weights, other))
        before, numbers = total(weights, numbers), swapped(weights, numbers, 1)
        assert sorted(numbers) == list(range(16))
        assert total(weights, numbers) == pytest.approx(min(before, *after))
    together = swapped(weights, np.random.default_rng(seed).permutation(16), 8)
    assert together.tolist() == numbers.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_numbers_are_as_good_as_all_orders_allow(seed):
    points = np.random.default_rng(seed).normal(size=(8, 3))
    weights = -((points[:, None] - points) ** 2).sum(axis=2)
    sums = [total(weights, np.array(order)) for order in permutations(range(8))]
    found = total(weights, numbered(weights))
    assert found <= np.quantile(sums, 0.02)
    assert found >= min(sums) - 1e-9


def test_pull_is_the_gradient_of_the_cross_entropy():
    """In the Hamming distance of two centres of a byte, at equal distances, by differences."""
    rng = np.random.default_rng(0)
    n, m = 40, 2
    centers = rng.integers(0, 5, (n, m), dtype=np.uint8)
    ids = np.array([rng.permutation(n)[:6] for _ in range(n)])
    target = rng.random((n, 6)).astype(np.float32)
    target /= target.sum(axis=1, keepdims=True)
    everyone = np.tile(np.arange(n), (n, 1))

    def entropy(apart):  # [bytes, 256, 256]
        logits = -sum(apart[b][centers[:, b, None], centers[None, :, b]] for b in range(m))
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -float((target * np.take_along_axis(logs, ids, axis=1)).sum()) / n

    found = pull(centers, ids, target, everyone)
    for byte, u, v in ((0, 1, 3), (1, 0, 4), (1, 2, 0)):
        step = np.zeros((m, 256, 256))
        step[byte, u, v] = step[byte, v, u] = 1e-5
        slope = (entropy(step) - entropy(-step)) / 2e-5
        assert slope == pytest.approx(2 * found[byte, u, v], rel=1e-4)


def test_shares_of_alike_centers():
    centers = np.array([[0.0], [0.1], [5.0], [5.2], [9.0], [9.1]], np.float32)
    shares = alike(centers)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares[0, 1] > shares[0, 2] > shares[0, 4]


def test_a_round_never_raises_the_error(rows):
    X = rows - rows.mean(axis=0)
    rng = np.random.RandomState(0)
    rotation, centers = turned(X, [7, 6, 6], [256, 256, 16], 8, 2, rng)
    used = rotation.any(axis=0)
    np.testing.assert_allclose(rotation[:, used].T @ rotation[:, used], np.eye(19), atol=1e-5)
    V, errors = X @ rotation, []
    for _ in range(6):
        before = centers.copy()
        codes = refitted(V, centers, [256, 256, 16])
        rest = V - np.concatenate([before[b][codes[:, b]] for b in range(3)], axis=1)
        errors.append(float((rest**2).sum()))
    assert (np.diff(errors) <= 1e-3).all()
    assert errors[-1] < errors[0]
    assert codes[:, 2].max() < 16


def test_codes_are_the_nearest_centers_and_the_signs_of_margins(fitted, rows):
    codes = fitted.encode(rows)
    np.testing.assert_array_equal(codes, pack(fitted.project(rows)))
    m, _, s = fitted.centers_.shape
    V = ((rows - fitted.mean_) / fitted.scale_) @ fitted.rotation_
    for byte in range(m):
        part = V[:, byte * s : (byte + 1) * s]
        apart = ((part[:, None] - fitted.centers_[byte].astype(float)) ** 2).sum(axis=2)
        chosen = np.take_along_axis(apart, codes[:, [byte]].astype(int), axis=1)[:, 0]
        np.testing.assert_allclose(chosen, apart.min(axis=1), rtol=1e-3, atol=1e-5)


def test_margins_are_differences_of_distances(fitted, rows):
    scores, m = fitted.project(rows[:20]), fitted.centers_.shape[0]
    tables = fitted.tables(rows[:20])
    for bit in range(fitted.n_bits_):
        byte, on = bit // 8, np.arange(256) >> (7 - bit % 8) & 1 == 1
        without, with_it = -tables[:, byte, ~on].max(axis=1), -tables[:, byte, on].max(axis=1)
        np.testing.assert_allclose(scores[:, bit], without - with_it, rtol=1e-3, atol=1e-3)
    assert tables.shape == (20, m, 256)


def test_scores_by_tables_are_distances_to_what_codes_stand_for(fitted, rows):
    codes, queries = fitted.encode(rows[:200]), rows[200:230]
    stood = fitted.reconstruct(codes).astype(np.float64)
    expected = -((queries[:, None].astype(float) - stood) ** 2).sum(axis=2)
    found = kernels.scores(fitted.asked(queries), codes, fitted.n_bits_)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    error = ((rows - fitted.reconstruct(fitted.encode(rows))) ** 2).sum(axis=1).mean()
    assert fitted.error_ == pytest.approx(error, rel=1e-3)


def test_numbers_tell_near_from_far(rows):
    """Among codes whose numbers are drawn, those of neighbours agree much less."""
    hasher = hb.Polysemous(16, rotations=3, max_iter=3, random_state=0).fit(rows)
    codes = hasher.encode(rows)
    near = hb.nearest_vectors(rows, rows, 10, exclude=np.arange(len(rows))).ids

    def apart(codes):
        apart = hb.hamming(codes, codes)
        return np.take_along_axis(apart, near, axis=1).mean() / apart.mean()

    drawn = np.random.default_rng(0).permutation(256).astype(np.uint8)
    assert apart(codes) < 0.6 * apart(drawn[codes])


def test_saved_and_linear_tables(tmp_path, rows, fitted):
    fitted.save(tmp_path / "model")
    loaded = hb.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.tables(rows[:9]), fitted.tables(rows[:9]))
    np.testing.assert_array_equal(loaded.encode(rows), fitted.encode(rows))
    itq = hb.ITQ(12, random_state=0).fit(rows)
    assert itq.asked(rows).shape == (1500, 12)
    np.testing.assert_array_equal(
        kernels.scores(itq.tables(rows[:5]), itq.encode(rows), 12),
        kernels.scores(itq.project(rows[:5]), itq.encode(rows), 12),
    )


@pytest.mark.parametrize("n_bits", [3, 8, 20])
def test_few_rows_constant_blocks_and_odd_lengths(n_bits):
    X = np.ones((30, 11), np.float32)
    X[:, :4] = np.random.default_rng(0).normal(size=(30, 4))
    hasher = hb.Polysemous(n_bits, rotations=2, max_iter=2, random_state=0).fit(X)
    assert hasher.encode(X).shape == (30, -(-n_bits // 8))
    np.testing.assert_array_equal(hasher.encode(X), pack(hasher.project(X)))
    same = hb.Polysemous(n_bits, rotations=2, random_state=0).fit(np.ones((30, 11)))
    np.testing.assert_array_equal(
        same.encode(np.ones((3, 11))), pack(same.project(np.ones((3, 11))))
    )


def test_bad_input_says_what_to_use(rows):
    with pytest.raises(hb.InputError, match="at most 152 bits .* more than a byte a dimension"):
        hb.Polysemous(160).fit(rows)
    with pytest.raises(hb.InputError, match="1 sample"):
        hb.Polysemous(8).fit(rows[:1])
    for name in ("spread", "rotations", "max_iter", "max_rows"):
        with pytest.raises(hb.InputError, match=f"{name} must be a whole number"):
            hb.Polysemous(8, **{name: -1}).fit(rows)

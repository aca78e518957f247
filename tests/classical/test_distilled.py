"""DistilledHash: the gradient against a slow twin and autograd, neighbours, training, prefixes."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.classical.distillation import (
    NeighborTargets,
    divergence,
    nearest_rows,
    over_lengths,
)
from hammingbird.classical.distilled import DistilledHash
from hammingbird.datasets import digits


def made_batch(m=9, k=6, seed=0):
    """Logits of which some are beyond 1, and a target with a row that counts nothing."""
    rng = np.random.default_rng(seed)
    target = rng.random((m, m)) ** 8
    np.fill_diagonal(target, 0)
    target[rng.random((m, m)) < 0.3] = 0
    target /= target.sum(axis=1, keepdims=True)
    target[2] = 0
    return rng.standard_normal((m, k)).astype(np.float32), target.astype(np.float32)


def slow(left, right, target, sharpness):
    """The formula for one side [m, k] against codes [m, k], pair by pair."""
    m, k = left.shape
    total = 0.0
    for i in np.flatnonzero(target.any(axis=1)):
        scores = {
            j: max(sharpness * math.sqrt(k), 12) / k * float(left[i] @ right[j])
            for j in range(m)
            if j != i
        }
        rest = math.log(sum(math.exp(s) for s in scores.values()))
        for j, score in scores.items():
            t = float(target[i, j])
            total += t * (math.log(t) - score + rest) if t > 0 else 0.0
    return total / m


def unit(u):
    return u * math.sqrt(u.shape[1]) / np.linalg.norm(u, axis=1, keepdims=True)


@pytest.mark.parametrize("sharpness", [1.75, 8.0, 40.0])
@pytest.mark.parametrize("asymmetric", [0.0, 0.3, 1.0])
def test_the_value_is_the_formula(asymmetric, sharpness):
    u, target = made_batch()
    h = np.where(u >= 0, 1.0, -1.0)
    sides = slow(h, h, target, sharpness), slow(unit(u.astype(float)), h, target, sharpness)
    value, _ = divergence(u, target, sharpness, asymmetric)
    assert value == pytest.approx((1 - asymmetric) * sides[0] + asymmetric * sides[1], rel=1e-5)


def test_the_gradient_of_logits_is_that_of_differences():
    """Signs do not move, so differences see the side that keeps its logits alone."""
    u, target = made_batch()
    h = np.where(u >= 0, 1.0, -1.0)
    beyond = np.abs(u) > 1  # where no gradient passes the sign
    _, gradient = divergence(u, target, 8.0, 1.0)
    assert beyond.any()
    for i, b in zip(*np.nonzero(beyond), strict=True):
        moved = []
        for step in (1e-5, -1e-5):
            v = u.astype(float)
            v[i, b] += step
            moved.append(slow(unit(v), h, target, 8.0))
        assert gradient[i, b] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-3, abs=1e-6)


def test_the_gradient_of_codes_is_that_of_differences():
    """Passed straight through, the gradient is that of real codes on both sides."""
    u, target = made_batch()
    h = np.where(u >= 0, 1.0, -1.0)
    _, gradient = divergence(u, target, 8.0, 0.0)
    for i in range(len(u)):
        for b in range(u.shape[1]):
            moved = []
            for step in (1e-5, -1e-5):
                v = h.copy()
                v[i, b] += step
                moved.append(slow(v, v, target, 8.0))
            expected = (moved[0] - moved[1]) / 2e-5 if abs(u[i, b]) <= 1 else 0.0
            assert gradient[i, b] == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.deep
@pytest.mark.parametrize("lengths", [(), (2, 5)])
@pytest.mark.parametrize("asymmetric", [0.0, 0.5, 1.0])
def test_value_and_gradient_are_those_of_autograd(asymmetric, lengths):
    """The same batch through the objective that networks are trained with."""
    torch = pytest.importorskip("torch")
    from hammingbird.deep.objective import Batch
    from hammingbird.deep.objectives.distillation import NeighborDistillation
    from hammingbird.deep.objectives.prefixes import Prefixes
    from hammingbird.deep.relaxations import StraightThrough

    rng = np.random.default_rng(1)
    X, u = rng.standard_normal((12, 4)), rng.standard_normal((12, 6)).astype(np.float32)
    distances = np.square(X[:, None] - X).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    target = np.exp(-distances / (0.2 * 5.0))
    target = (target / target.sum(axis=1, keepdims=True)).astype(np.float32)
    value, gradient = over_lengths(u, target, 8.0, asymmetric, lengths)

    objective = NeighborDistillation(0.2, 8.0, reach=5.0, asymmetric=asymmetric)
    logits = torch.from_numpy(u).double().requires_grad_()
    batch = Batch(
        logits=logits,
        outputs=StraightThrough(clip=1.0)(logits),
        index=torch.arange(12),
        X=torch.from_numpy(X),
    )
    loss = Prefixes(objective, lengths)(batch) if lengths else objective(batch)
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-4)
    np.testing.assert_allclose(gradient, logits.grad.numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (9, 8), (40, 7), (600, 5), (1700, 20)])
def test_nearest_rows_are_the_nearest_other_rows(n, k, monkeypatch):
    monkeypatch.setattr("hammingbird.classical.distillation.BLOCK", 1 << 14)
    X = np.random.default_rng(n).standard_normal((n, 5)).astype(np.float32)
    ids, distances = nearest_rows(X, k)
    expected = hb.nearest_vectors(X, X, k, exclude=np.arange(n))
    np.testing.assert_array_equal(ids, expected.ids)
    np.testing.assert_allclose(distances, expected.distances, rtol=1e-4, atol=1e-5)


def test_targets_are_those_of_all_distances_where_lists_are_long():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3)).astype(np.float32)
    ids, distances = nearest_rows(X, 59)
    targets = NeighborTargets(ids, distances, 0.1)
    rows = np.sort(rng.choice(60, 20, replace=False))
    squares = np.square(X[rows, None] - X[rows]).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    expected = np.exp(-squares / (0.1 * np.median(distances[:, 9])))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(targets.within(rows), expected, rtol=1e-3, atol=1e-6)


def test_rows_on_no_list_of_the_batch_have_no_target():
    """0 and 1 list each other; 2 lists 1 only, and both know of it; 3 is far from all."""
    ids = np.array([[1], [0], [1], [4], [3]])
    targets = NeighborTargets(ids, np.ones((5, 1), np.float32), 0.1)
    np.testing.assert_array_equal(
        targets.within(np.array([0, 1, 2, 3])),
        np.array([[0, 1, 0, 0], [0.5, 0, 0.5, 0], [0, 1, 0, 0], [0, 0, 0, 0]], np.float32),
    )


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    X = np.tanh(rng.standard_normal((1700, 6)) @ rng.standard_normal((6, 24)))
    return X[:1500].astype(np.float32), X[1500:].astype(np.float32)


def recall(hasher, vectors):
    X, Q = vectors
    return hb.evaluate(
        hasher.transform(Q),
        hasher.transform(X),
        n_bits=hasher.n_bits_,
        neighbors=hb.nearest_vectors(Q, X, 10).ids,
        metrics=["recall10@10"],
    )["recall10@10"]


def distilled(n_bits, **parameters):
    return DistilledHash(n_bits, **{"max_iter": 300, "random_state": 0, **parameters})


def test_it_keeps_more_neighbours_than_the_rotations():
    train, query = (np.asarray(part.X, np.float32) for part in digits())

    def mean(method):  # a single seed is off by a hundredth
        return np.mean(
            [recall(method(16, random_state=s).fit(train), (train, query)) for s in range(3)]
        )

    learned = mean(distilled)
    assert learned > mean(hb.ITQ) + 0.03
    assert learned > mean(hb.RotatedPCA) + 0.05


def test_the_divergence_falls(vectors):
    found = distilled(16).fit(vectors[0]).divergence_
    assert found.shape == (300,)
    assert (found > 0).all()
    assert found[-30:].mean() < found[:10].mean() - 0.02


def test_more_bits_than_dimensions_help(vectors):
    few, many = (recall(distilled(k).fit(vectors[0]), vectors) for k in (24, 96))
    assert many > few + 0.05


def test_the_first_bits_are_a_good_shorter_code(vectors):
    plain = distilled(32).fit(vectors[0])
    nested = distilled(32, prefixes=(8, 16)).fit(vectors[0])
    assert recall(nested.prefix(8), vectors) > recall(plain.prefix(8), vectors) + 0.02
    shorter = nested.prefix(12)
    assert (shorter.n_bits, shorter.n_bits_, nested.n_bits_) == (12, 12, 32)
    np.testing.assert_array_equal(
        hb.unpack(shorter.transform(vectors[1]), 12),
        hb.unpack(nested.transform(vectors[1]), 32)[:, :12],
    )
    with pytest.raises(hb.InputError, match="at most 32"):
        nested.prefix(33)


def test_a_part_of_the_rows_is_enough(vectors):
    hasher = distilled(16, max_rows=300, max_iter=20).fit(vectors[0])
    same = distilled(16, max_iter=20).fit(vectors[0][np.linspace(0, 1499, 300).astype(int)])
    np.testing.assert_array_equal(hasher.weights_, same.weights_)
    assert hasher.transform(vectors[0]).shape == (1500, 2)


def test_a_constant_moved_or_a_factor_changes_no_code(vectors):
    """What is learned from is centred and scaled, so codes are those of the shape alone."""
    X = vectors[0].astype(np.float64)
    codes = distilled(16, max_iter=50).fit(X).transform(X)
    moved = 1e3 * X + 5.0
    other = distilled(16, max_iter=50).fit(moved).transform(moved)
    assert np.mean(codes != other) < 0.01


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((40, 5)),
        np.repeat(np.eye(5), 30, axis=0),
        np.arange(2.0)[:, None],
        np.c_[np.arange(50.0), np.zeros((50, 3))],
    ],
    ids=["constant", "duplicates", "two rows", "constant columns"],
)
def test_poor_vectors_are_learned_from(X):
    hasher = distilled(12, max_iter=20).fit(X)
    assert np.isfinite(hasher.project(X)).all()


def test_noise_is_learned_from_as_well():
    noise = np.random.default_rng(0).standard_normal((400, 4000))
    assert np.isfinite(distilled(16, max_iter=20).fit(noise).divergence_).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bandwidth": 0.0}, "bandwidth must be positive"),
        ({"sharpness": 0.0}, "sharpness must be positive"),
        ({"asymmetric": 1.5}, "asymmetric must be in"),
        ({"n_neighbors": 0}, "n_neighbors must be a whole number of at least 1"),
        ({"prefixes": (16,)}, "a prefix must have 1 to 15 bits, got 16"),
    ],
)
def test_parameters_that_cannot_be(parameters, message, vectors):
    with pytest.raises(hb.InputError, match=message):
        distilled(16, **parameters).fit(vectors[0])


def test_it_needs_no_torch(vectors, tmp_path):
    np.save(tmp_path / "X.npy", vectors[0])
    code = """
import sys
sys.modules["torch"] = None
import numpy as np, hammingbird as hb
X = np.load("X.npy")
hasher = hb.make("distilled", 16, 0).set_params(max_iter=5).fit(X)
hasher.save("model")
assert (hb.load("model").transform(X) == hasher.transform(X)).all()
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.deep
@pytest.mark.parametrize("backbone", [None, "mlp"])
def test_models_saved_when_the_name_was_a_network_s(backbone, vectors, tmp_path):
    """Saved as ``DistilledHash`` before there was one without torch."""
    pytest.importorskip("torch")
    X = vectors[0][:200]
    hasher = hb.DeepDistilledHash(8, epochs=1, backbone=backbone, random_state=0).fit(X)
    try:
        hb.DeepDistilledHash.__name__ = "DistilledHash"
        hasher.save(tmp_path / "model")
    finally:
        hb.DeepDistilledHash.__name__ = "DeepDistilledHash"
    assert json.loads((tmp_path / "model" / "hasher.json").read_text())["class"] == "DistilledHash"
    for encode_only in (False, True):
        loaded = hb.load(tmp_path / "model", encode_only=encode_only)
        np.testing.assert_array_equal(loaded.transform(X), hasher.transform(X))

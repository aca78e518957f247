"""Every supervised method of the papers learns a small problem that ITQ cannot see."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import hammingbird as hb
from hammingbird.deep.methods.mihash import MIHash

pytestmark = pytest.mark.deep

SUPERVISED = [
    name
    for name, method in hb.METHODS.items()
    if method.supervision == "labels" and method.extra == "deep"
]
QUICK = {"epochs": 30, "batch_size": 32, "learning_rate": 1e-2, "width": 64}


@pytest.fixture(scope="module")
def hidden_classes():
    """Three classes in three directions, beside larger variance that says nothing about them."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 360)
    X = rng.standard_normal((360, 24)) * np.linspace(6, 0.5, 24)
    X[:, 18:] += 3 * rng.standard_normal((3, 6))[y]
    return X, y


def mean_average_precision(hasher, X, y):
    database, queries = slice(0, 240), slice(240, None)
    hasher.fit(X[database], y[database])
    found = hb.evaluate(
        hasher.transform(X[queries]),
        hasher.transform(X[database]),
        query_labels=y[queries],
        database_labels=y[database],
        n_bits=12,
        metrics=["map"],
    )
    return found["map"]


@pytest.fixture(scope="module")
def itq(hidden_classes):
    value = mean_average_precision(hb.ITQ(12, random_state=0), *hidden_classes)
    assert value < 0.5
    return value


@pytest.mark.parametrize("name", SUPERVISED)
def test_is_far_above_itq(name, hidden_classes, itq):
    hasher = hb.METHODS[name].make(12, random_state=0)
    known = hasher.get_params()
    hasher.set_params(**{key: value for key, value in QUICK.items() if key in known})
    assert mean_average_precision(hasher, *hidden_classes) > itq + 0.2
    if known.get("posterior"):
        assert hasher.center_distance_ >= 6


@pytest.mark.parametrize("name", SUPERVISED)
def test_takes_label_sets_and_rows_without_labels(name, hidden_classes):
    X, y = hidden_classes
    sets = np.eye(3, dtype=bool)[y]
    sets[::7, 0] = True
    sets[5] = False
    hasher = hb.METHODS[name].make(12, random_state=0)
    known = hasher.get_params()
    few = {"epochs": 1, "width": 16, "sweeps": 1}
    hasher.set_params(**{key: value for key, value in few.items() if key in known})
    assert hasher.fit(X, sets).transform(X).shape == (360, 2)
    partly = np.where(np.arange(360) < 100, y, -1)
    assert np.isfinite(hasher.fit(X, partly).project(X)).all()


@pytest.mark.parametrize(("n_bits", "same_as_one_bin_per_bit"), [(4, True), (24, False)])
def test_mihash_has_at_most_16_bins_and_one_per_bit(n_bits, same_as_one_bin_per_bit, clusters):
    options = {"epochs": 2, "random_state": 0}
    codes = MIHash(n_bits, **options).fit(*clusters).transform(clusters[0])
    np.testing.assert_array_equal(
        codes, MIHash(n_bits, n_bins=16 if n_bits > 16 else 4, **options).fit_transform(*clusters)
    )
    plain = MIHash(n_bits, n_bins=None, **options).fit_transform(*clusters)
    assert np.array_equal(codes, plain) == same_as_one_bin_per_bit


def test_unsupervised_greedyhash_keeps_cosines(clusters):
    X, _ = clusters
    hasher = hb.make("greedyhash-u", 16, random_state=0).set_params(epochs=60, batch_size=64)
    scores = np.sign(hasher.fit(X).project(X))
    Z = X - X.mean(axis=0)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    upper = np.triu_indices(len(X), 1)
    assert np.corrcoef((Z @ Z.T)[upper], (scores @ scores.T)[upper])[0, 1] > 0.8

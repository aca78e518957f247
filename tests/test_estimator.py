"""Hashers in scikit-learn's hands: output of bits, score, searches over parameters, containers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import hammingbird as hb
from hammingbird.datasets import load
from hammingbird.papers.places import data_file


@pytest.fixture(scope="module")
def twin():
    """Made like Banking77: 40 classes of 384 floats that lie close, on the unit sphere."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(40), 30)
    spread = 1 / (1 + np.arange(384)) ** 0.5
    X = (rng.standard_normal((40, 384))[y] + 1.5 * rng.standard_normal((len(y), 384))) * spread
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def test_neighbours_read_bits_but_not_bytes(twin):
    """Packed bytes are numbers to scikit-learn: what KNN makes of them is far worse, silently."""
    found = {}
    for output in ("packed", "bits", "signs"):
        knn = make_pipeline(
            hb.ITQ(32, output=output, random_state=0), KNeighborsClassifier(5, algorithm="brute")
        )
        found[output] = cross_val_score(knn, *twin, cv=3).mean()
    assert found["bits"] == pytest.approx(found["signs"], abs=0.01)  # ties differ
    assert found["bits"] > found["packed"] + 0.1


def test_a_search_over_lengths_needs_no_scorer(twin):
    X, y = twin
    lengths = [4, 16, 64]
    for labels in (None, y):
        search = GridSearchCV(hb.ITQ(random_state=0), {"n_bits": lengths}, cv=3).fit(X, labels)
        scores = search.cv_results_["mean_test_score"]
        assert (np.diff(scores) > 0.02).all()
        assert search.best_params_ == {"n_bits": 64}


def test_output_is_a_parameter_like_any_other(twin, tmp_path):
    X, _ = twin
    hasher = hb.ITQ(12, output="signs", random_state=0)
    assert clone(hasher).get_params()["output"] == "signs"
    signs = hasher.fit(X).transform(X)
    assert signs.dtype == np.float32
    hasher.save(tmp_path / "model")
    loaded = hb.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(X), signs)
    np.testing.assert_array_equal(loaded.encode(X), hb.pack(signs))
    bits = loaded.set_params(output="bits").transform(X)
    assert bits.dtype == np.uint8
    np.testing.assert_array_equal(bits, signs > 0)
    products = signs[:9] @ signs[:9].T
    codes = loaded.encode(X[:9])
    np.testing.assert_array_equal(products, 12 - 2 * hb.hamming(codes, codes).astype(int))


def test_score_is_the_recall_of_the_rows_own_neighbours(twin):
    X = twin[0][:60]
    hasher = hb.ITQ(16, random_state=0).fit(twin[0])
    codes = hasher.transform(X)
    far = hb.hamming(codes, codes).astype(float)
    true = ((X[:, None] - X) ** 2).sum(axis=2)
    recalls = []
    for i in range(len(X)):
        others = np.delete(np.arange(len(X)), i)
        near = others[np.argsort(true[i, others], kind="stable")[:10]]
        share = 0.0
        for j in near:  # expected over orders of the tied: the seats left, shared among them
            closer = (far[i, others] < far[i, j]).sum()
            equal = (far[i, others] == far[i, j]).sum()
            share += min(1.0, max(0, 10 - closer) / equal)
        recalls.append(share / 10)
    assert hasher.score(X) == pytest.approx(np.mean(recalls))


def test_score_with_labels_is_map(twin):
    X, y = (part[::3] for part in twin)
    hasher = hb.ITQ(16, random_state=0).fit(twin[0])
    codes = hasher.transform(X)
    own = np.arange(len(X))
    expected = hb.evaluate(
        codes, codes, n_bits=16, query_labels=y, database_labels=y, self_rows=own, metrics=["map"]
    )
    assert hasher.score(X, y) == expected["map"]
    sets = np.eye(40, dtype=int)[y]
    assert hasher.score(X, sets) == pytest.approx(expected["map"])


def test_score_says_what_it_cannot_measure(twin):
    X, y = twin
    hasher = hb.LSH(16, random_state=0).fit(X)
    with pytest.raises(hb.InputError, match="at least two rows"):
        hasher.score(X[:1])
    with pytest.raises(hb.InputError, match="a label for each of 1200 rows"):
        hasher.score(X, y[:7])
    with pytest.raises(hb.InputError, match="no query has a relevant item"):
        hasher.score(X[:4], [1, 2, 3, 4])
    with pytest.raises(NotFittedError):
        hb.LSH(16).score(X)


def test_containers_are_scikit_learns(twin):
    pandas = pytest.importorskip("pandas")
    X, _ = twin
    hasher = hb.LSH(12, output="bits", random_state=0).fit(X)
    assert type(hasher.transform(X)) is np.ndarray
    with config_context(transform_output="pandas"):
        frame = hasher.transform(X)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == [f"lsh{i}" for i in range(12)]
    hasher.set_output(transform="pandas")
    with config_context(transform_output="default"):
        assert isinstance(clone(hasher).fit(X).transform(X), pandas.DataFrame)
    assert type(hasher.set_output(transform="default").transform(X)) is np.ndarray
    with pytest.raises(hb.InputError, match="'default', 'pandas' or 'polars'"):
        hasher.set_output(transform="numpy")


def test_parameters_are_shown_and_slips_are_named(twin):
    assert repr(hb.ITQ(16, max_iter=3)) == "ITQ(max_iter=3, n_bits=16)"
    with pytest.raises(hb.InputError, match=r"Invalid parameter 'bits'.*'n_bits'"):
        hb.ITQ().set_params(bits=3)
    shown = make_pipeline(hb.ITQ(16), KNeighborsClassifier())._repr_html_()
    assert "ITQ" in shown
    assert "ITQ" in hb.ITQ(16).fit(twin[0])._repr_html_()


def test_numbers_are_drawn_without_global_state():
    X = np.random.default_rng(0).standard_normal((50, 8))
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, other = (hb.LSH(64).fit(X).weights_ for _ in range(2))
    assert (one != other).all()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    drawn = hb.LSH(8, random_state=np.random.RandomState(3)).fit(X)
    np.testing.assert_array_equal(drawn.weights_, hb.LSH(8, random_state=3).fit(X).weights_)
    for seed in ("3", 1.5, True, np.random.default_rng(0)):
        with pytest.raises(hb.InputError, match="random_state must be"):
            hb.LSH(8, random_state=seed).fit(X)


def test_plain_arrays_are_learned_from_without_scikit_learn():
    script = """
import sys, numpy as np, hammingbird as hb
X = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
hb.ITQ(8, random_state=0).fit_transform(X)
print("sklearn" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_bits", "packed", "bits"),
    [(16, 0.518, 0.595), (32, 0.587, 0.811), (64, 0.633, 0.875), (128, 0.722, 0.900)],
)
def test_figures_of_banking77(n_bits, packed, bits):
    """Five neighbours of 10,003 questions of 77 intents, the share of 3,080 others put right."""
    try:
        train, test = (load(data_file(f"banking77/banking77_{p}.npz")) for p in ("train", "test"))
    except hb.FileError as error:
        pytest.skip(str(error))
    for output, figure in (("packed", packed), ("bits", bits)):
        knn = make_pipeline(hb.ITQ(n_bits, output=output, random_state=0), KNeighborsClassifier())
        assert knn.fit(train.X, train.y).score(test.X, test.y) == pytest.approx(figure, abs=0.01)

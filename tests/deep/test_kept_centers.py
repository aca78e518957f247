"""Centres, their classes and the surrogate are kept with the model, and used by the diagnostics."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.utils import check_random_state

import hammingbird as hb
from hammingbird import InputError
from hammingbird.centers import make_centers
from hammingbird.deep.hasher import DeepHasher
from hammingbird.deep.methods.csq import CSQ
from hammingbird.deep.methods.hashnet import HashNet
from hammingbird.deep.methods.vdsh import VDSH
from hammingbird.deep.objectives.center_codes import CenterLikelihood
from hammingbird.deep.objectives.posterior import CodePosterior
from hammingbird.deep.training import Training
from hammingbird.evaluation import diagnostics

pytestmark = pytest.mark.deep

QUICK = {"epochs": 3, "batch_size": 64, "random_state": 0}
KEPT = (
    "centers_", "classes_", "center_distance_", "surrogate_hidden_weights_",
    "surrogate_output_weights_",
)  # fmt: skip


def drawn(n_classes, n_bits, random_state=0):
    """The centres as they are before training, from the seed that a fit draws."""
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    return hb.pack(make_centers(n_classes, n_bits, "auto", seed).centers)


@pytest.mark.parametrize("name", [n for n in hb.METHODS if n == "csq" or n.endswith("_d")])
def test_under_a_papers_name_classes_keep_the_centres_that_were_drawn(name, clusters):
    hasher = hb.make(name, 12, 0)
    known = hasher.get_params()
    hasher.set_params(**{k: v for k, v in {**QUICK, "width": 16}.items() if k in known})
    assert known.get("flips", 0.0) == 0.0
    hasher.fit(*clusters)
    np.testing.assert_array_equal(hasher.centers_, drawn(6, 12))
    assert hasher.classes_ == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("csq+", {"assignment": "nearest"}),
        ("hashnet_d+", {"assignment": "nearest", "posterior": "added", "flips": 0.25}),
    ],
)
def test_rows_with_a_plus_assign_centres_anew(name, parameters, clusters):
    row = hb.METHODS[name]
    assert row.paper.startswith("of this library")
    X, y = clusters
    plus = hb.make(name, 12, 0).set_params(**QUICK).fit(X, y)
    start = drawn(6, 12)
    assert not np.array_equal(plus.centers_, start)
    assert sorted(map(bytes, plus.centers_)) == sorted(map(bytes, start))
    same = row.hasher_class(12, **parameters, **QUICK).fit(X, y)
    np.testing.assert_array_equal(same.transform(X), plus.transform(X))
    plain = hb.make(name.removesuffix("+"), 12, 0).set_params(**QUICK).fit(X, y)
    assert not np.array_equal(plain.project(X), plus.project(X))


def test_flips_are_a_parameter_of_the_plug_in(clusters):
    X, y = clusters
    found = {}
    for flips in (0.0, 0.25):
        hasher = HashNet(
            12, posterior="added", assignment="nearest", flips=flips, epochs=2, random_state=0
        ).fit(X, y)
        found[flips] = hasher.history_[1]["CodePosterior"]
    assert found[0.0] != found[0.25]
    with pytest.raises(InputError, match="flips must be a probability"):
        HashNet(12, posterior="added", flips=1.5).fit(X, y)
    with pytest.raises(InputError, match="assignment must be 'fixed' or 'nearest'"):
        CSQ(12, assignment="best").fit(X, y)


@pytest.mark.parametrize(
    "hasher",
    [
        HashNet(20, posterior="added", assignment="nearest", flips=0.25, **QUICK),
        HashNet(7, posterior="untrained", backbone="mlp", **QUICK),
        CSQ(16, posterior="instead", **QUICK),
        VDSH(16, width=16, posterior="added", random_state=0),
    ],
    ids=lambda hasher: f"{type(hasher).__name__}-{hasher.n_bits}",
)
def test_saved_and_loaded_with_identical_values(hasher, clusters, tmp_path):
    X, y = clusters
    names = np.array(["ash", "elm", "fir", "oak", "pine", "yew"])
    hasher.fit(X, names[y])
    assert hasher.classes_ == names.tolist()
    hasher.save(tmp_path / "model")
    loaded = hb.load(tmp_path / "model")
    for name in KEPT:
        saved, read = getattr(hasher, name), getattr(loaded, name)
        np.testing.assert_array_equal(read, saved)
        assert type(read) is type(saved)
    for before, after in zip(hasher.log_posterior(X), loaded.log_posterior(X), strict=True):
        np.testing.assert_array_equal(after, before)
    assert [block.shape[1] for block in loaded.log_posterior(X[:2])] == [
        1 << min(8, hasher.n_bits - start) for start in range(0, hasher.n_bits, 8)
    ]
    for block in loaded.log_posterior(X):
        np.testing.assert_allclose(np.exp(block).sum(axis=1), 1, rtol=1e-4)


def test_the_linear_form_still_gives_the_same_codes(clusters):
    X, y = clusters
    hasher = HashNet(12, posterior="added", **QUICK).fit(X, y)
    np.testing.assert_array_equal(hasher.to_linear().transform(X), hasher.transform(X))


def test_the_kept_surrogate_is_the_one_that_was_trained(clusters):
    X, y = clusters
    plug_in = CodePosterior(flips=0.25)
    hasher = DeepHasher(20, objective=plug_in, training=Training(epochs=2), random_state=0)
    kept = []
    hasher._parts = lambda: (kept.append(plug_in) or plug_in, DeepHasher._parts(hasher)[1])
    hasher.fit(X, y)
    trained = kept[0].eval().log_posterior(torch.from_numpy(hasher.project(X)).float())
    for ours, theirs in zip(hasher.log_posterior(X), trained, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-4, atol=1e-4)


def test_the_best_epochs_centres_are_kept_with_its_network(clusters):
    """With validation rows the network of the best epoch is kept, and its centres with it."""
    X, _ = clusters
    y = np.random.default_rng(9).integers(0, 6, len(X))  # nothing to learn: it gets worse
    options = {"assignment": "nearest", "batch_size": 32, "learning_rate": 0.3, "random_state": 0}
    options |= {"schedule": "constant", "validation": 0.2}
    long = CSQ(12, epochs=8, **options).fit(X, y)
    best = 1 + int(np.argmin([record["L"] for record in long.history_]))
    assert best < 8
    short = CSQ(12, epochs=best, **options).fit(X, y)
    np.testing.assert_array_equal(long.project(X), short.project(X))
    np.testing.assert_array_equal(long.centers_, short.centers_)


def test_label_sets_have_a_centre_per_column(clusters):
    X, y = clusters
    hasher = CSQ(12, **QUICK).fit(X, np.eye(6, dtype=bool)[y])
    assert hasher.classes_ == list(range(6))
    assert hasher.centers_.shape == (6, 2)


def test_nothing_is_kept_that_the_fit_did_not_have(clusters):
    X, y = clusters
    hasher = HashNet(12, posterior="added", **QUICK).fit(X, y)
    hasher.set_params(posterior=None).fit(X, y)
    assert not any(hasattr(hasher, name) for name in KEPT)
    with pytest.raises(InputError, match="no surrogate: fit it with posterior='added'"):
        hasher.log_posterior(X)
    csq = CSQ(12, **QUICK).fit(X, y)
    assert csq.centers_.shape == (6, 2)
    with pytest.raises(InputError, match="no surrogate"):
        csq.log_posterior(X)


def test_own_parts_keep_their_centres_too(clusters):
    X, y = clusters
    objective = CenterLikelihood("bch") + 0.1 * CodePosterior("bch")
    hasher = DeepHasher(12, objective=objective, training=Training(epochs=2), random_state=0)
    hasher.fit(X, y)
    assert (
        hasher.center_distance_
        == hb.hamming(hasher.centers_, hasher.centers_)[np.triu_indices(6, 1)].min()
    )
    assert len(hasher.log_posterior(X)) == 2


def test_the_bound_of_a_fitted_model_with_its_own_centres(clusters):
    X, y = clusters
    hasher = CSQ(16, epochs=40, batch_size=32, random_state=0).fit(X, y)
    codes = hasher.transform(X)
    found = diagnostics.class_separation(codes, y, 16, hasher.centers_, hasher.classes_)
    assert found.min_inter == hasher.center_distance_ == 8
    own = [np.bitwise_count(codes[i] ^ hasher.centers_[y[i]]).sum() for i in range(len(y))]
    assert found.max_intra == max(own)
    assert found.ratio == (8 / max(own) if max(own) else math.inf)


def test_blocks_are_nearer_to_the_codes_than_the_product_of_bits(clusters):
    """Lower Bound, Fig. 10: joint probabilities of 16 bits by two blocks of the surrogate."""
    X, y = clusters
    hasher = CSQ(16, posterior="added", epochs=40, batch_size=32, random_state=0).fit(X, y)
    codes = hasher.transform(X)
    blocks = diagnostics.posterior_divergence(codes, 16, hasher.log_posterior(X))
    naive = diagnostics.posterior_divergence(codes, 16, diagnostics.bit_margins(codes, 16))
    assert 0 <= blocks < 0.1 * naive

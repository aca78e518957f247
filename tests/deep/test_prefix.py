"""Bit-scalable codes: DRSCH's weights, its order of bits, and shorter codes of a longer one."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hammingbird as hb
from hammingbird.deep.methods.distilled import DeepDistilledHash
from hammingbird.deep.methods.drsch import DRSCH

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(240) % 6
    return 3 * rng.standard_normal((6, 12))[y] + rng.standard_normal((240, 12)), y


@pytest.fixture(scope="module", params=[{}, {"backbone": "mlp"}, {"posterior": "added"}])
def drsch(request, data):
    return DRSCH(20, epochs=5, random_state=0, **request.param).fit(*data)


def test_weights_were_learned_and_stand_in_order(drsch):
    weights = drsch.bit_weights_
    assert weights.shape == (20,)
    assert (weights >= 0).all()
    assert len(set(weights.tolist())) > 1
    if drsch.posterior is None:
        assert (np.diff(weights) <= 0).all()


def test_the_order_is_that_of_the_trained_weights(data, monkeypatch):
    """Reordered bits are the trained ones, each with its own weight."""
    kept = []
    monkeypatch.setattr(DRSCH, "_keep", lambda self, bits: kept.append(bits))
    trained = DRSCH(20, epochs=5, random_state=0).fit(*data)
    monkeypatch.undo()
    hasher = DRSCH(20, epochs=5, random_state=0).fit(*data)
    order = kept[0]
    assert sorted(order) == list(range(20))
    assert list(order) != list(range(20))
    np.testing.assert_array_equal(hasher.bit_weights_, trained.bit_weights_[order])
    np.testing.assert_allclose(
        hasher.project(data[0]), trained.project(data[0])[:, order], rtol=1e-5, atol=1e-5
    )


def test_a_shorter_code_is_the_heaviest_bits(drsch, data):
    bits = hb.unpack(drsch.transform(data[0]), 20)
    for m in (20, 11, 8, 1):
        shorter = drsch.prefix(m)
        heaviest = sorted(range(20), key=lambda k: -drsch.bit_weights_[k])[:m]
        assert drsch.posterior is not None or heaviest == list(range(m))
        assert shorter.n_bits == shorter.n_bits_ == m
        codes = shorter.transform(data[0])
        np.testing.assert_array_equal(hb.unpack(codes, m), bits[:, heaviest])
        np.testing.assert_array_equal(shorter.bit_weights_, drsch.bit_weights_[heaviest])
    assert drsch.n_bits_ == len(drsch.bit_weights_) == 20
    np.testing.assert_array_equal(hb.unpack(drsch.transform(data[0]), 20), bits)


def test_weighted_search_is_the_sum_over_bits_that_differ(drsch, data):
    codes = drsch.transform(data[0])
    bits, weights = hb.unpack(codes, 20), drsch.bit_weights_.astype(float)
    found = hb.Scan(20).add(codes).search_scores(drsch.weigh(codes[:7]), 240)
    for i in range(7):
        slow = [sum(weights[k] for k in range(20) if bits[i, k] != bits[j, k]) for j in range(240)]
        distances = (weights.sum() - found.scores[i]) / 2
        np.testing.assert_allclose(distances, np.array(slow)[found.ids[i]], atol=1e-4)
        np.testing.assert_allclose(distances, np.sort(slow), atol=1e-4)


def test_saved_and_loaded(drsch, data, tmp_path):
    for name, hasher in (("whole", drsch), ("short", drsch.prefix(9))):
        hasher.save(tmp_path / name)
        loaded = hb.load(tmp_path / name)
        np.testing.assert_array_equal(loaded.bit_weights_, hasher.bit_weights_)
        np.testing.assert_array_equal(loaded.transform(data[0]), hasher.transform(data[0]))
        again = loaded.prefix(5)
        np.testing.assert_array_equal(again.transform(data[0]), hasher.prefix(5).transform(data[0]))


def test_a_linear_hasher_of_the_order(data):
    hasher = DRSCH(20, epochs=2, random_state=0).fit(*data)
    short = hasher.prefix(8)
    np.testing.assert_array_equal(short.to_linear().transform(data[0]), short.transform(data[0]))
    np.testing.assert_array_equal(short.transform(data[0])[:, 0], hasher.transform(data[0])[:, 0])


def test_too_many_bits(drsch):
    with pytest.raises(hb.InputError, match="at most 20"):
        drsch.prefix(21)


def test_distilled_codes_have_prefixes(data):
    hasher = DeepDistilledHash(12, epochs=2, prefixes=(8,), random_state=0).fit(data[0])
    codes = hasher.transform(data[0])
    np.testing.assert_array_equal(hasher.prefix(8).transform(data[0])[:, 0], codes[:, 0])

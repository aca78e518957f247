"""DeepDistilledHash: neighbours kept better than by rotation, in any number of bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hammingbird as hb
from hammingbird.deep.methods.distilled import DeepDistilledHash
from hammingbird.deep.source import ArraySource
from hammingbird.deep.start import nearest_rows

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    X = np.tanh(rng.standard_normal((1700, 6)) @ rng.standard_normal((6, 24)))
    return X[:1500].astype(np.float32), X[1500:].astype(np.float32)


def recall(hasher, vectors, n_bits=None):
    X, Q = vectors
    n_bits = n_bits or hasher.n_bits_
    n_bytes = n_bits // 8
    return hb.evaluate(
        hasher.transform(Q)[:, :n_bytes],
        hasher.transform(X)[:, :n_bytes],
        n_bits=n_bits,
        neighbors=hb.nearest_vectors(Q, X, 10).ids,
        metrics=["recall10@10"],
    )["recall10@10"]


def test_it_keeps_more_neighbours_than_itq(vectors):
    learned = recall(DeepDistilledHash(16, random_state=0).fit(vectors[0]), vectors)
    assert learned > recall(hb.ITQ(16, random_state=0).fit(vectors[0]), vectors)
    assert learned > recall(hb.RotatedPCA(16, random_state=0).fit(vectors[0]), vectors) + 0.05


def test_more_bits_than_dimensions_help(vectors):
    few, many = (DeepDistilledHash(k, epochs=4, random_state=0).fit(vectors[0]) for k in (24, 96))
    assert recall(many, vectors) > recall(few, vectors)


def test_the_first_bytes_are_a_good_shorter_code(vectors):
    plain = DeepDistilledHash(32, random_state=0).fit(vectors[0])
    nested = DeepDistilledHash(32, prefixes=(8, 16), random_state=0).fit(vectors[0])
    assert recall(nested, vectors, 8) > recall(plain, vectors, 8)


def test_a_part_of_the_rows_is_enough(vectors):
    hasher = DeepDistilledHash(16, max_rows=300, epochs=2, random_state=0).fit(vectors[0])
    assert hasher.transform(vectors[0]).shape == (1500, 2)


def test_nearest_rows_are_the_nearest_other_rows(vectors):
    X = vectors[0][:300] + 100
    ids, distances = nearest_rows(ArraySource(X), 5, chunk=64)
    expected = hb.nearest_vectors(X, X, 5, exclude=np.arange(300))
    np.testing.assert_array_equal(ids, expected.ids)
    np.testing.assert_allclose(distances, expected.distances, rtol=1e-3)
    assert ids.dtype == torch.int64


def test_vectors_without_near_neighbours_are_refused():
    noise = np.random.default_rng(0).standard_normal((400, 4000))
    with pytest.raises(hb.InputError, match="not much nearer than the rest"):
        DeepDistilledHash(16, random_state=0).fit(noise)

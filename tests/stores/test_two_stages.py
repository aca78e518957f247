"""A shortlist in the store, ordered here: one call, on every store."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import hammingbird as hb
from hammingbird import kernels
from hammingbird.stores import create_store, two_stages


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    scale = np.linspace(2, 0.1, 32)
    vectors, queries = (rng.standard_normal((n, 32)) * scale for n in (1500, 30))
    return vectors, queries, hb.ITQ(24, random_state=0).fit(vectors)


def test_both_orders_are_those_of_the_whole_database(flat, place, data):
    """With a shortlist of everything: the true neighbours, and the true asymmetric order."""
    vectors, queries, hasher = data
    codes = hasher.transform(vectors)
    with create_store(place(flat), 24) as store:
        store.write(codes, np.arange(1500))
        store.flush()
        found = two_stages(store, hasher, queries, 10, shortlist=1500, vectors=vectors)
        truth = hb.nearest_vectors(queries, vectors, 10)
        np.testing.assert_array_equal(found.ids, truth.ids)
        found = two_stages(store, hasher, queries, 10, shortlist=1500)
        ids, scores = kernels.best(hasher.project(queries), codes, 24, 10)
        np.testing.assert_array_equal(found.ids, ids)
        np.testing.assert_allclose(-found.distances, scores)


def test_what_transform_gives_does_not_matter(place, data):
    """A hasher made for a pipeline, whose ``transform`` gives bits, searches all the same."""
    vectors, queries, hasher = data
    with create_store(place(("sqlite", "flat")), 24) as store:
        store.write(hasher.transform(vectors), np.arange(1500))
        expected = two_stages(store, hasher, queries, 10)
        found = two_stages(store, clone(hasher).set_params(output="bits").fit(vectors), queries, 10)
    np.testing.assert_array_equal(found.ids, expected.ids)


def test_a_short_shortlist_gains_and_a_short_database_is_filled(place, data):
    vectors, queries, hasher = data
    codes, truth = hasher.transform(vectors), hb.nearest_vectors(queries, vectors, 10).ids

    def recall(ids):
        return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, truth, strict=True)])

    with create_store(place(("sqlite", "flat")), 24) as store:
        store.write(codes[:7], np.arange(7))
        found = two_stages(store, hasher, queries, 10, shortlist=100)
        assert (found.ids[:, 7:] == -1).all()
        assert np.isinf(found.distances[:, 7:]).all()
        store.write(codes, np.arange(1500))
        plain = recall(store.search(hasher.transform(queries), 10).ids)
        scored = recall(two_stages(store, hasher, queries, 10, shortlist=100).ids)
        exact = two_stages(store, hasher, queries, 10, shortlist=100, vectors=vectors)
        assert plain < scored < recall(exact.ids)
        with pytest.raises(hb.InputError, match="longer than k"):
            two_stages(store, hasher, queries, 10, shortlist=5)

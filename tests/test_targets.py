"""Exact neighbours agree with a full sort."""

from __future__ import annotations

import numpy as np
import pytest

import hammingbird as hb


@pytest.mark.parametrize("measure", ["l2", "inner", "cosine"])
@pytest.mark.parametrize("k", [1, 7, 50])
def test_neighbours_are_the_first_of_a_full_stable_sort(measure, k):
    rng = np.random.default_rng(0)
    queries = rng.integers(-3, 4, (30, 4))
    database = rng.integers(-3, 4, (50, 4))  # integers: many ties
    if measure == "cosine":  # equal directions round differently at different lengths
        queries, database = rng.standard_normal((30, 4)), rng.standard_normal((50, 4))
    if measure == "l2":
        values = ((queries[:, None] - database[None]) ** 2).sum(axis=2)
    elif measure == "inner":
        values = -queries @ database.T
    else:
        values = -np.array([[q @ x / np.sqrt(q @ q * (x @ x)) for x in database] for q in queries])
    order = np.argsort(values, axis=1, kind="stable")[:, :k]
    found = hb.nearest_vectors(queries, database, k, measure, chunk=7)
    np.testing.assert_array_equal(found.ids, order)
    np.testing.assert_allclose(found.distances, np.take_along_axis(values, order, axis=1))


def test_a_query_can_leave_out_its_own_row():
    X = np.arange(12.0).reshape(6, 2)
    found = hb.nearest_vectors(X, X, 5, exclude=np.arange(6))
    assert not (found.ids == np.arange(6)[:, None]).any()
    some = hb.nearest_vectors(X, X, 1, exclude=[0, -1, 2, -1, 4, -1])
    np.testing.assert_array_equal(some.ids[1::2, 0], [1, 3, 5])


@pytest.mark.parametrize("k", [0, 7])
def test_impossible_k(k):
    with pytest.raises(hb.InputError, match="k="):
        hb.nearest_vectors(np.zeros((1, 2)), np.zeros((6, 2)), k)


def test_widths_must_agree():
    with pytest.raises(hb.InputError, match="equal width"):
        hb.nearest_vectors(np.zeros((1, 2)), np.zeros((6, 3)), 1)


def test_pairs_and_triplets_are_equally_long():
    ids = np.arange(3)
    hb.Pairs(ids, ids, ids > 0)
    with pytest.raises(hb.InputError, match="equally long"):
        hb.Pairs(ids, ids[:2], ids > 0)
    with pytest.raises(hb.InputError, match="equally long"):
        hb.Triplets(ids, ids, ids[:2])

"""Re-ranking against sorting all true distances with loops."""

from __future__ import annotations

import numpy as np
import pytest

from hammingbird.errors import InputError
from hammingbird.index import Scan, rerank
from hammingbird.index import rerank as _function
from hammingbird.targets import nearest_vectors


@pytest.mark.parametrize("measure", ["l2", "inner", "cosine"])
def test_all_candidates_give_the_exact_neighbours(measure, tmp_path):
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(80, 6)), rng.normal(size=(7, 6))
    everything = np.array([rng.permutation(80) for _ in queries])
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    found = rerank(queries, everything, mapped, 10, measure)
    expected = nearest_vectors(queries, vectors, 10, measure)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.distances, expected.distances, atol=1e-12)


def test_ties_by_id_missing_candidates_and_chunks(monkeypatch):
    import sys

    monkeypatch.setattr(sys.modules[_function.__module__], "_CHUNK", 1)
    vectors = np.array([[0.0], [1.0], [1.0], [3.0]])
    found = rerank([[1.0], [3.0]], [[2, 1, -1], [-1, -1, 0]], vectors, 3)
    assert found.ids.tolist() == [[1, 2, -1], [0, -1, -1]]
    assert found.distances.tolist() == [[0, 0, np.inf], [9, np.inf, np.inf]]


def test_k_above_the_candidates_is_padded():
    vectors = np.array([[0.0], [1.0], [1.0], [3.0]])
    found = rerank([[1.0], [3.0]], [[2, 0], [-1, -1]], vectors, 4)
    assert found.ids.tolist() == [[2, 0, -1, -1], [-1, -1, -1, -1]]
    assert found.distances.tolist() == [[0, 1, np.inf, np.inf], [np.inf] * 4]
    none = np.empty((2, 0), int)
    assert rerank([[1.0], [3.0]], none, vectors, 3).ids.tolist() == [[-1] * 3] * 2
    assert rerank(vectors[:0], none[:0], vectors, 3).distances.shape == (0, 3)
    nothing = rerank([[1.0]], [[-1, -1]], vectors[:0], 3)
    assert nothing.ids.tolist() == [[-1] * 3]
    assert rerank([[1.0]], [[1, 0]], [[3.0], [1.0]], 1).ids.tolist() == [[1]]


def test_after_a_search():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 16))
    index = Scan(16)
    index.add(np.packbits(vectors >= 0, axis=1))
    candidates = index.search(np.packbits(vectors[:5] >= 0, axis=1), 20).ids
    assert rerank(vectors[:5], candidates, vectors, 1).ids[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_bad_input():
    vectors = np.zeros((4, 3))
    ids = np.zeros((2, 2), int)
    for arguments, message in [
        ((np.zeros((2, 2)), ids, vectors, 1), "equally wide"),
        ((vectors[:2], ids[:1], vectors, 1), r"ids \[2, m\]"),
        ((vectors[:2], ids / 2, vectors, 1), r"ids \[2, m\]"),
        ((vectors[:2], ids, vectors, 0), "k must be a whole number between 1"),
        ((vectors[:2], ids, vectors, True), "k must be a whole number between 1"),
        ((vectors[:2].astype(str), ids, vectors, 1), "query vectors must be real numbers"),
        ((vectors[:2], ids, vectors.astype(object), 1), "vectors must be real numbers"),
        ((vectors[:2], ids + 4, vectors, 1), "ids of the 4 vectors"),
        ((vectors[:2], ids, vectors, 1, "l1"), "measure must be one of"),
        ((vectors[:2] + np.nan, ids, vectors, 1), "finite"),
    ]:
        with pytest.raises(InputError, match=message):
            rerank(*arguments)

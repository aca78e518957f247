import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammingbird.doctor.truth import nearest_in_all, nearest_in_parts, nested_rows
from hammingbird.targets import nearest_vectors


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
def test_as_all_distances_say(n, k, seed):
    rng = np.random.default_rng(seed)
    database = rng.integers(0, 3, (n, 4)).astype(np.float16)  # many ties
    queries = rng.integers(0, 3, (5, 4)).astype(np.float32)
    order = rng.permutation(n)
    sizes = sorted({max(1, n // part) for part in (3, 2, 1)})
    nested = [np.sort(order[:size]) for size in sizes]
    for part in nearest_in_parts(queries, database, k, nested):
        expected = nearest_vectors(queries, database[part.rows], min(k, len(part.rows)))
        np.testing.assert_array_equal(part.nearest, expected.ids)


@pytest.mark.parametrize("kind", [np.uint8, np.float16, np.float64])
def test_every_row_is_searched_once(kind, monkeypatch):
    rng = np.random.default_rng(0)
    database = (rng.standard_normal((5000, 8)) * 20 + 100).astype(kind)  # far from zero
    queries = (rng.standard_normal((20, 8)) * 20 + 100).astype(np.float32)
    searched = []

    def counted(queries, rows, k):
        searched.append(len(rows))
        return nearest_vectors(queries, rows, k)

    monkeypatch.setattr("hammingbird.doctor.truth.nearest_vectors", counted)
    rows = nested_rows(len(database), 0)
    parts = nearest_in_parts(queries, database, 10, rows)
    assert [len(part.rows) for part in parts] == [312, 1250, 5000]
    assert searched == [312, 938, 3750]
    assert set(parts[0].rows) < set(parts[1].rows)
    for part in parts:
        expected = nearest_vectors(queries, database[part.rows], 10)
        np.testing.assert_array_equal(part.nearest, expected.ids)
    np.testing.assert_array_equal(nearest_in_all(queries, database, 10).nearest, parts[-1].nearest)


def test_small_parts_are_left_out():
    assert [len(rows) for rows in nested_rows(900, 0)] == [225, 900]

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammingbird.doctor import truth
from hammingbird.doctor.truth import nearest_in_parts, nested_rows
from hammingbird.targets import nearest_vectors


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 50), st.integers(0, 5))
def test_as_all_distances_say(n, k, at_once, seed):
    rng = np.random.default_rng(seed)
    database = rng.integers(0, 3, (n, 4)).astype(np.float16)  # many ties
    queries = rng.integers(0, 3, (5, 4)).astype(np.float32)
    some = np.sort(rng.permutation(n)[: max(1, n // 2)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(truth, "ROWS_AT_ONCE", at_once)
        patch.setattr(truth, "SPARE", n)
        parts = nearest_in_parts(queries, database, k, [some, np.arange(n)])
    for part in parts:
        expected = nearest_vectors(queries, database[part.rows], min(k, len(part.rows)))
        np.testing.assert_array_equal(part.nearest, expected.ids)


@pytest.mark.parametrize("spare", [0, 16])
def test_many_blocks(monkeypatch, spare):
    monkeypatch.setattr(truth, "SPARE", spare)
    rng = np.random.default_rng(0)
    database = rng.standard_normal((5000, 8)) + 100  # far from zero: single precision is short
    queries = rng.standard_normal((20, 8)) + 100
    monkeypatch.setattr(truth, "ROWS_AT_ONCE", 64)
    rows = nested_rows(len(database), 0)
    seen = []
    parts = nearest_in_parts(queries.astype(np.float32), database, 10, rows, seen.append)
    assert [len(part.rows) for part in parts] == [312, 1250, 5000]
    assert set(parts[0].rows) < set(parts[1].rows)
    assert sum(seen) == 5000
    for part in parts:
        expected = nearest_vectors(queries.astype(np.float32), database[part.rows], 10)
        np.testing.assert_array_equal(part.nearest, expected.ids)


def test_small_parts_are_left_out():
    assert [len(rows) for rows in nested_rows(900, 0)] == [225, 900]

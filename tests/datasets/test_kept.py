import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammingbird.datasets import load
from hammingbird.datasets.kept import in_kept_order, kept_order


@given(st.integers(1, 40), st.data())
def test_every_row_that_is_left_is_there_once(n, data):
    dropped = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))), np.int64)
    order = kept_order(n, dropped)
    assert sorted(order) == sorted(set(range(n)) - set(dropped))
    assert np.count_nonzero(order != np.arange(len(order))) <= len(dropped)


@pytest.fixture
def file(tmp_path):
    X = np.random.default_rng(0).standard_normal((3000, 7)).astype(np.float16)
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"


def test_a_memory_map_stays_one_and_its_file_as_it_was(file):
    before = file.read_bytes()
    dropped = np.array([0, 5, 1999, 2998])
    mapped = load(file).X
    order = kept_order(len(mapped), dropped)
    found = in_kept_order(mapped, order)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, np.array(mapped)[order])
    assert not {row.tobytes() for row in found} & {row.tobytes() for row in mapped[dropped]}
    assert file.read_bytes() == before
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0


@pytest.mark.parametrize("part", [np.s_[1234:], np.s_[:10], np.s_[700:2500]])
def test_a_part_of_a_memory_map(file, part):
    mapped = load(file).X[part]
    order = kept_order(len(mapped), np.array([1, 3]))
    np.testing.assert_array_equal(in_kept_order(mapped, order), np.array(mapped)[order])


def test_columns_of_a_memory_map_are_copied(file):
    mapped = load(file).X[:, ::2]
    order = kept_order(len(mapped), np.array([1]))
    np.testing.assert_array_equal(in_kept_order(mapped, order), np.array(mapped)[order])

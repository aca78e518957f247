import os
import tracemalloc

import numpy as np
import pytest

from hammingbird.datasets import load, shape, stream
from hammingbird.errors import FileError, InputError


def test_missing_and_unknown_files(tmp_path):
    with pytest.raises(FileError, match=r"gone\.npy does not exist"):
        load(tmp_path / "gone.npy")
    (tmp_path / "x.csv").write_text("1,2\n")
    with pytest.raises(FileError, match=r"x\.csv has an unknown ending: known are \.npy, \.npz"):
        load(tmp_path / "x.csv")


def test_names_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "x.npy")  # nobody writes: opening it would wait for ever
    with pytest.raises(FileError, match=r"x\.npy is neither a file nor a folder"):
        load(tmp_path / "x.npy")
    with pytest.raises(FileError, match="cannot be read"):
        load(tmp_path / ("long" * 100 + ".npy"))


def test_bad_arguments(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    with pytest.raises(InputError, match="part must be 'train' or 'query', got 'test'"):
        load(tmp_path / "x.npy", part="test")
    with pytest.raises(InputError, match="rows must be at least 1, got 0"):
        stream(tmp_path / "x.npy", rows=0)
    with pytest.raises(InputError, match="image_size must be at least 1, got 0"):
        shape(tmp_path / "x.npy", image_size=0)
    with pytest.raises(InputError, match=r"x\.npy holds arrays, .* leave image_size= out"):
        shape(tmp_path / "x.npy", image_size=8)
    with pytest.raises(InputError, match=r"x\.npy has no named arrays .* leave array= out"):
        load(tmp_path / "x.npy", array="X")


def test_part_changes_nothing_in_other_files(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3))
    assert np.array_equal(load(tmp_path / "x.npy", part="query").X, np.eye(3))


def test_text_paths_and_capital_endings(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3))
    (tmp_path / "x.npy").rename(tmp_path / "X.NPY")
    assert load(str(tmp_path / "X.NPY")).X.shape == (3, 3)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_a_stream_takes_memory_for_one_block(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    X = np.zeros((20_000, 50))
    np.save(path, X) if ending == "npy" else np.savez_compressed(path, X=X)
    tracemalloc.start()
    for block in stream(path, rows=500):
        assert not block.any()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 4


def test_blocks_of_wide_rows_are_smaller(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((10, 4)))
    monkeypatch.setattr("hammingbird.datasets.source.BLOCK_NUMBERS", 13)
    assert [len(block) for block in stream(tmp_path / "x.npy")] == [3, 3, 3, 1]

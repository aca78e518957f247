import sys

import numpy as np
import pytest

from hammingbird.datasets import load, shape, stream
from hammingbird.errors import FileError, MissingExtraError

h5py = pytest.importorskip("h5py")
rng = np.random.default_rng(0)
TRAIN, TEST = rng.random((40, 6), np.float32), rng.random((8, 6), np.float32)
NEIGHBORS = rng.integers(0, 40, (8, 3)).astype(np.int32)


@pytest.fixture(params=["contiguous", "compressed"])
def file(request, tmp_path):
    options = {"compression": "gzip"} if request.param == "compressed" else {}
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        for name, values in (("train", TRAIN), ("test", TEST), ("neighbors", NEIGHBORS)):
            file.create_dataset(name, data=values, **options)
    return tmp_path / "x.hdf5"


def test_both_parts(file):
    train, query = load(file), load(file, part="query")
    assert np.array_equal(train.X, TRAIN)
    assert train.neighbors is None
    assert np.array_equal(query.X, TEST)
    assert query.neighbors.dtype == np.int64
    assert np.array_equal(query.neighbors, NEIGHBORS)
    assert shape(file) == (40, 6)
    assert shape(file, part="query") == (8, 6)
    blocks = list(stream(file, rows=15))
    assert [len(block) for block in blocks] == [15, 15, 10]
    assert np.array_equal(np.concatenate(blocks), TRAIN)


def test_contiguous_parts_are_memory_mapped(tmp_path):
    for userblock in (0, 512):  # a user block shifts the addresses
        with h5py.File(tmp_path / "x.h5", "w", userblock_size=userblock) as file:
            file["train"] = TRAIN
        X = load(tmp_path / "x.h5").X
        assert isinstance(X, np.memmap) == (userblock == 0)
        assert np.array_equal(X, TRAIN)


def change(path, **arrays):
    with h5py.File(path, "r+") as file:
        for name, values in arrays.items():
            file.pop(name)
            if values is not None:
                file[name] = values


@pytest.mark.parametrize(
    ("arrays", "part", "message"),
    [
        ({"train": None}, "train", "no array 'train', it has: neighbors, test"),
        ({"test": None}, "query", "no array 'test', it has: neighbors, train"),
        ({"train": np.ones(5)}, "train", r"train must hold vectors \[n, d\]"),
        ({"train": np.ones((0, 5))}, "train", "is empty"),
        ({"train": np.array([[b"text"]], "S4")}, "train", r"\|S4 where vectors of numbers"),
        ({"neighbors": NEIGHBORS[:3]}, "query", r"neighbours of shape \(3, 3\) for 8 queries"),
        ({"neighbors": NEIGHBORS + 40}, "query", "no rows of its train part"),
    ],
)
def test_bad_content(file, arrays, part, message):
    change(file, **arrays)
    with pytest.raises(FileError, match=rf"x\.hdf5.*{message}"):
        load(file, part=part)


def test_lists_of_varying_length_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("train", (3, 2), h5py.vlen_dtype(np.float32))
    with pytest.raises(FileError, match="Python objects"):
        load(tmp_path / "x.h5")


def test_another_array_by_name(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["learn"] = TRAIN
        file.create_group("group")
    assert load(tmp_path / "x.h5", array="learn").X.shape == (40, 6)
    with pytest.raises(FileError, match="no array 'group'"):
        load(tmp_path / "x.h5", array="group")


def test_truncated_and_foreign(file, tmp_path):
    file.write_bytes(file.read_bytes()[:-100])
    (tmp_path / "foreign.hdf5").write_bytes(b"no HDF5 at all" * 100)
    for path in (file, tmp_path / "foreign.hdf5"):
        with pytest.raises(FileError, match=rf"{path.name} cannot be read"):
            load(path)


def test_without_h5py(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"h5py.*hammingbird\[files\]"):
        load(file)

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


def agree(path, part="train"):
    X, blocks = load(path, part=part).X, list(stream(path, part=part, rows=7))
    assert {block.dtype for block in blocks} == {X.dtype}
    assert b"".join(block.tobytes() for block in blocks) == X.tobytes()
    return X


def raw(file, name, type_, values):
    """Store values as an HDF5 type that NumPy may not have."""
    space = h5py.h5s.create_simple(values.shape)
    h5py.h5d.create(file.id, name, type_, space).write(h5py.h5s.ALL, h5py.h5s.ALL, values)


def twelve_bits():
    type_ = h5py.h5t.STD_I16LE.copy()
    type_.set_precision(12)
    return type_


def bfloat16():
    type_ = h5py.h5t.IEEE_F32LE.copy()
    type_.set_fields(15, 7, 8, 0, 7)
    type_.set_precision(16)
    type_.set_size(2)
    return type_


@pytest.mark.parametrize("type_", [twelve_bits(), bfloat16()], ids=["12 bits", "bfloat16"])
def test_types_that_numpy_lacks_are_converted_not_mapped(tmp_path, type_):
    values = np.arange(-120, 120, dtype=np.int16).reshape(40, 6)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        raw(file, b"train", type_, values)
    X = agree(tmp_path / "x.h5")
    assert not isinstance(X, np.memmap)
    assert np.array_equal(X, values)


@pytest.mark.parametrize(
    "dtype", ["<f2", ">f4", "<f8", ">i2", "<u8", "i1", "?", h5py.enum_dtype({"a": 1, "b": 2}, "i4")]
)
def test_what_is_mapped_is_what_is_streamed(tmp_path, dtype):
    values = (100 * TRAIN).astype(dtype)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("train", data=values, dtype=dtype)
    X = agree(tmp_path / "x.h5")
    assert np.array_equal(X, values)
    assert isinstance(X, np.memmap) == (dtype != "?")
    assert X.dtype == ("u1" if dtype == "?" else dtype)


def external_link(file):
    file["train"] = h5py.ExternalLink("other.h5", "/vec")


def soft_link_through_an_external_one(file):
    file["there"] = h5py.ExternalLink("other.h5", "/")
    file["train"] = h5py.SoftLink("/there/vec")


def virtual(file):
    layout = h5py.VirtualLayout(TRAIN.shape, TRAIN.dtype)
    layout[:] = h5py.VirtualSource("other.h5", "vec", TRAIN.shape)
    file.create_virtual_dataset("train", layout)


def stored_elsewhere(file):
    file.create_dataset("train", (8, 6), np.uint8, external=[("other.h5", 0, 48)])


def loop(file):
    file["train"] = h5py.SoftLink("/train")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (external_link, "train is a link to other.h5 that leads out of this file"),
        (soft_link_through_an_external_one, "train is a link to other.h5"),
        (virtual, "the values of train are stored in other files, which are never opened"),
        (stored_elsewhere, "the values of train are stored in other files"),
        (loop, "train is a link that leads out of this file or nowhere"),
    ],
)
def test_no_other_file_is_ever_opened(tmp_path, opened, make, message):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["vec"] = TRAIN[::-1]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["test"], file["neighbors"] = TEST, NEIGHBORS
        make(file)
    seen = opened(tmp_path)
    for part in ("train", "query"):  # the neighbours of the queries are counted against train
        with pytest.raises(FileError, match=rf"x\.h5: {message}"):
            load(tmp_path / "x.h5", part=part)
    assert seen.names() == {"x.h5"}


def test_links_inside_the_file_are_followed(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["group/vec"] = TRAIN
        file["group/there"] = h5py.SoftLink("./vec")
        file["train"] = h5py.SoftLink("/group//there")
    assert np.array_equal(agree(tmp_path / "x.h5"), TRAIN)


def three_bytes(file):
    type_ = h5py.h5t.STD_I32LE.copy()
    type_.set_precision(24)
    type_.set_size(3)
    raw(file, b"train", type_, np.zeros((40, 6), np.int32))


def committed_type(file):
    file["train"] = np.dtype(np.float32)


def never_written(file):
    file.create_dataset("train", (1 << 40, 1 << 10), np.float32, chunks=(1 << 10, 1 << 10))


def plugin(file):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((40, 6))
    plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple(TRAIN.shape)
    h5py.h5d.create(file.id, b"train", h5py.h5t.IEEE_F32LE, space, plist)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (three_bytes, "train has a type that NumPy lacks .*: convert it to float32"),
        (committed_type, r"has no array 'train', it has: train \(a type\)"),
        (lambda file: file.create_group("train"), r"no array 'train', it has: train \(a group\)"),
        (
            lambda file: file.update(train=3.0),
            r"train must hold vectors \[n, d\], its shape is \(\)",
        ),
        (lambda file: file.update(train=h5py.Empty("f4")), "train must hold vectors"),
        (never_written, "train claims 4503599627370496 bytes, but 0 are stored"),
        (plugin, "train is packed with filter 32015 .*: pack it with gzip"),
    ],
)
def test_what_cannot_be_vectors(tmp_path, make, message):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        make(file)
    with pytest.raises(FileError, match=rf"x\.h5.*{message}"):
        load(tmp_path / "x.h5")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.create_group("neighbors"), "neighbors is no array of row numbers"),
        (lambda file: file.update(neighbors=np.ones((8, 2))), "neighbours of type float64"),
        (lambda file: file.update(neighbors=np.full((8, 2), 2**64 - 1, "u8")), "no rows of its"),
        (lambda file: file.update(neighbors=np.zeros((8, 2), int)), "no rows of its train part"),
    ],
)
def test_neighbours_that_are_none(tmp_path, make, message):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["test"], file["train"] = TEST, 3.0
        make(file)
    with pytest.raises(FileError, match=message):
        load(tmp_path / "x.h5", part="query")


def test_a_chunk_that_stores_nothing_is_not_filled_from_memory(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset("train", data=TRAIN, chunks=(10, 6))
    content = bytearray(path.read_bytes())
    size, mask, start = (240).to_bytes(4, "little"), bytes(4), (10).to_bytes(8, "little")
    key = content.index(size + mask + start)  # of the second chunk in the tree of chunks
    content[key : key + 4] = bytes(4)
    path.write_bytes(content)
    for read in (load, lambda path: list(stream(path))):
        with pytest.raises(FileError, match=r"the chunk of train at \(10, 0\) stores 0 bytes"):
            read(path)

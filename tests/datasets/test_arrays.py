import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hammingbird.datasets import load, shape, stream
from hammingbird.errors import FileError

rng = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float32, np.float64, bool])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_every_type_of_number_comes_back(tmp_path, dtype, order, ending):
    X = np.asarray(rng.integers(0, 2, (23, 5)).astype(dtype), order=order)
    path = tmp_path / f"x.{ending}"
    np.save(path, X) if ending == "npy" else np.savez_compressed(path, X=X)
    dataset = load(path)
    assert np.array_equal(dataset.X, X)
    assert dataset.X.dtype == (np.uint8 if dtype is bool else dtype)
    assert dataset.name == path.name
    assert dataset.y is dataset.images is dataset.neighbors is None
    assert shape(path) == (23, 5)
    blocks = list(stream(path, rows=10))
    assert [len(block) for block in blocks] == [10, 10, 3]
    assert np.array_equal(np.concatenate(blocks), X)


def test_npy_is_memory_mapped(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    X = load(tmp_path / "x.npy").X
    assert isinstance(X, np.memmap)
    assert not X.flags.writeable


@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize(
    "size", [(7, 4, 5), (7, 4, 5, 3), (7, 4, 5, 1), (7, 3, 4, 5), (7, 1, 4, 5)]
)
def test_bytes_with_more_dimensions_are_images(tmp_path, ending, size):
    array = rng.integers(0, 256, size).astype(np.uint8)
    path = tmp_path / f"x.{ending}"
    np.save(path, array) if ending == "npy" else np.savez(path, images=array)
    dataset = load(path)
    expected = np.moveaxis(array, 1, -1) if size[1] in (1, 3) else array
    expected = expected[..., 0] if expected.shape[-1] == 1 else expected
    assert np.array_equal(dataset.images, expected)
    assert np.array_equal(dataset.X, expected.reshape(7, -1))
    assert np.array_equal(np.concatenate(list(stream(path, rows=3))), dataset.X)
    assert shape(path) == dataset.X.shape


def test_real_numbers_with_more_dimensions_are_flat_vectors(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2, 4), np.float32))
    dataset = load(tmp_path / "x.npy")
    assert dataset.X.shape == (3, 8)
    assert dataset.images is None


@pytest.mark.parametrize("name", ["X", "features", "vectors", "data", "images", "anything"])
@pytest.mark.parametrize("label", ["y", "labels"])
def test_npz_names_and_labels(tmp_path, name, label):
    np.savez(tmp_path / "x.npz", **{name: np.ones((4, 2)), label: [3, 1, 2, 0]})
    dataset = load(tmp_path / "x.npz")
    assert dataset.X.shape == (4, 2)
    assert dataset.y.tolist() == [3, 1, 2, 0]


def test_npy_may_go_on_behind_its_array(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3))
    with (tmp_path / "x.npy").open("ab") as file:
        file.write(b"\n{}")  # as a file of codes goes on with what the codes are
    assert np.array_equal(load(tmp_path / "x.npy").X, np.eye(3))
    assert np.array_equal(next(stream(tmp_path / "x.npy")), np.eye(3))


def test_npz_with_everything(tmp_path):
    pictures = np.zeros((4, 3, 3), np.uint8)
    np.savez(
        tmp_path / "x.npz",
        X=np.ones((4, 2)),
        images=pictures,
        y=np.array(["a", "b", "b", "a"]),
        classes=np.array(["a", "b"]),
        text=np.array([{}, 1, 2, 3], object),  # never read
    )
    dataset = load(tmp_path / "x.npz")
    assert dataset.X.shape == (4, 2)
    assert dataset.images.shape == (4, 3, 3)
    assert dataset.y.tolist() == ["a", "b", "b", "a"]
    assert dataset.classes.tolist() == ["a", "b"]


def test_class_names_that_are_no_strings_are_left_alone(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.ones((2, 2)), classes=np.array([None, {}], object))
    assert load(tmp_path / "x.npz").classes is None


def test_npz_with_unusual_names_takes_the_named_array(tmp_path):
    np.savez(tmp_path / "x.npz", left=np.zeros((4, 2)), right=np.ones((5, 3)))
    with pytest.raises(FileError, match=r"x\.npz has no array of vectors .* left, right; .*array="):
        load(tmp_path / "x.npz")
    assert load(tmp_path / "x.npz", array="right").X.shape == (5, 3)
    with pytest.raises(FileError, match="no array 'up', it has: left, right"):
        load(tmp_path / "x.npz", array="up")


@pytest.mark.parametrize(
    ("y", "kept"),
    [
        (np.array([[1], [0], [2]]), [1, 0, 2]),
        (np.array([1.0, 0.0, 2.0]), [1, 0, 2]),
        (np.array([[1, 0], [0, 1], [1, 1]]), [[1, 0], [0, 1], [1, 1]]),
        (np.array([[1.0, 0], [0, 0], [1, 1]]), [[1, 0], [0, 0], [1, 1]]),
        (np.array([[1], [0], [1]]), [[1], [0], [1]]),  # sets of one class
        (np.array([["b"], ["a"], ["b"]]), ["b", "a", "b"]),
    ],
)
def test_labels_and_label_sets(tmp_path, y, kept):
    np.savez(tmp_path / "x.npz", X=np.ones((3, 2)), y=y)
    found = load(tmp_path / "x.npz").y
    assert found.tolist() == kept
    assert found.dtype.kind in "iuU"


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.arange(4), "labels of shape .4,. for 3 rows"),
        (np.int64(3), r"labels of shape \(\) for 3 rows"),
        (np.array([0.5, 1, 2]), "not whole numbers"),
        (np.array([np.nan, 1, 2]), "not whole numbers"),
        (np.array([1e300, 1, 2]), "not whole numbers"),
        (np.array([[0, 2], [1, 0], [0, 0]]), "other than 0 and 1"),
        (np.array([1j, 2, 3]), "labels of type complex128"),
        (np.array([None, 1, 2]), "Python objects, which are never loaded"),
        (np.full(3, 0x110000, "u4").view("U1"), "its strings are damaged"),
        (np.full(3, np.inf, "f2"), "not whole numbers"),
        (np.zeros(3, "i4,i4"), "labels of type"),
    ],
)
def test_bad_labels(tmp_path, y, message):
    np.savez(tmp_path / "x.npz", X=np.ones((3, 2)), y=y)
    with pytest.raises(FileError, match=rf"x\.npz.*{message}"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[1, "a"]], object), "Python objects, which are never loaded"),
        (np.array([["a", "b"]]), "<U1 where vectors of numbers"),
        (np.ones((2, 2), complex), "complex128 where vectors of numbers"),
        (np.ones(5), r"its shape is \(5,\)"),
        (np.ones((2, 2, 2, 2, 2)), r"its shape is \(2, 2, 2, 2, 2\)"),
        (np.ones((0, 4)), r"is empty: its shape is \(0, 4\)"),
        (np.ones((4, 0)), r"is empty: its shape is \(4, 0\)"),
    ],
)
def test_arrays_that_are_no_vectors(tmp_path, ending, array, message):
    path = tmp_path / f"x.{ending}"
    np.save(path, array) if ending == "npy" else np.savez(path, X=array)
    for read in (load, shape, lambda path: list(stream(path))):
        with pytest.raises(FileError, match=rf"x\.{ending}.*{message}"):
            read(path)


def test_a_header_that_promises_too_much_allocates_nothing(tmp_path):
    header = io.BytesIO()
    promise = {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 1 << 10)}
    np.lib.format.write_array_header_1_0(header, promise)
    (tmp_path / "x.npy").write_bytes(header.getvalue())
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("X.npy", header.getvalue())
    for name in ("x.npy", "x.npz"):
        with pytest.raises(FileError, match=rf"{name}.*promises {1 << 53} bytes, 0 follow"):
            load(tmp_path / name)


@pytest.mark.filterwarnings("ignore")  # NumPy warns of headers that look like Python 2's
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_damage_is_a_file_error_or_harmless(tmp_path, ending, data):
    path = tmp_path / f"x.{ending}"
    X = np.arange(60, dtype=np.float32).reshape(12, 5)
    np.save(path, X) if ending == "npy" else np.savez_compressed(path, X=X, y=np.arange(12))
    content = bytearray(path.read_bytes())
    where = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[where:]
    else:
        content[where] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        load(path) if data.draw(st.booleans()) else list(stream(path, rows=5))
    except FileError as error:
        assert path.name in str(error)  # noqa: PT017 - damage to the values passes unseen


def header(shape, descr="<f4"):
    """Return the start of a .npy file whose header says anything."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header("(True, 60)") + bytes(240), r"its shape is \(True, 60\)"),
        (header("(-1, 60)"), r"its shape is \(-1, 60\)"),
        (header("(2, 60), 'x': 1"), "cannot be read"),
        (header("((2,), 60)"), "cannot be read"),
        (header("(9, 60)", "<U0"), "promises 0 bytes"),
        (b"\x93NUMPY\2\0" + (1 << 31).to_bytes(4, "little"), "claims 2147483648 bytes"),
        (b"\x93NUMPY\3\0" + bytes(100), r"version \(3, 0\)"),
        (b"\x93NUMPY\1\0\5\0(((((", "no npy header"),
    ],
)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_headers_that_are_none(tmp_path, ending, content, message):
    path = tmp_path / f"x.{ending}"
    if ending == "npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("X.npy", content)
    for read in (load, shape, stream):
        with pytest.raises(FileError, match=rf"x\.{ending}.*{message}"):
            read(path)


def test_an_npz_file_named_npy(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.eye(3))
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(FileError, match=r"x\.npy is a zip archive, not one array: name it \.npz"):
        load(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("packing", "name"), [(zipfile.ZIP_LZMA, "LZMA"), (zipfile.ZIP_BZIP2, "bzip2")]
)
def test_packings_that_numpy_never_uses(tmp_path, packing, name):
    content = io.BytesIO()
    np.save(content, np.eye(3))
    with zipfile.ZipFile(tmp_path / "x.npz", "w", packing) as archive:
        archive.writestr("X.npy", content.getvalue())
    for read in (load, shape, stream):
        with pytest.raises(FileError, match=rf"X\.npy is packed by {name}.*savez_compressed"):
            read(tmp_path / "x.npz")


def test_an_archive_that_claims_to_unpack_to_too_much(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, X=np.zeros((4, 4)))
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    content[entry + 24 : entry + 28] = (1 << 31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(FileError, match=rf"X\.npy claims to unpack \d+ bytes into {1 << 31}"):
        load(path)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_wrong_checksum_is_seen_by_load_and_stream(tmp_path, order):
    path = tmp_path / "x.npz"
    np.savez(path, X=np.asarray(np.ones((20, 3)), order=order))
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(1).tobytes())] ^= 1
    path.write_bytes(content)
    for read in (load, lambda path: list(stream(path, rows=7))):
        with pytest.raises(FileError, match=r"x\.npz.*CRC"):
            read(path)

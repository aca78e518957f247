import gzip
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hammingbird.datasets import load, shape, stream
from hammingbird.errors import FileError

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 4, 5)).astype(np.uint8)
LABELS = (np.arange(30) % 7).astype(np.uint8)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(path, array):
    path.write_bytes(gzip.compress(idx(array)) if path.suffix == ".gz" else idx(array))
    return path


@pytest.fixture(params=["a-images-idx3-ubyte", "a-images-idx3-ubyte.gz", "a-images.idx3-ubyte"])
def path(request, tmp_path):
    return write(tmp_path / request.param, IMAGES)


def test_images_without_labels(path):
    dataset = load(path)
    assert np.array_equal(dataset.images, IMAGES)
    assert np.array_equal(dataset.X, IMAGES.reshape(30, 20))
    assert np.shares_memory(dataset.X, dataset.images)
    assert dataset.y is None
    assert shape(path) == (30, 20)
    blocks = list(stream(path, rows=8))
    assert [len(block) for block in blocks] == [8, 8, 8, 6]
    assert np.array_equal(np.concatenate(blocks), dataset.X)


def test_plain_files_are_memory_mapped(tmp_path):
    assert isinstance(load(write(tmp_path / "a-images-idx3-ubyte", IMAGES)).X, np.memmap)


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_labels_beside_the_images(path, packed):
    name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    beside = write(path.with_name(name + packed), LABELS)
    assert np.array_equal(load(path).y, LABELS)
    with pytest.raises(
        FileError, match=rf"{beside.name} holds labels: pass the file of the images"
    ):
        load(beside)


@pytest.mark.parametrize("labels", [LABELS[:-1], np.ones((30, 2, 2), np.uint8)])
def test_labels_of_the_wrong_length(path, labels):
    beside = write(path.with_name(path.name.replace("images", "labels").replace("3", "1")), labels)
    with pytest.raises(FileError, match=rf"{beside.name} has labels of shape .* for 30 rows"):
        load(path)


def test_truncated(path):
    content = path.read_bytes()
    for end in (2, 9, len(content) - 1):
        path.write_bytes(content[:end])
        for read in (load, lambda path: list(stream(path))):
            with pytest.raises(FileError, match=path.name):
                read(path)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(IMAGES)[:-1], "truncated"),
        (idx(IMAGES) + b"more", "altered"),
        (b"\0\0\x0d\3" + idx(IMAGES)[4:], "starts with 00000d03"),
        (b"PK\3\4" + bytes(100), "starts with 504b0304"),
        (b"\0\0\x08\3" + struct.pack(">3I", 1 << 31, 1 << 31, 1 << 31), "truncated or altered"),
        (idx(IMAGES[:0]), r"is empty: its shape is \(0, 4, 5\)"),
        (b"\0\0\x08" + bytes([65]) + struct.pack(">65I", *[1] * 65) + b"\1", "its shape is"),
    ],
)
def test_bad_content(tmp_path, ending, content, message):
    path = tmp_path / f"a-images-idx3-ubyte{ending}"
    path.write_bytes(gzip.compress(content) if ending else content)
    with pytest.raises(FileError, match=rf"idx3-ubyte{ending}.*{message}"):
        load(path)


def test_no_gzip_behind_the_ending(tmp_path):
    (tmp_path / "a-idx3-ubyte.gz").write_bytes(idx(IMAGES))
    with pytest.raises(FileError, match=r"a-idx3-ubyte\.gz cannot be read"):
        load(tmp_path / "a-idx3-ubyte.gz")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.integers(0, 200), flip=st.integers(1, 255), blocks=st.booleans())
def test_damage_is_a_file_error_or_harmless(tmp_path, where, flip, blocks):
    path = write(tmp_path / "a-images-idx3-ubyte.gz", IMAGES)
    content = bytearray(path.read_bytes())
    content[where] ^= flip
    path.write_bytes(content)
    try:
        load(path) if blocks else list(stream(path))
    except FileError as error:
        assert path.name in str(error)  # noqa: PT017 - damage to gzip's own notes is harmless


def test_a_header_of_6_gb_takes_no_memory(tmp_path, monkeypatch):
    path = tmp_path / "a-images-idx3-ubyte.gz"
    head = struct.pack(">HBB3I", 0, 8, 3, 3, 1 << 16, 1 << 15)
    noise = np.random.default_rng(0).bytes(7_000_000)
    path.write_bytes(gzip.compress(head + noise, 0))

    def empty(shape, *rest):
        raise MemoryError

    monkeypatch.setattr("hammingbird.datasets.idx.np.empty", empty)
    for read in (load, lambda path: list(stream(path))):
        with pytest.raises(FileError, match=r"idx3-ubyte\.gz does not fit in memory"):
            read(path)


def test_labels_of_65_dimensions(tmp_path):
    write(tmp_path / "a-images-idx3-ubyte", IMAGES[:1])
    content = b"\0\0\x08" + bytes([65]) + struct.pack(">65I", *[1] * 65) + b"\1"
    (tmp_path / "a-labels-idx1-ubyte.gz").write_bytes(gzip.compress(content))
    with pytest.raises(FileError, match=r"a-labels-idx1-ubyte\.gz has labels of shape"):
        load(tmp_path / "a-images-idx3-ubyte")

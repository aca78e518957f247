import numpy as np
import pytest

from hammingbird.datasets import load, shape, stream
from hammingbird.errors import FileError

TYPES = {"fvecs": np.float32, "ivecs": np.int32, "bvecs": np.uint8}


def write(path, X):
    content = b"".join(np.int32(len(row)).tobytes() + row.tobytes() for row in X)
    path.write_bytes(content)
    return path


@pytest.fixture(params=TYPES)
def file(request, tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (50, 7)).astype(TYPES[request.param])
    return write(tmp_path / f"x.{request.param}", X), X


def test_rows_come_back_without_their_widths(file):
    path, X = file
    dataset = load(path)
    assert np.array_equal(dataset.X, X)
    assert dataset.X.dtype == X.dtype
    assert isinstance(dataset.X, np.memmap)
    assert dataset.y is None
    assert shape(path) == (50, 7)
    blocks = list(stream(path, rows=20))
    assert [len(block) for block in blocks] == [20, 20, 10]
    assert np.array_equal(np.concatenate(blocks), X)


def test_a_row_of_another_width(file):
    path, X = file
    content = bytearray(path.read_bytes())
    row_bytes = len(content) // len(X)
    content[row_bytes * 31] = 6
    path.write_bytes(content)
    for read in (load, lambda path: list(stream(path, rows=8))):
        with pytest.raises(FileError, match=r"x\..vecs row 31 has width 6, the first row has 7"):
            read(path)


@pytest.mark.parametrize("cut", [1, 3, 10])
def test_truncated(file, cut):
    path, _ = file
    path.write_bytes(path.read_bytes()[:-cut])
    for read in (load, shape, stream):
        with pytest.raises(FileError, match=r"x\..vecs is truncated, or its rows differ in width"):
            read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\1\0", "is truncated"),
        (np.int32(-1).tobytes() + bytes(8), "claims width -1"),
        (np.int32(0).tobytes(), "claims width 0"),
        (b"text that is no vectors", "claims width"),
    ],
)
def test_foreign(tmp_path, content, message):
    (tmp_path / "x.fvecs").write_bytes(content)
    with pytest.raises(FileError, match=rf"x\.fvecs.*{message}"):
        load(tmp_path / "x.fvecs")

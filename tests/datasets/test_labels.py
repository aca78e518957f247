import numpy as np
import pytest

from hammingbird.datasets import read_labels
from hammingbird.errors import FileError


@pytest.mark.parametrize(
    ("y", "kept"),
    [
        ([3, 1, -1], [3, 1, -1]),
        ([3.0, 1.0, 2.0], [3, 1, 2]),
        (["b", "a", "b"], ["b", "a", "b"]),
        ([[1, 0], [0, 0]], [[1, 0], [0, 0]]),
        ([[1], [0]], [[1], [0]]),
        ([[1], [2]], [1, 2]),
    ],
)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_bare_or_beside_vectors(tmp_path, y, kept, ending):
    path = tmp_path / f"y.{ending}"
    np.save(path, y) if ending == "npy" else np.savez(path, X=np.ones((len(y), 2)), y=y)
    assert read_labels(str(path)).tolist() == kept


def test_a_file_without_labels(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.eye(3))
    with pytest.raises(FileError, match=r"x\.npz has no labels: give a \.npy array"):
        read_labels(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([None, 1, 2]), "Python objects, which are never loaded.*-1 where there is no"),
        (np.array(3), r"labels of shape \(\)"),
        (np.array([0.5, 1]), "not whole numbers"),
        (np.full(3, 0x110000, "u4").view("U1"), "its strings are damaged"),
    ],
)
def test_arrays_that_are_no_labels(tmp_path, y, message):
    np.save(tmp_path / "y.npy", y)
    with pytest.raises(FileError, match=rf"y\.npy.*{message}"):
        read_labels(tmp_path / "y.npy")


def test_files_that_are_no_arrays(tmp_path):
    (tmp_path / "y.npy").write_bytes(b"\x93NUMPY\1\0\5\0(((((")
    with pytest.raises(FileError, match=r"y\.npy cannot be read"):
        read_labels(tmp_path / "y.npy")
    with pytest.raises(FileError, match=r"gone\.npy does not exist"):
        read_labels(tmp_path / "gone.npy")
    np.savez(tmp_path / "x.npz", y=[1, 2])
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(FileError, match=r"x\.npy is a zip archive"):
        read_labels(tmp_path / "x.npy")

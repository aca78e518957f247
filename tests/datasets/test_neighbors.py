"""True neighbours from every kind of file that has some."""

from __future__ import annotations

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.datasets import read_neighbors


def test_hits_of_a_search_are_true_neighbors(tmp_path):
    """What ``search`` writes feeds ``evaluate``: shorter codes against the hits of longer ones."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 24))
    codes = hb.ITQ(24, random_state=0).fit(X).transform(X)
    hits = hb.Scan(24).add(codes[20:]).search(codes[:20], k=5)
    np.savez(tmp_path / "hits.npz", ids=hits.ids, distances=hits.distances)
    neighbors = read_neighbors(tmp_path / "hits.npz")
    np.testing.assert_array_equal(neighbors, hits.ids)
    short = codes[:, :1]
    found, expected = (
        hb.evaluate(short[:20], short[20:], n_bits=8, neighbors=truth, metrics=["recall5@9", "map"])
        for truth in (neighbors, hits)
    )
    assert found == expected


def test_bare_rows(tmp_path):
    rows = np.array([[3, 1, -1], [0, 2, 4]], np.int32)
    np.save(tmp_path / "rows.npy", rows)
    with (tmp_path / "rows.ivecs").open("wb") as file:
        for row in rows:
            file.write(np.array([3, *row], np.int32).tobytes())
    for name in ("rows.npy", "rows.ivecs"):
        found = read_neighbors(tmp_path / name)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, rows)


def test_files_of_benchmarks(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "sift.hdf5", "w") as file:
        file["train"], file["test"] = np.ones((5, 2)), np.ones((2, 2))
        file["neighbors"] = np.array([[3, 1], [0, 2]])
    assert read_neighbors(tmp_path / "sift.hdf5").tolist() == [[3, 1], [0, 2]]


def test_what_holds_none_says_so(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.ones((3, 2)), y=np.arange(3))
    with pytest.raises(hb.FileError, match="no array 'ids', it has: X, y"):
        read_neighbors(tmp_path / "data.npz")
    np.save(tmp_path / "vectors.npy", np.ones((3, 2)))
    with pytest.raises(hb.FileError, match="float64 where rows of neighbours"):
        read_neighbors(tmp_path / "vectors.npy")
    with (tmp_path / "x.fvecs").open("wb") as file:
        file.write(np.array([1], np.int32).tobytes() + np.ones(1, np.float32).tobytes())
    with pytest.raises(hb.FileError, match="has no neighbours: give hits"):
        read_neighbors(tmp_path / "x.fvecs")
    with pytest.raises(hb.FileError, match="does not exist"):
        read_neighbors(tmp_path / "gone.npz")

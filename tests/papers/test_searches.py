"""The sets that SGH's figures search, on small files in the formats of the published ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hammingbird as hb
from hammingbird import papers as room
from hammingbird.papers import reconstruction, searches, sgh
from hammingbird.papers.places import MissingDataError

RNG = np.random.default_rng(0)


def write(path, rows, dtype):
    """Rows as TEXMEX writes them: the width, then the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.ascontiguousarray(rows, dtype)
    width = np.full((len(rows), 1), rows.shape[1], "<i4").view(np.uint8)
    path.write_bytes(np.concatenate([width, rows.view(np.uint8)], axis=1).tobytes())


@pytest.fixture
def texmex(tmp_path, monkeypatch):
    """The three sets with 150 rows, the true neighbours from the end instead of searched."""
    monkeypatch.setenv("HAMMINGBIRD_DATA", str(tmp_path / "data"))
    written = {}
    for name, files in searches.FILES.items():
        dtype = "u1" if name == "sift1b" else "<f4"
        base, asked, learn = (RNG.integers(0, 200, (n, 8)) for n in (150, 6, 90))
        truth = np.tile(np.arange(149, 29, -1), (6, 1))
        for file, rows in zip(files, (base, asked, learn), strict=False):
            write(tmp_path / "data" / name / file, rows, dtype)
        write(tmp_path / "data" / name / files[3], truth, "<i4")
        written[name] = base, asked, learn, truth
    return written


@pytest.mark.parametrize("name", ["sift1m", "gist1m", "sift1b"])
def test_files_are_read_as_published(texmex, name, monkeypatch):
    monkeypatch.setattr(searches, "LEARNT", 50)
    (found,) = searches.own_searches(name)
    base, asked, learn, truth = texmex[name]
    np.testing.assert_array_equal(found.X, base)
    np.testing.assert_array_equal(found.queries, asked)
    np.testing.assert_array_equal(found.learn, learn[:50])
    np.testing.assert_array_equal(found.ids, truth)
    assert isinstance(found.X.base, np.memmap | np.ndarray)
    assert not found.X.flags.owndata, "mapped, not read"


def test_sets_that_are_not_there_are_left_out(texmex, tmp_path):
    assert [s.name for s in searches.own_searches("sift1b", "gist1m")] == ["sift1b", "gist1m"]
    assert searches.own_searches("sift2m") == []
    (tmp_path / "data" / "gist1m" / "gist_learn.fvecs").unlink()
    with pytest.raises(MissingDataError, match=r"gist_learn\.fvecs is missing.* 4 GB.*CC0"):
        searches.own_searches("gist1m")


def test_true_neighbours_must_be_rows_of_the_base(texmex, tmp_path):
    folder = tmp_path / "data" / "sift1b"
    write(folder / "gnd" / "idx_1000M.ivecs", np.full((6, 100), 150), "<i4")
    with pytest.raises(hb.FileError, match=r"idx_1000M.ivecs does not name rows of bigann_base"):
        searches.own_searches("sift1b")
    write(folder / "bigann_learn.bvecs", RNG.integers(0, 9, (5, 7)), "u1")
    with pytest.raises(hb.FileError, match="different widths"):
        searches.own_searches("sift1b")


@pytest.fixture
def small(texmex, monkeypatch):
    """One made set beside the published ones."""
    X = RNG.standard_normal((130, 70)).astype(np.float32)
    for name in ("mnist", "sift", "gist"):
        made = searches.Search(name, X[:120], X[120:], X[:120])
        for module in (sgh, reconstruction):
            monkeypatch.setattr(module, f"{name}_search", lambda m=made: m, raising=False)
    monkeypatch.setattr(sgh, "METHODS", ("lsh",))
    monkeypatch.setattr(reconstruction, "PASSES", (1, 2))
    monkeypatch.setattr(reconstruction, "ROUNDS", (1, 2))
    monkeypatch.setattr(reconstruction, "STEPS", (10, 20))


def test_neighbours_of_the_file_count_not_the_nearest(small, texmex, tmp_path):
    found = room.reproduce("sgh-fig7", tmp_path, quick=True)
    assert found["quick"]
    sets = {r["data"] for r in found["records"]}
    assert sets == {"mnist", "sift", "gist", "sift1m", "gist1m"}
    assert not (tmp_path / "neighbors" / "sift1m.npy").exists()
    base, asked, learn, truth = texmex["sift1m"]
    hasher = hb.LSH(8, random_state=0).fit(learn)
    distances = hb.hamming(hasher.transform(asked), hasher.transform(base))
    expected = np.mean([_share(d, t[:100]) for d, t in zip(distances, truth, strict=True)])
    table = {r["data"]: r for r in found["recall 100@100"]}
    assert table["sift1m"]["8 bits"] == pytest.approx(expected, abs=1e-5)
    assert set(table["mnist"]) == {"data", "method", "8 bits", "64 bits"}


def _share(distances, ids):
    """How many of the ids are expected among the 100 nearest, ties in random order."""
    closer = (distances[None] < distances[ids, None]).sum(axis=1)
    equal = (distances[None] == distances[ids, None]).sum(axis=1)
    return np.clip((100 - closer) / equal, 0, 1).mean()


def test_figures_of_reconstruction_have_a_line_per_set_and_length(small, tmp_path, monkeypatch):
    monkeypatch.setattr(reconstruction, "own_searches", lambda *_: [])
    found = room.reproduce("sgh-fig4", tmp_path, quick=True)
    assert [(r["data"], r["bits"]) for r in found["table"]] == [
        ("mnist", 8), ("mnist", 64), ("gist", 8), ("gist", 64),
    ]  # fmt: skip
    last = [
        r for r in found["records"] if (r["data"], r["bits"], r["method"]) == ("gist", 8, "SGH")
    ]
    assert found["table"][2]["SGH fair"] == last[-1]["fair"]
    assert found["table"][2]["fair, squared: SGH"] == pytest.approx(2 * last[-1]["fair"])
    times = room.reproduce("sgh-fig5", tmp_path, quick=True)
    assert all(r["BA s"] > 0 and r["SGH error"] > 0 for r in times["table"])
    assert json.loads((tmp_path / "sgh-fig5.json").read_text())["table"] == times["table"]


def test_the_first_fit_as_good_as_ba_is_named():
    record = {
        "data": "x", "bits": 8, "ba": {"seconds": 6.0, "error": 2.0},
        "itq": {"seconds": 1.0, "error": 3.0},
        "sgh": [{"steps": s, "seconds": s / 10, "error": e} for s, e in ((10, 2.5), (20, 1.5))],
    }  # fmt: skip
    line = reconstruction.first_as_good(record)
    assert (line["SGH steps to it"], line["BA / SGH"], line["SGH error"]) == (20, 3.0, 3.0)
    record["ba"]["error"] = 1.0
    assert reconstruction.first_as_good(record)["BA / SGH"] == ""

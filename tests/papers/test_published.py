"""The papers' own sets on small files in their formats, and what stands in for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.papers import published, sources, tables
from hammingbird.papers.places import MissingDataError

pa = pytest.importorskip("pyarrow")


@pytest.fixture
def nus(tmp_path, monkeypatch):
    """Thirty pictures of three concepts: vectors with names, and text lists."""
    import pyarrow.parquet

    folder = tmp_path / "nuswide_21"
    folder.mkdir()
    monkeypatch.setenv("HAMMINGBIRD_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    y = (rng.random((30, 3)) < 0.5).astype(int)
    y[:, 0] |= ~y.any(axis=1)
    X = (y @ rng.standard_normal((3, 8)) + 0.1 * rng.standard_normal((30, 8))).astype(np.float32)
    names = [f"images/{i}_m.jpg" for i in range(30)]
    columns = {"name": names, "vector": pa.array(list(X), pa.list_(pa.float32()))}
    pyarrow.parquet.write_table(pa.table(columns), folder / "vectors.parquet")
    for part, rows in (("test", range(5)), ("train", range(10, 20)), ("database", range(5, 30))):
        lines = (f"./x/{names[i]} {' '.join(map(str, y[i]))}\n" for i in rows)
        (folder / f"{part}.txt").write_text("".join(lines))
    few = replace(published.NUS_21, counts={"train": 10, "query": 5})
    monkeypatch.setattr(published, "NUS_21", few)
    return few, X, y


def test_parts_are_those_of_the_lists(nus):
    few, X, y = nus
    train, query, database = few()
    assert train.name == "nuswide_21"
    np.testing.assert_array_equal(train.X, X[10:20])
    np.testing.assert_array_equal(query.y, y[:5])
    np.testing.assert_array_equal(database.X, X[5:])
    learn, _, searched = published.nus_21_all()
    assert learn is searched
    np.testing.assert_array_equal(learn.X, X[5:])
    assert learn.name != train.name, "runs on it have their own folder"


def test_pictures_are_those_of_the_lists(nus, tmp_path):
    Image = pytest.importorskip("PIL.Image")
    few, _, y = nus
    assert not few.has_pictures
    with pytest.raises(MissingDataError, match="nuswide_21/pictures is missing"):
        few.pictures(4)
    folder = tmp_path / "nuswide_21" / "pictures" / "any"
    folder.mkdir(parents=True)
    for i in range(30):
        Image.fromarray(np.full((6, 5, 3), 8 * i, np.uint8)).save(folder / f"{i}_m.jpg")
    assert few.has_pictures
    train, query, database = few.pictures(4)
    assert train.images.shape == (10, 4, 4, 3)
    assert np.abs(database.images[:, 0, 0, 0].astype(int) - 8 * np.arange(5, 30)).max() <= 3
    np.testing.assert_array_equal(query.y, y[:5])


def test_another_version_of_the_lists_is_refused(nus):
    with pytest.raises(hb.FileError, match="10,500 were published"):
        replace(nus[0], counts={"train": 10_500})()


def test_a_missing_file_is_said_in_one_line(nus, tmp_path):
    (tmp_path / "nuswide_21" / "database.txt").unlink()
    with pytest.raises(MissingDataError, match=r"database\.txt is missing.*195,834 .*research"):
        nus[0]()
    with pytest.raises(MissingDataError, match=r"coco/vectors\.parquet is missing.* 19 GB.*CC BY"):
        published.COCO()
    with pytest.raises(MissingDataError) as caught:
        published.IMAGENET100()
    assert "\n" not in str(caught.value)


def test_what_stands_in_is_said_in_the_table(nus, tmp_path):
    few, *_ = nus
    table = tables.Table(
        "t", few, "NUS-WIDE-21", "map@20", (4,), (tables.Row("lsh", (0.5,)),), stand_in=stand_in
    )
    own = table(tmp_path / "own", [0])
    assert own["data"] == "nuswide_21"
    assert tables.STANDS_IN not in own
    (tmp_path / "nuswide_21" / "vectors.parquet").unlink()
    other = table(tmp_path / "other", [0])
    assert other["data"] == "reports"
    assert "vectors.parquet (NUS-WIDE" in other[tables.STANDS_IN]
    assert str(tmp_path) not in other[tables.STANDS_IN], "no place of this machine in what is kept"
    assert (tmp_path / "other" / "t.md").read_text().startswith("| reports for NUS-WIDE-21 | 4 ")
    assert table(tmp_path / "quick", quick=True)["data"] == "reports"
    with pytest.raises(MissingDataError):
        replace(table, stand_in=None)(tmp_path / "none", [0])


def stand_in():
    rng = np.random.default_rng(1)
    y = np.eye(3, dtype=int)[np.arange(40) % 3]
    X = rng.standard_normal((40, 8)).astype(np.float32)
    train, query = (
        hb.datasets.Dataset("reports", X[:30], y[:30]),
        hb.datasets.Dataset("asked", X[30:], y[30:]),
    )
    return train, query, train


def test_labelme_is_read_as_matlab_writes_it(tmp_path, monkeypatch):
    from scipy.io import savemat

    monkeypatch.setenv("HAMMINGBIRD_DATA", str(tmp_path))
    (tmp_path / "labelme").mkdir()
    file = tmp_path / sources.LABELME
    gist = np.random.default_rng(0).random((8000, 512)).astype(np.float32)
    savemat(file, {"gist": gist, "ndxtrain": np.arange(10)})
    train, query, database = sources.gist()
    assert train.name == "labelme"
    assert (len(train.X), len(query.X), len(database.X)) == (5000, 2000, 6000)
    np.testing.assert_allclose(np.linalg.norm(train.X, axis=1), 1, rtol=1e-5)
    savemat(file, {"gist": gist[:, :100]})
    with pytest.raises(hb.FileError, match=r"no matrix gist \[n, 512\]"):
        sources.gist()
    file.write_bytes(b"no matlab")
    with pytest.raises(hb.FileError, match="LabelMe_gist.mat cannot be read"):
        sources.gist()


def test_a_run_that_another_has_written_over_is_refused(tmp_path, monkeypatch):
    """Two results made at once in one folder: none may show the other's rows, or none at all."""
    compare = tables.compare

    def crossed(*parts, **settings):
        made = compare(*parts, **settings)
        compare(*parts, **{**settings, "methods": ["lsh"], "bits": (8,)})
        return made

    table = tables.Table("t", stand_in, "nothing", "map@20", (4,), (tables.Row("itq", (0.5,)),))
    assert table(tmp_path, [0])["records"][0]["found"] is not None
    monkeypatch.setattr(tables, "compare", crossed)
    with pytest.raises(hb.InputError, match="one result at a time"):
        table(tmp_path, [0])

"""All results in one go, and the shorter form of each."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from typer.testing import CliRunner

import hammingbird as hb
from hammingbird import papers as room
from hammingbird.cli import app
from hammingbird.datasets import Dataset
from hammingbird.papers import RESULTS, hashnet, places, quick, searches, sgh, tables


def parts():
    """Two classes apart, more rows to learn from than a short form takes."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 2
    X = (rng.standard_normal((150, 16)) + 3 * y[:, None]).astype(np.float32)
    train, query = Dataset("made", X[:130], y[:130]), Dataset("asked", X[130:], y[130:])
    return train, query, train


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Four results: a table, one whose file is missing, one that fails, a figure of one seed."""
    rows = (tables.Row("lsh", (0.2, 0.3, 0.4)), tables.Row("itq", None))
    table = tables.Table("hashnet-table1", parts, "the paper's data", "map@20", (4, 8, 16), rows)
    monkeypatch.setattr(quick, "ROWS", 100)
    monkeypatch.setattr(hashnet, "IMAGENET100", table)
    unlike = replace(table, name="hashnet-table3", relevance="nothing")
    monkeypatch.setattr(hashnet, "VARIANTS", unlike)
    names = ("hashnet-table1", "hashnet-table3-sets", "hashnet-table3", "sgh-fig7")
    some = MappingProxyType({name: RESULTS[name] for name in names})
    monkeypatch.setattr(room, "RESULTS", some)
    X = parts()[0].X
    for name in ("mnist", "sift", "gist"):
        made = searches.Search(name, X[:120], X[120:], X[:120])
        monkeypatch.setattr(sgh, f"{name}_search", lambda made=made: made)
    monkeypatch.setattr(sgh, "METHODS", ("lsh",))
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("HAMMINGBIRD_DATA", str(tmp_path / "data"))
    return names


def test_the_shorter_form_of_a_table(few, tmp_path):
    found = room.reproduce("hashnet-table1", tmp_path, quick=True)
    assert found["quick"] == quick.RULE
    assert [(r["row"], r["bits"], r["claimed"]) for r in found["records"]] == [
        ("lsh", 4, 0.2),
        ("lsh", 16, 0.4),
        ("itq", 4, None),
        ("itq", 16, None),
    ]
    assert {r["seeds"] for r in found["records"]} == {1}
    assert found["rows"] == {"train": 100, "query": 20, "database": 130}
    whole = room.reproduce("hashnet-table1", tmp_path)
    assert "quick" not in whole
    assert whole["rows"]["train"] == 130
    assert {r["seeds"] for r in whole["records"]} == {3}
    assert {folder.name for folder in (tmp_path / "runs").iterdir()} == {"made", "made-100"}


def test_all_results_are_made_kept_or_left_out_with_a_line(few, tmp_path):
    out = tmp_path / "out"
    asked = ["reproduce", "--all", "--quick", "--out", str(out)]
    ran = CliRunner().invoke(app, asked)
    assert ran.exit_code == 1, "one failed"
    lines = ran.stdout.splitlines()
    assert lines[0] == "hashnet-table1: made"
    assert lines[1].startswith("hashnet-table3-sets: no data, ")
    assert "mulan.sourceforge.net" in lines[1]
    assert lines[2].startswith("hashnet-table3: failed, relevance must be")
    assert lines[3] == "sgh-fig7: made"
    assert [line.split()[:2] for line in lines[5:]][1] == ["hashnet-table3-sets", "no"]
    assert "quick" in json.loads((out / "hashnet-table1.json").read_text())
    again = list(room.reproduce_all(out, quick=True))
    assert [o.state for o in again] == ["kept", "no data", "failed", "kept"]
    (tmp_path / "data" / "more.npy").write_bytes(b"1")
    assert next(room.reproduce_all(out, quick=True)).state == "made", "the data have changed"
    assert next(room.reproduce_all(out)).state == "made", "in full is another result"
    (out / "hashnet-table1.json").write_text("{")
    assert next(room.reproduce_all(out)).state == "made"
    assert next(room.reproduce_all(out, ["hashnet-table1"])).state == "kept"


def test_all_takes_neither_name_nor_seeds(tmp_path):
    for more in (["sgh-fig4"], ["--seeds", "1"]):
        ran = CliRunner().invoke(app, ["reproduce", "--all", "--out", str(tmp_path), *more])
        assert isinstance(ran.exception, hb.InputError)


def test_two_lengths_are_left_of_many():
    assert quick.ends((16, 32, 48, 64)) == (16, 64)
    assert quick.ends((16, 64)) == (16, 64)
    assert quick.ends((32,)) == (32,)


def test_fewer_rows_are_the_same_each_time(monkeypatch):
    monkeypatch.setattr(quick, "ROWS", 50)
    (a, query, database), (b, *_) = (quick.fewer_rows(parts()) for _ in range(2))
    np.testing.assert_array_equal(a.X, b.X)
    assert a.name == "made-50"
    assert (len(a.X), len(query.X), len(database.X)) == (50, 20, 130)
    assert quick.fewer_rows((query, query, query))[0] is query


def test_the_data_folder_is_known_by_its_files(tmp_path, monkeypatch):
    monkeypatch.setenv("HAMMINGBIRD_DATA", str(tmp_path))
    empty = places.data_listing()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"12")
    some = places.data_listing()
    assert some != empty
    (tmp_path / "a" / "x").write_bytes(b"123")
    assert places.data_listing() != some

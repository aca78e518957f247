"""The papers' results as commands."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import hammingbird as hb
from hammingbird import papers as room
from hammingbird.cli import app
from hammingbird.comparison.results import read_results
from hammingbird.datasets import Dataset
from hammingbird.papers import RESULTS, figures, reconstruction, searches, sgh, sources, tables


@pytest.fixture
def small(monkeypatch):
    """Two made sets, and methods that are quick to fit."""
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((400, 70)) * np.geomspace(3, 0.3, 70)).astype(np.float32)
    for name in ("mnist", "sift", "gist"):
        made = searches.Search(name, X[:360], X[360:], X[:360])
        monkeypatch.setattr(sgh, f"{name}_search", lambda made=made: made)
        monkeypatch.setattr(reconstruction, f"{name}_search", lambda made=made: made, raising=False)
    monkeypatch.setattr(sgh, "word_vectors", lambda: (X, np.arange(0, 400, 10)))
    monkeypatch.setattr(sgh, "METHODS", ("lsh", "itq"))
    return X


def test_names_are_listed_and_found():
    listed = CliRunner().invoke(app, ["reproduce"])
    assert listed.exit_code == 0
    for name, result in RESULTS.items():
        assert name in listed.stdout
        module, function = result.path.split(":")
        assert callable(getattr(__import__(f"{room.__name__}.{module}", fromlist=["x"]), function))
    as_json = CliRunner().invoke(app, ["reproduce", "--list", "--json"])
    rows = json.loads(as_json.stdout)
    assert [row["name"] for row in rows] == list(RESULTS)
    assert all(row["paper"] and row["data"] and row["protocol"] for row in rows)
    assert all(row["minutes"] > 0 and row["kind"] in ("table", "figure") for row in rows)


def test_unknown_names_and_missing_data_are_errors(tmp_path, monkeypatch):
    monkeypatch.setenv("HAMMINGBIRD_DATA", str(tmp_path))
    with pytest.raises(hb.InputError, match="choose from"):
        room.reproduce("nothing", tmp_path / "out")
    with pytest.raises(hb.FileError, match="HAMMINGBIRD_DATA"):
        room.reproduce("sgh-fig4", tmp_path / "out")
    with pytest.raises(hb.FileError, match=r"TMC2007.* 1 MB; mulan"):
        sources.tmc2007()


def test_files_are_found_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HAMMINGBIRD_DATA", str(tmp_path))
    (tmp_path / "sift").mkdir()
    rows = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for part in ("base", "query"):
        file = tmp_path / "sift" / f"sift60k_{part}.bvecs"
        file.write_bytes(b"".join(np.int32(4).tobytes() + row.tobytes() for row in rows))
    base, query = sources.sift()
    np.testing.assert_array_equal(base, rows)
    assert query.dtype == np.float32


def test_recall_over_bits_is_written_with_its_plot(small, tmp_path):
    room.reproduce("sgh-fig7", tmp_path)
    content = json.loads((tmp_path / "sgh-fig7.json").read_text())
    assert (tmp_path / "sgh-fig7.svg").stat().st_size > 1000
    values = {
        (r["method"], r["bits"]): r["values"][0]
        for r in content["records"]
        if (r["data"], r["metric"]) == ("mnist", "recall100@100")
    }
    assert values["itq", 64] > values["itq", 8] > 0
    before = (tmp_path / "models" / "mnist-itq-8" / "hasher.json").stat().st_mtime_ns
    assert room.reproduce("sgh-fig7", tmp_path)["records"] == content["records"]
    assert (tmp_path / "models" / "mnist-itq-8" / "hasher.json").stat().st_mtime_ns == before


def test_a_query_is_not_its_own_neighbour(small, tmp_path):
    own = np.arange(0, 400, 10)
    ids = figures.true_neighbors(tmp_path, "words", small[own], small, "inner", own)
    assert not (ids == own[:, None]).any()
    inner = small[own] @ small.T
    inner[np.arange(len(own)), own] = -np.inf
    np.testing.assert_array_equal(ids[:, 0], inner.argmax(axis=1))


def made_parts(labels=True):
    """Two classes apart, as parts to learn from, ask for and search in."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    X = (rng.standard_normal((90, 16)) + 3 * y[:, None]).astype(np.float32)
    parts = [slice(0, 40), slice(40, 50), slice(50, 90)]
    return tuple(Dataset("made", X[rows], y[rows] if labels else None) for rows in parts)


def test_a_table_holds_claimed_beside_found_and_shares_runs(tmp_path):
    rows = (
        tables.Row("lsh", (0.2, 0.3)),
        tables.Row("itq", (0.5, 0.6)),
        tables.Row("itq", (0.4, 0.7), {"max_iter": 2}),
    )
    table = tables.Table("made-table", made_parts, "the paper's data", "map@20", (8, 16), rows)
    found = table(tmp_path)
    assert [r["row"] for r in found["records"]][::2] == ["lsh", "itq", "itq max_iter=2"]
    assert [r["claimed"] for r in found["records"]] == [0.2, 0.3, 0.5, 0.6, 0.4, 0.7]
    assert all(0 < r["found"] <= 1 + 1e-9 and r["seeds"] == 3 for r in found["records"])
    assert all(r["worst"] - 1e-9 <= r["found"] <= r["best"] + 1e-9 for r in found["records"])
    assert found["records"][0]["worst"] < found["records"][0]["best"]
    stored = read_results(tmp_path / "runs" / "made")[0]["records"]
    ties = [r["metrics"]["map_worst@20"] for r in stored if (r["method"], r["bits"]) == ("lsh", 8)]
    assert found["records"][0]["worst"] == pytest.approx(np.mean(ties))
    taken = sum(sum(r["seconds"].values()) for r in stored if r["method"] in ("lsh", "itq"))
    assert found["seconds of fits"] >= round(taken, 1)
    for bits in (8, 16):
        claimed, got = zip(
            *((r["claimed"], r["found"]) for r in found["records"] if r["bits"] == bits),
            strict=True,
        )
        assert found["kendall tau"][str(bits)] == pytest.approx(kendall(claimed, got))
    text = (tmp_path / "made-table.md").read_text()
    assert "itq max_iter=2" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1
    assert (tmp_path / "made-table.svg").exists()
    cell = tmp_path / "runs" / "made" / "cells" / "itq-8-0" / "cell.json"
    before = cell.stat().st_mtime_ns
    assert replace(table, name="other")(tmp_path)["records"] == found["records"]
    assert cell.stat().st_mtime_ns == before
    both = replace(table, parameters={"max_iter": 2})(tmp_path)
    assert both["parameters"] == {"max_iter": 2}
    assert both["records"][2]["found"] == found["records"][4]["found"]
    assert {folder.name for folder in (tmp_path / "runs").iterdir()} == {"made", "made-max_iter=2"}


def test_seeds_are_those_that_are_asked_for(tmp_path, monkeypatch):
    from hammingbird.papers import hashnet

    rows = (tables.Row("lsh", (0.2,)),)
    table = tables.Table("hashnet-table1", made_parts, "the paper's data", "map@20", (8,), rows)
    monkeypatch.setattr(hashnet, "IMAGENET100", table)
    asked = ["reproduce", "hashnet-table1", "--out", str(tmp_path), "--seeds", "4"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    content = json.loads((tmp_path / "hashnet-table1.json").read_text())
    assert [r["seeds"] for r in content["records"]] == [1]
    assert "±" not in (tmp_path / "hashnet-table1.md").read_text(), "one seed has no spread"
    assert (tmp_path / "runs" / "made" / "cells" / "lsh-8-4").exists()
    with pytest.raises(hb.InputError, match="seed of its own"):
        room.reproduce("sgh-fig7", tmp_path, seeds=[1])


def test_a_table_leaves_out_what_a_method_cannot_give(tmp_path):
    rows = (tables.Row("lsh", (0.2, 0.3)), tables.Row("itq", (0.5, 0.6)))
    table = tables.Table("made-table", made_parts, "the paper's data", "map@20", (8, 32), rows)
    found = table(tmp_path)
    assert [r["seeds"] for r in found["records"]] == [3, 3, 3, 0]
    assert found["records"][-1]["found"] is None
    assert found["kendall tau"]["32"] == 0
    text = (tmp_path / "made-table.md").read_text()
    assert len({line.count("|") for line in text.splitlines()}) == 1
    assert "nan" not in text


def test_a_row_of_ours_stands_beside_what_a_paper_claims(tmp_path):
    rows = (tables.Row("lsh", (0.2, 0.3)), tables.Row("itq", (0.5, 0.6)))
    table = tables.Table("made-table", made_parts, "the paper's data", "map@20", (8, 12), rows)
    alone = table(tmp_path / "alone")
    found = replace(table, rows=(*rows, tables.Row("pca", None)))(tmp_path)
    assert found["kendall tau"] == alone["kendall tau"]
    assert [r["claimed"] for r in found["records"][4:]] == [None, None]
    assert all(0 < r["found"] <= 1 + 1e-9 for r in found["records"])
    text = (tmp_path / "made-table.md").read_text()
    assert len({line.count("|") for line in text.splitlines()}) == 1
    assert "| pca |  | ." in text or "| pca |  | 1" in text
    assert (tmp_path / "made-table.svg").exists()


def kendall(a, b):
    """Tau-b by counting pairs."""
    pairs = [(np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i in range(3) for j in range(i)]
    ties = [np.count_nonzero([p[side] for p in pairs]) for side in (0, 1)]
    return sum(x * y for x, y in pairs) / max(np.sqrt(ties[0] * ties[1]), 1)


def test_every_table_claims_a_number_per_length():
    from hammingbird import catalog
    from hammingbird.papers import fine_tuned, hashnet, lower_bound, mihash, why

    seen = 0
    for module in (hashnet, mihash, lower_bound, fine_tuned, why):
        for table in vars(module).values():
            if isinstance(table, tables.Table):
                seen += 1
                for row in table.rows:
                    if row.claimed is not None:
                        assert len(row.claimed) == len(table.bits)
                        assert all(0 < value < 1 for value in row.claimed)
                    method = catalog.get(row.method)
                    pytest.importorskip("torch")
                    method.make().set_params(**{**table.parameters, **row.parameters})
    assert seen == 23


def test_neighbours_kept_by_distilled_codes(tmp_path, monkeypatch):
    from hammingbird.papers import distilled

    rng = np.random.default_rng(0)
    X = (rng.standard_normal((330, 20)) * np.geomspace(3, 0.5, 20)).astype(np.float32)
    made = [(Dataset("made", X[:300]), Dataset("asked", X[300:]))]
    monkeypatch.setattr(distilled, "sets", lambda: made)
    monkeypatch.setattr(distilled, "BITS", (16, 32))
    monkeypatch.setattr(distilled, "SEEDS", (0,))
    found = room.reproduce("distilled", tmp_path)["records"]
    kept = {(r["method"], r["bits"]): r["metrics"]["recall10@10"] for r in found}
    assert kept["distilled", 32] > kept["distilled", 16] > 0
    assert ("itq", 32) not in kept, "ITQ gives at most one bit per dimension"
    text = (tmp_path / "distilled.md").read_text()
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_prefixes_beside_models_of_their_own(tmp_path, monkeypatch):
    from hammingbird.papers import distilled

    rng = np.random.default_rng(0)
    X = rng.standard_normal((330, 70)).astype(np.float32)
    monkeypatch.setattr(distilled, "banking77", lambda: (X[:300], X[300:]))
    monkeypatch.setattr(distilled, "SEEDS", (0,))
    records = distilled.prefixes(tmp_path)["records"]
    assert [(r["bits"], r["model"]) for r in records] == [
        (bits, model) for bits in (16, 32, 64) for model in ("prefix", "own")
    ]
    assert all(0 < r[name] < 1 for r in records for name in ("hamming", "asymmetric"))


def test_codes_read_twice_beside_rivals(tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    from hammingbird.papers import read_twice

    X = np.random.default_rng(0).normal(size=(700, 24)).astype(np.float32)
    made = [(Dataset("words", X[:600]), Dataset("queries", X[600:]))]
    monkeypatch.setattr(read_twice, "sets", lambda: made)
    monkeypatch.setattr(read_twice, "BYTES", (1, 2))
    monkeypatch.setattr(read_twice, "METHODS", ("itq", "distilled-composite"))
    monkeypatch.setattr(read_twice, "RIVALS", ("opq", "int8"))
    found = room.reproduce("read-twice", tmp_path, [0])["records"]
    kept = {(r["method"], r["bytes"]): r for r in found}
    assert list(kept) == [
        ("itq", 1), ("itq", 2), ("distilled-composite", 1), ("distilled-composite", 2),
        ("opq", 1), ("opq", 2), ("int8", 24),
    ]  # fmt: skip
    assert kept["opq", 2]["hamming"] is None
    ours, itq = kept["distilled-composite", 2], kept["itq", 2]
    assert ours["tables"]["recall10@10"] > ours["hamming"]["recall10@10"]
    assert ours["hamming"]["recall10@10"] > itq["hamming"]["recall10@10"] - 0.02
    text = (tmp_path / "read-twice.md").read_text()
    assert "| data | method | read by | 1 bytes | 2 bytes | its own size |" in text
    assert "24 bytes: " in text

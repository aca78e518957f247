"""The command line, run as a user does: exit codes, one-line errors, files."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import hammingbird as hb
from command_line import run
from hammingbird import cli
from hammingbird.datasets import load
from hammingbird.storage import fingerprint_rows


@pytest.fixture
def files(tmp_path, clusters, monkeypatch):
    X, y = clusters
    np.savez(tmp_path / "train.npz", X=X[:240].astype(np.float32), y=y[:240])
    np.savez(tmp_path / "query.npz", X=X[240:].astype(np.float32), y=y[240:])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_fit_encode_search_evaluate_info(files):
    run("fit", "itq", "--train", "train.npz", "--bits", 12, "--out", "model")
    run("encode", "model", "train.npz", "--out", "codes.npy")
    run("encode", "model", "query.npz", "--out", "queries.npy")
    run("search", "queries.npy", "codes.npy", "-k", 5, "--out", "hits.npz")
    with np.load("hits.npz") as hits:
        assert hits["ids"].shape == hits["distances"].shape == (60, 5)
        codes, queries = np.load("codes.npy"), np.load("queries.npy")
        distances = hb.hamming(queries, codes)
        np.testing.assert_array_equal(
            hits["ids"], np.argsort(distances, axis=1, kind="stable")[:, :5]
        )
    values = json.loads(
        run(
            "evaluate",
            "queries.npy",
            "codes.npy",
            "--query-labels",
            "query.npz",
            "--database-labels",
            "train.npz",
            "--metrics",
            "map,precision@h2",
            "--json",
        )
    )
    with np.load("train.npz") as train, np.load("query.npz") as query:
        expected = hb.evaluate(
            queries,
            codes,
            query_labels=query["y"],
            database_labels=train["y"],
            n_bits=12,
            metrics=["map", "precision@h2"],
        )
    assert values == expected
    assert "ITQ" in run("info", "model")
    assert "msb-first" in run("info", "codes.npy")
    assert fingerprint_rows(load("train.npz").X) in run("info", "codes.npy")


def test_methods_as_json():
    rows = json.loads(run("methods", "--json"))
    assert {row["name"] for row in rows} == set(hb.METHODS)
    assert all(row["paper"] and row["supervision"] for row in rows)
    assert "itq" in run("methods")


def test_compare_writes_all_three_files_and_goes_on_where_it_stopped(files, monkeypatch):
    arguments = [
        "compare",
        "--train",
        "train.npz",
        "--query",
        "query.npz",
        "--methods",
        "itq,lsh",
        "--bits",
        "8,12",
        "--seeds",
        "0,1",
        "--relevance",
        "labels",
        "--out",
        "run",
    ]
    run(*arguments)
    results = json.loads((files / "run" / "results.json").read_text())
    assert results["schema"] == 1
    rows = {(r["method"], r["bits"], r["seed"]): r for r in results["records"]}
    assert {key[0] for key in rows} == {"itq", "lsh", "float", "sign"}
    assert len(rows) == 8 + 1 + 1
    cell = rows["itq", 12, 1]
    assert cell["metrics"]["map_worst"] <= cell["metrics"]["map"] <= cell["metrics"]["map_best"]
    assert cell["bytes_per_item"] == 2
    assert set(cell["seconds"]) == {"fit", "encode"}
    assert "precision@h2" not in cell["asymmetric"]
    assert (files / "run" / "results.csv").read_text().count("\n") == len(rows) + 1
    assert (files / "run" / "report.html").stat().st_size < 3_000_000

    def fitted_again(*_):
        raise AssertionError("a finished cell was fitted again")

    monkeypatch.setattr(hb.ITQ, "_fit", fitted_again)
    run(*arguments)
    assert json.loads((files / "run" / "results.json").read_text()) == results


def test_demo(files):
    assert "itq" in run("demo", "--out", "demo")
    assert (files / "demo" / "report.html").exists()


def test_without_the_report_extra_the_figures_are_there_all_the_same(files, monkeypatch):
    arguments = ["compare", "--train", "train.npz", "--query", "query.npz", "--methods", "lsh"]
    arguments += ["--bits", "8", "--out", "run"]
    run(*arguments)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert "pip install 'hammingbird[report]'" in run(*arguments)
    assert json.loads((files / "run" / "results.json").read_text())["schema"] == 1
    assert not (files / "run" / "report.html").exists(), "an old report beside new results"


def fails(*arguments):
    """Run in a process of its own; return the exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "hammingbird.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stderr + done.stdout).strip()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["fit", "itk", "--train", "train.npz", "--out", "m"], 1, "choose from sign"),
        (["fit", "itq", "--train", "no.npz", "--out", "m"], 1, "does not exist"),
        (["fit", "itq", "--train", "train.npz", "--bits", 64, "--out", "m"], 1, "at most 20 bits"),
        (["fit", "itq"], 2, "Missing option"),
        (["fit", "itq", "--train", "train.npz", "--seed", -1, "--out", "m"], 2, "--seed"),
        (["fit", "itq", "--train", "train.npz", "--set", "n_bits=8", "--out", "m"], 1, "--bits"),
        (["fit", "itq", "--train", "train.npz", "--set", "max_iter=x", "--out", "m"], 1, "whole"),
        (["fit", "itq", "--train", "train.npz", "--set", "colour=1", "--out", "m"], 1, "colour"),
        (["search", "a.npy", "b.npy", "--asymmetric", "--out", "h.npz"], 1, "--model"),
        (["search", "a.npy", "b.npy", "--out", "h.npy"], 1, "written as .npz"),
        (["encode", "train.npz", "query.npz"], 1, "not a saved hasher"),
        (["search", "a.npy", "b.npy", "--out", "h.npz"], 1, "does not exist"),
        (["info", "."], 1, "not a folder that Hammingbird wrote"),
        (
            [
                "compare",
                "--train",
                "train.npz",
                "--query",
                "query.npz",
                "--out",
                "r",
                "--relevance",
                "nearest:3",
            ],
            1,
            "relevance must be labels, neighbors:K",
        ),
        (
            [
                "compare",
                "--train",
                "train.npz",
                "--query",
                "query.npz",
                "--out",
                "r",
                "--bits",
                "many",
            ],
            1,
            "--bits must be whole numbers",
        ),
        (
            ["compare", "--train", "train.npz", "--query", "train.npz", "--out", "r"],
            1,
            "240 of 240 queries are rows of the database",
        ),
        (
            ["compare", "--train", "train.npz", "--query", "query.npz", "--out", "."],
            1,
            "is not a run of compare",
        ),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(files, arguments, code, says):
    found, text = fails(*arguments)
    assert found == code, text
    assert says in " ".join(text.split())
    if code == 1:
        assert text.startswith("error: ")
        assert "\n" not in text


def test_search_by_scores_and_in_two_stages(files):
    run("fit", "pca", "--train", "train.npz", "--bits", 12, "--out", "model")
    run("encode", "model", "train.npz", "--out", "codes.npy")
    common = ["search", "query.npz", "codes.npy", "--model", "model", "-k", 5]
    with np.load("train.npz") as train, np.load("query.npz") as query:
        X, queries = train["X"], query["X"]
    hasher, codes = hb.load("model"), np.load("codes.npy")
    index = hb.Scan(12).add(codes)
    run(*common, "--out", "plain.npz")
    run(*common, "--asymmetric", "--out", "scored.npz")
    run(*common, "--rerank", "train.npz", "--candidates", 40, "--out", "ranked.npz")
    with np.load("plain.npz") as hits:
        np.testing.assert_array_equal(hits["ids"], index.search(hasher.transform(queries), 5).ids)
    with np.load("scored.npz") as hits:
        expected = index.search_scores(hasher.project(queries), 5)
        np.testing.assert_array_equal(hits["ids"], expected.ids)
        np.testing.assert_array_equal(hits["scores"], expected.scores)
    with np.load("ranked.npz") as hits:
        candidates = index.search(hasher.transform(queries), 40).ids
        expected = hb.rerank(queries, candidates, X, 5)
        np.testing.assert_array_equal(hits["ids"], expected.ids)
    run("encode", "model", "query.npz", "--out", "queries.npy")
    run("fit", "pca", "--train", "train.npz", "--bits", 9, "--out", "short")
    np.save("bare.npy", np.array(codes))
    with pytest.raises(hb.InputError, match="give the model that made"):
        run("search", "query.npz", "bare.npy", "--model", "short", "--bits", 12, "--out", "h.npz")
    with pytest.raises(hb.InputError, match="60 rows, the codes 240"):
        run(*common, "--rerank", "query.npz", "--out", "h.npz")


def test_hits_of_a_search_are_true_neighbours_for_evaluate(files):
    run("fit", "pca", "--train", "train.npz", "--bits", 12, "--out", "model")
    for part in ("train", "query"):
        run("encode", "model", f"{part}.npz", "--out", f"{part}.npy")
    run("search", "query.npy", "train.npy", "-k", 1, "--out", "hits.npz")
    arguments = ["query.npy", "train.npy", "--neighbors", "hits.npz", "--metrics", "recall1@1"]
    best = json.loads(run("evaluate", *arguments, "--json"))["recall1@1"]
    assert 0 < best <= 1


def test_version():
    assert run("--version").split() == ["hammingbird", hb.__version__]


def test_ctrl_c_says_how_to_go_on(files, monkeypatch, capsys):
    from hammingbird.comparison import run as comparison

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "compare", stop)
    monkeypatch.setattr(sys, "argv", ["hammingbird", "demo"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 130
    assert "run the same command again" in capsys.readouterr().err


def test_names_are_printed_as_they_are(files):
    """A path is no markup, and an escape sequence in it does not reach the terminal."""
    for name in ("m[/]", "m[bold]", "m\x1b[2J"):
        printed = run("fit", "lsh", "--train", "train.npz", "--bits", 8, "--out", name)
        assert (files / name / "hasher.json").exists()
        assert name.replace("\x1b", "\\x1b") in printed.replace("\n", "")
        run("info", name)


def test_queries_in_the_database_are_named_and_their_own_rows_left_out(files):
    with np.load("train.npz") as train, np.load("query.npz") as query:
        X, y = train["X"], train["y"]
        mixed = np.concatenate([X[:20], query["X"]])
        np.savez("mixed.npz", X=mixed, y=np.concatenate([y[:20], query["y"]]))
    printed = run(
        "compare", "--train", "train.npz", "--query", "mixed.npz", "--methods", "pca",
        "--bits", "12", "--out", "run", "--metrics", "recall1@1",
    )  # fmt: skip
    said = "20 of 80 queries are rows of the database"
    assert said in " ".join(printed.split())
    assert said in (files / "run" / "report.html").read_text("utf-8")
    results = json.loads((files / "run" / "results.json").read_text())
    hasher = hb.load("run/models/pca-12-0")
    own = np.concatenate([np.arange(20), np.full(60, -1)])
    truth = hb.nearest_vectors(mixed, X, 1, exclude=own).ids
    expected = hb.evaluate(
        hasher.transform(mixed), hasher.transform(X), n_bits=12, neighbors=truth,
        metrics=["recall1@1"], self_rows=own,
    )  # fmt: skip
    found = next(r for r in results["records"] if r["method"] == "pca")["metrics"]
    assert found["recall1@1"] == pytest.approx(expected["recall1@1"])


WITHOUT_TORCH = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Missing())
sys.argv = ["hammingbird", "fit", "mihash", "--train", "train.npz", "--out", "m"]
from hammingbird import cli
cli.main()
"""


def test_a_method_whose_library_is_missing_names_the_extra(files):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'hammingbird[deep]'" in " ".join(done.stderr.split())


def test_codes_of_different_models_are_never_compared(files):
    for seed in (0, 1):
        run("fit", "lsh", "--train", "train.npz", "--bits", 12, "--out", f"m{seed}", "--seed", seed)
        run("encode", f"m{seed}", "train.npz", "--out", f"c{seed}.npy")
    run("fit", "lsh", "--train", "train.npz", "--bits", 16, "--out", "m2")
    run("encode", "m2", "train.npz", "--out", "c2.npy")
    with pytest.raises(hb.InputError, match="different models"):
        run("search", "c1.npy", "c0.npy", "--out", "h.npz")
    with pytest.raises(hb.InputError, match="different models"):
        run("search", "train.npz", "c1.npy", "--model", "m0", "--out", "h.npz")
    with pytest.raises(hb.InputError, match="12 bits and .* 16"):
        run("search", "c2.npy", "c0.npy", "--out", "h.npz")


def test_nothing_is_written_over_by_accident(files):
    run("fit", "lsh", "--train", "train.npz", "--out", "model")
    with pytest.raises(hb.FileError, match="exists already"):
        run("fit", "lsh", "--train", "train.npz", "--out", "model")
    run("fit", "itq", "--train", "train.npz", "--bits", 8, "--out", "model", "--overwrite")
    assert isinstance(hb.load("model"), hb.ITQ)

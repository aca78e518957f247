"""compare on large files: held-out queries, samples, blocks that decide nothing, signs of life."""

from __future__ import annotations

import errno
import json
import time

import numpy as np
import pytest
import whole_matrices

import hammingbird as hb
from hammingbird import kernels, targets
from hammingbird.comparison import measure, progress
from hammingbird.comparison.run import compare
from hammingbird.datasets import Dataset, load
from hammingbird.evaluation import ListedNeighbors, overlap, ranking, scores, within_distance


@pytest.fixture(scope="module")
def vectors():
    """3,000 vectors in clusters; 300 queries, of which 40 are rows of the rest."""
    rng = np.random.default_rng(3)
    X = 2 * rng.standard_normal((40, 12))[rng.integers(0, 40, 3300)]
    X = (X + rng.standard_normal(X.shape)).astype(np.float32)
    X[:40] = X[1000:1040]
    return X[300:], X[:300]


def stored(out):
    """Everything that was measured, without what was timed."""
    content = json.loads((out / "curves.json").read_text())
    for record in content["results"]["records"]:
        del record["seconds"]
    return content


def test_figures_are_those_of_whole_matrices_to_the_last_bit(vectors, tmp_path):
    database, queries = vectors
    compare(database, queries, methods=["itq", "lsh"], bits=[8, 12], out=tmp_path / "run")
    content = stored(tmp_path / "run")
    own = overlap(queries, database)
    truth = whole_matrices.neighbors(queries, database, 10, own)
    rule = ListedNeighbors(truth, len(database))
    given = {"relevance": rule, "neighbors": truth, "self_rows": own}
    drawn = {(r["method"], r["bits"]): r["curves"] for r in content["records"]}
    for record in content["results"]["records"]:
        name, bits = record["method"], record["bits"]
        if name == "float":
            found = whole_matrices.float_scores(queries, database)
            blocks = range(0, len(queries), 256)
            parts = [
                whole_matrices.ranked(
                    found[i : i + 256],
                    ListedNeighbors(truth[i : i + 256], len(database)),
                    own[i : i + 256],
                )
                for i in blocks
            ]
            assert drawn[name, bits] == whole_matrices.curves(len(database), parts)
            continue
        cell = tmp_path / "run" / "cells" / f"{name}-{bits}-0"
        query, base, real = (
            np.load(cell / f"{part}.npy") for part in ("query", "database", "query_scores")
        )
        expected = whole_matrices.measures(
            query, base, kernels.scores(real, base, bits), bits, measure.METRICS, given
        )
        assert (record["metrics"], record["asymmetric"], drawn[name, bits]) == expected


@pytest.mark.parametrize("relevance", ["neighbors:5", "inner:10", "percentile:5", "labels"])
def test_blocks_do_not_decide(vectors, tmp_path, monkeypatch, relevance):
    labels = np.arange(3300) % 7
    parts = [
        Dataset("made", X, y) for X, y in zip(vectors, (labels[300:], labels[:300]), strict=True)
    ]
    arguments = dict(methods=["pca"], bits=[8], relevance=relevance, metrics=["recall3@20"])
    compare(*parts, **arguments, out=tmp_path / "whole")
    for module in (targets, within_distance, scores):
        monkeypatch.setattr(module, "SLAB", 504)
    monkeypatch.setattr(ranking, "BLOCK_SCORES", 1)
    monkeypatch.setattr(ranking, "LARGE_BLOCK", 5 * 3000)
    monkeypatch.setattr(measure, "FLOAT_SCORES", 20 * 3000)
    compare(*parts, **arguments, out=tmp_path / "blocks")
    whole, blocks = stored(tmp_path / "whole"), stored(tmp_path / "blocks")
    for one, other in zip(whole["results"]["records"], blocks["results"]["records"], strict=True):
        for kind in ("metrics", "asymmetric"):  # map@1000 sums a tied group in another order
            assert one[kind] == pytest.approx(other[kind], rel=1e-13)
    assert whole["records"] == blocks["records"]


def test_queries_are_held_out_of_a_file(vectors, tmp_path):
    X = np.concatenate(vectors)
    np.save(tmp_path / "x.npy", X.astype(np.float16))
    mapped = load(tmp_path / "x.npy")
    results = compare(mapped, methods=["pca"], bits=[8], holdout=100, out=tmp_path / "run")
    assert results["protocol"]["holdout"] == results["protocol"]["queries"] == 100
    assert results["protocol"]["query_rows_in_database"] == 0
    folder = tmp_path / "run" / "rows"
    query, database = (np.load(folder / f"{part}.npy") for part in ("query", "database"))
    assert results["protocol"]["database"] == len(database)
    assert (overlap(mapped.X[query], mapped.X[database]) == -1).all()
    assert len(np.union1d(query, database)) + (3300 - 100 - len(database)) == 3300
    codes = hb.PCAHash(8).fit(mapped.X[database]).transform(mapped.X[database])
    found = np.load(tmp_path / "run" / "cells" / "pca-8-0" / "database.npy")
    np.testing.assert_array_equal(found, codes)
    plain = compare(
        np.array(mapped.X), methods=["pca"], bits=[8], holdout=100, out=tmp_path / "plain"
    )
    other = compare(
        mapped, methods=["pca"], bits=[8], holdout=100, draw_seed=1, out=tmp_path / "other"
    )
    maps = [r["records"][1]["metrics"]["map"] for r in (results, plain, other)]
    assert maps[0] == maps[1] != maps[2]


def test_a_sample_is_learned_from_and_all_rows_are_searched(vectors, tmp_path, monkeypatch):
    seen = []
    fit = hb.PCAHash._fit
    monkeypatch.setattr(hb.PCAHash, "_fit", lambda self, X, y: seen.append(X) or fit(self, X, y))
    X = np.concatenate(vectors)
    results = compare(
        Dataset("made", X, np.arange(len(X)) % 5),
        methods=["pca"],
        bits=[8],
        holdout=50,
        sample=200,
        relevance="labels",
        out=tmp_path / "run",
    )
    protocol = results["protocol"]
    assert (protocol["sample"], protocol["draw_seed"]) == (200, 0)
    assert protocol["train_rows_in_database"] == 200
    assert protocol["database"] >= 3300 - 50 - 40
    rows = {part: np.load(tmp_path / f"run/rows/{part}.npy") for part in ("train", "database")}
    np.testing.assert_array_equal(seen[0], X[rows["train"]])
    assert np.isin(rows["train"], rows["database"]).all()


def test_a_sample_beyond_the_file_is_the_file(vectors, tmp_path):
    arguments = dict(methods=["pca"], bits=[8])
    whole = compare(*vectors, **arguments, out=tmp_path / "whole")
    sample = compare(*vectors, **arguments, sample=9999, out=tmp_path / "sample")
    assert whole["data"] == sample["data"]


def test_a_folder_of_another_draw_is_refused(vectors, tmp_path):
    arguments = dict(methods=["lsh"], bits=[8], holdout=20, out=tmp_path / "run")
    compare(vectors[0], **arguments)
    with pytest.raises(hb.FileError, match="other data"):
        compare(vectors[0], **arguments, draw_seed=1)


def test_true_neighbours_and_the_ceiling_are_found_once(vectors, tmp_path, monkeypatch):
    count = []
    for module, name in ((targets, "smallest"), (measure, "vector_scores")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, f=real, n=name: count.append(n) or f(*a))
    compare(*vectors, methods=["lsh"], bits=[8], out=tmp_path / "run")
    assert set(count) == {"smallest", "vector_scores"}
    count.clear()
    compare(*vectors, methods=["lsh", "pca"], bits=[8, 12], out=tmp_path / "run")
    assert not count


def test_queries_that_are_rows_of_the_database_are_said(vectors, tmp_path, caplog):
    compare(*vectors, methods=["lsh"], bits=[8], out=tmp_path / "run")
    assert "40 of 300 queries are rows of the database" in caplog.text


def test_damaged_neighbours_are_named(vectors, tmp_path):
    arguments = dict(methods=["lsh"], bits=[8], out=tmp_path / "run")
    compare(*vectors, **arguments)
    (file,) = (tmp_path / "run" / "truth").glob("*/array.npy")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(hb.FileError, match="truncated or altered"):
        compare(*vectors, **arguments)


@pytest.mark.parametrize("writes", range(4))
def test_a_full_disk_loses_nothing(vectors, tmp_path, monkeypatch, writes):
    """True neighbours, then three arrays of a cell: whichever is the first that does not fit."""
    arguments = dict(methods=["pca"], bits=[8], out=tmp_path / "run")
    first = compare(*vectors, **arguments)
    save, left = np.save, [writes]

    def fills(*given):
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1
        save(*given)

    monkeypatch.setattr(np, "save", fills)
    more = dict(methods=["pca", "itq"], bits=[12])
    with pytest.raises(hb.FileError, match="cannot write .*: No space left on device"):
        compare(*vectors, **{**arguments, "out": tmp_path / "other"})
    left[0] = writes
    with pytest.raises(hb.FileError, match="cannot write .*: No space left on device"):
        compare(*vectors, **{**arguments, **more})
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == first
    monkeypatch.setattr(np, "save", save)
    assert compare(*vectors, **{**arguments, "out": tmp_path / "other"})["records"]


def test_a_sign_of_life_without_a_terminal(vectors, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "HEARTBEAT", 0.01)
    fit = hb.LSH._fit
    monkeypatch.setattr(hb.LSH, "_fit", lambda *a: (time.sleep(0.2), fit(*a)))
    compare(*vectors, methods=["lsh"], bits=[8], out=tmp_path / "run")
    assert "compare 2 of 4, lsh-8-0: fit for 0 s; " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(train=np.ones((1, 4)), holdout=1), "1 row: .* at least two"),
        (dict(train=np.ones((1, 4)), query=np.zeros((1, 4))), "1 row: nothing to rank"),
        (dict(train=np.eye(5), holdout=5), "5 queries leave none to search in"),
        (dict(train=np.ones((50, 4)), holdout=5), "all 50 rows of X are equal"),
        (dict(train=np.ones((50, 4)), query=np.zeros((1, 4))), "all 50 rows of train are equal"),
        (dict(train=np.diag([1.0, 2, np.nan, 4]), holdout=1), "train: X has NaN in row 2, col"),
        (dict(train=np.eye(4), query=np.full((2, 4), np.inf)), "query: X has infinity in row 0"),
        (dict(train=np.eye(9), query=np.eye(9), holdout=2), "leave query and database out"),
        (dict(train=np.eye(9)), "needs queries"),
        (dict(train=np.eye(9), holdout=2, sample=0), "sample must be at least 1"),
    ],
)
def test_what_cannot_be_compared(tmp_path, change, says):
    with pytest.raises(hb.InputError, match=says):
        compare(**change, methods=["lsh"], bits=[8], relevance="neighbors:1", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()

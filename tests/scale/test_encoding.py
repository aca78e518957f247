"""A folder of vectors into a folder of codes or a store, and what is refused."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from parquet_folders import contents, write

import hammingbird as hb
from command_line import run
from hammingbird import catalog
from hammingbird.datasets import load
from hammingbird.scale import encode_parts, list_parts, read_parts, sample_rows
from hammingbird.storage import describe
from hammingbird.stores import create_store, open_store


def encode(made, to, **options):
    source = options.pop("source", made.folder)
    return encode_parts(made.hasher, source, to, **{"made_by": made.made_by, **options})


def test_codes_are_those_of_the_rows_in_order(made, tmp_path):
    assert encode(made, tmp_path / "codes") == (4, len(made.X), 0)
    found = read_parts(tmp_path / "codes")
    np.testing.assert_array_equal(found.codes, made.codes)
    np.testing.assert_array_equal(found.ids, np.arange(len(made.X)))
    assert (found.n_bits, found.made_by) == (24, made.made_by)
    table = pyarrow.dataset.dataset(tmp_path / "codes", format="parquet").to_table()
    assert table["code"].combine_chunks().buffers()[1].to_pybytes() == made.codes.tobytes()
    said = json.loads(pq.read_schema(tmp_path / "codes" / "c.parquet").metadata[b"hammingbird"])
    assert (said["n_bits"], said["rows"], said["bit_order"]) == (24, 1300, "msb-first")
    assert said["made_by"]["fingerprint"] == made.made_by["fingerprint"]
    assert describe(tmp_path / "codes")["parts"] == 4


def test_a_column_of_ids_is_kept(made, tmp_path):
    encode(made, tmp_path / "codes", ids="key")
    np.testing.assert_array_equal(read_parts(tmp_path / "codes").ids, made.ids)


def test_dask_writes_the_same_files(made, tmp_path, cluster):
    encode(made, tmp_path / "one", ids="key")
    encode(made, tmp_path / "many", ids="key", engine=cluster)
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


@pytest.mark.store
@pytest.mark.parametrize("scheme", ["faiss", "sqlite", "lance", "duckdb"])
def test_a_store_gets_all(made, tmp_path, cluster, scheme, state):
    address = f"{scheme}:{tmp_path / 'store'}"
    try:
        for engine in (None, cluster):
            assert encode(made, address, ids="key", engine=engine).kept == 0
            with open_store(address, made_by=made.made_by) as store:
                assert store.count() == len(made.X)
                np.testing.assert_array_equal(store.fetch(made.ids), made.codes)
    except hb.MissingExtraError as error:
        pytest.skip(str(error))
    assert not list(state.iterdir())


def test_a_second_run_keeps_what_is_done_and_makes_the_rest(made, tmp_path):
    to = tmp_path / "codes"
    encode(made, to)
    whole = contents(to)
    (to / "a.parquet").unlink()
    cut = (to / "c.parquet").read_bytes()[:-9]
    (to / "c.parquet").write_bytes(cut)
    with pytest.raises(hb.FileError, match="no file of codes"):
        encode(made, to)
    (to / "c.parquet").unlink()
    before = (to / "b.parquet").stat().st_mtime_ns
    assert encode(made, to).kept == 2
    assert (to / "b.parquet").stat().st_mtime_ns == before
    assert contents(to) == whole


def test_a_file_that_changed_is_encoded_again(made, tmp_path):
    X = made.X[:50].copy()
    write(tmp_path / "in" / "a.parquet", X)
    write(tmp_path / "in" / "b.parquet", X)
    encode(made, tmp_path / "codes", source=tmp_path / "in")
    X[7] *= -1
    write(tmp_path / "in" / "b.parquet", X)
    assert encode(made, tmp_path / "codes", source=tmp_path / "in").kept == 1
    np.testing.assert_array_equal(read_parts(tmp_path / "codes").codes[50:], made.hasher.encode(X))
    # Another row in front gives other row numbers to all that follow.
    write(tmp_path / "in" / "a.parquet", X[:49])
    assert encode(made, tmp_path / "codes", source=tmp_path / "in").kept == 0


def test_other_things_in_the_folder_are_refused(made, tmp_path):
    to = tmp_path / "codes"
    other = {**made.made_by, "fingerprint": "f" * 16}
    encode(made, to, made_by=other)
    with pytest.raises(hb.FileError, match="another model"):
        encode(made, to)
    assert encode(made, to, overwrite=True).kept == 0
    assert read_parts(to).made_by == made.made_by
    one = tmp_path / "one.parquet"
    write(one, made.X[:5])
    with pytest.raises(hb.FileError, match="no counterpart"):
        encode(made, to, source=one)
    encode(made, to, source=one, overwrite=True)
    assert len(read_parts(to).ids) == 5
    write(to / "vectors.parquet", made.X[:5])
    for overwrite in (False, True):
        with pytest.raises(hb.FileError, match="no file of codes"):
            encode(made, to, source=one, overwrite=overwrite)
    for source, place in ((made.folder, made.folder), (made.folder, made.folder / "codes")):
        with pytest.raises(hb.InputError, match="lie in each other"):
            encode(made, place, source=source, overwrite=True)
    with pytest.raises(hb.InputError, match="lie in each other"):
        encode(made, tmp_path, source=one, overwrite=True)
    with pytest.raises(hb.InputError, match="name the model"):
        encode(made, tmp_path / "new", made_by={})


def test_a_folder_that_is_not_finished_is_not_read(made, tmp_path):
    write(tmp_path / "in" / "a.parquet", made.X[:5])
    bad = made.X[:5].copy()
    bad[3, 1] = np.nan
    write(tmp_path / "in" / "b.parquet", bad)
    with pytest.raises(hb.InputError, match=r"b\.parquet.*NaN in row 8, column 1"):
        encode(made, tmp_path / "codes", source=tmp_path / "in")
    assert list(contents(tmp_path / "codes")) == ["a.parquet"]
    with pytest.raises(hb.FileError, match="not a saved parts"):
        read_parts(tmp_path / "codes")
    write(tmp_path / "in" / "b.parquet", made.X[5:10])
    assert encode(made, tmp_path / "codes", source=tmp_path / "in").kept == 1
    np.testing.assert_array_equal(read_parts(tmp_path / "codes").codes, made.codes[:10])
    write(tmp_path / "in" / "b.parquet", bad)
    with pytest.raises(hb.InputError, match="NaN"):
        encode(made, tmp_path / "codes", source=tmp_path / "in")
    with pytest.raises(hb.FileError, match="not a saved parts"):
        read_parts(tmp_path / "codes")


def test_files_that_cannot_be_read_are_named_before_anything_is_written(made, tmp_path, cluster):
    source, to = tmp_path / "in", tmp_path / "codes"
    write(source / "a.parquet", made.X[:1500])
    write(source / "b.parquet", made.X[:1500])
    whole = (source / "b.parquet").read_bytes()
    for name, content, message in (
        ("cut", whole[:-20], "truncated"),
        ("cut early", whole[:40], "truncated"),
        ("empty", b"", "truncated"),
        ("text", b"not Parquet at all", "truncated"),
    ):
        (source / "b.parquet").write_bytes(content)
        with pytest.raises(hb.FileError, match=rf"b\.parquet.*{message}"):
            encode(made, to, source=source)
        assert not to.exists(), name
    write(source / "b.parquet", made.X[:9, :20])
    with pytest.raises(hb.FileError, match=r"b\.parquet holds vectors of width 20, not of 32"):
        encode(made, to, source=source)
    # A hole in the middle is seen by whoever reads it, here and on a worker.
    (source / "b.parquet").write_bytes(whole[:4000] + bytes(30_000) + whole[34_000:])
    for engine in (None, cluster):
        with pytest.raises(hb.FileError, match=r"b\.parquet"):
            encode(made, to, source=source, engine=engine)
        assert set(contents(to)) <= {"a.parquet"}
    for nothing in (tmp_path / "nowhere", to / "a.parquet" / "x"):
        with pytest.raises(hb.FileError, match="does not exist"):
            encode(made, tmp_path / "new", source=nothing)
    (tmp_path / "void").mkdir()
    with pytest.raises(hb.FileError, match="no Parquet file"):
        encode(made, tmp_path / "new", source=tmp_path / "void")


def test_files_without_rows_and_hidden_ones_are_passed_over(made, tmp_path):
    write(tmp_path / "in" / "a.parquet", made.X[:5])
    write(tmp_path / "in" / "b.parquet", made.X[:0])
    write(tmp_path / "in" / "_old" / "c.parquet", made.X[:5])
    write(tmp_path / "in" / ".c.parquet", made.X[:5])
    assert encode(made, tmp_path / "codes", source=tmp_path / "in") == (1, 5, 0)
    write(tmp_path / "in" / "a.parquet", made.X[:0])
    with pytest.raises(hb.FileError, match="no rows"):
        encode(made, tmp_path / "new", source=tmp_path / "in")


@pytest.mark.parametrize("where", ["inside", "across"])
@pytest.mark.parametrize("statistics", [True, False])
def test_ids_that_come_twice_are_named(made, tmp_path, where, statistics):
    ids = np.arange(20)
    ids[13 if where == "across" else 3] = 4
    for name, some in (("a", slice(0, 10)), ("b", slice(10, 20))):
        write(tmp_path / "in" / f"{name}.parquet", made.X[some], key=ids[some])
        if not statistics:
            file = tmp_path / "in" / f"{name}.parquet"
            pq.write_table(pq.read_table(file), file, write_statistics=False)
    with pytest.raises(hb.InputError, match="id 4 .*twice|id 4 is in a.parquet and in b.parquet"):
        encode(made, tmp_path / "codes", source=tmp_path / "in", ids="key")


def test_ids_must_be_there_and_be_numbers(made, tmp_path):
    for column, message in ((made.ids[:3] / 2, "cannot give ids"), (-made.ids[:3], "between 0")):
        write(tmp_path / "a.parquet", made.X[:3], key=column)
        with pytest.raises(hb.InputError, match=message):
            encode(made, tmp_path / "codes", source=tmp_path / "a.parquet", ids="key")
    with pytest.raises(hb.FileError, match="no column 'other' of ids"):
        encode(made, tmp_path / "codes", source=tmp_path / "a.parquet", ids="other")


@pytest.mark.store
def test_a_store_that_is_down_or_of_another_width_is_said_at_once(made, tmp_path, monkeypatch):
    pytest.importorskip("psycopg", reason="pip install 'hammingbird[postgres]'")
    pytest.importorskip("apsw", reason="pip install 'hammingbird[sqlite]'")
    pytest.importorskip("sqlite_vec", reason="pip install 'hammingbird[sqlite]'")
    monkeypatch.setattr(type(made.hasher), "encode", None)  # nothing is encoded
    with pytest.raises(hb.StoreError, match="postgres://me@localhost:1/"):
        encode(made, "postgres://me:secret@localhost:1/base")
    address = f"sqlite:{tmp_path / 'codes.db'}"
    with create_store(address, 32):
        pass
    with pytest.raises(hb.InputError, match="32 bits, these have 24"):
        encode(made, address)
    with pytest.raises(hb.InputError, match="leave overwrite out"):
        encode(made, address, overwrite=True)


@pytest.mark.store
def test_a_store_that_fails_on_the_way_is_taken_up_again(made, tmp_path, monkeypatch, state):
    """Three of four parts are noted; they are believed only while the store holds them."""
    pytest.importorskip("apsw", reason="pip install 'hammingbird[sqlite]'")
    pytest.importorskip("sqlite_vec", reason="pip install 'hammingbird[sqlite]'")
    from hammingbird.stores.sqlite_vec import SqliteVecStore

    address, write_whole = f"sqlite:{tmp_path / 'codes.db'}", SqliteVecStore._write

    def fail(store, codes, ids):
        if 2100 in ids:
            raise OSError("the disk is gone")
        write_whole(store, codes, ids)

    def stop():
        with monkeypatch.context() as broken:
            broken.setattr(SqliteVecStore, "_write", fail)
            broken.setattr(SqliteVecStore, "failures", (OSError,))
            broken.setattr(SqliteVecStore, "_look", keep_failures(SqliteVecStore._look))
            with pytest.raises(hb.StoreError, match="the disk is gone"):
                encode(made, address)

    def keep_failures(look):
        def looked(store):
            found = look(store)
            store.failures = (*store.failures, OSError)
            return found

        return looked

    stop()
    assert encode(made, address).kept == 3
    assert not list(state.iterdir())
    for damage in ("remove", "write"):
        stop()
        with open_store(address) as store:
            if damage == "remove":
                store.remove([700])
            else:
                store.write(made.codes[:1], [700])
        assert encode(made, address).kept == 0
    with open_store(address) as store:
        assert store.count() == len(made.X)
        np.testing.assert_array_equal(store.fetch(np.arange(len(made.X))), made.codes)


def test_a_file_that_changes_while_it_is_read_is_refused(made, tmp_path, monkeypatch):
    write(tmp_path / "a.parquet", made.X[:700])
    whole = type(made.hasher).encode

    def change(hasher, X):
        write(tmp_path / "a.parquet", made.X[:700])
        return whole(hasher, X)

    monkeypatch.setattr(type(made.hasher), "encode", change)
    with pytest.raises(hb.FileError, match="changed while it was read"):
        encode(made, tmp_path / "codes", source=tmp_path / "a.parquet")
    assert not contents(tmp_path / "codes")


# -- rows to learn from ---------------------------------------------------------------------------


def test_a_sample_depends_on_the_seed_alone(made, cluster):
    found = sample_rows(made.folder, 300, seed=1, engine=cluster)
    here = sample_rows(made.folder, 300, seed=1)
    np.testing.assert_array_equal(found.X, here.X)
    np.testing.assert_array_equal(found.y, here.y)
    rows = [int(np.flatnonzero((x == made.X).all(axis=1))[0]) for x in here.X]
    assert len(set(rows)) == 300
    assert rows == sorted(rows)
    np.testing.assert_array_equal(here.y, made.y[rows])
    assert not np.array_equal(here.X, sample_rows(made.folder, 300, seed=2).X)


def test_all_rows_are_equally_likely(made):
    taken = np.zeros(len(made.X))
    for seed in range(60):
        taken[np.isin(made.X[:, 0], sample_rows(made.folder, 600, seed=seed).X[:, 0])] += 1
    share = taken.mean() / 60
    assert share == pytest.approx(600 / len(made.X))
    ends = np.cumsum([0, 700, 1, 1300, 400])
    for start, stop in pairwise(ends):
        spread = (share * (1 - share) / 60 / (stop - start)) ** 0.5
        assert abs(taken[start:stop].mean() / 60 - share) < 4 * spread
    assert 7 < taken.std() ** 2 < 15  # 60 draws of a quarter: 11


def test_all_rows_are_taken_in_order_where_there_are_no_more(made):
    for rows in (None, len(made.X), 10**9):
        found = sample_rows(made.folder, rows)
        np.testing.assert_array_equal(found.X, made.X)
        np.testing.assert_array_equal(found.y, made.y)
    with pytest.raises(hb.InputError, match="at least one row"):
        sample_rows(made.folder, 0)


def test_labels_that_are_not_everywhere_are_refused(made, tmp_path):
    write(tmp_path / "a.parquet", made.X[:5], label=made.y[:5])
    write(tmp_path / "b.parquet", made.X[:5])
    with pytest.raises(hb.FileError, match="labels of other kinds, or without"):
        sample_rows(tmp_path)


# -- the command line -----------------------------------------------------------------------------


def test_fit_and_encode_on_the_command_line(made, tmp_path, monkeypatch):
    model, to = tmp_path / "model", tmp_path / "codes"
    said = run("fit", "itq", "--train", made.folder, "--sample", 500, "--bits", 24, "--out", model)
    assert "500 vectors" in said
    expected = hb.ITQ(24, random_state=0).fit(sample_rows(made.folder, 500).X)
    np.testing.assert_array_equal(hb.load(model).encode(made.X), expected.encode(made.X))
    said = run("encode", model, made.folder, "--to", to, "--ids", "key")
    assert "2,401 codes of 24 bits from 4 files" in said
    assert "(4 were there)" in run("encode", model, made.folder, "--to", to, "--ids", "key")
    assert read_parts(to).made_by == catalog.stamp(model)
    monkeypatch.setenv("HAMMINGBIRD_STORE", str(tmp_path / "others"))
    run("encode", model, made.folder, "--vectors", "embedding")
    np.testing.assert_array_equal(read_parts(tmp_path / "others").codes, read_parts(to).codes)
    assert "parts" in run("info", to)


def test_fit_samples_other_files_too(made, tmp_path):
    np.save(tmp_path / "x.npy", made.X)
    said = run(
        "fit", "lsh", "--train", tmp_path / "x.npy", "--sample", 70, "--out", tmp_path / "model"
    )
    assert "70 vectors" in said
    assert len(load(tmp_path / "x.npy").X) == len(made.X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "codes", "--out", "codes.npy"], "--out cannot be used"),
        (["--to", "codes", "--image-size", "8"], "--image-size cannot be used"),
        (["--out", "codes.npy", "--workers", "2"], "--workers cannot be used"),
        (["--out", "codes.npy", "--ids", "key"], "--ids cannot be used"),
        (["--to", "codes", "--workers", "2", "--scheduler", "tcp://x"], "either workers"),
        ([], "say --to"),
    ],
)
def test_options_that_fight_are_refused(made, options, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HAMMINGBIRD_STORE", raising=False)
    with pytest.raises(hb.InputError, match=message):
        run("encode", made.model, made.folder, *options)


def test_parts_tell_where_their_rows_are(made):
    parts = list_parts(made.folder)
    assert [part.name for part in parts] == ["a.parquet", "b.parquet", "c.parquet", "d/e.parquet"]
    assert [part.first for part in parts] == [0, 700, 701, 2001]
    assert pa.types.is_int64(pq.read_schema(parts[0].path).field("key").type)

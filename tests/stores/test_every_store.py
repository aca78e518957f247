"""What every store promises, on the real thing."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

import hammingbird as hb
from hammingbird import kernels
from hammingbird.stores import create_store, export, open_store, verify

BITS = (12, 16, 64, 128, 256, 1000)
STAMP = {"class": "ITQ", "fingerprint": "0123456789abcdef"}


def agrees(found, queries, database, ids, k):
    """Distances are those of the k nearest, and every id is at its distance."""
    rows, truth = kernels.nearest(queries, database, k)
    np.testing.assert_array_equal(found.distances, truth)
    there = found.ids >= 0
    np.testing.assert_array_equal(there, rows >= 0)
    place = {int(id_): row for row, id_ in enumerate(ids)}
    for query, (row, far) in enumerate(zip(found.ids, found.distances, strict=True)):
        assert len(set(row[row >= 0])) == (row >= 0).sum()
        for id_, distance in zip(row[row >= 0], far, strict=False):
            assert hb.hamming(queries[query], database[place[int(id_)]])[0, 0] == distance


@pytest.mark.parametrize("n_bits", BITS)
def test_the_nearest_are_the_true_ones_and_stay_so(flat, place, codes, n_bits):
    """Written in two batches, closed, opened, changed: ids kept, equal up to ties."""
    address = place(flat)
    database, queries = codes(300, n_bits), codes(5, n_bits, seed=1)
    ids = np.random.default_rng(2).choice(10**12, 300, replace=False)
    ids[0], ids[1] = 0, 2**62
    with create_store(address, n_bits, made_by=STAMP) as store:
        assert store.count() == 0
        assert (store.search(queries, 3).ids == -1).all()
        store.write(database[:200], ids[:200])
        store.write(database[200:], ids[200:])
        assert store.exact
    with open_store(address, made_by=STAMP) as store:
        assert (store.n_bits, store.made_by) == (n_bits, STAMP)
        assert store.count() == 300
        agrees(store.search(queries, 20), queries, database, ids, 20)
        agrees(store.search(queries, 310), queries, database, ids, 310)
        np.testing.assert_array_equal(store.fetch(ids[::-7]), database[::-7])
        verify(store, database, ids)
        store.write(database[:50][::-1], ids[:50])  # replaced
        store.remove([*ids[250:].tolist(), 3])
        store.remove(ids[250:])
    expected = np.concatenate([database[:50][::-1], database[50:250]])
    with open_store(address) as store:
        assert store.count() == 250
        agrees(store.search(queries, 20), queries, expected, ids[:250], 20)
        with pytest.raises(hb.InputError, match=str(ids[299])):
            store.fetch(ids[[1, 299]])


def test_within_a_radius(kind, place, codes):
    n_bits = 64
    database, queries = codes(300, n_bits), codes(4, n_bits, seed=1)
    with create_store(place(kind), n_bits) as store:
        store.write(database, np.arange(300))
        store.flush()
        if not store.has_within:
            with pytest.raises(hb.StoreError, match="use search"):
                store.within(queries, 3)
            return
        found = store.within(queries, 14)
        offsets, rows, distances = kernels.within(queries, database, 14)
        if store.exact:
            np.testing.assert_array_equal(found.offsets, offsets)
            np.testing.assert_array_equal(found.ids, rows)
            np.testing.assert_array_equal(found.distances, distances)
        for query, (start, end) in enumerate(zip(found.offsets, found.offsets[1:], strict=False)):
            ours = hb.hamming(queries[query], database[found.ids[start:end]])[0]
            np.testing.assert_array_equal(ours, found.distances[start:end])


def test_an_index_answers_with_true_distances_and_finds_most(kind, place, codes):
    address = place(kind)
    database = codes(2000, 128, noise=0.05)
    queries = database[::100] ^ np.uint8(1)
    export(database, address, 128, made_by=STAMP)
    with open_store(address) as store:
        store.remove(np.arange(0, 2000, 10))
        store.write(database[:1000:10], np.arange(0, 1000, 10))
    kept = np.flatnonzero((np.arange(2000) % 10 > 0) | (np.arange(2000) < 1000))
    with open_store(address) as store:
        assert store.count() == 1900
        verify(store)
        found = store.search(queries, 10)
        _, truth = kernels.nearest(queries, database[kept], 10)
        assert np.isin(found.ids[found.ids >= 0], kept).all()
        recall = (found.distances <= truth[:, -1:]).mean()
        assert recall == 1 if store.exact else recall > 0.8


def test_what_cannot_be_used_is_refused_and_changes_nothing(flat, place, codes):
    address, database = place(flat), codes(100, 64)
    with create_store(address, 64) as store:
        store.write(database, np.arange(100))
        for bad, ids in [
            (database, np.arange(99)),
            (database, np.zeros(100, int)),
            (database, np.arange(100) - 1),
            (database, np.arange(100.0)),
            (database, ["1); DROP TABLE codes; --"] * 100),
            (database[:, :5], np.arange(100)),
            (database.astype(np.int16), np.arange(100)),
            (np.array(database[:1]), [2**63]),
        ]:
            with pytest.raises(hb.InputError):
                store.write(bad, ids)
        for question in (store.fetch, store.remove):
            with pytest.raises(hb.InputError):
                question(["0 OR 1=1"])
        with pytest.raises(hb.InputError):
            store.search(database[:, :4], 3)
        with pytest.raises(hb.InputError):
            store.search(database, 0)
        store.write(database[:0], [])
        assert store.count() == 100
        assert store.search(database[:0], 3).ids.shape == (0, 3)
        verify(store, database)


def test_another_model_and_another_width_are_refused(flat, place, codes):
    address, database = place(flat), codes(40, 64)
    export(database, address, 64, made_by=STAMP)
    other = {**STAMP, "fingerprint": "f" * 16}
    for attempt in (
        lambda: open_store(address, made_by=other),
        lambda: export(database, address, 64, made_by=other),
    ):
        with pytest.raises(hb.InputError, match="another model"):
            attempt()
    with pytest.raises(hb.InputError, match="64 bits, these have 32"):
        export(np.ascontiguousarray(database[:, :4]), address, 32)
    with open_store(address, made_by=STAMP) as store:
        assert store.count() == 40


def test_nothing_there_is_said(flat, place):
    with pytest.raises(hb.StoreError, match="nothing at"):
        open_store(place(flat, "nowhere"))


def test_verify_names_what_went_wrong(flat, place, codes):
    """Codes that somebody wrote in another layout: every known mistake is told by its name."""
    from hammingbird.stores.layouts import MISTAKES, without_padding

    database = codes(200, 128)
    for words, change in MISTAKES.items():
        address = place(flat)
        with create_store(address, 128) as store:
            store.write(without_padding(change(database), 128), np.arange(200))
            with pytest.raises(hb.StoreError) as error:
                verify(store, database)
            assert words in str(error.value)


KILLED = """
import os, signal, sys
import numpy as np
from hammingbird import stores
from hammingbird.stores import exporting
exporting.MOST_ROWS = 500
address, moment = sys.argv[1], sys.argv[2]
store_class = stores.store_class(address.partition(":")[0])
done = []
def dying(name, after):
    step = getattr(store_class, name)
    def counted(self, *batch):
        step(self, *batch)
        done.append(name)
        if done.count(name) > after:
            os.kill(os.getpid(), signal.SIGKILL)
    setattr(store_class, name, counted)
if moment != "any":
    dying(*{"first": ("_write", 0), "third": ("_write", 2), "flush": ("_flush", 0)}[moment])
codes = np.load("codes.npy")
print("ready", flush=True)
stores.export(codes, address, 64)
"""


def is_whole(address, database):
    """A second run mends what the first left; there are neither duplicates nor holes."""
    export(database, address, 64)
    with open_store(address) as store:
        assert store.count() == len(database)
        np.testing.assert_array_equal(store.fetch(np.arange(len(database))), database)
        verify(store, database)


@pytest.mark.parametrize("moment", ["first", "third", "flush"])
def test_killed_half_way_a_second_run_has_neither_duplicates_nor_holes(
    flat, place, codes, python, tmp_path, moment
):
    address, database = place(flat), codes(2000, 64)
    np.save(tmp_path / "codes.npy", database)
    ended = python(KILLED, address, moment)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    is_whole(address, database)


def test_killed_at_any_moment_again_and_again(kind, place, codes, begun, tmp_path):
    """Within a batch too: the process is killed from outside, later each time."""
    address, database = place(kind), codes(6000, 64)
    np.save(tmp_path / "codes.npy", database)
    for seconds in (0.01, 0.05, 0.2):
        process = begun(KILLED, address, "any")
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.kill()
        process.communicate()
    is_whole(address, database)

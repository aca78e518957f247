"""`MultiIndex` answers as `Scan` does, whatever was changed and whichever way a query goes."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hammingbird as hb
from hammingbird.index import multi_index, state

CHANGES = ["add", "ids", "upsert", "remove", "search"]


def codes_of(rng, n, n_bits, noise=0.1):
    centres = np.random.default_rng(9).random((6, n_bits)) < 0.5
    return np.packbits(centres[rng.integers(0, 6, n)] ^ (rng.random((n, n_bits)) < noise), axis=1)


def same(index, scan, queries, k=7, radius=5):
    for found, expected in (
        (index.search(queries, k), scan.search(queries, k)),
        (index.within(queries, radius), scan.within(queries, radius)),
    ):
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(params=["measured", "tables", "scan"])
def way(request, monkeypatch):
    """Queries go by what is measured here, or all one way."""
    if request.param != "measured":
        budget = 2**62 if request.param == "tables" else -1
        monkeypatch.setattr(multi_index, "_budget", lambda *_: budget)
    return request.param


@pytest.mark.parametrize("n_bits", [9, 64, 100])
def test_every_change_leaves_the_answers_of_a_scan(way, n_bits):
    @settings(deadline=None, max_examples=15)
    @given(
        seed=st.integers(0, 2**32 - 1),
        changes=st.lists(
            st.sampled_from(["add", "ids", "upsert", "remove", "search"]), max_size=12
        ),
        soon=st.booleans(),
    )
    def check(seed, changes, soon):
        rng = np.random.default_rng(seed)
        index, scan, every = hb.MultiIndex(n_bits), hb.Scan(n_bits), np.arange(2000)
        old = state.LEAST_EXTRA
        state.LEAST_EXTRA = 10 if soon else old
        try:
            for change in ["add", *changes, "search"]:
                some = codes_of(rng, int(rng.integers(0, 60)), n_bits)
                ids = scan.ids.copy()
                free = np.setdiff1d(rng.integers(0, 900, 100), ids)[: len(some)]
                here = rng.permutation(ids)[: len(some)]
                for one in (index, scan):
                    if change == "add":
                        one.add(some)
                    elif change == "ids":
                        one.add(some[: len(free)], free)
                    elif change == "upsert":
                        both = np.union1d(here[: len(some) // 2], free[: len(some) // 2])
                        one.upsert(some[: len(both)], both)
                    elif change == "remove":
                        one.remove(here)
                if change == "search":
                    same(index, scan, codes_of(rng, 4, n_bits))
                assert len(index) == len(scan)
                np.testing.assert_array_equal(index.contains(every), scan.contains(every))
            np.testing.assert_array_equal(index.ids, scan.ids)
            np.testing.assert_array_equal(index.codes, scan.codes)
            same(index, scan, codes_of(rng, 3, n_bits), k=400)
        finally:
            state.LEAST_EXTRA = old

    check()


def test_few_changes_keep_the_tables():
    rng = np.random.default_rng(0)
    index = hb.MultiIndex(64).add(codes_of(rng, 3000, 64))
    scan = hb.Scan(64).add(index.codes)
    queries = codes_of(rng, 40, 64)
    index.search(queries, 3)
    first = index._state.tables
    for one in (index, scan):
        one.add(codes_of(np.random.default_rng(1), 50, 64)).remove([3, 3010, 17])
        one.upsert(codes_of(np.random.default_rng(2), 4, 64), [5, 3, 6, 3020])
    same(index, scan, queries)
    assert index._state.tables is first
    index.remove(np.arange(100, 700))
    scan.remove(np.arange(100, 700))
    same(index, scan, queries)
    assert index._state.tables is not first


def test_far_neighbours_are_scanned_and_near_ones_are_not(monkeypatch):
    """Measured: wide random codes have no near ones, and asking the tables would take longer."""
    from hammingbird import kernels

    scanned = []
    nearest = kernels.nearest

    def counted(queries, *rest):
        scanned.append(len(queries))
        return nearest(queries, *rest)

    rng = np.random.default_rng(0)
    for n_bits, n, far in ((128, 20_000, True), (64, 300_000, False)):
        database = rng.integers(0, 256, (n, n_bits // 8), dtype=np.uint8)
        queries = database[:200].copy() if not far else database[:200] ^ database[200:400]
        index, scan = hb.MultiIndex(n_bits).add(database), hb.Scan(n_bits).add(database)
        same(index, scan, queries, k=1, radius=2)
        scanned.clear()
        with monkeypatch.context() as patch:
            patch.setattr(kernels, "nearest", counted)
            index.search(queries, 1)
        if far:
            assert sum(scanned) == 200
        elif not kernels.backend.startswith("numpy"):
            assert sum(scanned) < 100


def test_bad_input_changes_nothing():
    rng = np.random.default_rng(0)
    index, codes = hb.MultiIndex(12), codes_of(rng, 3, 12) & np.uint8(0xF0)
    index.add(codes, [5, 3, 9])
    index.search(codes, 1)
    index.add(codes[:1], [20])
    for call, message in [
        (lambda: index.add(codes, [1, 2, 9]), "id 9 is taken"),
        (lambda: index.add(codes[:1], [20]), "id 20 is taken"),
        (lambda: index.add(codes, [1, 1, 2]), "id 1 comes twice"),
        (lambda: index.upsert(codes, [5, 1, 5]), "id 5 comes twice"),
        (lambda: index.add(codes, [1, 2]), "2 ids do not fit 3 codes"),
        (lambda: index.add(codes[:, :1]), r"shape \[n, 2\]"),
        (lambda: index.add(codes | 1), "padding bits"),
        (lambda: index.remove([3, 4]), "id 4 is not in the index"),
        (lambda: index.search(codes, 0), "k must be a whole number between 1"),
        (lambda: index.within(codes, -1), "radius"),
        (lambda: hb.MultiIndex(0), "n_bits must be between"),
        (lambda: hb.MultiIndex(129), "at most 128 bits, got 129: use Scan"),
    ]:
        with pytest.raises(hb.InputError, match=message):
            call()
    assert index.ids.tolist() == [3, 5, 9, 20]
    assert repr(index) == "MultiIndex(n_bits=12) of 4 codes"


def test_empty_and_short_indexes_are_padded():
    index, queries = hb.MultiIndex(8), np.array([[0], [255]], np.uint8)
    assert index.search(queries, 2).ids.tolist() == [[-1, -1]] * 2
    assert index.within(queries, 8).offsets.tolist() == [0, 0, 0]
    index.add(queries, [7, 3])
    found = index.search(queries, 4)
    assert found.ids.tolist() == [[7, 3, -1, -1], [3, 7, -1, -1]]
    assert found.distances.tolist() == [[0, 8, 65535, 65535]] * 2
    assert index.search(queries[:0], 5).ids.shape == (0, 5)
    index.remove([3, 7])
    assert index.search(queries, 2).ids.tolist() == [[-1, -1]] * 2


def test_saved_pickled_and_loaded(tmp_path):
    rng = np.random.default_rng(0)
    index = hb.MultiIndex(40).add(codes_of(rng, 500, 40), rng.permutation(900)[:500])
    queries = codes_of(rng, 5, 40)
    index.search(queries, 3)
    index.remove(index.ids[::9])
    index.save(tmp_path / "index")
    scan = hb.Scan(40).add(index.codes, index.ids)
    for again in (hb.MultiIndex.load(tmp_path / "index"), pickle.loads(pickle.dumps(index))):
        same(again, scan, queries)
    with pytest.raises(hb.FileError, match="not a Scan"):
        hb.Scan.load(tmp_path / "index")
    (tmp_path / "index" / "codes.npy").write_bytes(b"")
    with pytest.raises(hb.FileError):
        hb.MultiIndex.load(tmp_path / "index")


def test_searches_while_others_change_it():
    """A search sees one moment: what it finds is at the distance that it says."""
    rng = np.random.default_rng(0)
    database = codes_of(rng, 4000, 64)
    index, wrong = hb.MultiIndex(64).add(database[:2000]), []
    stop = threading.Event()

    def search():
        while not stop.is_set():
            found = index.search(database[:5], 3)
            if (found.distances[:, 0] != 0).any():
                wrong.append(found)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(2000, 4000, 50):
        index.add(database[start : start + 50])
        index.remove([start - 1000])
        index.upsert(database[start : start + 1], [start])
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(index) == 4000 - 40

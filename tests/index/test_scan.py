"""The index against NumPy: search, within, asymmetric scores, ids, files."""

from __future__ import annotations

import contextlib
import copy
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hammingbird import kernels
from hammingbird.codes import hamming, pack, pack_asked, unpack
from hammingbird.errors import FileError, InputError
from hammingbird.index import Radius, Scan, Shortlist
from hammingbird.storage import save_folder


def codes_of(rng, n, n_bits):
    return pack(rng.normal(size=(n, n_bits)))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bits=st.one_of(st.integers(1, 130), st.just(256)),
    parts=st.lists(st.integers(0, 40), min_size=1, max_size=4).filter(any),
    share=st.floats(0, 1),
)
def test_search_and_within_equal_numpy(seed, n_bits, parts, share):
    rng = np.random.default_rng(seed)
    n = sum(parts)
    codes, ids = codes_of(rng, n, n_bits), rng.permutation(3 * n)[:n]
    index = Scan(n_bits)
    for some in np.split(np.arange(n), np.cumsum(parts)[:-1]):
        index.add(codes[some], ids[some])
    gone = rng.permutation(n)[: int(share * (n - 1))]
    index.remove(ids[gone])
    codes, ids = np.delete(codes, gone, axis=0), np.delete(ids, gone)
    for _ in range(3):  # codes change and come one after the other, as in a run of their own
        for place, new in enumerate(codes_of(rng, len(ids), n_bits)[:7]):
            index.upsert([new], ids[[place]])
            codes[place] = new
        codes = np.concatenate([codes, codes_of(rng, 1, n_bits)])
        ids = np.append(
            ids, ids.max() + 1 if share < 0.5 else np.setdiff1d(range(4 * n + 9), ids)[0]
        )
        index.upsert(codes[-1:], ids[-1:])
        assert index.contains(ids).all()
        assert not index.contains(np.setdiff1d(range(5 * n), ids)).any()
        assert len(index) == len(ids)

    queries = codes_of(rng, 5, n_bits)
    distances = hamming(queries, codes)
    k = 1 + int(share * (len(ids) - 1))
    radius = int(share * n_bits)
    found, hits = index.search(queries, k), index.within(queries, radius)
    scores = rng.integers(-2, 3, (5, n_bits)).astype(np.float32)
    ranked = index.search_scores(scores, k)
    exact = scores @ unpack(codes, n_bits).T.astype(np.float32)
    for q in range(5):
        order = np.lexsort((ids, distances[q]))
        assert found.ids[q].tolist() == ids[order[:k]].tolist()
        assert found.distances[q].tolist() == distances[q, order[:k]].tolist()
        near = order[distances[q, order] <= radius]
        here = slice(hits.offsets[q], hits.offsets[q + 1])
        assert hits.ids[here].tolist() == ids[near].tolist()
        assert hits.distances[here].tolist() == distances[q, near].tolist()
        order = np.lexsort((ids, -exact[q]))[:k]
        assert ranked.ids[q].tolist() == ids[order].tolist()
        assert ranked.scores[q].tolist() == exact[q, order].tolist()


def test_ids_continue_after_the_largest():
    codes = codes_of(np.random.default_rng(0), 4, 12)
    index = Scan(12)
    index.add(codes[:1], [41])
    index.add(codes[1:])
    assert index.ids.tolist() == [41, 42, 43, 44]
    np.testing.assert_array_equal(index.codes, codes)
    assert repr(index) == "Scan(n_bits=12) of 4 codes"
    with pytest.raises(ValueError, match="read-only"):
        index.ids[0] = 3


def test_bad_input_changes_nothing():
    rng = np.random.default_rng(0)
    index, codes = Scan(12), codes_of(rng, 3, 12)
    index.add(codes, [5, 3, 9])
    for call, message in [
        (lambda: index.add(codes, [1, 2, 9]), "id 9 is taken"),
        (lambda: index.add(codes, [1, 1, 2]), "id 1 comes twice"),
        (lambda: index.upsert(codes, [5, 1, 5]), "id 5 comes twice"),
        (lambda: index.upsert(codes, [5, 1]), "2 ids do not fit 3 codes"),
        (lambda: index.contains([0.5]), "whole numbers"),
        (lambda: index.add(codes[:1], np.array([2**63], np.uint64)), "between 0 and"),
        (lambda: index.add(codes, [1, 2]), "2 ids do not fit 3 codes"),
        (lambda: index.add(codes, [-1, 1, 2]), "between 0 and"),
        (lambda: index.add(codes, [0.5, 1, 2]), "whole numbers"),
        (lambda: index.add(codes[:, :1]), r"shape \[n, 2\]"),
        (lambda: index.add(codes | 1), "padding bits"),
        (lambda: index.add(codes.astype(float)), "packed uint8"),
        (lambda: index.remove([3, 4]), "id 4 is not in the index"),
        (lambda: index.search(codes, 0), "k must be a whole number between 1"),
        (lambda: index.search(codes, True), "k must be a whole number between 1"),
        (lambda: index.search(codes, -1), "k must be a whole number between 1"),
        (lambda: index.search(codes[:, :1], 1), "queries of 12 bits"),
        (lambda: index.within(codes, -1), "radius"),
        (lambda: index.search_scores(np.full((1, 12), np.nan), 1), "not finite"),
        (lambda: index.search_scores(np.zeros((1, 16)), 1), r"shape \[n, 12\]"),
        (lambda: index.search_scores([["a"] * 12], 1), "must be real numbers"),
        (lambda: Scan(0), "n_bits must be between"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
    assert index.ids.tolist() == [3, 5, 9]
    np.testing.assert_array_equal(index.codes, codes[[1, 0, 2]])


def test_no_ids_after_the_last():
    codes = codes_of(np.random.default_rng(0), 2, 12)
    index = Scan(12).add(codes[:1], [2**63 - 2]).add(codes[1:])
    assert index.ids.tolist() == [2**63 - 2, 2**63 - 1]
    with pytest.raises(InputError, match="not 1 ids after the largest one"):
        index.add(codes[:1])
    assert len(index.add(codes[:1], [4])) == 3


def test_k_above_the_codes_is_padded():
    codes = np.array([[0], [255]], np.uint8)
    index = Scan(8).add(codes, [7, 3])
    found = index.search(codes, 4)
    assert found.ids.tolist() == [[7, 3, -1, -1], [3, 7, -1, -1]]
    assert found.distances.tolist() == [[0, 8, 65535, 65535]] * 2
    ranked = index.search_scores(np.ones((1, 8)), 3)
    assert ranked.ids.tolist() == [[3, 7, -1]]
    assert ranked.scores.tolist() == [[8, -8, -np.inf]]
    assert Scan(8).search(codes, 2).ids.tolist() == [[-1, -1]] * 2
    assert Scan(8).search_scores(np.ones((1, 8)), 2).ids.tolist() == [[-1, -1]]
    for some in (index, Scan(8)):
        assert [a.shape for a in some.search(codes[:0], 5)] == [(0, 5)] * 2
        assert [a.shape for a in some.search_scores(np.ones((0, 8)), 5)] == [(0, 5)] * 2


def test_many_smaller_ids_one_at_a_time():
    """They are put in order now and then, never one by one."""
    rng = np.random.default_rng(0)
    codes, ids = codes_of(rng, 4000, 64), rng.permutation(4000)
    index = Scan(64)
    for code, number in zip(codes, ids, strict=True):
        index.add(code[None], [number])
        if number % 500 == 0:
            with pytest.raises(InputError, match=f"id {number} is taken"):
                index.add(code[None], [number])
    np.testing.assert_array_equal(index.ids, range(4000))
    np.testing.assert_array_equal(index.codes, codes[np.argsort(ids)])


def test_an_interrupted_change_changes_nothing(monkeypatch):
    codes = codes_of(np.random.default_rng(0), 4, 12)
    index = Scan(12).add(codes[:2], [5, 9])
    dropped = index._rows.with_rows(codes[2:3], np.array([3]))  # made, never taken
    assert dropped.contains(np.array([3])).all()
    assert index.contains([3, 5]).tolist() == [False, True]
    assert len(index) == 2
    index.add(codes[3:], [4])
    assert index.contains([3, 4]).tolist() == [False, True]
    index.add(codes[2:3], [3])
    np.testing.assert_array_equal(index.codes, codes[[2, 3, 0, 1]])


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_goes_its_own_way(duplicate):
    codes = codes_of(np.random.default_rng(0), 4, 12)
    index = Scan(12).add(codes[:1]).add(codes[1:2])
    other = duplicate(index)
    index.add(codes[2:3])
    other.add(codes[3:])
    np.testing.assert_array_equal(index.codes, codes[[0, 1, 2]])
    np.testing.assert_array_equal(other.codes, codes[[0, 1, 3]])


@pytest.mark.parametrize("mmap", [False, True])
def test_save_and_load(tmp_path, mmap):
    rng = np.random.default_rng(0)
    index, codes = Scan(100), codes_of(rng, 50, 100)
    index.add(codes, rng.permutation(90)[:50])
    index.save(tmp_path / "index")
    loaded = Scan.load(tmp_path / "index", mmap=mmap)
    assert isinstance(loaded.codes, np.memmap) == mmap
    for a, b in zip(loaded.search(codes, 7), index.search(codes, 7), strict=True):
        np.testing.assert_array_equal(a, b)
    loaded.remove(loaded.ids[:1])
    loaded.add(codes[:1])
    assert len(loaded) == 50
    loaded.save(tmp_path / "index", overwrite=True)
    assert Scan.load(tmp_path / "index").ids.tolist() == loaded.ids.tolist()
    with pytest.raises(FileError, match="exists already"):
        index.save(tmp_path / "index")


def test_an_empty_index_can_be_saved(tmp_path):
    Scan(16).save(tmp_path / "index")
    loaded = Scan.load(tmp_path / "index", mmap=True)
    assert len(loaded) == 0
    assert loaded.within(np.zeros((2, 2), np.uint8), 16).offsets.tolist() == [0, 0, 0]


def test_foreign_altered_and_truncated_folders(tmp_path):
    index = Scan(16)
    index.add(codes_of(np.random.default_rng(0), 9, 16))
    with pytest.raises(FileError, match="is not a saved index"):
        Scan.load(tmp_path)
    index.save(tmp_path / "index")
    file = tmp_path / "index" / "codes.npy"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    with pytest.raises(FileError, match="truncated or altered"):
        Scan.load(tmp_path / "index")
    file.write_bytes(content[:-1])
    with pytest.raises(FileError, match="truncated or altered"):
        Scan.load(tmp_path / "index", mmap=True)
    file.write_bytes(content)
    manifest = tmp_path / "index" / "index.json"
    manifest.write_text(manifest.read_text().replace('"n_bits": 16', '"n_bits": 24'))
    with pytest.raises(FileError, match="altered"):
        Scan.load(tmp_path / "index")


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    ("ids", "codes", "manifest"),
    [
        ([1, 1, 2], None, {}),
        ([-1, 0, 2], None, {}),
        ([2, 1, 3], None, {}),
        (np.arange(3.0), None, {}),
        (np.arange(3)[:, None], None, {}),
        (None, np.full((3, 2), 255, np.uint8), {}),
        (None, np.zeros((3, 2), np.int8), {}),
        (None, np.zeros((3, 3), np.uint8), {}),
        (None, np.zeros((2, 3), np.uint8).T, {}),
        (None, np.array([[None] * 2] * 3), {}),
        (None, None, {"n_bits": "12"}),
        (None, None, {"n_bits": [12]}),
        (None, None, {"n_bits": 0}),
        (None, None, {"n_codes": 4}),
        (None, None, {"n_codes": None}),
    ],
)
def test_what_a_saved_index_cannot_mean(tmp_path, mmap, ids, codes, manifest):
    """A folder with right checksums and wrong values, as another program may write it."""

    def write(to):
        np.save(to / "codes.npy", np.zeros((3, 2), np.uint8) if codes is None else codes)
        np.save(to / "ids.npy", np.arange(3) if ids is None else ids)

    content = {"class": "Scan", "n_bits": 12, "n_codes": 3, **manifest}
    save_folder(tmp_path / "index", "index", content, write)
    with pytest.raises(FileError, match="save"):
        Scan.load(tmp_path / "index", mmap=mmap)
    for missing in ("n_bits", "n_codes"):
        save_folder(
            tmp_path / missing,
            "index",
            {name: value for name, value in content.items() if name != missing},
            write,
        )
        with pytest.raises(FileError, match="save"):
            Scan.load(tmp_path / missing, mmap=mmap)


@pytest.mark.parametrize("start", range(0, 128, 4))
def test_mapped_codes_with_a_broken_header(tmp_path, start):
    """Maps are not checksummed, so whatever NumPy makes of a header comes to the reader."""
    Scan(16).add(codes_of(np.random.default_rng(0), 9, 16)).save(tmp_path / "index")
    file = tmp_path / "index" / "codes.npy"
    content = file.read_bytes()
    for broken in (b"PK\x03\x04", b"\xff\xff\xff\xff", b"('[{", b"9999", b"\0\0\0\0"):
        file.write_bytes(content[:start] + broken + content[start + 4 :])
        with warnings.catch_warnings(), contextlib.suppress(FileError):
            warnings.simplefilter("ignore")
            assert len(Scan.load(tmp_path / "index", mmap=True)) == 9


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n_bits=st.sampled_from([5, 8, 20, 64]), n=st.integers(1, 90))
def test_tables_read_behind_a_filter_equal_loops(seed, n_bits, n):
    """All that passes by Hamming distance, ordered by its tables, ties by the smaller id."""
    rng = np.random.default_rng(seed)
    codes, ids = codes_of(rng, n, n_bits), rng.permutation(3 * n)[:n]
    index = Scan(n_bits).add(codes, ids)
    tables = np.round(rng.normal(size=(3, codes.shape[1], 256))).astype(np.float32)
    if seed % 2:
        tables = kernels.tables(np.round(rng.normal(size=(3, n_bits))))
    own = pack_asked(tables, n_bits) if seed % 3 else codes_of(rng, 3, n_bits)
    said = None if seed % 3 else own
    k, radius, most = (
        int(rng.integers(1, n + 3)),
        int(rng.integers(0, n_bits)),
        rng.integers(1, n + 9),
    )
    for chosen in (None, Radius(radius, said), Shortlist(int(most), said)):
        found = index.search(tables, k, filter=chosen)
        for q in range(3):
            near = sorted(
                (int(hamming(own[q], code)[0, 0]), i) for code, i in zip(codes, ids, strict=True)
            )
            passed = {i for d, i in near if not isinstance(chosen, Radius) or d <= radius}
            if isinstance(chosen, Shortlist):
                passed = {i for _, i in near[:most]}
            ranked = sorted(
                (-float(tables[q, np.arange(len(code)), code].sum()), i)
                for code, i in zip(codes, ids, strict=True)
                if i in passed
            )[:k]
            filled = len(ranked)
            assert found.ids[q, :filled].tolist() == [i for _, i in ranked]
            assert found.distances[q, :filled].tolist() == [d for d, _ in ranked]
            assert (found.ids[q, filled:] == -1).all()
            assert (found.distances[q, filled:] == np.inf).all()


def test_a_filter_has_a_code_for_each_query():
    index = Scan(16).add(np.zeros((3, 2), np.uint8))
    with pytest.raises(InputError, match="1 own codes do not fit tables of 2 queries"):
        index.search(np.zeros((2, 2, 256)), 1, filter=Radius(3, np.zeros((1, 2), np.uint8)))


def test_a_filter_needs_tables():
    index = Scan(16).add(np.zeros((3, 2), np.uint8))
    with pytest.raises(InputError, match="search by hasher.tables"):
        index.search(np.zeros((1, 2), np.uint8), 1, filter=Radius(3))
    with pytest.raises(InputError, match=r"tables must have shape \[n, 2, 256\]"):
        index.search(np.zeros((1, 3, 256)), 1, filter=Radius(3))
    with pytest.raises(InputError, match="not finite"):
        index.search(np.full((1, 2, 256), np.nan), 1, filter=Shortlist(3))

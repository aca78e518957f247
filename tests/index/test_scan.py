"""The index against NumPy: search, within, asymmetric scores, ids, files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hammingbird.codes import hamming, pack, unpack
from hammingbird.errors import FileError, InputError
from hammingbird.index import Scan


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
        (lambda: index.add(codes, [1, 1, 2]), "id 1 is taken"),
        (lambda: index.add(codes, [1, 2]), "2 ids do not fit 3 codes"),
        (lambda: index.add(codes, [-1, 1, 2]), "between 0 and"),
        (lambda: index.add(codes, [0.5, 1, 2]), "whole numbers"),
        (lambda: index.add(codes[:, :1]), r"shape \[n, 2\]"),
        (lambda: index.add(codes | 1), "padding bits"),
        (lambda: index.add(codes.astype(float)), "packed uint8"),
        (lambda: index.remove([3, 4]), "id 4 is not in the index"),
        (lambda: index.search(codes, 4), "between 1 and the 3 rows"),
        (lambda: index.search(codes[:, :1], 1), "queries of 12 bits"),
        (lambda: index.within(codes, -1), "radius"),
        (lambda: index.search_scores(np.full((1, 12), np.nan), 1), "not finite"),
        (lambda: index.search_scores(np.zeros((1, 16)), 1), r"shape \[n, 12\]"),
        (lambda: Scan(12).search(codes, 1), "0 rows"),
        (lambda: Scan(0), "n_bits must be between"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
    assert index.ids.tolist() == [3, 5, 9]
    np.testing.assert_array_equal(index.codes, codes[[1, 0, 2]])


@pytest.mark.parametrize("mmap", [False, True])
def test_save_and_load(tmp_path, mmap):
    rng = np.random.default_rng(0)
    index, codes = Scan(100), codes_of(rng, 50, 100)
    index.add(codes, rng.permutation(90)[:50])
    index.save(tmp_path / "index")
    loaded = Scan.load(tmp_path / "index", mmap=mmap)
    assert isinstance(loaded._codes, np.memmap) == mmap
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

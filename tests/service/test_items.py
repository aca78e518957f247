"""What is written is there again, whole, and one process holds it."""

from __future__ import annotations

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.errors import FileError, InputError
from hammingbird.service.engine import Engine, TakenIdError, UnknownIdError
from hammingbird.service.items import Items, Written
from hammingbird.service.opening import open_engine


def written(ids, codes, payloads=None):
    codes = np.asarray(codes, np.uint8)
    return Written(np.asarray(ids), codes, [None] * len(ids), payloads or [None] * len(ids))


def test_the_index_is_read_back(tmp_path):
    items = Items(tmp_path / "a.sqlite", 16)
    items.write(written([7, 3], [[1, 2], [3, 4]], ['{"name": "x"}', None]))
    items.remove([7])
    items.write(written([7, 9], [[5, 6], [7, 8]]))
    items.close()
    again = Items(tmp_path / "a.sqlite")
    index = again.index()
    assert index.n_bits == 16
    assert index.ids.tolist() == [3, 7, 9]
    assert index.codes.tolist() == [[3, 4], [5, 6], [7, 8]]
    assert again.payloads([3, 7, 9]) == {}, "a payload goes with its item"
    again.close()


def test_a_take_over_is_whole_or_not_at_all(tmp_path):
    items = Items(tmp_path / "a.sqlite", 16)

    def blocks():
        yield written([1], [[1, 1]])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        items.take_over(blocks())
    assert len(items) == 0
    items.close()


def test_writes_are_synced(tmp_path):
    """FULL is 2: a commit is on the disk when it returns, with WAL as with any journal."""
    items = Items(tmp_path / "a.sqlite", 16)
    assert items._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert items._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    items.close()


def test_one_process_holds_the_file(tmp_path):
    items = Items(tmp_path / "a.sqlite", 16)
    with pytest.raises(FileError, match="in use"):
        Items(tmp_path / "a.sqlite", 16)
    items.close()
    Items(tmp_path / "a.sqlite", 16).close()


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InputError, match="is new"):
        Items(tmp_path / "a.sqlite")
    Items(tmp_path / "b.sqlite", 16, "one").close()
    with pytest.raises(InputError, match="another model"):
        Items(tmp_path / "b.sqlite", 16, "two")
    with pytest.raises(InputError, match="16 bits"):
        Items(tmp_path / "b.sqlite", 24)
    (tmp_path / "c.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(FileError, match="cannot be opened"):
        Items(tmp_path / "c.sqlite", 16)


def test_the_engine_changes_both_or_neither(tmp_path, monkeypatch):
    engine = Engine(Items(tmp_path / "a.sqlite", 16))
    codes = np.array([[1, 2], [3, 4]], np.uint8)
    assert engine.write(codes, [5, None], [None] * 2, [None] * 2) == [5, 6]
    with pytest.raises(TakenIdError, match="id 5 is taken"):
        engine.write(codes[:1], [5], [None], [None])
    with pytest.raises(TakenIdError, match="twice"):
        engine.write(codes, [8, 8], [None] * 2, [None] * 2)
    with pytest.raises(UnknownIdError, match="no item 99"):
        engine.remove([5, 99])
    monkeypatch.setattr(engine.items, "write", lambda new: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.write(codes, [None, None], [None] * 2, [None] * 2)
    assert engine.index.ids.tolist() == [5, 6]
    engine.close()


def test_a_search_never_finds_an_index_to_sort(tmp_path):
    engine = Engine(Items(tmp_path / "a.sqlite", 16))
    codes = np.arange(8, dtype=np.uint8).reshape(4, 2)
    engine.write(codes, [9, 3, 7, 5], [None] * 4, [None] * 4)
    engine.write(codes[::-1], [9, 1, 7, 5], [None] * 4, [None] * 4, replace=True)
    rows = engine.index._rows
    assert rows.ordered == rows.n, "a writer has put the ids in order"
    assert engine.index.ids.tolist() == [1, 3, 5, 7, 9]
    assert engine.codes_of([9, 3]).tolist() == [[6, 7], [2, 3]]
    engine.close()


def test_codes_and_saved_indexes_are_taken_over_once(tmp_path, model):
    from sklearn.datasets import load_digits

    X = load_digits().data
    hasher = hb.load(model)
    hb.Scan(32).add(hasher.encode(X[:50]), np.arange(50) + 100).save(tmp_path / "index")
    engine = open_engine(tmp_path / "index", model)
    assert engine.index.ids.tolist() == list(range(100, 150))
    engine.remove([100])
    engine.close()
    engine = open_engine(tmp_path / "index", model)
    assert engine.index.ids[0] == 101, "what was changed since is kept"
    engine.close()
    np.save(tmp_path / "codes.npy", hasher.encode(X[:50]))
    np.save(tmp_path / "X.npy", X[:50])
    engine = open_engine(tmp_path / "codes.npy", model, vectors=tmp_path / "X.npy")
    assert np.array_equal(engine.items.vectors([7])[7], X[7].astype(np.float32))
    engine.close()
    with pytest.raises(FileError, match="does not exist"):
        open_engine(tmp_path / "nothing", model)

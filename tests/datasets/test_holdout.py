import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hammingbird.datasets import hold_out
from hammingbird.datasets import holdout as module
from hammingbird.errors import InputError


def shuffled(distinct, copies, seed=0):
    rng = np.random.default_rng(seed)
    return rng.permutation(np.repeat(rng.standard_normal((distinct, 5)), copies, axis=0))


@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 9), st.data())
def test_no_query_is_kept(distinct, copies, seed, data):
    X = shuffled(distinct, copies).astype(np.float16)
    n_queries = data.draw(st.integers(1, distinct - 1))
    queries, kept = hold_out(X, n_queries, random_state=seed)
    assert (len(queries), len(np.unique(queries))) == (n_queries, n_queries)
    assert len(kept) == len(X) - n_queries * copies
    assert not {row.tobytes() for row in X[queries]} & {row.tobytes() for row in X[kept]}
    for rows in (queries, kept):
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()


def test_a_seed_decides(tmp_path):
    X = shuffled(200, 1)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    first, again, other = hold_out(X, 20), hold_out(mapped, 20), hold_out(X, 20, random_state=1)
    assert first.queries.tolist() == again.queries.tolist() != other.queries.tolist()


def test_blocks_do_not_decide(monkeypatch):
    X = shuffled(50, 3)
    whole = hold_out(X, 9)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    assert all(map(np.array_equal, whole, hold_out(X, 9)))


def test_a_sample_bounds_what_is_kept():
    X = shuffled(500, 1)
    queries, kept = hold_out(X, 10, sample=60)
    assert (len(queries), len(kept)) == (10, 60)
    assert len(hold_out(X, 10, sample=1000).kept) == 490


def test_a_vector_that_fills_the_file_is_seldom_drawn():
    X = np.concatenate([np.zeros((1000, 5)), shuffled(1000, 1)])
    kept = [len(hold_out(X, 10, random_state=seed).kept) for seed in range(50)]
    assert np.mean(kept) > 1900


@pytest.mark.parametrize(
    ("X", "n_queries", "message"),
    [
        (np.ones((1, 3)), 1, "X has 1 row: .* at least two"),
        (np.eye(5), 5, "X has 5 rows: 5 queries leave none to search in"),
        (np.ones((9, 3)), 2, "all 9 rows of X are equal"),
        (np.repeat(np.eye(3), 5, axis=0), 3, "only 3 different rows: 3 queries leave none"),
        (np.eye(5), 0, "n_queries must be at least 1, got 0"),
        (np.ones(5), 1, r"a matrix of vectors \[n, d\]"),
    ],
)
def test_what_cannot_be_split(X, n_queries, message):
    with pytest.raises(InputError, match=message):
        hold_out(X, n_queries)


def test_an_empty_sample():
    with pytest.raises(InputError, match="sample must be at least 1"):
        hold_out(np.eye(5), 1, sample=0)

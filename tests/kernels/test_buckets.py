"""Multi-index hashing: every instruction set equals the twin, the twin equals all distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hammingbird import kernels
from hammingbird.errors import InputError
from hammingbird.index import tables
from hammingbird.kernels import bucket_twin, twin

try:
    from hammingbird.kernels import _native

    LEVELS = _native.levels()
except ImportError:
    LEVELS = []

EVERYTHING = 2**62


@pytest.fixture(autouse=True)
def _restore_level():
    yield
    if LEVELS:
        _native.set_level(LEVELS[-1])


@st.composite
def problems(draw):
    """Queries, a database with near and equal codes, its tables, rows that are gone."""
    n_bits = draw(st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 100, 128])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, noise = draw(st.sampled_from([1, 2, 40, 700])), draw(st.sampled_from([0, 0.02, 0.1, 0.5]))
    centres = rng.random((5, n_bits)) < 0.5
    rows, asked = (
        centres[rng.integers(0, 5, m)] ^ (rng.random((m, n_bits)) < noise) for m in (n, 3)
    )
    database, queries = np.packbits(rows, axis=1), np.packbits(asked, axis=1)
    built = tables.build(database, n_bits)
    gone = rng.random(n) < draw(st.sampled_from([0, 0.3]))
    if gone.any() and not gone.all():
        built = built._replace(gone=gone)
    alive = np.arange(n) if built.gone is None else np.flatnonzero(~gone)
    return queries, database, built, alive, draw(st.integers(1, len(alive)))


def equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("level", [*LEVELS, "twin"])
@settings(deadline=None, max_examples=60)
@given(problem=problems(), budget=st.sampled_from([EVERYTHING, 0, 300, 3000, 20_000]))
def test_nearest_is_exact_or_gives_up(level, problem, budget):
    queries, database, built, alive, k = problem
    expected = bucket_twin.nearest_in_buckets(queries, *built, k, budget)
    if level != "twin":
        _native.set_level(level)
        equal(_native.nearest_in_buckets(queries, *built, k, budget, 2), expected)
    rows, distances, spent = expected
    done = spent >= 0
    assert done.all() or budget < EVERYTHING
    truth, far = twin.nearest(queries, database[alive], k)
    np.testing.assert_array_equal(rows[done], alive[truth][done])
    np.testing.assert_array_equal(distances[done], far[done])
    assert (rows[~done] == -1).all()
    assert (distances[~done] == 65_535).all()


@pytest.mark.parametrize("level", [*LEVELS, "twin"])
@settings(deadline=None, max_examples=60)
@given(problem=problems(), radius=st.sampled_from([0, 1, 2, 3, 7, 130]))
def test_within_is_exact(level, problem, radius):
    queries, database, built, alive, _ = problem
    radius = min(radius, 8 * database.shape[1])
    found = bucket_twin.within_in_buckets(queries, *built, radius)
    if level != "twin":
        _native.set_level(level)
        equal(_native.within_in_buckets(queries, *built, radius, 2), found)
    offsets, rows, distances = twin.within(queries, database[alive], radius)
    equal(found, (offsets, alive[rows], distances))


@pytest.mark.parametrize(("n_bits", "n"), [(1, 1), (7, 0), (12, 10**6), (64, 10**7), (4096, 10)])
def test_substrings_cover_all_bits(n_bits, n):
    bits = tables.substrings(n_bits, n)
    lengths = np.diff(bits)
    assert (bits[0], bits[-1]) == (0, n_bits)
    assert lengths.min() >= 1
    assert lengths.max() - lengths.min() <= 1
    assert lengths.max() <= tables.LONGEST


def test_equal_codes_take_room_once():
    """Table 0 has all rows, the others each code once."""
    codes = np.repeat(np.arange(40, dtype=np.uint8)[:, None], 100, axis=0).repeat(8, axis=1)
    built = tables.build(codes, 64)
    assert len(built.codes) == 4000 + 40 * (len(built.bits) - 2)


def test_more_codes_than_can_be_numbered_are_refused(monkeypatch):
    monkeypatch.setattr(tables, "MOST_HELD", 39)
    codes = np.arange(10, dtype=np.uint8).repeat(8).reshape(10, 8)
    with pytest.raises(InputError, match="several indexes"):
        tables.build(codes, 64)


def test_queries_of_another_width_are_refused():
    built = tables.build(np.zeros((4, 8), np.uint8), 64)
    with pytest.raises(InputError, match="do not fit"):
        kernels.nearest_in_buckets(np.zeros((1, 4), np.uint8), built, 1, 10)
    with pytest.raises(InputError, match="do not fit"):
        kernels.within_in_buckets(np.zeros((1, 4), np.uint8), built, 1)

"""DistilledComposite: what codes cost, codebooks, margins, tables, and what bad input gives."""

from __future__ import annotations

import numpy as np
import pytest

import hammingbird as hb
from hammingbird import kernels
from hammingbird.classical.composite import DistilledComposite, added_up, deviation, refitted
from hammingbird.codes import pack, pack_asked, unpack
from hammingbird.index import Radius


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(1500, 6)) @ rng.normal(size=(6, 19)) + 0.3).astype(np.float32)


@pytest.fixture(scope="module", params=[8, 12, 24])
def fitted(request, rows):
    return DistilledComposite(request.param, rounds=3, random_state=0).fit(rows)


def cost(hasher, x, code):
    """What one code costs a centred row, by the formula of the class."""
    y = added_up(hasher.books_, code[None])[0].astype(float)
    named = sum(float(hasher.norms_[byte, value]) for byte, value in enumerate(code))
    apart = float(y @ y) - hasher.base_ - named
    scores = x @ hasher.weights_ + hasher.bias_
    agreement = float(np.mean(scores * unpack(code[None], hasher.n_bits_)[0]))
    v = x @ hasher.directions_
    return ((v - y) ** 2).sum() + hasher.constancy * apart**2 - hasher.fidelity * agreement


def centred(hasher, X):
    return (X - hasher.mean_.astype(np.float32)) / np.float32(hasher.scale_)


def test_bytes_take_in_turn_the_value_of_least_cost(fitted, rows):
    """One pass over every byte, beside trying all values by the formula."""
    X = centred(fitted, rows[:6])
    start = pack(X @ fitted.weights_ + fitted.bias_)
    cross, parts = fitted._pairs()
    found = kernels.descend(
        next(fitted._costs(X))[1], start, cross, parts, fitted.base_, fitted.constancy, 1
    )
    step = 1 << (-fitted.n_bits % 8)
    for x, code, got in zip(X, start, found, strict=True):
        now = code.copy()
        for byte in range(len(code)):
            last = byte == len(code) - 1
            tried = {}
            for value in range(0, 256, step if last else 1):
                now[byte] = value
                tried[value] = cost(fitted, x, now)
            now[byte] = got[byte]
            assert tried[int(got[byte])] == pytest.approx(min(tried.values()), abs=1e-5)


def test_codes_are_the_signs_of_margins(fitted, rows):
    codes, margins = fitted.encode(rows), fitted.project(rows)
    np.testing.assert_array_equal(codes, pack(margins))
    assert margins.shape == (len(rows), fitted.n_bits)
    x, code = centred(fitted, rows[:1])[0], codes[0]
    bit = 3  # of the first byte: the least cost of every value of it, by the formula
    costs = []
    for value in range(0, 256, 1 << (-fitted.n_bits % 8) if len(code) == 1 else 1):
        other = code.copy()
        other[0] = value
        costs.append((bool(value & 128 >> bit), cost(fitted, x, other)))
    zero, one = (min(c for side, c in costs if side is wanted) for wanted in (False, True))
    margin = margins[0, bit] / fitted.scale_**2
    if (zero - one >= 0) == bool(code[0] & 128 >> bit):
        assert margin == pytest.approx(zero - one, abs=1e-5)


def test_tables_are_distances_but_for_the_deviation(fitted, rows):
    queries, codes = rows[:5] + 0.1, fitted.encode(rows[100:140])
    scores = kernels.scores(fitted.tables(queries), codes, fitted.n_bits)
    apart = deviation(
        added_up(fitted.books_, codes), codes, fitted.norms_, fitted.base_
    ) * np.float32(fitted.scale_**2)
    true = ((queries[:, None] - fitted.reconstruct(codes)) ** 2).sum(axis=2)
    np.testing.assert_allclose(-scores, true - apart, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(fitted.asked(queries), fitted.tables(queries))
    assert fitted.error_ == pytest.approx(
        ((rows - fitted.reconstruct(fitted.encode(rows))) ** 2).sum(axis=1).mean(), rel=0.2
    )


def test_questions_come_with_the_codes_that_rows_would_get(fitted, rows):
    """A byte's largest entry in the tables is not the query's own: vectors add up."""
    codes, asked = fitted.questions(rows[:50])
    np.testing.assert_array_equal(codes, fitted.encode(rows[:50]))
    np.testing.assert_array_equal(asked, fitted.tables(rows[:50]))
    if codes.shape[1] > 1:
        assert (codes != pack_asked(asked, fitted.n_bits)).any()
    index = hb.Scan(fitted.n_bits).add(fitted.encode(rows))
    near = index.search(asked, 1, filter=Radius(0, codes)).ids[:, 0]
    np.testing.assert_array_equal(fitted.encode(rows[near]), codes)


def test_rounds_lower_the_objective(rows):
    v = centred(DistilledComposite(16, rounds=1, random_state=0).fit(rows), rows)
    codes = np.random.default_rng(1).integers(0, 256, (len(v), 2), dtype=np.uint8)
    books = np.zeros((2, 256, v.shape[1]), np.float32)
    norms = np.zeros((2, 256), np.float32)

    def objective(base):
        y = added_up(books, codes)
        apart = deviation(y, codes, norms, base)
        return float(((v - y) ** 2).sum(axis=1).mean() + 4 * (apart**2).mean())

    found = [objective(refitted(v, codes, books, norms, 4.0, 1)) for _ in range(8)]
    assert (np.diff(found) < 1e-4).all()
    assert found[-1] < found[0] - 1e-3


def test_a_codebook_moves_to_the_mean_of_what_is_left(rows):
    """Without a weight on the deviation, with one byte: means, but for the row at zero."""
    v = centred(DistilledComposite(8, rounds=1, random_state=0).fit(rows), rows)
    codes = (np.arange(len(v)) % 7).astype(np.uint8)[:, None]
    books = np.zeros((1, 256, v.shape[1]), np.float32)
    refitted(v, codes, books, np.zeros((1, 256), np.float32), 0, 1)
    for value in range(7):
        mine = v[codes[:, 0] == value]
        np.testing.assert_allclose(books[0, value], mine.sum(axis=0) / (len(mine) + 1), atol=1e-5)
    assert not books[0, 7:].any()


def test_tables_know_more_than_bits_and_bits_more_than_those_of_centres():
    rng = np.random.default_rng(0)
    every = (rng.normal(size=(4200, 24)) * 0.85 ** np.arange(24)).astype(np.float32)
    rows, queries = every[200:], every[:200]
    near = hb.nearest_vectors(queries, rows, 10).ids

    def kept(hasher, ask):
        ids = hb.Scan(32).add(hasher.encode(rows)).search(ask(queries), 10).ids
        return np.mean([np.isin(t, i).mean() for t, i in zip(near, ids, strict=True)])

    ours = hb.DistilledComposite(32, rounds=8, random_state=0).fit(rows)
    theirs = hb.Polysemous(32, random_state=0).fit(rows)
    bits = hb.DistilledHash(32, random_state=0).fit(rows)
    assert kept(ours, ours.tables) > kept(bits, bits.tables) + 0.02
    assert kept(ours, ours.encode) > kept(theirs, theirs.encode) + 0.02


def test_more_fidelity_keeps_more_of_the_bits(rows):
    bits = hb.DistilledHash(16, random_state=0).fit(rows).encode(rows)
    agree, errors = [], []
    for fidelity in (0.0, 1.0, 100.0):
        hasher = DistilledComposite(16, fidelity=fidelity, rounds=3, random_state=0).fit(rows)
        agree.append(float((unpack(hasher.encode(rows), 16) == unpack(bits, 16)).mean()))
        errors.append(hasher.error_)
    assert agree[0] < agree[1] < agree[2]
    assert errors[0] < errors[2]
    assert agree[2] > 0.97


def test_a_loaded_one_gives_the_same(fitted, rows, tmp_path):
    fitted.save(tmp_path / "m")
    loaded = hb.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.encode(rows), fitted.encode(rows))
    np.testing.assert_array_equal(loaded.tables(rows[:3]), fitted.tables(rows[:3]))


def test_a_second_fit_forgets_the_first(rows):
    hasher = DistilledComposite(16, rounds=2, random_state=0)
    first = hasher.fit(rows).encode(rows)
    hasher.fit(rows[::-1] * 2 + 1).encode(rows)
    np.testing.assert_array_equal(hasher.fit(rows).encode(rows), first)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rounds": 0}, "rounds must be a whole number of at least 1"),
        ({"max_rows": 1}, "max_rows must be a whole number of at least 2"),
        ({"fidelity": -1.0}, "fidelity must be at least 0"),
        ({"constancy": float("nan")}, "constancy must be at least 0"),
        ({"n_bits": 264}, "at most 256 bits .*DistilledHash"),
    ],
)
def test_bad_parameters(parameters, message, rows):
    with pytest.raises(hb.InputError, match=message):
        DistilledComposite(**{"n_bits": 16, **parameters}).fit(rows)


def test_few_rows_equal_rows_and_one_row(rows):
    few = DistilledComposite(16, rounds=2, random_state=0).fit(rows[:20])
    assert np.isfinite(few.tables(rows[:4])).all()
    same = DistilledComposite(16, rounds=2, random_state=0).fit(np.ones((50, 5), np.float32))
    assert (same.encode(np.ones((3, 5), np.float32)) == same.encode(np.ones((1, 5)))).all()
    with pytest.raises(hb.InputError, match="more than 1 sample"):
        DistilledComposite(16).fit(rows[:1])

"""Every native instruction set equals the NumPy twin, and the twin equals plain loops."""

from __future__ import annotations

import importlib
import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hammingbird import kernels
from hammingbird.errors import InputError
from hammingbird.kernels import twin

try:
    from hammingbird.kernels import _native

    LEVELS = _native.levels()
except ImportError:
    LEVELS = []

WIDTHS = st.one_of(st.integers(1, 130), st.sampled_from([192, 256, 320, 1000, 1024, 4096]))


@pytest.fixture(autouse=True)
def _restore_level():
    yield
    if LEVELS:
        _native.set_level(LEVELS[-1])


@st.composite
def problems(draw, widths=WIDTHS):
    """Queries and a database, often with many equal rows, of all widths and awkward lengths."""
    n_bits = draw(widths)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.one_of(st.integers(1, 70), st.sampled_from([500, 2055])))
    bits = rng.random((n, n_bits)) < rng.random()
    if draw(st.booleans()):
        bits = bits[rng.integers(0, n, n) % draw(st.integers(1, n))]
    queries = rng.random((draw(st.integers(0, 9)), n_bits)) < 0.5
    if len(queries) and draw(st.booleans()):
        queries[0] = bits[-1]
    k = draw(st.one_of(st.integers(1, n), st.just(n)))
    return np.packbits(queries, axis=1), np.packbits(bits, axis=1), n_bits, k


def equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("level", LEVELS)
@settings(deadline=None, max_examples=60)
@given(problem=problems(), threads=st.sampled_from([1, 2, 5]), share=st.floats(0, 1))
def test_native_equals_twin(level, problem, threads, share):
    queries, database, n_bits, k = problem
    _native.set_level(level)
    equal(_native.nearest(queries, database, k, threads), twin.nearest(queries, database, k))
    radius = round(share * 8 * database.shape[1])
    for r in (0, radius, 8 * database.shape[1]):
        equal(_native.within(queries, database, r, threads), twin.within(queries, database, r))
    relevant = np.random.default_rng(k).random((len(queries), len(database))) < share
    for marks in (None, relevant):
        equal(
            _native.histograms(queries, database, n_bits, marks, threads),
            twin.histograms(queries, database, n_bits, marks),
        )


@pytest.mark.parametrize("level", LEVELS)
@settings(deadline=None, max_examples=40)
@given(problem=problems(), threads=st.sampled_from([1, 3]), coarse=st.booleans())
def test_native_scores_equal_twin_bit_by_bit(level, problem, threads, coarse):
    queries, database, n_bits, k = problem
    weights = np.random.default_rng(k).normal(size=(len(queries), n_bits)).astype(np.float32)
    if coarse:  # many equal scores
        weights = np.round(weights)
    _native.set_level(level)
    expected = twin.scores(weights, database, n_bits)
    equal([_native.scores(weights, database, n_bits, threads)], [expected])
    equal(
        _native.best(weights, database, n_bits, k, threads), twin.best(weights, database, n_bits, k)
    )


@pytest.mark.parametrize("level", LEVELS)
@settings(deadline=None, max_examples=40)
@given(problem=problems(), threads=st.sampled_from([1, 3]), coarse=st.booleans())
def test_native_tables_equal_twin_bit_by_bit(level, problem, threads, coarse):
    queries, database, _, k = problem
    rng = np.random.default_rng(k)
    tables = rng.normal(size=(len(queries), database.shape[1], 256)).astype(np.float32)
    if coarse:  # many equal scores
        tables = np.round(tables)
    _native.set_level(level)
    equal([_native.table_scores(tables, database, threads)], [twin.table_scores(tables, database)])
    equal(_native.table_best(tables, database, k, threads), twin.table_best(tables, database, k))
    marks = rng.random((len(queries), len(database))) < rng.random()
    offsets = np.concatenate([[0], np.cumsum(marks.sum(axis=1))])
    rows = [rng.permutation(np.flatnonzero(row)) for row in marks]
    listed = np.concatenate([np.empty(0, np.int64), *rows])
    equal(
        _native.table_best_of(tables, database, offsets, listed, k, threads),
        twin.table_best_of(tables, database, offsets, listed, k),
    )


@pytest.mark.parametrize("n_bits", [1, 4, 12, 16, 70])
def test_tables_of_scores_are_the_scores(n_bits):
    rng = np.random.default_rng(n_bits)
    weights = rng.normal(size=(5, n_bits)).astype(np.float32)
    database = np.packbits(rng.random((700, n_bits)) < 0.5, axis=1)
    tables = kernels.tables(weights)
    assert tables.shape == (5, database.shape[1], 256)
    equal([kernels.scores(tables, database, n_bits)], [kernels.scores(weights, database, n_bits)])
    expected = kernels.best(weights, database, n_bits, 9)
    equal(kernels.best(tables, database, n_bits, 9), expected)
    for byte, value in product(range(database.shape[1]), (0, 7, 255)):
        bits = 2.0 * np.unpackbits(np.uint8([value])) - 1
        some = weights[:, 8 * byte : 8 * byte + 8]
        np.testing.assert_allclose(
            tables[:, byte, value], some @ bits[: some.shape[1]], rtol=1e-5, atol=1e-5
        )


def test_the_best_of_listed_rows_are_those_of_a_loop():
    rng = np.random.default_rng(3)
    database = rng.integers(0, 256, (50, 2), dtype=np.uint8)
    tables = np.round(rng.normal(size=(3, 2, 256))).astype(np.float32)
    rows = [np.array([40, 3, 9, 8, 41]), np.empty(0, np.int64), np.arange(50)]
    offsets = np.cumsum([0, *map(len, rows)])
    found, scores = kernels.best_of(tables, database, 16, offsets, np.concatenate(rows), 7)
    for q, listed in enumerate(rows):
        ranked = sorted((-float(tables[q, [0, 1], database[row]].sum()), row) for row in listed)[:7]
        filled = len(ranked)
        assert found[q, :filled].tolist() == [row for _, row in ranked]
        assert scores[q, :filled].tolist() == [-value for value, _ in ranked]
        assert (found[q, filled:] == -1).all()
        assert (scores[q, filled:] == -np.inf).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n_bits", [12, 48, 64, 100, 256])
@pytest.mark.parametrize("n_queries", [1, 3, 40])
def test_many_threads_equal_one(level, n_bits, n_queries):
    rng = np.random.default_rng(n_bits)
    database = np.packbits(rng.random((30_000, n_bits)) < 0.5, axis=1)
    queries = np.packbits(rng.random((n_queries, n_bits)) < 0.5, axis=1)
    weights = rng.normal(size=(n_queries, n_bits)).astype(np.float32)
    _native.set_level(level)
    for k in (1, 10, 7000):
        equal(_native.nearest(queries, database, k, 4), twin.nearest(queries, database, k))
    radius = n_bits // 2 - 3
    equal(_native.within(queries, database, radius, 4), twin.within(queries, database, radius))
    equal(
        _native.histograms(queries, database, n_bits, None, 4),
        twin.histograms(queries, database, n_bits),
    )
    equal(_native.best(weights, database, n_bits, 50, 4), twin.best(weights, database, n_bits, 50))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n_bits", [8, 30, 64, 128])
@pytest.mark.parametrize("kind", ["normal", "uneven", "huge", "tiny", "tied", "zero"])
def test_no_best_row_is_passed_over(level, n_bits, kind):
    """After the first block, rounded scores choose the rows that are scored."""
    rng = np.random.default_rng(n_bits)
    database = np.packbits(rng.normal(size=(20_000, n_bits)) > 1, axis=1)
    weights = rng.normal(size=(5, n_bits)).astype(np.float32)
    weights *= {"huge": 1e36, "tiny": 1e-38, "zero": 0}.get(kind, 1)
    if kind == "uneven":
        weights *= 10.0 ** rng.integers(-6, 6, n_bits)
    if kind == "tied":
        weights = np.sign(weights)
    _native.set_level(level)
    tables = twin.byte_tables(weights)
    for k in (1, 30, 3000):
        expected = twin.best(weights, database, n_bits, k)
        equal(_native.best(weights, database, n_bits, k, 2), expected)
        equal(_native.table_best(tables, database, k, 2), expected)


@pytest.mark.parametrize("order", [1, -1])
def test_databases_sorted_by_distance(order):
    """The bound falls as late as it can, or at once."""
    database = np.packbits(np.tri(129, 128, -1, bool)[::order].repeat(50, axis=0), axis=1)
    queries = np.zeros((2, 16), np.uint8)
    for k in (1, 49, 50, 51, 6450):
        equal(kernels.nearest(queries, database, k), twin.nearest(queries, database, k))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("near", ["anywhere", "where the bound is foreseen", "elsewhere"])
@pytest.mark.parametrize("k", [1024, 1500, 4000, 40_000])
def test_a_bound_that_is_foreseen(level, near, k):
    """Of many rows some blocks are counted first, and may say too much or too little."""
    rng = np.random.default_rng(0)
    database = rng.integers(0, 256, (40_000, 128), np.uint8)
    block = np.arange(len(database)) // 128
    counted = block % 32 == 0
    if near != "anywhere":  # 1,280 rows at most, which 32 times as many seem to be
        database[counted if near == "where the bound is foreseen" else ~counted, :64] &= 15
    queries = np.zeros((2, 128), np.uint8)
    _native.set_level(level)
    expected = twin.nearest(queries, database, k)
    for threads in (1, 2):
        equal(_native.nearest(queries, database, k, threads), expected)
        equal(_native.nearest(queries[:1], database, k, threads), [a[:1] for a in expected])


@settings(deadline=None, max_examples=25)
@given(problem=problems(st.integers(1, 70)))
@example((np.zeros((1, 2), np.uint8), np.array([[255, 240]], np.uint8), 12, 1))
def test_twin_equals_loops(problem):
    queries, database, n_bits, k = problem
    queries, database = queries[:2], database[:20]
    k, radius = min(k, len(database)), n_bits // 2
    weights = np.random.default_rng(0).normal(size=(len(queries), n_bits)).astype(np.float32)
    marks = np.tile(np.arange(len(database)) % 3 == 0, (len(queries), 1))
    rows, distances = twin.nearest(queries, database, k)
    offsets, hits, hit_distances = twin.within(queries, database, radius)
    counts, marked = twin.histograms(queries, database, n_bits, marks)
    scores = twin.scores(weights, database, n_bits)
    best_rows, best_scores = twin.best(weights, database, n_bits, k)
    for q, query in enumerate(queries):
        pairs = []
        for row, code in enumerate(database):
            distance, score = 0, 0.0
            for bit in range(n_bits):
                one = code[bit // 8] >> (7 - bit % 8) & 1
                distance += int(one != query[bit // 8] >> (7 - bit % 8) & 1)
                score += float(weights[q, bit]) * (1 if one else -1)
            pairs.append((distance, row))
            assert scores[q, row] == pytest.approx(score, rel=1e-4, abs=1e-4)
        for distance in range(n_bits + 1):
            assert counts[q, distance] == sum(d == distance for d, _ in pairs)
            assert marked[q, distance] == sum(d == distance for d, row in pairs if marks[q, row])
        pairs.sort()
        near = [pair for pair in pairs if pair[0] <= radius]
        here = slice(offsets[q], offsets[q + 1])
        ranked = sorted((-float(s), row) for row, s in enumerate(scores[q]))
        for found, expected in [
            (zip(distances[q], rows[q], strict=True), pairs[:k]),
            (zip(hit_distances[here], hits[here], strict=True), near),
            (zip(-best_scores[q], best_rows[q], strict=True), ranked[:k]),
        ]:
            assert list(found) == expected


def test_memory_maps_slices_and_no_queries(tmp_path):
    rng = np.random.default_rng(1)
    database = rng.integers(0, 256, (1000, 6), dtype=np.uint8)
    np.save(tmp_path / "codes.npy", database)
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    expected = twin.nearest(database[:20], database, 7)
    equal(kernels.nearest(mapped[:20], mapped, 7), expected)
    wide = rng.integers(0, 256, (1000, 12), dtype=np.uint8)
    wide[:, ::2] = database
    equal(kernels.nearest(wide[:20, ::2], wide[:, ::2], 7), expected)
    unaligned = np.concatenate([[np.uint8(0)], wide[:, :8].ravel()])[1:].reshape(-1, 8)
    equal(kernels.nearest(unaligned[:9], unaligned, 3), twin.nearest(unaligned[:9], unaligned, 3))
    assert [a.shape for a in kernels.nearest(database[:0], database, 7)] == [(0, 7), (0, 7)]
    assert [a.shape for a in kernels.within(database[:0], database, 7)] == [(1,), (0,), (0,)]
    assert kernels.histograms(database[:0], database, 48)[0].shape == (0, 49)


def test_empty_database():
    queries, nothing = np.zeros((3, 6), np.uint8), np.zeros((0, 6), np.uint8)
    assert kernels.within(queries, nothing, 48)[0].tolist() == [0, 0, 0, 0]
    assert kernels.histograms(queries, nothing, 48)[0].sum() == 0
    assert kernels.scores(np.zeros((3, 48)), nothing, 48).shape == (3, 0)
    equal(kernels.nearest(queries, nothing, 2), padding(3, 2, np.uint16))
    equal(kernels.best(np.zeros((3, 48)), nothing, 48, 2), padding(3, 2, np.float32))


def padding(n, k, dtype):
    return np.full((n, k), -1), np.full((n, k), 65_535 if dtype == np.uint16 else -np.inf, dtype)


def test_k_above_the_rows_is_padded():
    rng = np.random.default_rng(3)
    codes, weights = rng.integers(0, 256, (5, 2), dtype=np.uint8), rng.normal(size=(4, 16))
    for found, few in [
        (kernels.nearest(codes[:4], codes, 8), kernels.nearest(codes[:4], codes, 5)),
        (kernels.best(weights, codes, 16, 8), kernels.best(weights, codes, 16, 5)),
    ]:
        rest = padding(4, 3, few[1].dtype)
        equal(found, [np.concatenate(parts, axis=1) for parts in zip(few, rest, strict=True)])
    assert kernels.nearest(codes[:0], codes, 8)[0].shape == (0, 8)


def test_distances_that_do_not_fit_are_refused():
    """Distances are uint16: those of 8,192 bytes wrapped to 0."""
    widest, wider = np.full((3, 8191), 255, np.uint8), np.full((3, 8192), 255, np.uint8)
    for run in (kernels.nearest, kernels.within):
        assert run(0 * widest[:1], widest, 65_528)[-1].ravel()[0] == 65_528
        with pytest.raises(InputError, match="65,536 bits are too wide"):
            run(0 * wider[:1], wider, 1)
    assert kernels.histograms(0 * widest[:1], widest, 65_528)[0][0, 65_528] == 3
    for run in (
        lambda: kernels.histograms(wider, wider, 65_536),
        lambda: kernels.scores(np.zeros((1, 65_536)), wider, 65_536),
        lambda: kernels.best(np.zeros((1, 65_536)), wider, 65_536, 1),
    ):
        with pytest.raises(InputError, match="65,536 bits are too wide"):
            run()


def test_marked_rows_of_wide_codes_are_counted_or_refused():
    """Marked rows stand behind the others in one table of uint16 bins."""
    marks = np.array([[True, False, True]])
    for width in (4095, 4096):
        codes = np.full((3, width), 255, np.uint8)
        arguments = 0 * codes[:1], codes, 8 * width, marks
        if width == 4095:
            everything, some = kernels.histograms(*arguments)
            assert (everything[0, -1], some[0, -1]) == (3, 2)
        else:
            with pytest.raises(InputError, match="up to 4,095 bytes"):
                kernels.histograms(*arguments)


@pytest.mark.parametrize("level", ["twin", *LEVELS])
def test_scores_are_finite_or_refused(level, monkeypatch):
    """Weights of 3e38 gave scores that are not numbers."""
    if level == "twin":
        monkeypatch.setattr(kernels, "_kernels", twin)
    else:
        _native.set_level(level)
    codes = np.array([[255], [0], [170]], np.uint8)
    for weights in (np.full((1, 8), 3e38), np.full((1, 8), 3e37), [[-1e300] * 8]):
        for run in (kernels.scores, lambda *given: kernels.best(*given, 1)):
            with pytest.raises(InputError, match="row 0 is too large .* divide"):
                run(weights, codes, 8)
    assert np.isfinite(kernels.scores(np.full((1, 8), 2e37), codes, 8)).all()
    assert kernels.best(np.full((1, 8), 2e37), codes, 8, 3)[0].tolist() == [[0, 2, 1]]


def test_chunks_of_queries_make_one_answer(monkeypatch, capsys):
    rng = np.random.default_rng(2)
    database = rng.integers(0, 256, (300, 2), dtype=np.uint8)
    queries = rng.integers(0, 256, (70, 2), dtype=np.uint8)
    weights = rng.normal(size=(70, 16)).astype(np.float32)
    marks = rng.random((70, 300)) < 0.3
    expected = [
        twin.nearest(queries, database, 5),
        twin.within(queries, database, 5),
        twin.histograms(queries, database, 16, marks),
        [twin.scores(weights, database, 16)],
        twin.best(weights, database, 16, 5),
    ]
    chunks = kernels._chunks
    monkeypatch.setattr(
        kernels, "_chunks", lambda n, database, bar, *_: chunks(n, database, bar, 2000)
    )
    found = [
        kernels.nearest(queries, database, 5, progress=True),
        kernels.within(queries, database, 5),
        kernels.histograms(queries, database, 16, marks),
        [kernels.scores(weights, database, 16)],
        kernels.best(weights, database, 16, 5),
    ]
    for a, b in zip(found, expected, strict=True):
        equal(a, b)


def test_bad_input_says_what_to_do():
    codes, floats = np.zeros((5, 2), np.uint8), np.zeros((5, 16))
    for call, message in [
        (lambda: kernels.nearest(floats, codes, 1), "queries must be packed codes"),
        (lambda: kernels.nearest(codes, codes[:, :1], 1), "2 bytes do not fit"),
        (lambda: kernels.nearest(codes, codes, 0), "k must be a whole number between 1"),
        (lambda: kernels.nearest(codes, codes, -1), "k must be a whole number between 1"),
        (lambda: kernels.nearest(codes, codes, 2.5), "k must be a whole number between 1"),
        (lambda: kernels.nearest(codes, codes, True), "k must be a whole number .* got True"),
        (lambda: kernels.best(floats, codes, 16, 2**70), "k must be a whole number between 1"),
        (lambda: kernels.nearest(codes, codes, 1, threads=0), "threads"),
        (lambda: kernels.nearest(codes, codes, 1, threads=2**70), "threads .* 1 and 4,096"),
        (lambda: kernels.within(codes, codes, -1), "radius"),
        (lambda: kernels.within(codes, codes, True), "radius"),
        (lambda: kernels.histograms(codes[:, :1], codes[:, :1], True), "n_bits"),
        (lambda: kernels.histograms(codes, codes, 17), "n_bits=17"),
        (lambda: kernels.histograms(codes + 1, codes, 12), "queries row 0 .* padding"),
        (lambda: kernels.histograms(codes, codes, 12, np.ones((5, 4), bool)), "relevant must be"),
        (lambda: kernels.scores(floats[:, :3], codes, 16), r"shape \[n, 16\]"),
        (lambda: kernels.best(floats * np.nan, codes, 16, 1), "row 0 .* not finite"),
        (lambda: kernels.best(floats + np.inf, codes, 16, 1), "row 0 .* not finite"),
        (lambda: kernels.best(floats.astype(str), codes, 16, 1), "must be real numbers"),
        (lambda: kernels.scores(floats + 1j, codes, 16), "must be real numbers"),
        (lambda: kernels.scores(np.zeros((5, 1, 256)), codes, 16), r"tables \[n, 2, 256\]"),
        (lambda: kernels.best(np.full((5, 2, 256), 2e38), codes, 16, 1), "row 0 is too large"),
        (lambda: kernels.best_of(floats, codes, 16, [0, 1], [0], 1), r"int64 \[6\], ascending"),
        (lambda: kernels.best_of(floats[:1], codes, 16, [0, 1], [5], 1), "from 0 to 4"),
        (lambda: kernels.tables(floats[0]), r"shape \[n, n_bits\]"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


def test_padding_does_not_enter_scores():
    weights = np.arange(1, 13, dtype=np.float32)[None]
    dirty = np.array([[255, 255], [255, 240]], np.uint8)
    assert kernels.scores(weights, dirty, 12).tolist() == [[78.0, 78.0]]


def test_the_environment_chooses(monkeypatch):
    try:
        monkeypatch.setenv("HAMMINGBIRD_KERNELS", "twin")
        assert importlib.reload(kernels).backend == "numpy"
        monkeypatch.setenv("HAMMINGBIRD_KERNELS", "abacus")
        if LEVELS:
            with pytest.raises(InputError, match=r"abacus: this machine has twin, portable"):
                importlib.reload(kernels)
            monkeypatch.setenv("HAMMINGBIRD_KERNELS", "portable")
            assert importlib.reload(kernels).backend == "native portable"
        monkeypatch.delenv("HAMMINGBIRD_KERNELS")
        monkeypatch.setitem(__import__("sys").modules, "hammingbird.kernels._native", None)
        monkeypatch.delattr(kernels, "_native", raising=False)
        with pytest.warns(RuntimeWarning, match="NumPy twin") as caught:
            importlib.reload(kernels)
        assert len(caught) == 1
    finally:
        monkeypatch.undo()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.reload(kernels)


def some_trees(depth, n=75, d=9, bits=3, trees=5):
    rng = np.random.default_rng(depth)
    shape = (bits, trees, (1 << depth) - 1)
    return (
        rng.integers(0, 256, (n, d), np.uint8),
        rng.integers(0, d, shape, np.int32),
        rng.integers(0, 256, shape, np.uint8),
        rng.standard_normal((bits, trees, 1 << depth), np.float32),
    )


@pytest.mark.parametrize("depth", range(1, 9))
@pytest.mark.parametrize("threads", [1, 3])
def test_trees_walk_to_the_leaf_that_a_loop_finds(depth, threads):
    rows, columns, cuts, leaves = arrays = some_trees(depth)
    found = kernels.forest(*arrays, threads=threads)
    np.testing.assert_array_equal(found, twin.forest(*arrays))
    for i, bit in product(range(0, len(rows), 10), range(3)):
        total = np.float32(0)
        for tree in range(5):
            node = 0
            while node < (1 << depth) - 1:
                right = rows[i, columns[bit, tree, node]] > cuts[bit, tree, node]
                node = 2 * node + 1 + int(right)
            total += leaves[bit, tree, node + 1 - (1 << depth)]
        assert found[i, bit] == total


def test_trees_that_look_beyond_the_columns_are_refused():
    rows, columns, cuts, leaves = some_trees(3)
    columns[1, 2, 3] = 9
    with pytest.raises(InputError, match="columns must be from 0 to 8"):
        kernels.forest(rows, columns, cuts, leaves)
    with pytest.raises(InputError, match="leaves float32"):
        kernels.forest(rows, columns, cuts, leaves[:, :, 1:])
    assert kernels.forest(rows[:0], columns % 9, cuts, leaves).shape == (0, 3)


@pytest.mark.parametrize("m", [1, 2, 5])
@pytest.mark.parametrize("threads", [1, 3])
def test_descend_is_the_twin_and_never_costs_more(m, threads):
    rng = np.random.default_rng(m)
    vectors = 0.3 * rng.normal(size=(m * 256, 7)).astype(np.float32)
    cross = (2 * vectors @ vectors.T).reshape(m, 256, m, 256).transpose(0, 2, 1, 3)
    parts = rng.normal(size=(m, 256)).astype(np.float32)
    costs = rng.normal(size=(300, m, 256)).astype(np.float32)
    costs[:, -1, 1::2] = np.inf
    codes = rng.integers(0, 256, (300, m), dtype=np.uint8) & 254
    arrays = (costs, codes, cross, parts)

    def total(found):
        named = np.arange(m), found
        pairs = sum(
            cross[a, b, found[:, a], found[:, b]].astype(float) for b in range(m) for a in range(b)
        )
        apart = pairs + parts[named].sum(axis=1) - 1.5
        chosen = np.take_along_axis(costs, found[:, :, None].astype(int), axis=2)[:, :, 0]
        return chosen.sum(axis=1) + pairs + 2.0 * apart**2

    before = total(codes)
    for passes in (0, 1, 3):
        found = kernels.descend(*arrays, 1.5, 2.0, passes, threads=threads)
        expected = twin.descend(*map(np.ascontiguousarray, arrays), 1.5, 2.0, passes)
        np.testing.assert_array_equal(found, expected)
        assert not (found[:, -1] & 1).any()
        after = total(found)
        assert (after <= before + 1e-4).all()
        before = after


def test_descend_says_what_does_not_fit():
    costs = np.zeros((3, 2, 256), np.float32)
    codes, parts = np.zeros((3, 2), np.uint8), np.zeros((2, 256), np.float32)
    cross = np.zeros((2, 2, 256, 256), np.float32)
    with pytest.raises(InputError, match="must be float32"):
        kernels.descend(costs[:, :1], codes, cross, parts, 0, 1, 1)
    with pytest.raises(InputError, match="must be float32"):
        kernels.descend(costs, codes, cross.astype(float), parts, 0, 1, 1)
    with pytest.raises(InputError, match="not finite"):
        kernels.descend(costs * np.nan, codes, cross, parts, 0, 1, 1)
    with pytest.raises(InputError, match="passes"):
        kernels.descend(costs, codes, cross, parts, 0, 1, -1)
    assert kernels.descend(costs[:0], codes[:0], cross, parts, 0, 1, 1).shape == (0, 2)

"""Class centres: the least distance that is promised, for every construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hammingbird import InputError
from hammingbird.centers import _KINDS, make_centers, min_distance, plotkin_bound
from hammingbird.centers.block_codes import _bch_generator, _field
from hammingbird.centers.hadamard import _exists, hadamard_matrix

KINDS = ["auto", *_KINDS]


def slow_min_distance(words):
    return min(
        sum(int(a != b) for a, b in zip(words[i], words[j], strict=True))
        for i in range(len(words))
        for j in range(i)
    )


@given(st.integers(2, 20), st.integers(5, 40), st.sampled_from(KINDS), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_centers_are_distinct_words_as_far_apart_as_stated(n_classes, n_bits, kind, seed):
    try:
        found = make_centers(n_classes, n_bits, kind, seed)
    except InputError as error:
        if kind in ("hadamard", "reed_solomon") and "use kind='bch'" in str(error):
            return
        raise
    assert found.centers.shape == (n_classes, n_bits)
    assert found.centers.dtype == np.int8
    assert set(np.unique(found.centers)) <= {-1, 1}
    assert found.min_distance == slow_min_distance(found.centers) >= 1
    assert found.min_distance <= plotkin_bound(n_classes, n_bits)
    again = make_centers(n_classes, n_bits, kind, seed)
    np.testing.assert_array_equal(again.centers, found.centers)
    assert again[1:] == found[1:]


@pytest.mark.parametrize(
    ("n_classes", "n_bits", "kind", "distance"),
    [
        (16, 48, "auto", 24),  # rows of [H32 | H16], and the order-48 Paley matrix
        (48, 48, "hadamard", 24),
        (10, 16, "hadamard", 8),
        (32, 16, "auto", 8),
        (32, 16, "bch", 8),  # extended [16, 5, 8]
        (100, 16, "bch", 6),  # extended [16, 7, 6]
        (100, 16, "auto", 6),
        (100, 16, "random", 2),
        (100, 32, "random", 7),
        (100, 48, "random", 14),
        (1000, 64, "bch", 28),
    ],
)
def test_known_distances(n_classes, n_bits, kind, distance):
    assert make_centers(n_classes, n_bits, kind, random_state=0).min_distance >= distance


# Lower Bound, Table 2: the subscripts at 16, 32 and 48 bits for 10, 21 and 100 classes. Its
# "Hadamard" is a random code where there is no Hadamard code.
PAPER = {
    "reed_solomon": {10: (6, 14, 21), 21: (5, 12, 19), 100: (4, 10, 16)},
    "bch": {10: (7, 16, 21), 21: (4, 12, 19), 100: (2, 9, 14)},
    "hadamard": {10: (8, 16, 19), 21: (8, 16, 19), 100: (None, 8, 14)},
    "auto": {10: (8, 16, 21), 21: (8, 16, 19), 100: (4, 10, 16)},
}


@pytest.mark.parametrize("kind", PAPER)
@pytest.mark.parametrize("n_classes", [10, 21, 100])
def test_not_closer_than_the_papers_centers(kind, n_classes):
    for n_bits, paper in zip((16, 32, 48), PAPER[kind][n_classes], strict=True):
        if paper is not None:
            assert make_centers(n_classes, n_bits, kind, 0).min_distance >= paper


def test_hadamard_matrices_are_orthogonal():
    orders = [order for order in range(1, 129) if _exists(order)]
    assert set(range(4, 129, 4)) - set(orders) == {52, 92, 100, 116}  # not by these constructions
    for order in orders:
        matrix = hadamard_matrix(order).astype(int)
        np.testing.assert_array_equal(matrix @ matrix.T, order * np.eye(order))
        assert (matrix[:, 0] == 1).all()
    with pytest.raises(InputError, match="order 6"):
        hadamard_matrix(6)


@pytest.mark.parametrize("m", range(2, 14))
def test_primitive_elements_generate_the_field(m):
    power, log = _field(m)
    assert sorted(power[: (1 << m) - 1]) == list(range(1, 1 << m))
    np.testing.assert_array_equal(log[power[: (1 << m) - 1]], np.arange((1 << m) - 1))


@pytest.mark.parametrize(
    ("n_bits", "dimension", "distance"), [(15, 7, 5), (16, 7, 6), (31, 11, 11), (32, 6, 16)]
)
def test_bch_codes_have_their_published_distance(n_bits, dimension, distance):
    generator = _bch_generator(n_bits, dimension)
    messages = np.arange(1, 1 << len(generator))[:, None] >> np.arange(len(generator)) & 1
    assert (messages @ generator % 2).sum(axis=1).min() == distance


def test_random_hadamard_signs_balance_the_constant_bit():
    centers = make_centers(32, 64, "hadamard", random_state=0).centers
    assert np.abs(centers.mean(axis=0)).max() < 0.6


def test_plotkin_bound_and_a_single_class():
    assert [plotkin_bound(10, n_bits) for n_bits in (16, 32, 48)] == [8, 17, 26]
    assert plotkin_bound(2, 7) == 7
    found = make_centers(1, 5, random_state=0)
    assert found.min_distance == plotkin_bound(1, 5) == 5


def test_all_words_of_a_few_bits():
    assert make_centers(8, 3, random_state=0).min_distance == 1
    assert min_distance(np.ones((2, 3), np.int8)) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((9, 3), "9 classes: use n_bits=4"),
        ((0, 8), "n_classes"),
        ((2.5, 8), "n_classes"),
        ((4, 0), "n_bits"),
        ((4, 8, "golay"), "choose from auto, hadamard"),
        ((1000, 64, "hadamard"), "use kind='bch' or 'greedy', or n_bits=500"),
    ],
)
def test_impossible_requests_say_what_to_do(arguments, message):
    with pytest.raises(InputError, match=message):
        make_centers(*arguments)

"""Packing, unpacking and distances agree with plain loops at every width."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import hammingbird as hb
from hammingbird.codes import check_codes, n_bytes

WIDTHS = st.integers(1, 130)


def scores_of(n_bits, rows=st.integers(0, 5)):
    values = st.floats(-2, 2, width=32) | st.sampled_from([0.0, -0.0])
    return rows.flatmap(lambda n: arrays(np.float32, (n, n_bits), elements=values))


@settings(max_examples=150, deadline=None)
@given(WIDTHS.flatmap(scores_of))
def test_round_trip(scores):
    n_bits = scores.shape[1]
    codes = hb.pack(scores)
    assert codes.shape == (len(scores), n_bytes(n_bits))
    np.testing.assert_array_equal(hb.unpack(codes, n_bits), np.where(scores >= 0, 1, -1))
    check_codes(codes, n_bits)


@settings(max_examples=100, deadline=None)
@given(WIDTHS.flatmap(lambda k: st.tuples(scores_of(k), scores_of(k))))
def test_distances_count_differing_bits_and_no_padding(both):
    a, b = both
    expected = [[sum(x != y for x, y in zip(p >= 0, q >= 0, strict=True)) for q in b] for p in a]
    found = hb.hamming(hb.pack(a), hb.pack(b))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, np.array(expected).reshape(len(a), len(b)))


def test_bit_i_is_dimension_i_most_significant_first():
    one = -np.ones((1, 12))
    one[0, [0, 9]] = 1
    np.testing.assert_array_equal(hb.pack(one), [[0b10000000, 0b01000000]])


def test_zero_and_minus_zero_are_ones():
    np.testing.assert_array_equal(hb.pack([[0.0, -0.0, -1e-30]]), [[0b11000000]])


@pytest.mark.parametrize(
    ("codes", "n_bits", "says"),
    [
        (np.zeros((2, 2)), 16, "packed uint8"),
        (np.zeros((2, 2), np.uint8), 17, "shape"),
        (np.zeros(2, np.uint8), 16, "shape"),
        (np.array([[0, 0], [0, 1]], np.uint8), 12, "row 1 has ones in its 4 padding bits"),
    ],
)
def test_what_is_not_codes_is_refused(codes, n_bits, says):
    with pytest.raises(hb.InputError, match=says):
        check_codes(codes, n_bits)


def test_scores_need_two_dimensions():
    with pytest.raises(hb.InputError, match="two dimensions"):
        hb.pack([1.0, 2.0])
    with pytest.raises(hb.InputError, match="equally wide"):
        hb.hamming(np.zeros((1, 2), np.uint8), np.zeros((1, 3), np.uint8))


def test_distances_that_do_not_fit_are_refused():
    assert hb.hamming(np.zeros((1, 8191), np.uint8), np.full((1, 8191), 255, np.uint8)) == 65_528
    with pytest.raises(hb.InputError, match="8,192 bytes are too wide"):
        hb.hamming(np.zeros((1, 8192), np.uint8), np.full((1, 8192), 255, np.uint8))

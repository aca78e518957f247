"""Tables of buckets for multi-index hashing: how codes are cut, and who lies beside whom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import Codes
from hammingbird.errors import InputError
from hammingbird.kernels import Buckets
from hammingbird.kernels.bucket_twin import key_of

SHORTEST, LONGEST = 8, 24
"""Bits of a substring: a table has 4 bytes for each of its values."""
MOST_HELD = 2**32 - 1
CODES_IN_A_BUCKET = 32
"""As many are compared in about the time that it takes to reach another bucket."""


def substrings(n_bits: int, n: int) -> NDArray[np.int64]:
    """Where the substrings begin, and the end of the last, int64 [m + 1].

    They are of nearly equal length, such that a bucket holds about 32 of n codes.
    """
    wanted = np.log2(max(2, n) / CODES_IN_A_BUCKET)
    count = max(
        1, round(n_bits / min(LONGEST, max(SHORTEST, float(wanted)))), -(-n_bits // LONGEST)
    )
    return np.arange(count + 1) * n_bits // count


def build(codes: Codes, n_bits: int) -> Buckets:
    """Tables of codes [n, bytes]."""
    n, width = codes.shape
    bits = substrings(n_bits, n)
    order = _order(codes)
    codes = codes[order]
    new = np.ones(n, bool)
    new[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    different = codes if new.all() else codes[new]
    lengths = np.diff(bits)
    total = n + (len(lengths) - 1) * len(different)
    if total > MOST_HELD:
        raise InputError(
            f"tables of {n:,} codes of {n_bits} bits hold {total:,}, at most {MOST_HELD:,} can be "
            "numbered: cut the codes into several indexes, or use Scan"
        )
    held = np.empty((total, width), np.uint8)
    held[:n] = codes
    offsets = np.zeros(int((2**lengths + 1).sum()), np.uint32)
    place, first = 0, 0
    for t, length in enumerate(lengths):
        keys = key_of(different if t else codes, bits, t)
        counts = np.bincount(keys, minlength=2**length)
        ends = place + np.cumsum(counts)
        offsets[first], offsets[first + 1 : first + 1 + 2**length] = place, ends
        if t:
            np.take(different, np.argsort(keys), axis=0, out=held[place : place + len(keys)])
        place, first = place + len(keys), first + 1 + 2**length
    return Buckets(held, offsets, bits, order.astype(np.uint32), None)


def _order(codes: Codes) -> NDArray[np.int64]:
    """Rows in the order of their bytes, equal codes in that of rows."""
    padded = np.zeros((len(codes), -(-codes.shape[1] // 8) * 8), np.uint8)
    padded[:, : codes.shape[1]] = codes
    words = padded.view(">u8").astype(np.uint64)
    if words.shape[1] == 1:
        return np.argsort(words[:, 0], kind="stable")
    return np.lexsort(words.T[::-1])

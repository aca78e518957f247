"""How stores lay out the bits of a code, and the ways in which a layout goes wrong.

Codes here are rows of bytes, the most significant bit first, with zero bits at the end.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import Codes, n_bytes

REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1])
"""Every byte with its bits in the other order."""


def least_first(codes: Codes) -> Codes:
    """Bits of every byte in the other order, and back: sqlite-vec, FAISS's own quantisers."""
    return REVERSED[codes]


def signed_view(codes: Codes) -> NDArray[np.int8]:
    """The same bytes read as two's complement: Elasticsearch, OpenSearch, Vespa."""
    return codes.view(np.int8)


def minus_128(codes: Codes) -> NDArray[np.int8]:
    """Every byte minus 128, which no view gives: ``binary`` of sentence-transformers and Cohere."""
    return (codes ^ np.uint8(0x80)).view(np.int8)


def plus_128(values: NDArray[np.int8]) -> Codes:
    """Undo :func:`minus_128`."""
    return values.view(np.uint8) ^ np.uint8(0x80)


def texts(codes: Codes, n_bits: int) -> list[str]:
    """``1010...``, the first bit first."""
    digits = np.unpackbits(codes, axis=1, count=n_bits) + np.uint8(ord("0"))
    return [row.decode() for row in np.ascontiguousarray(digits).view(f"S{n_bits}")[:, 0].tolist()]


def from_texts(values: list[str], n_bits: int) -> Codes:
    """Undo :func:`texts`."""
    digits = np.frombuffer("".join(values).encode("ascii"), np.uint8).reshape(len(values), n_bits)
    return np.packbits(digits == ord("1"), axis=1)


def joined(rows: list[bytes], width: int) -> Codes:
    """Rows of ``width`` bytes as one array that may be changed."""
    return np.frombuffer(bytearray(b"".join(rows)), np.uint8).reshape(len(rows), width)


def without_padding(codes: Codes, n_bits: int) -> Codes:
    """Zero bits after the last."""
    clean = codes.copy()
    clean[:, -1] &= np.uint8(0xFF << (-n_bits % 8) & 0xFF)
    return clean


def _shifted(by: int) -> Callable[[Codes], Codes]:
    def shift(codes: Codes) -> Codes:
        bits = np.unpackbits(codes, axis=1)
        moved = np.zeros_like(bits)
        if by > 0:
            moved[:, by:] = bits[:, :-by]
        else:
            moved[:, :by] = bits[:, -by:]
        return np.packbits(moved, axis=1)

    return shift


def _words(size: int) -> Callable[[Codes], Codes]:
    def swap(codes: Codes) -> Codes:
        if codes.shape[1] % size:
            return codes
        return codes.reshape(len(codes), -1, size)[:, :, ::-1].reshape(codes.shape)

    return swap


MISTAKES: dict[str, Callable[[Codes], Codes]] = {
    "the bits of every byte are reversed (packed least significant first)": least_first,
    "the bytes are reversed": lambda codes: codes[:, ::-1],
    "the whole code is reversed, bits and bytes": lambda codes: least_first(codes[:, ::-1]),
    "the bytes are signed (128 was subtracted from each, as `binary` of sentence-transformers "
    "does)": lambda codes: codes ^ np.uint8(0x80),
    "the bits are complemented (ones for zeros)": lambda codes: ~codes,
    "the bits of every byte are reversed and complemented": lambda codes: ~least_first(codes),
    **{f"the bytes of every {size}-byte word are reversed": _words(size) for size in (2, 4, 8)},
    **{
        f"the bits are shifted by {abs(by)} towards the {'end' if by > 0 else 'start'}": _shifted(
            by
        )
        for by in (1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7)
    },
}
"""What is said of codes that a store holds, and what it did to ours."""


def mistake(stored: Codes, ours: Codes, n_bits: int) -> str | None:
    """Name what was done to our codes to become those stored; None if it is nothing known."""
    for name, change in MISTAKES.items():
        if np.array_equal(without_padding(np.asarray(change(ours)), n_bits), stored):
            return name
    return None


def padded_bits(n_bits: int) -> int:
    """Bits of whole bytes."""
    return 8 * n_bytes(n_bits)

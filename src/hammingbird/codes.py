"""Packed binary codes: the one place that knows the sign rule, the bit order and the padding.

A code of ``n_bits`` bits is a row of ``ceil(n_bits / 8)`` bytes. Bit ``i`` is one if and only if
score ``i`` is at least zero (HashNet, Eq. 5). The most significant bit of a byte comes first, and
zero bits fill the last byte.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.errors import InputError

Codes: TypeAlias = NDArray[np.uint8]
"""Packed codes [n, ceil(n_bits / 8)]."""

Output: TypeAlias = Literal["packed", "bits", "signs"]
"""How ``transform`` gives codes, see :func:`presented`."""

MAX_BITS = 4096
BIT_ORDER = "msb-first"
SIGN_RULE = "score >= 0 is one"


def n_bytes(n_bits: int) -> int:
    """Bytes that a code of ``n_bits`` bits takes."""
    return (n_bits + 7) // 8


def check_n_bits(n_bits: object) -> int:
    """Return ``n_bits`` as an int, or raise :class:`InputError` if it is not in 1..4096."""
    if isinstance(n_bits, bool | np.bool_) or not isinstance(n_bits, int | np.integer):
        raise InputError(f"n_bits must be a whole number, got {n_bits!r}")
    if not 1 <= n_bits <= MAX_BITS:
        raise InputError(f"n_bits must be between 1 and {MAX_BITS}, got {n_bits}")
    return int(n_bits)


def pack(scores: ArrayLike) -> Codes:
    """Pack the signs of real scores [n, n_bits] into codes [n, ceil(n_bits / 8)]."""
    scores = np.asarray(scores)
    if scores.ndim != 2:
        raise InputError(f"scores must have two dimensions [n, n_bits], got {scores.ndim}")
    check_n_bits(scores.shape[1])
    return np.packbits(scores >= 0, axis=1)


def pack_asked(asked: ArrayLike, n_bits: int) -> Codes:
    """The codes with the largest asymmetric scores, of what ``Hasher.asked`` gives.

    The signs of real scores [n, n_bits], or the first best value of every byte of look-up tables
    [n, bytes, 256].
    """
    asked = np.asarray(asked)
    if asked.ndim == 2:
        return pack(asked)
    if asked.shape[1:] != (n_bytes(n_bits), 256):
        raise InputError(f"tables must have shape [n, {n_bytes(n_bits)}, 256], got {asked.shape}")
    codes: Codes = asked.argmax(axis=2).astype(np.uint8)
    codes[:, -1] &= np.uint8(256 - (1 << (-n_bits % 8)))
    return codes


def unpack(codes: ArrayLike, n_bits: int) -> NDArray[np.int8]:
    """Return codes as -1 / +1 values, int8 [n, n_bits]."""
    codes = check_codes(codes, n_bits)
    bits = np.unpackbits(codes, axis=1, count=n_bits).view(np.int8)
    return 2 * bits - np.int8(1)


def presented(codes: Codes, n_bits: int, output: Output) -> NDArray[Any]:
    """Return codes as they are (``packed``), or a column per bit for what computes with numbers.

    ``bits`` are 0 / 1, uint8 [n, n_bits]; ``signs`` are -1 / +1, float32 [n, n_bits], whose inner
    products are n_bits less twice the Hamming distance.
    """
    if output == "packed":
        return codes
    if output == "bits":
        return np.unpackbits(check_codes(codes, n_bits), axis=1, count=n_bits)
    if output == "signs":
        return unpack(codes, n_bits).astype(np.float32)
    raise InputError(f"output must be 'packed', 'bits' or 'signs', got {output!r}")


def hamming(a: ArrayLike, b: ArrayLike) -> NDArray[np.uint16]:
    """All pairwise Hamming distances, uint16 [n_a, n_b]; meant for small sets (see ``kernels``)."""
    a, b = np.atleast_2d(np.asarray(a)), np.atleast_2d(np.asarray(b))
    if a.dtype != np.uint8 or b.dtype != np.uint8 or a.shape[1] != b.shape[1]:
        raise InputError(
            f"codes must be uint8 and equally wide, got {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        )
    if a.shape[1] > 8191:
        raise InputError(f"codes of {a.shape[1]:,} bytes are too wide: distances are up to 65,535")
    distances = np.zeros((len(a), len(b)), np.uint16)
    for byte in range(a.shape[1]):
        distances += np.bitwise_count(a[:, byte, None] ^ b[None, :, byte])
    return distances


def paired_distances(a: Codes, b: Codes) -> NDArray[np.int64]:
    """Hamming distance of every code of ``a`` to the one beside it in ``b``, int64 [n].

    Checked codes [n, bytes] of one width; either may be a single code.
    """
    distances: NDArray[np.int64] = np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64)
    return distances


def check_codes(codes: Any, n_bits: int, name: str = "codes") -> Codes:
    """Return ``codes`` as a C-ordered uint8 array of the right width, or say what is wrong."""
    n_bits = check_n_bits(n_bits)
    codes = np.asarray(codes)
    if codes.dtype != np.uint8:
        raise InputError(
            f"{name} must be packed uint8, got {codes.dtype}: pack real scores with pack()"
        )
    if codes.ndim != 2 or codes.shape[1] != n_bytes(n_bits):
        raise InputError(
            f"{name} of {n_bits} bits must have shape [n, {n_bytes(n_bits)}], got {codes.shape}"
        )
    padding = -n_bits % 8
    if padding and len(codes):
        dirty = np.flatnonzero(codes[:, -1] & np.uint8((1 << padding) - 1))
        if len(dirty):
            raise InputError(
                f"{name} row {dirty[0]} has ones in its {padding} padding bits: "
                f"is n_bits={n_bits} right, and are the bits packed most significant first?"
            )
    return np.ascontiguousarray(codes)

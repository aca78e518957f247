"""Short names of data and of descriptions; equal ones have equal names, and others do not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError

BLOCK_BYTES = 1 << 22
HASHED_BYTES = 1 << 24
"""Rows are hashed so many bytes at a time."""


def fingerprint(manifest: dict[str, Any]) -> str:
    """Short name of a manifest's contents; equal hashers have equal fingerprints."""
    return digest(manifest)[:16]


def fingerprint_rows(X: NDArray[Any]) -> str:
    """Short name of an array: its shape, its type and every byte of its rows.

    Blocks of 4 MiB are hashed by SHA-256 in threads; a memory map is read block by block.
    """
    rows = RowsFingerprint()
    rows.update(X)
    return rows.name()


class RowsFingerprint:
    """The fingerprint of an array that comes in blocks of rows, each [n, ...] of one type."""

    def __init__(self) -> None:
        self._rows = 0
        self._like: tuple[tuple[int, ...], str] | None = None
        self._rest: NDArray[Any] | None = None
        self._whole = hashlib.sha256()

    def update(self, rows: NDArray[Any]) -> None:
        """Go on with the next rows, however many."""
        like = rows.shape[1:], rows.dtype.str
        if self._like not in (None, like):
            raise InputError(f"rows of {like} cannot go on rows of {self._like}")
        self._like = like
        self._rows += len(rows)
        step = max(1, BLOCK_BYTES // max(1, rows.dtype.itemsize * int(np.prod(like[0]))))
        if self._rest is not None:
            missing = step - len(self._rest)
            first = np.concatenate([self._rest, rows[:missing]])
            rows, self._rest = rows[missing:], None
            if len(first) < step:
                self._rest = first
                return
            self._whole.update(_sha256(first))
        full = len(rows) - len(rows) % step
        with ThreadPoolExecutor() as pool:
            for block in pool.map(_sha256, _cut(rows[:full], step)):
                self._whole.update(block)
        if full < len(rows):
            self._rest = np.array(rows[full:])

    def name(self) -> str:
        """Return the fingerprint of all rows so far."""
        whole = self._whole.copy()
        if self._rest is not None:
            whole.update(_sha256(self._rest))
        whole.update(f"{self._rows} {self._like}".encode())
        return whole.hexdigest()[:16]


def hash_rows(X: NDArray[Any], kind: np.dtype[Any] | None = None) -> NDArray[np.uint64]:
    """Hash rows [n, d], as values of type ``kind``, to 64 bits each: equal bytes, equal hashes.

    The sum of a row's 8-byte words, each mixed by SplitMix64. Weaker mixing fails on data such as
    floats that differ by flipped signs only. A memory map is read block by block.
    """
    kind = X.dtype if kind is None else kind
    width = X.shape[1] * kind.itemsize
    words = -(-width // 8)
    offsets = np.random.default_rng(0).integers(0, 1 << 64, words, np.uint64)
    hashes = np.empty(len(X), np.uint64)
    step = max(1, HASHED_BYTES // max(1, width))
    for start in range(0, len(X), step):
        block = np.ascontiguousarray(X[start : start + step], kind)
        padded = np.zeros((len(block), 8 * words), np.uint8)
        padded[:, :width] = block.view(np.uint8)
        mixed = padded.view(np.uint64)
        mixed += offsets
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed ^= mixed >> np.uint64(shift)
            mixed *= np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
        hashes[start : start + step] = mixed.sum(axis=1)
    return hashes


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of a description as sorted JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _cut(rows: NDArray[Any], step: int) -> Iterator[NDArray[Any]]:
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _sha256(rows: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data).digest()

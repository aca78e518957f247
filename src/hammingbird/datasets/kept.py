"""A matrix without some of its rows: of a memory map, only what moves is held in memory."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError

Rows = NDArray[np.int64]


def kept_order(n: int, dropped: Rows) -> Rows:
    """Row numbers of what is left of ``n`` rows, [n - dropped]: the last fill the places.

    Nearly all rows stay where they are, so that a matrix need not be copied.
    """
    there = np.ones(n, bool)
    there[dropped] = False
    order = np.arange(int(np.count_nonzero(there)))
    holes = np.flatnonzero(~there[: len(order)])
    order[holes] = len(order) + np.flatnonzero(there[len(order) :])
    return order


def in_kept_order(X: NDArray[Any], order: Rows) -> NDArray[Any]:
    """Return ``X[order]`` for an order of :func:`kept_order`.

    A memory map gives a private one: pages with a row that moves are copied, the file is not
    changed, the rest is read when it is asked for. Other arrays are copied.
    """
    if not isinstance(X, np.memmap) or not X.flags.c_contiguous:
        return X[order]
    moved = np.flatnonzero(order != np.arange(len(order)))
    private = _private_map(X)[: len(order)]
    private[moved] = X[order[moved]]
    private.flags.writeable = False
    return private


def _private_map(X: np.memmap[Any, Any]) -> np.memmap[Any, Any]:
    """Map the part of the file that ``X`` shows once more, copied on write."""
    if X.filename is None:
        raise InputError("this memory map has no file: give a plain array")
    whole = np.frombuffer(X._mmap, np.uint8)  # type: ignore[attr-defined]
    mapped_from = X.offset - X.offset % mmap.ALLOCATIONGRANULARITY
    offset = mapped_from + X.ctypes.data - whole.ctypes.data
    return np.memmap(X.filename, X.dtype, "c", offset, X.shape)

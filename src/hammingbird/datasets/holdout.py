"""Queries of a file's own: rows that are taken out of it, and the rows that are left."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError
from hammingbird.storage import hash_rows

ROWS_AT_ONCE = 1 << 16


class HeldOut(NamedTuple):
    """Row numbers of a matrix, ascending; no query has the bytes of a kept row."""

    queries: NDArray[np.int64]
    kept: NDArray[np.int64]


def hold_out(
    X: NDArray[Any], n_queries: int, *, sample: int | None = None, random_state: int = 0
) -> HeldOut:
    """Draw queries from the rows of ``X`` [n, d], and keep the others.

    Queries are drawn from the different vectors, each as likely as another however often it occurs.
    All copies of a query are left out of what is kept, which is at most ``sample`` rows. Hashes of
    the rows are held, not the rows: ``X`` may be a memory map.
    """
    X = np.asanyarray(X)
    if X.ndim != 2 or not X.shape[1]:
        raise InputError(f"X must be a matrix of vectors [n, d], its shape is {X.shape}")
    for name, value in (("n_queries", n_queries), ("sample", sample)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    n = len(X)
    if n < 2:
        raise InputError(f"X has {n} row: queries and rows to search in need at least two")
    if n <= n_queries:
        raise InputError(
            f"X has {n:,} rows: {n_queries:,} queries leave none to search in; ask for fewer"
        )
    rng = np.random.default_rng(random_state)
    rows = np.arange(n)
    if sample is not None and n_queries + sample < n:
        rows = np.sort(rng.choice(n, n_queries + sample, replace=False))
    hashes = np.concatenate(
        [
            hash_rows(X[rows[start : start + ROWS_AT_ONCE]])
            for start in range(0, len(rows), ROWS_AT_ONCE)
        ]
    )
    _, first, vector = np.unique(hashes, return_index=True, return_inverse=True)
    if len(first) == 1:
        raise InputError(
            f"all {len(rows):,} rows of X are equal: every code would find any of them"
        )
    if len(first) <= n_queries:
        raise InputError(
            f"X has only {len(first):,} different rows: {n_queries:,} queries leave none to search "
            "in; ask for fewer"
        )
    chosen = np.zeros(len(first), bool)
    chosen[rng.choice(len(first), n_queries, replace=False)] = True
    return HeldOut(np.sort(rows[first[chosen]]), rows[~chosen[vector]])

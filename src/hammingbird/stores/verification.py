"""Does a store hold our codes, and are its distances ours? If not, what was done to them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.codes import Codes, check_codes, n_bytes
from hammingbird.errors import InputError, StoreError
from hammingbird.index.rows import Ids, check_ids
from hammingbird.kernels.checks import FARTHEST
from hammingbird.stores.layouts import mistake, without_padding
from hammingbird.stores.store import Store

SAMPLE = 256
QUERIES = 8
DEPTH = 20


class Verified(NamedTuple):
    """What was compared, and was equal."""

    stored: int
    """Codes in the store."""
    codes: int
    """Codes read back that are those of the file."""
    distances: int
    """Distances of the store that are ours."""
    nearest: bool | None
    """Whether the nearest codes are the true ones; None if it was not asked."""


def verify(store: Store, codes: Codes | None = None, ids: ArrayLike | None = None) -> Verified:
    """Read a sample back and compare it with ``codes`` (under ``ids``, or row numbers).

    Compares the store's own distances with ours too, and its nearest with the true ones if it holds
    nothing else and compares every code. Any difference is a :class:`StoreError` that names what
    was done to the bits, where it is a known mistake. Without ``codes``, distances and padding.
    """
    count = store.count()
    rng = np.random.default_rng(0)
    read = 0
    if codes is None:
        queries = rng.integers(0, 256, (QUERIES, n_bytes(store.n_bits)), dtype=np.uint8)
        queries = without_padding(queries, store.n_bits)
    else:
        codes = check_codes(codes, store.n_bits)
        given = np.arange(len(codes)) if ids is None else check_ids(ids, len(codes))
        rows = np.unique(np.linspace(0, len(codes) - 1, SAMPLE).astype(np.int64))
        rows = rows[: len(codes)]
        read = _compare_codes(store, codes, given, rows)
        queries = codes[rng.choice(len(codes), min(QUERIES, len(codes)), replace=False)]
    if not count or not len(queries):
        return Verified(count, read, 0, None)
    found = store.search(queries, DEPTH)
    distances = _compare_distances(store, queries, found.ids, found.distances)
    nearest = None
    if codes is not None and store.exact and count == len(codes):
        _, ours = kernels.nearest(queries, codes, DEPTH)
        nearest = bool(np.array_equal(ours, found.distances))
        if not nearest:
            raise StoreError(
                f"{store.address} misses neighbours: its {DEPTH} nearest are at "
                f"{found.distances[0].tolist()}, ours at {ours[0].tolist()}; write the codes again"
            )
    return Verified(count, read, distances, nearest)


def _compare_codes(store: Store, codes: Codes, ids: Ids, rows: NDArray[np.int64]) -> int:
    """Compare what the store gives for a sample of ids; return how many."""
    ours = codes[rows]
    try:
        theirs = store.fetch(ids[rows])
    except InputError as error:
        raise StoreError(f"codes are missing: {error}") from None
    wrong = (ours != theirs).any(axis=1)
    if not wrong.any():
        return len(rows)
    name = mistake(theirs, ours, store.n_bits)
    if name is None and len(rows) > 1:
        name = _moved(store, codes, ids)
    first = int(np.flatnonzero(wrong)[0])
    raise StoreError(
        f"{store.address} holds other codes: {wrong.sum()} of {len(rows)} that were read back "
        f"differ, first id {ids[rows][first]}: {theirs[first].tobytes().hex()} instead of "
        f"{ours[first].tobytes().hex()}. "
        + (f"What was done: {name}" if name else "It is none of the known mistakes")
        + ". Write the codes again"
    )


def _moved(store: Store, codes: Codes, ids: Ids) -> str | None:
    """Whether the store has every code under the id of the row before or after it."""
    some = slice(1, min(len(codes) - 1, SAMPLE))
    theirs = store.fetch(ids[some])
    for by, name in ((-1, "before"), (1, "after")):
        shifted = codes[some.start + by : some.stop + by]
        if len(theirs) and np.array_equal(theirs, shifted):
            return f"the rows are shifted: every id has the code of the row {name} it"
    return None


def _compare_distances(
    store: Store, queries: Codes, ids: Ids, distances: NDArray[np.generic]
) -> int:
    there = ids >= 0
    held = store.fetch(np.unique(ids[there]))
    dirty = np.flatnonzero((held != without_padding(held, store.n_bits)).any(axis=1))
    if len(dirty):
        raise StoreError(
            f"{store.address} has ones in the padding behind bit {store.n_bits}: its codes were "
            "packed least significant bit first, complemented, or have more bits"
        )
    places = np.searchsorted(np.unique(ids[there]), ids.clip(0))
    ours = np.full(ids.shape, FARTHEST, np.int64)
    for query in range(len(queries)):
        at = places[query][there[query]]
        differ = np.bitwise_count(held[at] ^ queries[query])
        ours[query, there[query]] = differ.sum(axis=1, dtype=np.int64)
    wrong = ours != distances
    if wrong.any():
        query, hit = np.argwhere(wrong)[0]
        raise StoreError(
            f"{store.address} measures other distances: {distances[query, hit]} to id "
            f"{ids[query, hit]}, which is {ours[query, hit]} bits away; is the column or its "
            "metric of another type?"
        )
    return int(there.sum())

"""Codes into a store, batch by batch, and then the question whether they arrived."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hammingbird.codes import Codes, check_codes
from hammingbird.errors import InputError, StoreError
from hammingbird.index.rows import Ids, check_ids
from hammingbird.storage.manifests import signed
from hammingbird.stores.documents import FORMATS, write_documents
from hammingbird.stores.opening import create_store
from hammingbird.stores.store import Store, stamp_of
from hammingbird.stores.verification import Verified, verify

BATCH_BYTES = 1 << 22
MOST_ROWS = 50_000


def export(
    codes: Codes,
    address: str,
    n_bits: int,
    *,
    ids: ArrayLike | None = None,
    made_by: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Verified:
    """Write codes [n, bytes] into the store at an address, and :func:`verify` them.

    Ids are row numbers if left out. The store is made if it is not there. Every batch is written
    whole or not at all, and an id that is there is replaced: an export that was stopped is done
    again, and ends without duplicates or holes. For servers that load files, the address is
    ``elasticsearch:FOLDER`` and so on: see :mod:`hammingbird.stores.documents`.
    """
    from tqdm import tqdm

    codes = check_codes(codes, n_bits)
    scheme, _, folder = address.partition(":")
    given = np.arange(len(codes)) if ids is None else check_ids(ids, len(codes))
    if ids is not None and len(np.unique(given)) < len(given):
        raise InputError("ids come twice: give every code an id of its own")
    if scheme in FORMATS:
        description = signed("store", {"n_bits": n_bits, "made_by": stamp_of(made_by)})
        write_documents(scheme, Path(folder), codes, given, n_bits, description)
        return Verified(len(codes), len(codes), 0, None)
    with (
        create_store(address, n_bits, made_by=made_by) as store,
        tqdm(
            total=len(codes),
            desc="export",
            unit="row",
            unit_scale=True,
            disable=None if progress else True,
            leave=False,
        ) as bar,
    ):
        write_batches(store, codes, given, bar)
        flush_all(store, len(codes))
        return verify(store, codes, given)


def write_batches(store: Store, codes: Codes, ids: Ids, bar: Any) -> None:
    """Write codes batch by batch, and move a progress bar."""
    step = max(1, min(MOST_ROWS, BATCH_BYTES // (codes.shape[1] + 8)))
    for start in range(0, len(codes), step):
        batch = slice(start, start + step)
        store.write(codes[batch], ids[batch])
        bar.update(len(ids[batch]))


def flush_all(store: Store, rows: int) -> None:
    """Flush a store, which must then hold at least so many codes."""
    store.flush()
    if store.count() < rows:
        raise StoreError(
            f"{store.address} holds {store.count():,} codes of {rows:,} that were written"
        )

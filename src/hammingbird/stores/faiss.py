"""FAISS: binary indexes in one file that FAISS reads too, with our description after its bytes.

Codes are held as they are, padded to whole bytes: FAISS's distances do not ask for an order of
bits, but its own quantisers (``IndexLSH``, ``sa_encode``) put the least significant bit first.
``index`` is ``flat`` (exact), ``ivf``, ``hnsw`` or ``multihash``.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird.codes import Codes
from hammingbird.index.rows import Ids
from hammingbird.storage import recover, replacing
from hammingbird.stores.layouts import padded_bits
from hammingbird.stores.store import Found, Hits, Store
from hammingbird.stores.tail import read_tail, write_tail

LEAST_PER_CELL = 39
"""Training codes that k-means of FAISS wants for every cell."""


class FaissStore(Store):
    """An index in memory, written whole to its file by ``flush`` and ``close``."""

    library, extra = "faiss", "faiss"
    options = ("index", "cells", "probes")
    indexes = ("flat", "ivf", "hnsw", "multihash")

    def _look(self) -> Found | None:
        self._faiss: Any = self.client()
        self._path, self._changed = Path(self.address.place), False
        recover(self._path)
        if not self._path.exists():
            return None
        self._description = read_tail(self._path)
        self._index = self._faiss.read_index_binary(str(self._path))
        self._inner = self._faiss.downcast_IndexBinary(self._index.index)
        self._tune()
        return Found(self._index.d, self._description)

    def _make(self, n_bits: int, description: str) -> None:
        self._description = description
        wide, faiss = padded_bits(n_bits), self._faiss
        if self.index == "multihash":
            bits = min(16, wide // 2)
            self._inner = faiss.IndexBinaryMultiHash(wide, wide // bits, bits)
        else:
            factory = {"flat": "BFlat", "hnsw": "BHNSW32", "ivf": "BIVF1"}
            self._inner = faiss.index_binary_factory(wide, factory[self.index])
        self._index = faiss.IndexBinaryIDMap2(self._inner)
        self._tune()
        self._changed = True
        self._flush()

    def _tune(self) -> None:
        self.exact = isinstance(self._inner, self._faiss.IndexBinaryFlat)
        self._sorted_ids: Ids | None = None
        if hasattr(self._inner, "nprobe"):
            default = str(max(1, self._inner.nlist // 8))
            self._inner.nprobe = int(self.address.option("probes", default))
        if hasattr(self._inner, "nflip"):
            self._inner.nflip = int(self.address.option("probes", "1"))
        if hasattr(self._inner, "hnsw"):
            self._inner.hnsw.efSearch = 128

    def _write(self, codes: Codes, ids: Ids) -> None:
        there = np.isin(self._ids(), ids, assume_unique=True)
        if there.any():
            self._keep(~there)
        if hasattr(self._inner, "nlist") and not self._index.ntotal:
            self._train(codes)
        self._index.add_with_ids(codes, ids)
        self._sorted_ids, self._changed = None, True

    def _train(self, codes: Codes) -> None:
        """Make cells of the first batch, and start over with them."""
        most = max(1, len(codes) // LEAST_PER_CELL)
        cells = min(most, int(self.address.option("cells", str(4 * int(len(codes) ** 0.5)))))
        self._inner = self._faiss.index_binary_factory(self._index.d, f"BIVF{cells}")
        self._inner.train(codes)
        self._index = self._faiss.IndexBinaryIDMap2(self._inner)
        self._tune()

    def _search(self, queries: Codes, k: int) -> Hits:
        there = min(k, self._index.ntotal)
        if not there:
            return [((), ())] * len(queries)
        distances, ids = self._index.search(queries, there)
        return [(row[row >= 0], far[row >= 0]) for row, far in zip(ids, distances, strict=True)]

    @property
    def has_within(self) -> bool:  # type: ignore[override]
        """HNSW finds neighbours only."""
        return not hasattr(self._inner, "hnsw")

    def _within(self, queries: Codes, radius: int) -> Hits:
        offsets, distances, ids = self._index.range_search(queries, radius + 1)
        ends = offsets.astype(np.int64)
        return [(ids[start:end], distances[start:end]) for start, end in pairwise(ends)]

    def _fetch(self, ids: Ids) -> tuple[Ids, Codes]:
        there = self._ids()
        if self._sorted_ids is None:
            self._order = np.argsort(there)
            self._sorted_ids = there[self._order]
            self._held = self._codes()
        places = np.searchsorted(self._sorted_ids, ids)
        known = places < len(there)
        known[known] = self._sorted_ids[places[known]] == ids[known]
        return ids[known], self._held[self._order[places[known]]]

    def _remove(self, ids: Ids) -> None:
        self._keep(~np.isin(self._ids(), ids, assume_unique=True))

    def _keep(self, stay: Any) -> None:
        """Add what stays to an index made empty: not every kind can remove."""
        codes, ids = self._codes()[stay], self._ids()[stay]
        self._index.reset()
        if len(ids):
            self._index.add_with_ids(codes, ids)
        self._sorted_ids, self._changed = None, True

    def _ids(self) -> Ids:
        ids: Ids = self._faiss.vector_to_array(self._index.id_map)
        return ids

    def _codes(self) -> Codes:
        """All codes, in the order of their ids."""
        width, count = self._index.code_size, self._index.ntotal
        inner = self._inner
        if not hasattr(inner, "invlists"):
            flat = (
                inner if hasattr(inner, "xb") else self._faiss.downcast_IndexBinary(inner.storage)
            )
            codes: Codes = self._faiss.vector_to_array(flat.xb).reshape(count, width)
            return codes
        codes = np.empty((count, width), np.uint8)
        for cell in range(inner.nlist):
            if size := inner.invlists.list_size(cell):
                rows = self._faiss.rev_swig_ptr(inner.invlists.get_ids(cell), size)
                held = self._faiss.rev_swig_ptr(inner.invlists.get_codes(cell), size * width)
                codes[rows] = held.reshape(size, width)
        return codes

    def _count(self) -> int:
        return int(self._index.ntotal)

    def _flush(self) -> None:
        if self._changed:
            with replacing(self._path) as temporary:
                self._faiss.write_index_binary(self._index, str(temporary))
                write_tail(temporary, self._description)
            self._changed = False

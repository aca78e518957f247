"""usearch: a ``b1`` index in one file that usearch reads too, our description after its bytes.

Codes are packed bytes, most significant bit first as its own ``b1`` is, never ``i8``: with the
Hamming metric that gives NaN in some versions. ``index=flat`` compares every code (``exact`` of
usearch), ``hnsw`` follows the graph, which is built in any case.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hammingbird.codes import Codes
from hammingbird.errors import InputError
from hammingbird.index.rows import Ids
from hammingbird.storage import recover, replacing
from hammingbird.stores.layouts import padded_bits
from hammingbird.stores.store import Found, Hits, Store
from hammingbird.stores.tail import read_tail, write_tail


class UsearchStore(Store):
    """An index in memory, written whole to its file by ``flush`` and ``close``."""

    library, extra = "usearch", "usearch"
    options = ("index",)
    indexes = ("flat", "hnsw")
    failures = (RuntimeError, ValueError, OSError)
    has_within = False

    def _look(self) -> Found | None:
        self._usearch: Any = self.client("usearch.index")
        self._path, self._changed = Path(self.address.place), False
        self.exact = self.index == "flat"
        recover(self._path)
        if not self._path.exists():
            return None
        self._description = read_tail(self._path)
        self._index = self._usearch.Index.restore(str(self._path))
        if self._index is None:
            raise InputError(f"{self.address} is not an index of usearch")
        kind = (self._index.dtype.name, self._index.metric_kind.name)
        if kind != ("B1", "Hamming"):
            raise InputError(
                f"{self.address} is an index of {kind[0]} by {kind[1]}, not of bits (b1) by Hamming"
            )
        return Found(self._index.ndim, self._description)

    def _make(self, n_bits: int, description: str) -> None:
        self._description, self._changed = description, True
        self._index = self._usearch.Index(ndim=padded_bits(n_bits), dtype="b1", metric="hamming")
        self._flush()

    def _write(self, codes: Codes, ids: Ids) -> None:
        self._remove(ids)
        self._index.add(ids.astype(np.uint64), codes)
        self._changed = True

    def _search(self, queries: Codes, k: int) -> Hits:
        there = min(k, len(self._index))
        if not (there and len(queries)):
            return [((), ())] * len(queries)
        found = self._index.search(queries, there, exact=self.exact)
        # Of one query usearch gives rows of one dimension less.
        keys, distances = np.atleast_2d(found.keys), np.atleast_2d(found.distances)
        counts = getattr(found, "counts", [keys.shape[1]])
        return [(keys[i, :n].astype(np.int64), distances[i, :n]) for i, n in enumerate(counts)]

    def _fetch(self, ids: Ids) -> tuple[Ids, Codes]:
        known = self._there(ids)
        if not len(known):
            return known, np.empty((0, padded_bits(self.n_bits) // 8), np.uint8)
        return known, np.asarray(self._index.get(known.astype(np.uint64)), np.uint8)

    def _remove(self, ids: Ids) -> None:
        known = self._there(ids)
        if len(known):
            self._index.remove(known.astype(np.uint64))
            self._changed = True

    def _there(self, ids: Ids) -> Ids:
        known: Ids = ids[np.asarray(self._index.contains(ids.astype(np.uint64)), bool)]
        return known

    def _count(self) -> int:
        return len(self._index)

    def _flush(self) -> None:
        if self._changed:
            with replacing(self._path) as temporary:
                self._index.save(str(temporary))
                write_tail(temporary, self._description)
            self._changed = False

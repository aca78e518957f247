"""sentence-transformers and Cohere: ``binary``, int8 bytes minus 128; ``ubinary`` is our own file.

``semantic_search_faiss`` and ``semantic_search_usearch`` take the array as ``corpus_embeddings``
with ``corpus_precision="binary"``. Rows are their own ids. Minus 128 flips the first bit of every
byte; it is no view of the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from hammingbird.codes import Codes
from hammingbird.errors import InputError
from hammingbird.index.rows import Ids
from hammingbird.stores.documents.format import Format, pretty
from hammingbird.stores.layouts import minus_128, plus_128


class SentenceTransformers(Format):
    """An array, int8 [n, bytes]."""

    file = "embeddings.npy"

    def place(self, n_bits: int, description: dict[str, Any]) -> dict[str, str]:
        """Return the description; an array has no other place."""
        return {"description.json": pretty({**description, "precision": "binary"})}

    def query(self, code: Codes, n_bits: int, k: int) -> dict[str, str]:
        """Return the values of one query."""
        return {"query.json": pretty(minus_128(code).tolist())}

    def lines(self, codes: Codes, ids: Ids, n_bits: int) -> Iterable[bytes]:
        """The whole array as one piece."""
        if not np.array_equal(ids, np.arange(len(codes))):
            raise InputError("rows of an array are their own ids: leave the ids out")
        stream = BytesIO()
        np.save(stream, minus_128(codes))
        yield stream.getvalue()

    def rows(self, stream: BinaryIO, n_bits: int) -> Iterator[tuple[int, bytes]]:
        """Read the array."""
        values = np.lib.format.read_array(stream, allow_pickle=False)
        if values.dtype != np.int8 or values.ndim != 2:
            raise ValueError("another type of array")
        yield from enumerate(map(bytes, plus_128(values)))

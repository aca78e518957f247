"""MongoDB: BSON vectors of the type ``PACKED_BIT``, as extended JSON for ``mongoimport``.

Binary subtype 9: the byte 0x10, the number of bits to ignore at the end, the code, most significant
bit first. Vector search wants a multiple of 8 bits, so codes are padded with zero bits, and knows
``euclidean`` for bits, whose order is that of Hamming distances. Load with
``mongoimport --collection codes --mode upsert --file documents.jsonl``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from hammingbird.codes import Codes
from hammingbird.index.rows import Ids
from hammingbird.stores.documents.format import Format, line, pretty
from hammingbird.stores.layouts import padded_bits

PACKED_BIT = b"\x10\x00"
SUBTYPE = "09"


class MongoDB(Format):
    """MongoDB Atlas, or a server with vector search."""

    file = "documents.jsonl"

    def place(self, n_bits: int, description: dict[str, Any]) -> dict[str, str]:
        """Return the definition of a vector search index named ``codes``, and its description."""
        field = {
            "type": "vector",
            "path": "code",
            "numDimensions": padded_bits(n_bits),
            "similarity": "euclidean",
        }
        index = {"name": "codes", "type": "vectorSearch", "definition": {"fields": [field]}}
        return {"index.json": pretty(index), "description.json": pretty(description)}

    def query(self, code: Codes, n_bits: int, k: int) -> dict[str, str]:
        """Return an aggregation in extended JSON, which compares all."""
        search = {
            "index": "codes",
            "path": "code",
            "queryVector": _binary(code.tobytes()),
            "exact": True,
            "limit": k,
        }
        shown = {"score": {"$meta": "vectorSearchScore"}}
        return {"query.json": pretty([{"$vectorSearch": search}, {"$project": shown}])}

    def lines(self, codes: Codes, ids: Ids, n_bits: int) -> Iterable[bytes]:
        """A document for every code."""
        for id_, code in zip(ids.tolist(), codes, strict=True):
            yield line({"_id": {"$numberLong": str(id_)}, "code": _binary(code.tobytes())})

    def rows(self, stream: BinaryIO, n_bits: int) -> Iterator[tuple[int, bytes]]:
        """Read documents."""
        for text in stream:
            document = json.loads(text)
            binary = document["code"]["$binary"]
            data = base64.b64decode(binary["base64"], validate=True)
            if binary["subType"] != SUBTYPE or data[:2] != PACKED_BIT:
                raise ValueError("a vector of another type")
            yield int(document["_id"]["$numberLong"]), data[2:]


def _binary(code: bytes) -> dict[str, Any]:
    data = base64.b64encode(PACKED_BIT + code).decode()
    return {"$binary": {"base64": data, "subType": SUBTYPE}}

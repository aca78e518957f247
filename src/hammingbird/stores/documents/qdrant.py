"""Qdrant has no bits: codes are floats of -1 and +1, whose dot product is n - 2 distance.

Binary quantization keeps one bit of each in memory, and ``rescore: false`` asks no floats. Load
every line of ``points.ndjson`` with ``PUT /collections/NAME/points``; points of an id are replaced.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from hammingbird.codes import Codes, pack, unpack
from hammingbird.index.rows import Ids
from hammingbird.stores.documents.format import Format, line, pretty

POINTS = 500
"""Points of a request."""


class Qdrant(Format):
    """Qdrant 1.10 or later."""

    file = "points.ndjson"

    def place(self, n_bits: int, description: dict[str, Any]) -> dict[str, str]:
        """Return the body of ``PUT /collections/NAME``, and the description."""
        body = {
            "vectors": {"size": n_bits, "distance": "Dot", "on_disk": True},
            "quantization_config": {"binary": {"always_ram": True}},
        }
        return {"collection.json": pretty(body), "description.json": pretty(description)}

    def query(self, code: Codes, n_bits: int, k: int) -> dict[str, str]:
        """Return the body of ``POST /collections/NAME/points/query``."""
        body = {
            "query": unpack(code[None], n_bits)[0].tolist(),
            "limit": k,
            "params": {"quantization": {"rescore": False}},
        }
        return {"query.json": pretty(body)}

    def lines(self, codes: Codes, ids: Ids, n_bits: int) -> Iterable[bytes]:
        """A request of points on a line."""
        for start in range(0, len(codes), POINTS):
            some = slice(start, start + POINTS)
            rows = zip(ids[some].tolist(), unpack(codes[some], n_bits).tolist(), strict=True)
            yield line({"points": [{"id": id_, "vector": vector} for id_, vector in rows]})

    def rows(self, stream: BinaryIO, n_bits: int) -> Iterator[tuple[int, bytes]]:
        """Read requests."""
        for text in stream:
            for point in json.loads(text)["points"]:
                yield point["id"], pack(np.array([point["vector"]], np.int8))[0].tobytes()

"""Elasticsearch ``dense_vector`` of element type ``bit``, and OpenSearch ``binary`` vectors.

Elasticsearch takes hex; its dimensions are bits, a multiple of 8, and its score is
(bits - distance) / bits. OpenSearch takes signed bytes, and its score is 1 / (1 + distance).
Load with ``curl -H 'Content-Type: application/x-ndjson' --data-binary @documents.ndjson
URL/INDEX/_bulk``; documents of the same id are replaced.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from hammingbird.codes import Codes
from hammingbird.index.rows import Ids
from hammingbird.stores.documents.format import Format, line, pretty
from hammingbird.stores.layouts import padded_bits, signed_view


class Elasticsearch(Format):
    """Elasticsearch 8.15 or later."""

    def place(self, n_bits: int, description: dict[str, Any]) -> dict[str, str]:
        """Return the body of ``PUT /INDEX``."""
        field = {
            "type": "dense_vector",
            "element_type": "bit",
            "dims": padded_bits(n_bits),
            "index": True,
            "similarity": "l2_norm",
        }
        meta = {"hammingbird": description}
        return {"index.json": pretty({"mappings": {"_meta": meta, "properties": {"code": field}}})}

    def query(self, code: Codes, n_bits: int, k: int) -> dict[str, str]:
        """Return bodies of ``POST /INDEX/_search``: by the graph, and exact by comparing all."""
        vector = code.tobytes().hex()
        quick = {"field": "code", "query_vector": vector, "k": k, "num_candidates": max(100, 2 * k)}
        script = {
            "source": f"({padded_bits(n_bits)} - hamming(params.code, 'code')) "
            f"/ {float(padded_bits(n_bits))}",
            "params": {"code": vector},
        }
        exact = {"script_score": {"query": {"exists": {"field": "code"}}, "script": script}}
        return {
            "query.json": pretty({"knn": quick, "size": k, "_source": False}),
            "query-exact.json": pretty({"query": exact, "size": k, "_source": False}),
        }

    def lines(self, codes: Codes, ids: Ids, n_bits: int) -> Iterable[bytes]:
        """An action and a document for every code."""
        for id_, code in zip(ids.tolist(), self.values(codes), strict=True):
            yield line({"index": {"_id": str(id_)}}) + line({"code": code})

    def rows(self, stream: BinaryIO, n_bits: int) -> Iterator[tuple[int, bytes]]:
        """Read actions and documents by turns."""
        for action in stream:
            yield int(json.loads(action)["index"]["_id"]), self.code(json.loads(next(stream)))

    def values(self, codes: Codes) -> list[Any]:
        """Hex."""
        return [code.tobytes().hex() for code in codes]

    def code(self, document: dict[str, Any]) -> bytes:
        """Undo :meth:`values`."""
        return bytes.fromhex(document["code"])


class OpenSearch(Elasticsearch):
    """OpenSearch 2.16 or later."""

    def place(self, n_bits: int, description: dict[str, Any]) -> dict[str, str]:
        """Return the body of ``PUT /INDEX``."""
        field = {
            "type": "knn_vector",
            "dimension": padded_bits(n_bits),
            "data_type": "binary",
            "method": {"name": "hnsw", "engine": "faiss", "space_type": "hamming"},
        }
        meta = {"hammingbird": description}
        body = {
            "settings": {"index": {"knn": True}},
            "mappings": {"_meta": meta, "properties": {"code": field}},
        }
        return {"index.json": pretty(body)}

    def query(self, code: Codes, n_bits: int, k: int) -> dict[str, str]:
        """Return bodies of ``POST /INDEX/_search``: by the graph, and exact by comparing all."""
        vector = signed_view(code).tolist()
        params = {"field": "code", "query_value": vector, "space_type": "hamming"}
        script = {"lang": "knn", "source": "knn_score", "params": params}
        exact = {"script_score": {"query": {"match_all": {}}, "script": script}}
        quick = {"knn": {"code": {"vector": vector, "k": k}}}
        return {
            "query.json": pretty({"query": quick, "size": k, "_source": False}),
            "query-exact.json": pretty({"query": exact, "size": k, "_source": False}),
        }

    def values(self, codes: Codes) -> list[Any]:
        """Signed bytes."""
        values: list[Any] = signed_view(codes).tolist()
        return values

    def code(self, document: dict[str, Any]) -> bytes:
        """Undo :meth:`values`."""
        return bytes(value & 0xFF for value in document["code"])

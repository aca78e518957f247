"""Milvus: a ``BINARY_VECTOR`` field with the ``HAMMING`` metric, embedded (Lite) or a cluster.

``milvus:FILE.db`` is Milvus Lite, ``milvus://user@host:19530/database`` a server; a password or
token is taken from the address or from ``MILVUS_TOKEN``. The description is that of the collection.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np

from hammingbird.codes import Codes
from hammingbird.errors import InputError, StoreError
from hammingbird.index.rows import Ids
from hammingbird.stores.address import Address
from hammingbird.stores.layouts import joined, padded_bits
from hammingbird.stores.store import Found, Hits, Store

MOST_HITS = 16_384
"""Milvus finds no more for a query."""


class MilvusStore(Store):
    """A collection, compared code by code (``BIN_FLAT``)."""

    library, extra = "pymilvus", "milvus"
    options = ("table", "id", "code", "index", "secure", "token")

    @classmethod
    def parse(cls, address: str) -> Address:
        """Two slashes name a server, anything else a file of Milvus Lite."""
        return Address.parse(address, server=address.startswith("milvus://"))

    def _look(self) -> Found | None:
        self._milvus: Any = self.client()
        self.failures = (self._milvus.MilvusException, OSError)
        # It logs each error with a traceback before it raises it; here errors are one line.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        self._name, self._id, self._code = (
            self.address.option(name, default)
            for name, default in (("table", "codes"), ("id", "id"), ("code", "code"))
        )
        self._client = self._milvus.MilvusClient(**self._server())
        if not self._client.has_collection(self._name):
            return None
        found = self._client.describe_collection(self._name)
        fields = {field["name"]: field for field in found["fields"]}
        binary = self._milvus.DataType.BINARY_VECTOR
        if fields.get(self._code, {}).get("type") != binary:
            raise InputError(f"{self.address}: {self._code} is no field of binary vectors")
        said = found["description"]
        return Found(fields[self._code]["params"]["dim"], said if said[:1] == "{" else None)

    def _server(self) -> dict[str, Any]:
        address = self.address
        if not address.host:
            return {"uri": address.place}
        secure = address.option("secure", "no", ("yes", "no")) == "yes"
        token = f"{address.user}:{address.password}" if address.password else ""
        return {
            "uri": f"http{'s' * secure}://{address.host}:{address.port or 19530}",
            "token": token or address.options.get("token", os.environ.get("MILVUS_TOKEN", "")),
            "db_name": address.place,
            "timeout": 10,
        }

    def _make(self, n_bits: int, description: str) -> None:
        kind = self._milvus.DataType
        schema = self._client.create_schema(auto_id=False, description=description)
        schema.add_field(self._id, kind.INT64, is_primary=True)
        schema.add_field(self._code, kind.BINARY_VECTOR, dim=padded_bits(n_bits))
        index = self._client.prepare_index_params()
        index.add_index(self._code, index_type="BIN_FLAT", metric_type="HAMMING")
        self._client.create_collection(
            self._name, schema=schema, index_params=index, consistency_level="Strong"
        )

    def _write(self, codes: Codes, ids: Ids) -> None:
        rows = [
            {self._id: id_, self._code: code.tobytes()}
            for id_, code in zip(ids.tolist(), codes, strict=True)
        ]
        self._client.upsert(self._name, rows)

    def _search(self, queries: Codes, k: int) -> Hits:
        there = min(k, self._count())
        if there > MOST_HITS:
            raise InputError(f"{self.address} finds at most {MOST_HITS:,} nearest codes: ask less")
        return self._ask(queries, there, {}) if there else [((), ())] * len(queries)

    def _within(self, queries: Codes, radius: int) -> Hits:
        found = self._ask(queries, MOST_HITS, {"radius": radius + 1})
        if any(len(np.atleast_1d(ids)) == MOST_HITS for ids, _ in found):
            raise StoreError(f"{self.address} has {MOST_HITS:,} hits or more: ask a smaller radius")
        return found

    def _ask(self, queries: Codes, limit: int, params: dict[str, int]) -> Hits:
        if not len(queries):
            return []
        found = self._client.search(
            self._name,
            [query.tobytes() for query in queries],
            anns_field=self._code,
            limit=limit,
            search_params={"metric_type": "HAMMING", "params": params},
        )
        return [
            (
                np.array([hit[self._id] for hit in hits], np.int64),
                np.array([hit["distance"] for hit in hits], np.float64),
            )
            for hits in found
        ]

    def _fetch(self, ids: Ids) -> tuple[Any, Codes]:
        found: list[Any] = []
        for start in range(0, len(ids), MOST_HITS):
            some = ids[start : start + MOST_HITS].tolist()
            found += self._client.get(self._name, some, output_fields=[self._id, self._code])
        rows = [row[self._code] for row in found]
        held = [row[0] if isinstance(row, list) else row for row in rows]
        return [row[self._id] for row in found], joined(held, padded_bits(self.n_bits) // 8)

    def _remove(self, ids: Ids) -> None:
        for start in range(0, len(ids), MOST_HITS):
            self._client.delete(self._name, ids=ids[start : start + MOST_HITS].tolist())

    def _count(self) -> int:
        found = self._client.query(self._name, filter="", output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def _let_go(self) -> None:
        if hasattr(self, "_client"):
            self._client.close()

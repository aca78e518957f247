"""LanceDB: a table in a folder, codes as fixed lists of ``uint8``, the ``hamming`` distance.

The description is metadata of the table's schema. ``index=ivf`` builds IVF_FLAT.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hammingbird.codes import Codes, n_bytes
from hammingbird.errors import InputError
from hammingbird.index.rows import Ids
from hammingbird.stores.store import Found, Hits, Store

KEY = b"hammingbird"
IDS_IN_A_FILTER = 2000


class LanceStore(Store):
    """A table of LanceDB, embedded."""

    library, extra = "lancedb", "lance"
    options = ("table", "id", "code", "index", "probes")
    indexes = ("flat", "ivf")
    failures = (ValueError, RuntimeError, OSError)

    def _look(self) -> Found | None:
        self._arrow: Any = self.client("pyarrow")
        self._name = self.address.option("table", "codes")
        self._id, self._code = self.address.option("id", "id"), self.address.option("code", "code")
        self._database = self.client().connect(self.address.place)
        try:
            self._table = self._database.open_table(self._name)
        except ValueError as error:
            if "not found" not in str(error):
                raise
            return None
        schema = self._table.schema
        column: Any = schema.field(self._code).type if self._code in schema.names else None
        arrow = self._arrow
        if not arrow.types.is_fixed_size_list(column) or column.value_type != arrow.uint8():
            raise InputError(f"{self.address}: the column {self._code} is {column}, not bytes")
        self.exact = self.index == "flat"
        description = (schema.metadata or {}).get(KEY)
        return Found(8 * column.list_size, None if description is None else description.decode())

    def _make(self, n_bits: int, description: str) -> None:
        empty = self._rows(np.empty((0, n_bytes(n_bits)), np.uint8), np.empty(0, np.int64))
        schema = empty.schema.with_metadata({KEY: description.encode()})
        self._table = self._database.create_table(self._name, schema=schema)
        self.exact = self.index == "flat"

    def _write(self, codes: Codes, ids: Ids) -> None:
        rows = self._rows(codes, ids)
        there = f"{self._field(self._id)} >= {ids.min()} AND {self._field(self._id)} <= {ids.max()}"
        if self._table.count_rows(there):
            merge = self._table.merge_insert(self._id)
            merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)
        else:
            self._table.add(rows)

    def _rows(self, codes: Codes, ids: Ids) -> Any:
        arrow = self._arrow
        held = arrow.FixedSizeListArray.from_arrays(arrow.array(codes.ravel()), codes.shape[1])
        return arrow.table({self._id: arrow.array(ids, arrow.int64()), self._code: held})

    def _search(self, queries: Codes, k: int) -> Hits:
        return [self._hits(self._asked(query).limit(k)) for query in queries]

    def _within(self, queries: Codes, radius: int) -> Hits:
        count = max(1, self._count())
        return [
            self._hits(self._asked(query).distance_range(0, radius + 1).limit(count))
            for query in queries
        ]

    def _asked(self, query: Codes) -> Any:
        asked = self._table.search(query, vector_column_name=self._code).distance_type("hamming")
        if self.exact:
            return asked.bypass_vector_index()
        return asked.nprobes(int(self.address.option("probes", "20")))

    def _hits(self, asked: Any) -> tuple[Any, Any]:
        found = asked.select([self._id, "_distance"]).to_arrow()
        return found[self._id].to_numpy(), found["_distance"].to_numpy()

    def _fetch(self, ids: Ids) -> tuple[Any, Codes]:
        found = self._arrow.concat_tables(
            self._table.search().where(where).limit(len(ids)).to_arrow()
            for where in self._filters(ids)
        )
        codes = found[self._code].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return found[self._id].to_numpy(), codes.reshape(len(found), n_bytes(self.n_bits))

    def _remove(self, ids: Ids) -> None:
        for where in self._filters(ids):
            self._table.delete(where)

    def _filters(self, ids: Ids) -> list[str]:
        return [
            f"{self._field(self._id)} IN ({', '.join(map(str, some.tolist()))})"
            for some in np.array_split(ids, -(-len(ids) // IDS_IN_A_FILTER))
        ]

    def _field(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def _count(self) -> int:
        return int(self._table.count_rows())

    def _flush(self) -> None:
        """Put small fragments together; build cells once there are codes for some."""
        self._table.optimize()
        if self.exact or self._table.list_indices() or self._count() < 256:
            return
        config = self.client("lancedb.index").IvfFlat(distance_type="hamming")
        self._table.create_index(self._code, config=config)

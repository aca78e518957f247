"""DuckDB: codes as ``BIT``, the first bit leftmost, any n.

Distances are ``bit_count(xor(code, query))``. A BLOB of a BIT is right-aligned: of 12 bits the zero
bits of padding *lead*, unlike in every other store, so codes pass as texts. The description is the
comment on the table.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hammingbird.codes import Codes
from hammingbird.errors import InputError
from hammingbird.index.rows import Ids
from hammingbird.stores.layouts import from_texts, texts
from hammingbird.stores.store import Found, Hits, Store


class DuckdbStore(Store):
    """A table of a DuckDB file."""

    library, extra = "duckdb", "duckdb"
    options = ("table", "id", "code", "index")

    def _look(self) -> Found | None:
        duckdb: Any = self.client()
        self._arrow: Any = self.client("pyarrow")
        self.failures = (duckdb.Error,)
        name = self.address.option("table", "codes")
        self._table, self._id, self._code = (
            _quoted(self.address.option(option, default))
            for option, default in (("table", "codes"), ("id", "id"), ("code", "code"))
        )
        self._connection = duckdb.connect(self.address.place)
        made = self._row(
            "SELECT comment FROM duckdb_tables() WHERE table_name = ? "
            "AND schema_name = current_schema() AND database_name = current_database()",
            [name],
        )
        if made is None:
            return None
        kind = self._row(
            "SELECT data_type FROM duckdb_columns() WHERE table_name = ? AND column_name = ?",
            [name, self.address.option("code", "code")],
        )
        if kind != ("BIT",):
            raise InputError(f"{self.address}: the column of codes is {kind}, not BIT")
        width = self._row(f"SELECT bit_length({self._code}) FROM {self._table} LIMIT 1")
        return Found(width[0] if width else 0, made[0] if str(made[0])[:1] == "{" else None)

    def _make(self, n_bits: int, description: str) -> None:
        said = description.replace("'", "''")
        self._run("BEGIN")
        self._run(
            f"CREATE TABLE {self._table} ({self._id} BIGINT PRIMARY KEY, "
            f"{self._code} BIT NOT NULL CHECK (bit_length({self._code}) = {n_bits}))"
        )
        self._run(f"COMMENT ON TABLE {self._table} IS '{said}'")
        self._run("COMMIT")

    def _write(self, codes: Codes, ids: Ids) -> None:
        arrow = self._arrow
        digits = np.unpackbits(codes, axis=1, count=self.n_bits) + np.uint8(ord("0"))
        ends = np.arange(len(ids) + 1, dtype=np.int64) * self.n_bits
        column = arrow.LargeStringArray.from_buffers(
            len(ids), arrow.py_buffer(ends), arrow.py_buffer(digits)
        )
        self._connection.register("batch", arrow.table({"id": ids, "code": column}))
        try:
            self._run(f"INSERT OR REPLACE INTO {self._table} SELECT id, code::BIT FROM batch")
        finally:
            self._connection.unregister("batch")

    def _search(self, queries: Codes, k: int) -> Hits:
        return self._ask("ORDER BY distance, 1 LIMIT ?", queries, k)

    def _within(self, queries: Codes, radius: int) -> Hits:
        return self._ask("WHERE distance <= ?", queries, radius)

    def _ask(self, rest: str, queries: Codes, value: int) -> Hits:
        statement = (
            f"SELECT * FROM (SELECT {self._id}, bit_count(xor({self._code}, ?::BIT)) AS distance "
            f"FROM {self._table}) {rest}"
        )
        found = (self._columns(statement, [query, value]) for query in texts(queries, self.n_bits))
        return [(hits[0], hits[1]) for hits in found]

    def _fetch(self, ids: Ids) -> tuple[Any, Codes]:
        found, codes = self._columns(
            f"SELECT {self._id}, {self._code}::VARCHAR FROM {self._table} "
            f"WHERE {self._id} IN (SELECT unnest(?))",
            [ids.tolist()],
        )
        return found, from_texts(list(codes), self.n_bits)

    def _remove(self, ids: Ids) -> None:
        self._run(
            f"DELETE FROM {self._table} WHERE {self._id} IN (SELECT unnest(?))", [ids.tolist()]
        )

    def _count(self) -> int:
        return int(self._row(f"SELECT count(*) FROM {self._table}")[0])

    def _let_go(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    def _columns(self, statement: str, values: list[Any]) -> list[Any]:
        return list(self._run(statement, values).fetchnumpy().values())

    def _row(self, statement: str, values: list[Any] | None = None) -> Any:
        """Return the first row, or None, and leave no result open."""
        return next(iter(self._run(statement, values).fetchall()), None)

    def _run(self, statement: str, values: list[Any] | None = None) -> Any:
        return self._connection.execute(statement, values)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

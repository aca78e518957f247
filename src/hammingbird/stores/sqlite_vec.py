"""SQLite with sqlite-vec: a ``vec0`` table with a ``bit[n]`` column, least significant bit first.

That is the order of its own ``vec_quantize_binary`` and ``vec_to_json``, so that its codes and ours
may meet in one column. n is rounded up to a multiple of 8. Descriptions are rows of the table
``hammingbird``.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from hammingbird.codes import Codes
from hammingbird.errors import InputError
from hammingbird.index.rows import Ids
from hammingbird.stores.layouts import joined, least_first, padded_bits
from hammingbird.stores.store import Found, Hits, Store

MOST_MATCHES = 4096
"""sqlite-vec finds no more by MATCH."""
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SqliteVecStore(Store):
    """A virtual table of a SQLite file."""

    library, extra = "sqlite_vec", "sqlite"
    options = ("table", "id", "code", "index")

    def _look(self) -> Found | None:
        extension = self.client()
        apsw: Any = self.client("apsw")
        self.failures = (apsw.Error,)
        self._name = self.address.option("table", "codes")
        self._table = '"' + self._name.replace('"', '""') + '"'
        self._id, self._code = self._column("id"), self._column("code")
        self._connection = apsw.Connection(self.address.place)
        self._connection.set_busy_timeout(10_000)
        self._connection.enable_load_extension(True)
        self._connection.load_extension(extension.loadable_path())
        self._connection.enable_load_extension(False)
        made = self._run("SELECT sql FROM sqlite_master WHERE name = ?", (self._name,)).fetchone()
        if made is None:
            return None
        column = re.search(rf"\b{self._code}\W+bit\[(\d+)\]", made[0])
        if column is None:
            raise InputError(f"{self.address} is no vec0 table with a column of bits")
        return Found(int(column[1]), self._description())

    def _column(self, name: str) -> str:
        """Return a column's name; vec0 knows no quotes."""
        value = self.address.option(name, name)
        if not PLAIN.fullmatch(value):
            raise InputError(f"{self.address}: {name} must be letters, digits and underscores")
        return value

    def _description(self) -> str | None:
        known = self._run("SELECT 1 FROM sqlite_master WHERE name = 'hammingbird'").fetchone()
        if known is None:
            return None
        text = "SELECT description FROM hammingbird WHERE name = ?"
        found = self._run(text, (self._name,)).fetchone()
        return None if found is None else str(found[0])

    def _make(self, n_bits: int, description: str) -> None:
        with self._connection:
            self._run(
                f"CREATE VIRTUAL TABLE {self._table} USING vec0({self._id} INTEGER PRIMARY KEY, "
                f"{self._code} bit[{padded_bits(n_bits)}])"
            )
            self._run(
                "CREATE TABLE IF NOT EXISTS hammingbird (name TEXT PRIMARY KEY, description TEXT)"
            )
            self._run("INSERT OR REPLACE INTO hammingbird VALUES (?, ?)", (self._name, description))

    def _write(self, codes: Codes, ids: Ids) -> None:
        rows = zip(ids.tolist(), map(bytes, least_first(codes)), strict=True)
        with self._connection:
            self._delete(ids)
            self._many(
                f"INSERT INTO {self._table} ({self._id}, {self._code}) VALUES (?, vec_bit(?))", rows
            )

    def _search(self, queries: Codes, k: int) -> Hits:
        if k > MOST_MATCHES:
            return self._scan("ORDER BY 2, 1 LIMIT ?", queries, k)
        statement = (
            f"SELECT {self._id}, distance FROM {self._table} "
            f"WHERE {self._code} MATCH vec_bit(?) AND k = ?"
        )
        return [self._hits(statement, query, k) for query in least_first(queries)]

    def _within(self, queries: Codes, radius: int) -> Hits:
        return self._scan("WHERE distance <= ?", queries, radius)

    def _scan(self, rest: str, queries: Codes, value: int) -> Hits:
        statement = (
            f"SELECT * FROM (SELECT {self._id}, vec_distance_hamming({self._code}, vec_bit(?)) "
            f"AS distance FROM {self._table}) {rest}"
        )
        return [self._hits(statement, query, value) for query in least_first(queries)]

    def _hits(self, statement: str, query: Codes, value: int) -> tuple[Any, Any]:
        found = self._run(statement, (query.tobytes(), value)).fetchall()
        return [row[0] for row in found], np.array([row[1] for row in found], np.float64)

    def _fetch(self, ids: Ids) -> tuple[Any, Codes]:
        statement = f"SELECT {self._id}, {self._code} FROM {self._table} WHERE {self._id} = ?"
        found = self._many(statement, ((id_,) for id_ in ids.tolist())).fetchall()
        codes = joined([code for _, code in found], padded_bits(self.n_bits) // 8)
        return [id_ for id_, _ in found], least_first(codes)

    def _remove(self, ids: Ids) -> None:
        with self._connection:
            self._delete(ids)

    def _delete(self, ids: Ids) -> None:
        statement = f"DELETE FROM {self._table} WHERE {self._id} = ?"
        self._many(statement, ((id_,) for id_ in ids.tolist()))

    def _count(self) -> int:
        return int(self._run(f"SELECT count(*) FROM {self._table}").fetchone()[0])

    def _let_go(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    def _run(self, statement: str, values: tuple[Any, ...] = ()) -> Any:
        return self._connection.execute(statement, values)

    def _many(self, statement: str, rows: Any) -> Any:
        return self._connection.executemany(statement, rows)

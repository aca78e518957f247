"""PostgreSQL without an extension: ``bit(n)`` columns, distances by ``bit_count(code # query)``.

A table has a ``bigint`` primary key and a ``bit(n)``, the first bit first, any n. The description
is the comment on the table. Names are quoted, values are parameters, batches are transactions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hammingbird.codes import Codes, n_bytes
from hammingbird.errors import InputError
from hammingbird.index.rows import Ids
from hammingbird.stores.layouts import joined, texts
from hammingbird.stores.store import Found, Hits, Store

LONGEST_NAME = 63
"""Bytes; PostgreSQL cuts what is longer, and two names may become one."""
OURS = ("table", "id", "code", "index", "ef")
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"


class PostgresStore(Store):
    """A table of a PostgreSQL server, 14 or later."""

    library, extra = "psycopg", "postgres"
    server = True
    distance = "bit_count({code} # {query})"

    def _look(self) -> Found | None:
        self._psycopg: Any = self.client()
        self._sql: Any = self.client("psycopg.sql")
        self.failures = (self._psycopg.Error,)
        self._names = {
            name: self._sql.Identifier(self._option(name, default).replace("%", "%%"))
            for name, default in (("table", "codes"), ("id", "id"), ("code", "code"))
        }
        self._quoted = self._sql.Identifier(self._option("table", "codes")).as_string()
        address = self.address
        given = {
            "host": address.host,
            "port": address.port,
            "user": address.user,
            "password": address.password,
            "dbname": address.place,
            **{name: value for name, value in address.options.items() if name not in OURS},
        }
        known = {name: value for name, value in given.items() if value}
        self._connection = self._psycopg.connect(
            **{"connect_timeout": 10, **known}, autocommit=True
        )
        column = self._run(
            "SELECT t.typname, a.atttypmod, obj_description(a.attrelid, 'pg_class') "
            "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
            "WHERE a.attrelid = to_regclass(%s) AND a.attname = %s AND NOT a.attisdropped",
            [self._quoted, self._option("code", "code")],
        ).fetchone()
        if column is None:
            return None
        kind, n_bits, description = column
        if kind != "bit":
            raise InputError(f"{self.address}: the column of codes is a {kind}, not bit(n)")
        return Found(n_bits, description if (description or "").startswith("{") else None)

    def _option(self, name: str, default: str) -> str:
        value = self.address.option(name, default)
        if len(value.encode()) > LONGEST_NAME:
            raise InputError(f"{self.address}: {name} must have at most {LONGEST_NAME} bytes")
        return value

    def _make(self, n_bits: int, description: str) -> None:
        with self._connection.transaction():
            self._run(
                "CREATE TABLE {table} ({id} bigint PRIMARY KEY, {code} bit({n}) NOT NULL)",
                n=self._sql.Literal(n_bits),
            )
            self._run(
                "COMMENT ON TABLE {table} IS {description}",
                description=self._sql.Literal(description.replace("%", "%%")),
            )

    def _write(self, codes: Codes, ids: Ids) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            self._run(
                "CREATE TEMP TABLE hammingbird_batch (id bigint, code bit({n})) ON COMMIT DROP",
                n=self._sql.Literal(self.n_bits),
            )
            with cursor.copy("COPY hammingbird_batch FROM STDIN (FORMAT binary)") as copy:
                copy.write(COPY_HEADER)
                copy.write(_rows(codes, ids, self.n_bits))
                copy.write(COPY_END)
            self._run(
                "INSERT INTO {table} ({id}, {code}) SELECT id, code FROM hammingbird_batch "
                "ON CONFLICT ({id}) DO UPDATE SET {code} = EXCLUDED.{code} "
                "WHERE {table}.{code} <> EXCLUDED.{code}"
            )

    def _search(self, queries: Codes, k: int) -> Hits:
        return self._ask("ORDER BY 2 LIMIT %(limit)s", queries, limit=k)

    def _within(self, queries: Codes, radius: int) -> Hits:
        where = self._sql.SQL("WHERE {distance} <= %(radius)s").format(distance=self._distance())
        return self._ask(where, queries, radius=radius)

    def _ask(self, rest: Any, queries: Codes, **values: int) -> Hits:
        hits = []
        statement = self._sql.SQL("SELECT {id}, {distance} FROM {table} {rest}").format(
            **self._names,
            distance=self._distance(),
            rest=self._sql.SQL(rest) if isinstance(rest, str) else rest,
        )
        for query in texts(queries, self.n_bits):
            found = self._connection.execute(statement, {"query": query, **values}).fetchall()
            ids, distances = np.array(found, np.int64).reshape(-1, 2).T
            hits.append((ids, distances))
        return hits

    def _distance(self) -> Any:
        query = self._sql.SQL("%(query)s::bit({n})").format(n=self._sql.Literal(self.n_bits))
        return self._sql.SQL(self.distance).format(code=self._names["code"], query=query)

    def _fetch(self, ids: Ids) -> tuple[Any, Codes]:
        found = self._run(
            "SELECT {id}, {code} FROM {table} WHERE {id} = ANY(%s)", [ids.tolist()], binary=True
        ).fetchall()
        rows = [bytes(code)[4:] for _, code in found]
        return [id_ for id_, _ in found], joined(rows, n_bytes(self.n_bits))

    def _remove(self, ids: Ids) -> None:
        self._run("DELETE FROM {table} WHERE {id} = ANY(%s)", [ids.tolist()])

    def _count(self) -> int:
        return int(self._run("SELECT count(*) FROM {table}").fetchone()[0])

    def _let_go(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    def _run(self, text: str, values: Any = (), binary: bool = False, **parts: Any) -> Any:
        """Run a statement; values are always given, so that a percent sign is always doubled."""
        statement = self._sql.SQL(text).format(**self._names, **parts)
        return self._connection.execute(statement, values, binary=binary)


def _rows(codes: Codes, ids: Ids, n_bits: int) -> bytes:
    """Rows of a binary COPY: two fields, each with its length before it, all big-endian."""
    width = codes.shape[1]
    layout = np.dtype(
        [
            ("fields", ">i2"),
            ("id_length", ">i4"),
            ("id", ">i8"),
            ("code_length", ">i4"),
            ("bits", ">i4"),
            ("code", np.uint8, (width,)),
        ]
    )
    rows = np.empty(len(ids), layout)
    rows["fields"], rows["id_length"], rows["code_length"] = 2, 8, 4 + width
    rows["id"], rows["bits"], rows["code"] = ids, n_bits, codes
    return rows.tobytes()

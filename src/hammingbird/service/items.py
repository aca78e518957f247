"""Ids, codes, vectors and payloads in one SQLite file: what was written is on the disk."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Lock, local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import Codes, check_n_bits, n_bytes
from hammingbird.errors import FileError, InputError
from hammingbird.index import Scan

fcntl: Any = None if os.name == "nt" else import_module("fcntl")

FORMAT = 1
AT_ONCE = 500
"""Ids asked for in one statement."""

SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE codes (id INTEGER PRIMARY KEY, code BLOB NOT NULL);
CREATE TABLE vectors (id INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE payloads (id INTEGER PRIMARY KEY, payload TEXT NOT NULL);
"""

Payload = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """What one write stores under ids [n]: codes [n, bytes], and where there are some the rest."""

    ids: NDArray[np.int64]
    codes: Codes
    vectors: Sequence[NDArray[np.float32] | None]
    payloads: Sequence[str | None]
    """JSON objects, as text."""


class Items:
    """The file that a service keeps its items in; one process holds it, any thread may use it.

    SQLite in WAL mode with ``synchronous=FULL``: a write that has returned survives the death of
    the process and of the machine, and readers do not wait for it. Codes stand in a table of their
    own, so that the index is read back without passing over payloads.
    """

    def __init__(self, path: Path, n_bits: int | None = None, model: str | None = None) -> None:
        """Open a file, or begin one for codes of ``n_bits`` bits of the model of a fingerprint."""
        self.path, self._threads, self._writing = path, local(), Lock()
        self._opened: list[sqlite3.Connection] = []
        self._held = _hold(path)
        try:
            self.n_bits, self.model = self._open(n_bits, model)
        except sqlite3.Error as error:
            self.close()
            raise FileError(f"{path} cannot be opened as a file of items: {error}") from error
        except Exception:
            self.close()
            raise

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM codes").fetchone()[0])

    def close(self) -> None:
        """Write the log back into the file and let it go."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def index(self) -> Scan:
        """The index of all codes."""
        rows = self._connection.execute("SELECT id, code FROM codes ORDER BY id").fetchall()
        ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        codes = np.frombuffer(b"".join(row[1] for row in rows), np.uint8)
        width = n_bytes(self.n_bits)
        if codes.size != len(rows) * width:
            raise FileError(f"{self.path} holds codes that are not of {width} bytes")
        return Scan(self.n_bits).add(codes.reshape(-1, width), ids)

    def write(self, new: Written) -> None:
        """Store items, in place of those that have their ids; all of them or none."""
        self.take_over([new])

    def take_over(self, blocks: Iterable[Written]) -> None:
        """Store blocks of items in one write; all of them or none."""
        with self._writing, self._connection as connection:  # commits, or rolls back
            connection.execute("BEGIN IMMEDIATE")
            for block in blocks:
                self._put(connection, block)

    def remove(self, ids: Iterable[int]) -> None:
        """Forget items; all of them or none."""
        with self._writing, self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._forget(connection, ids, ("codes", "vectors", "payloads"))

    def payloads(self, ids: Sequence[int]) -> dict[int, Payload]:
        """The payloads of those ids that have one."""
        return {i: json.loads(text) for i, text in self._find("payloads", "payload", ids)}

    def vectors(self, ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The vectors of those ids that have one."""
        found = self._find("vectors", "vector", ids)
        return {i: np.frombuffer(content, np.float32) for i, content in found}

    @property
    def _connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        try:
            connection: sqlite3.Connection = self._threads.connection
        except AttributeError:
            connection = sqlite3.connect(
                self.path, isolation_level=None, timeout=30, check_same_thread=False
            )
            connection.execute("PRAGMA synchronous = FULL")
            self._threads.connection = connection
            self._opened.append(connection)
        return connection

    def _open(self, n_bits: int | None, model: str | None) -> tuple[int, str | None]:
        connection = self._connection
        connection.execute("PRAGMA journal_mode = WAL")
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            if n_bits is None:
                raise InputError(f"{self.path} is new: give a model, or the bits of its codes")
            begun = {"format": FORMAT, "n_bits": check_n_bits(n_bits), "model": model}
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                for statement in SCHEMA.strip().splitlines():
                    connection.execute(statement)
                connection.executemany(
                    "INSERT INTO about VALUES (?, ?)",
                    [(name, json.dumps(value)) for name, value in begun.items()],
                )
        rows = connection.execute("SELECT name, value FROM about").fetchall()
        about: dict[str, Any] = {name: json.loads(value) for name, value in rows}
        if about.get("format") != FORMAT:
            raise FileError(f"{self.path} is not a file of items that this version reads")
        theirs = check_n_bits(about["n_bits"]), about["model"]
        if n_bits not in (None, theirs[0]) or (model and theirs[1] and model != theirs[1]):
            raise InputError(
                f"{self.path} holds codes of {theirs[0]} bits of another model: give the model "
                "that made them, or begin a new file"
            )
        return theirs

    def _find(self, table: str, column: str, ids: Sequence[int]) -> list[tuple[int, Any]]:
        found = []
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            statement = f"SELECT id, {column} FROM {table} WHERE id IN ({marks})"  # noqa: S608
            found += self._connection.execute(statement, some).fetchall()
        return found

    def _put(self, connection: sqlite3.Connection, new: Written) -> None:
        ids = new.ids.tolist()
        self._forget(connection, ids, ("vectors", "payloads"))
        for table, values in (
            ("codes", (code.tobytes() for code in new.codes)),
            ("vectors", (None if v is None else v.tobytes() for v in new.vectors)),
            ("payloads", new.payloads),
        ):
            rows = [(i, value) for i, value in zip(ids, values, strict=True) if value is not None]
            statement = f"INSERT OR REPLACE INTO {table} VALUES (?, ?)"  # noqa: S608
            connection.executemany(statement, rows)

    @staticmethod
    def _forget(connection: sqlite3.Connection, ids: Iterable[int], tables: Iterable[str]) -> None:
        gone = [(i,) for i in ids]
        for table in tables:
            connection.executemany(f"DELETE FROM {table} WHERE id = ?", gone)  # noqa: S608


def _hold(path: Path) -> int | None:
    """Keep other processes out: their index would not know what this one writes."""
    if fcntl is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise FileError(f"{path} is in use: another service runs on it") from None
    return handle

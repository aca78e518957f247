"""The Parquet files of a folder, each with what tells whether it is still the same."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird.datasets.parquet import VectorTable, open_parquet, parquet_file
from hammingbird.datasets.source import reading
from hammingbird.errors import FileError, InputError
from hammingbird.storage import Manifest

ENDING = ".parquet"


@dataclass(frozen=True)
class Part:
    """A Parquet file of vectors, as whoever lists them sees it."""

    path: str
    name: str
    """The path inside the folder."""
    vectors: str
    """The column of vectors."""
    rows: int
    first: int
    """The number of its first row, counted over all parts by name."""
    content: Manifest
    """Bytes, time of change and footer: what changes with the file."""

    def check(self) -> None:
        """Refuse a file that is not the one that was listed."""
        if content_of(Path(self.path)) != self.content:
            raise FileError(f"{self.path} changed while it was read: run the same command again")


def list_parts(
    source: str | os.PathLike[str], *, vectors: str | None = None, width: int | None = None
) -> list[Part]:
    """List the Parquet files of a folder, or the one that is named; headers alone are read.

    Files are sorted by their path; those whose path has a name that begins with ``.`` or ``_`` are
    left out, as everywhere, and those without a row. All must have vectors of one width.
    """
    parts: list[Part] = []
    first = 0
    for path, name in _files(Path(source)):
        with reading(path):
            rows = parquet_file(path).metadata.num_rows
        if not rows:
            continue
        table = open_parquet(path, vectors)
        if not isinstance(table, VectorTable):
            raise FileError(f"{path} holds images: encode vectors, or the file alone to a file")
        width = width or table.shape[1]
        if table.shape[1] != width:
            raise FileError(f"{path} holds vectors of width {table.shape[1]}, not of {width}")
        parts.append(Part(str(path), name, table.column, rows, first, content_of(path)))
        first += rows
    if not parts:
        raise FileError(f"{source} has no rows: its Parquet files are empty")
    return parts


def is_parquet_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there are Parquet files in a folder."""
    return Path(path).is_dir() and bool(inside(Path(path)))


def content_of(path: Path) -> Manifest:
    """What changes when a file is written again: its size, its time, and Parquet's own footer."""
    with reading(path), path.open("rb") as stream:
        facts = os.fstat(stream.fileno())
        stream.seek(-8, os.SEEK_END)
        length = int.from_bytes(stream.read(4), "little") + 8
        stream.seek(-length, os.SEEK_END)
        footer = hashlib.sha256(stream.read(length)).hexdigest()[:16]
    return {"bytes": facts.st_size, "modified": facts.st_mtime_ns, "footer": footer}


def check_different(parts: list[Part], ids: str) -> None:
    """Refuse ids that come in two parts; only columns whose ranges overlap are read.

    They are held all at once then, 8 bytes a row.
    """
    ranges = sorted((*_range(part, ids), i) for i, part in enumerate(parts))
    group: list[int] = []
    reach = -np.inf
    for low, high, i in ranges:
        if low > reach:
            _check_group([parts[j] for j in group], ids)
            group = []
        group.append(i)
        reach = max(reach, high)
    _check_group([parts[j] for j in group], ids)


def _check_group(parts: list[Part], ids: str) -> None:
    if len(parts) < 2:
        return
    held = []
    for part in parts:
        with reading(Path(part.path)):
            column = parquet_file(Path(part.path)).read(columns=[ids])[ids]
            held.append(np.unique(column.to_numpy()))
    together = np.sort(np.concatenate(held))
    twice = together[1:][together[1:] == together[:-1]]
    if len(twice):
        files = [part.name for part, some in zip(parts, held, strict=True) if twice[0] in some]
        raise InputError(
            f"id {twice[0]} is in {files[0]} and in {files[1]}: give every row an id of its own, "
            "or leave the column out and take row numbers"
        )


def _range(part: Part, name: str) -> tuple[float, float]:
    """Smallest and largest id by the file's statistics; everything where it has none."""
    with reading(Path(part.path)):
        metadata = parquet_file(Path(part.path)).metadata
        found = []
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            columns: list[Any] = [group.column(i) for i in range(group.num_columns)]
            column = next((c for c in columns if c.path_in_schema == name), None)
            if column is None:
                raise FileError(f"{part.path} has no column {name!r} of ids")
            facts = column.statistics
            if facts is None or not facts.has_min_max or not isinstance(facts.min, int):
                return -np.inf, np.inf
            found += [facts.min, facts.max]
    return min(found), max(found)


def _files(source: Path) -> list[tuple[Path, str]]:
    if source.is_file():
        return [(source, source.name)]
    if not source.is_dir():
        raise FileError(f"{source} does not exist")
    if not (names := inside(source)):
        raise FileError(f"{source} has no Parquet file in it: name a folder of *{ENDING}")
    return [(source / name, name) for name in names]


def inside(folder: Path) -> list[str]:
    """List the Parquet files in a folder by their paths inside it, sorted."""
    names = (path.relative_to(folder) for path in folder.rglob(f"*{ENDING}") if path.is_file())
    return sorted(n.as_posix() for n in names if not any(p[0] in "._" for p in n.parts))

"""Reads every picture of a folder once: its size, its date, the code of it and of its mirror."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hammingbird.codes import Codes
from hammingbird.datasets.images import Picture, opened, pictures_below
from hammingbird.errors import FileError, HammingbirdError

if TYPE_CHECKING:
    from PIL.Image import Image

BLOCK = 256
"""Pictures that are decoded, described and remembered together."""
ENDS = 1 << 14
"""Bytes at both ends of a file that are looked at to know it again."""
TAKEN = 36867, 306
"""EXIF's date of the photograph, and of its last change."""
EXIF_FOLDER = 0x8769

Describe = Callable[[NDArray[np.uint8]], Codes]


@dataclass(frozen=True)
class File:
    """A picture of the folder: bytes, pixels, and when it was taken or, if unknown, written."""

    path: Path
    bytes: int
    width: int
    height: int
    date: str


@dataclass(frozen=True)
class Member:
    """A picture beside another one, ``distance`` bits from it, or from its mirror image."""

    file: File
    name: str
    distance: int
    mirrored: bool


@dataclass(frozen=True)
class Read:
    """What a folder holds; ``errors`` names what is no picture."""

    files: list[File]
    codes: Codes
    mirrored: Codes
    errors: dict[str, str]


@dataclass(frozen=True)
class Describer:
    """What makes codes of pictures, uint8 [n, *frame]; ``name`` changes when they would change.

    ``made_by`` is what a file of codes says of it.
    """

    name: str
    frame: tuple[int, ...]
    n_bits: int
    describe: Describe
    made_by: Mapping[str, Any] = field(default_factory=dict)


def read_folder(folder: Path, describer: Describer, memory: Path) -> Read:
    """Describe every picture of a folder.

    ``memory`` is a file that keeps what was read, block by block, so that a run that was stopped
    goes on and a later one reads only what is new. A file is known again by its size, the time of
    its last change, and its first and last bytes: moving or renaming it changes nothing.
    """
    if not folder.is_dir():
        raise FileError(f"{folder} is not a folder")
    paths = pictures_below(folder, links=False)
    files, codes, mirrored, errors = [], [], [], {}
    with closing(_Memory(memory, describer.name)) as known, ThreadPoolExecutor() as pool:
        progress = tqdm(total=len(paths), desc="read", unit="picture", disable=None, leave=False)
        with progress:
            for start in range(0, len(paths), BLOCK):
                block = paths[start : start + BLOCK]
                keys = list(pool.map(_key, block))
                rows = known.find(keys)
                new = [i for i, key in enumerate(keys) if key is not None and key not in rows]
                rows |= _describe([block[i] for i in new], [keys[i] for i in new], describer, pool)
                known.add({key: rows[key] for i in new if (key := keys[i])})
                for path, key in zip(block, keys, strict=True):
                    name = str(path.relative_to(folder))
                    if key is None:
                        errors[name] = "it cannot be read"
                    elif (row := rows[key]).error:
                        errors[name] = row.error
                    else:
                        size = path.stat().st_size
                        files.append(File(path, size, row.width, row.height, row.date))
                        codes.append(row.code)
                        mirrored.append(row.mirrored)
                progress.update(len(block))
    shape = (-1, (describer.n_bits + 7) // 8)
    straight, turned = (
        np.frombuffer(b"".join(some), np.uint8).reshape(shape) for some in (codes, mirrored)
    )
    return Read(files, straight, turned, errors)


def rgb(image: Image, side: int | None = None) -> Image:
    """A picture upright and in RGB; with ``side``, JPEG may be decoded smaller, but not below."""
    from PIL import ImageOps

    if side is not None:
        image.draft("RGB", (side, side))
    upright = ImageOps.exif_transpose(image)
    unfolded = upright.convert("RGBA") if upright.mode in ("P", "PA", "LA") else upright
    return unfolded.convert("RGB")


def reduced(image: Image, frame: tuple[int, ...]) -> NDArray[np.uint8]:
    """The pixels [h, w, 3], or [h, w] if the frame is grey."""
    from PIL.Image import Resampling

    small = image.resize((frame[1], frame[0]), Resampling.BICUBIC)
    return np.asarray(small if len(frame) == 3 else small.convert("L"))


@dataclass(frozen=True)
class _Row:
    """What is remembered of a file."""

    error: str
    width: int = 0
    height: int = 0
    date: str = ""
    code: bytes = b""
    mirrored: bytes = b""


class _Memory:
    """An SQLite file of rows by the describer's name and the file's key."""

    def __init__(self, path: Path, describer: str) -> None:
        self._describer = describer
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS pictures (describer TEXT, key TEXT, about TEXT, "
                "code BLOB, mirrored BLOB, PRIMARY KEY (describer, key)) WITHOUT ROWID"
            )
        except (sqlite3.Error, OSError) as error:
            raise FileError(f"{path} cannot keep what was read: {error}; remove it") from error

    def find(self, keys: Sequence[str | None]) -> dict[str | None, _Row]:
        some = [self._describer, *(key for key in keys if key is not None)]
        marks = ",".join("?" * (len(some) - 1))
        rows = self._connection.execute(
            "SELECT key, about, code, mirrored FROM pictures "  # noqa: S608
            f"WHERE describer = ? AND key IN ({marks})",
            some,
        )
        return {
            key: replace(_Row(*json.loads(about)), code=code, mirrored=mirrored)
            for key, about, code, mirrored in rows
        }

    def add(self, rows: dict[str, _Row]) -> None:
        values = [
            (
                self._describer,
                key,
                json.dumps([row.error, row.width, row.height, row.date]),
                row.code,
                row.mirrored,
            )
            for key, row in rows.items()
        ]
        with self._connection as connection:
            connection.execute("BEGIN")
            connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?,?,?,?,?)", values)

    def close(self) -> None:
        self._connection.close()


def _key(path: Path) -> str | None:
    """Size, time of the last change, and a digest of both ends; None if it cannot be read."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            ends = hashlib.sha256(stream.read(ENDS))
            if status.st_size > 2 * ENDS:
                stream.seek(-ENDS, os.SEEK_END)
            ends.update(stream.read(ENDS))
    except OSError:
        return None
    return f"{status.st_size}-{status.st_mtime_ns}-{ends.hexdigest()[:32]}"


def _describe(
    paths: Sequence[Path],
    keys: Sequence[str | None],
    describer: Describer,
    pool: ThreadPoolExecutor,
) -> dict[str | None, _Row]:
    """Decode and describe files; copies of one file, under one key, are described once."""
    decoded = list(pool.map(lambda path: _decode(path, describer.frame), paths))
    good = [i for i, (row, _) in enumerate(decoded) if not row.error]
    rows = {key: row for key, (row, _) in zip(keys, decoded, strict=True)}
    if good:
        pixels = np.stack([found for i in good if (found := decoded[i][1]) is not None])
        straight = describer.describe(pixels)
        mirrored = describer.describe(np.ascontiguousarray(pixels[:, :, ::-1]))
        for i, code, mirror in zip(good, straight, mirrored, strict=True):
            row = decoded[i][0]
            rows[keys[i]] = replace(row, code=code.tobytes(), mirrored=mirror.tobytes())
    return rows


def read_picture(path: Path, frame: tuple[int, ...]) -> tuple[File, NDArray[np.uint8]]:
    """What a file is, and its pixels [*frame]."""
    with opened(path.parent, Picture(path.name, path)) as image:
        file = _file(path, image)  # before it is reduced
        return file, reduced(rgb(image, 2 * max(frame[:2])), frame)


def look_at(path: Path) -> File:
    """What a file is, by its header."""
    with opened(path.parent, Picture(path.name, path)) as image:
        return _file(path, image)


def _file(path: Path, image: Image) -> File:
    return File(path, path.stat().st_size, image.width, image.height, _date(image, path))


def _decode(path: Path, frame: tuple[int, ...]) -> tuple[_Row, NDArray[np.uint8] | None]:
    try:
        file, pixels = read_picture(path, frame)
        return _Row("", file.width, file.height, file.date), pixels
    except HammingbirdError as error:
        return _Row(str(error).removeprefix(f"{path.parent}: ")), None


def _date(image: Image, path: Path) -> str:
    from datetime import datetime, timezone

    exif = image.getexif()
    for value in (exif.get_ifd(EXIF_FOLDER).get(TAKEN[0]), exif.get(TAKEN[1])):
        if isinstance(value, str) and len(value) >= 19 and value[4] == ":":
            return value[:10].replace(":", "-") + value[10:19]
    written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    return written.strftime("%Y-%m-%d %H:%M:%S")

"""Parquet files of codes: one for each of vectors, under its name, with what the codes are inside.

``_parts.json`` says that all are there; it is written last and goes before anything changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hammingbird.codes import Codes, check_codes, n_bytes
from hammingbird.datasets.parquet import parquet_file
from hammingbird.datasets.source import reading
from hammingbird.errors import FileError
from hammingbird.index.rows import Ids
from hammingbird.scale.batch import CODE, ID, arrow, from_arrow, schema_of
from hammingbird.scale.parts import inside
from hammingbird.storage import Manifest, read_manifest, replacing, settle, write_manifest
from hammingbird.storage.manifests import parse_manifest, signed

KEY = b"hammingbird"
WHOLE = "_parts.json"
ROW_GROUP = 1 << 20


class CodeParts(NamedTuple):
    """What a folder of codes holds."""

    codes: Codes
    """Packed codes [n, bytes], in the order of the files' names."""
    ids: Ids
    n_bits: int
    made_by: Manifest


def read_parts(folder: str | os.PathLike[str]) -> CodeParts:
    """Read all codes of a folder into memory; one that is not finished is a :class:`FileError`."""
    folder = Path(folder)
    whole = read_manifest(folder / WHOLE, "parts")
    n_bits, rows = whole["n_bits"], whole["rows"]
    codes, ids = np.empty((rows, n_bytes(n_bits)), np.uint8), np.empty(rows, np.int64)
    start = 0
    for name in whole["parts"]:
        with reading(folder / name):
            file = parquet_file(folder / name)
            for batch in file.iter_batches(columns=[ID, CODE]):
                stop = start + len(batch)
                ids[start:stop], codes[start:stop] = from_arrow(batch)
                start = stop
    if start != rows:
        raise FileError(f"{folder} holds {start:,} codes of {rows:,}: encode again")
    return CodeParts(check_codes(codes, n_bits, str(folder)), ids, n_bits, whole["made_by"])


def write_part(path: Path, batches: Iterable[Any], n_bits: int, rows: int, made: Manifest) -> None:
    """Write batches of ids and codes as one file, which appears whole or not at all."""
    pa = arrow()
    description = signed("codes", {"n_bits": n_bits, "rows": rows, "made_by": made})
    schema = schema_of(n_bits).with_metadata({KEY: json.dumps(description, allow_nan=False)})
    options = {
        "compression": "none",  # codes are as good as random
        "use_dictionary": False,
        "column_encoding": {ID: "DELTA_BINARY_PACKED", CODE: "PLAIN"},
    }
    with (
        replacing(path) as temporary,
        pa.OSFile(str(temporary), "wb") as stream,
        pa.parquet.ParquetWriter(stream, schema, **options) as writer,
    ):
        held: list[Any] = []
        for batch in batches:
            held.append(batch)
            if sum(map(len, held)) >= ROW_GROUP:
                writer.write_table(pa.Table.from_batches(held).cast(schema))
                held = []
        if held:
            writer.write_table(pa.Table.from_batches(held).cast(schema))


def description_of(path: Path) -> Manifest:
    """What a file says of its codes; nothing if it is none of ours or cannot be read."""
    try:
        with reading(path):
            file = parquet_file(path)
            rows, metadata = file.metadata.num_rows, file.schema_arrow.metadata or {}
        found = parse_manifest(metadata.get(KEY, b""), path, "codes")
    except FileError:
        return {}
    return found if found.get("rows") == rows else {}


def finish(folder: Path, names: list[str], n_bits: int, rows: int, made_by: Manifest) -> None:
    """Say that all parts are there."""
    whole = {"n_bits": n_bits, "rows": rows, "made_by": made_by, "parts": names}
    write_manifest(folder / WHOLE, "parts", whole)


def begin(folder: Path, names: set[str], made_by: Manifest, overwrite: bool) -> None:
    """Refuse a folder that holds other things; what is there is not whole from now on.

    With ``overwrite`` codes may go, whoever made them; never a file that holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise FileError(f"{folder} is a file: name a folder to write codes into")
    there = inside(folder) if folder.is_dir() else []
    for name in there:
        found = description_of(folder / name).get("made_by")
        if found is None:
            raise FileError(f"{folder / name} is no file of codes: name another folder")
        if overwrite:
            continue
        if name not in names:
            raise FileError(
                f"{folder / name} has no counterpart in the source, and would be read beside the "
                "codes of this run: name another folder, or overwrite"
            )
        if {key: found.get(key) for key in made_by} != made_by:
            raise FileError(
                f"{folder / name} holds codes of another model: name another folder, or overwrite"
            )
    (folder / WHOLE).unlink(missing_ok=True)
    for name in set(there) - names:
        (folder / name).unlink()
    for place in {folder, *((folder / name).parent for name in there)}:
        settle(place)

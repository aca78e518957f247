"""Files of packed codes: a ``.npy`` array, and after its last byte what the codes are, as JSON.

NumPy and others that read as many bytes as the header announces map the file as any array.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hammingbird.codes import Codes, check_codes, n_bytes
from hammingbird.errors import FileError, InputError
from hammingbird.storage.manifests import Manifest, parse_manifest, read_manifest, signed
from hammingbird.storage.writer import replacing

LONGEST_DESCRIPTION = 1 << 28


def write_codes(
    path: str | os.PathLike[str],
    blocks: Iterable[Codes],
    rows: int,
    n_bits: int,
    made_by: Manifest | None = None,
    *,
    names: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write packed codes block by block to a ``.npy`` file, and after them what they are.

    Memory is bounded by a block. ``made_by`` describes the hasher and the data; it is written when
    the last block has come. ``names`` [rows] says what to call the rows, such as pictures. A file
    that lacks rows at the end is never left behind.
    """
    path = Path(path)
    if path.suffix != ".npy":
        raise InputError(
            f"codes are written as .npy, got {path.name}: name the file {path.name}.npy"
        )
    if names is not None and len(names) != rows:
        raise InputError(f"{len(names)} names do not fit {rows} codes")
    with replacing(path, overwrite) as temporary:
        shape = (rows, n_bytes(n_bits))
        out = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        filled = 0
        for block in blocks:
            out[filled : filled + len(block)] = block
            filled += len(block)
        if filled != rows:
            raise FileError(f"cannot write {path}: expected {rows} codes, got {filled}")
        out.flush()
        end = out.offset + out.nbytes
        del out
        content = {"n_bits": n_bits, "rows": rows, "made_by": made_by or {}}
        if names is not None:
            content["names"] = [str(name) for name in names]
        description = signed("codes", content)
        with temporary.open("r+b") as stream:
            stream.truncate(end)  # an empty map has a byte of its own
            stream.seek(end)
            stream.write(b"\n" + json.dumps(description, allow_nan=False).encode() + b"\n")
    _beside(path).unlink(missing_ok=True)  # of codes that an earlier version wrote


def read_codes(
    path: str | os.PathLike[str], n_bits: int | None = None
) -> tuple[Codes, int, Manifest]:
    """Memory-map a codes file; return the codes, their bits, and their description.

    Its ``names``, where there are some, are a string per row. A bare uint8 ``.npy`` array has eight
    bits a byte, unless ``n_bits`` says otherwise. Codes of an earlier version have their
    description beside them, in ``<path>.json``.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            codes = _map(stream, path)
            described = stream.read(LONGEST_DESCRIPTION)
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(f"{path} does not exist") from None
    except FileError:
        raise
    except Exception as error:  # whatever NumPy makes of a foreign header
        raise FileError(f"{path} is not a readable .npy file of codes: {error}") from error
    manifest: Manifest = {}
    if described:
        manifest = parse_manifest(described, path, "codes")
    elif _beside(path).exists():
        manifest = read_manifest(_beside(path), "codes")
    if manifest and (
        manifest.get("rows") != len(codes)
        or n_bytes(manifest.get("n_bits", 0)) != codes.shape[1]
        or not isinstance(manifest.get("made_by"), dict)
        or not _are_names(manifest.get("names"), len(codes))
    ):
        raise FileError(f"the description of {path} is not of these codes: encode again")
    n_bits = n_bits or manifest.get("n_bits") or 8 * codes.shape[1]
    return check_codes(codes, n_bits, str(path)), n_bits, manifest


def _map(stream: BinaryIO, path: Path) -> Codes:
    """Map the array at the start of the file; leave the stream after its last byte."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never loaded")
    if dtype != np.uint8 or len(shape) != 2:
        raise FileError(
            f"{path} holds {dtype} {shape}, not packed codes: make them with hammingbird encode"
        )
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"its shape is {shape}")
    start = stream.tell()
    codes = np.memmap(stream, dtype, "r", start, shape, "F" if fortran_order else "C")
    stream.seek(start + codes.nbytes)
    return codes


def _are_names(names: object, rows: int) -> bool:
    return names is None or (
        isinstance(names, list) and len(names) == rows and all(type(name) is str for name in names)
    )


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")

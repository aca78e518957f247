"""Codes under ids in a folder, as every index saves them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import check_codes, check_n_bits, n_bytes
from hammingbird.errors import FileError, InputError
from hammingbird.index.rows import Number, Rows
from hammingbird.storage import load_folder, save_folder


def write_rows(
    folder: str | os.PathLike[str], kind: str, n_bits: int, rows: Rows, overwrite: bool
) -> None:
    """Write ``index.json``, ``codes.npy`` and ``ids.npy`` into a new folder."""

    def write(to: Path) -> None:
        np.save(to / "codes.npy", rows.codes, allow_pickle=False)
        np.save(to / "ids.npy", rows.ids, allow_pickle=False)

    manifest = {"class": kind, "n_bits": n_bits, "n_codes": rows.n}
    save_folder(folder, "index", manifest, write, overwrite=overwrite)


def read_rows(folder: str | os.PathLike[str], kind: str, mmap: bool) -> tuple[int, Rows]:
    """Return ``n_bits`` and the rows of a saved index of this kind."""
    manifest, path = load_folder(folder, "index", verify=not mmap)
    if manifest.get("class") != kind:
        raise FileError(f"{path} holds a {manifest.get('class')!r}, not a {kind}")
    try:
        n_bits = check_n_bits(manifest["n_bits"])
        shape = manifest["n_codes"], n_bytes(n_bits)
        codes = _read(path / "codes.npy", np.uint8, shape, mmap)
        ids = _read(path / "ids.npy", np.int64, shape[:1], False)
        check_codes(codes, n_bits)
    except (KeyError, InputError) as error:
        raise FileError(f"{path} cannot be used: {error}; save the index again") from error
    if len(ids) and (ids[0] < 0 or not (ids[1:] > ids[:-1]).all()):
        raise FileError(
            f"{path}/ids.npy must hold different ids in ascending order, of at least 0: save "
            "the index again"
        )
    return n_bits, Rows.of(codes, ids)


def _read(file: Path, dtype: type[Number], shape: tuple[int, ...], mmap: bool) -> NDArray[Number]:
    """An array of a known type and shape; never a pickle or an archive under this name."""
    try:
        array: NDArray[Number] = np.lib.format.open_memmap(file, "r") if mmap else _read_array(file)
    except Exception as error:  # a broken header makes NumPy raise almost anything
        raise FileError(f"{file} cannot be read: {error}; save the index again") from error
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise FileError(f"{file} does not fit index.json: save or copy the folder again")
    return array


def _read_array(file: Path) -> NDArray[Any]:
    with file.open("rb") as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array

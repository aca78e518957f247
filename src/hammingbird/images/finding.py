"""An index of a folder of pictures, and the pictures in it that are nearest to another one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird import kernels
from hammingbird.codes import Codes
from hammingbird.errors import FileError, HammingbirdError, InputError
from hammingbird.images.calibration import calibrate
from hammingbird.images.describers import Features, make_describer
from hammingbird.images.reading import (
    Describer,
    File,
    Member,
    Read,
    look_at,
    read_folder,
    read_picture,
)
from hammingbird.storage import read_codes, write_codes

MAKE = "make one with: hammingbird index FOLDER --out NAME.npy"


@dataclass(frozen=True)
class Index:
    """What :func:`index_folder` wrote: codes, and a name for each."""

    path: Path
    codes: Codes
    n_bits: int
    names: list[str]
    folder: Path
    radius: int | None
    """Bits within which pictures are the same, as measured on the folder; None if it was small."""
    made_by: Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """The pictures of an index that are nearest to ``asked``, nearest first."""

    asked: File
    index: Index
    hits: list[Member]

    def is_same(self, hit: Member) -> bool:
        """Whether it is as near as copies of one picture are."""
        return self.index.radius is not None and hit.distance <= self.index.radius

    def write(self, page: str | os.PathLike[str]) -> Path:
        """Write a page with the pictures side by side; needs the ``report`` extra."""
        from hammingbird.images.page import write_found

        page = Path(page)
        if page.suffix != ".html":
            raise InputError(f"the page is written as .html, got {page.name}")
        write_found(page, self)
        return page


def index_folder(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    memory: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    features: str | Features | None = None,
    overwrite: bool = False,
) -> Read:
    """Write codes of every picture below a folder, with their names, as a ``.npy`` file of codes.

    ``model``, ``features`` and ``memory`` are those of :func:`find_duplicates`. Where there are
    pictures enough, the radius of duplicates is measured too and kept with the codes.
    """
    folder, out = Path(folder), Path(out)
    if out.suffix != ".npy":
        raise InputError(f"codes are written as .npy, got {out.name}: name it {out.name}.npy")
    if out.exists() and not overwrite:
        raise FileError(f"{out} exists already: choose another name, or overwrite it")
    describer = make_describer(model, features)
    read = read_folder(folder, describer, Path(memory))
    if not read.files:
        raise FileError(f"{folder} holds no picture that can be read")
    try:
        radius = calibrate(read, describer).radius
    except InputError:  # too few to measure
        radius = None
    about = {"describer": describer.name, "folder": str(folder.resolve()), "radius": radius}
    write_codes(
        out,
        [read.codes],
        len(read.files),
        describer.n_bits,
        {**describer.made_by, **about},
        names=[file.path.relative_to(folder).as_posix() for file in read.files],
        overwrite=overwrite,
    )
    return read


def find_picture(
    picture: str | os.PathLike[str],
    index: str | os.PathLike[str],
    k: int = 12,
    *,
    model: str | os.PathLike[str] | None = None,
    features: str | Features | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Found:
    """The ``k`` pictures of an index nearest to a picture or to its mirror image, ties by name.

    ``index`` is what :func:`index_folder` wrote, with the same ``model`` or ``features``. Its
    pictures are looked for in the folder it was made of, or in ``folder``.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    known = open_index(index)
    describer = make_describer(model, features)
    _check_describer(known, describer)
    asked, pixels = _read(Path(picture), describer)
    sides = describer.describe(np.stack([pixels, np.ascontiguousarray(pixels[:, ::-1])]))
    rows, distances = kernels.nearest(sides, known.codes, min(k, len(known.codes)))
    turned = np.repeat([False, True], rows.shape[1])
    order = np.lexsort((turned, rows.ravel(), distances.ravel()))
    nearest: dict[int, tuple[int, bool]] = {}
    for i in order:  # the nearer side of a row comes first
        nearest.setdefault(int(rows.flat[i]), (int(distances.flat[i]), bool(turned[i])))
    place = known.folder if folder is None else Path(folder)
    hits = [
        Member(_file(place / known.names[row]), known.names[row], distance, mirrored)
        for row, (distance, mirrored) in list(nearest.items())[:k]
    ]
    return Found(asked, known, hits)


def open_index(path: str | os.PathLike[str]) -> Index:
    """Open what :func:`index_folder` wrote; other files of codes, and other files, are refused."""
    path = Path(path)
    try:
        codes, n_bits, about = read_codes(path)
    except FileError as error:
        raise FileError(f"{error}; if it should be an index of pictures, {MAKE}") from error
    made_by: dict[str, Any] = about.get("made_by") or {}
    names: Any = about.get("names")
    folder: Any = made_by.get("folder")
    radius: Any = made_by.get("radius")
    known = names and isinstance(folder, str) and isinstance(made_by.get("describer"), str)
    if not known or not (radius is None or type(radius) is int):
        raise InputError(f"{path} holds codes, but is no index of pictures: {MAKE}")
    return Index(path, codes, n_bits, names, Path(folder), radius, made_by)


def _check_describer(index: Index, describer: Describer) -> None:
    made_with = index.made_by.get("option", "")
    if index.made_by["describer"] != describer.name:
        how = (
            f"give {made_with} that it was made with"
            if made_with
            else "leave out --model and --features"
        )
        raise InputError(
            f"the bits of {index.path} were made by something else than those asked for: {how}, or "
            "make the index again"
        )


def _read(picture: Path, describer: Describer) -> tuple[File, Any]:
    if not picture.is_file():
        what = "is no file" if picture.exists() else "does not exist"
        raise FileError(f"{picture} {what}: give the picture to look for")
    return read_picture(picture, describer.frame)


def _file(path: Path) -> File:
    """What a file of the index is; nothing is known of one that is gone."""
    try:
        return look_at(path)
    except HammingbirdError:
        return File(path, 0, 0, 0, "")

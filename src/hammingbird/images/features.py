"""Vectors of pictures by a pretrained backbone, in a file with the names of its rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hammingbird.datasets.files import Labels, open_file
from hammingbird.datasets.images import ImageFolder, Pictures
from hammingbird.datasets.parquet import ImageTable
from hammingbird.datasets.source import Array, Source
from hammingbird.errors import FileError, InputError, MissingExtraError
from hammingbird.storage import discard, load_folder, replacing, save_folder

ROWS = 1024
"""Pictures whose vectors are kept together: what a stopped run has to make again at most."""
ENDINGS = (".npy", ".parquet")


def write_features(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    backbone: str,
    *,
    image_size: int | None = None,
    labels: Labels | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> tuple[int, int]:
    """Write a vector for each picture of a folder or file; return the shape [n, f].

    ``out`` is ``.parquet`` (columns ``name``, ``vector``, and ``label`` where there are labels) or
    ``.npy``, with the names in ``.names.txt`` beside it, one a line. ``backbone`` is what
    :func:`hammingbird.deep.features.open_features` takes; pictures are resized to its own size, or
    to ``image_size``, ``batch_size`` at a time or as many as suit the device. ``labels="folders"``
    takes the subfolders of a folder for labels.

    What is done lies in ``<out>.parts`` until the end: a run that was stopped goes on there, and
    ends in the same bytes.
    """
    out = Path(out)
    if out.suffix not in ENDINGS:
        raise InputError(f"vectors are written as {' or '.join(ENDINGS)}, got {out.name}")
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
    folder = out.with_name(out.name + ".parts")
    if out.exists() and not overwrite and not folder.exists():
        raise FileError(f"{out} exists: choose another --out, or --overwrite it")
    embed = _opened(backbone, side=image_size, batch_size=batch_size, device=device)
    pictures = _Rows(open_file(path, frame=(embed.side, embed.side, 3), labels=labels))
    run = {
        "pictures": pictures.known_by(),
        "network": embed.fingerprint,
        "batch_size": embed.batch_size,
        "device": str(embed.device),
    }
    parts = _made(folder, run, pictures, embed)
    width = int(np.load(parts[0], mmap_mode="r", allow_pickle=False).shape[1])
    blocks = (np.load(part, allow_pickle=False) for part in parts)
    names = pictures.names()
    if out.suffix == ".npy":
        _write_array(out, blocks, (len(names), width))
        _write_names(out.with_suffix(".names.txt"), names)
    else:
        _write_table(out, blocks, names, pictures.labels())
    discard(folder)
    return len(names), width


class _Rows:
    """Pictures by number, their names and labels, of whatever holds them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        if isinstance(source, Pictures):
            self.n = source.shape[0]
            return
        self._data = source.load()
        if self._data.images is None:
            raise FileError(
                f"{source.path} holds vectors, not pictures: their features are what they are"
            )
        self.n = len(self._data.images)

    def blocks(self, start: int) -> Iterator[NDArray[np.uint8]]:
        if isinstance(self.source, Pictures):
            yield from self.source.decoded(ROWS, start)
            return
        assert self._data.images is not None
        for first in range(start, self.n, ROWS):
            yield np.asarray(self._data.images[first : first + ROWS])

    def names(self) -> list[str]:
        """Places of files in a folder, paths that Parquet has, else the numbers of the rows."""
        if self.source.names is not None:
            return [str(name) for name in self.source.names]
        if isinstance(self.source, ImageTable):
            return self.source.paths()
        return [str(row) for row in range(self.n)]

    def labels(self) -> Array | None:
        """Labels, by the names of their classes where they have some."""
        if isinstance(self.source, Pictures):
            y, classes = self.source.labels()
        else:
            y, classes = self._data.y, self._data.classes
        named = y is not None and classes is not None and y.ndim == 1
        return classes[y] if named else y  # type: ignore[index]

    def known_by(self) -> list[Any]:
        """Name, size and time of the last change of every file that is read."""
        path = self.source.path
        files = [path]
        if isinstance(self.source, ImageFolder):
            files = [path / name for name in self.names()]
        stats = [file.stat() for file in files]
        return [
            [str(file.relative_to(path.parent)), stat.st_size, stat.st_mtime_ns]
            for file, stat in zip(files, stats, strict=True)
        ]


def _made(folder: Path, run: dict[str, Any], pictures: _Rows, embed: Any) -> list[Path]:
    """Make what is missing; return the files of all parts, in order."""
    places = [folder / f"{start // ROWS:06d}" for start in range(0, pictures.n, ROWS)]
    done = 0
    while done < len(places) and places[done].exists():
        manifest, _ = load_folder(places[done], "features")
        if manifest["run"] != run:
            raise FileError(
                f"{folder} holds vectors of other pictures, weights or settings: remove it, or "
                "choose another --out"
            )
        done += 1
    with tqdm(total=pictures.n, initial=done * ROWS, desc="features", disable=None) as bar:
        blocks = pictures.blocks(done * ROWS) if done < len(places) else iter(())
        for place, block in zip(places[done:], blocks, strict=True):
            vectors = embed(block)
            if not np.isfinite(vectors).all():
                raise InputError(f"the backbone gives values that are not finite near {place.name}")
            save_folder(place, "features", {"run": run}, partial(_write_part, vectors))
            bar.update(len(block))
    return [place / "vectors.npy" for place in places]


def _write_part(vectors: NDArray[np.float32], folder: Path) -> None:
    np.save(folder / "vectors.npy", vectors)


def _opened(backbone: str, **settings: Any) -> Any:
    try:
        room = import_module("hammingbird.deep.features")
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "deep") from error
    return room.open_features(backbone, **settings)


def _write_array(out: Path, blocks: Iterator[Array], shape: tuple[int, int]) -> None:
    with replacing(out) as temporary:
        array = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
        start = 0
        for block in blocks:
            array[start : start + len(block)] = block
            start += len(block)
        array.flush()


def _write_names(out: Path, names: list[str]) -> None:
    if any("\n" in name for name in names):
        raise FileError("a picture's name has a line break: write .parquet instead")
    with replacing(out) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in names), "utf-8")


def _write_table(out: Path, blocks: Iterator[Array], names: list[str], y: Array | None) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "files") from None
    labels = None if y is None else pa.array(y.tolist())
    with replacing(out) as temporary:
        writer, start = None, 0
        for block in blocks:
            rows = slice(start, start + len(block))
            values = pa.array(block.reshape(-1), pa.float32())
            columns = {
                "name": pa.array(names[rows], pa.string()),
                "vector": pa.FixedSizeListArray.from_arrays(values, block.shape[1]),
                **({} if labels is None else {"label": labels[rows]}),
            }
            table = pa.table(columns)
            if writer is None:
                writer = pyarrow.parquet.ParquetWriter(temporary, table.schema)
            writer.write_table(table)
            start += len(block)
        assert writer is not None
        writer.close()

"""Published lists of pictures with their labels, and the vectors or pictures of a user for them.

Pictures are known by the names of their files alone: lists carry the folders of their authors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets.files import load
from hammingbird.datasets.images import Picture, Pictures
from hammingbird.datasets.parquet import read_column
from hammingbird.datasets.source import Array, Dataset, reading
from hammingbird.errors import FileError

Role = Literal["train", "query", "database"]
ROLES: tuple[Role, ...] = ("train", "query", "database")
FILES: Mapping[Role, str] = {
    "train": "train.txt",
    "query": "test.txt",
    "database": "database.txt",
}
COCO_LABELS = 80
SHOWN = 3


@dataclass(frozen=True)
class Listed:
    """The pictures of a list, in its order."""

    names: NDArray[np.str_]
    """[n], names of files without folders."""
    y: Array
    """Labels [n], or label sets [n, c]."""

    def take(self, rows: NDArray[Any]) -> Listed:
        """Some of them, by number or by a mask."""
        return Listed(self.names[rows], self.y[rows])


Lists = Mapping[Role, Listed]


def read_list(path: Path) -> Listed:
    """Read lines of a picture's path and its label, or a 0 or 1 for every class.

    As HashNet's authors and most later repositories publish them; whatever there is of one label
    a row in 0s and 1s stays a label set.
    """
    names: list[str] = []
    rows: list[list[str]] = []
    with reading(path), path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            name, *values = line.split()
            if not values or (rows and len(values) != len(rows[0])):
                raise FileError(
                    f"{path} line {number} has {len(values)} labels: every line needs a path and "
                    "one label, or as many 0s and 1s as the first line"
                )
            names.append(file_name(name))
            rows.append(values)
        if not rows:
            raise FileError(f"{path} is empty: it lists no picture")
        y = np.array(rows, np.int64)
    if y.shape[1] == 1:
        return Listed(np.array(names), y[:, 0])
    if not np.isin(y, (0, 1)).all():
        raise FileError(f"{path} has label sets with values other than 0 and 1")
    return Listed(np.array(names), y.astype(np.uint8))


def read_lists(folder: Path) -> Lists:
    """Read ``train.txt``, ``test.txt`` and ``database.txt`` of a folder."""
    return {role: read_list(folder / FILES[role]) for role in ROLES}


def read_imagenet100(path: Path) -> Lists:
    """Read HashNet's ImageNet-100 from an ``.npz`` of synsets, and ids and classes of each part.

    Its training list has 13,000 pictures, 130 a class, where the paper's text has 100.
    """
    arrays = _arrays(path, "synsets", *(f"{p}_{a}" for p in ("db", "train", "test") for a in _IDS))
    synsets = arrays["synsets"]

    def part(name: str, picture: Callable[[str, int], str]) -> Listed:
        ids, classes = (arrays[f"{name}_{what}"] for what in _IDS)
        y = classes.astype(np.int64)
        pairs = zip(ids.tolist(), y.tolist(), strict=True)
        return Listed(np.array([picture(synsets[c], i) for i, c in pairs]), y)

    def trained(synset: str, number: int) -> str:
        return f"{synset}_{number}.JPEG"

    return {
        "train": part("train", trained),
        "query": part("test", lambda _, number: f"ILSVRC2012_val_{number:08d}.JPEG"),
        "database": part("db", trained),
    }


def read_coco(path: Path) -> Lists:
    """Read HashNet's MS COCO from an ``.npz`` of ids, packed label sets, and roles.

    Its 5,000 queries and 10,000 training pictures; searched is, as the paper's text says, all but
    the queries. In the released lists of the Caffe version the database holds every query and no
    training picture.
    """
    arrays = _arrays(path, "image_id", "is_val2014", "y", "in_train", "in_caffe_query")
    parts = np.where(arrays["is_val2014"], "val", "train").tolist()
    pairs = zip(parts, arrays["image_id"].tolist(), strict=True)
    names = np.array([f"COCO_{part}2014_{number:012d}.jpg" for part, number in pairs])
    every = Listed(names, np.unpackbits(arrays["y"], axis=1, count=COCO_LABELS))
    query = arrays["in_caffe_query"]
    chosen = {"train": arrays["in_train"], "query": query, "database": ~query}
    return {role: every.take(chosen[role]) for role in ROLES}


def check_lists(lists: Lists, counts: Mapping[Role, int], where: object) -> Lists:
    """Return the lists, or say which has another number of pictures than published or an overlap.

    No picture may be a query and searched or learned from, or stand in one list twice.
    """
    for role, count in counts.items():
        if len(lists[role].names) != count:
            raise FileError(
                f"{where} lists {len(lists[role].names):,} pictures as {role}, {count:,} were "
                "published: it is another version, or cut"
            )
    for role, listed in lists.items():
        if len(np.unique(listed.names)) < len(listed.names):
            raise FileError(f"{where} lists a picture twice as {role}")
        shared = np.intersect1d(listed.names, lists["query"].names)
        if role != "query" and len(shared):
            raise FileError(
                f"{where}: {len(shared):,} queries are also in the {role} list, such as "
                f"{shared[0]}: take them out of one"
            )
    widths = {listed.y.shape[1:] for listed in lists.values()}
    if len(widths) > 1:
        raise FileError(f"{where} has lists of different numbers of classes")
    return lists


def listed_vectors(listed: Listed, path: Path) -> Dataset:
    """The vectors of the pictures of a list, in its order, out of a file with names of rows.

    Such a file is what ``hammingbird features`` writes.
    """
    found = load(path)
    rows = _rows(listed, read_names(path), path)
    return Dataset(path.name, np.asarray(found.X[rows]), listed.y)


def listed_pictures(listed: Listed, folder: Path, image_size: int | None = None) -> Dataset:
    """Decode the pictures of a list, in its order, from a folder and its subfolders."""
    with reading(folder):
        files = sorted(file for file in folder.rglob("*") if file.is_file())
    rows = _rows(listed, np.array([file.name for file in files]), folder)
    return _ListedPictures(folder, [files[row] for row in rows], listed.y, image_size).load()


def read_names(path: Path) -> NDArray[np.str_]:
    """Read the names of the rows: Parquet's column ``name``, or ``NAME.names.txt`` beside a file.

    Only the names of files are returned, without their folders.
    """
    with reading(path):
        if path.suffix == ".parquet":
            names = read_column(path, "name")
        else:
            names = path.with_suffix(".names.txt").read_text("utf-8").splitlines()
    return np.array([file_name(str(name)) for name in names])


def file_name(path: str) -> str:
    """The last part of a path, whichever way its slashes lean."""
    return path.replace("\\", "/").rpartition("/")[2]


class _ListedPictures(Pictures):
    """Files in a given order."""

    def __init__(self, path: Path, files: list[Path], y: Array, image_size: int | None) -> None:
        self._files, self._y = files, y
        super().__init__(path, len(files), image_size)

    def pictures(self) -> Iterator[Picture]:
        return (Picture(str(file.relative_to(self.path)), file) for file in self._files)

    def labels(self) -> tuple[Array | None, Array | None]:
        return self._y, None


_IDS = ("id", "class")


def _rows(listed: Listed, names: NDArray[np.str_], where: Path) -> NDArray[np.int64]:
    """The row of every picture of a list among names, which must all be there."""
    order = np.argsort(names, kind="stable")
    places = np.searchsorted(names[order], listed.names)
    rows = order[np.minimum(places, len(order) - 1)]
    missing = listed.names[names[rows] != listed.names]
    if len(missing):
        raise FileError(
            f"{where} lacks {len(missing):,} of {len(listed.names):,} pictures of the list, such "
            f"as {', '.join(missing[:SHOWN])}"
        )
    return np.asarray(rows, np.int64)


def _arrays(path: Path, *names: str) -> dict[str, Array]:
    """Arrays of an ``.npz`` file, which must have one row each where they belong together."""
    with reading(path), np.load(path, allow_pickle=False) as archive:
        lacking = [name for name in names if name not in archive]
        if lacking:
            raise FileError(f"{path} is no such list: it has no array {lacking[0]!r}")
        return {name: archive[name] for name in names}

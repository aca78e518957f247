"""The papers' own sets, where a user has them: published lists, and vectors of their pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from hammingbird.datasets import Dataset
from hammingbird.datasets.lists import (
    FILES,
    ROLES,
    Lists,
    Role,
    check_lists,
    listed_pictures,
    listed_vectors,
    read_coco,
    read_imagenet100,
    read_lists,
)
from hammingbird.papers.places import data_file, data_folder

Parts: TypeAlias = tuple[Dataset, Dataset, Dataset]
"""What is learnt from, the queries, what is searched."""

PICTURES = "pictures"
VECTORS = ("vectors.parquet", "vectors.npy")
"""What ``hammingbird features FOLDER --out`` writes, with the names of the rows."""


@dataclass(frozen=True)
class Published:
    """A set with published lists; calling it gives the parts by these."""

    name: str
    """Also that of the folder with the vectors."""
    lists: str
    """The list file, or a folder with ``train.txt``, ``test.txt`` and ``database.txt``."""
    read: Callable[[Path], Lists]
    counts: Mapping[Role, int] = field(default_factory=dict)
    """How many pictures were published."""

    def __call__(self) -> Parts:
        """Return what is learnt from, the queries, what is searched.

        Raises :class:`MissingDataError` if there are no vectors or no lists, and
        :class:`FileError` if they do not hold what was published.
        """
        files = [f"{self.name}/{name}" for name in VECTORS]
        there = [file for file in files if (data_folder() / file).exists()]
        vectors = data_file((there or files)[0])
        lists = self._lists()
        train, query, database = (listed_vectors(lists[role], vectors) for role in ROLES)
        return replace(train, name=self.name), query, database

    @property
    def has_pictures(self) -> bool:
        """Whether the pictures themselves are there, in a folder ``pictures``."""
        return (data_folder() / self.name / PICTURES).is_dir()

    def pictures(self, image_size: int) -> Parts:
        """Return the pictures of the parts, resized to squares."""
        folder = data_file(f"{self.name}/{PICTURES}")
        lists = self._lists()
        train, query, database = (listed_pictures(lists[r], folder, image_size) for r in ROLES)
        return replace(train, name=f"{self.name}-{PICTURES}"), query, database

    def _lists(self) -> Lists:
        place = data_file(self.lists)
        for name in FILES.values() if place.is_dir() else ():
            data_file(f"{self.lists}/{name}")
        return check_lists(self.read(place), self.counts, place)


IMAGENET100 = Published(
    "imagenet100_hashnet",
    "lists/imagenet100_hashnet_split.npz",
    read_imagenet100,
    {"train": 13_000, "query": 5_000, "database": 128_503},
)
COCO = Published(
    "coco",
    "lists/coco_hashnet_labels.npz",
    read_coco,
    {"train": 10_000, "query": 5_000, "database": 117_218},
)
NUS_81 = Published("nuswide_81", "nuswide_81", read_lists, {"train": 10_000, "query": 5_000})
NUS_21 = Published("nuswide_21", "nuswide_21", read_lists, {"train": 10_500, "query": 2_100})


def nus_21_all() -> Parts:
    """Return NUS-WIDE's 21 concepts by nus-2: all that is searched is learnt from."""
    _, query, database = NUS_21()
    database = replace(database, name="nuswide_21-nus2")
    return database, query, database

"""Near-duplicates of a folder: read, calibrate, join, group, tell."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hammingbird.codes import paired_distances
from hammingbird.errors import FileError, InputError
from hammingbird.images.calibration import Calibration, calibrate
from hammingbird.images.describers import Features, make_describer
from hammingbird.images.groups import Group, groups_of, near_pairs
from hammingbird.images.moving import move_away
from hammingbird.images.reading import Member, Read, read_folder
from hammingbird.storage import replacing, write_json


@dataclass(frozen=True)
class Duplicates:
    """What was found in a folder. Of each group the first is the one to keep.

    That is the one with the most pixels, then bytes, then the oldest, then the first by name.
    """

    folder: Path
    pictures: int
    errors: Mapping[str, str]
    n_bits: int
    radius: int
    calibration: Calibration | None
    groups: list[list[Member]]

    @property
    def spare(self) -> list[Member]:
        """Every picture but those to keep."""
        return [member for group in self.groups for member in group[1:]]

    def write(self, page: str | os.PathLike[str]) -> list[Path]:
        """Write the page, and JSON and CSV of its name; needs the ``report`` extra."""
        from hammingbird.images.page import write_page

        page = Path(page)
        if page.suffix != ".html":
            raise InputError(f"the page is written as .html, got {page.name}")
        paths = [page, page.with_suffix(".json"), page.with_suffix(".csv")]
        write_page(page, self)
        write_json(paths[1], self.as_dict())
        with replacing(paths[2]) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(
                "group keep name distance mirrored bytes width height date".split()  # noqa: SIM905
            )
            for number, group in enumerate(self.groups):
                for i, m in enumerate(group):
                    writer.writerow([number, int(i == 0), *_row(m).values()])
        return paths

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        found: dict[str, Any] = {
            "folder": str(self.folder),
            "pictures": self.pictures,
            "n_bits": self.n_bits,
            "radius": self.radius,
            "groups": [[_row(member) for member in group] for group in self.groups],
            "errors": dict(self.errors),
        }
        if (c := self.calibration) is not None:
            found["calibration"] = {
                "rate": c.rate,
                "pairs": c.pairs,
                "different": c.different,
                "sure_radius": c.sure_radius,
                "trusted": c.trusted,
                "counted": c.counted.tolist(),
                "false_rates": c.false_rates.tolist(),
                "found": {name: rates.tolist() for name, rates in c.found.items()},
            }
        return found

    def move_to(self, folder: str | os.PathLike[str]) -> Path:
        """Move all but the pictures to keep away; return the script that brings them back."""
        return move_away([member.file.path for member in self.spare], self.folder, Path(folder))


def find_duplicates(
    folder: str | os.PathLike[str],
    *,
    memory: str | os.PathLike[str],
    rate: float | None = None,
    radius: int | None = None,
    model: str | os.PathLike[str] | None = None,
    features: str | Features | None = None,
) -> Duplicates:
    """Find pictures of a folder that show the same: copies, resized, recompressed, mirrored.

    The radius is the largest that joins at most the share ``rate`` of the pairs of different
    pictures, by default one pair for a thousand pictures (see :func:`calibrate`), unless ``radius``
    (in bits) is given. Codes are those of the built-in descriptor, of a saved ``model`` that takes
    pictures, or of a network's ``features`` (see :func:`make_describer`). ``memory`` is a file that
    keeps codes for the next run. Needs the ``files`` extra.
    """
    folder = Path(folder)
    describer = make_describer(model, features)
    if radius is not None and not 0 <= radius <= describer.n_bits:
        raise InputError(f"radius must be from 0 to {describer.n_bits} bits, got {radius}")
    read = read_folder(folder, describer, Path(memory))
    if not read.files:
        raise FileError(f"{folder} holds no picture that can be read")
    calibration = None
    if radius is None:
        calibration = calibrate(read, describer, rate)
        radius = calibration.radius
    pairs = near_pairs(read.codes, read.mirrored, radius)
    groups = [_ordered(group, read, folder) for group in groups_of(pairs, len(read.files))]
    groups.sort(key=lambda group: (-len(group), group[0].name))
    return Duplicates(
        folder, len(read.files), read.errors, describer.n_bits, radius, calibration, groups
    )


def _ordered(group: Group, read: Read, folder: Path) -> list[Member]:
    """The pictures of a group, the one to keep first, and how far the others are from it."""
    files = [(read.files[i], i) for i in group.rows.tolist()]
    files.sort(key=lambda f: (-f[0].width * f[0].height, -f[0].bytes, f[0].date, f[0].path))
    rows = [i for _, i in files]
    straight, mirrored = (
        paired_distances(side[rows[0]], read.codes[rows]).tolist()
        for side in (read.codes, read.mirrored)
    )
    return [
        Member(file, str(file.path.relative_to(folder)), min(plain, turned), turned < plain)
        for (file, _), plain, turned in zip(files, straight, mirrored, strict=True)
    ]


def _row(member: Member) -> dict[str, Any]:
    file = member.file
    return {
        "name": member.name,
        "distance": member.distance,
        "mirrored": member.mirrored,
        "bytes": file.bytes,
        "width": file.width,
        "height": file.height,
        "date": file.date,
    }

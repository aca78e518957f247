"""Pages of pictures: groups of duplicates with how the radius was found; what was found."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hammingbird.datasets.images import Picture, opened
from hammingbird.errors import HammingbirdError
from hammingbird.images.calibration import Calibration
from hammingbird.images.reading import Member, rgb
from hammingbird.report.canvas import PAGE, Panel, numbered_style
from hammingbird.report.template import render
from hammingbird.storage import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hammingbird.images.dedup import Duplicates
    from hammingbird.images.finding import Found

SIDE = 144
PICTURES = 1500
"""Pictures on the page; groups beyond are in the JSON and CSV."""


def write_page(path: Path, found: Duplicates) -> None:
    """Write one HTML file that holds its pictures; needs the ``report`` extra."""
    shown, count = [], 0
    for group in found.groups:
        if count + len(group) > PICTURES:
            break
        count += len(group)
        shown.append([(member, thumbnail(member.file.path)) for member in group])
    text = render(
        "duplicates.html",
        room="images",
        found=found,
        groups=shown,
        spare_bytes=amount(sum(member.file.bytes for member in found.spare)),
        amount=amount,
        panels=panels(found.calibration, found.n_bits) if found.calibration else [],
        others=found.pictures * (found.pictures - 1) // 2,
    )
    _write(path, text)


def write_found(path: Path, found: Found) -> None:
    """Write one HTML file that holds its pictures; needs the ``report`` extra."""
    asked = Member(found.asked, found.asked.path.name, 0, False)
    text = render(
        "found.html",
        room="images",
        found=found,
        index=found.index,
        asked=asked,
        source=thumbnail(asked.file.path),
        hits=[(hit, thumbnail(hit.file.path)) for hit in found.hits],
        same=sum(map(found.is_same, found.hits)),
        amount=amount,
    )
    _write(path, text)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:  # a name may hold bytes that are no text
        temporary.write_text(text, "utf-8", "backslashreplace")


def thumbnail(path: Path) -> str:
    """A small picture as a data URI; empty if the file is gone."""
    stream = io.BytesIO()
    try:
        with opened(path.parent, Picture(path.name, path)) as image:
            small = rgb(image, SIDE)
            small.thumbnail((SIDE, SIDE))
            small.save(stream, "JPEG", quality=80)
    except HammingbirdError:
        return ""
    return "data:image/jpeg;base64," + b64encode(stream.getvalue()).decode()


def amount(size: int) -> str:
    """Bytes, as people write them."""
    value, units = float(size), ["bytes", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:,.0f} {units[0]}" if units[0] == "bytes" else f"{value:,.1f} {units[0]}"


def panels(calibration: Calibration, n_bits: int) -> list[Panel]:
    """The curves over the radius: copies that are found, and different pictures that are joined."""
    last = n_bits // 2
    radii = np.arange(last + 1)

    def copies(axes: Axes) -> None:
        for i, (name, shares) in enumerate(calibration.found.items()):
            line = numbered_style(PAGE, i).line(markevery=(4 * i % 16, 16))
            axes.plot(radii, shares[: last + 1], label=name, **line)
        axes.set(xlabel="radius in bits", ylabel="share found", ylim=(0, 1.03), xlim=(0, last))
        axes.axvline(calibration.radius, color=PAGE.text, linewidth=1)
        axes.legend(loc="lower right", fontsize=9, frameon=False)

    def different(axes: Axes) -> None:
        counted = np.where(calibration.counted > 0, calibration.counted, np.nan)
        below = radii[: calibration.trusted + 1]
        dashed: dict[str, Any] = {
            "color": PAGE.relevant,
            "linestyle": (0, (2, 1.5)),
            "linewidth": 2.2,
        }
        axes.plot(radii, counted[: last + 1], color=PAGE.other, label="counted, copies too")
        axes.plot(below, calibration.false_rates[below], label="without copies", **dashed)
        axes.axhline(calibration.rate, color=PAGE.neutral, linestyle=(0, (4, 3)), linewidth=1)
        axes.axvline(calibration.radius, color=PAGE.text, linewidth=1)
        axes.set(xlabel="radius in bits", ylabel="share of pairs", xlim=(0, last), yscale="log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
        axes.set_ylim(min(calibration.rate, 1 / calibration.pairs) / 10, 1)
        axes.legend(loc="upper left", fontsize=9, frameon=False)

    return [
        _panel("Copies that are found", copies, "copies"),
        _panel("Different pictures that are joined", different, "different"),
    ]


def _panel(title: str, plot: Callable[[Axes], None], name: str) -> Panel:
    label = f"{title}, over the radius"
    return Panel(title, label, plot, name, size=(440, 260), margins=(62, 42, 10, 8))

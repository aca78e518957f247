"""Rows of image results as PNG strips inside the page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.comparison.examples import ExampleRow, Examples, Images
from hammingbird.errors import InputError, MissingExtraError
from hammingbird.storage import replacing

LARGEST_SIDE = 64
PAGE_BYTES = 1_200_000
"""Pictures of a page, encoded; the drawings of the largest comparisons take about as much."""


FRAME = 3
"""Pixels around a framed picture."""
HIT, MISS = (46, 140, 70), (200, 50, 50)

FIRST = 4
"""Queries on the first screen."""


@dataclass(frozen=True)
class Strip:
    """One query's results, side by side in one picture."""

    png: str
    correct: list[bool]

    @property
    def label(self) -> str:
        """What the picture shows, in words."""
        right = [str(i + 1) for i, correct in enumerate(self.correct) if correct]
        return f"{len(right)} of {len(self.correct)} results are relevant" + (
            f": number {', '.join(right)}" if right else ""
        )


@dataclass(frozen=True)
class Gallery:
    """What the page shows of the examples; ``left_out`` queries would make it too large."""

    queries: list[str]
    labels: list[str]
    rows: list[tuple[ExampleRow, list[Strip]]]
    first: tuple[ExampleRow, list[Strip]] | None
    """The first queries of the row with the most relevant results, for the first screen."""
    left_out: int


def gallery(examples: Examples) -> Gallery:
    """Encode as many queries as fit into the page's size, at least one."""
    n = len(examples.queries)
    for row in examples.rows:
        if not len(row.results) == len(row.correct) == n:
            raise InputError(f"{row.title}: results and correct must have one row per query ({n})")
    queries = [png([image]) for image in examples.queries]
    rows = [
        (
            row,
            [
                Strip(png(images), [bool(x) for x in correct])
                for images, correct in zip(row.results, row.correct, strict=True)
            ],
        )
        for row in examples.rows
    ]
    best = max(range(len(rows)), key=lambda i: rows[i][0].precision, default=None)
    again = [] if best is None else rows[best][1][:FIRST]
    cost = [len(query) + sum(len(s[i].png) for _, s in rows) for i, query in enumerate(queries)]
    for i, strip in enumerate(again):
        cost[i] += len(queries[i]) + len(strip.png)
    fit = max(1, int(np.searchsorted(np.cumsum(cost), PAGE_BYTES, side="right")))
    labels = [str(label) for label in examples.labels] if examples.labels else [""] * n
    kept = [(row, strips[:fit]) for row, strips in rows]
    first = None if best is None else (kept[best][0], kept[best][1][:FIRST])
    return Gallery(queries[:fit], labels[:fit], kept, first, max(n - fit, 0))


def png(images: Sequence[Images] | Images) -> str:
    """Put images of one size side by side, as a data URI; large ones are made smaller."""
    strip = _image(np.concatenate(list(images), axis=1))
    side = max(images[0].shape[:2])
    if side > LARGEST_SIDE:
        strip = strip.resize([max(1, round(x * LARGEST_SIDE / side)) for x in strip.size])
    stream = BytesIO()
    strip.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + b64encode(stream.getvalue()).decode()


def framed(query: Images, results: Images, correct: NDArray[np.bool_]) -> Images:
    """A query and its results side by side, [h, w, 3]: what is right framed green, the rest red."""
    colors = [(255, 255, 255), *(HIT if right else MISS for right in correct)]
    framed = []
    for image, color in zip([query, *results], colors, strict=True):
        height, width = image.shape[:2]
        canvas = np.empty((height + 2 * FRAME + 2, width + 2 * FRAME + 2, 3), np.uint8)
        canvas[:] = 255
        canvas[1:-1, 1:-1] = color
        inner = canvas[FRAME + 1 : -FRAME - 1, FRAME + 1 : -FRAME - 1]
        inner[:] = image if image.ndim == 3 else image[..., None]
        framed.append(canvas)
    return np.concatenate(framed, axis=1)


def save_picture(path: Path, image: Images) -> None:
    """Write one PNG file."""
    with replacing(path) as temporary:
        _image(image).save(temporary, "PNG", optimize=True)


def _image(array: Images) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", "report") from error
    return Image.fromarray(np.ascontiguousarray(array, np.uint8))

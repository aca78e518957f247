"""Result records averaged over seeds, the curves behind them, and one style per method."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hammingbird.experiments.canvas import PAGE, Palette

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]
MARKERS = "osD^vPX<>h*p"
DASHES = ("solid", (0, (5, 1.5)), (0, (2, 1.2)))


class Value(NamedTuple):
    """The mean over seeds, and the standard deviation where there is more than one seed."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Row:
    """All seeds of one method at one code length."""

    method: str
    bits: int | None
    role: str
    """``method``, ``floor`` (learns nothing) or ``ceiling`` (the float vectors)."""
    seeds: int
    metrics: Mapping[str, Value]
    asymmetric: Mapping[str, Value]
    seconds: Mapping[str, Value]
    bytes_per_item: int | None
    center_distance: int | None = None
    """Least distance of two class centres, where a method has them."""

    def mean(self, metric: str) -> float | None:
        """The mean of a metric, or None where it was not measured."""
        value = self.metrics.get(metric)
        return None if value is None else value.mean

    @property
    def name(self) -> str:
        """``itq, 32 bits``."""
        return self.method if self.bits is None else f"{self.method}, {self.bits} bits"


def average(results: Mapping[str, Any]) -> list[Row]:
    """Return one row per method and code length, in the order of their first record."""
    cells: dict[tuple[str, int | None], list[Mapping[str, Any]]] = {}
    for record in results.get("records", []):
        cells.setdefault((str(record["method"]), record.get("bits")), []).append(record)
    return [
        Row(
            method,
            bits,
            records[0].get("role", "method"),
            len(records),
            _average(record.get("metrics") for record in records),
            _average(record.get("asymmetric") for record in records),
            _average(record.get("seconds") for record in records),
            records[0].get("bytes_per_item"),
            records[0].get("center_distance"),
        )
        for (method, bits), records in cells.items()
    ]


def _average(found: Iterable[Mapping[str, Any] | None]) -> dict[str, Value]:
    values: dict[str, list[float]] = {}
    for measured in found:
        for name, value in (measured or {}).items():
            if isinstance(value, int | float) and math.isfinite(value):
                values.setdefault(name, []).append(float(value))
    return {
        name: Value(fmean(seeds), stdev(seeds) if len(seeds) > 1 else None)
        for name, seeds in values.items()
    }


def code_lengths(rows: Sequence[Row]) -> list[int]:
    """Code lengths that were compared: those of the methods, or of all rows if there is none."""
    compared = [row for row in rows if row.role == "method"] or rows
    return sorted({row.bits for row in compared if row.bits is not None})


def stands_alone(row: Row, lengths: Sequence[int]) -> bool:
    """Whether a row belongs to no code length: float vectors, or the sign of each dimension."""
    return row.bits is None or (row.role != "method" and row.bits not in lengths)


def recall_name(rows: Sequence[Row]) -> str:
    """The recall to show: ``recall10@100``, or the first ``recallK@N`` that was measured."""
    measured = {name for row in rows for name in row.metrics}
    found = sorted(name for name in measured if re.fullmatch(r"recall\d+@\d+", name))
    return found[0] if found and "recall10@100" not in found else "recall10@100"


@dataclass(frozen=True)
class Style:
    """How a method is drawn everywhere."""

    color: str
    marker: str
    dash: Any
    size: float = 6.0

    def line(self, **more: Any) -> dict[str, Any]:
        """Arguments of ``Axes.plot``."""
        drawn = {"color": self.color, "marker": self.marker, "linestyle": self.dash}
        return {**drawn, "markersize": self.size, "markeredgewidth": 1.2, **more}


class Comparison:
    """Averaged rows and the curves behind them, with one style per method."""

    def __init__(
        self,
        results: Mapping[str, Any],
        curves: Sequence[Mapping[str, Any]],
        palette: Palette = PAGE,
    ) -> None:
        self.palette = palette
        self.rows = average(results)
        self.lengths = code_lengths(self.rows)
        self.recall = recall_name(self.rows)
        self.styles = _styles(self.rows, palette)
        self._curves: dict[tuple[str, int | None], list[Mapping[str, Any]]] = {}
        for entry in curves:
            cell = str(entry["method"]), entry.get("bits")
            self._curves.setdefault(cell, []).append(entry.get("curves") or {})

    def at(self, bits: int) -> list[Row]:
        """Rows of one code length."""
        return [row for row in self.rows if row.bits == bits and not self.alone(row)]

    def alone(self, row: Row) -> bool:
        """Whether a row is a reference line for every code length."""
        return stands_alone(row, self.lengths)

    @property
    def references(self) -> list[Row]:
        """Rows that belong to no code length."""
        return [row for row in self.rows if self.alone(row)]

    @property
    def methods(self) -> list[str]:
        """Names in their first order, references left out."""
        return list(dict.fromkeys(row.method for row in self.rows if not self.alone(row)))

    def curve(self, row: Row, name: str, x: str, y: str) -> Curve | None:
        """A curve averaged over seeds point by point; the first seed's where lengths differ."""
        found = [
            seed[name] for seed in self._curves.get((row.method, row.bits), []) if seed.get(name)
        ]
        pairs = [np.array([one[x], one[y]], float) for one in found if len(one[x]) == len(one[y])]
        pairs = [pair for pair in pairs if pair.shape == pairs[0].shape]
        if not pairs or not pairs[0].size:
            return None
        xs, ys = np.mean(pairs, axis=0)
        known = np.isfinite(xs) & np.isfinite(ys)
        return (xs[known], ys[known]) if known.any() else None

    def densities(self, row: Row) -> Curve | None:
        """How relevant and other pairs spread over Hamming distances 0..bits, first seed."""
        found = self.first(row, "histogram") or {}
        pair = [np.array(found.get(name) or [], float) for name in ("relevant", "other")]
        whole = len(pair[0]) == len(pair[1]) > 1 and bool(np.isfinite(pair).all())
        return (pair[0], pair[1]) if whole else None

    def first(self, row: Row, name: str) -> Any:
        """A curve of the first seed, or None."""
        found = self._curves.get((row.method, row.bits), [])
        return found[0].get(name) if found else None


def _styles(rows: Sequence[Row], palette: Palette) -> dict[str, Style]:
    methods = dict.fromkeys(row.method for row in rows if row.role == "method")
    others = dict.fromkeys(row.method for row in rows if row.method not in methods)
    styles = {
        name: Style(palette.series[i % 8], MARKERS[i % 12], DASHES[(i // 8) % 3])
        for i, name in enumerate(methods)
    }
    ceiling = {row.method for row in rows if row.role == "ceiling"}
    marks = iter("x+1234" * (1 + len(others) // 6))
    for name in others:
        styles[name] = (
            Style(palette.neutral, "", (0, (6, 3)))
            if name in ceiling
            else Style(palette.neutral, next(marks), (0, (1, 1.4)), 7.0)
        )
    return styles

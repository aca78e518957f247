"""What a report shows: rows averaged over seeds, the curves behind them, a style per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.comparison.results import (
    Row,
    average,
    by_labels,
    code_lengths,
    recall_names,
    stands_alone,
)
from hammingbird.report.canvas import PAGE, Palette, Style, numbered_style

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]


class Content:
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
        self.recalls = recall_names(self.rows)
        self.lead = _lead(self.rows, self.recalls, by_labels(results))
        self.styles = _styles(self.rows, palette)
        self._curves: dict[tuple[str, int | None], list[Mapping[str, Any]]] = {}
        for entry in curves:
            cell = str(entry["method"]), entry.get("bits")
            self._curves.setdefault(cell, []).append(entry.get("curves") or {})

    @property
    def ceiling(self) -> Row | None:
        """The float vectors' own row, if it was measured."""
        return next((row for row in self.rows if row.role == "ceiling"), None)

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


def _lead(rows: Sequence[Row], recalls: Sequence[str], labels: bool) -> str:
    """The metric that answers: MAP where labels say what is relevant, else the shortest recall."""
    measured = {name for row in rows if row.role != "ceiling" for name in row.metrics}
    wanted = ["map", "map@1000", *recalls] if labels else [*recalls, "map", "map@1000"]
    return next((name for name in wanted if name in measured), wanted[0])


def shared_area(relevant: Floats, other: Floats) -> float:
    """The area that two densities share, 1 if they are alike."""
    return float(np.minimum(relevant, other).sum())


def _styles(rows: Sequence[Row], palette: Palette) -> dict[str, Style]:
    methods = dict.fromkeys(row.method for row in rows if row.role == "method")
    others = dict.fromkeys(row.method for row in rows if row.method not in methods)
    styles = {name: numbered_style(palette, i) for i, name in enumerate(methods)}
    ceiling = {row.method for row in rows if row.role == "ceiling"}
    marks = iter("x+1234" * (1 + len(others) // 6))
    for name in others:
        styles[name] = (
            Style(palette.neutral, "", (0, (6, 3)))
            if name in ceiling
            else Style(palette.neutral, next(marks), (0, (7, 1.5, 1.5, 1.5)), 7.0)
        )
    return styles

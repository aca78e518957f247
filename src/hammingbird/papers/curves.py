"""Precision within radius 2, precision over recall, and of the first N, for a table's methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird.papers.tables import SEEDS, STANDS_IN, Table, variants
from hammingbird.report.axes import Line, line_panel
from hammingbird.report.canvas import LIGHT, save_panels
from hammingbird.report.content import Content

BALL = "precision@h2"
CURVES = {
    "precision_recall": ("recall", "precision", "recall", "precision"),
    "precision_at": ("n", "value", "N", "precision of the first N"),
}
"""Name of the curve: its coordinates, and what the axes say."""


@dataclass(frozen=True)
class Curves:
    """Three panels of one table's runs: P@H<=2 over bits, and two curves at one length."""

    name: str
    table: Table
    bits: int

    def __call__(
        self, out: Path, seeds: Sequence[int] | None = None, *, quick: bool = False
    ) -> dict[str, Any]:
        """Run what is missing; draw, and return the points, means over seeds."""
        if quick:
            return replace(self, table=self.table.short())(out, (seeds or SEEDS)[:1])
        seeds = seeds or SEEDS
        parts, missing = self.table.parts()
        balls: dict[str, list[tuple[float, float]]] = {}
        curves: dict[str, dict[str, list[tuple[float, float]]]] = {name: {} for name in CURVES}
        dashed = {}
        for rows, results, stored in self.table.run(parts, out / "runs", seeds):
            content = Content(results, stored, LIGHT)
            found = {(row.method, row.bits): row for row in content.rows}
            for row, variant in zip(rows, variants(rows), strict=True):
                dashed[row.label] = variant
                cells = [found[row.method, b] for b in self.table.bits if (row.method, b) in found]
                balls[row.label] = [(cell.bits or 0, cell.metrics[BALL].mean) for cell in cells]
                longest = found.get((row.method, self.bits))
                for name, (x, y, *_) in CURVES.items():
                    curve = None if longest is None else content.curve(longest, name, x, y)
                    curves[name][row.label] = [] if curve is None else np.transpose(curve).tolist()
        panels = [line_panel("within two bits", "bits", "precision", _lines(balls, dashed))]
        for name, (_, _, x, y) in CURVES.items():
            lines = _lines(curves[name], dashed)
            panels.append(line_panel(f"{self.bits} bits", x, y, lines))
        save_panels(out / f"{self.name}.svg", panels)
        return {
            "data": parts[0].name,
            **({STANDS_IN: missing} if missing else {}),
            "bits": self.bits,
            "seeds": len(seeds),
            BALL: balls,
            **curves,
        }


def _lines(points: dict[str, list[tuple[float, float]]], dashed: dict[str, bool]) -> list[Line]:
    return [Line(name, found, dashed[name]) for name, found in points.items()]

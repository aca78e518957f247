"""Panels of lines as one SVG picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from hammingbird.errors import MissingExtraError
from hammingbird.storage import replacing

FEW = 6
"""So many places on an axis are all marked."""


@dataclass(frozen=True)
class Line:
    """A named curve through (x, y) points."""

    name: str
    points: list[tuple[float, float]]
    variant: bool = False
    """Whether it is drawn in dashes and in the colour of the line before it."""


@dataclass(frozen=True)
class Panel:
    """One set of axes."""

    title: str
    x: str
    y: str
    lines: list[Line]
    log_x: bool = False


def draw(path: Path, panels: list[Panel]) -> None:
    """Write the panels side by side with one legend below them."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    with rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "hammingbird"}):
        figure = Figure(figsize=(3 * len(panels), 2.9), layout="constrained")
        every = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(every, panels, strict=True):
            color = -1
            for line in panel.lines:
                color += not line.variant
                axes.plot(
                    *zip(*line.points, strict=True),
                    "--" if line.variant else "-",
                    color=f"C{color}",
                    marker="o",
                    markersize=2.5,
                    linewidth=1.2,
                    label=line.name,
                )
            axes.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
            places = sorted({x for line in panel.lines for x, _ in line.points})
            if panel.log_x:
                axes.set_xscale("log")
                axes.minorticks_off()
            elif len(places) <= FEW:
                axes.set_xticks(places)
            axes.grid(alpha=0.3)
        handles, names = axes.get_legend_handles_labels()
        rows = -(-len(names) // (2 * len(panels)))
        beside = -(-len(names) // rows)
        figure.legend(handles, names, loc="outside lower center", ncols=beside, frameon=False)
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    with replacing(path) as temporary:
        temporary.write_text(re.sub(r"(\d\.\d\d)\d+", r"\1", text.getvalue()), "utf-8")

"""What goes onto one set of axes: nothing is smoothed, fitted or cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hammingbird.comparison.results import Row
from hammingbird.report.canvas import LIGHT, Palette, Panel, Style, numbered_style
from hammingbird.report.content import Content, Curve, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 6
"""So many places on an axis are all marked."""
MANY = 30
"""Lines of more points have no markers."""
CROWD = 100
"""So many points of a cloud are drawn large."""


def plot_sample(axes: Axes, style: Style) -> None:
    """A method's line as the legend shows it."""
    axes.set_axis_off()
    axes.plot([0, 1, 2], [0, 0, 0], **style.line(markevery=[1]))


def plot_over_bits(axes: Axes, content: Content, metric: str) -> None:
    """One metric over code length, with reference lines and, for MAP, the bracket of ties.

    Methods stand a little beside each other, so that their brackets can be told apart.
    """
    methods = content.methods
    tied = any(f"{metric}_best" in row.metrics for row in content.rows)
    step = min(0.04, 0.3 / max(len(methods), 1)) if tied else 0.0
    for i, method in enumerate(methods):
        rows = [row for row in content.rows if row.method == method and metric in row.metrics]
        rows = sorted((r for r in rows if not content.alone(r)), key=lambda row: row.bits or 0)
        if not rows:
            continue
        style = content.styles[method]
        bits = [(row.bits or 0) * 2 ** (step * (i - (len(methods) - 1) / 2)) for row in rows]
        values = [row.metrics[metric] for row in rows]
        bracket = [(row.mean(f"{metric}_worst"), row.mean(f"{metric}_best")) for row in rows]
        if all(None not in pair for pair in bracket):
            low, high = np.array(bracket, float).T
            axes.vlines(bits, low, high, color=style.color, linewidth=1.2)
            for end in (low, high):
                axes.plot(bits, end, "_", color=style.color, markersize=5)
        means = np.array([value.mean for value in values])
        spread = np.array([value.deviation or 0.0 for value in values])
        axes.vlines(bits, means - spread, means + spread, color=style.color, linewidth=4, alpha=0.4)
        axes.plot(bits, means, **style.line())
    axes.set_xscale("log", base=2)
    axes.set_xticks(content.lengths, [str(bits) for bits in content.lengths])
    axes.minorticks_off()
    if len(content.lengths) == 1:
        axes.set_xlim(content.lengths[0] / 2, content.lengths[0] * 2)
    axes.set_xlabel("bits")
    axes.grid(visible=False, axis="x")
    references = [row for row in content.references if metric in row.metrics]
    heights = [row.metrics[metric].mean for row in references]
    top = 1.08 * max([axes.dataLim.y1, *heights], default=1.0)
    axes.set_ylim(0, top if top > 0 else 1.0)
    for row, height in zip(references, heights, strict=True):
        crowd = [
            min((abs(other - height) for other in _means(content, metric, bits)), default=1.0)
            for bits in (content.lengths[:1], content.lengths[-1:])
        ]
        _reference(axes, content, row, height, left=crowd[0] >= crowd[1])


def _means(content: Content, metric: str, lengths: Sequence[int]) -> list[float]:
    rows = [row for bits in lengths for row in content.at(bits)]
    return [row.metrics[metric].mean for row in rows if metric in row.metrics]


def _reference(axes: Axes, content: Content, row: Row, height: float, left: bool) -> None:
    """Draw a horizontal line and name it, behind the data, where the data leave most room."""
    style = content.styles[row.method]
    axes.axhline(height, color=style.color, linestyle=style.dash, linewidth=1.4)
    above = row.role == "ceiling" or height < axes.get_ylim()[1] / 2
    axes.annotate(
        "float vectors" if row.role == "ceiling" else row.name,
        (0.0 if left else 1.0, height),
        xycoords=("axes fraction", "data"),
        xytext=(4 if left else -4, 3 if above else -4),
        textcoords="offset points",
        ha="left" if left else "right",
        va="bottom" if above else "top",
        fontsize=10,
        color=content.palette.text,
        zorder=1.5,
    )


def plot_curves(axes: Axes, content: Content, drawn: Sequence[tuple[Row, Curve]]) -> None:
    """One line per row, its points joined by straight lines; some points carry a marker."""
    axes.set_ylim(-0.02, 1.02)
    for i, (row, (x, y)) in enumerate(drawn):
        marks = (0.2 * i / len(drawn), 0.2)  # shares of the axes' diagonal
        axes.plot(x, y, **content.styles[row.method].line(markevery=marks, markersize=5))


def by_rank(axes: Axes) -> None:
    """Turn the horizontal axis into ranks on a logarithmic scale."""
    _logarithmic(axes)
    axes.set_xlabel("N")


def _logarithmic(axes: Axes) -> None:
    """Turn the horizontal axis into a logarithmic one whose numbers are written out."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:g}")
    axes.minorticks_off()


def plot_histogram(axes: Axes, palette: Palette, relevant: Floats, other: Floats) -> None:
    """Two densities over Hamming distance: filled for relevant pairs, dashed for the others."""
    from matplotlib.colors import to_rgba

    n_bits = len(relevant) - 1
    axes.stairs(
        *_steps(relevant),
        fill=True,
        facecolor=to_rgba(palette.relevant, 0.3),
        edgecolor=palette.relevant,
        linewidth=1.6,
    )
    axes.stairs(*_steps(other), color=palette.other, linewidth=1.6, linestyle=(0, (3, 1.2)))
    axes.set_xticks(sorted({0, n_bits // 2, n_bits}))
    axes.set_xlim(-0.5, n_bits + 0.5)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)


def _steps(density: Floats) -> tuple[Floats, Floats]:
    """Heights and edges of the bins, with equal neighbours joined."""
    starts = np.flatnonzero(np.diff(density, prepend=np.nan))
    return density[starts], np.append(starts, len(density)) - 0.5


def plot_balance(axes: Axes, content: Content, drawn: Sequence[tuple[Row, Floats]]) -> None:
    """One row of strokes per method, one stroke per bit at its share of ones."""
    axes.axvline(0.5, color=content.palette.neutral, linewidth=1)
    for height, (row, shares) in enumerate(drawn):
        # One broken line: a marker per bit would make the page several times as large.
        x = np.repeat(shares, 3)
        y = np.tile([height - 0.32, height + 0.32, np.nan], len(shares))
        color = content.styles[row.method].color
        axes.plot(x, y, color=color, linewidth=1.5, alpha=0.75, solid_capstyle="butt")
    axes.set_yticks(range(len(drawn)), [row.method for row, _ in drawn])
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("share of ones")


def plot_training(axes: Axes, style: Style, lines: Sequence[Floats]) -> None:
    """Values after every epoch; a second line is dashed."""
    for values, dash in zip(lines, (style.dash, (0, (3, 1.2))), strict=False):
        axes.plot(
            np.arange(1, len(values) + 1),
            values,
            **style.line(linestyle=dash, marker="" if len(values) > 1 else style.marker),
        )
    last = max(len(values) for values in lines)
    axes.set_xticks(sorted({1, (1 + last) // 2, last}))
    axes.set_xlabel("epoch")


@dataclass(frozen=True)
class Line:
    """A named curve through (x, y) points."""

    name: str
    points: Sequence[tuple[float, float]]
    variant: bool = False
    """Whether it is drawn in dashes and in the colour of the line before it."""


def line_panel(title: str, x: str, y: str, lines: Sequence[Line], log_x: bool = False) -> Panel:
    """A panel of named lines on white, for :func:`hammingbird.report.canvas.save_panels`."""
    label = f"{title}: {y} over {x}, for {', '.join(line.name for line in lines)}"
    return Panel(title, label, partial(_plot_lines, x=x, y=y, lines=lines, log_x=log_x))


def _plot_lines(axes: Axes, x: str, y: str, lines: Sequence[Line], log_x: bool) -> None:
    number = -1
    for line in lines:
        number += not line.variant
        style = numbered_style(LIGHT, number)
        dash = (0, (4, 1.5)) if line.variant else "solid"
        drawn = style.line(linestyle=dash, markersize=4, linewidth=1.4, label=line.name)
        if len(line.points) > MANY:
            drawn["marker"] = ""
        if line.points:
            axes.plot(*zip(*line.points, strict=True), **drawn)
    axes.set(xlabel=x, ylabel=y)
    places = sorted({place for line in lines for place, _ in line.points})
    if log_x:
        _logarithmic(axes)
    elif len(places) <= FEW:
        axes.set_xticks(places)


def scatter_panel(title: str, x: str, y: str, groups: Sequence[Line]) -> Panel:
    """A panel of named clouds of points on white; axes without a name have no ticks either."""
    label = f"{title}: points of {', '.join(group.name for group in groups)}"
    return Panel(title, label, partial(_plot_points, x=x, y=y, groups=groups), size=(300, 300))


def _plot_points(axes: Axes, x: str, y: str, groups: Sequence[Line]) -> None:
    size = 8 if sum(len(group.points) for group in groups) > CROWD else 30
    for number, group in enumerate(groups):
        style = numbered_style(LIGHT, number)
        xs, ys = zip(*group.points, strict=True)
        axes.scatter(
            xs, ys, s=size, color=style.color, marker=style.marker, linewidths=0, label=group.name
        )
    axes.set(xlabel=x, ylabel=y)
    if not (x or y):
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)

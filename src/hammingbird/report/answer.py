"""The report's first screen: one sentence and one chart of quality over bytes a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hammingbird.comparison.results import Row, Value
from hammingbird.report.canvas import Panel
from hammingbird.report.content import Content
from hammingbird.report.words import metric_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEAR = 0.95
"""Codes are near the float vectors from this share of their quality on."""
SHOWN = 3
"""So many methods have a line of their own in the chart; the others are drawn thin and grey."""
WIDE, NARROW = (660, 330), (370, 300)
DOTTED = (0, (1.2, 1.6))


def answer(content: Content) -> str:
    """Say in one sentence what to take, and what it keeps beside what a user has or would pick."""
    metric, ceiling = content.lead, content.ceiling
    best = _best_per_length(content, "method") or _best_per_length(content, "floor")
    if not best:
        return "No method was measured."
    limit = None if ceiling is None else ceiling.mean(metric)
    near = [row for row in best if limit is not None and (row.mean(metric) or 0) >= NEAR * limit]
    chosen = min(near, key=_bits) if near else max(best, key=lambda row: row.mean(metric) or 0)
    said = _says(metric, chosen.metrics[metric])
    asymmetric = chosen.asymmetric.get(metric)
    if asymmetric is not None:
        said += f" ({_number(metric, asymmetric)} with real-valued queries)"
    size = "" if chosen.bytes_per_item is None else f" in {chosen.bytes_per_item:,} bytes a row"
    if size and ceiling is not None and ceiling.bytes_per_item is not None:
        size += f" instead of {ceiling.bytes_per_item:,}"
    if near:
        lead = f"{chosen.name}, is the shortest code near the float vectors: it {said}{size}"
    elif limit is None:
        lead = f"{chosen.name}, is the best code here: it {said}{size}"
    else:
        lead = (
            f"No code here comes within {1 - NEAR:.0%} of the float vectors; the best, "
            f"{chosen.name}, {said}{size}"
        )
    beside = _beside(content, chosen)
    return f"{lead}; {beside}." if beside else f"{lead}."


def _beside(content: Content, chosen: Row) -> str:
    """What stands beside the chosen code: rivals and untrained codes of its size, and the sign."""
    metric = content.lead
    words = []
    verb = "has" if metric.startswith("map") else "keeps"
    for role, about in (("rival", "the best rival, {},"), ("floor", "untrained {}")):
        same = [
            row
            for row in content.rows
            if row.role == role
            and row.bytes_per_item == chosen.bytes_per_item
            and metric in row.metrics
            and row is not chosen
        ]
        if same:
            row = max(same, key=lambda row: row.mean(metric) or 0.0)
            value = _number(metric, row.metrics[metric])
            words.append(f"{about.format(row.method)} {verb} {value}")
    said = "at that size " + " and ".join(words) if words else ""
    for row in content.references:
        if row.role == "floor" and metric in row.metrics:
            size = f" ({row.bytes_per_item:,} bytes)" if row.bytes_per_item else ""
            sign = f"the {row.method} of every dimension{size} "
            said += f"{', ' if said else ''}{sign}{_number(metric, row.metrics[metric])}"
    return said


def _best_per_length(content: Content, role: str) -> list[Row]:
    best = []
    for bits in content.lengths:
        rows = [r for r in content.at(bits) if r.role == role and content.lead in r.metrics]
        if rows:
            best.append(max(rows, key=lambda row: row.mean(content.lead) or 0.0))
    return best


def _bits(row: Row) -> int:
    return row.bits or 0


def _says(metric: str, value: Value) -> str:
    if metric.startswith("map"):
        name = "MAP" if metric == "map" else metric.replace("map", "MAP")
        return f"has a {name} of {_number(metric, value)}"
    wanted, depth = metric.removeprefix("recall").split("@")
    return (
        f"keeps {_number(metric, value)} of the {wanted} nearest "
        f"in its first {int(depth):,} results"
    )


def _number(metric: str, value: Value) -> str:
    """A MAP with three digits, a share in percent with one; never rounded up to all."""
    if metric.startswith("map"):
        return f"{value.mean:.3f}"
    return f"{min(value.mean, 0.999 if value.mean < 1 else 1.0):.1%}"


@dataclass(frozen=True)
class Chart:
    """The chart of quality over bytes a row, for wide and for narrow screens, and its legend."""

    title: str
    wide: Panel
    narrow: Panel
    shown: list[str]
    """Methods that have a line of their own."""
    thin: list[str]
    """The other methods."""
    asymmetric: bool
    """Whether dotted lines are drawn."""


def chart(content: Content) -> Chart | None:
    """Draw the lead metric over bytes a row, or nothing where no row has both."""
    metric = content.lead
    rows = [row for row in content.rows if metric in row.metrics and row.bytes_per_item]
    if not any(not content.alone(row) for row in rows):
        return None
    shown = _shown(content)
    title = f"{metric_words(metric)} over bytes a row"
    plot = partial(_plot, content=content, shown=shown)
    panels = [
        Panel(title, f"{title}, for {', '.join(shown)}", plot, f"answer-{name}", size, margins)
        for name, size, margins in (
            ("wide", WIDE, (44, 52, 12, 10)),
            ("narrow", NARROW, (40, 52, 10, 10)),
        )
    ]
    dotted = any(
        metric in row.asymmetric
        for row in content.rows
        if row.method in shown and row.role != "floor"
    )
    thin = [method for method in content.styles if method not in shown]
    return Chart(title, panels[0], panels[1], shown, thin, dotted)


def _shown(content: Content) -> list[str]:
    """The best methods over all lengths, then what they are held against."""
    means = {
        name: np.mean([row.mean(content.lead) or 0.0 for row in content.rows if row.method == name])
        for name in content.methods
    }
    roles = {row.method: row.role for row in content.rows}
    methods = sorted((m for m in means if roles[m] == "method"), key=lambda m: -means[m])
    others = [m for m in content.styles if roles[m] != "method"]
    return [*methods[:SHOWN], *others]


def _plot(axes: Axes, content: Content, shown: Sequence[str]) -> None:
    metric = content.lead
    sizes: dict[int, int] = {}
    for method in content.styles:
        rows = [r for r in content.rows if r.method == method and r.bytes_per_item]
        rows = sorted((r for r in rows if r.role != "ceiling"), key=_bytes)
        style = content.styles[method]
        grey = content.palette.neutral
        sizes |= {_bytes(row): row.bits for row in rows if row.bits and row.role != "rival"}
        for dotted in (False, True):
            values = _points(rows, metric, asymmetric=dotted)
            if not values or (dotted and (method not in shown or rows[0].role == "floor")):
                continue
            x, y = zip(*values, strict=True)
            if method not in shown:
                axes.plot(x, y, color=grey, linewidth=0.8, alpha=0.6, zorder=1)
            elif dotted:
                axes.plot(x, y, **style.line(linestyle=DOTTED, markerfacecolor="none", alpha=0.9))
            else:
                axes.plot(x, y, **style.line(zorder=3))
    axes.set_xscale("log", base=2)
    ticks = sorted(sizes)
    axes.set_xticks(ticks, [f"{size}\n{sizes[size]} bits" for size in ticks])
    axes.minorticks_off()
    axes.set_xlabel("bytes a row")
    axes.grid(visible=False, axis="x")
    if len(ticks) == 1:
        axes.set_xlim(ticks[0] / 2, ticks[0] * 2)
    top = axes.dataLim.y1
    ceiling = content.ceiling
    if ceiling is not None and (height := ceiling.mean(metric)) is not None:
        top = max(top, height)
        style = content.styles[ceiling.method]
        axes.axhline(height, color=style.color, linestyle=style.dash, linewidth=1.4, zorder=2)
        size = f", {ceiling.bytes_per_item:,} bytes" if ceiling.bytes_per_item else ""
        axes.annotate(
            f"float vectors{size}", (0.0, height), xycoords=("axes fraction", "data"),
            xytext=(4, 3), textcoords="offset points", fontsize=10, color=content.palette.text,
        )  # fmt: skip
    axes.set_ylim(0, 1.1 * top if top > 0 else 1.0)


def _points(rows: Sequence[Row], metric: str, *, asymmetric: bool) -> list[tuple[int, float]]:
    """Bytes and quality of every row that has both, by Hamming distance or by real queries."""
    measured = [(row, row.asymmetric if asymmetric else row.metrics) for row in rows]
    return [(_bytes(row), values[metric].mean) for row, values in measured if metric in values]


def _bytes(row: Row) -> int:
    return row.bytes_per_item or 0

"""The figures of the report, each with a sentence on how to read it, and the README's picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from hammingbird.comparison.results import Row
from hammingbird.report.axes import (
    by_rank,
    plot_balance,
    plot_curves,
    plot_histogram,
    plot_over_bits,
    plot_sample,
    plot_training,
)
from hammingbird.report.canvas import Panel
from hammingbird.report.content import Content, shared_area
from hammingbird.report.words import metric_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SAMPLE = ((44, 16), (3, 3, 3, 3))
"""Size and margins of a line in the legend, in points."""


@dataclass(frozen=True)
class Figure:
    """Panels that are read together, in groups under a heading (one group without, for most)."""

    name: str
    title: str
    caption: str
    groups: Sequence[tuple[str, Sequence[Panel]]]
    size: str = "medium"

    @property
    def width(self) -> int:
        """Panels of the longest group, at most six: how many stand beside each other if small."""
        return min(6, max((len(panels) for _, panels in self.groups), default=1))


def figures(content: Content) -> list[Figure]:
    """All figures that the results allow, in the order in which they are read."""
    makers = (_quality, _balls, _precision_recall, _at_rank, _histograms, _balance, _training)
    made = [maker(content) for maker in makers]
    return [figure for figure in made if any(panels for _, panels in figure.groups)]


def legend(
    content: Content, shown: Iterable[str] | None = None, name: str = "key"
) -> list[tuple[str, str]]:
    """Names of methods, all if ``shown`` is None, and their lines as small drawings."""
    return [
        (method, Panel("", "", partial(plot_sample, style=style), f"{name}-{i}", *SAMPLE).svg)
        for i, (method, style) in enumerate(content.styles.items())
        if shown is None or method in shown
    ]


def _quality(content: Content) -> Figure:
    return Figure(
        "quality",
        "Quality against code length",
        "Higher is better; horizontal lines are references of a fixed size. A thin bracket spans "
        "MAP from the worst to the best order of tied items, a broad bar one standard deviation "
        "over seeds either way.",
        _over_bits(content, ("map", *content.recalls), "quality"),
        "large",
    )


def _balls(content: Content) -> Figure:
    return Figure(
        "balls",
        "Within Hamming distance 2",
        "First, how much of what lies at most two bits away is relevant, an empty ball counted as "
        "0; then, how many queries find anything that near.",
        _over_bits(content, ("precision@h2", "nonempty@h2"), "balls"),
        "large",
    )


def _over_bits(
    content: Content, metrics: Sequence[str], name: str
) -> list[tuple[str, list[Panel]]]:
    panels = []
    for i, metric in enumerate(metrics):
        if any(metric in row.metrics and not content.alone(row) for row in content.rows):
            words = metric_words(metric)
            label = f"{words} over code length, for {', '.join(content.methods)}"
            plot = partial(plot_over_bits, content=content, metric=metric)
            panels.append(Panel(words, label, plot, f"{name}-{i}", (430, 290)))
    return [("", panels)]


def _precision_recall(content: Content) -> Figure:
    return Figure(
        "precision-recall",
        "Precision and recall",
        "Each point is one depth of the result list: how much of the list is relevant, against how "
        "much of what is relevant it holds; further up and right is better.",
        [("", _per_length(content, "precision_recall", "recall", "precision"))],
    )


def _at_rank(content: Content) -> Figure:
    return Figure(
        "ranks",
        "The first N results",
        "Precision is the share of the first N results that is relevant, recall the share of all "
        "relevant items that they hold; N runs on a logarithmic axis.",
        [
            ("Precision of the first N", _per_length(content, "precision_at", "n", "value")),
            ("Recall of the first N", _per_length(content, "recall_at", "n", "value")),
        ],
    )


def _per_length(content: Content, name: str, x: str, y: str) -> list[Panel]:
    """One panel per code length, the references in each of them."""
    panels = []
    for bits in content.lengths:
        rows = [*content.references, *content.at(bits)]
        drawn = [(row, curve) for row in rows if (curve := content.curve(row, name, x, y))]
        if all(content.alone(row) for row, _ in drawn):
            continue

        def plot(axes: Axes, drawn: Any = drawn) -> None:
            plot_curves(axes, content, drawn)
            if x == "n":
                by_rank(axes)
            else:
                axes.set(xlim=(-0.02, 1.02), xlabel=x, ylabel=y)

        words = name.replace("_at", " of the first N").replace("_", " against ")
        label = f"{words} at {bits} bits, for {_names(row for row, _ in drawn)}"
        panels.append(Panel(f"{bits} bits", label, plot, f"{name}-{bits}"))
    return panels


def _names(rows: Iterable[Row]) -> str:
    return ", ".join(row.method for row in rows)


def _histograms(content: Content) -> Figure:
    groups: dict[str, list[Panel]] = {}
    for i, row in enumerate(content.rows):
        densities = content.densities(row)
        if densities is None:
            continue
        relevant, other = densities
        overlap = shared_area(relevant, other)
        plot = partial(plot_histogram, palette=content.palette, relevant=relevant, other=other)
        groups.setdefault(row.method, []).append(
            Panel(
                f"{row.bits} bits · overlap {overlap:.2f}",
                f"Hamming distances at {row.name}: relevant and other pairs overlap by "
                f"{overlap:.2f}",
                plot,
                f"histogram-{i}",
                (200, 105),
                (4, 20, 8, 4),
            )
        )
    return Figure(
        "histograms",
        "Hamming distances of relevant and of other pairs",
        "The less the two shapes overlap, the better the codes tell them apart; overlap is the "
        "area they share, 1 if they are alike. Each has area 1; first seed.",
        list(groups.items()),
        "small",
    )


def _balance(content: Content) -> Figure:
    panels = []
    for bits in content.lengths:
        found = [(row, content.first(row, "bit_balance")) for row in content.at(bits)]
        drawn = [(row, np.array(shares, float)) for row, shares in found if shares]
        if drawn:
            plot = partial(plot_balance, content=content, drawn=drawn)
            label = f"Share of ones of each bit at {bits} bits, for {_names(r for r, _ in drawn)}"
            longest = max(len(row.method) for row, _ in drawn)
            margins = (min(160, 14 + 7 * longest), 40, 10, 8)
            size = (360, 70 + 26 * len(drawn))
            panels.append(Panel(f"{bits} bits", label, plot, f"balance-{bits}", size, margins))
    return Figure(
        "balance",
        "Bit balance",
        "Each stroke is one bit: in the middle it is one for half of the database and tells most, "
        "at an edge it hardly changes and tells little. First seed.",
        [("", panels)],
    )


DRAWN_ELSEWHERE = ("epoch", "loss", "J", "L", "stage", "J_start", "L_start")


def _training(content: Content) -> Figure:
    groups: dict[str, list[Panel]] = {}
    for i, row in enumerate(content.at(max(content.lengths, default=0))):
        history = content.first(row, "training")
        if not history:
            continue
        known = [name for name in history[0] if name not in DRAWN_ELSEWHERE]
        shown = [("loss", ["loss"]), *((name.replace("_", " "), [name]) for name in known)]
        shown.insert(1, ("loss before and after the sign", ["J", "L"]))
        for j, (title, names) in enumerate(shown):
            lines = [np.array([record[name] for record in history], float) for name in names]
            plot = partial(plot_training, style=content.styles[row.method], lines=lines)
            label = f"{title} of {row.name} over {len(history)} epochs"
            groups.setdefault(f"{row.method}, {row.bits} bits", []).append(
                Panel(title, label, plot, f"training-{i}-{j}", (360, 200), (52, 40, 8, 6))
            )
    return Figure(
        "training",
        "Training",
        "The loss after every epoch, each of its terms before its weight, and the learning rate. "
        "The loss of one fixed batch, before the sign (solid) and after it (dashed), should meet: "
        "what is between them is lost by binarising. Longest codes, first seed.",
        list(groups.items()),
    )

"""The README's picture: quality against bits, and the distances of the worst and the best codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hammingbird.report.axes import plot_histogram, plot_over_bits
from hammingbird.report.canvas import LIGHT, drawing, new_figure
from hammingbird.report.content import Content, shared_area
from hammingbird.report.words import metric_words
from hammingbird.storage import replacing


def save_overview(
    path: Path, results: Mapping[str, Any], curves: Sequence[Mapping[str, Any]]
) -> Path:
    """Save one wide picture on white, PNG or SVG by its ending: quality against bits, distances.

    The distances are those of the longest codes: of the worst method there and of the best.
    """
    content = Content(results, curves, LIGHT)
    metric = content.lead
    longest = content.at(max(content.lengths, default=0))
    known = [
        (row, densities)
        for row in sorted(longest, key=lambda row: row.mean(metric) or 0.0)
        if (densities := content.densities(row)) is not None
    ]
    shown = known[:1] + known[1:][-1:]
    from matplotlib.lines import Line2D

    with drawing(LIGHT), replacing(path) as temporary:
        figure = new_figure(1080, 400)
        figure.set_layout_engine("constrained", w_pad=0.12, wspace=0.03)
        grid = figure.add_gridspec(max(len(shown), 1), 2 if shown else 1)
        axes = figure.add_subplot(grid[:, 0])
        plot_over_bits(axes, content, metric)
        axes.set_title(metric_words(metric), loc="left", fontsize=12)
        methods = content.methods
        samples = [Line2D([], [], **content.styles[method].line()) for method in methods]
        figure.legend(samples, methods, loc="outside lower left", ncols=len(methods), frameon=False)
        for place, (row, densities) in enumerate(shown):
            axes = figure.add_subplot(grid[place, 1])
            plot_histogram(axes, LIGHT, *densities)
            title = f"{row.name}: distances overlap by {shared_area(*densities):.2f}"
            axes.set_title(title, loc="left", fontsize=12)
            axes.legend(axes.patches, ["relevant pairs", "other pairs"], frameon=False)
        if shown:
            axes.set_xlabel("Hamming distance")
        figure.savefig(temporary, facecolor="white", dpi=144)
    return path

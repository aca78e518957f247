"""Matplotlib drawings as SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hammingbird.errors import MissingExtraError
from hammingbird.storage import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Palette:
    """Colours of a page and its drawings; series colours go to methods in their order."""

    page: str
    text: str
    grid: str
    neutral: str
    relevant: str
    other: str
    series: tuple[str, ...]

    def variables(self) -> dict[str, str]:
        """The colours under the names of the page's CSS variables."""
        series = {f"c{i}": color for i, color in enumerate(self.series)}
        named = {name: value for name, value in vars(self).items() if name != "series"}
        return {**named, **series}


# Picked for a contrast of at least 3:1 on their page, and for the largest smallest distance under
# normal sight, deuteranopia and protanopia; marker and dashes tell methods apart as well.
LIGHT = Palette(
    "#ffffff", "#1b1f24", "#e3e6ea", "#6b7280", "#0067b1", "#9c5a1a",
    ("#0067b1", "#c27926", "#6f1002", "#432575", "#3c9d9a", "#9c3e60", "#9b67fa", "#9c470d"),
)  # fmt: skip
DARK = Palette(
    "#14171c", "#e6e9ee", "#2b313a", "#98a1ae", "#5aa9f0", "#e8ad55",
    ("#5aa9f0", "#e8ad55", "#e2573f", "#8a70f0", "#5fe3d4", "#f2a3bd", "#c8d8ff", "#4f8a86"),
)  # fmt: skip
# On the page a drawing holds these stand-ins, and each one becomes a CSS variable.
PAGE = Palette(
    "#010101", "#010102", "#010103", "#010104", "#010105", "#010106",
    tuple(f"#01010{i}" for i in "789abcde"),
)  # fmt: skip
TAG = r"<[^<>]*>"
VARIABLES = {color: f"var(--{name})" for name, color in PAGE.variables().items()}


MARKERS = "osD^vPX<>h*p"
DASHES = ("solid", (0, (5, 1.5)), (0, (2, 1.2)))


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


def numbered_style(palette: Palette, i: int) -> Style:
    """The style of the i-th of many lines: colours, markers and dashes go round at unlike pace."""
    return Style(palette.series[i % 8], MARKERS[i % 12], DASHES[(i // 8) % 3])


@contextmanager
def drawing(palette: Palette) -> Iterator[None]:
    """Set Matplotlib up for the drawings of this package; leave its global state as it was."""
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "hammingbird",
        "text.usetex": False,
        "text.parse_math": False,  # a name may hold dollar signs
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 11,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "savefig.bbox": None,
        "axes.edgecolor": palette.neutral,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": palette.grid,
        "grid.linestyle": "-",
        "grid.linewidth": 0.8,
        "text.color": palette.text,
        "axes.labelcolor": palette.text,
        "xtick.color": palette.neutral,
        "ytick.color": palette.neutral,
        "xtick.labelcolor": palette.text,
        "ytick.labelcolor": palette.text,
        "xtick.direction": "out",
        "ytick.direction": "out",
        "lines.linewidth": 1.8,
        "lines.markersize": 6,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Matplotlib's own font only measures; the page's font draws what it lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in points, without pyplot and its global list of figures."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72))


@dataclass(frozen=True)
class Panel:
    """One set of axes: words above it, words for those who do not see it, and what goes onto it.

    ``name`` is unique on its page. ``size`` (width, height) and ``margins`` (left, bottom, right,
    top) are in points: fixed margins keep the axes of panels aligned, and take a fraction of the
    time of a layout engine.
    """

    title: str
    label: str
    plot: Callable[[Axes], None]
    name: str = "panel"
    size: tuple[float, float] = (360, 250)
    margins: tuple[float, float, float, float] = (46, 40, 10, 8)

    @property
    def svg(self) -> str:
        """The drawing as inline SVG in the colours of the page."""
        (width, height), (left, bottom, right, top) = self.size, self.margins
        box = (left, bottom, width - left - right, height - bottom - top)
        place = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
        with drawing(PAGE):
            figure = new_figure(width, height)
            self.plot(figure.add_axes(place))
            text = StringIO()
            figure.savefig(text, format="svg")
        return inline(text.getvalue(), self.name)


def save_panels(path: Path, panels: Sequence[Panel]) -> None:
    """Write panels side by side on white as one SVG file, with one legend of all their lines."""
    with drawing(LIGHT):
        figure = new_figure(sum(panel.size[0] for panel in panels), panels[0].size[1] + 40)
        figure.set_layout_engine("constrained", w_pad=0.08, wspace=0.02)
        every = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(every, panels, strict=True):
            panel.plot(axes)
            axes.set_title(panel.title, loc="left", fontsize=12)
        lines: dict[str, Any] = {}
        for axes in every:
            handles, names = axes.get_legend_handles_labels()
            lines = {**dict(zip(names, handles, strict=True)), **lines}
        rows = -(-len(lines) // (3 * len(panels)))
        beside = -(-len(lines) // max(rows, 1))
        figure.legend(lines.values(), lines, loc="outside lower left", ncols=beside, frameon=False)
        text = StringIO()
        figure.savefig(text, format="svg", facecolor="white", metadata={"Date": None})
    with replacing(path) as temporary:
        shorter = re.sub(TAG, lambda tag: _fewer_digits(tag[0]), text.getvalue())
        temporary.write_text(shorter, "utf-8")


def inline(svg: str, name: str) -> str:
    """Make Matplotlib's SVG fit into a page: CSS colours, unique ids, no header, fewer digits."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))

    def clean(tag: str) -> str:
        tag = re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag).replace("xlink:href", "href")
        tag = re.sub(
            r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", tag
        )
        tag = re.sub(r'(href="|url\()#', rf"\1#{name}-", tag)
        tag = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", tag)
        tag = re.sub(r" font-family: [^;\"]*;?", "", tag)
        tag = re.sub(r"#01010[0-9a-f]", lambda m: VARIABLES.get(m[0], m[0]), tag)
        if tag.startswith("<svg"):
            return re.sub(r' (width|height|version)="[^"]*"', "", tag)
        return _fewer_digits(tag)

    svg = re.sub(TAG, lambda match: clean(match[0]), svg)
    svg = re.sub(r"<g([^>]*)>\s*((?:<use [^>]*>\s*)+)</g>", _hoist, svg)
    return re.sub(r"\s*\n\s*", "\n", svg).strip()


def _fewer_digits(tag: str) -> str:
    """Cut places in a drawing to two decimals; what it says, between its tags, is left."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag)


def _hoist(group: re.Match[str]) -> str:
    """Write the style that all markers of a line share once, on their group."""
    styles = set(re.findall(r' style="[^"]*"', group[2]))
    if len(styles) != 1 or "style" in group[1]:
        return group[0]
    (style,) = styles
    return f"<g{group[1]}{style}>{group[2].replace(style, '')}</g>"

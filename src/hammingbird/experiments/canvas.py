"""Matplotlib drawings as SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from hammingbird.errors import MissingExtraError

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
VARIABLES = {color: f"var(--{name})" for name, color in PAGE.variables().items()}


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


def draw(
    plot: Callable[[Axes], None],
    name: str,
    size: tuple[float, float],
    margins: tuple[float, float, float, float] = (46, 40, 10, 8),
) -> str:
    """Draw on one set of axes and return inline SVG; ``name`` must be unique on the page.

    ``size`` (width, height) and ``margins`` (left, bottom, right, top) are in points. Fixed margins
    keep the axes of panels aligned, and take a fraction of the time of a layout engine.
    """
    (width, height), (left, bottom, right, top) = size, margins
    box = (left, bottom, width - left - right, height - bottom - top)
    with drawing(PAGE):
        figure = new_figure(width, height)
        plot(figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height)))
        text = StringIO()
        figure.savefig(text, format="svg")
    return inline(text.getvalue(), name)


def inline(svg: str, name: str) -> str:
    """Make Matplotlib's SVG fit into a page: CSS colours, unique ids, no header, fewer digits."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))

    def clean(match: re.Match[str]) -> str:
        tag = match[0]
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
        return re.sub(r"(\d+\.\d\d)\d+", r"\1", tag)

    svg = re.sub(r"<[^<>]*>", clean, svg)
    svg = re.sub(r"<g([^>]*)>\s*((?:<use [^>]*>\s*)+)</g>", _hoist, svg)
    return re.sub(r"\s*\n\s*", "\n", svg).strip()


def _hoist(group: re.Match[str]) -> str:
    """Write the style that all markers of a line share once, on their group."""
    styles = set(re.findall(r' style="[^"]*"', group[2]))
    if len(styles) != 1 or "style" in group[1]:
        return group[0]
    (style,) = styles
    return f"<g{group[1]}{style}>{group[2].replace(style, '')}</g>"

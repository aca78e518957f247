"""The report of a comparison: one HTML file that needs neither a server nor a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from hammingbird.errors import MissingExtraError
from hammingbird.experiments.canvas import DARK, LIGHT, VARIABLES
from hammingbird.experiments.comparison import Comparison, Row, Value
from hammingbird.experiments.figures import figures, legend
from hammingbird.experiments.pictures import ExampleRow, Examples, gallery
from hammingbird.experiments.summary import facts, headline, tie_warnings
from hammingbird.storage import replacing

__all__ = ["ExampleRow", "Examples", "write_report"]


@dataclass(frozen=True)
class Column:
    """One column of the leaderboard."""

    title: str
    explanation: str
    value: Callable[[Row], Value | None]
    lower_is_better: bool = False


@dataclass(frozen=True)
class Cell:
    """A number of the leaderboard in words, and whether it is the best of its length."""

    text: str
    deviation: str = ""
    note: str = ""
    best: bool = False


def write_report(
    out: Path,
    results: Mapping[str, Any],
    curves: Sequence[Mapping[str, Any]],
    examples: Examples | None = None,
) -> Path:
    """Write ``report.html`` into ``out`` and return its path; the same input gives the same bytes.

    ``results`` is the content of ``results.json``, ``curves`` one entry per record. What was not
    measured is left out. Needs the ``report`` extra.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("jinja2", "report") from error
    pictures = gallery(examples) if examples is not None and len(examples.queries) else None
    comparison = Comparison(results, curves)
    data = results.get("data", {})
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(
        files("hammingbird.experiments").joinpath("report.html").read_text("utf-8")
    )
    text = page.render(
        title=data.get("name") or "comparison of methods",
        headline=headline(results, comparison.rows),
        warnings=tie_warnings(comparison.rows),
        facts=facts(data) + facts(results.get("protocol", {})),
        skipped=results.get("skipped", []),
        leaderboard=leaderboard(comparison),
        legend=legend(comparison),
        figures=figures(comparison),
        gallery=pictures,
        light=LIGHT.variables(),
        dark=DARK.variables(),
    )
    path = Path(out) / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path


@dataclass(frozen=True)
class Leaderboard:
    """Columns that hold anything, and rows in groups: references, then each length."""

    columns: list[Column]
    groups: list[tuple[str, list[tuple[Row, str, list[Cell]]]]]
    scale: float
    """The largest MAP, the full width of a bar."""
    colors: dict[str, str]
    """Each method's colour on the page."""


def leaderboard(comparison: Comparison) -> Leaderboard:
    """Best MAP first within every code length."""
    columns = [c for c in _columns(comparison) if any(c.value(row) for row in comparison.rows)]
    grouped = [("Of a fixed size, for reference", comparison.references, False)]
    for bits in comparison.lengths:
        rows = comparison.at(bits)
        size = next(
            (f" · {row.bytes_per_item:,} bytes per item" for row in rows if row.bytes_per_item), ""
        )
        grouped.append((f"{bits} bits{size}", rows, True))
    groups = []
    for title, rows, compete in grouped:
        ordered = sorted(rows, key=lambda row: -(row.mean("map") or 0.0))
        rivals = ordered if compete else []
        if ordered:
            table = [
                (row, describe(comparison, row), [_cell(c, row, rivals) for c in columns])
                for row in ordered
            ]
            groups.append((title, table))
    scale = max((row.mean("map") or 0.0 for row in comparison.rows), default=0.0)
    colors = {name: VARIABLES[style.color] for name, style in comparison.styles.items()}
    return Leaderboard(columns, groups, scale, colors)


def _columns(comparison: Comparison) -> list[Column]:
    recall = comparison.recall

    def metric(name: str) -> Callable[[Row], Value | None]:
        return lambda row: row.metrics.get(name)

    def asymmetric(name: str) -> Callable[[Row], Value | None]:
        return lambda row: row.asymmetric.get(name)

    def seconds(name: str) -> Callable[[Row], Value | None]:
        return lambda row: None if row.role == "ceiling" else row.seconds.get(name)

    near = "relevant share of what lies within Hamming distance 2, an empty ball counted as 0"
    return [
        Column("MAP", "mean average precision, with its worst and best tie order", metric("map")),
        Column("MAP@1000", "mean average precision of the first 1,000", metric("map@1000")),
        Column(recall, f"share of the nearest vectors found, {recall}", metric(recall)),
        Column("P@100", "precision of the first 100 results", metric("precision@100")),
        Column("P@H≤2", near, metric("precision@h2")),
        Column("asym. MAP", "MAP with real-valued queries against codes", asymmetric("map")),
        Column(f"asym. {recall}", "recall with real-valued queries", asymmetric(recall)),
        Column("fit s", "seconds to learn", seconds("fit"), lower_is_better=True),
        Column("encode s", "seconds to encode the database", seconds("encode"), True),
    ]


def _cell(column: Column, row: Row, rows: Sequence[Row]) -> Cell:
    value = column.value(row)
    if value is None:
        return Cell("-")
    show = _seconds if column.lower_is_better else "{:.3f}".format
    rivals = [found.mean for other in rows if (found := column.value(other))]
    best = None if column.lower_is_better else max(rivals, default=None)
    share = row.mean("nonempty@h2") if column.title == "P@H≤2" else None
    return Cell(
        show(value.mean),
        "" if value.deviation is None or column.lower_is_better else f"±{value.deviation:.3f}",
        "" if share is None else f"{share:.0%} non-empty",
        len(rivals) > 1 and value.mean == best,
    )


def describe(comparison: Comparison, row: Row) -> str:
    """What is to be said of a row beside its name."""
    words = []
    if row.role == "ceiling":
        words.append("the vectors themselves")
    elif comparison.alone(row):
        words.append(f"{row.bits} bits")
    if comparison.alone(row) and row.bytes_per_item is not None:
        words.append(f"{row.bytes_per_item:,} bytes")
    if row.role == "floor":
        words.append("learns nothing")
    if row.center_distance is not None:
        words.append(f"centres {row.center_distance} apart")
    if row.seeds > 1:
        words.append(f"{row.seeds} seeds")
    return ", ".join(words)


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:,.0f}"

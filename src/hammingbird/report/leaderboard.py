"""The leaderboard: columns that hold anything, rows in groups by code length, best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hammingbird.comparison.results import Row, Value
from hammingbird.report.canvas import VARIABLES
from hammingbird.report.content import Content


@dataclass(frozen=True)
class Column:
    """One column of the leaderboard."""

    title: str
    explanation: str
    value: Callable[[Row], Value | None]
    lower_is_better: bool = False
    narrow: bool = False
    """Whether it is shown on a narrow screen too."""


@dataclass(frozen=True)
class Cell:
    """A number of the leaderboard in words, and whether it is the best of its length."""

    text: str
    deviation: str = ""
    note: str = ""
    best: bool = False


@dataclass(frozen=True)
class Leaderboard:
    """Columns that hold anything, and rows in groups: references, then each length."""

    columns: list[Column]
    groups: list[tuple[str, list[tuple[Row, str, list[Cell]]]]]
    scale: float
    """The largest MAP, the full width of a bar."""
    colors: dict[str, str]
    """Each method's colour on the page."""


def leaderboard(content: Content) -> Leaderboard:
    """Best first within every code length, by the metric that answers."""
    columns = [c for c in _columns(content) if any(c.value(row) for row in content.rows)]
    grouped = [("Of a fixed size, for reference", content.references, False)]
    for bits in content.lengths:
        rows = content.at(bits)
        size = next(
            (
                f" · {row.bytes_per_item:,} byte{'s' * (row.bytes_per_item != 1)} per item"
                for row in rows
                if row.bytes_per_item and row.role != "rival"
            ),
            "",
        )
        grouped.append((f"{bits} bits{size}", rows, True))
    groups = []
    for title, rows, compete in grouped:
        ordered = sorted(rows, key=lambda row: -(row.mean(content.lead) or 0.0))
        rivals = ordered if compete else []
        if ordered:
            table = [
                (row, describe(content, row), [_cell(c, row, rivals) for c in columns])
                for row in ordered
            ]
            groups.append((title, table))
    scale = max((row.mean("map") or 0.0 for row in content.rows), default=0.0)
    colors = {name: VARIABLES[style.color] for name, style in content.styles.items()}
    return Leaderboard(columns, groups, scale, colors)


def _columns(content: Content) -> list[Column]:

    def metric(name: str) -> Callable[[Row], Value | None]:
        return lambda row: row.metrics.get(name)

    def asymmetric(name: str) -> Callable[[Row], Value | None]:
        return lambda row: row.asymmetric.get(name)

    def seconds(name: str) -> Callable[[Row], Value | None]:
        return lambda row: None if row.role == "ceiling" else row.seconds.get(name)

    near = "relevant share of what lies within Hamming distance 2, an empty ball counted as 0"

    def lead(name: str) -> bool:
        return name == content.lead

    short = {name: name.replace("recall", "R") for name in content.recalls}
    recalls = [
        Column(
            title, f"share of the nearest vectors found, {name}", metric(name), narrow=lead(name)
        )
        for name, title in short.items()
    ]
    real = [
        Column(
            f"asym. {title}",
            f"{name} with real-valued queries against codes",
            asymmetric(name),
            narrow=lead(name),
        )
        for name, title in short.items()
    ]
    return [
        Column(
            "MAP",
            "mean average precision, with its worst and best tie order",
            metric("map"),
            narrow=True,
        ),
        Column("MAP@1000", "mean average precision of the first 1,000", metric("map@1000")),
        *recalls,
        Column("P@100", "precision of the first 100 results", metric("precision@100")),
        Column("P@H≤2", near, metric("precision@h2")),
        Column(
            "asym. MAP",
            "MAP with real-valued queries against codes",
            asymmetric("map"),
            narrow=lead("map"),
        ),
        *real,
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


def describe(content: Content, row: Row) -> str:
    """What is to be said of a row beside its name."""
    words = []
    if row.role == "ceiling":
        words.append("the vectors themselves")
    elif content.alone(row) and row.bits is not None:
        words.append(f"{row.bits} bits")
    if (content.alone(row) or row.role == "rival") and row.bytes_per_item is not None:
        words.append(f"{row.bytes_per_item:,} bytes")
    if row.model_bytes is not None:
        words.append(f"a model of {max(1, round(row.model_bytes / 1e3)):,} kB")
    if row.role == "floor":
        words.append("learns nothing")
    if row.center_distance is not None:
        words.append(f"centres {row.center_distance} apart")
    if row.seeds > 1:
        words.append(f"{row.seeds} seeds")
    return ", ".join(words)


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:,.0f}"

"""What the results say in words: warnings, notes, and how it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hammingbird.comparison.results import Row

WIDE_TIES = 0.05
"""From this width on, the bracket [worst, best] of MAP over orders of ties deserves a warning."""


def tie_warnings(rows: Sequence[Row]) -> list[str]:
    """Name, for each code length, the method with the widest bracket of MAP over orders of ties."""
    widest: dict[int, tuple[float, str]] = {}
    for row in rows:
        if row.role != "method":
            continue
        worst, best = row.mean("map_worst"), row.mean("map_best")
        if worst is None or best is None or row.bits is None or best - worst <= WIDE_TIES:
            continue
        words = (
            f"At {row.bits} bits the order of ties alone can move MAP by {best - worst:.2f} "
            f"({row.method}: from {worst:.2f} to {best:.2f})."
        )
        widest[row.bits] = max(widest.get(row.bits, (0.0, "")), (best - worst, words))
    return [widest[bits][1] for bits in sorted(widest)]


def notes(results: Mapping[str, Any]) -> list[str]:
    """What was done to the queries that a reader must know, with counts."""
    protocol, rows = results.get("protocol", {}), results.get("data", {}).get("query", {})
    own = protocol.get("query_rows_in_database")
    if not own:
        return []
    return [
        f"{own:,} of {rows.get('rows', 0):,} queries are rows of the database: each one's own row "
        "is left out of its results."
    ]


def metric_words(metric: str) -> str:
    """Name a metric in words, as a panel's title."""
    known = {
        "map": "Mean average precision (MAP)",
        "precision@h2": "Precision within Hamming distance 2",
        "nonempty@h2": "Share of queries that find anything there",
    }
    if metric in known:
        return known[metric]
    wanted, depth = metric.removeprefix("recall").split("@")
    return f"Recall of the {wanted} nearest in the first {int(depth):,} results"


TERMS = {
    "name": "data",
    "relevance": "what counts as relevant",
    "divisor": "divisor of average precision",
    "ties": "tied items",
    "empty_ball": "empty Hamming balls",
    "queries_without_relevant": "queries without a relevant item",
    "train_in_database": "training items in the database",
    "query_in_database": "queries in the database",
}


def facts(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Data or protocol entries as pairs of words."""
    return [
        (TERMS.get(key, key.replace("_", " ")), _words(value)) for key, value in content.items()
    ]


def _words(value: Any) -> str:
    if isinstance(value, Mapping) and {"rows", "width"} <= value.keys():
        shape = f"{_words(value['rows'])} x {_words(value['width'])}"
        return f"{shape}, {value['name']}" if value.get("name") else shape
    if isinstance(value, Mapping):
        return "; ".join(f"{key.replace('_', ' ')}: {_words(v)}" for key, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value)) or "none"
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return str(value)

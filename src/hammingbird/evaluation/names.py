"""The names of metrics: ``map@1000``, ``precision@h2``, ``recall10@100`` and their relatives."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hammingbird.errors import InputError
from hammingbird.evaluation import metrics
from hammingbird.evaluation.average_precision import Divisor, Ties, average_precision
from hammingbird.evaluation.ranking import Floats, Ranking

FORMS = (
    "map, map_worst, map_best, map@T, map_worst@T, map_best@T, map_min@T, map_min_worst@T, "
    "map_min_best@T, precision@N, recall@N, ndcg@N, precision@hR, precision_nonempty@hR, "
    "nonempty@hR, recall@hR, recallK@N (and _worst, _best before the @ of precision, recall, "
    "recallK)"
)


@dataclass(frozen=True)
class Metric:
    """A metric by name, as a function of a ranking; one value per query, NaN if not counted."""

    name: str
    per_query: Callable[[Ranking], Floats]
    k: int | None = None
    """For recallK@N: how many true neighbours are the relevant items."""
    by_radius: bool = False
    """Whether it needs Hamming distances."""


def parse_metric(name: str) -> Metric:
    """Find the metric of a name, or raise :class:`InputError` with all forms of names."""
    for pattern, build in _FORMS:
        if isinstance(name, str) and (match := re.fullmatch(pattern, name)):
            return build(name, match.groupdict())
    raise InputError(f"no metric is called {name!r}; there are {FORMS}")


def _map(name: str, part: dict[str, Any]) -> Metric:
    cutoff = int(part["n"]) if part["n"] else None
    ties: Ties = part["ties"] or "expected"
    divisor: Divisor = part["divisor"] or "hits"
    return Metric(name, lambda r: average_precision(r, cutoff, divisor=divisor, ties=ties))


def _at_rank(name: str, part: dict[str, Any]) -> Metric:
    n = int(part["n"])
    ties: Ties = part["ties"] or "expected"
    if part["what"] == "precision":
        return Metric(name, lambda r: metrics.precision_at(r, n, ties))
    k = int(part["k"]) if part["k"] else None
    return Metric(name, lambda r: metrics.recall_at(r, n, ties), k)


def _ndcg(name: str, part: dict[str, Any]) -> Metric:
    return Metric(name, lambda r: metrics.ndcg_at(r, int(part["n"])))


def _within(name: str, part: dict[str, Any]) -> Metric:
    radius = int(part["radius"])
    found: dict[str, Callable[[Ranking], Floats]] = {
        "precision": lambda r: metrics.precision_within(r, radius),
        "precision_nonempty": lambda r: metrics.precision_within(r, radius, "skip"),
        "nonempty": lambda r: metrics.nonempty_within(r, radius),
        "recall": lambda r: metrics.recall_within(r, radius),
    }
    return Metric(name, found[part["what"]], by_radius=True)


_N = r"@(?P<n>[1-9][0-9]*)"
_TIES = r"(_(?P<ties>worst|best))?"
_FORMS: tuple[tuple[str, Callable[[str, dict[str, Any]], Metric]], ...] = (
    (rf"map(?P<divisor>){_TIES}({_N})?", _map),
    (rf"map_(?P<divisor>min){_TIES}{_N}", _map),
    (rf"(?P<what>precision)(?P<k>){_TIES}{_N}", _at_rank),
    (rf"(?P<what>recall)(?P<k>([1-9][0-9]*)?){_TIES}{_N}", _at_rank),
    (rf"ndcg{_N}", _ndcg),
    (r"(?P<what>precision|precision_nonempty|nonempty|recall)@h(?P<radius>[0-9]+)", _within),
)

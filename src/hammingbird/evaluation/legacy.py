"""Mean average precision as the published repositories print it from the same codes.

They differ in what they do with ties, with queries that find nothing, with queries to which nothing
is relevant, and some lose an item. :func:`hammingbird.evaluate` is free of all that; these rules
are for comparing with figures that others have printed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import Codes, hamming
from hammingbird.errors import InputError
from hammingbird.evaluation.average_precision import listed_average_precision
from hammingbird.evaluation.ranking import Floats
from hammingbird.evaluation.relevance import Relevance

BLOCK = 1 << 22


@dataclass(frozen=True)
class Rule:
    """How one repository averages precision over a ranked list of h relevant items."""

    repository: str
    order: Literal["index", "unstable"]
    """Tied items: by their row in the database, or as NumPy's default sort leaves them here."""
    no_hit: Literal["zero", "drop"]
    """What a query counts whose list holds nothing relevant."""
    no_relevant: Literal["zero", "drop"]
    """What a query counts to which nothing in the database is relevant."""
    loses_last: bool = False
    """Whether a full ranking loses its last item: ``topk=-1`` became the slice ``[:-1]``."""
    loses_first: bool = False
    """Whether the precision at rank 1 is left out: differences of recall start with a zero."""
    cutoffs: bool = True
    """Whether there is MAP@T."""


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "hashnet": Rule("thuml/HashNet, Caffe", "unstable", "zero", "drop"),
        "hashnet-pytorch": Rule("thuml/HashNet, PyTorch", "unstable", "drop", "drop"),
        "deephash-pytorch": Rule(
            "swuxyj/DeepHash-pytorch", "unstable", "zero", "zero", loses_last=True
        ),
        "greedyhash": Rule("ssppp/GreedyHash", "unstable", "zero", "zero"),
        "csq": Rule("yuanli2333/Hadamard-Matrix-for-hashing", "unstable", "zero", "drop"),
        "mihash": Rule("fcakir/deep-mihash", "index", "zero", "zero", loses_first=True),
        "dpsh": Rule("DPSH, DTSH and DSDH, MATLAB", "index", "drop", "drop", cutoffs=False),
        "sdh": Rule("SDH, MATLAB", "index", "zero", "zero", cutoffs=False),
    }
)


def legacy_map(
    query_codes: Codes,
    database_codes: Codes,
    relevance: Relevance,
    legacy: str,
    metrics: Sequence[str],
) -> dict[str, float]:
    """Measure ``map`` and ``map@T`` by the rule of a repository, see :data:`RULES`.

    Raises :class:`InputError` for other metrics, and where no query counts.
    """
    if legacy not in RULES:
        raise InputError(f"no legacy rule is called {legacy!r}: choose from {', '.join(RULES)}")
    rule, n = RULES[legacy], len(database_codes)
    cutoffs = {name: _cutoff(name, legacy, n) for name in metrics}
    step = max(1, BLOCK // n)
    values: dict[str, list[Floats]] = {name: [] for name in metrics}
    for start in range(0, len(query_codes), step):
        distances = hamming(query_codes[start : start + step], database_codes)
        # Ties of an unstable sort depend on the type: those programs sort float32.
        order = (
            np.argsort(distances, axis=1, kind="stable")
            if rule.order == "index"
            else np.argsort(distances.astype(np.float32), axis=1)
        )
        relevant = relevance.rows(start, start + len(distances))
        ranked = np.take_along_axis(relevant, order, axis=1)
        for name, cutoff in cutoffs.items():
            values[name].append(_average_precision(ranked, cutoff, rule))
    found = {name: np.concatenate(parts) for name, parts in values.items()}
    for per_query in found.values():
        if np.isnan(per_query).all():
            raise InputError(f"no query counts by the rule {legacy!r}: check labels and rows")
    return {name: float(np.nanmean(per_query)) for name, per_query in found.items()}


def _average_precision(ranked: NDArray[np.bool_], cutoff: int | None, rule: Rule) -> Floats:
    """Per query, NaN if it does not count; ``ranked`` [m, n] is relevance in ranked order."""
    last = cutoff if cutoff is not None else ranked.shape[1] - rule.loses_last
    inside = ranked[:, :last]
    value = listed_average_precision(inside)
    found = inside.sum(axis=1)
    if rule.loses_first:
        value -= inside[:, 0] / np.maximum(found, 1)
    if rule.no_hit == "drop":
        value[found == 0] = np.nan
    value[~ranked.any(axis=1)] = np.nan if rule.no_relevant == "drop" else 0.0
    return value


def _cutoff(name: str, legacy: str, n: int) -> int | None:
    match = re.fullmatch(r"map(?:@([1-9][0-9]*))?", name)
    if match is None:
        raise InputError(f"by a legacy rule only map and map@T are measured, not {name!r}")
    if match[1] is None:
        return None
    if not RULES[legacy].cutoffs:
        raise InputError(f"the rule {legacy!r} ranks the whole database: ask for map, not {name}")
    return min(int(match[1]), n)

"""The lowest average precision between two ranks, in closed form and by enumeration (B.1.1)."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird.evaluation.average_precision import lowest_average_precision

LONGEST = 9
"""Items of the longest ranking that is enumerated."""


def by_enumeration(out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Every ranking of 2 to 9 items: its lowest AP, the closed form, and the paper's own.

    A case is the number of relevant items, the rank of the first irrelevant and of the last
    relevant one. The paper's formula lacks the division by the number of relevant items and sums
    over all of them.
    """
    lowest: dict[tuple[int, int, int], float] = {}
    for n in range(2, LONGEST + 1):
        for positives in range(1, n):
            for places in combinations(range(1, n + 1), positives):
                first_miss = min(set(range(1, n + 1)) - set(places))
                if max(places) > positives:
                    case = positives, first_miss, max(places)
                    value = float(np.mean([i / rank for i, rank in enumerate(places, 1)]))
                    lowest[case] = min(value, lowest.get(case, 1.0))
    differences = {case: lowest_average_precision(*case) - value for case, value in lowest.items()}
    wrong = sum(abs(_printed(*case) - value) > 1e-9 for case, value in lowest.items())
    return {
        "cases": len(lowest),
        "largest difference of the closed form": max(abs(d) for d in differences.values()),
        "cases where the printed formula is wrong, divided by the relevant items": wrong,
    }


def _printed(n_relevant: int, first_miss: int, last_hit: int) -> float:
    i = np.arange(1, n_relevant + 1)
    return float((first_miss - 1 + (i / (last_hit - first_miss + i)).sum()) / n_relevant)

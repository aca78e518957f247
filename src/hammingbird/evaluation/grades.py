"""What is gained where relevance has grades: 2^r - 1 for an item of grade r.

That is the sum of 2^(j - 1) over j = 1..r, so everything follows from how many items have at least
grade j.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hammingbird import kernels
from hammingbird.codes import Codes
from hammingbird.evaluation.relevance import Counts, Relevance

BLOCK_BYTES = 1 << 24


class Grades(NamedTuple):
    """Gains of the groups of a ranking, and what the best order would have to offer."""

    gain: NDArray[np.float64]
    """[g], sum of the gains of the group's items."""
    at_least: NDArray[np.int64]
    """[q, highest grade], items in the whole database of grade 1, 2, ... or higher."""


def step_gains(highest_grade: int) -> NDArray[np.float64]:
    """What grade j adds to grade j - 1, for j = 1..highest_grade."""
    return np.asarray(np.exp2(np.arange(highest_grade)))


def grades_by_distance(
    relevance: Relevance,
    query_codes: Codes,
    database_codes: Codes,
    n_bits: int,
    relevant: Counts,
    self_rows: NDArray[np.int64] | None,
    start: int,
) -> Grades:
    """Count the grades of queries ``start``, ``start + 1``, ... at every Hamming distance.

    ``relevant`` [m, n_bits + 1] are their items of grade 1 or higher, and name the groups.
    """
    steps = step_gains(relevance.highest_grade)
    gain = relevant.astype(np.float64)
    at_least = np.zeros((len(relevant), len(steps)), np.int64)
    at_least[:, 0] = relevant.sum(axis=1)
    block = max(1, BLOCK_BYTES // (4 * relevance.n_database))
    for first in range(0, len(query_codes), block):
        part = slice(first, first + block)
        codes = query_codes[part]
        grades = relevance.grades(start + first, start + first + len(codes))
        if self_rows is not None:
            grades = _without_self(grades, self_rows[part])
        for grade in range(2, int(grades.max(initial=0)) + 1):
            _, found = kernels.histograms(codes, database_codes, n_bits, grades >= grade)
            assert found is not None
            gain[part] += steps[grade - 1] * found
            at_least[part, grade - 1] = found.sum(axis=1)
    return Grades(gain[np.nonzero(relevant)], at_least)


def _without_self(grades: NDArray[Any], own: NDArray[np.int64]) -> NDArray[Any]:
    known = np.flatnonzero(own >= 0)
    grades[known, own[known]] = 0
    return grades

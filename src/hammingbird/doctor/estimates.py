"""Means over queries with their uncertainty, and how they go on as rows grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NORMAL = 1.959964
"""Standard deviations on both sides of the mean that hold 95 % of a normal distribution."""
REDRAWN = 500
"""Times that the queries are drawn again for the interval of an extrapolation."""


class Estimate(NamedTuple):
    """A mean over queries and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def share_kept(values: Floats, ceiling: Floats | None = None) -> Estimate:
    """Mean of ``values`` [q], as a share of the mean of ``ceiling`` [q] where it is given.

    The interval is normal over queries; a share of means is linearised (the delta method). Queries
    that are NaN do not count.
    """
    ceiling = np.ones(len(values)) if ceiling is None else ceiling
    counted = ~(np.isnan(values) | np.isnan(ceiling))
    values, ceiling = values[counted], ceiling[counted]
    if not len(values) or not ceiling.any():
        return Estimate(np.nan, np.nan, np.nan)
    share = float(values.mean() / ceiling.mean())
    spread = np.std(values - share * ceiling) / ceiling.mean() / np.sqrt(max(1, len(values) - 1))
    half = NORMAL * float(spread)
    return Estimate(share, max(0.0, share - half), max(share, min(1.0, share + half)))


def extrapolate(
    sizes: Sequence[int],
    values: Sequence[Floats],
    wanted: Sequence[int],
    ceiling: Sequence[Floats] | None = None,
    seed: int = 0,
) -> list[Estimate]:
    """Go on with a share kept at the last two of ``sizes`` rows to the ``wanted`` numbers of rows.

    The logarithm of -log(1 - share) is taken for linear in the logarithm of the rows, an assumption
    that ``Growth.check`` puts to the test on the data at hand. ``values`` holds for
    every size one value a query; the interval is that of queries drawn again, and says nothing of
    how well the line fits: ``benchmarks/doctor_checks.py`` does.
    """
    table = np.stack(values[-2:])
    whole = np.ones_like(table) if ceiling is None else np.stack(ceiling[-2:])
    counted = ~(np.isnan(table) | np.isnan(whole)).any(axis=0)
    table, whole = table[:, counted], whole[:, counted]
    rng = np.random.default_rng(seed)
    n = table.shape[1]
    draws = np.vstack([np.ones((1, n)), rng.multinomial(n, np.full(n, 1 / n), REDRAWN)])
    shares = (draws @ table.T) / (draws @ whole.T)
    edge = 1 / (20 * n)
    heights = np.log(-np.log1p(-shares.clip(edge, 1 - edge)))
    x = np.log(np.asarray(sizes[-2:], float))
    slope = (heights[:, 1] - heights[:, 0]) / (x[1] - x[0])
    found = []
    for size in wanted:
        line = -np.expm1(-np.exp(heights[:, 1] + slope * (np.log(size) - x[1])))
        low, high = np.percentile(line[1:], (2.5, 97.5))
        found.append(Estimate(float(line[0]), float(low), float(high)))
    return found

"""Average precision when distances are tied: its expected value and its bounds in closed form.

Items of one tied group may come in any order. The expected value is the mean over all orders
(McSherry and Najork, 2008); worst and best put the relevant items of every group last and first.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from hammingbird.errors import InputError
from hammingbird.evaluation.ranking import Floats, Integers, Ranking

Ties = Literal["expected", "worst", "best"]
Divisor = Literal["hits", "min"]

BLOCK = 1 << 20


def average_precision(
    ranking: Ranking,
    cutoff: int | None = None,
    *,
    divisor: Divisor = "hits",
    ties: Ties = "expected",
) -> Floats:
    """Average precision of every query, float64 [q]; NaN where nothing is relevant.

    The sum of the precisions at the relevant items within the first ``cutoff`` items, divided by
    their number (``"hits"``, what the papers' code does; 0 if there is none) or by the smaller of
    the cutoff and the number of relevant items in the database (``"min"``, the convention of
    information retrieval). Without a cutoff, or with one beyond the database, both are the same.
    """
    limit = ranking.n_items if cutoff is None else np.minimum(cutoff, ranking.n_items)
    inside = limit[ranking.query] - ranking.before
    whole, cut = inside >= ranking.size, (inside > 0) & (inside < ranking.size)
    total = ranking.per_query(_whole_groups(ranking, whole, ties), whole)
    found = ranking.per_query(ranking.hits[whole], whole)
    value = total / np.where(found, found, 1)
    if divisor == "min":
        least = np.minimum(limit, ranking.n_relevant)
        value = total / np.where(least, least, 1)
    elif divisor != "hits":
        raise InputError(f"divisor must be 'hits' or 'min', got {divisor!r}")
    if cut.any():  # at most one group of a query is cut in two
        query = ranking.query[cut]
        group = CutGroup(ranking, cut, inside[cut], total[query])
        value[query] = (
            group.over_hits(ties) if divisor == "hits" else group.numerator(ties) / least[query]
        )
    value[ranking.n_relevant == 0] = np.nan
    return value


def listed_average_precision(relevant: NDArray[np.bool_]) -> Floats:
    """Average precision of lists in a known order, float64 [q], divided by the hits in them.

    ``relevant`` [q, m] says it of every place, the first one first; 0 where nothing is.
    """
    precision = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)
    hits = relevant.sum(axis=1)
    return np.asarray((precision * relevant).sum(axis=1) / np.maximum(hits, 1), np.float64)


class CutGroup:
    """The tied groups that a cutoff divides: ``inside`` of their ``size`` items come before it."""

    def __init__(self, ranking: Ranking, cut: NDArray[np.bool_], inside: Integers, total: Floats):
        self.before, self.hits_before = ranking.before[cut], ranking.hits_before[cut]
        self.size, self.hits = ranking.size[cut], ranking.hits[cut]
        self.inside, self.total = inside, total
        self.fewest = np.maximum(0, self.hits - (self.size - inside))
        self.most = np.minimum(inside, self.hits)

    def numerator(self, ties: Ties) -> Floats:
        """Sum of precisions within the cutoff; it grows with the hits inside."""
        if ties == "best":
            return self._best(self.most)
        if ties == "worst":
            return self._worst(self.fewest)
        return self.total + expected_sum(
            self.before, self.size, self.hits_before, self.hits, self.inside
        )

    def over_hits(self, ties: Ties) -> Floats:
        """Sum of precisions within the cutoff, divided by the hits inside."""
        if ties == "best":
            return self._best_over_hits()
        if ties == "worst":
            return self._worst_over_hits()
        value = np.empty(len(self.before))
        spread = np.minimum(
            np.minimum(self.inside, self.size - self.inside),
            np.minimum(self.hits, self.size - self.hits),
        )
        # Hoeffding: beyond 6 sqrt(spread) of the mean lies less than 1e-30 of the hypergeometric.
        reach = np.ceil(6 * np.sqrt(spread)).astype(np.int64) + 1
        mean = self.inside * self.hits // self.size
        low, high = np.maximum(self.fewest, mean - reach), np.minimum(self.most, mean + reach + 1)
        width = int((high - low).max()) + 1
        step = max(1, BLOCK // width)
        for first in range(0, len(value), step):
            rows = slice(first, first + step)
            value[rows] = self._average_over_hits(rows, low[rows], high[rows], width)
        return value

    def _average_over_hits(self, rows: slice, low: Integers, high: Integers, width: int) -> Floats:
        """Average over the number of hits inside; given it, their places inside are uniform."""
        before, hits_before = self.before[rows, None], self.hits_before[rows, None]
        size, hits, inside = self.size[rows, None], self.hits[rows, None], self.inside[rows, None]
        x = low[:, None] + np.arange(width)
        possible = x < high[:, None]
        ratio = np.where(possible, (hits - x) * (inside - x), 1) / np.where(
            possible, (x + 1) * (size - hits - inside + x + 1), 1
        )
        steps = np.where(possible, np.log(ratio), -np.inf)[:, :-1]
        logs = np.concatenate([np.zeros((len(x), 1)), np.cumsum(steps, axis=1)], axis=1)
        weight = np.exp(logs - logs.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        value = self.total[rows, None] + expected_sum(before, inside, hits_before, x, inside)
        value /= np.maximum(hits_before + x, 1)
        return np.asarray((weight * value).sum(axis=1))

    def _best(self, x: Integers) -> Floats:
        """Sum of precisions if ``x`` hits are inside, and come first."""
        return self.total + first_sum(self.before, self.hits_before, x)

    def _worst(self, x: Integers) -> Floats:
        """Sum of precisions if ``x`` hits are inside, and come last."""
        return self.total + first_sum(self.before + self.inside - x, self.hits_before, x)

    def _best_over_hits(self) -> Floats:
        # Each further hit adds a larger term, so the mean of the terms falls, then rises.
        ends = [
            self._best(x) / np.maximum(self.hits_before + x, 1) for x in (self.fewest, self.most)
        ]
        return np.maximum(*ends)

    def _worst_over_hits(self) -> Floats:
        # The sum is convex in x, so the mean falls, then rises: bisect for its lowest point. No
        # hit at all counts 0.
        def mean(x: Integers) -> Floats:
            return np.asarray(self._worst(x) / np.maximum(self.hits_before + x, 1))

        low = self.fewest.copy()
        high = np.where(self.hits_before + low > 0, self.most, low)
        while np.any(low < high):
            middle = (low + high) // 2
            rising = mean(np.minimum(middle + 1, self.most)) >= mean(middle)
            low = np.where(rising, low, np.minimum(middle + 1, high))
            high = np.where(rising, middle, high)
        return mean(low)


def _whole_groups(ranking: Ranking, chosen: NDArray[np.bool_], ties: Ties) -> Floats:
    before, hits_before = ranking.before[chosen], ranking.hits_before[chosen]
    size, hits = ranking.size[chosen], ranking.hits[chosen]
    if ties == "expected":
        return expected_sum(before, size, hits_before, hits, size)
    if ties == "best":
        return first_sum(before, hits_before, hits)
    if ties == "worst":
        return first_sum(before + size - hits, hits_before, hits)
    raise InputError(f"ties must be 'expected', 'worst' or 'best', got {ties!r}")


def expected_sum(
    before: Integers, size: Integers, hits_before: Integers, hits: Integers, first: Integers
) -> Floats:
    """Expected precisions at the hits among the ``first`` items of groups in random order.

    Position t of a group holds a hit with probability hits / size, and then has
    1 + (t - 1) (hits - 1) / (size - 1) hits of the group up to it.
    """
    harmonic = harmonic_part(before, first)
    slope = (hits - 1) / np.maximum(size - 1, 1)
    share = hits / size
    return np.asarray(
        share * ((hits_before + 1) * harmonic + slope * (first - (before + 1) * harmonic))
    )


def first_sum(before: Integers, hits_before: Integers, hits: Integers) -> Floats:
    """Precisions at ``hits`` relevant items that follow ``before`` items without a gap."""
    return np.asarray(hits + (hits_before - before) * harmonic_part(before, hits))


def harmonic_part(before: Integers, n: Integers) -> Floats:
    """Sum of 1 / (before + t) over t = 1..n, to full relative precision.

    A difference of digammas; far out, where that would cancel, a difference of their expansions.
    """
    before, n = np.broadcast_arrays(before, n)
    a = before + 1.0
    b = a + n
    p, q = 1 / (a * a), 1 / (b * b)
    part = np.log1p(n / a) + n / (2 * a * b)
    part += (p - q) / 12 - (p * p - q * q) / 120 + (p * p * p - q * q * q) / 252
    near = before < 64
    part[near] = digamma(b[near]) - digamma(a[near])
    return np.asarray(part)


def lowest_average_precision(n_relevant: int, first_miss: int, last_hit: int) -> float:
    """Lowest average precision of ``n_relevant`` items of which the last has rank ``last_hit``.

    ``first_miss`` is the rank of the first irrelevant item. The closed form that the proof of the
    lower bound (Lower-Bound paper, B.1.1) needs, with its printed indices and divisor corrected.
    """
    if not 1 <= first_miss <= n_relevant < last_hit:
        raise InputError("needs 1 <= first_miss <= n_relevant < last_hit")
    late = np.arange(first_miss, n_relevant + 1)
    precisions = late / (last_hit - n_relevant + late)
    return float((first_miss - 1 + precisions.sum()) / n_relevant)

"""Metrics of a ranking. Each returns one value per query; NaN means the query does not count.

A query without any relevant item in the database never counts. Cutoffs beyond the number of
ranked items mean all of them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from hammingbird.errors import InputError
from hammingbird.evaluation.average_precision import Ties
from hammingbird.evaluation.grades import step_gains
from hammingbird.evaluation.ranking import Floats, Integers, Ranking
from hammingbird.evaluation.relevance import Counts

EmptyBall = Literal["zero", "skip"]


def mean(values: Floats) -> float:
    """Mean over the queries that count; NaN if none does."""
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else float("nan")


def hits_at(ranking: Ranking, n: int, ties: Ties = "expected") -> Floats:
    """Relevant items among the first ``n``, [q]."""
    inside = np.clip(n - ranking.before, 0, ranking.size)
    if ties == "expected":
        hits = ranking.hits * inside / ranking.size
    elif ties == "best":
        hits = np.minimum(inside, ranking.hits)
    elif ties == "worst":
        hits = np.maximum(0, ranking.hits - (ranking.size - inside))
    else:
        raise InputError(f"ties must be 'expected', 'worst' or 'best', got {ties!r}")
    return ranking.per_query(hits)


def precision_at(ranking: Ranking, n: int, ties: Ties = "expected") -> Floats:
    """Share of relevant items among the first ``n``, [q]."""
    return _counted(ranking, hits_at(ranking, n, ties) / np.minimum(n, ranking.n_items))


def recall_at(ranking: Ranking, n: int, ties: Ties = "expected") -> Floats:
    """Share of the query's relevant items that are among the first ``n``, [q].

    With the ``K`` true neighbours as the relevant items this is the field's Recall K@N.
    """
    return _counted(ranking, hits_at(ranking, n, ties) / np.maximum(ranking.n_relevant, 1))


def ndcg_at(ranking: Ranking, n: int) -> Floats:
    """Discounted cumulative gain of the first ``n``, expected, over the largest there is, [q].

    An item gains 2^r - 1, where r is its grade: the number of labels that its set shares with the
    query's, and 1 where relevance is yes or no. The item of rank i counts 1 / log2(i + 1) of its
    gain. The largest sum is that of the whole database ordered by grade.
    """
    last = min(n, int(ranking.n_items.max()))
    discount = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, last + 2)))])
    end = np.minimum(ranking.before + ranking.size, last)
    inside = discount[end] - discount[np.minimum(ranking.before, last)]
    if ranking.grades is None:
        gains, at_least = ranking.hits.astype(np.float64), ranking.n_relevant[:, None]
    else:
        gains, at_least = ranking.grades()
    found = ranking.per_query(gains / ranking.size * inside)
    ideal = discount[np.minimum(at_least, last)] @ step_gains(at_least.shape[1])
    return _counted(ranking, found / np.where(ideal > 0, ideal, 1))


def precision_within(ranking: Ranking, radius: int, empty: EmptyBall = "zero") -> Floats:
    """Share of relevant items within a Hamming ball, [q]; an empty ball is 0 or does not count."""
    items, hits = _ball(ranking, radius)
    precision = _counted(ranking, hits / np.maximum(items, 1))
    if empty == "skip":
        precision[items == 0] = np.nan
    elif empty != "zero":
        raise InputError(f"empty must be 'zero' or 'skip', got {empty!r}")
    return precision


def recall_within(ranking: Ranking, radius: int) -> Floats:
    """Share of the query's relevant items that are within a Hamming ball, [q]."""
    _, hits = _ball(ranking, radius)
    return _counted(ranking, hits / np.maximum(ranking.n_relevant, 1))


def nonempty_within(ranking: Ranking, radius: int) -> Floats:
    """1 where the Hamming ball holds any item, else 0, [q]."""
    items, _ = _ball(ranking, radius)
    return _counted(ranking, (items > 0).astype(np.float64))


def precision_recall_by_radius(
    ranking: Ranking, empty: EmptyBall = "zero"
) -> tuple[Floats, Floats]:
    """Mean precision and recall within radius 0..n_bits, [n_bits + 1] each; free of ties.

    With ``empty="skip"`` a radius at which all balls are empty has precision NaN.
    """
    radii = range(distance_counts(ranking)[0].shape[1])
    precision = [mean(precision_within(ranking, radius, empty)) for radius in radii]
    recall = [mean(recall_within(ranking, radius)) for radius in radii]
    return np.array(precision), np.array(recall)


def precision_recall_by_rank(ranking: Ranking, ns: Integers | list[int]) -> tuple[Floats, Floats]:
    """Mean expected precision and recall among the first n items, for every n of ``ns``."""
    precision = [mean(precision_at(ranking, int(n))) for n in ns]
    recall = [mean(recall_at(ranking, int(n))) for n in ns]
    return np.array(precision), np.array(recall)


def distance_counts(ranking: Ranking) -> tuple[Counts, Counts]:
    """Items and relevant items at every Hamming distance, or say that there are none."""
    if ranking.counts is None or ranking.relevant_counts is None:
        raise InputError("a Hamming radius needs codes: this ranking is by real scores")
    return ranking.counts, ranking.relevant_counts


def _ball(ranking: Ranking, radius: int) -> tuple[Integers, Integers]:
    counts, relevant = distance_counts(ranking)
    inside = slice(0, radius + 1)
    return (
        counts[:, inside].sum(axis=1, dtype=np.int64),
        relevant[:, inside].sum(axis=1, dtype=np.int64),
    )


def _counted(ranking: Ranking, values: Floats) -> Floats:
    return np.where(ranking.n_relevant > 0, values, np.nan)

"""How a comparison was measured before it was made for a million rows: whole matrices, full sorts.

Everything here is slow and holds everything at once; figures must be the same to the last bit.
"""

from __future__ import annotations

import numpy as np

from hammingbird.evaluation import Ranking, evaluate, evaluate_scores, parse_metric
from hammingbird.evaluation.diagnostics import bit_balance
from hammingbird.evaluation.metrics import precision_at, recall_at

RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000)


def neighbors(queries, database, k, own=None):
    """The k nearest rows by one product in double precision and a partition of all distances."""
    base = np.asarray(database, np.float64)
    asked = np.asarray(queries, np.float64)
    found = asked @ base.T
    found *= -2
    found += np.einsum("ij,ij->i", base, base)
    found += np.einsum("ij,ij->i", asked, asked)[:, None]
    if own is not None:
        known = np.flatnonzero(own >= 0)
        found[known, own[known]] = np.inf
    return np.argsort(found, axis=1, kind="stable")[:, :k]


def float_scores(queries, database):
    """Minus the squared distances, in one piece."""
    base, asked = np.asarray(database, np.float64), np.asarray(queries, np.float64)
    found = 2 * (asked @ base.T) - np.einsum("ij,ij->i", base, base)
    return (found - np.einsum("ij,ij->i", asked, asked)[:, None]).astype(np.float32)


def ranked(scores, relevance, own=None):
    """Rank by scores the old way: every query's scores are sorted whole."""
    groups = []
    for i, values in enumerate(-scores):
        relevant = relevance.rows(i, i + 1)[0]
        if own is not None and own[i] >= 0:
            values, relevant = np.delete(values, own[i]), np.delete(relevant, own[i])
        near, hits = np.unique(values[relevant], return_counts=True)
        values = np.sort(values)
        before = np.searchsorted(values, near)
        size = np.searchsorted(values, near, "right") - before
        hits_before = np.cumsum(hits) - hits
        groups.append((np.full(len(near), i), before, size, hits_before, hits))
    query, before, size, hits_before, hits = map(np.concatenate, zip(*groups, strict=True))
    left_out = np.zeros(len(scores), int) if own is None else (own >= 0).astype(int)
    return Ranking(
        query,
        before,
        size,
        hits_before,
        hits,
        np.bincount(query, hits, len(scores)).astype(np.int64),
        scores.shape[1] - left_out,
    )


def curves(n, rankings):
    """Precision and recall by rank, summed over rankings of 256 queries each."""
    ranks = [r for r in RANKS if r < n]
    ranks += np.geomspace(2000, n, 8).astype(int).tolist() if n > 2000 else [n]
    totals, counted = np.zeros((2, len(ranks))), 0
    for ranking in rankings:
        counted += np.count_nonzero(ranking.n_relevant)
        for i, r in enumerate(ranks):
            totals[0, i] += np.nansum(precision_at(ranking, r))
            totals[1, i] += np.nansum(recall_at(ranking, r))
    precision, recall = totals / counted
    head = [i for i, r in enumerate(ranks) if r <= 1000]
    at = [ranks[i] for i in head]
    return {
        "precision_recall": {"recall": _five(recall), "precision": _five(precision)},
        "precision_at": {"n": at, "value": _five(precision[head])},
        "recall_at": {"n": at, "value": _five(recall[head])},
    }


def measures(query, database, scores, n_bits, metrics, given):
    """Metrics, asymmetric metrics and curves of one cell."""
    by_rank = [name for name in metrics if not parse_metric(name).by_radius]
    asymmetric = evaluate_scores(
        lambda start, stop: scores[start:stop], len(database), metrics=by_rank, **given
    )
    rule, own = given["relevance"], given["self_rows"]
    rankings = [
        Ranking.from_codes(
            query,
            database,
            n_bits,
            rule,
            self_rows=own,
            start=start,
            stop=min(start + 256, len(query)),
        )
        for start in range(0, len(query), 256)
    ]
    relevant = sum(ranking.relevant_counts.sum(axis=0, dtype=np.int64) for ranking in rankings)
    every = sum(ranking.counts.sum(axis=0, dtype=np.int64) for ranking in rankings)
    drawn = curves(len(database), rankings)
    drawn["histogram"] = {
        "relevant": _five(relevant / relevant.sum()),
        "other": _five((every - relevant) / (every - relevant).sum()),
    }
    drawn["bit_balance"] = _five(bit_balance(database, n_bits))
    found = evaluate(query, database, n_bits=n_bits, metrics=metrics, **given)
    return {name: value for name, value in found.items() if value == value}, asymmetric, drawn


def _five(values):
    return [float(f"{value:.5g}") for value in values]

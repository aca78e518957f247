"""Lists of similar and dissimilar rows, and the rankings of them that are violated most."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError

Loss = Literal["ndcg", "auc"]
QUERIES = 256
"""Lists whose rankings are found at a time."""


class Lists(NamedTuple):
    """For each query a list of other rows: first similar ones, then others."""

    queries: NDArray[np.int64]
    """[q]."""
    rows: NDArray[np.int64]
    """[q, similar + dissimilar]."""
    n_similar: int


def draw_lists(
    signs: NDArray[np.int8], n_queries: int, list_size: int, rng: np.random.RandomState
) -> Lists:
    """Draw at most ``n_queries`` rows of ``signs`` [m, m], and rows similar and dissimilar to each.

    At most ``list_size`` of either; where a query has fewer than others, its own come again. A row
    without similar or without dissimilar ones is no query.
    """
    near, far = signs == 1, signs == -1
    queries = np.flatnonzero(near.any(axis=1) & far.any(axis=1))
    if not len(queries):
        raise InputError(
            "no row has both a similar and a dissimilar one, so that none can rank: give pairs "
            "that share rows, or labels"
        )
    queries = np.sort(rng.permutation(queries)[:n_queries])
    sizes = [min(list_size, int(some[queries].sum(axis=1).max())) for some in (near, far)]
    rows = [
        np.concatenate(
            [
                np.resize(rng.permutation(np.flatnonzero(some[query])), size)
                for some, size in zip((near, far), sizes, strict=True)
            ]
        )
        for query in queries
    ]
    return Lists(queries, np.stack(rows), sizes[0])


def worst_rankings(
    scores: NDArray[np.floating], lists: Lists, loss: Loss
) -> tuple[NDArray[np.float32], float]:
    """The ranking of every list with the largest loss plus score, as one constraint.

    ``scores`` [q, l] are the present ones. The score of a ranking is the mean, over pairs of a
    similar and a dissimilar row, of the difference of their scores, or minus it where the
    dissimilar one stands first. Returns what the right ranking has beyond the found one in every
    row's score, [q, l], and the mean loss, both divided by the number of lists.
    """
    p = lists.n_similar
    n = scores.shape[1] - p
    coefficients = np.empty(scores.shape, np.float32)
    total = 0.0
    for start in range(0, len(scores), QUERIES):
        rows = slice(start, start + QUERIES)
        ahead, losses = worst_order(scores[rows, :p], scores[rows, p:], loss)
        # Each pair in the wrong order counts twice: once it lost, once it was not won.
        coefficients[rows, :p] = ahead.sum(axis=2) * (2 / (p * n))
        coefficients[rows, p:] = ahead.sum(axis=1) * (-2 / (p * n))
        total += float(losses.sum())
    return coefficients / np.float32(len(scores)), total / len(scores)


def worst_order(
    similar: NDArray[np.floating], other: NDArray[np.floating], loss: Loss
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which dissimilar rows stand ahead of which similar ones, [q, p, n], and the losses [q].

    Scores are [q, p] and [q, n]. Among themselves similar rows stand by score, and so do the
    others: that changes no loss, and any other order scores less. So it is enough to choose how
    many others stand ahead of each similar row, no fewer for a later one, and running maxima over
    that number find the best choice of all.
    """
    first = np.argsort(-similar, axis=1, kind="stable")
    then = np.argsort(-other, axis=1, kind="stable")
    similar, other = np.take_along_axis(similar, first, 1), np.take_along_axis(other, then, 1)
    p, n = similar.shape[1], other.shape[1]
    if loss == "auc":
        losses = np.tile(np.arange(n + 1) / (p * n), (p, 1))
    else:
        discounts = 1 / np.log2(np.arange(p)[:, None] + np.arange(n + 1)[None] + 2.0)
        losses = (discounts[:, :1] - discounts) / discounts[:, 0].sum()
    # What loss and score gain if the k highest others stand ahead of a similar row, [q, p, n + 1].
    best = np.zeros((len(similar), p, n + 1))
    np.cumsum((other[:, None] - similar[:, :, None]) * (2 / (p * n)), axis=2, out=best[:, :, 1:])
    best += losses
    for row in range(1, p):
        best[:, row] += np.maximum.accumulate(best[:, row - 1], axis=1)
    counts = np.empty((len(similar), p), np.int64)
    most = np.full(len(similar), n)
    for row in range(p - 1, -1, -1):
        allowed = np.where(np.arange(n + 1) <= most[:, None], best[:, row], -np.inf)
        counts[:, row] = most = allowed.argmax(axis=1)
    place_then, place_first = np.argsort(then, axis=1), np.argsort(first, axis=1)
    ahead = place_then[:, None] < np.take_along_axis(counts, place_first, 1)[:, :, None]
    return ahead, losses[np.arange(p), counts].sum(axis=1)

"""Codes, true neighbours and recall curves, kept on disk so that figures share them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import catalog
from hammingbird.codes import Codes
from hammingbird.evaluation import ListedNeighbors, Ranking
from hammingbird.evaluation.metrics import mean, recall_at
from hammingbird.evaluation.ranking import ScoreChunk
from hammingbird.storage import replacing
from hammingbird.targets import Measure, nearest_vectors

Vectors = NDArray[np.float32]
RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 700, 1000)
SEED = 0


def from_zero_to_one(values: ArrayLike) -> NDArray[np.float64]:
    """The values moved and scaled so that the least is 0 and the largest 1; equal ones are 0."""
    array = np.asarray(values, np.float64)
    return np.asarray((array - array.min()) / max(float(np.ptp(array)), 1e-12))


def fitted(out: Path, data: str, method: str, n_bits: int, X: Any, y: Any = None) -> Any:
    """Fit a method with seed 0, or load what an earlier figure fitted."""
    folder = out / "models" / f"{data}-{method}-{n_bits}"
    if not folder.exists():
        catalog.make(method, n_bits, SEED).fit(X, y).save(folder)
    return catalog.load(folder)


def true_neighbors(
    out: Path,
    data: str,
    queries: Vectors,
    X: Vectors,
    measure: Measure = "l2",
    own: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """The exact 100 nearest of every query, found once per folder."""
    path = out / "neighbors" / f"{data}.npy"
    if not path.exists():
        ids = nearest_vectors(queries, X, 100, measure, exclude=own).ids
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, ids)
    return np.asarray(np.load(path, allow_pickle=False), np.int64)


def recall_of_codes(
    query: Codes,
    database: Codes,
    n_bits: int,
    ids: NDArray[np.int64],
    own: NDArray[np.int64] | None = None,
    ranks: tuple[int, ...] = RANKS,
) -> list[float]:
    """Recall K@N by Hamming distance for every N, expected over ties; ``ids`` is [q, K]."""
    ranking = Ranking.from_codes(
        query, database, n_bits, ListedNeighbors(ids, len(database)), self_rows=own
    )
    return [mean(recall_at(ranking, n)) for n in ranks]


def recall_of_scores(
    scores: ScoreChunk,
    n_database: int,
    ids: NDArray[np.int64],
    own: NDArray[np.int64] | None = None,
    ranks: tuple[int, ...] = RANKS,
) -> list[float]:
    """Recall K@N by real scores, largest first, for every N."""
    ranking = Ranking.from_scores(scores, ListedNeighbors(ids, n_database), self_rows=own)
    return [mean(recall_at(ranking, n)) for n in ranks]

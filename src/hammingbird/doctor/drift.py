"""Whether new vectors are like those that a code was learned from, and what it keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import kernels
from hammingbird.codes import unpack
from hammingbird.decoder import least_squares_decoder
from hammingbird.doctor.estimates import Estimate, Floats, share_kept
from hammingbird.doctor.quality import NeighborsKept
from hammingbird.doctor.trials import Trial
from hammingbird.doctor.truth import nearest_in_all
from hammingbird.errors import InputError
from hammingbird.storage import hash_rows

LEVEL = 0.01
"""Share of false alarms of the test."""
PERMUTATIONS = 999
BINS = 30
RANKS = (1, 10, 100)


@dataclass(frozen=True)
class Recall:
    """What one use keeps of old and of new queries, in the same database."""

    use: str
    old: Estimate
    new: Estimate
    estimated: float
    """Of the new queries, without knowing their nearest neighbours."""


@dataclass(frozen=True)
class Drift:
    """New vectors beside those that were held out of the old ones."""

    name: str
    rows: int
    moved: bool
    p_value: float
    """Of a permutation test: how often as large a difference comes from chance."""
    farthest: str
    """What differs most, in a sentence."""
    old_rates: list[float]
    """Share of ones of every bit."""
    new_rates: list[float]
    score_edges: list[float]
    """Bounds of the histogram's bins, in standard deviations of the old scores."""
    old_scores: list[float]
    new_scores: list[float]
    old_error: float
    """Share of the squared distance from the mean that the codes do not give back."""
    new_error: float
    recalls: list[Recall]


class Watch:
    """A fitted code, and what it does with old rows that it did not learn from."""

    def __init__(self, trial: Trial, train: NDArray[Any], old: NDArray[np.float32]) -> None:
        self.trial, self.old = trial, old
        self.mean = train.mean(axis=0, dtype=np.float64)
        codes = trial.hasher.encode(train)
        self.decoder, self.offset = least_squares_decoder(codes, trial.bits, train, self.mean)
        self.old_features = self.features(old)

    def features(self, X: NDArray[np.float32]) -> Floats:
        """Per row: scores, bits, sizes of scores, and the error of the decoded code."""
        scores = np.asarray(self.trial.hasher.project(X), np.float64)
        rest, length = self.errors(X)
        return np.column_stack([scores, scores >= 0, np.abs(scores), rest, length])

    def errors(self, X: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Squared distances of rows from what their codes stand for, and from the mean."""
        signs = unpack(self.trial.hasher.encode(X), self.trial.bits).astype(np.float64)
        rest = X - (signs @ self.decoder + self.offset)
        centred = X - self.mean
        return np.einsum("ij,ij->i", rest, rest), np.einsum("ij,ij->i", centred, centred)

    def names(self) -> list[str]:
        """What the features are, in words."""
        bits = range(self.trial.bits)
        return [
            *(f"the score of bit {i}" for i in bits),
            *(f"the share of ones of bit {i}" for i in bits),
            *(f"the size of the scores of bit {i}" for i in bits),
            "the error of decoded codes",
            "the distance from the mean",
        ]


def permutation_test(old: Floats, new: Floats, seed: int) -> tuple[float, int]:
    """Chance of as large a difference between rows of one kind, and the feature that differs most.

    The statistic is the largest difference of two means among all features, in standard deviations
    of both together. Where old and new rows are exchangeable, p is at most a in a share a of cases,
    whatever the distribution and however the features depend on each other.
    """
    both = np.concatenate([old, new])
    both -= both.mean(axis=0)
    deviation = both.std(axis=0)
    both /= np.where(deviation > 0, deviation, 1)
    rng = np.random.default_rng(seed)
    weights = np.full((PERMUTATIONS + 1, len(both)), -1 / len(new))
    weights[0, : len(old)] = 1 / len(old)
    for row in weights[1:]:
        row[rng.permutation(len(both))[: len(old)]] = 1 / len(old)
    differences = np.abs(weights @ both)
    statistics = differences.max(axis=1)
    beyond = int((statistics[1:] >= statistics[0] * (1 - 1e-12)).sum())
    return (1 + beyond) / (1 + PERMUTATIONS), int(differences[0].argmax())


def new_rows(new: NDArray[Any], database: NDArray[Any], most: int, seed: int) -> NDArray[Any]:
    """Draw at most ``most`` different vectors that the database does not hold."""
    if new.ndim != 2 or new.shape[1] != database.shape[1]:
        raise InputError(
            f"the new vectors {new.shape} must be as wide as the old ones, {database.shape[1]}"
        )
    kind = np.result_type(new, database)
    hashes, first = np.unique(hash_rows(new, kind), return_index=True)
    first = first[~np.isin(hashes, hash_rows(database, kind))]
    if len(first) < 2:
        raise InputError(
            f"{len(first)} of the {len(new):,} new rows are not in the old file: nothing to compare"
        )
    chosen = np.random.default_rng(seed).permutation(first)[:most]
    return np.asarray(new[np.sort(chosen)], np.float32)


def examine_drift(
    name: str,
    new: NDArray[Any],
    watch: Watch,
    database: NDArray[Any],
    old_quality: NeighborsKept,
    uses: Sequence[str],
    seed: int,
) -> Drift:
    """Compare new vectors with held-out old ones, and search for both in the old database."""
    trial = watch.trial
    some = new_rows(new, database, len(watch.old), seed)
    features = watch.features(some)
    p, most = permutation_test(watch.old_features, features, seed)
    part = nearest_in_all(some, database, old_quality.depth)
    kept_new = NeighborsKept(part).of_codes(*trial.hasher.questions(some), trial.codes, trial.bits)
    kept_old = trial.kept_in(old_quality, trial.codes)
    signs_old, signs_new = _signs(watch, watch.old), _signs(watch, some)
    recalls = [
        Recall(
            use,
            share_kept(kept_old[use]),
            share_kept(kept_new[use]),
            estimated_recall(signs_old, kept_old[use], signs_new),
        )
        for use in uses
    ]
    b = trial.bits
    edges, old_scores, new_scores = _histograms(watch.old_features[:, :b], features[:, :b])
    old_error, new_error = (
        rest.sum() / max(length.sum(), 1e-300)
        for rest, length in (watch.errors(watch.old), watch.errors(some))
    )
    values = watch.old_features[:, most].mean(), features[:, most].mean()
    return Drift(
        name,
        len(some),
        p <= LEVEL,
        p,
        f"{watch.names()[most]} differs most: {values[0]:.3g} on average before, "
        f"{values[1]:.3g} now",
        _rates(watch.old_features[:, :b]),
        _rates(features[:, :b]),
        edges,
        old_scores,
        new_scores,
        float(old_error),
        float(new_error),
        recalls,
    )


def estimated_recall(old_signs: Floats, old_recall: Floats, new_signs: Floats) -> float:
    """Mean recall of new queries by a linear regression on signs that need no ground truth."""
    mean, deviation = old_signs.mean(axis=0), old_signs.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1)
    design, asked = (
        np.column_stack([np.ones(len(s)), (s - mean) / deviation]) for s in (old_signs, new_signs)
    )
    weights = np.linalg.lstsq(design, old_recall, rcond=None)[0]
    return float((asked @ weights).clip(0, 1).mean())


def _signs(watch: Watch, X: NDArray[np.float32]) -> Floats:
    """What says of a query how well it is searched: distances of its hits, margins, errors."""
    trial = watch.trial
    scores = np.asarray(trial.hasher.project(X), np.float64)
    k = min(max(RANKS), len(trial.codes))
    _, distances = kernels.nearest(trial.hasher.encode(X), trial.codes, k)
    at = distances[:, [min(rank, k) - 1 for rank in RANKS]].astype(np.float64)
    sizes = np.abs(scores)
    margin = sizes.mean(axis=1) / np.maximum(np.sqrt((sizes**2).mean(axis=1)), 1e-300)
    rest, length = watch.errors(X)
    error = rest / np.maximum(length, 1e-300)
    return np.column_stack([at, at[:, 2] - at[:, 0], margin, error])


def _rates(scores: Floats) -> list[float]:
    return [float(rate) for rate in (scores >= 0).mean(axis=0)]


def _histograms(old: Floats, new: Floats) -> tuple[list[float], list[float], list[float]]:
    """Densities of all scores, each bit's in standard deviations of its old ones."""
    scale = old.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    edges = np.linspace(-4, 4, BINS + 1)
    counts = [np.histogram((s / scale).clip(-4, 4), edges)[0] / s.size for s in (old, new)]
    return edges.tolist(), counts[0].tolist(), counts[1].tolist()

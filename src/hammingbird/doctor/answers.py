"""The shortest code that keeps enough, for every use, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import kernels
from hammingbird.doctor.estimates import Estimate
from hammingbird.doctor.quality import (
    ASYMMETRIC,
    BOTH,
    NEAREST,
    REREAD,
    USES,
)
from hammingbird.doctor.trials import Trial
from hammingbird.index import rerank

TARGETS = (0.90, 0.95, 0.99)
ADVISED = tuple(
    (use, target) for target in (0.95, 0.90) for use, depth in REREAD.items() if depth >= 100
)
"""What is recommended, in this order: the first that some code reaches."""
TIMED_QUERIES = 200


@dataclass(frozen=True)
class Answer:
    """The shortest code that keeps ``target`` in one use, or none."""

    use: str
    target: float
    method: str | None
    bits: int | None
    bytes: int | None
    kept: Estimate | None
    queries_a_second: float | None


@dataclass(frozen=True)
class Cost:
    """What codes of one method and length take."""

    method: str
    bits: int
    bytes: int
    file_gb: float
    hundred_million_gb: float
    fit_seconds: float
    fit_rows: int
    encoded_rows_a_second: float


def shortest(trials: Sequence[Trial], use: str, target: float) -> Trial | None:
    """The first of ``trials``, shortest first, that keeps ``target`` at its interval's low end."""
    return next((trial for trial in trials if trial.kept[use].low >= target), None)


def advised(trials: Sequence[Trial]) -> tuple[Trial, str]:
    """The code that is recommended, and its use."""
    for use, target in ADVISED:
        if trial := shortest(trials, use, target):
            return trial, use
    use = ADVISED[-1][0]
    return max(trials, key=lambda trial: trial.kept[use].value), use


def answers(
    trials: Sequence[Trial], queries: NDArray[np.float32], database: NDArray[Any]
) -> list[Answer]:
    """For every use and target the shortest code, with its speed measured here."""
    found, speeds = [], {}
    for use in USES:
        for target in TARGETS:
            trial = shortest(trials, use, target)
            if trial is None:
                found.append(Answer(use, target, None, None, None, None, None))
                continue
            if (trial.name, use) not in speeds:
                speeds[trial.name, use] = speed(trial, use, queries, database)
            found.append(
                Answer(
                    use,
                    target,
                    trial.method,
                    trial.bits,
                    trial.bytes,
                    trial.kept[use],
                    speeds[trial.name, use],
                )
            )
    return found


def speed(trial: Trial, use: str, queries: NDArray[np.float32], database: NDArray[Any]) -> float:
    """Queries a second for the ten nearest, in batches, on all cores; vectors are projected too."""
    some = queries[:TIMED_QUERIES]
    start = time.perf_counter()
    k = REREAD.get(use, NEAREST)
    if use in (ASYMMETRIC, BOTH):
        found = kernels.best(trial.hasher.asked(some), trial.codes, trial.bits, k)[0]
    else:
        found = kernels.nearest(trial.hasher.encode(some), trial.codes, k)[0]
    if k != NEAREST:
        rerank(some, found, database, NEAREST)
    return len(some) / (time.perf_counter() - start)


def cost(trial: Trial, file_rows: int) -> Cost:
    """Bytes on disk and seconds of one code."""
    return Cost(
        trial.method,
        trial.bits,
        trial.bytes,
        trial.bytes * file_rows / 1e9,
        trial.bytes * 1e8 / 1e9,
        trial.fit_seconds,
        trial.train_rows,
        len(trial.codes) / trial.encode_seconds,
    )

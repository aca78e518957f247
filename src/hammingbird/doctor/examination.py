"""The whole examination: queries held out, exact neighbours, codes, rivals, health, drift."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird import kernels
from hammingbird.datasets import hold_out
from hammingbird.doctor.answers import TARGETS, advised, answers, cost, shortest
from hammingbird.doctor.bits import examine_bits
from hammingbird.doctor.diagnosis import Advice, Diagnosis, Tried
from hammingbird.doctor.drift import Drift, Watch, examine_drift
from hammingbird.doctor.growth import grow
from hammingbird.doctor.quality import (
    ASYMMETRIC,
    BOTH,
    HAMMING,
    USES,
    LabelsKept,
    NeighborsKept,
    Quality,
)
from hammingbird.doctor.rivals import Rival, has_faiss, product_quantization
from hammingbird.doctor.trials import Bench, Trial, best_of
from hammingbird.doctor.truth import SMALLEST_PART, Part, nearest_in_parts, nested_rows
from hammingbird.doctor.vectors import check_finite, examine_vectors
from hammingbird.errors import InputError

MOST_ROWS = 1_000_000
MOST_BYTES = 1 << 30
"""Rows beyond these are sampled."""
RIVAL_BYTES = (8, 16, 32)
"""Of product codes; longer ones take minutes to learn and search, and so does OPQ beside the code
that is recommended."""

Say = Callable[[str], object]


def examine(
    X: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    against: ArrayLike | None = None,
    name: str = "vectors.npy",
    against_name: str = "new vectors",
    n_queries: int = 1000,
    random_state: int = 0,
    say: Say = lambda _: None,
) -> Diagnosis:
    """Find out how short codes of the vectors ``X`` [n, d] may be, and what they cost.

    ``n_queries`` rows are held out and searched for among the others, or in a sample of those of at
    most a million rows and 1 GiB. With ``labels`` [n] (or label sets [n, c]) the rows that share a
    query's label are right, instead of its ten nearest. ``against`` [m, d] are new vectors that are
    compared with these. ``say`` is told what is being done.
    """
    start = time.perf_counter()
    X = _matrix(X, name)
    new = None if against is None else _matrix(against, against_name)
    if new is not None and new.shape[1] != X.shape[1]:
        raise InputError(
            f"{against_name} has vectors of width {new.shape[1]}, {name} of {X.shape[1]}: "
            "compare vectors of one model"
        )
    y = None if labels is None else _labels(labels, len(X))
    say(f"reading {len(X):,} rows of width {X.shape[1]}")
    check_finite(X, name)
    if new is not None:
        check_finite(new, against_name)
    most = max(1, min(MOST_ROWS, MOST_BYTES // (X.shape[1] * X.dtype.itemsize)))
    held = hold_out(X, n_queries, sample=most, random_state=random_state)
    if len(held.kept) < SMALLEST_PART:
        raise InputError(
            f"{n_queries:,} queries leave {len(held.kept)} of {len(X):,} rows to search in: at "
            f"least {SMALLEST_PART} are needed, ask for fewer queries"
        )
    queries = np.asarray(X[held.queries], np.float32)
    database = np.asarray(X[held.kept])

    say(f"exact neighbours of {n_queries:,} queries among {len(database):,} rows")
    rows = nested_rows(len(database), random_state)
    depth = NeighborsKept.depth if y is None else LabelsKept.depth
    parts = nearest_in_parts(queries, database, depth, rows)
    qualities: list[Quality] = [
        NeighborsKept(part)
        if y is None
        else LabelsKept(
            part,
            y[held.queries],
            y[held.kept[part.rows]],
            queries,
            database if len(part.rows) == len(database) else database[part.rows],
        )
        for part in parts
    ]
    bench = Bench(queries, database, qualities, rows, random_state)
    winners, losers = _try(bench, say)
    say("the sign of every dimension")
    sign = bench.untrained()
    best, use = advised(winners)
    rivals, notes = _rivals(winners, best, bench, qualities[-1], say)
    say("speeds")
    found = answers(winners, queries, database)
    say("parts of the rows")
    in_parts = bench.in_parts(best)
    named = {answer.method and f"{answer.method}, {answer.bits} bits" for answer in found}
    say("health of vectors and bits")
    return Diagnosis(
        name=name,
        rows=len(X),
        width=X.shape[1],
        dtype=str(X.dtype),
        row_bytes=X.shape[1] * X.dtype.itemsize,
        searched=len(database),
        queries=n_queries,
        seed=random_state,
        what=qualities[-1].what,
        ceiling=1.0 if qualities[-1].ceiling is None else float(np.nanmean(qualities[-1].ceiling)),
        advice=_advice(name, best, use),
        answers=found,
        costs=[cost(t, len(X)) for t in winners if t is best or t.name in named],
        codes=[_tried(trial) for trial in winners],
        losers=[_tried(trial) for trial in losers],
        untrained=None if sign is None else _tried(sign),
        rivals=rivals,
        growth=[
            grow(best, each, qualities, in_parts, len(X))
            for each in dict.fromkeys((HAMMING, ASYMMETRIC, use))
        ],
        vectors=examine_vectors(database, random_state),
        bits=examine_bits(best.codes, best.bits, random_state),
        untrained_bits=[] if sign is None else examine_bits(sign.codes, sign.bits, random_state),
        drift=None if new is None else _drift(against_name, new, best, use, bench, parts[-1], say),
        notes=[*_sampled(len(X), len(database), most), *notes],
        machine=f"{os.cpu_count()} cores, kernels {kernels.backend}",
        seconds=time.perf_counter() - start,
    )


def _try(bench: Bench, say: Say) -> tuple[list[Trial], list[Trial]]:
    """The best methods at every length, measured, and the others as far as they were tried.

    Once a code answers anything, longer ones are measured in all rows only where they may answer
    more. In a part of the rows they keep at least as much, so that what they miss there they miss.
    """
    winners: list[Trial] = []
    losers: list[Trial] = []
    for tried in bench.trials():
        best = [
            trial
            for trial in best_of(tried)
            if bench.is_measured(trial) or _may_answer_more(trial, winners)
        ]
        for trial in best:
            say(f"{trial.bits} bits: {trial.method}")
            bench.measure(trial)
        winners += best
        losers += [trial for trial in tried if trial not in best]
    return winners, losers


def _may_answer_more(trial: Trial, shorter: Sequence[Trial]) -> bool:
    """Whether a trial in a part of the rows reaches what none of the ``shorter`` reaches in all."""
    wanted = [(use, target) for use in USES for target in TARGETS]
    open_ = [each for each in wanted if shortest(shorter, *each) is None]
    if len(open_) == len(wanted):
        return True
    return any(trial.kept[use].high >= target for use, target in open_)


def _rivals(
    winners: Sequence[Trial], best: Trial, bench: Bench, quality: Quality, say: Say
) -> tuple[list[Rival], list[str]]:
    """Product quantization in as many bytes as the codes that answer."""
    if not has_faiss():
        return [], ["For product quantization beside the codes: pip install faiss-cpu."]
    answering = {t.bytes for t in winners if t.bytes in RIVAL_BYTES}
    sizes = answering | ({best.bytes} if best.bytes <= max(RIVAL_BYTES) else set())
    found = []
    for size in sorted(sizes):
        for rotated in (False, True)[: 1 + (size == best.bytes)]:
            say(f"{'OPQ' if rotated else 'product quantization'} in {size} bytes")
            found.append(
                product_quantization(
                    size,
                    bench.train,
                    bench.queries,
                    bench.database,
                    quality,
                    rotated=rotated,
                    seed=bench.seed,
                )
            )
    return found, []


def _drift(
    name: str, new: NDArray[Any], best: Trial, use: str, bench: Bench, part: Part, say: Say
) -> Drift:
    say(f"{name} against the held-out rows")
    watch = Watch(best, bench.train, bench.queries)
    uses = (HAMMING, ASYMMETRIC, use, BOTH)
    return examine_drift(name, new, watch, bench.database, NeighborsKept(part), uses, bench.seed)


def _advice(name: str, best: Trial, use: str) -> Advice:
    model = f"{Path(name).stem}-{best.method}-{best.bits}"
    settings = [
        word for key, value in best.settings for word in ("--set", f"{key}={json.dumps(value)}")
    ]
    fit = [best.method, "--train", name, "--bits", str(best.bits), *settings, "--out", model]
    return Advice(
        best.method,
        best.bits,
        best.bytes,
        use,
        best.kept[use],
        next((t for t in reversed(TARGETS) if shortest([best], use, t)), None),
        [
            shlex.join(["hammingbird", "fit", *fit]),
            shlex.join(["hammingbird", "encode", model, name, "--out", f"{model}.npy"]),
        ],
    )


def _tried(trial: Trial) -> Tried:
    return Tried(trial.method, trial.bits, trial.bytes, len(trial.codes), trial.kept)


def _sampled(rows: int, searched: int, most: int) -> list[str]:
    if rows <= most + searched // 10:
        return []
    return [
        f"The file is large: {searched:,} of its {rows:,} rows were searched. What is said of the "
        "whole file is extrapolated."
    ]


def _matrix(X: ArrayLike, name: str) -> NDArray[Any]:
    X = np.asanyarray(X)
    if X.ndim != 2 or X.dtype.kind not in "biuf" or not X.shape[1]:
        raise InputError(f"{name} must be vectors of numbers [n, d], got {X.dtype} {X.shape}")
    return X


def _labels(labels: ArrayLike, n: int) -> NDArray[Any]:
    y = np.asarray(labels)
    if y.ndim not in (1, 2) or len(y) != n:
        raise InputError(f"labels of shape {y.shape} do not fit {n:,} vectors: give one for each")
    return y

"""Evaluation against the usual loop: 1,000 queries, 60,000 codes of 48 bits, ten classes.

The loop is the one of the papers' repositories: distances by a product of +-1 codes, an argsort per
query, average precision. Both run in turns in one process; agreement is asserted before timing.

    python benchmarks/evaluation.py --out evaluation.json
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hammingbird import evaluation, kernels
from hammingbird.codes import pack, unpack

Array = NDArray[np.generic]


def made_codes(n_queries: int, n_database: int, n_bits: int, seed: int) -> tuple[Array, ...]:
    """Noisy codes of ten classes, in random order."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n_queries + n_database)
    centers = rng.standard_normal((10, n_bits))
    codes = pack(centers[labels] + 1.5 * rng.standard_normal((len(labels), n_bits)))
    return codes[:n_queries], codes[n_queries:], labels[:n_queries], labels[n_queries:]


def argsort_loop(
    query_signs: Array, database_signs: Array, query_labels: Array, database_labels: Array
) -> NDArray[np.float64]:
    """Average precision of every query the usual way, ties in the order of the database."""
    found = []
    for signs, label in zip(query_signs, query_labels, strict=True):
        relevant = database_labels == label
        distance = 0.5 * (query_signs.shape[1] - signs @ database_signs.T)
        relevant = relevant[np.argsort(distance, kind="stable")]
        ranks = np.flatnonzero(relevant) + 1
        found.append(np.mean(np.arange(1, len(ranks) + 1) / ranks) if len(ranks) else np.nan)
    return np.array(found)


def slow_expected(distance: Array, relevant: Array) -> float:
    """Tie-aware average precision of one query from its sorted distances, with loops."""
    order = np.argsort(distance, kind="stable")
    distance, relevant = distance[order], relevant[order]
    total, before, hits_before = 0.0, 0, 0
    for value in np.unique(distance):
        group = relevant[distance == value]
        n, p = len(group), int(group.sum())
        for t in range(1, n + 1):
            rise = (t - 1) * (p - 1) / (n - 1) if n > 1 else 0.0
            total += p / n * (hits_before + 1 + rise) / (before + t)
        before, hits_before = before + n, hits_before + p
    return total / hits_before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--database", type=int, default=60_000)
    parser.add_argument("--bits", type=int, default=48)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    queries, database, query_labels, database_labels = made_codes(
        args.queries, args.database, args.bits, seed=0
    )
    signs = [unpack(codes, args.bits).astype(np.float32) for codes in (queries, database)]

    def ours() -> dict[str, float]:
        return evaluation.evaluate(
            queries,
            database,
            n_bits=args.bits,
            query_labels=query_labels,
            database_labels=database_labels,
            metrics=["map"],
        )

    def loop() -> NDArray[np.float64]:
        return argsort_loop(*signs, query_labels, database_labels)

    result = ours()
    peak = peak_mb()
    stable = loop()
    check(queries, database, query_labels, database_labels, args.bits, result["map"], stable)
    seconds: dict[str, list[float]] = {"evaluate": [], "loop": []}
    for _ in range(args.repeat):
        for name, run in (("evaluate", ours), ("loop", loop)):
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    record = {
        "queries": args.queries,
        "database": args.database,
        "bits": args.bits,
        "kernels": kernels.backend,
        "map": result["map"],
        "map_loop": float(stable.mean()),
        "seconds": medians,
        "all_seconds": seconds,
        "ratio": medians["loop"] / medians["evaluate"],
        "peak_mb": peak,
    }
    print(
        f"evaluate {medians['evaluate']:.4f} s, argsort loop {medians['loop']:.2f} s: "
        f"{record['ratio']:.0f} times as fast ({kernels.backend}, medians of {args.repeat}); "
        f"peak memory of the process before the loop {peak:.0f} MB"
    )
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record, indent=1) + "\n"
        (args.out / "evaluation.json").write_text(text, "utf-8")


def check(
    queries: Array,
    database: Array,
    query_labels: Array,
    database_labels: Array,
    n_bits: int,
    value: float,
    stable: NDArray[np.float64],
) -> None:
    """Assert that the loop lies within the bounds of every query, and the tie-aware one agrees."""
    relevance = evaluation.SameLabel(query_labels, database_labels)
    ranking = evaluation.Ranking.from_codes(queries, database, n_bits, relevance)
    expected, worst, best = (
        evaluation.average_precision(ranking, ties=ties) for ties in ("expected", "worst", "best")
    )
    assert np.all(worst <= stable + 1e-12)
    assert np.all(stable <= best + 1e-12)
    assert abs(np.mean(expected) - value) < 1e-15
    for query in range(0, len(queries), max(1, len(queries) // 50)):
        distance = np.bitwise_count(queries[query] ^ database).sum(axis=1)
        slow = slow_expected(distance, database_labels == query_labels[query])
        assert abs(slow - expected[query]) < 1e-12, (query, slow, expected[query])


def peak_mb() -> float:
    """Peak memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main()

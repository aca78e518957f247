"""Two-step search of codes that are read twice beside FAISS' IndexPQ, one core, in one run.

    python benchmarks/descriptors.py --out runs/descriptors.npy
    python benchmarks/polysemous.py --vectors runs/descriptors.npy

Rows are searched by codes of 16 bytes for the ten nearest of ``--queries`` held-out rows; recall is
the share of the ten true nearest among the first ten and hundred found. FAISS learns a rotation and
codebooks from the same rows, and numbers its centres for a filter of its own. Calls take turns, and
the median of the repetitions counts; all queries are one batch. A filter lets codes pass within so
many bits of the query's own, or the so many nearest by bits.

    python benchmarks/polysemous.py --vectors runs/descriptors.npy --methods distilled-composite \
        --train 200000 --set max_rows=200000 --set fidelity=0.3 --set rounds=12
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

import hammingbird as hb
from hammingbird.index import Radius, Scan, Shortlist


def median_seconds(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Every call in turn, ``repeats`` times over; the median of each."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def searches(
    method: str, index: Scan, codes: np.ndarray, tables: np.ndarray, args: argparse.Namespace
) -> dict[str, Callable[[], np.ndarray]]:
    """By bits, by tables, and by tables behind every filter."""
    filters: dict[str, Radius | Shortlist] = {
        f"within {bits} bits": Radius(int(bits), codes) for bits in args.radii.split(",") if bits
    }
    filters |= {
        f"nearest {rows} by bits": Shortlist(int(rows), codes) for rows in args.rows.split(",")
    }
    calls: dict[str, Callable[[], np.ndarray]] = {
        f"{method}, bits": lambda: index.search(codes, 100, threads=1).ids,
        f"{method}, tables": lambda: index.search(tables, 100, threads=1).ids,
    }
    for name, chosen in filters.items():
        calls[f"{method}, tables, {name}"] = lambda chosen=chosen: (
            index.search(tables, 100, filter=chosen, threads=1).ids
        )
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, required=True, help="an array [n, d] as .npy")
    parser.add_argument("--bytes", type=int, default=16)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--methods", default="polysemous,distilled-composite")
    parser.add_argument("--train", type=int, default=50_000, help="rows to learn from")
    parser.add_argument("--set", action="append", default=[], help="a method's NAME=VALUE")
    parser.add_argument("--radii", default="")
    parser.add_argument("--rows", default="500,1000,2000,3000,8000")
    parser.add_argument("--faiss-radii", default="48,52,56", help="of FAISS' own filter")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    every = np.load(args.vectors, mmap_mode="r")
    rng = np.random.default_rng(0)
    held = np.sort(rng.permutation(len(every))[: args.queries])
    rows = np.delete(np.arange(len(every)), held)
    queries, database = np.float32(every[held]), np.float32(every[rows])
    train = database[np.sort(rng.permutation(len(database))[: args.train])]
    truth = hb.nearest_vectors(queries, database, 10).ids
    faiss.omp_set_num_threads(1)

    def recall(ids: np.ndarray) -> float:
        return float(np.mean([np.isin(t, i).mean() for t, i in zip(truth, ids, strict=True)]))

    rotation = faiss.OPQMatrix(database.shape[1], args.bytes)
    rotation.niter = 20
    rotation.train(train)
    turned, stored, asked = (rotation.apply(rows) for rows in (train, database, queries))
    theirs, numbered = (faiss.IndexPQ(database.shape[1], args.bytes, 8) for _ in range(2))
    numbered.do_polysemous_training = True
    for index in (theirs, numbered):
        index.train(turned)
        index.add(stored)
    numbered.search_type = faiss.IndexPQ.ST_polysemous

    def filtered(bits: int) -> np.ndarray:
        numbered.polysemous_ht = bits
        return numbered.search(asked, 100)[1]

    calls: dict[str, Callable[[], np.ndarray]] = {
        "FAISS IndexPQ after OPQ": lambda: theirs.search(asked, 100)[1]
    }
    for bits in args.faiss_radii.split(","):
        calls[f"FAISS IndexPQ, within {bits} bits"] = lambda bits=int(bits): filtered(bits)
    settings = {name: json.loads(value) for name, value in (s.split("=") for s in args.set)}
    for method in args.methods.split(","):
        start = time.perf_counter()
        hasher = hb.make(method, 8 * args.bytes, 0).set_params(**settings).fit(train)
        fitted = time.perf_counter()
        index = Scan(8 * args.bytes).add(hasher.encode(database))
        encoded = time.perf_counter()
        print(f"{method}: fit {fitted - start:.1f} s, encode {encoded - fitted:.1f} s")
        calls |= searches(method, index, hasher.encode(queries), hasher.tables(queries), args)
    found = {name: call() for name, call in calls.items()}
    seconds = median_seconds(calls, args.repeats)
    first = seconds["FAISS IndexPQ after OPQ"]
    print(f"{len(database):,} x {args.bytes} bytes, {len(queries)} queries, one core\n")
    print("| search | recall10@10 | recall10@100 | queries/s | times FAISS |")
    print("| --- | --- | --- | --- | --- |")
    for name, ids in found.items():
        print(
            f"| {name} | {recall(ids[:, :10]):.3f} | {recall(ids):.3f} | "
            f"{len(queries) / seconds[name]:,.0f} | {first / seconds[name]:.1f} |"
        )


if __name__ == "__main__":
    main()

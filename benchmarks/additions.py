"""Single additions a second to an index of 1,000,000 codes: Scan beside FAISS and usearch.

    python benchmarks/additions.py

adds one code a call, in turns of 2,000 calls, because other work on the machine comes and goes. It
prints the median turn by the clock, and by this process's own processor time, which other work
disturbs less. FAISS's flat index has no ids of its own; usearch builds a graph, so it gets fewer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import faiss
import numpy as np
from usearch.index import Index, MetricKind

from hammingbird import Scan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--codes", type=int, default=1_000_000)
    parser.add_argument("--graph-codes", type=int, default=10_000, help="what usearch starts from")
    parser.add_argument("--turns", type=int, default=15)
    arguments = parser.parse_args()
    n, width, calls = arguments.codes, arguments.bits // 8, 2000
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (n, width), dtype=np.uint8)
    single = [row[None] for row in rng.integers(0, 256, (calls, width), dtype=np.uint8)]
    ours, smaller = Scan(arguments.bits).add(base), Scan(arguments.bits).add(base, 2 * np.arange(n))
    replaced = Scan(arguments.bits).add(base)
    flat = faiss.IndexBinaryFlat(arguments.bits)
    flat.add(base)
    graph = Index(ndim=arguments.bits, metric=MetricKind.Hamming, dtype="b1")
    graph.add(np.arange(arguments.graph_codes), base[: arguments.graph_codes])
    late = iter(2 * rng.permutation(n) + 1)
    there = iter(rng.permutation(n))
    contenders: dict[str, Callable[[np.ndarray], object]] = {
        "Scan.add": ours.add,
        "Scan.add, smaller ids": lambda code: smaller.add(code, [next(late)]),
        "Scan.upsert of ids that are there": lambda code: replaced.upsert(code, [next(there)]),
        "FAISS IndexBinaryFlat.add": flat.add,
        f"usearch Index.add, {arguments.graph_codes:,} codes": lambda code: graph.add(None, code),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(arguments.turns):
        for name, add in contenders.items():
            clock, busy = time.perf_counter(), time.process_time()
            for code in single:
                add(code)
            seconds[name].append((time.perf_counter() - clock, time.process_time() - busy))
    about = ", ".join(f"{name} {version(name)}" for name in ("numpy", "faiss-cpu", "usearch"))
    print(f"{arguments.bits} bits, {n:,} codes, {about}; load {os.getloadavg()[0]:.1f}")
    print(f"{'additions a second':40s} {'clock':>10s} {'processor':>10s}")
    for name, turns in seconds.items():
        clock, busy = (calls / statistics.median(times) for times in zip(*turns, strict=True))
        print(f"{name:40s} {clock:10,.0f} {busy:10,.0f}")
    assert len(ours) == flat.ntotal == n + calls * arguments.turns


if __name__ == "__main__":
    main()

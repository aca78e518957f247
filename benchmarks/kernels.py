"""Hammingbird's kernels beside FAISS, usearch and NumPy, in one run.

    python benchmarks/kernels.py --out DIR

prints tables and writes ``kernels.json``, ``kernels.md``, ``kernels.png`` and ``kernels.svg``. All
contenders get the same random codes. Their calls take turns, and the median of the repetitions
counts, because other work on the machine comes and goes. A slow contender gets fewer queries; all
times are per pair of a query and a code. Distances are asserted to equal those of FAISS.
"""

# ruff: noqa: B023 - every call runs in the iteration that made it
from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import faiss
import numpy as np
from rich.console import Console
from rich.table import Table
from usearch.index import MetricKind, search

from hammingbird import kernels
from hammingbird.kernels.checks import check_threads

CORES = check_threads(None)
OURS, ALL = "Hammingbird, 1 thread", f"Hammingbird, {CORES} threads"
FAISS, FAISS_ALL = "FAISS, 1 thread", f"FAISS, {CORES} threads"
USEARCH, NUMPY = f"usearch exact, {CORES} threads", "NumPy, 1 thread"
Call = Callable[[], object]
Rows = list[dict[str, object]]


def median_seconds(calls: dict[str, Call], repeats: int) -> dict[str, float]:
    """Every call in turn, ``repeats`` times over; the median of each."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def random_codes(n: int, bits: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, bits // 8), dtype=np.uint8)


def faiss_index(codes: np.ndarray) -> faiss.IndexBinaryFlat:
    index = faiss.IndexBinaryFlat(8 * codes.shape[1])
    index.add(codes)
    return index


def with_threads(threads: int, call: Call) -> Call:
    def run() -> object:
        faiss.omp_set_num_threads(threads)
        return call()

    return run


def numpy_nearest(queries: np.ndarray, database: np.ndarray, k: int) -> None:
    """What people write: count the ones of the difference, then argpartition."""
    words = database.view(np.uint64)
    for query in queries.view(np.uint64):
        distances = np.bitwise_count(words ^ query).sum(axis=1, dtype=np.uint16)
        found = np.argpartition(distances, k)[:k]
        found[np.argsort(distances[found], kind="stable")]


def batches(repeats: int) -> Rows:
    rows: Rows = []
    for bits, n in ((64, 1_000_000), (128, 1_000_000), (256, 1_000_000), (1024, 100_000)):
        database, queries = random_codes(n, bits, 0), random_codes(1000, bits, 1)
        index = faiss_index(database)
        for k in (10, 100):
            expected, _ = index.search(queries[:50], k)
            np.testing.assert_array_equal(kernels.nearest(queries[:50], database, k)[1], expected)
            some, few, fewer = queries[:200], queries[:4], queries[:2]
            calls: dict[str, tuple[int, Call]] = {
                OURS: (1000, lambda: kernels.nearest(queries, database, k, threads=1)),
                ALL: (1000, lambda: kernels.nearest(queries, database, k)),
                FAISS: (200, with_threads(1, lambda: index.search(some, k))),
                FAISS_ALL: (200, with_threads(CORES, lambda: index.search(some, k))),
                NUMPY: (4, lambda: numpy_nearest(few, database, k)),
            }
            if k == 10:
                calls[USEARCH] = (2, lambda: usearch_nearest(fewer, database, k))
            seconds = median_seconds({name: call for name, (_, call) in calls.items()}, repeats)
            rows += [
                {
                    "task": "nearest, 1,000 queries",
                    "bits": bits,
                    "codes": n,
                    "k": k,
                    "contender": name,
                    "queries": calls[name][0],
                    "ns_per_pair": 1e9 * seconds[name] / calls[name][0] / n,
                }
                for name in calls
            ]
    return rows


def usearch_nearest(queries: np.ndarray, database: np.ndarray, k: int) -> object:
    metric = MetricKind.Hamming
    return search(database, queries, k, metric, exact=True, threads=CORES, dtype="b1")


def memory_bandwidth(threads: int) -> float:
    """Bytes per second of np.sum over 256 MB, the best of seven: what reading alone can reach."""
    words = np.random.default_rng(0).integers(0, 2**63, 1 << 25, dtype=np.uint64)
    parts = np.array_split(words, threads)
    with ThreadPoolExecutor(threads) as pool:
        times = []
        for _ in range(7):
            start = time.perf_counter()
            list(pool.map(np.sum, parts))
            times.append(time.perf_counter() - start)
    return words.nbytes / min(times)


def one_query(repeats: int) -> Rows:
    rows: Rows = []
    limit = {OURS: memory_bandwidth(1), ALL: memory_bandwidth(CORES)}
    limit |= {FAISS: limit[OURS], FAISS_ALL: limit[ALL]}
    for bits in (64, 128, 256, 1024):
        n, k = (1 << 31) // bits, 10  # 256 MB of codes: no cache holds them
        database, query = random_codes(n, bits, 0), random_codes(1, bits, 1)
        index = faiss_index(database)
        expected, _ = index.search(query, k)
        np.testing.assert_array_equal(kernels.nearest(query, database, k)[1], expected)
        calls = {
            OURS: lambda: kernels.nearest(query, database, k, threads=1),
            ALL: lambda: kernels.nearest(query, database, k),
            FAISS: with_threads(1, lambda: index.search(query, k)),
            FAISS_ALL: with_threads(CORES, lambda: index.search(query, k)),
        }
        for name, seconds in median_seconds(calls, 2 * repeats + 1).items():
            speed = database.nbytes / seconds
            rows.append(
                {
                    "task": "nearest, one query",
                    "bits": bits,
                    "codes": n,
                    "k": k,
                    "contender": name,
                    "queries": 1,
                    "ns_per_pair": 1e9 * seconds / n,
                    "gigabytes_per_second": speed / 1e9,
                    "share_of_bandwidth": speed / limit[name],
                }
            )
    return rows


def radius_search(repeats: int) -> Rows:
    rows: Rows = []
    n = 1_000_000
    for bits, radius in ((64, 16), (256, 96)):
        database, queries = random_codes(n, bits, 0), random_codes(200, bits, 1)
        index = faiss_index(database)
        # FAISS finds distances below its radius, not those equal to it.
        limits, distances, ids = index.range_search(queries[:50], radius + 1)
        offsets, found, found_distances = kernels.within(queries[:50], database, radius)
        np.testing.assert_array_equal(offsets, limits)
        order = np.lexsort((ids, distances, np.repeat(np.arange(50), np.diff(offsets))))
        np.testing.assert_array_equal(found, ids[order])
        np.testing.assert_array_equal(found_distances, distances[order])
        calls = {
            OURS: lambda: kernels.within(queries, database, radius, threads=1),
            ALL: lambda: kernels.within(queries, database, radius),
            FAISS: with_threads(1, lambda: index.range_search(queries, radius + 1)),
            FAISS_ALL: with_threads(CORES, lambda: index.range_search(queries, radius + 1)),
        }
        rows += [
            {
                "task": f"within {radius} bits",
                "bits": bits,
                "codes": n,
                "contender": name,
                "queries": 200,
                "ns_per_pair": 1e9 * seconds / 200 / n,
            }
            for name, seconds in median_seconds(calls, repeats).items()
        ]
    return rows


def asymmetric(repeats: int) -> Rows:
    rows: Rows = []
    n, matrix, top = 100_000, f"float32 matrix product, {CORES} threads", "all scores"
    for bits in (64, 256):
        database = random_codes(n, bits, 0)
        weights = np.random.default_rng(1).normal(size=(200, bits)).astype(np.float32)
        signs = 2 * np.unpackbits(database, axis=1).astype(np.float32) - 1
        expected = weights @ signs.T
        np.testing.assert_allclose(
            kernels.scores(weights, database, bits), expected, rtol=1e-3, atol=1e-3
        )
        calls = {
            f"{ALL}, best 10": lambda: kernels.best(weights, database, bits, 10),
            f"{ALL}, {top}": lambda: kernels.scores(weights, database, bits),
            f"{matrix}, {top}": lambda: weights @ signs.T,
            f"{matrix}, best 10": lambda: np.argpartition(weights @ signs.T, -10, axis=1)[:, -10:],
        }
        rows += [
            {
                "task": "asymmetric scores",
                "bits": bits,
                "codes": n,
                "contender": name,
                "queries": 200,
                "ns_per_pair": 1e9 * seconds / 200 / n,
            }
            for name, seconds in median_seconds(calls, repeats).items()
        ]
    return rows


def machine() -> dict[str, object]:
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), cpu)
    return {
        "processor": cpu,
        "cores": CORES,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "backend": kernels.backend,
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "faiss-cpu", "usearch")},
    }


def add_ratios(rows: Rows) -> None:
    """How many times as long a contender takes as Hammingbird with as many threads."""
    for row in rows:
        key = [row["task"], row["bits"], row.get("k"), "best 10" in row["contender"]]
        ours = ALL if f"{CORES} threads" in row["contender"] else OURS
        for other in rows:
            same = [other["task"], other["bits"], other.get("k"), "best 10" in other["contender"]]
            if same == key and other["contender"].startswith(ours):
                row["times_hammingbird"] = row["ns_per_pair"] / other["ns_per_pair"]


def cells(row: dict[str, object]) -> list[str]:
    speed = ""
    if "share_of_bandwidth" in row:
        speed = f"{row['gigabytes_per_second']:.1f} GB/s, {row['share_of_bandwidth']:.0%}"
    return [
        str(row["task"]),
        str(row["bits"]),
        str(row.get("k", "")),
        str(row["contender"]),
        f"{row['queries']:,} x {row['codes']:,}",
        f"{row['ns_per_pair']:.3f}",
        f"{row['times_hammingbird']:.1f}",
        speed,
    ]


HEADER = ["task", "bits", "k", "contender", "pairs", "ns per pair", "times ours", "memory"]


def plot(rows: Rows, out: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, task in zip(axes, ("nearest, 1,000 queries", "nearest, one query"), strict=True):
        some = [r for r in rows if r["task"] == task and r["k"] == 10]
        bits = sorted({r["bits"] for r in some})
        names = list(dict.fromkeys(r["contender"] for r in some))
        for i, name in enumerate(names):
            values = [
                r["ns_per_pair"]
                for b in bits
                for r in some
                if (r["bits"], r["contender"]) == (b, name)
            ]
            places = np.arange(len(bits)) + (i - len(names) / 2 + 0.5) * 0.8 / len(names)
            axis.bar(places, values, 0.8 / len(names), label=name)
        axis.set_xticks(np.arange(len(bits)), [f"{b} bits" for b in bits])
        axis.set_yscale("log")
        axis.set_title(f"{task}, k = 10", loc="left")
        axis.set_ylabel("ns per pair of query and code (lower is better)")
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    for kind in ("png", "svg"):
        figure.savefig(out / f"kernels.{kind}", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for the JSON, the table and the plot")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    about, rows = machine(), []
    for part in (batches, one_query, radius_search, asymmetric):
        rows += part(arguments.repeats)
    add_ratios(rows)
    title = ", ".join(f"{name} {value}" for name, value in about.items())
    table = Table(*HEADER, title=title)
    for row in rows:
        table.add_row(*cells(row))
    Console(width=140).print(table)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        content = {"machine": about, "rows": rows}
        (arguments.out / "kernels.json").write_text(json.dumps(content, indent=1) + "\n")
        lines = [HEADER, ["---"] * len(HEADER), *map(cells, rows)]
        text = "".join("| " + " | ".join(line) + " |\n" for line in lines)
        (arguments.out / "kernels.md").write_text(f"{title}\n\n{text}")
        plot(rows, arguments.out)


if __name__ == "__main__":
    main()

"""`MultiIndex` beside our scan and FAISS's `IndexBinaryMultiHash`, in one process, on one core.

    python benchmarks/multi_index.py --rows 1000000,3000000,10000000

Codes are learned, not random: 64 bits of ITQ, learned on 20,000 SIFT descriptors. There are only
60,000 others, so the rows are made of them: a descriptor, moved up to three tenths of the way
towards another, plus noise of a tenth of each dimension's spread. Queries are 1,000 descriptors of
other images. Every answer is compared with that of the scan. Times are the core's own, which other
work on the machine disturbs less; bytes are what the process holds more after building, ids
included, of which FAISS's index has none. The folder is HAMMINGBIRD_DATA's.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faiss
import numpy as np

import hammingbird as hb
from hammingbird import kernels
from hammingbird.datasets import load

BLOCK = 200_000
RADIUS, K = 2, 10


def made_codes(rows: int, n_bits: int, kept: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Codes of made rows and of real queries."""
    data = Path(os.environ["HAMMINGBIRD_DATA"]) / "sift"
    learn, base, queries = (
        np.asarray(load(data / f"sift60k_{part}.bvecs").X, np.float32)
        for part in ("learn", "base", "query")
    )
    hasher = hb.ITQ(n_bits, random_state=0).fit(learn)
    path = None if kept is None else kept / f"sift-{n_bits}-{rows}.npy"
    if path is not None and path.exists():
        return np.load(path), hasher.encode(queries)
    rng = np.random.default_rng(0)
    spread = 0.1 * base.std(axis=0)
    codes = np.empty((rows, n_bits // 8), np.uint8)
    for start in range(0, rows, BLOCK):
        some = codes[start : start + BLOCK]
        one, other = (base[rng.integers(0, len(base), len(some))] for _ in range(2))
        weight = 0.3 * rng.random((len(some), 1), np.float32)
        noise = rng.standard_normal(one.shape, np.float32) * spread
        some[:] = hasher.encode(one + weight * (other - one) + noise)
    if path is not None:
        np.save(path, codes)
    return codes, hasher.encode(queries)


def resident() -> int:
    """Bytes of memory that this process holds, after what is free was given back."""
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def milliseconds(find: Callable[[np.ndarray], Any], queries: np.ndarray, single: bool) -> float:
    """Median of five turns, per query, all at once or one after the other; the core's own time."""
    turns = []
    for _ in range(5):
        start = time.process_time()
        for some in queries[:, None] if single else [queries]:
            find(some)
        turns.append(1000 * (time.process_time() - start) / len(queries))
    return float(np.median(turns))


def agrees(found: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    """Every number is that of the scan."""
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1000000,3000000,10000000")
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--keep", type=Path, help="a folder for the codes that were made")
    parser.add_argument("--faiss", default="4x16", help="tables x bits, several by commas")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.rows.split(",")]
    everything, queries = made_codes(max(sizes), arguments.bits, arguments.keep)
    few = queries[:100]
    faiss.omp_set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):  # ours take the cores they may use
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(
        f"{arguments.bits} bits, {kernels.backend}, numpy {version('numpy')}, faiss-cpu "
        f"{version('faiss-cpu')}; load {os.getloadavg()[0]:.1f}\n"
    )
    print(
        "| rows | contender | build, s | bytes a row | within 2, ms | 10 nearest, ms | in batches |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    times, far = [], []
    for n in sizes:
        codes = np.ascontiguousarray(everything[:n])
        scan = hb.Scan(arguments.bits).add(codes)
        held, start = resident(), time.process_time()
        index = hb.MultiIndex(arguments.bits).add(codes)
        index.search(few[:1], K)
        seconds, held = time.process_time() - start, resident() - held
        near, nearest = scan.within(queries, RADIUS), scan.search(queries, K)
        for found, true in (
            (index.within(queries, RADIUS), near),
            (index.search(queries, K), nearest),
        ):
            for ours, theirs in zip(found, true, strict=True):
                np.testing.assert_array_equal(ours, theirs)
        for name, built, size, searcher in (
            ("Hammingbird scan", 0.0, scan.codes.nbytes + scan.ids.nbytes, scan),
            ("Hammingbird MultiIndex", seconds, held, index),
        ):
            alone, batch = (
                milliseconds(lambda q, s=searcher: s.search(q, K), some, single)
                for some, single in ((few, True), (queries, False))
            )
            radius = milliseconds(lambda q, s=searcher: s.within(q, RADIUS), few, True)
            print(
                f"| {n:,} | {name} | {built:.1f} | {size / n:.0f} | {radius:.4f} | {alone:.3f} | "
                f"{batch:.3f} |",
                flush=True,
            )
        times.append(alone)
        far.append(f"{nearest.distances[:, -1].mean():.1f}")
        del index
        for shape in arguments.faiss.split(","):
            tables, wide = map(int, shape.split("x"))
            held, start = resident(), time.process_time()
            theirs = faiss.IndexBinaryMultiHash(arguments.bits, tables, wide)
            theirs.add(codes)
            seconds, held = time.process_time() - start, resident() - held
            theirs.nflip = RADIUS // tables
            limits, _, _ = theirs.range_search(queries, RADIUS + 1)
            np.testing.assert_array_equal(limits.astype(np.int64), near.offsets)
            radius = milliseconds(lambda q, s=theirs: s.range_search(q, RADIUS + 1), few, True)
            print(
                f"| {n:,} | FAISS IndexBinaryMultiHash {shape} | {seconds:.1f} | {held / n:.0f} | "
                f"{radius:.4f} | | |",
                flush=True,
            )
            del theirs
    print(f"\nThe tenth nearest code is {', '.join(far)} bits away, on average.")
    if len(sizes) > 1:
        slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
        print(f"10 nearest, one query: time grows as rows ** {slope:.2f}")


if __name__ == "__main__":
    main()

"""`compare` on a file of 1,000,000 x 384 vectors: seconds by stage, and the most memory it held.

The vectors are made, always the same: clusters of clusters in few directions and noise in all, of
unit length. Beside them the seconds that a plain exact search takes for the same true neighbours.

    python benchmarks/million.py --folder /tmp/million --out million.json
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import hammingbird as hb
from hammingbird import kernels
from hammingbird.datasets import load

BLOCK = 50_000
GENERAL, SPECIAL = 200, 20_000
"""Clusters, and smaller clusters inside them."""


def made_file(path: Path, rows: int, width: int, kind: str) -> Path:
    """Write the vectors [rows, width], block by block, unless the file is there."""
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    spectrum = np.arange(1, width + 1) ** -0.5
    general = rng.standard_normal((GENERAL, width)) * spectrum
    special = general[rng.integers(0, GENERAL, SPECIAL)]
    special += 0.7 * rng.standard_normal((SPECIAL, width)) * spectrum
    turned = np.linalg.qr(rng.standard_normal((width, width)))[0].astype(np.float32)
    special = special.astype(np.float32)
    temporary = path.with_suffix(".part.npy")
    array = np.lib.format.open_memmap(temporary, "w+", kind, (rows, width))
    for start in range(0, rows, BLOCK):
        some = array[start : start + BLOCK]
        noise = rng.standard_normal(some.shape, np.float32)
        block = special[rng.integers(0, SPECIAL, len(some))]
        block = (block + 0.5 * noise * spectrum.astype(np.float32)) @ turned
        some[:] = block / np.linalg.norm(block, axis=1, keepdims=True)
    array.flush()
    temporary.rename(path)
    return path


class Stages(logging.Handler):
    """Adds up the seconds that `compare` logs of its stages."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = defaultdict(float)

    def emit(self, record: logging.LogRecord) -> None:
        """Take in one line: of which cell, what was done, for how long."""
        if isinstance(record.args, tuple) and len(record.args) == 3:
            _, stage, seconds = record.args
            self.seconds[str(stage)] += float(seconds)  # type: ignore[arg-type]


@contextmanager
def watched_memory() -> Iterator[dict[str, float]]:
    """Look every 50 ms at the process: GB held by itself, and with the pages of mapped files."""
    most = {"own": 0.0, "with_map": 0.0}
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            status = dict(
                line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
            )
            for name, field in (("own", "RssAnon"), ("with_map", "VmRSS")):
                most[name] = max(most[name], int(status[field].split()[0]) / 1e6)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def plain_searches(X: NDArray[np.generic], queries: NDArray[np.generic]) -> dict[str, float]:
    """Seconds of exact searches for ten neighbours in single precision, all of X in memory."""
    base, asked = np.asarray(X, np.float32), np.asarray(queries, np.float32)
    start = time.perf_counter()
    squares = np.einsum("ij,ij->i", base, base)
    for first in range(0, len(asked), 100):
        distances = squares - 2 * asked[first : first + 100] @ base.T
        np.argpartition(distances, 9, axis=1)
    seconds = {"numpy": time.perf_counter() - start}
    try:
        import faiss
    except ImportError:
        return seconds
    start = time.perf_counter()
    faiss.knn(asked, base, 10)
    return {**seconds, "faiss": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--kind", default="float16", choices=["float16", "float32"])
    parser.add_argument("--methods", default="itq,rotated-pca,pca,lsh")
    parser.add_argument("--bits", default="64,128")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--folder", type=Path, required=True, help="For the vectors and the run.")
    parser.add_argument("--plain", action="store_true", help="Time the plain searches too.")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    name = f"{args.rows}x{args.width}-{args.kind}.npy"
    vectors = load(made_file(args.folder / name, args.rows, args.width, args.kind))
    stages = Stages()
    logger = logging.getLogger("hammingbird.comparison")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(stages)
    run = args.folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    record: dict[str, object] = {"kernels": kernels.backend, **vars(args)}
    for turn in ("first", "again"):
        stages.seconds.clear()
        start = time.perf_counter()
        with watched_memory() as memory:
            hb.compare(
                vectors,
                methods=args.methods.split(","),
                bits=[int(bits) for bits in args.bits.split(",")],
                holdout=args.queries,
                sample=args.sample,
                out=run,
            )
        seconds = time.perf_counter() - start
        other = seconds - sum(stages.seconds.values())
        record[turn] = {
            "seconds": seconds,
            "stages": {**stages.seconds, "other": other},
            "gigabytes": memory,
        }
        print(f"{turn} run: {seconds:.1f} s, {memory['own']:.2f} GB of its own")
        for stage, took in sorted({**stages.seconds, "other": other}.items(), key=lambda s: -s[1]):
            print(f"  {stage:<24}{took:8.1f} s")
    if args.plain:
        record["plain"] = plain_searches(vectors.X, np.asarray(vectors.X[: args.queries]))
        for name, took in record["plain"].items():
            print(f"exact search, {name}: {took:.1f} s")
    if args.out:
        args.out.write_text(json.dumps(record, indent=1, default=str) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""The doctor on a million clustered vectors: seconds by stage and memory.

    python benchmarks/doctor.py --rows 1000000 --file /tmp/vectors.npy

Vectors are float16, of 384 dimensions: 20,000 clusters whose centres lie in 96 directions, and
around every centre a cloud of 32 directions of its cluster's group, all of unit length.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from hammingbird.datasets import load
from hammingbird.doctor import examine

WIDTH, CLUSTERS, GROUPS, BLOCK = 384, 20_000, 50, 20_000


def write_vectors(path: Path, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plane = rng.standard_normal((96, WIDTH)) / np.sqrt(WIDTH)
    strength = np.arange(1, 97) ** -0.5
    centers = ((rng.standard_normal((CLUSTERS, 96)) * strength) @ plane).astype(np.float32)
    clouds = (rng.standard_normal((GROUPS, 32, WIDTH)) / WIDTH**0.5).astype(np.float32)
    mean = rng.standard_normal(WIDTH).astype(np.float32) * 0.05
    vectors = np.lib.format.open_memmap(path, "w+", np.float16, (rows, WIDTH))
    for start in range(0, rows, BLOCK):
        n = min(BLOCK, rows - start)
        cluster = rng.integers(0, CLUSTERS, n)
        block = centers[cluster] + mean
        for group in range(GROUPS):
            members = np.flatnonzero(cluster % GROUPS == group)
            noise = rng.standard_normal((len(members), 32)).astype(np.float32)
            block[members] += 0.25 * noise @ clouds[group]
        vectors[start : start + n] = block / np.linalg.norm(block, axis=1, keepdims=True)
    vectors.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path, default=Path("runs/vectors.npy"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not args.file.exists():
        args.file.parent.mkdir(parents=True, exist_ok=True)
        write_vectors(args.file, args.rows, args.seed)
    start = time.perf_counter()

    def say(what: str) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        wall, busy = time.perf_counter() - start, time.process_time()
        print(f"{wall:6.1f} s  {busy:6.1f} s of CPU  {peak:5.2f} GB  {what}", flush=True)

    found = examine(load(args.file).X, name=str(args.file), say=say)
    say("done")
    print(found.advice)


if __name__ == "__main__":
    main()

"""The fingerprint of 1 GB, every byte of it: in memory and from a memory map.

python benchmarks/fingerprint.py --out fingerprint.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from hammingbird.storage import fingerprint_rows


def seconds(X: np.ndarray, repeats: int) -> dict[str, float]:
    """Median and range of wall time, and processor time of one run."""
    wall, used = [], []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        fingerprint_rows(X)
        wall.append(time.perf_counter() - start)
        used.append(time.process_time() - cpu)
    return {
        "median": statistics.median(wall),
        "least": min(wall),
        "most": max(wall),
        "processor": statistics.median(used),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    X = np.random.default_rng(0).standard_normal((250_000, 1000), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        np.save(path, X)
        results = {
            "gigabytes": X.nbytes / 1e9,
            "processors": len(os.sched_getaffinity(0)),
            "load": os.getloadavg()[0],
            "memory": seconds(X, arguments.repeats),
            "map": seconds(np.load(path, mmap_mode="r"), arguments.repeats),
        }
    text = json.dumps(results, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

"""Rows a second that boosted trees encode on one core, by the kernel and by LightGBM itself.

Run: python benchmarks/trees.py [columns]
"""

from __future__ import annotations

import sys
import time

import numpy as np

import hammingbird as hb
from hammingbird import kernels


def main(width: int = 1280, n_bits: int = 64, n_rows: int = 16_384) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, n_rows)
    X = (rng.standard_normal((10, width))[y] + rng.standard_normal((n_rows, width))).astype("f4")
    print(f"{n_rows:,} rows of {width} columns, {n_bits} bits, {kernels.backend}, one core")
    print("trees  depth   rows a second")
    hasher = hb.FastHash(n_bits, n_trees=1, max_rows=500, random_state=0).fit(X[:500], y[:500])
    # How fast trees are walked depends on their number and depth alone.
    for n_trees in (16, 40, 100, 200):
        for depth in (3, 4):
            nodes = (n_bits, n_trees, (1 << depth) - 1)
            hasher.columns_ = rng.integers(0, width, nodes, np.int32)
            hasher.cuts_ = rng.integers(0, 255, nodes, np.uint8)
            hasher.leaves_ = rng.standard_normal((*nodes[:2], 1 << depth), np.float32)
            start = time.process_time()  # of all threads: per core
            hasher.transform(X)
            print(f"{n_trees:5} {depth:6} {n_rows / (time.process_time() - start):15,.0f}")
    from hammingbird.classical.supervised.trees import GrowingRows

    rows = hasher._bytes(X)
    booster = GrowingRows(rows[:2000], 0).boost(np.where(y[:2000] < 5, 1.0, -1.0), 40, 4, 0.3, 1, 0)
    start = time.process_time()
    booster.predict(rows, num_threads=1)
    took = n_bits * (time.process_time() - start)
    print(f"   40      4 {n_rows / took:15,.0f}   LightGBM's own predictor, a bit at a time")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

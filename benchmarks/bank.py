"""One epoch of DPSH against the codes of all its training rows, a bank of 50,000 by default.

Random vectors of 1,280 values stand for CIFAR-10's features (cifar-2); ``--train`` takes a file
with labels instead. Prints wall and processor seconds, and the load that the machine began with.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch

from hammingbird.datasets import load
from hammingbird.deep.methods.dpsh import DPSH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", help="a file of vectors with labels")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rng = np.random.default_rng(0)
    if arguments.train:
        data = load(arguments.train)
        X, y = np.asarray(data.X[: arguments.rows], np.float32), data.y
        assert y is not None, f"{arguments.train} has no labels"
        y = y[: arguments.rows]
    else:
        X = rng.standard_normal((arguments.rows, 1280), dtype=np.float32)
        y = rng.integers(0, 10, arguments.rows)
    load_before = os.getloadavg()[0]
    hasher = DPSH(arguments.bits, epochs=1, random_state=0)
    wall, processor = time.perf_counter(), time.process_time()
    hasher.fit(X, y)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(
        f"{len(X)} rows, {arguments.bits} bits, {arguments.threads} threads: {wall:.1f} s, "
        f"{processor:.1f} s of processor, load before {load_before:.1f}"
    )


if __name__ == "__main__":
    main()

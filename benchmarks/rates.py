"""Rates of a network that is fine-tuned, by MAP of held-out training rows; no query is read.

    python benchmarks/rates.py                                              # CIFAR-10
    python benchmarks/rates.py --classes 30 --rows 2500 --held 500 --epochs 10 \\
        --trials csq:.001:.1,csq:.01:.01,hashnet:.003:.03,hashnet:.01:.01   # ImageNet-100 (Tiny)

A trial is a method, the rate of its layer, and what that is multiplied by for the network.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import hammingbird as hb
from hammingbird.datasets import load
from hammingbird.deep.mobilenet import convert
from hammingbird.papers.fine_tuned import WEIGHTS
from hammingbird.papers.places import data_file

TRIALS = (
    "mihash:.001:0,mihash:.0003:.1,mihash:.001:.1,mihash:.003:.1,mihash:.01:.01,"
    "csq:.001:.1,csq:.01:.01,csq:.01:.02"
)
BITS = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, help="of Tiny-ImageNet; CIFAR-10 without it")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--held", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--batches", default="random", choices=("random", "aware"))
    parser.add_argument("--trials", default=TRIALS)
    args = parser.parse_args()
    if args.classes is None:
        every = load(data_file("cifar10/train-00000-of-00001.parquet"))
    else:
        every = load(data_file("imagenet100-tiny/train.parquet")).take(slice(0, 10_000))
        every = every.take(np.flatnonzero(np.asarray(every.y) < args.classes))
    rows = np.random.default_rng(0).permutation(len(every.X))[: args.rows + args.held]
    some = every.take(rows)
    X, y = np.array(some.images[:], np.uint8), np.asarray(some.y)
    held, learned = slice(0, args.held), slice(args.held, None)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "mobilenetv2.safetensors"
        convert(data_file(WEIGHTS), weights)
        for trial in args.trials.split(","):
            method, rate, share = trial.split(":")
            hasher = hb.make(method, BITS, 0).set_params(
                epochs=args.epochs, batch_size=args.batch_size, learning_rate=float(rate),
                backbone_rate=float(share), batches=args.batches, precision="bfloat16",
                backbone=f"mobilenetv2:{weights}@{args.side}",
            )  # fmt: skip
            hasher.fit(X[learned], y[learned])
            measured = hb.evaluate(
                hasher.transform(X[held]), hasher.transform(X[learned]),
                n_bits=BITS, query_labels=y[held], database_labels=y[learned], metrics=["map"],
            )  # fmt: skip
            print(f"{trial}: MAP {measured['map']:.3f}", flush=True)


if __name__ == "__main__":
    main()

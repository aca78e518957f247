"""SGH against ITQ and BA: seconds to learn; asymmetric against Hamming: recall and seconds to scan.

All ratios come from one run in one process, and scans take turns. The data are 60,000 MNIST images
from the folder HAMMINGBIRD_DATA, or with --made vectors of that size, whose recall means little.

    python benchmarks/sgh.py --out sgh.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

import hammingbird as hb
from hammingbird import kernels
from hammingbird.decoder import least_squares_decoder, reconstruction_error
from hammingbird.evaluation import asymmetric_scores, evaluate, evaluate_scores
from hammingbird.papers.sources import mnist
from hammingbird.targets import nearest_vectors

STEPS = (100, 200, 400, 800)
FOUND = 100


def made():
    rng = np.random.default_rng(0)
    spread = np.geomspace(3, 0.05, 784)
    X = (rng.standard_normal((10, 784)) * spread)[rng.integers(0, 10, 61_000)]
    X = (X + rng.standard_normal(X.shape) * spread).astype(np.float32)
    return X[:60_000], X[60_000:]


def learn(hasher, X):
    start = time.perf_counter()
    hasher.fit(X)
    seconds = time.perf_counter() - start
    codes = hasher.transform(X)
    decoder = least_squares_decoder(codes, hasher.n_bits_, X, hasher.mean_)
    return hasher, seconds, reconstruction_error(codes, hasher.n_bits_, X, *decoder)


def learning(X, n_bits):
    """BA to its end; SGH at its defaults, and by the fewest steps that reach BA's error."""
    _, itq_seconds, itq_error = learn(hb.ITQ(n_bits, random_state=0), X)
    _, sgh_seconds, sgh_error = learn(hb.SGH(n_bits, random_state=0), X)
    _, ba_seconds, ba_error = learn(hb.BinaryAutoencoder(n_bits, random_state=0), X)
    for steps in STEPS:
        _, seconds, error = learn(hb.SGH(n_bits, max_iter=steps, random_state=0), X)
        if error <= ba_error:
            break
    return {
        "bits": n_bits,
        "seconds": {"itq": itq_seconds, "sgh": sgh_seconds, "ba": ba_seconds},
        "squared error": {"itq": itq_error, "sgh": sgh_error, "ba": ba_error},
        "sgh over itq": sgh_seconds / itq_seconds,
        "sgh to the error of ba": {"steps": steps, "seconds": seconds, "error": error},
        "ba over sgh at the error of ba": ba_seconds / seconds if error <= ba_error else None,
    }


def scanning(X, queries, n_bits, repeats):
    """The 100 nearest of 1,000 queries by Hamming distance, and by the queries' own scores."""
    hasher = hb.SGH(n_bits, random_state=0).fit(X)
    database, asked = hasher.transform(X), hasher.transform(queries)
    ids = nearest_vectors(queries, X, 10).ids
    weights = hasher.project(queries).astype(np.float32)
    options = {"neighbors": ids, "metrics": ("recall10@100",)}
    hamming = evaluate(asked, database, n_bits=n_bits, **options)["recall10@100"]
    scores = asymmetric_scores(weights, database, n_bits)
    asymmetric = evaluate_scores(scores, len(X), **options)["recall10@100"]
    decoded = hasher.scores(queries, database, "l2")
    l2 = evaluate_scores(lambda a, b: decoded[a:b], len(X), **options)["recall10@100"]
    seconds = {"hamming": [], "asymmetric": []}
    for _ in range(repeats):
        start = time.perf_counter()
        kernels.nearest(asked, database, FOUND)
        middle = time.perf_counter()
        kernels.best(weights, database, n_bits, FOUND)
        seconds["hamming"].append(middle - start)
        seconds["asymmetric"].append(time.perf_counter() - middle)
    best = {name: min(values) for name, values in seconds.items()}
    return {
        "bits": n_bits,
        "recall10@100": {"hamming": hamming, "asymmetric": asymmetric, "l2 to decoded": l2},
        "best seconds": best,
        "asymmetric over hamming": {
            "best": best["asymmetric"] / best["hamming"],
            "median": statistics.median(np.divide(seconds["asymmetric"], seconds["hamming"])),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--made", action="store_true", help="made vectors instead of MNIST")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", choices=["learning", "scanning"])
    arguments = parser.parse_args()
    X, queries = made() if arguments.made else mnist()
    results = {"data": "made" if arguments.made else "MNIST", "kernels": kernels.backend}
    if arguments.only != "learning":
        results["scanning"] = scanning(X, queries[:1000], 32, arguments.repeats)
    if arguments.only != "scanning":
        results["learning"] = learning(X, 64)
    text = json.dumps(results, indent=1, default=float)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

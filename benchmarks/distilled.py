"""DistilledHash and ITQ without torch: seconds to fit, and the most memory it takes.

Each fit is a process of its own: Banking77's 10,003 x 384 vectors and MNIST's 60,000 x 784 from the
folder HAMMINGBIRD_DATA (with --made: made vectors of these shapes), and 1,000,000 x 384 made ones
in a file, of which 50,000 are learned from. Memory is the process's own (anonymous pages), without
those of the mapped file.

    python benchmarks/distilled.py --folder /tmp/million --out distilled.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import hammingbird as hb
from hammingbird.datasets import load
from hammingbird.papers.sources import banking77, mnist
from million import made_file, watched_memory

SHAPES = {"banking77": (10_003, 384), "mnist": (60_000, 784), "million": (1_000_000, 384)}
SECONDS = {"banking77": 20, "mnist": 75, "million": 120}
"""What a fit of 64 bits on two cores is to take at most."""
GIGABYTES = 2


def vectors(name: str, folder: Path, made: bool) -> Any:
    """A matrix in memory, or the mapped file of a million rows."""
    if made or name == "million":
        rows, width = SHAPES[name]
        path = made_file(folder / f"{rows}x{width}-float32.npy", rows, width, "float32")
        X = load(path).X
        return X if name == "million" else np.array(X)
    return (banking77 if name == "banking77" else mnist)()[0]


def fit(name: str, method: str, bits: int, folder: Path, made: bool) -> dict[str, Any]:
    """Fit once in this process."""
    X = vectors(name, folder, made)
    held = X.nbytes / 1e9 if not isinstance(X, np.memmap) else 0.0
    with watched_memory() as memory:
        start, cpu = time.perf_counter(), time.process_time()
        hb.make(method, bits, 0).fit(X)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "data": name, "shape": X.shape, "method": method, "bits": bits, "seconds": seconds,
        "cpu_seconds": cpu, "gigabytes": memory["own"], "gigabytes_of_the_vectors": held,
        "torch": "torch" in sys.modules,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="For the vectors that are made.")
    parser.add_argument("--data", default=",".join(SHAPES))
    parser.add_argument("--methods", default="distilled,itq")
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--made", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", action="store_true", help="Fit in this process; prints JSON.")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.one:
        print(json.dumps(fit(args.data, args.methods, args.bits, args.folder, args.made)))
        return
    found = []
    for name in args.data.split(","):
        if args.made or name == "million":
            vectors(name, args.folder, args.made)  # so that no fit waits for its file
        for method in args.methods.split(","):
            command = [sys.executable, __file__, "--one", "--data", name, "--methods", method]
            command += ["--bits", str(args.bits), "--folder", str(args.folder)]
            command += ["--made"] * args.made
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            record = json.loads(ran.stdout)
            found.append(record)
            wanted = f"(at most {SECONDS[name]} s, {GIGABYTES} GB)" if method == "distilled" else ""
            print(
                f"{name} {record['shape']}, {method}, {args.bits} bits: "
                f"{record['seconds']:.1f} s, {record['cpu_seconds']:.1f} s of the cores, "
                f"{record['gigabytes']:.2f} GB {wanted}",
                flush=True,
            )
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

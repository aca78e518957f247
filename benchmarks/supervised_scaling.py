"""Fit time of supervised methods without a network over the number of rows, anchors fixed.

    python benchmarks/supervised_scaling.py --out runs/supervised

learns from the first rows of CIFAR-10's features (1,280 columns, 10 classes), which
HAMMINGBIRD_DATA/cifar10 holds. It prints seconds by the clock and of all cores together (which
other work on the machine disturbs less), how the latter grow (the slope between the ends, both
on log scales: 1 is linear), and rows encoded a second; and draws the seconds.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np

import hammingbird as hb
from hammingbird.papers.sources import cifar_2_features
from hammingbird.report.axes import Line, line_panel
from hammingbird.report.canvas import save_panels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="itq-cca,splh,ksh,sdh")
    parser.add_argument("--rows", default="5000,10000,20000,50000")
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("runs/supervised"))
    arguments = parser.parse_args()
    train, *_ = cifar_2_features()
    X, y = np.asarray(train.X), np.asarray(train.y)
    rows = [int(n) for n in arguments.rows.split(",")]
    print(f"{arguments.bits} bits, {X.shape[1]} columns, load {os.getloadavg()[0]:.1f}")
    print("method      rows   clock, s   cores, s   encodes, rows a second")
    lines = []
    for name in arguments.methods.split(","):
        points = []
        for n in rows:
            clock, busy = time.perf_counter(), time.process_time()
            hasher = hb.make(name, arguments.bits, 0).fit(X[:n], y[:n])
            clock, busy = time.perf_counter() - clock, time.process_time() - busy
            start = time.process_time()
            hasher.encode(X[:5000])
            speed = 5000 / (time.process_time() - start)
            print(f"{name:8} {n:7,} {clock:10.1f} {busy:10.1f} {speed:12,.0f}", flush=True)
            points.append((n, busy))
        (first, fast), (last, slow) = points[0], points[-1]
        if last > first:
            print(f"{name:8} grows as rows^{math.log(slow / fast) / math.log(last / first):.2f}")
        lines.append(Line(name, points))
    arguments.out.mkdir(parents=True, exist_ok=True)
    title = f"{arguments.bits} bits, {X.shape[1]} columns"
    panel = line_panel(title, "rows learned from", "seconds to fit, of one core", lines)
    save_panels(arguments.out / "supervised-scaling.svg", [panel])


if __name__ == "__main__":
    main()

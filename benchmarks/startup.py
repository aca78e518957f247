"""Import, load a saved linear model, encode a row: seconds in fresh processes.

    python benchmarks/startup.py --turns 9

Beside them an interpreter that only imports NumPy, and what else was loaded. Processor time is what
a machine with other work to do is measured by.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import hammingbird as hb

TIMED = """
import json, sys, time
wall, busy = time.perf_counter(), time.process_time()
import numpy as np
{body}
seconds = time.perf_counter() - wall, time.process_time() - busy
heavy = [name for name in ("sklearn", "scipy", "torch", "matplotlib") if name in sys.modules]
print(json.dumps([*seconds, heavy]))
"""
ENCODE = """
import hammingbird as hb
hb.load({folder!r}, encode_only=True).encode(np.load({row!r}))
"""


def measured(body: str, turns: int) -> tuple[float, float, list[str]]:
    """Medians of wall and processor seconds, and the heavy packages that were loaded."""
    found = []
    for _ in range(turns + 1):  # the first one reads the files from disk
        command = [sys.executable, "-c", TIMED.format(body=body)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
    wall, busy = (statistics.median(one[i] for one in found[1:]) for i in (0, 1))
    return wall, busy, found[-1][2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--width", type=int, default=384)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, args.width)).astype(np.float32)
    y = rng.integers(0, 5, len(X))
    hashers = [hb.ITQ(128), hb.RotatedPCA(128), hb.LSH(256), hb.SGH(64, max_iter=2)]
    if find_spec("torch"):
        hashers.append(hb.MIHash(32, epochs=1))
    with tempfile.TemporaryDirectory() as folder:
        row = f"{folder}/row.npy"
        np.save(row, X[:1])
        print(f"{'':<16}{'wall':>8}{'CPU':>8}  loaded beside NumPy")
        cases = {"NumPy alone": ""}
        for hasher in hashers:
            name = type(hasher).__name__
            path = Path(folder) / name
            hasher.fit(X, y).save(path)
            cases[name] = ENCODE.format(folder=str(path), row=row)
        for name, body in cases.items():
            wall, busy, heavy = measured(body, args.turns)
            print(f"{name:<16}{wall:7.2f}s{busy:7.2f}s  {', '.join(heavy) or 'nothing'}")


if __name__ == "__main__":
    main()

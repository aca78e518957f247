"""A million local descriptors of real pictures: dense SIFT of imagenet100-tiny, uint8 [n, 128].

    pip install opencv-python-headless
    python benchmarks/descriptors.py --out runs/descriptors.npy

Every picture of 64 x 64 gives 81 patches of 24 pixels, 5 apart; patches without any gradient are
left out, and ``--rows`` of the others are drawn.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets import load
from hammingbird.papers.places import data_file

SIZE = 4
"""Of a key point: SIFT's patch is 6 times as wide."""
PLACES = range(12, 53, 5)


def described(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Descriptors [n * 81, 128] of pictures [n, 64, 64, 3]."""
    sift = cv2.SIFT.create()
    points = [cv2.KeyPoint(x, y, SIZE, 0) for x, y in product(PLACES, PLACES)]
    found = np.empty((len(pictures), len(points), 128), np.uint8)
    for picture, rows in zip(pictures, found, strict=True):
        rows[:] = sift.compute(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), points)[1]
    return found.reshape(-1, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/descriptors.npy"))
    args = parser.parse_args()
    parts = []
    for name in ("train", "query"):
        images = load(data_file(f"imagenet100-tiny/{name}.parquet")).images
        parts.append(described(np.asarray(images)))
    found = np.concatenate(parts)
    found = found[found.any(axis=1)]
    print(f"{len(found):,} patches with a gradient")
    rows = np.random.default_rng(args.seed).permutation(len(found))[: args.rows]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.save(args.out, found[np.sort(rows)])


if __name__ == "__main__":
    main()

"""Copies found among pictures: hammingbird dedup beside pHash and dHash of imagehash.

    python benchmarks/duplicates.py

takes 2,000 pictures of CIFAR-10's test part and 2,000 of Tiny-ImageNet's (the files that
HAMMINGBIRD_DATA names), and for each a copy of every kind, as files. A pair of files is right if
both come from one picture. Precision is over all pairs of originals, copies, resized and
recompressed files; recall is the share of originals that are joined with their copy of a kind.
The radius of dedup is the one that it measures itself, without knowing what is a copy; the usual
radius of the others is 10 of 64 bits, and the best is the largest at a precision of .99, which
knows the answers. With --features SPEC only bits of a network's features are measured, as
hammingbird dedup --features makes them.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from pathlib import Path

import imagehash
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from hammingbird.images.calibration import calibrate
from hammingbird.images.copies import COPIES
from hammingbird.images.describers import make_describer
from hammingbird.images.groups import Pairs, near_pairs
from hammingbird.images.reading import read_folder

SETS = {
    "CIFAR-10": ("cifar10/test-00000-of-00001.parquet", "img"),
    "Tiny-ImageNet": ("imagenet100-tiny/query.parquet", "image"),
}
ASKED = ("copied", "resized", "recompressed")
KINDS = (*ASKED, "mirrored", "colour-shifted", "watermarked", "cropped")
USUAL = 10
PRECISION = 0.99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--features")
    arguments = parser.parse_args()
    heads = ["pictures", "method", "radius", "precision", *KINDS]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for name, (file, column) in SETS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(os.environ["HAMMINGBIRD_DATA"]) / file
            write(path, column, Path(folder), arguments)
            compare(name, Path(folder), arguments.features)


def write(file: Path, column: str, folder: Path, arguments: argparse.Namespace) -> None:
    rows = pq.read_table(file, columns=[column])[column]
    rng = np.random.default_rng(arguments.seed)
    for i in rng.choice(len(rows), arguments.pictures, replace=False).tolist():
        picture = Image.open(io.BytesIO(rows[i].as_py()["bytes"])).convert("RGB")
        picture.save(folder / f"{i} original.png")
        picture.save(folder / f"{i} copied.png")
        for kind, copy in COPIES.items():
            if kind == "recompressed":  # the JPEG itself is the copy
                picture.save(folder / f"{i} {kind}.jpg", quality=40)
            else:
                copy(picture).save(folder / f"{i} {kind}.png")


def compare(name: str, folder: Path, features: str | None) -> None:
    describer = make_describer(features=features)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as memory:
        read = read_folder(folder, describer, Path(memory) / "memory")
    seconds = time.perf_counter() - start
    found = calibrate(read, describer)
    names = [file.path.stem.split(" ", 1) for file in read.files]
    of = np.array([int(number) for number, _ in names])
    kinds = np.array([kind for _, kind in names])
    asked = np.isin(kinds, ("original", *ASKED))

    def figures(pairs: Pairs, radius: int) -> list[float]:
        near = pairs.distances <= radius
        i, j = pairs.i[near], pairs.j[near]
        right = of[i] == of[j]
        both = asked[i] & asked[j]
        found = [right[both].mean() if both.any() else 1.0]
        for kind in KINDS:
            here = (kinds[i] == "original") & (kinds[j] == kind)
            here |= (kinds[j] == "original") & (kinds[i] == kind)
            found.append((right & here).sum() / (kinds == kind).sum())
        return found

    def show(method: str, pairs: Pairs, radius: int) -> None:
        cells = [name, method, str(radius), *(f"{x:.3f}" for x in figures(pairs, radius))]
        print("| " + " | ".join(cells) + " |", flush=True)

    def best(pairs: Pairs, most: int) -> int:
        """The largest radius at the precision: recall only grows with the radius."""
        return max(r for r in range(most + 1) if figures(pairs, r)[0] >= PRECISION)

    pairs = near_pairs(read.codes, read.mirrored, 90)
    method = "dedup" if features is None else "features"
    show(f"{method}, measured", pairs, found.radius)
    show(f"{method}, best", pairs, best(pairs, 90))
    for hashed in (imagehash.phash, imagehash.dhash) if features is None else ():
        pictures = (Image.open(file.path) for file in read.files)
        codes = np.packbits(np.stack([hashed(p).hash.ravel() for p in pictures]), axis=1)
        pairs = near_pairs(codes, codes, 16)  # they know no mirror images
        show(f"{hashed.__name__}, usual", pairs, USUAL)
        show(f"{hashed.__name__}, best", pairs, best(pairs, 16))
    print(f"<!-- {len(read.files):,} files read and described in {seconds:.0f} s -->", flush=True)


if __name__ == "__main__":
    main()

"""Copies found among pictures: hammingbird dedup beside pHash and dHash of imagehash.

    python benchmarks/duplicates.py

takes 2,000 pictures of CIFAR-10's test part and 2,000 of Tiny-ImageNet's (the files that
HAMMINGBIRD_DATA names), and for each a copy of every kind, as files. A pair of files is right if
both come from one picture. Precision is over all pairs of originals, copies, resized and
recompressed files; recall is the share of originals that are joined with their copy of a kind.
The radius of dedup is the one that it measures itself, without knowing what is a copy; the usual
radius of the others is 10 of 64 bits, and the best is the largest at a precision of .99, which
knows the answers.
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
from hammingbird.images.dedup import make_describer
from hammingbird.images.groups import near_pairs
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
    arguments = parser.parse_args()
    heads = ["pictures", "method", "radius", "precision", *KINDS]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for name, (file, column) in SETS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(os.environ["HAMMINGBIRD_DATA"]) / file
            write(path, column, Path(folder), arguments)
            compare(name, Path(folder))


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


def compare(name: str, folder: Path) -> None:
    describer = make_describer()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as memory:
        read = read_folder(folder, describer, Path(memory) / "memory")
    seconds = time.perf_counter() - start
    found = calibrate(read, describer)
    names = [file.path.stem.split(" ", 1) for file in read.files]
    of = np.array([int(number) for number, _ in names])
    kinds = np.array([kind for _, kind in names])
    asked = np.isin(kinds, ("original", *ASKED))

    def row(method: str, codes: np.ndarray, mirrored: np.ndarray, radius: int) -> list[float]:
        pairs = near_pairs(codes, mirrored, radius)
        right = of[pairs.i] == of[pairs.j]
        both = asked[pairs.i] & asked[pairs.j]
        precision = right[both].mean() if both.any() else 1.0
        recalls = []
        for kind in KINDS:
            of_kind = right & (
                ((kinds[pairs.i] == "original") & (kinds[pairs.j] == kind))
                | ((kinds[pairs.j] == "original") & (kinds[pairs.i] == kind))
            )
            recalls.append(of_kind.sum() / (kinds == kind).sum())
        figures = [precision, *recalls]
        if method:
            cells = [name, method, str(radius), *(f"{x:.3f}" for x in figures)]
            print("| " + " | ".join(cells) + " |", flush=True)
        return figures

    def best(codes: np.ndarray, mirrored: np.ndarray, radii: range) -> int:
        """The largest radius at the precision: recall only grows with the radius."""
        return max(
            (r for r in radii if row("", codes, mirrored, r)[0] >= PRECISION), default=radii[0]
        )

    row("dedup, measured", read.codes, read.mirrored, found.radius)
    best_radius = best(read.codes, read.mirrored, range(0, 100, 3))
    row("dedup, best", read.codes, read.mirrored, best_radius)
    for hashed in (imagehash.phash, imagehash.dhash):
        pictures = (Image.open(file.path) for file in read.files)
        bits = np.stack([hashed(picture).hash.ravel() for picture in pictures])
        codes = np.packbits(bits, axis=1)
        # They know no mirror images.
        row(f"{hashed.__name__}, usual", codes, codes, USUAL)
        row(f"{hashed.__name__}, best", codes, codes, best(codes, codes, range(17)))
    print(f"<!-- {len(read.files):,} files read and described in {seconds:.0f} s -->", flush=True)


if __name__ == "__main__":
    main()

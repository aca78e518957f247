"""How long hammingbird dedup takes for a folder of many pictures, beside decoding them.

    python benchmarks/dedup.py

writes 100,000 JPEG files of 64 to 96 pixels, in folders of a thousand: pictures of CIFAR-10 and
Tiny-ImageNet (the files that HAMMINGBIRD_DATA names), each once, then mosaics of four of them, at
sizes drawn at random, and a copy of every hundredth, recompressed. It decodes all of them with
nothing else, then lets dedup run as its command does, and again, when it knows them. Seconds are of
all cores together (CPU time), and of the wall clock; all files are in the cache of the system;
memory is the most that the process held.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from hammingbird.datasets.images import pictures_below
from hammingbird.images import find_duplicates
from hammingbird.images.descriptor import SIDE
from hammingbird.images.reading import read_picture

COPIED = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "pictures")
        start = now()
        copies = write(folder, arguments.pictures, arguments.seed)
        paths = pictures_below(folder, links=False)
        size = sum(path.stat().st_size for path in paths)
        tell(f"{len(paths):,} files of {size / 1e6:,.0f} MB, {copies:,} of them copies", start)

        start = now()
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(lambda path: read_picture(path, (SIDE, SIDE, 3))[0], paths):
                pass
        tell("decoding alone", start)
        for run in ("dedup", "dedup again"):
            start = now()
            found = find_duplicates(folder, memory=Path(place, "memory"))
            tell(f"{run}, before its page", start)
        start = now()
        found.write(Path(place, "duplicates.html"))
        tell("page, JSON and CSV", start)
        joined = sum(any("copy" in member.name for member in group) for group in found.groups)
        print(
            f"{len(found.groups):,} groups at a radius of {found.radius}, {joined:,} hold a copy; "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB of memory"
        )


def write(folder: Path, count: int, seed: int) -> int:
    """Write the files; return how many are copies."""
    rng, copies, written = np.random.default_rng(seed), 0, 0
    for i, image in enumerate(given()):
        if written >= count:
            return copies
        place = folder / f"{written // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        side = int(rng.integers(64, 97))
        large = image.resize((side, side), Image.Resampling.BICUBIC)
        large.save(place / f"{i:06}.jpg", quality=90)
        written += 1
        if i % COPIED == 0 and written < count:
            large.save(place / f"{i:06} copy.jpg", quality=60)
            written, copies = written + 1, copies + 1
    raise AssertionError


def given() -> Iterator[Image.Image]:
    small = []
    for image in single():
        yield image
        small.append(image.resize((32, 32)))
    rng = np.random.default_rng(0)
    while True:
        mosaic = Image.new("RGB", (64, 64))
        for place, row in enumerate(rng.integers(len(small), size=4)):
            mosaic.paste(small[row], (32 * (place % 2), 32 * (place // 2)))
        yield mosaic


def single() -> Iterator[Image.Image]:
    data = Path(os.environ["HAMMINGBIRD_DATA"])
    for folder, column in (("imagenet100-tiny", "image"), ("cifar10", "img")):
        for file in sorted((data / folder).glob("*.parquet")):
            for batch in pq.ParquetFile(file).iter_batches(1000, columns=[column]):
                for content in batch.column(0).field("bytes").to_pylist():
                    yield Image.open(io.BytesIO(content)).convert("RGB")


def now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def tell(what: str, start: tuple[float, float]) -> None:
    cpu, wall = (b - a for a, b in zip(start, now(), strict=True))
    print(f"{cpu:7.1f} s of CPU {wall:7.1f} s  {what}", flush=True)


if __name__ == "__main__":
    main()

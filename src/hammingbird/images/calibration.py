"""How near are pictures that are no copies? Measured on the pictures at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hammingbird import kernels
from hammingbird.codes import Codes, paired_distances
from hammingbird.datasets.images import Picture, opened
from hammingbird.errors import HammingbirdError, InputError
from hammingbird.images.copies import COPIES
from hammingbird.images.reading import Describer, Read, reduced, rgb

PAIRED = 20_000
"""Pictures whose pairs are counted at most: 200 million pairs."""
COPIED = 200
"""Pictures that copies are made of at most."""
FALSE_PAIRS = 1e-3
"""Pairs of different pictures that are joined, for every picture."""
FEWEST = 30
"""Different pictures that tell a radius."""
COPIES_LEFT = 5
"""Other pictures of the same that one picture may have, beside its sure copies."""
SURE = ("resized", "recompressed")
"""Copies that are sure to be meant."""


@dataclass(frozen=True)
class Calibration:
    """What each radius would find, and the radius that was chosen for a rate.

    ``counted`` [n_bits + 1] is the share of ``pairs`` pairs of ``different`` pictures within each
    radius; ``false_rates`` is the same down to the radius ``trusted``, and below it what follows
    from there (see :func:`continued`). ``found`` is the share of synthetic copies of each kind.
    """

    rate: float
    radius: int
    pairs: int
    different: int
    sure_radius: int
    trusted: int
    counted: NDArray[np.float64]
    false_rates: NDArray[np.float64]
    found: dict[str, NDArray[np.float64]]


def calibrate(
    read: Read, describer: Describer, rate: float | None = None, seed: int = 0
) -> Calibration:
    """Choose the largest radius at which at most ``rate`` of the pairs of different pictures lie.

    By default the rate is such that one false pair is to be expected for a thousand pictures.

    The pictures hold copies already, which are no pairs of different pictures. So one picture
    stands for all that are as near as 95 % of the synthetic resized and recompressed copies are to
    their originals; every pair of those that remain counts as different. Copies that were changed
    more are still among them, a few for a picture, so the lowest rates are not taken from counts.
    """
    if rate is None:
        rate = min(0.5, FALSE_PAIRS * 2 / max(1, len(read.files) - 1))
    if not 0 < rate < 1:
        raise InputError(f"the rate of false positives must be between 0 and 1, got {rate}")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(read.files))
    distances = copy_distances([read.files[i].path for i in chosen[: 2 * COPIED]], describer)
    n = describer.n_bits
    found = {name: _cumulated(d, n) for name, d in distances.items()}
    sure = np.sort(np.concatenate([distances[name] for name in SURE]))
    sure_radius = int(sure[int(np.ceil(0.95 * len(sure))) - 1])
    some = np.sort(chosen[:PAIRED])
    rows = some[representatives(read.codes[some], read.mirrored[some], sure_radius)]
    if len(rows) < FEWEST:
        raise InputError(
            f"{len(rows)} different pictures are too few to measure a radius, {FEWEST} are needed: "
            f"give --radius; {sure_radius} finds 95 % of resized and recompressed copies"
        )
    counted = share_within(read.codes[rows], read.mirrored[rows], n)
    trusted, false_rates = continued(counted, COPIES_LEFT / len(rows))
    allowed = np.flatnonzero(false_rates <= rate)
    radius = int(allowed[-1]) if len(allowed) else 0
    pairs = len(rows) * (len(rows) - 1) // 2
    return Calibration(
        rate, radius, pairs, len(rows), sure_radius, trusted, counted, false_rates, found
    )


def continued(counted: NDArray[np.float64], lowest: float) -> tuple[int, NDArray[np.float64]]:
    """The radius at which the share of pairs reaches ``lowest``, and shares that go on below it.

    Below, the logarithm of the share goes on as the straight line through the radii where it is
    once and three times ``lowest``. The share of pairs at random falls faster than that (as a
    normal distribution does), so the line errs towards more false positives, and a smaller radius.
    """
    first, second = (int(np.argmax(counted >= share)) for share in (lowest, 3 * lowest))
    second = max(second, first + 1)
    if second >= len(counted):
        return first, counted
    slope = np.log(counted[second] / counted[first]) / (second - first)
    below = np.arange(first)
    rates = counted.copy()
    rates[:first] = counted[first] * np.exp(slope * (below - first))
    return first, rates


def copy_distances(paths: Sequence[Path], describer: Describer) -> dict[str, NDArray[np.int64]]:
    """Distances of synthetic copies to their originals, for each kind of copy."""
    pixels: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in ("", *COPIES)}
    for path in paths:
        if len(pixels[""]) == COPIED:
            break
        try:
            with opened(path.parent, Picture(path.name, path)) as image:
                original = rgb(image, 4 * max(describer.frame[:2]))
        except HammingbirdError:  # it was there when the folder was read
            continue
        pixels[""].append(reduced(original, describer.frame))
        for name, copy in COPIES.items():
            pixels[name].append(reduced(copy(original), describer.frame))
    if not pixels[""]:
        raise InputError("no picture can be read any more")
    codes = {name: describer.describe(np.stack(some)) for name, some in pixels.items()}
    straight = np.stack(pixels[""])
    mirrored = describer.describe(np.ascontiguousarray(straight[:, :, ::-1]))
    return {
        name: np.minimum(*(paired_distances(side, codes[name]) for side in (codes[""], mirrored)))
        for name in COPIES
    }


def representatives(codes: Codes, mirrored: Codes, radius: int) -> NDArray[np.int64]:
    """Rows such that every other one is within the radius of one that comes before it."""
    kept = np.ones(len(codes), bool)
    near = [kernels.within(side, codes, radius) for side in (codes, mirrored)]
    for i in range(len(codes)):
        if kept[i]:
            for offsets, rows, _ in near:
                later = rows[offsets[i] : offsets[i + 1]]
                kept[later[later > i]] = False
    return np.flatnonzero(kept)


def share_within(codes: Codes, mirrored: Codes, n_bits: int) -> NDArray[np.float64]:
    """The share of pairs of rows within each radius, straight or mirrored [n_bits + 1].

    A pair that is within it both ways counts twice, so the share is never too small.
    """
    n = len(codes)
    counts = np.zeros(n_bits + 1)
    for side in (codes, mirrored):
        counts += kernels.histograms(side, codes, n_bits)[0].sum(axis=0, dtype=np.int64)
        own = paired_distances(side, codes)  # a row and itself are no pair
        counts -= np.bincount(own, minlength=n_bits + 1)
    rates: NDArray[np.float64] = np.minimum(np.cumsum(counts) / max(n * (n - 1), 1), 1)
    return rates


def _cumulated(distances: NDArray[np.int64], n_bits: int) -> NDArray[np.float64]:
    """The share of distances within each radius [n_bits + 1]."""
    return np.cumsum(np.bincount(distances, minlength=n_bits + 1)) / max(len(distances), 1)

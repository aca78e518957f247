"""How far what the doctor says of new vectors and of more rows can be trusted, on real data.

    python benchmarks/doctor_checks.py alarms --trials 1000
    python benchmarks/doctor_checks.py shifts
    python benchmarks/doctor_checks.py growth

`alarms`: two samples of the same held-out rows, again and again: how often are they called moved?
`shifts`: rows that really differ: recall estimated without ground truth beside recall measured.
`growth`: recall in parts of the rows, extrapolated to all of them, beside what is measured there.
Data are found through HAMMINGBIRD_DATA; codes are ITQ's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets import hold_out, load
from hammingbird.doctor.drift import LEVEL, Watch, examine_drift, permutation_test
from hammingbird.doctor.estimates import NORMAL, Estimate, extrapolate, share_kept
from hammingbird.doctor.quality import ASYMMETRIC, HAMMING, NeighborsKept
from hammingbird.doctor.trials import Bench, Trial
from hammingbird.doctor.truth import nearest_in_parts
from hammingbird.papers.places import data_file

USES = (HAMMING, ASYMMETRIC, "re-rank of 100")
QUERIES = 1000
SMALLEST = 200
"""Rows of a part that is extrapolated from."""


class Vectors(NamedTuple):
    """Rows [n, d], and labels or whatever else tells them apart, [n]."""

    X: NDArray[Any]
    y: NDArray[Any]


def banking77() -> Vectors:
    part = load(data_file("banking77/banking77_train.npz"))
    return Vectors(part.X, part.y)


def mnist() -> Vectors:
    part = load(data_file("mnist/train-images-idx3-ubyte.gz"))
    return Vectors(part.X, part.y)


def words() -> Vectors:
    """From frequent to rare."""
    X = load(data_file("word2vec/sgns71291.npz"), array="X").X
    return Vectors(X, np.argsort(np.argsort(-load_counts())))


def load_counts() -> NDArray[Any]:
    with np.load(data_file("word2vec/sgns71291.npz"), allow_pickle=False) as arrays:
        return np.asarray(arrays["count"])


def sift() -> Vectors:
    X = load(data_file("sift/sift60k_base.bvecs")).X
    return Vectors(X, np.zeros(len(X), int))


def cifar10() -> Vectors:
    part = load(data_file("cifar10/mobilenetv2_train.npz"))
    return Vectors(part.X, part.y)


SETS = {
    "banking77": banking77,
    "mnist": mnist,
    "words": words,
    "sift": sift,
    "cifar10": cifar10,
}


Sets = dict[str, Callable[[], Vectors]]


class Fitted(NamedTuple):
    """A code of some vectors, measured with held-out queries in nested parts of the others."""

    bench: Bench
    trial: Trial
    qualities: list[NeighborsKept]


def fitted(X: NDArray[Any], bits: int, fractions: tuple[int, ...], n_queries: int) -> Fitted:
    """ITQ's codes of X without the queries, and parts of the rows, the last one whole."""
    held = hold_out(X, n_queries)
    queries, database = np.asarray(X[held.queries], np.float32), np.asarray(X[held.kept])
    order = np.random.default_rng(0).permutation(len(database))
    rows = [np.sort(order[: len(database) // part]) for part in fractions]
    parts = nearest_in_parts(queries, database, NeighborsKept.depth, rows)
    qualities = [NeighborsKept(part) for part in parts]
    bench = Bench(queries, database, qualities, rows, 0)
    return Fitted(bench, bench.measure(bench.start("itq", bits)), qualities)


def alarms(sets: Sets, bits: int, trials: int, size: int) -> None:
    """Print how often rows of one kind are said to have moved."""
    print(
        f"{trials:,} trials a set, {size} old and {size} new rows, {bits} bits, level {LEVEL:.0%}"
    )
    total = 0
    for name, read in sets.items():
        X = read().X
        found = fitted(X, bits, (1,), min(5000, len(X) // 3))
        features = Watch(found.trial, found.bench.train, found.bench.queries).old_features
        rng = np.random.default_rng(0)
        count = 0
        for trial in range(trials):
            both = features[rng.permutation(len(features))[: 2 * size]]
            count += permutation_test(both[:size], both[size:], trial)[0] <= LEVEL
        total += count
        print(f"{name:<10} {interval(count, trials)}", flush=True)
    print(f"{'all':<10} {interval(total, trials * len(sets))}")


def interval(count: int, trials: int) -> str:
    """A share with Wilson's 95 % interval."""
    share, z = count / trials, NORMAL**2 / trials
    middle = (share + z / 2) / (1 + z)
    half = np.sqrt(z * share * (1 - share) + z**2 / 4) / (1 + z)
    return f"{share:.2%} [{middle - half:.2%}, {middle + half:.2%}]  ({count} of {trials:,})"


def shifted(sets: Sets) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Old vectors, and new ones of the same kind or of another."""
    rng = np.random.default_rng(0)
    for name, read in sets.items():
        X, _ = read()
        order = rng.permutation(len(X))
        yield f"{name}: rows of the same kind", X[order[2000:]], X[order[:2000]]
    for name, old, what in (
        ("banking77", lambda y: y % 2 == 0, "the other half of the intents"),
        ("mnist", lambda y: y < 5, "digits 5 to 9 after 0 to 4"),
        ("cifar10", lambda y: y < 5, "the other five classes"),
        ("words", lambda y: y < 40_000, "rare words after frequent ones"),
    ):
        if name not in sets:
            continue
        X, y = sets[name]()
        first = old(np.unique(y, return_inverse=True)[1])
        yield f"{name}: {what}", X[first], X[~first]
    yield from spoiled(sets, rng)


def spoiled(
    sets: Sets, rng: np.random.Generator
) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Old vectors, and new ones that something was done to."""
    if "mnist" in sets:
        X, _ = sets["mnist"]()
        order = rng.permutation(len(X))
        some, old = X[order[:2000]], X[order[2000:]]
        pictures = some.reshape(-1, 28, 28)
        yield "mnist: two pixels to the right", old, np.roll(pictures, 2, 2).reshape(-1, 784)
        yield "mnist: upside down", old, pictures[:, ::-1].reshape(-1, 784)
        noise = rng.normal(0, 40, some.shape)
        yield "mnist: noise", old, (some + noise).clip(0, 255).astype(np.uint8)
    if "sift" in sets:
        X, _ = sets["sift"]()
        yield "sift: half the contrast", X[2000:], X[:2000] // 2


def shifts(sets: Sets, bits: int) -> None:
    """Print recall of old queries, of new ones, and as estimated of these without ground truth."""
    print(f"{'':<44}{'p':>6}  use{'':<13}{'old':>6}{'new':>7} [95 %]      {'estimated':>10}")
    errors: list[tuple[float, float]] = []
    for what, old, new in shifted(sets):
        found = fitted(old, bits, (1,), QUERIES)
        watch = Watch(found.trial, found.bench.train, found.bench.queries)
        drift = examine_drift(what, new, watch, found.bench.database, found.qualities[-1], USES, 0)
        for recall in drift.recalls:
            errors.append(
                (recall.estimated - recall.new.value, recall.old.value - recall.new.value)
            )
            print(
                f"{what if recall.use == USES[0] else '':<44}{drift.p_value:6.3f}  "
                f"{recall.use:<16}{recall.old.value:6.3f}  {recall.new}{recall.estimated:11.3f}",
                flush=True,
            )
    off, lost = np.abs(errors).T
    print(
        f"estimates are off by {off.mean():.3f} on average, {off.max():.3f} at most; "
        f"to say that nothing changes, by {lost.mean():.3f} and {lost.max():.3f}"
    )


def growth(sets: Sets, bits: int, file: Path | None) -> None:
    """Print recall in parts, extrapolated 4, 16 and 64 times as far, and measured."""
    fractions = (256, 64, 16, 4, 1)
    print(
        f"{bits} bits; extrapolated from two parts of the rows to all\n"
        f"{'':<28}{'measured':>20}{'4 times':>22}{'16 times':>22}{'64 times':>22}"
    )
    off: list[list[float]] = [[], [], []]
    named = {name: lambda name=name: sets[name]().X for name in sets}
    if file is not None:
        named[file.stem] = lambda: load(file).X
    for name, read in named.items():
        found = fitted(read(), bits, fractions, QUERIES)
        sizes = [len(rows) for rows in found.bench.rows]
        values = found.bench.in_parts(found.trial)
        for use in USES:
            whole = share_kept(values[-1][use])
            guesses: list[Estimate | None] = []
            for i in range(3):
                stop = len(sizes) - 1 - i
                if sizes[stop - 2] < SMALLEST:
                    guesses.append(None)
                    continue
                some = [part[use] for part in values[:stop]]
                guess = extrapolate(sizes[:stop], some, sizes[-1:])[0]
                guesses.append(guess)
                off[i].append(guess.value - whole.value)
            label = f"{name}, {use}"
            print(f"{label:<28}{whole!s:>20}", *(f"{g or ''!s:>21}" for g in guesses), flush=True)
    for times, errors in zip((4, 16, 64), off, strict=True):
        if not errors:
            continue
        print(
            f"{times} times as far: off by {np.mean(np.abs(errors)):.3f} on average, "
            f"{np.abs(errors).max():.3f} at most, {np.mean(errors):+.3f} in the mean"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["alarms", "shifts", "growth"])
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--size", type=int, default=500, help="Rows of each sample in `alarms`.")
    parser.add_argument("--sets", default=",".join(SETS), help="Which data.")
    parser.add_argument("--file", type=Path, help="More vectors for `growth`.")
    args = parser.parse_args()
    chosen = {name: SETS[name] for name in args.sets.split(",")}
    if args.what == "alarms":
        alarms(chosen, args.bits, args.trials, args.size)
    elif args.what == "shifts":
        shifts(chosen, args.bits)
    else:
        growth(chosen, args.bits, args.file)


if __name__ == "__main__":
    main()

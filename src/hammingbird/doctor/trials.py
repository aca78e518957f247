"""Methods at every length: learned from some rows, compared on a part, the best measured on all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hammingbird import catalog
from hammingbird.codes import MAX_BITS, Codes
from hammingbird.doctor.estimates import Estimate, Floats, share_kept
from hammingbird.doctor.quality import BY_BITS, BY_SCORES, Quality
from hammingbird.doctor.truth import Ids
from hammingbird.hasher import Hasher


class Candidate(NamedTuple):
    """A method that learns without labels, and the lengths at which it is worth its time."""

    method: str
    shortest: float
    """Bits a dimension."""
    longest: float
    """Bits a dimension."""
    most_bits: int = MAX_BITS
    settings: tuple[tuple[str, Any], ...] = ()
    """Names and values of parameters that are not left at their defaults."""
    step: int = 1
    """Lengths are multiples of it."""

    def takes(self, bits: int, width: int) -> bool:
        """Whether it is worth its time at a length, for vectors of a width."""
        return (
            self.shortest <= bits / width <= self.longest
            and bits <= self.most_bits
            and bits % self.step == 0
        )


METHODS = (
    Candidate("rotated-pca", 0, 1),
    Candidate("itq", 0, 1, 128),
    Candidate("sgh", 0, 1, 64),
    Candidate("distilled", 0, 1, 64),
    Candidate("distilled-composite", 0, 4, 64, step=64),
    Candidate("polysemous", 0, 4, 128, step=64),
    Candidate("lsh", 1.01, MAX_BITS, settings=(("center", True),)),
)
"""With many bits ITQ gains nothing over a random rotation; SGH and distillation take minutes.

The last two are read by look-up tables."""
UNTRAINED = Candidate("sign", 0, MAX_BITS)
LENGTHS = (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
LONGEST = 2.0
"""Bits a dimension of the longest code tried."""
TRAIN_ROWS = 20_000
SCREEN_ROWS = 50_000
"""Methods are compared on the smallest part of the database with so many rows."""


@dataclass(eq=False)
class Trial:
    """One method at one length: what it learned, its codes, and what these keep."""

    method: str
    bits: int
    settings: tuple[tuple[str, Any], ...]
    hasher: Hasher
    query: Codes
    """Of the queries."""
    asked: NDArray[np.floating]
    """What the queries ask in an asymmetric search, scores or look-up tables."""
    fit_seconds: float
    train_rows: int
    codes: Codes
    """Of the whole database once the trial was measured there."""
    encode_seconds: float
    """That ``codes`` took."""
    values: dict[str, Floats]
    """Of every use one value a query, in the rows that ``codes`` are of."""
    kept: dict[str, Estimate]
    """Their means."""

    @property
    def bytes(self) -> int:
        """Bytes of a code."""
        return int(self.codes.shape[1])

    @property
    def name(self) -> str:
        """Method and bits."""
        return f"{self.method}, {self.bits} bits"

    def kept_in(self, quality: Quality, codes: Codes) -> dict[str, Floats]:
        """Of every use one value a query, in rows with these codes."""
        return quality.of_codes(self.query, self.asked, codes, self.bits)


class Bench:
    """The database, its parts and the queries that every method is tried on."""

    def __init__(
        self,
        queries: NDArray[np.float32],
        database: NDArray[Any],
        qualities: Sequence[Quality],
        rows: Sequence[Ids],
        seed: int,
    ) -> None:
        """``qualities`` and ``rows`` are those of nested parts, the last one the whole database."""
        self.queries, self.database, self.seed = queries, database, seed
        self.qualities, self.rows = qualities, rows
        rng = np.random.default_rng(seed)
        n = len(database)
        train = rng.choice(n, TRAIN_ROWS, replace=False) if n > TRAIN_ROWS else np.arange(n)
        self.train = np.asarray(database[np.sort(train)])
        self.screen = next(
            i for i, part in enumerate(rows) if len(part) >= min(SCREEN_ROWS, len(database))
        )

    def trials(self) -> Iterator[list[Trial]]:
        """For every length, shortest first, all methods in the part that they are compared on."""
        width = self.database.shape[1]
        for bits in lengths(width):
            fit = [
                self.start(candidate, bits) for candidate in METHODS if candidate.takes(bits, width)
            ]
            if fit:
                yield fit

    def untrained(self) -> Trial | None:
        """The sign of every dimension, measured; None where there are too many dimensions."""
        if self.database.shape[1] > MAX_BITS:
            return None
        return self.measure(self.start(UNTRAINED, self.database.shape[1]))

    def is_measured(self, trial: Trial) -> bool:
        """Whether a trial was made in the whole database."""
        return len(trial.codes) == len(self.database)

    def measure(self, trial: Trial) -> Trial:
        """Encode and measure the whole database, if the trial was not compared there already."""
        if not self.is_measured(trial):
            trial.codes, trial.encode_seconds = _encoded(trial.hasher, self.database)
            trial.values = trial.kept_in(self.qualities[-1], trial.codes)
            trial.kept = self._kept(trial.values, self.qualities[-1])
        return trial

    def in_parts(self, trial: Trial) -> list[dict[str, Floats]]:
        """For every part of the database, of every use one value a query, of a measured trial."""
        smaller = zip(self.qualities[:-1], self.rows[:-1], strict=True)
        return [
            *(trial.kept_in(quality, trial.codes[rows]) for quality, rows in smaller),
            trial.values,
        ]

    def start(self, candidate: Candidate, bits: int) -> Trial:
        """Learn a method and try it in the part that methods are compared on."""
        start = time.perf_counter()
        method, settings = candidate.method, candidate.settings
        hasher = catalog.make(method, bits, self.seed)
        catalog.configure(hasher, dict(settings))
        hasher.fit(self.train)
        seconds = time.perf_counter() - start
        query, asked = hasher.questions(self.queries)
        rows, quality = self.rows[self.screen], self.qualities[self.screen]
        whole = len(rows) == len(self.database)
        codes, encoded = _encoded(hasher, self.database if whole else self.database[rows])
        values = quality.of_codes(query, asked, codes, bits)
        kept = self._kept(values, quality)
        return Trial(
            method,
            bits,
            settings,
            hasher,
            query,
            asked,
            seconds,
            len(self.train),
            codes,
            encoded,
            values,
            kept,
        )

    def _kept(self, values: dict[str, Floats], quality: Quality) -> dict[str, Estimate]:
        return {use: share_kept(of, quality.ceiling) for use, of in values.items()}


def _encoded(hasher: Hasher, rows: NDArray[Any]) -> tuple[Codes, float]:
    """Codes, and the seconds that they took."""
    start = time.perf_counter()
    codes = hasher.encode(rows)
    return codes, time.perf_counter() - start


def lengths(width: int) -> list[int]:
    """Bits that are tried for vectors of this width: up to twice as many as dimensions."""
    within = [bits for bits in LENGTHS if bits <= LONGEST * width]
    return sorted({*within, width} if width <= MAX_BITS else within)


def best_of(trials: Sequence[Trial]) -> list[Trial]:
    """The trial that keeps most by its bits, on average over such uses, and that by its scores."""

    def most(uses: Sequence[str]) -> Trial:
        return max(trials, key=lambda trial: sum(trial.kept[use].value for use in uses))

    return list(dict.fromkeys(map(most, (BY_BITS, BY_SCORES))))

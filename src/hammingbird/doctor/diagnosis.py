"""What the doctor found, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hammingbird.doctor.answers import Answer, Cost
from hammingbird.doctor.drift import Drift
from hammingbird.doctor.estimates import Estimate
from hammingbird.doctor.findings import Finding
from hammingbird.doctor.growth import Growth
from hammingbird.doctor.rivals import Rival


@dataclass(frozen=True)
class Tried:
    """One method at one length, measured in the whole database or, of losers, in a part."""

    method: str
    bits: int
    bytes: int
    searched: int
    """Rows of the database it was measured in."""
    kept: dict[str, Estimate]


@dataclass(frozen=True)
class Advice:
    """The code that is recommended."""

    method: str
    bits: int
    bytes: int
    use: str
    kept: Estimate
    target: float | None
    """What it keeps for sure; None if nothing reaches a target."""
    commands: list[str]


@dataclass(frozen=True)
class Diagnosis:
    """One file of vectors, and what is known of it."""

    name: str
    rows: int
    width: int
    dtype: str
    row_bytes: int
    searched: int
    """Rows of the database: all that are no query, or a sample."""
    queries: int
    seed: int
    what: str
    """What is kept, in words."""
    ceiling: float
    """What the vectors themselves reach: 1, or their MAP@100."""
    advice: Advice
    answers: list[Answer]
    costs: list[Cost]
    codes: list[Tried]
    """The best method at every length, shortest first."""
    losers: list[Tried]
    untrained: Tried | None
    rivals: list[Rival]
    growth: list[Growth]
    vectors: list[Finding]
    bits: list[Finding]
    untrained_bits: list[Finding]
    drift: Drift | None
    notes: list[str]
    machine: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; an estimate is [value, low, high]."""
        return asdict(self)

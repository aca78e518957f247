"""How what is kept falls as rows are added: measured in parts of the file, then extrapolated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hammingbird.doctor.estimates import Estimate, Floats, extrapolate, share_kept
from hammingbird.doctor.quality import Quality
from hammingbird.doctor.trials import Trial

TIMES = (10, 100)


@dataclass(frozen=True)
class Growth:
    """What one code keeps in one use as rows grow."""

    method: str
    bits: int
    use: str
    sizes: list[int]
    measured: list[Estimate]
    later_sizes: list[int]
    extrapolated: list[Estimate]
    check: float | None
    """What the smaller parts, extrapolated, said of the whole that was measured."""


def grow(
    trial: Trial,
    use: str,
    qualities: Sequence[Quality],
    parts: Sequence[dict[str, Floats]],
    file_rows: int,
) -> Growth:
    """Follow one use of a code that was measured in ``parts``; the file may have more rows."""
    sizes = [part_rows(quality) for quality in qualities]
    values = [part[use] for part in parts]
    above = [q.ceiling for q in qualities if q.ceiling is not None]
    ceiling = above if len(above) == len(qualities) else None
    measured = [share_kept(v, q.ceiling) for v, q in zip(values, qualities, strict=True)]
    sampled = [file_rows] if file_rows > 2 * sizes[-1] else []
    later = [*sampled, *(file_rows * times for times in TIMES)]
    found = extrapolate(sizes, values, later, ceiling) if len(sizes) > 1 else []
    check = None
    if len(sizes) > 2:
        smaller = None if ceiling is None else ceiling[:-1]
        check = extrapolate(sizes[:-1], values[:-1], sizes[-1:], smaller)[0].value
    return Growth(
        trial.method,
        trial.bits,
        use,
        sizes,
        measured,
        later if found else [],
        found,
        check,
    )


def part_rows(quality: Quality) -> int:
    """Rows of the part that a quality is about."""
    return len(quality.part.rows)

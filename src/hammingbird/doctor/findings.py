"""What was looked at, what was seen, and what to do about it: one sentence each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One check of vectors or codes."""

    name: str
    seen: str
    """A sentence with the figure."""
    advice: str = ""
    """What to do; empty where all is well."""
    value: float | None = None
    """The figure alone."""

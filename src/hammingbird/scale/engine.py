"""What runs the same function over all parts; the results come in the order of the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from hammingbird.scale.parts import Part

Job = TypeVar("Job")
Result = TypeVar("Result")


class Engine(Protocol):
    """Calls ``function(job, part)`` for all parts, anywhere; the first error stops it."""

    def map(
        self, function: Callable[[Job, Part], Result], job: Job, parts: Iterable[Part]
    ) -> Iterator[Result]:
        """Yield the results in the order of the parts."""
        ...


class InProcess:
    """One part after the other, here."""

    def map(
        self, function: Callable[[Job, Part], Result], job: Job, parts: Iterable[Part]
    ) -> Iterator[Result]:
        """Yield the results in the order of the parts."""
        for part in parts:
            yield function(job, part)

"""What users would take instead of binary codes, to be compared at the same bytes a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from hammingbird.errors import InputError, MissingExtraError
from hammingbird.rivals.floats import Float16, Int8, Truncated
from hammingbird.rivals.quantizers import OPQ, PQ, Residual
from hammingbird.rivals.rabitq import RaBitQ
from hammingbird.rivals.rival import Rival

__all__ = ["RIVALS", "Kind", "Rival", "choose"]


@dataclass(frozen=True)
class Kind:
    """One row of the table of rivals."""

    make: Callable[[int, int], Rival]
    """From bytes a row and a seed."""
    about: str
    sized: bool = True
    """Whether the bytes can be chosen; else each row takes what its width makes it take."""
    random: bool = True
    """Whether the seed decides anything."""
    library: str = ""
    """What must be installed, an extra of the same name."""


RIVALS = {
    "pq": Kind(PQ, "product quantization, 256 centres for each byte (FAISS)", library="faiss"),
    "opq": Kind(OPQ, "product quantization after a learned rotation (FAISS)", library="faiss"),
    "rq": Kind(
        Residual, "residual quantizer, 256 vectors for each byte, added up (FAISS)", library="faiss"
    ),
    "rabitq": Kind(RaBitQ, "signs of rotated components, and two floats more a row"),
    "truncate": Kind(Truncated, "leading principal components, a byte each", random=False),
    "int8": Kind(Int8, "a byte a dimension", sized=False, random=False),
    "float16": Kind(Float16, "two bytes a dimension", sized=False, random=False),
}
"""Every rival by name."""


def choose(names: Sequence[str]) -> dict[str, Kind]:
    """Return rivals by name (case does not matter), or say what there is or what is missing."""
    chosen = {}
    for name in names:
        key = name.strip().lower()
        if key not in RIVALS:
            raise InputError(f"no rival is called {name!r}: choose from {', '.join(RIVALS)}")
        chosen[key] = kind = RIVALS[key]
        if kind.library and find_spec(kind.library) is None:
            raise MissingExtraError(kind.library, kind.library)
    return chosen

"""Figures and tables of the papers and of this library: ``hammingbird reproduce NAME``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hammingbird.comparison.code import CODES, MEASURES, code_fingerprint
from hammingbird.errors import HammingbirdError, InputError
from hammingbird.papers.places import MissingDataError, data_listing
from hammingbird.papers.quick import RULE
from hammingbird.papers.results import RESULTS
from hammingbird.storage import package_version, write_json

__all__ = ["RESULTS", "Outcome", "reproduce", "reproduce_all"]


QUICK = "quick"
MADE_OF = "made of"


def reproduce(
    name: str,
    out: str | os.PathLike[str],
    seeds: Sequence[int] | None = None,
    *,
    quick: bool = False,
) -> dict[str, Any]:
    """Make one result; write ``<name>.json`` and its plots into ``out``, and return the JSON.

    ``seeds`` are those of a table, three if left out; figures have one of their own. ``quick``
    makes the shorter form, by the rule of :mod:`hammingbird.papers.quick`, where there is one; the
    JSON says so.
    """
    if name not in RESULTS:
        raise InputError(f"no result is called {name!r}: choose from {', '.join(RESULTS)}")
    result = RESULTS[name]
    module, maker = result.path.split(":")
    make = getattr(import_module(f"{__name__}.{module}"), maker)
    out = Path(out)
    takes = signature(make).parameters
    if seeds is not None and "seeds" not in takes:
        raise InputError(f"{name} has a seed of its own: leave the seeds out")
    arguments: dict[str, Any] = {} if seeds is None else {"seeds": seeds}
    said = {}
    if quick and QUICK in takes:
        arguments[QUICK], said = True, {QUICK: RULE}
    began = time.perf_counter()
    content = {**make(out, **arguments), "seconds": round(time.perf_counter() - began, 1)}
    content = {
        "name": name,
        "paper": result.paper,
        "summary": result.summary,
        "protocol": result.protocol,
        "hammingbird": package_version(),
        MADE_OF: _made_of(seeds, quick),
        **said,
        **content,
    }
    write_json(out / f"{name}.json", content)
    return content


class Outcome(NamedTuple):
    """What became of one result."""

    name: str
    state: Literal["made", "kept", "no data", "failed"]
    minutes: float
    """That it took, now or when it was made."""
    why: str = ""
    """What is missing, or what went wrong."""


def reproduce_all(
    out: str | os.PathLike[str], names: Sequence[str] = (), *, quick: bool = False
) -> Iterator[Outcome]:
    """Make every result, or those named, and say after each what became of it.

    What lies in ``out`` and was made in the same form, by the same code, from a data folder with
    the same files is kept; where data are missing, or a method fails, the next result follows.
    """
    for name in names or RESULTS:
        kept = _kept(Path(out) / f"{name}.json", _made_of(None, quick))
        if kept is not None:
            yield Outcome(name, "kept", kept["seconds"] / 60)
            continue
        began = time.perf_counter()
        state: Literal["made", "no data", "failed"] = "made"
        why = ""
        try:
            reproduce(name, out, quick=quick)
        except MissingDataError as error:
            state, why = "no data", str(error)
        except HammingbirdError as error:
            state, why = "failed", str(error)
        yield Outcome(name, state, (time.perf_counter() - began) / 60, why)


def _kept(path: Path, made_of: dict[str, Any]) -> dict[str, Any] | None:
    """What an earlier run wrote, if it was made of the same."""
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if content.get(MADE_OF) == made_of else None


def _made_of(seeds: Sequence[int] | None, quick: bool) -> dict[str, Any]:
    """What must be the same for a result to be kept."""
    asked = {"seeds": None if seeds is None else list(seeds), QUICK: quick}
    return {
        **asked,
        "code": code_fingerprint(*CODES, *MEASURES, "classical", "deep", "datasets", "papers"),
        "data": data_listing(),
    }

"""Figures and tables of the papers and of this library: ``hammingbird reproduce NAME``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from hammingbird.errors import InputError
from hammingbird.papers.results import RESULTS
from hammingbird.storage import package_version, write_json

__all__ = ["RESULTS", "reproduce"]


def reproduce(
    name: str, out: str | os.PathLike[str], seeds: Sequence[int] | None = None
) -> dict[str, Any]:
    """Make one result; write ``<name>.json`` and its plots into ``out``, and return the JSON.

    ``seeds`` are those of a table, three if left out; figures have one of their own.
    """
    if name not in RESULTS:
        raise InputError(f"no result is called {name!r}: choose from {', '.join(RESULTS)}")
    result = RESULTS[name]
    module, maker = result.path.split(":")
    make = getattr(import_module(f"{__name__}.{module}"), maker)
    out = Path(out)
    arguments = {} if seeds is None else {"seeds": seeds}
    if not arguments.keys() <= signature(make).parameters.keys():
        raise InputError(f"{name} has a seed of its own: leave the seeds out")
    began = time.perf_counter()
    content = {**make(out, **arguments), "seconds": round(time.perf_counter() - began, 1)}
    content = {
        "name": name,
        "paper": result.paper,
        "summary": result.summary,
        "protocol": result.protocol,
        "hammingbird": package_version(),
        **content,
    }
    write_json(out / f"{name}.json", content)
    return content

"""Rivals beside the methods: other codes of as many bytes, on the same queries."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from hammingbird import rivals
from hammingbird.codes import n_bytes
from hammingbird.comparison.code import CODES, MEASURES, code_fingerprint
from hammingbird.comparison.measure import measure_scores
from hammingbird.comparison.progress import Progress
from hammingbird.comparison.task import Task
from hammingbird.errors import InputError
from hammingbird.storage import read_manifest, write_manifest


@dataclass(frozen=True)
class Beside:
    """One rival at one size with one seed."""

    method: str
    bits: int | None
    """Those of the code that it stands beside; None where its size cannot be chosen."""
    seed: int

    @property
    def name(self) -> str:
        """As a cell's."""
        return "-".join(str(part) for part in astuple(self) if part is not None)

    def make(self) -> rivals.Rival:
        """Build the rival."""
        return rivals.RIVALS[self.method].make((self.bits or 0) // 8, self.seed)


def plan_rivals(names: Sequence[str], bits: Sequence[int], seeds: Sequence[int]) -> list[Beside]:
    """Every rival at the bytes of every code length; those of a fixed size once."""
    sizes: list[int | None] = list(dict.fromkeys(8 * n_bytes(length) for length in bits))
    return [
        Beside(name, size, seed)
        for name, kind in rivals.choose(names).items()
        for size in (sizes if kind.sized else [None])
        for seed in (seeds if kind.random else seeds[:1])
    ]


def measured_rivals(
    out: Path,
    planned: Sequence[Beside],
    task: Task,
    names: Sequence[str],
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    """Fit, encode and measure; what an earlier run measured by the same code is taken.

    Yields records with what was measured, or ``why`` a rival could not be had.
    """
    code = code_fingerprint(*MEASURES, *CODES, "classical", "rivals")
    for beside in planned:
        with progress.part(beside.name):
            key = {"metrics": list(names), "protocol": task.protocol, "code": code}
            path = out / "measures" / f"rival-{beside.name}.json"
            found = read_manifest(path, "measures") if path.exists() else {}
            if found.get("key") != key:
                try:
                    found = _measured(task, beside.make(), names, progress)
                except InputError as error:
                    found = {"why": str(error)}
                write_manifest(path, "measures", {"key": key, **found})
            kept = {name: value for name, value in found.items() if name in FOUND}
            yield {**asdict(beside), "role": "rival", **kept}


FOUND = ("metrics", "asymmetric", "curves", "seconds", "bytes_per_item", "model_bytes", "why")


def _measured(
    task: Task, rival: rivals.Rival, names: Sequence[str], progress: Progress
) -> dict[str, Any]:
    start = time.perf_counter()
    with progress.stage("fit"):
        rival.fit(task.train.X)
    fitted = time.perf_counter()
    with progress.stage("encode"):
        codes = rival.encode(task.database.X)
    encoded = time.perf_counter()
    with progress.stage("measure"):
        scores = rival.scores(task.query.X, codes, task.measure)
        measures = measure_scores(task, scores, names)
    return {
        **measures,
        "seconds": {"fit": fitted - start, "encode": encoded - fitted},
        "bytes_per_item": rival.bytes_per_item,
        "model_bytes": rival.model_bytes,
    }

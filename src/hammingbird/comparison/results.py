"""``results.json`` and ``results.csv``, a record per method, bits and seed; their averages."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal, NamedTuple

from hammingbird.errors import FileError
from hammingbird.storage import package_version, replacing, write_json

SCHEMA = 1
Role = Literal["method", "rival", "floor", "ceiling"]
Record = dict[str, Any]


def write_results(
    out: Path,
    data: dict[str, Any],
    protocol: dict[str, Any],
    records: list[Record],
    skipped: list[Record],
    curves: list[Record],
) -> dict[str, Any]:
    """Write ``curves.json``, which holds all, then both files; return the results."""
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "hammingbird": package_version(),
        "data": data,
        "protocol": protocol,
        "records": records,
        "skipped": skipped,
    }
    # Results and curves become visible together: whoever draws reads one file.
    write_json(out / "curves.json", {"schema": SCHEMA, "results": results, "records": curves})
    write_json(out / "results.json", results)
    with replacing(out / "results.csv") as temporary, temporary.open("w", newline="") as stream:
        rows = [_flat(record) for record in results["records"]]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return results


def read_results(out: Path) -> tuple[dict[str, Any], list[Record]]:
    """Return what ``results.json`` holds, and the curves of its records."""
    path = out / "curves.json"
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read ({error}): compare again") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA or "results" not in content:
        raise FileError(f"{path} is of another version: compare again")
    return content["results"], content["records"]


class Value(NamedTuple):
    """The mean over seeds, and the standard deviation where there is more than one seed."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Row:
    """All seeds of one method at one code length."""

    method: str
    bits: int | None
    role: str
    """``method``, ``rival`` (not a binary code), ``floor`` (learns nothing) or ``ceiling``."""
    seeds: int
    metrics: Mapping[str, Value]
    asymmetric: Mapping[str, Value]
    seconds: Mapping[str, Value]
    bytes_per_item: int | None
    center_distance: int | None = None
    """Least distance of two class centres, where a method has them."""
    model_bytes: int | None = None
    """What all rows of a rival share: codebooks, rotation, mean."""

    def mean(self, metric: str) -> float | None:
        """The mean of a metric, or None where it was not measured."""
        value = self.metrics.get(metric)
        return None if value is None else value.mean

    @property
    def name(self) -> str:
        """``itq, 32 bits``."""
        return self.method if self.bits is None else f"{self.method}, {self.bits} bits"


def average(results: Mapping[str, Any]) -> list[Row]:
    """Return one row per method and code length, in the order of their first record."""
    cells: dict[tuple[str, int | None], list[Mapping[str, Any]]] = {}
    for record in results.get("records", []):
        cells.setdefault((str(record["method"]), record.get("bits")), []).append(record)
    return [
        Row(
            method,
            bits,
            records[0].get("role", "method"),
            len(records),
            _average(record.get("metrics") for record in records),
            _average(record.get("asymmetric") for record in records),
            _average(record.get("seconds") for record in records),
            records[0].get("bytes_per_item"),
            records[0].get("center_distance"),
            records[0].get("model_bytes"),
        )
        for (method, bits), records in cells.items()
    ]


def _average(found: Iterable[Mapping[str, Any] | None]) -> dict[str, Value]:
    values: dict[str, list[float]] = {}
    for measured in found:
        for name, value in (measured or {}).items():
            if isinstance(value, int | float) and math.isfinite(value):
                values.setdefault(name, []).append(float(value))
    return {
        name: Value(fmean(seeds), stdev(seeds) if len(seeds) > 1 else None)
        for name, seeds in values.items()
    }


def code_lengths(rows: Sequence[Row]) -> list[int]:
    """Code lengths that were compared: those of the methods, or of all rows if there is none."""
    compared = [row for row in rows if row.role == "method"] or rows
    return sorted({row.bits for row in compared if row.bits is not None})


def stands_alone(row: Row, lengths: Sequence[int]) -> bool:
    """Whether a row belongs to no code length: float vectors, or the sign of each dimension."""
    return row.bits is None or (row.role != "method" and row.bits not in lengths)


def recall_names(rows: Sequence[Row]) -> list[str]:
    """Every ``recallK@N`` that was measured, shortest list first; ``recall10@10`` if none was."""
    measured = {name for row in rows for name in row.metrics}
    found = [match for name in measured if (match := re.fullmatch(r"recall(\d+)@(\d+)", name))]
    found.sort(key=lambda match: (int(match[2]), int(match[1])))
    return [match[0] for match in found] or ["recall10@10"]


def by_labels(results: Mapping[str, Any]) -> bool:
    """Whether labels say what is relevant, not the nearest float vectors."""
    protocol = results.get("protocol", {})
    return "label" in f"{protocol.get('rule')} {protocol.get('relevance')}"


def _flat(record: Record) -> Record:
    flat = {name: record[name] for name in ("method", "bits", "seed", "role", "bytes_per_item")}
    flat |= {name: record[name] for name in ("center_distance", "model_bytes") if name in record}
    flat |= {f"seconds_{name}": value for name, value in record["seconds"].items()}
    flat |= record["metrics"]
    return flat | {f"asymmetric_{name}": value for name, value in record["asymmetric"].items()}

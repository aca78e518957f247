"""``results.json`` and ``results.csv``: one record per method, bits and seed."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from hammingbird.storage import package_version, replacing, write_json

SCHEMA = 1
Role = Literal["method", "floor", "ceiling"]
Record = dict[str, Any]


def write_results(
    out: Path,
    data: dict[str, Any],
    protocol: dict[str, Any],
    records: list[Record],
    skipped: list[Record],
) -> dict[str, Any]:
    """Write both files and return what ``results.json`` holds."""
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "hammingbird": package_version(),
        "data": data,
        "protocol": protocol,
        "records": records,
        "skipped": skipped,
    }
    write_json(out / "results.json", results)
    with replacing(out / "results.csv") as temporary, temporary.open("w", newline="") as stream:
        rows = [_flat(record) for record in results["records"]]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return results


def averages(results: dict[str, Any]) -> list[Record]:
    """One record per method and bits, averaged over seeds; in the order of the records."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in results["records"]:
        groups.setdefault((record["method"], record["bits"]), []).append(record)
    return [
        {
            **same[0],
            "seeds": len(same),
            **{
                part: _mean_of(record[part] for record in same)
                for part in ("metrics", "asymmetric", "seconds")
            },
        }
        for same in groups.values()
    ]


def _mean_of(values: Iterable[dict[str, float]]) -> dict[str, float]:
    rows = list(values)
    return {
        name: fmean(row[name] for row in rows) for name in rows[0] if all(name in r for r in rows)
    }


def _flat(record: Record) -> Record:
    flat = {name: record[name] for name in ("method", "bits", "seed", "role", "bytes_per_item")}
    if "center_distance" in record:
        flat["center_distance"] = record["center_distance"]
    flat |= {f"seconds_{name}": value for name, value in record["seconds"].items()}
    flat |= record["metrics"]
    return flat | {f"asymmetric_{name}": value for name, value in record["asymmetric"].items()}

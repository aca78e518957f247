"""Codes that are read twice, as bits and by tables, beside what users would take instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hammingbird.comparison.results import Row, average
from hammingbird.comparison.run import compare
from hammingbird.papers.distilled import sets
from hammingbird.papers.markdown import write_table
from hammingbird.papers.quick import ends, fewer_rows

METRICS = ("recall10@10", "recall10@100")
METHODS = ("itq", "distilled", "polysemous", "distilled-composite")
RIVALS = ("pq", "opq", "rq", "rabitq", "truncate", "int8")
BYTES = (4, 8, 16, 32)
SEEDS = (0, 1, 2)


def read_twice(
    out: Path, seeds: Sequence[int] | None = None, *, quick: bool = False
) -> dict[str, Any]:
    """Neighbours kept by Hamming distance and by tables at 4 to 32 bytes, rivals beside them.

    Writes ``read-twice.md``. Where a method cannot give so many bits there is no record.
    """
    seeds = seeds or SEEDS
    sizes, seeds = (ends(BYTES), seeds[:1]) if quick else (BYTES, seeds)
    records: list[dict[str, Any]] = []
    for whole, query in sets():
        results = compare(
            fewer_rows((whole, query, whole))[0] if quick else whole,
            query,
            whole,
            methods=METHODS,
            bits=[8 * size for size in sizes],
            seeds=seeds,
            relevance="neighbors:10",
            out=out / "runs" / f"{whole.name}-read-twice",
            metrics=METRICS,
            rivals=RIVALS,
        )
        rows = [row for row in average(results) if row.role != "floor" and row.bytes_per_item]
        records += [_record(whole.name, row) for row in rows if row.role != "ceiling"]
    lines = _lines(records, sizes)
    write_table(out / "read-twice.md", list(lines[0]), [list(line.values()) for line in lines])
    return {"metrics": METRICS, "seeds": len(seeds), "records": records, "table": lines}


def _record(data: str, row: Row) -> dict[str, Any]:
    """What a row keeps by Hamming distance, which rivals have not, and by its better reading."""
    ours = row.role == "method"
    kept = row.asymmetric if ours else row.metrics
    return {
        "data": data,
        "method": row.method,
        "bytes": row.bytes_per_item,
        "bits": row.bits,
        "hamming": {m: row.metrics[m].mean for m in METRICS} if ours else None,
        "tables": {m: kept[m].mean for m in METRICS},
        "deviation": kept[METRICS[0]].deviation,
        "model bytes": row.model_bytes,
        "seconds": {k: v.mean for k, v in row.seconds.items()},
    }


def _lines(records: list[dict[str, Any]], sizes: Sequence[int]) -> list[dict[str, str]]:
    """Recall 10@10 / 10@100 per data, method, reading and size; others at their own size."""
    lines = []
    for data in dict.fromkeys(r["data"] for r in records):
        here = [r for r in records if r["data"] == data]
        for method in dict.fromkeys(r["method"] for r in here):
            for reading in ("hamming", "tables"):
                found = {
                    r["bytes"]: " / ".join(f"{r[reading][m]:.3f}" for m in METRICS)
                    for r in here
                    if r["method"] == method and r[reading]
                }
                if not found:
                    continue
                cells = {f"{size} bytes": found.pop(size, "") for size in sizes}
                others = "; ".join(f"{size:,} bytes: {text}" for size, text in found.items())
                line = {"data": data, "method": method, "read by": reading}
                lines.append({**line, **cells, "its own size": others})
    return lines

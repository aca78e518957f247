"""Codes that are read twice, as bits and by tables, beside what users would take instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hammingbird import rivals
from hammingbird.comparison.results import Record, Row, average
from hammingbird.comparison.run import compare
from hammingbird.papers.distilled import sets, sets_apart
from hammingbird.papers.markdown import write_table
from hammingbird.papers.published import Parts
from hammingbird.papers.quick import ends, fewer_rows

METRICS = ("recall10@10", "recall10@100")
METHODS = ("itq", "distilled", "polysemous", "distilled-composite")
RIVALS = ("pq", "opq", "rq", "rabitq", "truncate", "int8")
SLOW = ("distilled-composite", "rq")
"""At the largest size, and of wide vectors from 16 bytes on, they learn with the first seed only:
there a fit takes over two minutes."""
WIDE = 512
BYTES = (4, 8, 16, 32)
BYTES_APART = (8,)
SEEDS = (0, 1, 2)


def read_twice(
    out: Path, seeds: Sequence[int] | None = None, *, quick: bool = False
) -> dict[str, Any]:
    """Neighbours kept by Hamming distance and by tables at 4 to 32 bytes, rivals beside them.

    Writes ``read-twice.md``. Where a method cannot give so many bits there is no record.
    """
    sizes, seeds = _shorter(BYTES, seeds or SEEDS, quick)
    given: list[Parts] = [(whole, query, whole) for whole, query in sets()]
    return _beside(given, out, "read-twice", sizes, seeds, quick)


def apart(out: Path, seeds: Sequence[int] | None = None, *, quick: bool = False) -> dict[str, Any]:
    """The same where other rows are learned from than are searched; writes its own table."""
    sizes, seeds = _shorter(BYTES_APART, seeds or SEEDS[:1], quick)
    return _beside(sets_apart(), out, "read-twice-apart", sizes, seeds, quick)


def _shorter(
    sizes: Sequence[int], seeds: Sequence[int], quick: bool
) -> tuple[Sequence[int], Sequence[int]]:
    return (ends(sizes), seeds[:1]) if quick else (sizes, seeds)


def _beside(
    given: Sequence[Parts],
    out: Path,
    name: str,
    sizes: Sequence[int],
    seeds: Sequence[int],
    quick: bool,
) -> dict[str, Any]:
    records: list[dict[str, Any]] = []
    for parts in given:
        data = parts[2].name
        train, query, database = fewer_rows(parts) if quick else parts
        found: list[Record] = []
        for methods, beside, lengths, drawn in _runs(sizes, seeds, train.X.shape[1]):
            results = compare(
                train,
                query,
                database,
                methods=methods,
                bits=[8 * size for size in lengths],
                seeds=drawn,
                relevance="neighbors:10",
                out=out / "runs" / f"{data}-{name}",
                metrics=METRICS,
                rivals=beside,
            )
            found = results["records"] + found
        rows = [row for row in average({"records": found}) if row.bytes_per_item]
        records += [_record(data, row) for row in rows if row.role not in ("floor", "ceiling")]
    lines = _lines(records, sizes)
    write_table(out / f"{name}.md", list(lines[0]), [list(line.values()) for line in lines])
    return {"metrics": METRICS, "seeds": len(seeds), "records": records, "table": lines}


def _runs(
    sizes: Sequence[int], seeds: Sequence[int], width: int
) -> list[tuple[Sequence[str], Sequence[str], Sequence[int], Sequence[int]]]:
    """Methods, rivals, sizes and seeds of each run of one folder; the last holds every method."""
    first = (METHODS, RIVALS, sizes, seeds[:1])
    short = [size for size in sizes if size < (16 if width > WIDE else max(BYTES))]
    drawn = [name for name in RIVALS if rivals.RIVALS[name].random]
    further = [
        (
            [name for name in METHODS if (name in SLOW) == slow],
            [name for name in drawn if (name in SLOW) == slow],
            short if slow else sizes,
            seeds[1:],
        )
        for slow in (False, True)
    ]
    return [*(run for run in further if run[0] and run[2] and run[3]), first]


def _record(data: str, row: Row) -> dict[str, Any]:
    """What a row keeps by Hamming distance, which rivals have not, and by its better reading."""
    ours = row.role == "method"
    kept = row.asymmetric if ours else row.metrics
    return {
        "data": data,
        "method": row.method,
        "bytes": row.bytes_per_item,
        "bits": row.bits,
        "seeds": row.seeds,
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
                    r["bytes"]: " / ".join(f"{r[reading][m]:.3f}".lstrip("0") for m in METRICS)
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

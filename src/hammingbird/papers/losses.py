"""The loss before and after the sign over the training (HashNet, Figure 7)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hammingbird.papers.hashnet import IMAGENET100, VARIANTS
from hammingbird.papers.sources import imagenet100_features
from hammingbird.papers.tables import SEEDS, Row, Table
from hammingbird.report.axes import Line, line_panel
from hammingbird.report.canvas import save_panels

STEEP = Table(
    "hashnet-steep",
    imagenet100_features,
    "ImageNet-100, AlexNet",
    "map@1000",
    (64,),
    (Row("hashnet", None, {"steepest": 1024.0}),),
)
SHOWN: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (VARIANTS, ("hashnet", "hashnet-sgn")),
    (IMAGENET100, ("dhn",)),
    (STEEP, ("hashnet",)),
)
BITS = 64


def before_and_after_the_sign(
    out: Path, seeds: Sequence[int] = SEEDS, *, quick: bool = False
) -> dict[str, Any]:
    """Figure 7: J and L of one fixed batch per epoch, first seed, at 64 bits."""
    seeds = seeds[:1] if quick else seeds
    parts, _ = IMAGENET100.parts()
    panels, records = [], []
    histories: dict[str, list[dict[str, Any]]] = {}
    for table, methods in SHOWN:
        for rows, _, cells in (table.short() if quick else table).run(parts, out / "runs", seeds):
            labels = {row.method: row.label for row in rows if row.method in methods}
            histories |= {
                labels[cell["method"]]: cell["curves"]["training"]
                for cell in cells
                if cell["method"] in labels and (cell["bits"], cell["seed"]) == (BITS, seeds[0])
            }
    for label, history in histories.items():
        series = {
            f"{key} ({said} the sign)": [(record["epoch"], record[key]) for record in history]
            for key, said in (("J", "before"), ("L", "after"))
        }
        lines = [Line(name, points) for name, points in series.items()]
        panels.append(line_panel(label, "epoch", "loss", lines))
        last = history[-1]
        records.append({"method": label, "J": last["J"], "L": last["L"], "series": series})
    save_panels(out / "hashnet-fig7.svg", panels)
    return {"data": parts[0].name, "bits": BITS, "seed": seeds[0], "records": records}

"""Centres apart over codes near their centre, and how that goes with MAP (Lower Bound, C.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scipy.stats import spearmanr

from hammingbird import catalog
from hammingbird.evaluation import evaluate
from hammingbird.evaluation.diagnostics import class_separation
from hammingbird.papers.figures import SEED, from_zero_to_one
from hammingbird.papers.markdown import write_table
from hammingbird.papers.sources import cifar_1_features
from hammingbird.report.axes import Line, line_panel, scatter_panel
from hammingbird.report.canvas import save_panels

BITS = 32
METHODS = (
    "itq", "hashnet", "dbdh", "dsdh", "dch", "greedyhash", "mihash", "dpsh", "dtsh", "dhn",
    "csq", "hashnet_d", "dch_d", "greedyhash_d",
)  # fmt: skip
OVER_EPOCHS = ("csq", "hashnet_d")
RATIOS = ("ratio", "ratio_95")


def ratio_and_precision(out: Path) -> dict[str, Any]:
    """The ratio min D_inter / max D_intra beside MAP: over methods, and over training epochs.

    ``ratio_95`` has the 95th percentile in place of the largest distance to a centre, which one
    outlier decides. A centre is the majority of its class's codes in the database, also where a
    method has centres of its own: so that methods can be compared.
    """
    train, query, database = cifar_1_features()

    def look(hasher: Any) -> dict[str, float]:
        codes = hasher.encode(database.X)
        labels: dict[str, Any] = {"query_labels": query.y, "database_labels": database.y}
        found = class_separation(codes, labels["database_labels"], BITS)
        values = evaluate(hasher.encode(query.X), codes, n_bits=BITS, metrics=["map"], **labels)
        return {"ratio": found.ratio, "ratio_95": found.ratio_95, **values}

    methods: list[dict[str, Any]] = [
        {"method": name, **look(catalog.make(name, BITS, SEED).fit(train.X, train.y))}
        for name in METHODS
    ]
    epochs: dict[str, list[dict[str, float]]] = {}
    for name in OVER_EPOCHS:
        hasher: Any = catalog.make(name, BITS, SEED)
        hasher.fit(train.X, train.y, watch=look)
        kept = ("epoch", *RATIOS, "map")
        epochs[name] = [{k: record[k] for k in kept} for record in hasher.history_]
    looks: dict[str, list[Any]] = {"methods": methods}
    looks |= {f"epochs of {name}": found for name, found in epochs.items()}
    correlation = {
        f"over {name}": {of: _rank_correlation(records, of) for of in RATIOS}
        for name, records in looks.items()
    }
    _draw(out, methods, epochs)
    write_table(
        out / "lower-bound-ratio.md",
        ["method", "min inter / max intra", "min inter / 95 % of intra", "MAP"],
        [[m["method"], *(f"{m[k]:.3f}" for k in (*RATIOS, "map"))] for m in methods],
    )
    return {
        "data": train.name,
        "bits": BITS,
        "rank correlation": correlation,
        "methods": methods,
        "epochs": epochs,
    }


def _rank_correlation(records: list[Any], of: str) -> float:
    """Spearman's, of a ratio with MAP."""
    return float(spearmanr([r[of] for r in records], [r["map"] for r in records]).statistic)


def _draw(out: Path, methods: list[Any], epochs: dict[str, list[dict[str, float]]]) -> None:
    clouds = [Line(m["method"], [(m["ratio_95"], m["map"])]) for m in methods]
    panels = [scatter_panel("methods", "min inter / 95 % of intra", "MAP", clouds)]
    save_panels(out / "lower-bound-ratio-methods.svg", panels)
    panels = []
    for name, records in epochs.items():
        lines = [
            Line(key, [(r["epoch"], float(v)) for r, v in zip(records, values, strict=True)])
            for key in (*RATIOS, "map")
            for values in [from_zero_to_one([r[key] for r in records])]
        ]
        panels.append(line_panel(f"{name}, each from 0 to 1", "epoch", "", lines))
    save_panels(out / "lower-bound-ratio-epochs.svg", panels)

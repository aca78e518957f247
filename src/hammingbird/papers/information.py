"""Mutual information goes with average precision (MIHash, Figure 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hammingbird import catalog
from hammingbird.codes import pack
from hammingbird.evaluation import Ranking, SameLabel
from hammingbird.evaluation.average_precision import average_precision
from hammingbird.evaluation.diagnostics import mutual_information
from hammingbird.evaluation.metrics import mean
from hammingbird.papers.figures import SEED, from_zero_to_one
from hammingbird.papers.sources import cifar_1_features
from hammingbird.report.axes import Line, line_panel, scatter_panel
from hammingbird.report.canvas import save_panels

BITS = 32
QUERIES, FUNCTIONS = 100, 50


def information_and_precision(out: Path) -> dict[str, Any]:
    """Figure 2: both over the epochs of a training, and for 50 random linear functions."""
    train, query, database = cifar_1_features()
    assert query.y is not None
    assert database.y is not None
    chosen = np.random.default_rng(SEED).permutation(len(query.X))[:QUERIES]
    relevance = SameLabel(query.y, database.y)
    few = SameLabel(query.y[chosen], database.y)

    def both(asked: Any, codes: Any, rule: SameLabel) -> dict[str, float]:
        ranking = Ranking.from_codes(asked, codes, BITS, rule)
        return {
            "information": mean(mutual_information(ranking)),
            "map": mean(average_precision(ranking)),
        }

    trained: Any = catalog.make("mihash", BITS, SEED)
    trained.fit(
        train.X,
        train.y,
        watch=lambda hasher: both(hasher.encode(query.X), hasher.encode(database.X), relevance),
    )
    epochs = [
        {name: record[name] for name in ("epoch", "loss", "information", "map")}
        for record in trained.history_
    ]
    rng = np.random.default_rng(SEED)
    center = train.X.mean(axis=0)
    functions = []
    for _ in range(FUNCTIONS):
        W = rng.standard_normal((train.X.shape[1], BITS)).astype(np.float32)
        asked, codes = (pack((X - center) @ W) for X in (query.X[chosen], database.X))
        functions.append(both(asked, codes, few))
    draw(out / "mihash-fig2.svg", epochs, functions)
    found = {
        "over epochs": pearson(epochs),
        "objective and map over epochs": pearson(epochs, "loss"),
        "random functions": pearson(functions),
    }
    return {
        "data": train.name,
        "bits": BITS,
        "claimed": {"random functions": 0.98},
        "pearson": found,
        "epochs": epochs,
        "functions": functions,
    }


def pearson(records: list[dict[str, float]], of: str = "information") -> float:
    """Correlation of a value with MAP."""
    return float(np.corrcoef([r[of] for r in records], [r["map"] for r in records])[0, 1])


def draw(path: Path, epochs: list[dict[str, float]], functions: list[dict[str, float]]) -> None:
    """Draw the values over epochs, the same from 0 to 1, and a point per random function."""
    panels = []
    for title, scale in (("over epochs", np.asarray), ("from 0 to 1", from_zero_to_one)):
        lines = [
            Line(name, list(zip(range(1, len(epochs) + 1), values.tolist(), strict=True)))
            for name in ("information", "map")
            for values in [scale([record[name] for record in epochs])]
        ]
        panels.append(line_panel(title, "epoch", "", lines))
    points = [(record["information"], record["map"]) for record in functions]
    groups = [Line("random functions", points)]
    panels.append(scatter_panel("random functions", "mutual information, bits", "MAP", groups))
    save_panels(path, panels)

"""How far codes are from binary before the sign (HashNet, Figure 8); distances (MIHash, Fig. 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import catalog
from hammingbird.evaluation import Ranking, SameLabel
from hammingbird.evaluation.average_precision import average_precision
from hammingbird.evaluation.diagnostics import distance_densities
from hammingbird.evaluation.metrics import mean
from hammingbird.papers.figures import SEED, fitted
from hammingbird.papers.sources import cifar_2_features, imagenet100_features
from hammingbird.report.axes import Line, line_panel
from hammingbird.report.canvas import save_panels

BINS = 100
BITS = 64
STEEPEST = 1024
"""Beta of the last stage where HashNet's losses before and after the sign meet (Figure 7)."""
ONLINE_ROWS, ONLINE_BITS = 20_000, 32


def before_the_sign(out: Path) -> dict[str, Any]:
    """HashNet, Figure 8: absolute codes before the sign in 100 bins, roots of their frequency."""
    train, query, _ = imagenet100_features()
    lines, records = [], []
    hashers = {
        method: fitted(out, train.name, method, BITS, train.X, train.y)
        for method in ("hashnet", "hashnet-sgn", "dhn")
    }
    steep = catalog.make("hashnet", BITS, SEED).set_params(steepest=STEEPEST)
    hashers[f"hashnet steepest={STEEPEST}"] = steep.fit(train.X, train.y)
    for method, hasher in hashers.items():
        size = np.abs(hasher.relax(query.X))
        counts, edges = np.histogram(np.clip(size, 0, 1), BINS, (0, 1))
        roots = np.sqrt(counts / counts.sum())
        middles = (edges[:-1] + edges[1:]) / 2
        lines.append(Line(method, list(zip(middles.tolist(), roots.tolist(), strict=True))))
        records.append(
            {
                "method": method,
                "above .99": float(np.mean(size > 0.99)),
                "below .5": float(np.mean(size < 0.5)),
                "quantization error": float(np.mean((1 - size) ** 2)),
            }
        )
    save_panels(
        out / "hashnet-fig8.svg",
        [line_panel(f"{BITS} bits", "absolute code before the sign", "root of frequency", lines)],
    )
    return {"data": f"{train.name}, queries", "bits": BITS, "records": records}


def distances_before_and_after(out: Path) -> dict[str, Any]:
    """MIHash, Figure 3: distances of similar and other pairs, before and after 20,000 rows.

    One linear layer, every row seen once, as in the paper; before, it is random as in LSH.
    """
    train, query, _ = cifar_2_features()
    assert train.y is not None
    assert query.y is not None
    rows = np.random.default_rng(SEED).permutation(len(train.X))[:ONLINE_ROWS]
    first = fitted(out, train.name, "lsh", ONLINE_BITS, train.X[rows])
    learned = catalog.make("mihash", ONLINE_BITS, SEED).set_params(epochs=1)
    learned.fit(train.X[rows], train.y[rows])
    relevance = SameLabel(query.y, train.y)
    panels, records = [], []
    for title, hasher in (("before", first), ("after", learned)):
        asked, codes = hasher.encode(query.X), hasher.encode(train.X)
        ranking = Ranking.from_codes(asked, codes, ONLINE_BITS, relevance)
        relevant, other = distance_densities(ranking)
        lines = [Line("same class", _points(relevant)), Line("other classes", _points(other))]
        panels.append(line_panel(title, "Hamming distance", "density", lines))
        records.append(
            {
                "when": title,
                "map": mean(average_precision(ranking)),
                "shared area": float(np.minimum(relevant, other).sum()),
                "same class": relevant.tolist(),
                "other classes": other.tolist(),
            }
        )
    save_panels(out / "mihash-fig3.svg", panels)
    return {
        "data": train.name,
        "rows": ONLINE_ROWS,
        "bits": ONLINE_BITS,
        "claimed": {"map before": 0.22, "map after": 0.68},
        "records": records,
    }


def _points(density: NDArray[np.float64]) -> list[tuple[float, float]]:
    return [(float(distance), float(share)) for distance, share in enumerate(density)]

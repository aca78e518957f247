"""Codes of ten classes as points of the plane, by t-SNE (HashNet, Figure 6; MIHash, Figure 4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird.codes import hamming, unpack
from hammingbird.papers.figures import SEED, fitted
from hammingbird.papers.sources import imagenet100_features
from hammingbird.report.axes import Line, scatter_panel
from hammingbird.report.canvas import save_panels

CLASSES = 10


@dataclass(frozen=True)
class Map:
    """The queries of ten drawn classes, a panel for each method."""

    name: str
    methods: tuple[str, ...]
    bits: int
    before_sign: bool
    """Whether what stood for the bits in training is drawn, or the bits."""

    def __call__(self, out: Path) -> dict[str, Any]:
        """Fit, draw, and say how far apart the classes' codes are.

        A picture by t-SNE depends on its start; the silhouette coefficient of the Hamming
        distances (1: every code far nearer to its class than to any other; 0: not nearer) does not.
        """
        from sklearn.manifold import TSNE
        from sklearn.metrics import silhouette_score

        train, query, _ = imagenet100_features()
        assert query.y is not None
        drawn = np.sort(np.random.default_rng(SEED).permutation(np.unique(query.y))[:CLASSES])
        rows = np.flatnonzero(np.isin(query.y, drawn))
        labels = query.y[rows]
        names = [str(c) if query.classes is None else str(query.classes[c]) for c in drawn]
        panels, records = [], []
        for method in self.methods:
            hasher = fitted(out, train.name, method, self.bits, train.X, train.y)
            codes = hasher.encode(query.X[rows])
            values = (
                hasher.relax(query.X[rows])
                if self.before_sign
                else unpack(codes, self.bits).astype(np.float32)
            )
            places = TSNE(init="pca", random_state=SEED).fit_transform(values)
            groups = [
                Line(name, [(float(x), float(y)) for x, y in places[labels == c]])
                for c, name in zip(drawn, names, strict=True)
            ]
            panels.append(scatter_panel(f"{method}, {self.bits} bits", "", "", groups))
            apart = silhouette_score(hamming(codes, codes), labels, metric="precomputed")
            records.append({"method": method, "silhouette": float(apart)})
        save_panels(out / f"{self.name}.svg", panels)
        return {
            "data": f"{train.name}, the {len(rows)} queries of {CLASSES} classes",
            "classes": names,
            "bits": self.bits,
            "records": records,
        }


HASHNET = Map("hashnet-fig6", ("hashnet", "dhn"), 64, before_sign=True)
MIHASH = Map("mihash-fig4", ("mihash", "hashnet"), 48, before_sign=False)

"""The first ten pictures that methods find (HashNet, Figure 5; MIHash, Figure 5)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import kernels
from hammingbird.papers.figures import SEED, fitted
from hammingbird.papers.sources import imagenet100_pictures, tiny_imagenet100
from hammingbird.report.pictures import framed, save_picture

QUERIES, RESULTS = 6, 10


@dataclass(frozen=True)
class Retrieved:
    """For each of a few drawn queries a row of pictures per method, hits and misses framed."""

    name: str
    methods: tuple[str, ...]
    bits: int

    def __call__(self, out: Path) -> dict[str, Any]:
        """Write one PNG file; return the precision of the first ten, over all queries.

        Queries are searched among each other: they have pictures, and were not learned from.
        """
        train, query, _ = tiny_imagenet100()
        pictures = imagenet100_pictures()
        assert query.y is not None
        rows = np.arange(len(query.X))
        chosen = np.sort(np.random.default_rng(SEED).permutation(rows)[:QUERIES])
        strips: list[list[NDArray[np.uint8]]] = [[] for _ in chosen]
        records = []
        for method in self.methods:
            hasher = fitted(out, train.name, method, self.bits, train.X, train.y)
            codes = hasher.encode(query.X)
            near, _ = kernels.nearest(codes, codes, RESULTS + 1)
            others = near != rows[:, None]
            others[others.all(axis=1), -1] = False  # its own row comes after other equal codes
            found = near[others].reshape(-1, RESULTS)
            correct = query.y[:, None] == query.y[found]
            records.append({"method": method, "precision@10": float(correct.mean())})
            for strip, row in zip(strips, chosen, strict=True):
                strip.append(framed(pictures[row], pictures[found[row]], correct[row]))
        save_picture(out / f"{self.name}.png", np.concatenate([np.concatenate(s) for s in strips]))
        return {
            "data": f"{train.name}, {len(query.X):,} queries among each other",
            "bits": self.bits,
            "queries": chosen.tolist(),
            "rows": [f"query {row}, {method}" for row in chosen for method in self.methods],
            "records": records,
        }


HASHNET = Retrieved("hashnet-fig5", ("hashnet", "dhn"), 64)
MIHASH = Retrieved("mihash-fig5", ("mihash", "hashnet"), 48)

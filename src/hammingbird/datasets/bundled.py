"""A sample that comes with a dependency: scikit-learn's 1,797 handwritten digits of 8x8 pixels."""

from __future__ import annotations

import numpy as np

from hammingbird.datasets.source import Dataset

QUERIES = 300
WHITE = 16  # the digits' own scale
BYTE = 255


def digits(seed: int = 0) -> tuple[Dataset, Dataset]:
    """Return 1,497 digits to learn from and search in, and 300 others to ask for."""
    from sklearn.datasets import load_digits

    content = load_digits()
    images = np.round(content.images * (BYTE / WHITE)).astype(np.uint8)
    order = np.random.default_rng(seed).permutation(len(images))
    train, query = (
        Dataset(
            f"digits ({name})",
            images[rows].reshape(len(rows), -1),
            content.target[rows],
            images[rows],
            classes=content.target_names.astype(np.str_),
        )
        for name, rows in (("train", order[QUERIES:]), ("query", order[:QUERIES]))
    )
    return train, query

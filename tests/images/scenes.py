from __future__ import annotations

import numpy as np
from PIL import Image


def scene(seed, side=96):
    """A picture of blurred blobs over a gradient, another for each seed."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize(
                (side, side), Image.Resampling.BICUBIC
            ),
            float,
        )
        for n in (3, 6, 12, 24)
    ]
    mixed = sum(weight * layer for weight, layer in zip((0.4, 0.3, 0.2, 0.1), layers, strict=True))
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))

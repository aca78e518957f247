"""Product quantization with FAISS, plain and rotated: what people take instead of binary codes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.doctor.estimates import Estimate, share_kept
from hammingbird.doctor.quality import CANDIDATES, Quality

BITS = 8
"""Of each subspace: 256 centres."""
TRAINED_ON = 256 * 40
ROTATIONS = 10
BLOCK = 1 << 16


@dataclass(frozen=True)
class Rival:
    """What another kind of code of as many bytes keeps, with distances from look-up tables."""

    name: str
    bytes: int
    kept: dict[str, Estimate]
    fit_seconds: float
    encode_seconds: float
    queries_a_second: float


def has_faiss() -> bool:
    """Whether FAISS is installed."""
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


def product_quantization(
    n_bytes: int,
    train: NDArray[Any],
    queries: NDArray[np.float32],
    database: NDArray[Any],
    quality: Quality,
    *,
    rotated: bool = False,
    seed: int = 0,
) -> Rival:
    """Measure product quantization of ``n_bytes`` subspaces, after a learned rotation (OPQ) or not.

    Columns of zeros pad the vectors to a multiple of the subspaces.
    """
    import faiss

    padding = ((0, 0), (0, -train.shape[1] % n_bytes))

    def padded(rows: NDArray[Any]) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.pad(np.asarray(rows, np.float32), padding))

    start = time.perf_counter()
    some = np.random.default_rng(seed).permutation(len(train))[:TRAINED_ON]
    learned_from = padded(train[np.sort(some)])
    width = learned_from.shape[1]
    index = faiss.IndexPQ(width, n_bytes, BITS)
    index.pq.cp.min_points_per_centroid = 1  # few rows: no warning on standard error
    quantizer = faiss.ProductQuantizer(width, n_bytes, BITS)
    quantizer.cp.min_points_per_centroid = 1
    rotation = None
    if rotated:
        rotation = faiss.OPQMatrix(width, n_bytes)
        rotation.niter, rotation.pq = ROTATIONS, quantizer
        rotation.train(learned_from)
        learned_from = rotation.apply(learned_from)
    index.train(learned_from)
    fitted = time.perf_counter()
    for first in range(0, len(database), BLOCK):
        block = padded(database[first : first + BLOCK])
        index.add(block if rotation is None else rotation.apply(block))
    encoded = time.perf_counter()
    asked = padded(queries) if rotation is None else rotation.apply(padded(queries))
    depth = min(max(CANDIDATES), len(database))
    _, hits = index.search(asked, depth)
    seconds = time.perf_counter() - encoded
    values = quality.of_hits(hits.astype(np.int64))
    return Rival(
        "OPQ" if rotated else "PQ",
        n_bytes,
        {use: share_kept(of, quality.ceiling) for use, of in values.items()},
        fitted - start,
        encoded - fitted,
        len(queries) / seconds,
    )

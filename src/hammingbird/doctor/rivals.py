"""Product quantization with FAISS, plain and rotated: what people take instead of binary codes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.doctor.estimates import Estimate, share_kept
from hammingbird.doctor.quality import CANDIDATES, Quality
from hammingbird.errors import MissingExtraError

BITS = 8
"""Of each subspace: 256 centres."""
TRAINED_ON = 256 * 40
ROTATIONS = 10
BLOCK = 1 << 12


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


class ProductCodes:
    """FAISS's product quantization of ``n_bytes`` subspaces, after a learned rotation or not.

    Columns of zeros pad vectors to a multiple of the subspaces.
    """

    def __init__(self, train: NDArray[Any], n_bytes: int, *, rotated: bool = False) -> None:
        """Learn from ``train`` [n, d]; the code is as yet without rows."""
        try:
            import faiss
        except ImportError as error:
            raise MissingExtraError("faiss", "bench") from error
        self._padding = -train.shape[1] % n_bytes
        rows = self._padded(train)
        width = rows.shape[1]
        self.index = faiss.IndexPQ(width, n_bytes, BITS)
        self.index.pq.cp.min_points_per_centroid = 1  # few rows: no warning on standard error
        self._rotation = None
        if rotated:
            quantizer = faiss.ProductQuantizer(width, n_bytes, BITS)
            quantizer.cp.min_points_per_centroid = 1
            self._rotation = faiss.OPQMatrix(width, n_bytes)
            self._rotation.niter, self._rotation.pq = ROTATIONS, quantizer
            self._rotation.train(rows)
        self.index.train(self._turned(rows))

    def add(self, database: NDArray[Any]) -> None:
        """Encode rows [n, d], block by block: the nearest centre of each by matrix products.

        FAISS's own encoder gives the same codes in three to six times the time.
        """
        import faiss

        m = self.index.pq.M
        centers = faiss.vector_to_array(self.index.pq.centroids).reshape(m, 1 << BITS, -1)
        half_squares = np.einsum("ijk,ijk->ij", centers, centers) / 2
        for first in range(0, len(database), BLOCK):
            rows = self._turned(self._padded(database[first : first + BLOCK]))
            codes = np.empty((len(rows), m), np.uint8)
            for part, sub in enumerate(np.split(rows, m, axis=1)):
                closeness = np.ascontiguousarray(sub) @ centers[part].T - half_squares[part]
                codes[:, part] = closeness.argmax(axis=1)
            self.index.add_sa_codes(codes)

    def search(self, queries: NDArray[Any], k: int) -> NDArray[np.int64]:
        """The ``k`` nearest rows by look-up tables, [q, k]."""
        _, hits = self.index.search(self._turned(self._padded(queries)), k)
        return np.asarray(hits, np.int64)

    def _padded(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        wide = np.pad(np.asarray(rows, np.float32), ((0, 0), (0, self._padding)))
        return np.ascontiguousarray(wide)

    def _turned(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._rotation is None:
            return rows
        return np.asarray(self._rotation.apply(rows), np.float32)


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
    """Measure product codes that are learned from a part of ``train``."""
    start = time.perf_counter()
    some = np.random.default_rng(seed).permutation(len(train))[:TRAINED_ON]
    codes = ProductCodes(train[np.sort(some)], n_bytes, rotated=rotated)
    fitted = time.perf_counter()
    codes.add(database)
    encoded = time.perf_counter()
    hits = codes.search(queries, min(max(CANDIDATES), len(database)))
    seconds = time.perf_counter() - encoded
    values = quality.of_hits(hits)
    return Rival(
        "OPQ" if rotated else "PQ",
        n_bytes,
        {use: share_kept(of, quality.ceiling) for use, of in values.items()},
        fitted - start,
        encoded - fitted,
        len(queries) / seconds,
    )

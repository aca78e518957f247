"""Codes as an algorithm of ann-benchmarks: fitted, scanned, and re-ranked by the vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import catalog
from hammingbird.errors import InputError
from hammingbird.hasher import Hasher
from hammingbird.index import Scan, rerank
from hammingbird.targets import Measure

MEASURES: dict[str, Measure] = {"angular": "cosine", "euclidean": "l2"}


class Hammingbird:
    """What ann-benchmarks calls: ``fit`` once, then queries under some query arguments.

    Parameters
    ----------
    metric
        ``euclidean``, ``angular``, or ``hamming``: then vectors are bits, and the scan is exact.
    method, n_bits
        What makes codes of vectors; of no meaning for ``hamming``.
    """

    def __init__(self, metric: str, method: str = "distilled", n_bits: int = 256) -> None:
        if metric not in (*MEASURES, "hamming"):
            raise InputError(f"metric must be euclidean, angular or hamming, got {metric!r}")
        self.metric, self.method, self.n_bits = metric, method, n_bits
        self.candidates = 0
        self._found: NDArray[np.int64] = np.empty((0, 0), np.int64)

    def fit(self, X: NDArray[Any]) -> None:
        """Learn from vectors [n, d], or take bits [n, d] as they are, and index them."""
        self.hasher: Hasher | None = None
        if self.metric == "hamming":
            self.n_bits = X.shape[1]
        else:
            self.vectors = np.ascontiguousarray(X, np.float32)
            self.hasher = catalog.make(self.method, self.n_bits, 0).fit(self.vectors)
        self.index = Scan(self.n_bits).add(self._encode(X))

    def set_query_arguments(self, candidates: int) -> None:
        """How many codes the vectors put in order; 0 leaves them in the order of their codes."""
        self.candidates = candidates

    def query(self, q: NDArray[Any], n: int) -> NDArray[np.int64]:
        """The ``n`` nearest rows of one vector [d]."""
        (rows,) = self._search(q[None], n, threads=1)
        found: NDArray[np.int64] = rows
        return found

    def batch_query(self, X: NDArray[Any], n: int) -> None:
        """Search for all of ``X`` at once, with all cores; :meth:`get_batch_results` has them."""
        self._found = self._search(X, n, threads=None)

    def get_batch_results(self) -> NDArray[np.int64]:
        """The rows [n_queries, n] of the last batch."""
        return self._found

    def get_additional(self) -> dict[str, Any]:
        """What is stored with the results."""
        return {"bytes_per_item": self.index.codes.shape[1]}

    def get_memory_usage(self) -> float | None:
        """Kilobytes that codes, ids and vectors take."""
        vectors = 0 if self.hasher is None else self.vectors.nbytes
        return (self.index.codes.nbytes + self.index.ids.nbytes + vectors) / 1024

    def done(self) -> None:
        """Nothing is left to close."""

    def __str__(self) -> str:
        what = "bits" if self.metric == "hamming" else self.method
        return f"hammingbird({what}, n_bits={self.n_bits}, candidates={self.candidates})"

    def _search(self, X: NDArray[Any], n: int, threads: int | None) -> NDArray[np.int64]:
        ordered = self.candidates > 0 and self.hasher is not None
        depth = max(n, self.candidates) if ordered else n
        found = self.index.search(self._encode(X), min(depth, len(self.index)), threads=threads)
        if not ordered:
            return found.ids
        queries = np.asarray(X, np.float32)
        return rerank(queries, found.ids, self.vectors, n, MEASURES[self.metric]).ids

    def _encode(self, X: NDArray[Any]) -> NDArray[np.uint8]:
        if self.hasher is None:
            return np.packbits(np.asarray(X, bool), axis=1)
        return self.hasher.encode(np.asarray(X, np.float32))

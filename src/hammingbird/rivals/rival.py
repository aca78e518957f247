"""The contract of a rival: rows become bytes, and bytes give vectors to measure distances to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.evaluation.ranking import ScoreChunk
from hammingbird.finite import check_values
from hammingbird.hasher import row_chunks
from hammingbird.targets import Measure

BLOCK = 1 << 16
"""Rows that are decoded at a time."""


class Rival(ABC):
    """Quantized vectors: ``fit``, ``encode`` to uint8 [n, bytes_per_item], ``scores`` of queries.

    Queries stay as they are, and distances are those to the decoded rows, which is what look-up
    tables add up. What is learned is centred by ``mean_`` first.
    """

    bytes_per_item: int
    """Of one code, with everything that is kept beside it for each row."""
    model_bytes: int
    """Of what all rows share: codebooks, rotations, ranges, the mean."""
    mean_: NDArray[np.float32]

    def fit(self, X: NDArray[Any]) -> None:
        """Learn from vectors [n, d]."""
        rows = np.concatenate([chunk.values.astype(np.float32) for chunk in row_chunks(X)])
        check_values(rows, 0)
        self.mean_ = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.model_bytes = self.mean_.nbytes
        self._fit(rows - self.mean_)

    def encode(self, X: NDArray[Any]) -> NDArray[np.uint8]:
        """Return codes, uint8 [n, bytes_per_item]."""
        return np.concatenate(
            [self._encode(chunk.values.astype(np.float32) - self.mean_) for chunk in row_chunks(X)]
        )

    def scores(
        self, queries: NDArray[Any], codes: NDArray[np.uint8], measure: Measure
    ) -> ScoreChunk:
        """Score queries [q, d] by minus the squared distance to, or inner product with, rows.

        Terms that are the same for all rows of a query are left out.
        """
        asked = np.asarray(queries, np.float32)
        if measure == "l2":
            asked = asked - self.mean_

        def chunk(start: int, stop: int) -> NDArray[np.float32]:
            block = self._turn(asked[start:stop])
            found = np.empty((len(block), len(codes)), np.float32)
            for first in range(0, len(codes), BLOCK):
                rows, squares = self._decode(codes[first : first + BLOCK])
                part = block @ rows.T
                if measure == "l2":
                    part *= 2
                    part -= np.einsum("ij,ij->i", rows, rows) if squares is None else squares
                found[:, first : first + BLOCK] = part
            return found

        return chunk

    @abstractmethod
    def _fit(self, X: NDArray[np.float32]) -> None:
        """Learn from centred rows; set ``bytes_per_item`` and add to ``model_bytes``."""

    @abstractmethod
    def _encode(self, X: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Codes of centred rows."""

    @abstractmethod
    def _decode(
        self, codes: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Rows to take inner products with, and their squared norms where those say something else.

        In the coordinates that ``_turn`` puts queries into.
        """

    def _turn(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        return queries

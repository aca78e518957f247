"""The latest codes of all training rows, for objectives that look beyond their batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hammingbird.deep.objective import Batch, Problem

PAIRS = 1 << 17
"""Pairs that are looked at together: their tensors of floats stay in a core's cache."""


class Bank(nn.Module):
    """Codes of all training rows by row number, as they were when a batch last held them.

    A row that no batch has held yet makes no pairs. Codes in a bank are constants: a gradient flows
    to the batch only (DPSH, DSDH, DBDH).
    """

    codes: Tensor
    visited: Tensor
    labels: Tensor | None

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(problem.n_rows, problem.n_bits))
        self.register_buffer("visited", torch.zeros(problem.n_rows, dtype=torch.bool))
        y = problem.y
        # As floats: comparing these is several times as fast as comparing whole numbers.
        labels = y.float() if y is not None and y.ndim == 1 else y
        self.register_buffer("labels", labels, persistent=False)

    def store(self, batch: Batch) -> None:
        """Take over the outputs of a batch."""
        self.codes[batch.index] = batch.outputs.detach().to(self.codes.dtype)
        self.visited[batch.index] = True

    def blocks(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield codes [b, n_bits], whether they are similar to the batch's rows, and known, [m, b].

        Both are floats, 0 or 1. Every row of the bank comes once.
        """
        size = max(1, PAIRS // len(batch.index))
        for start in range(0, len(self.codes), size):
            rows = slice(start, min(start + size, len(self.codes)))
            of_labels = batch.relation is None and batch.y is not None and batch.y.ndim == 1
            pairs = self._of_labels(batch, rows) if of_labels else self._of_any(batch, rows)
            yield self.codes[rows].to(batch.outputs.dtype), *pairs

    def _of_labels(self, batch: Batch, rows: slice) -> tuple[Tensor, Tensor]:
        """What :meth:`Batch.similarity` says, without a comparison of row numbers per pair."""
        assert self.labels is not None
        assert batch.y is not None
        mine, theirs = batch.y.float(), self.labels[rows]
        similar = batch.outputs.new_empty(len(mine), len(theirs))
        torch.eq(mine[:, None], theirs, out=similar)
        counts = ((theirs >= 0) & self.visited[rows]).to(similar.dtype)
        known = (mine >= 0).to(similar.dtype)[:, None] * counts
        own = (batch.index >= rows.start) & (batch.index < rows.stop)
        known[own, batch.index[own] - rows.start] = 0
        return similar, known

    def _of_any(self, batch: Batch, rows: slice) -> tuple[Tensor, Tensor]:
        numbers = torch.arange(rows.start, rows.stop, device=batch.index.device)
        labels = None if self.labels is None else self.labels[rows]
        similar, known = batch.similarity(labels, numbers)
        return similar, (known & self.visited[rows]).to(similar.dtype)

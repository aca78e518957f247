"""The latest codes of all training rows, for objectives that look beyond their batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hammingbird.deep.objective import Batch

PAIRS = 1 << 17
"""Pairs that are looked at together: their tensors of floats stay in a core's cache."""


class Bank(nn.Module):
    """Codes of all training rows by row number, as they were when a batch last held them.

    A row that no batch has held yet makes no pairs. Codes in a bank are constants: a gradient flows
    to the batch only (DPSH, DSDH, DBDH).
    """

    codes: Tensor
    visited: Tensor

    def __init__(self, n_rows: int, n_bits: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(n_rows, n_bits))
        self.register_buffer("visited", torch.zeros(n_rows, dtype=torch.bool))

    def store(self, batch: Batch) -> None:
        """Take over the outputs of a batch."""
        self.codes[batch.index] = batch.outputs.detach().to(self.codes.dtype)
        self.visited[batch.index] = True

    def blocks(
        self, batch: Batch, labels: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield codes [b, n_bits] of some rows, and whether they are similar and known, [m, b].

        ``labels`` are those of all rows. Every row comes once.
        """
        size = max(1, PAIRS // len(batch.index))
        for start in range(0, len(self.codes), size):
            of = slice(start, min(start + size, len(self.codes)))
            rows = torch.arange(of.start, of.stop, device=batch.index.device)
            similar, known = batch.similarity(None if labels is None else labels[of], rows)
            yield self.codes[of].to(batch.outputs.dtype), similar, known & self.visited[of]

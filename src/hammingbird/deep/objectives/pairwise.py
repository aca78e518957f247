"""Likelihood of pair similarities given the codes' inner products (DPSH, DHN, HashNet)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hammingbird.deep.objective import Batch, Needs, Objective, Problem
from hammingbird.errors import InputError


class PairwiseLikelihood(Objective):
    """``softplus(theta) - s theta`` with ``theta = scale <u_i, u_j>`` (HashNet, Eq. 4).

    Averaged over the known pairs of the batch by their weights.

    Parameters
    ----------
    scale
        None is ``10 / n_bits``, as in HashNet's code; DPSH and DHN use 1/2.
    balanced
        Weight similar pairs by ``|S| / |S1|`` and dissimilar ones by ``|S| / |S0|``, counted in the
        batch, so that both kinds weigh the same (HashNet-W is without).
    similarity
        ``jaccard`` also weights similar pairs by the share of their labels that they have in common
        (HashNet+C). Dissimilar pairs keep their weight: the paper's letter would give them none,
        and all codes would fall into one.
    bank
        Pair the batch with the latest codes of all training rows (DPSH), not with itself. The
        gradient flows to the batch's side only.
    """

    needs: ClassVar[Needs] = "pairs"
    bank: Tensor
    visited: Tensor
    labels: Tensor | None

    def __init__(
        self,
        scale: float | None = None,
        *,
        balanced: bool = False,
        similarity: Literal["equal", "jaccard"] = "equal",
        bank: bool = False,
    ) -> None:
        super().__init__()
        if similarity not in ("equal", "jaccard"):
            raise InputError(f"similarity must be 'equal' or 'jaccard', got {similarity!r}")
        if bank and similarity == "jaccard":
            raise InputError("similarity='jaccard' works within a batch: leave bank=False")
        self.scale, self.balanced, self.similarity = scale, balanced, similarity
        self.has_bank = bank
        self.register_buffer("labels", None, persistent=False)

    def prepare(self, problem: Problem) -> None:
        """Make room for the codes of all rows."""
        if self.has_bank:
            self.labels = problem.y
            self.register_buffer("bank", torch.zeros(problem.n_rows, problem.n_bits))
            self.register_buffer("visited", torch.zeros(problem.n_rows, dtype=torch.bool))

    def forward(self, batch: Batch) -> Tensor:
        """Return the weighted mean over known pairs, 0 if there are none."""
        others, similar, known = self._pairs(batch)
        scale = 10 / batch.outputs.shape[1] if self.scale is None else self.scale
        theta = scale * batch.outputs @ others.T
        weights = self._weights(batch, similar, known)
        # softplus(theta) - s theta, stable and in one pass
        total = binary_cross_entropy_with_logits(theta, similar, weights, reduction="sum")
        return total / weights.sum().clamp(min=torch.finfo(theta.dtype).tiny)

    def _pairs(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        if not self.has_bank:
            return batch.outputs, batch.similar, batch.known
        if self.training:
            self.bank[batch.index] = batch.outputs.detach().to(self.bank.dtype)
            self.visited[batch.index] = True
        rows = torch.arange(len(self.bank), device=batch.index.device)
        similar, known = batch.similarity(self.labels, rows)
        return self.bank.to(batch.outputs.dtype), similar, known & self.visited

    def _weights(self, batch: Batch, similar: Tensor, known: Tensor) -> Tensor:
        weights = known.to(similar.dtype)
        if self.balanced:
            positive = (weights * similar).sum().clamp(min=1)
            negative = (weights * (1 - similar)).sum().clamp(min=1)
            total = weights.sum()
            weights = weights * torch.where(similar > 0, total / positive, total / negative)
        if self.similarity == "jaccard":
            weights = weights * torch.where(similar > 0, batch.jaccard, 1.0)
        return weights

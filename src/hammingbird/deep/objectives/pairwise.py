"""Likelihood of pair similarities given the codes' inner products (DPSH, DHN, HashNet)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hammingbird.deep.objective import Batch, Needs, Objective, Problem
from hammingbird.deep.objectives.bank import Bank
from hammingbird.errors import InputError

Kinds: TypeAlias = tuple[Tensor, Tensor]
"""The weight of a similar pair and that of a dissimilar one."""


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

    def prepare(self, problem: Problem) -> None:
        """Make room for the codes of all rows."""
        if self.has_bank:
            self.bank = Bank(problem)

    def forward(self, batch: Batch) -> Tensor:
        """Return the weighted mean over known pairs, 0 if there are none."""
        scale = 10 / batch.outputs.shape[1] if self.scale is None else self.scale
        return self._with_bank(batch, scale) if self.has_bank else self._within(batch, scale)

    def _within(self, batch: Batch, scale: float) -> Tensor:
        similar, known = batch.similar, batch.known.to(batch.outputs.dtype)
        weights = _weights(similar, known, self._kinds([(similar, known)]))
        if self.similarity == "jaccard":
            weights = weights * torch.where(similar > 0, batch.jaccard, 1.0)
        theta = scale * batch.outputs @ batch.outputs.T
        # softplus(theta) - s theta, stable and in one pass
        total = binary_cross_entropy_with_logits(theta, similar, weights, reduction="sum")
        return total / weights.sum().clamp(min=torch.finfo(theta.dtype).tiny)

    def _with_bank(self, batch: Batch, scale: float) -> Tensor:
        """The same against the bank, by blocks: no float tensor of [m, n_rows] is ever made."""
        if self.training:
            self.bank.store(batch)
        outputs = batch.outputs.detach()
        kinds = self._kinds(pairs[1:] for pairs in self.bank.blocks(batch))
        total, weight = outputs.new_zeros(()), outputs.new_zeros(())
        gradient = torch.zeros_like(outputs)
        for codes, similar, known in self.bank.blocks(batch):
            weights = _weights(similar, known, kinds)
            theta = scale * outputs @ codes.T
            likely = torch.sigmoid(theta)
            # softplus(theta) = max(theta, 0) - log sigma(|theta|): one exponential for both
            losses = theta.clamp(min=0).sub_((likely - 0.5).abs_().add_(0.5).log_())
            total += losses.sub_(theta.mul_(similar)).mul_(weights).sum()
            weight += weights.sum()
            gradient += likely.sub_(similar).mul_(weights) @ codes
        weight = weight.clamp(min=torch.finfo(weight.dtype).tiny)
        # Adds zero, with the gradient of the sum above.
        return total / weight + (scale / weight * gradient * (batch.outputs - outputs)).sum()

    def _kinds(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> Kinds | None:
        """Weights that balance the known pairs, given as ``similar`` and ``known``."""
        if not self.balanced:
            return None
        counts = [torch.stack([(known * s).sum(), known.sum()]) for s, known in pairs]
        similar, total = torch.stack(counts).sum(dim=0).unbind()
        return total / similar.clamp(min=1), total / (total - similar).clamp(min=1)


def _weights(similar: Tensor, known: Tensor, kinds: Kinds | None) -> Tensor:
    return known if kinds is None else known * torch.where(similar > 0, *kinds)

"""Steer the joint distribution of the bits to class centres: the plug-in ``_D`` of Lower Bound."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, silu

from hammingbird.centers import Assignment, Kind
from hammingbird.deep.objective import Batch, Problem
from hammingbird.deep.objectives.center_codes import CenterObjective
from hammingbird.errors import InputError

BLOCK = 8


class CodePosterior(CenterObjective):
    """Cross-entropy between the estimated posterior of the code and the centre's bit pattern.

    A surrogate estimates the joint distribution of each block of up to 8 bits from the logits, as a
    softmax over all its patterns. In one scalar it learns the patterns of the hasher's own signs,
    and the hasher is pulled to its class centres through it; neither has a gradient from the other.
    In evaluation mode only the hasher's part is returned. Both parts are means over rows and sums
    over blocks; a row with several labels counts their centres equally. Where the paper says
    nothing, dropout acts on the rows that the surrogate learns from, not on those it steers, and
    the last block is shorter if the bits are no multiple of 8.
    Zhu et al., "A Lower Bound of Hash Codes' Performance", NeurIPS 2022, Fig. 8.

    Parameters
    ----------
    centers, assignment
        See :class:`~hammingbird.deep.objectives.center_codes.CenterObjective`.
    trained
        False leaves the surrogate as it was drawn (ablation).
    flips
        Probability that a logit changes its sign in the rows that a trained surrogate learns from,
        so that it also knows patterns that no row has yet. The paper has none.
    hidden
        Width of the surrogate's hidden layer.
    """

    first: nn.ModuleList
    second: nn.ModuleList
    dropout: nn.Dropout

    def __init__(
        self,
        centers: Kind = "auto",
        assignment: Assignment = "fixed",
        *,
        trained: bool = True,
        flips: float = 0.0,
        hidden: int = 256,
    ) -> None:
        super().__init__(centers, assignment)
        if not 0 <= flips <= 1:
            raise InputError(f"flips must be a probability, got {flips}")
        self.trained, self.flips, self.hidden = trained, flips, hidden

    def prepare(self, problem: Problem) -> None:
        """Make the centres and a surrogate of two layers per block."""
        super().prepare(problem)
        edges = [*range(0, problem.n_bits, BLOCK), problem.n_bits]
        self.blocks = [slice(start, stop) for start, stop in pairwise(edges)]
        sizes = [block.stop - block.start for block in self.blocks]
        self.first = nn.ModuleList(nn.Linear(size, self.hidden) for size in sizes)
        self.second = nn.ModuleList(nn.Linear(self.hidden, 1 << size) for size in sizes)
        self.dropout = nn.Dropout(0.5)
        for parameter in self.parameters():
            parameter.requires_grad_(self.trained)

    def forward(self, batch: Batch) -> Tensor:
        """Return the hasher's loss, in training plus the surrogate's."""
        self.watch(batch)
        value = self.pull(batch)
        return value + self.estimate(batch.logits) if self.training and self.trained else value

    def estimate(self, logits: Tensor) -> Tensor:
        """Cross-entropy of the surrogate with the patterns of the signs; logits are constant."""
        logits = logits.detach()
        if self.flips and self.training:
            logits = torch.where(torch.rand_like(logits) < self.flips, -logits, logits)
        signs = patterns_of(logits >= 0, self.blocks)
        losses = []
        for i, (block, pattern) in enumerate(zip(self.blocks, signs, strict=True)):
            hidden = self.dropout(silu(self.first[i](logits[:, block])))
            losses.append(cross_entropy(self.second[i](hidden), pattern))
        return torch.stack(losses).sum()

    def pull(self, batch: Batch) -> Tensor:
        """Cross-entropy of the posterior with the centres' patterns; the surrogate is constant."""
        classes = batch.membership
        shares = classes / classes.sum(dim=1, keepdim=True).clamp(min=1)
        rows = batch.labelled.sum().clamp(min=1)
        targets = patterns_of(self.centers[: classes.shape[1]] > 0, self.blocks)
        losses = [
            -(shares * said[:, pattern]).sum() / rows
            for pattern, said in zip(targets, self.log_posterior(batch.logits), strict=True)
        ]
        return torch.stack(losses).sum()

    def log_posterior(self, logits: Tensor) -> list[Tensor]:
        """Logarithm of the probability of every pattern, [m, 2^size] for each block."""
        found = []
        for i, block in enumerate(self.blocks):
            hidden = silu(_frozen(self.first[i], logits[:, block]))
            said = _frozen(self.second[i], hidden)
            found.append(said.log_softmax(dim=1))
        return found


def _frozen(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Apply a linear layer whose parameters get no gradient."""
    assert isinstance(layer, nn.Linear)
    return linear(inputs, layer.weight.detach(), layer.bias.detach())


def patterns_of(bits: Tensor, blocks: list[slice]) -> list[Tensor]:
    """Number of each block's bit pattern, the first bit counting 1 (Fig. 8); int64 [m] each."""
    powers = 1 << torch.arange(BLOCK, device=bits.device)
    return [(bits[:, b] * powers[: b.stop - b.start]).sum(dim=1) for b in blocks]

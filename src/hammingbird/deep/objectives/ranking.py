"""Rows that share more labels should come first: DRSH and DRSCH."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from hammingbird.deep.objective import Batch, Needs, Objective, Problem
from hammingbird.deep.objectives.triplet import compare, mean_of, squared_distances
from hammingbird.errors import InputError


class RankingHinge(Objective):
    """``w max(0, margin + d_ai - d_aj)`` where i shares more labels with the anchor than j (DRSH).

    ``w = (2^r_i - 2^r_j) / Z`` for ``r`` shared labels, as in NDCG; Z is the anchor's best DCG in
    the batch; ``d = (n_bits - <u, u'>) / 2`` counts bits. The sum is divided by the sum of weights.
    Zhao et al., CVPR 2015 ("DSRH").

    Parameters
    ----------
    margin
        In bits; None is a quarter of ``n_bits``.
    max_pairs
        Most pairs (a, i) of a batch that are compared with all rows j.
    """

    needs: ClassVar[Needs] = "pairs"

    def __init__(self, margin: float | None = None, max_pairs: int = 8192) -> None:
        super().__init__()
        if margin is not None and margin < 0:
            raise InputError(f"margin must not be negative, got {margin}")
        self.margin, self.max_pairs = margin, max_pairs

    def forward(self, batch: Batch) -> Tensor:
        """Return the weighted mean over triplets, 0 if there are none."""
        n_bits = batch.outputs.shape[1]
        margin = n_bits / 4 if self.margin is None else self.margin
        levels = self._levels(batch)
        gains = torch.where(batch.known, 2.0**levels - 1, 0.0)
        ranks = torch.arange(2, len(gains) + 2, device=gains.device, dtype=gains.dtype)
        ideal = (gains.sort(dim=1, descending=True).values / ranks.log2()).sum(dim=1)
        anchor, near = batch.positive.nonzero(as_tuple=True)
        if len(anchor) > self.max_pairs:
            kept = torch.randperm(len(anchor), device=anchor.device)[: self.max_pairs]
            anchor, near = anchor[kept], near[kept]
        weights = (gains[anchor, near][:, None] - gains[anchor]).clamp(min=0)
        weights = weights * batch.known[anchor] / ideal[anchor][:, None]
        distances = (n_bits - batch.outputs @ batch.outputs.T) / 2
        gaps = distances[anchor] - distances[anchor, near][:, None]
        return mean_of((margin - gaps).clamp(min=0), weights)

    def _levels(self, batch: Batch) -> Tensor:
        """Shared labels, float [m, m]."""
        if batch.y is not None and batch.y.ndim == 2:
            return batch.membership @ batch.membership.T
        return batch.similar


class WeightedTriplets(Objective):
    """Triplet hinge on bit-weighted distances, and similar rows drawn together (DRSCH).

    ``max(0, d_ap - d_an + margin)``, ``d = sum_k (w_k (v_k - v'_k))^2``, ``v = (u + 1) / 2``:
    mean over the triplets of the batch, plus ``laplacian`` times the mean ``d`` of similar pairs.
    The weights w are learned, so that the heaviest bits make a good shorter code: see
    ``bit_order``. Zhang et al., TIP 2015.

    Parameters
    ----------
    margin
        None is ``n_bits / 4``; the authors' code has 5 for 64 bits.
    """

    needs: ClassVar[Needs] = "pairs"

    def __init__(
        self, margin: float | None = None, laplacian: float = 1e-3, max_pairs: int = 8192
    ) -> None:
        super().__init__()
        if laplacian < 0 or (margin is not None and margin < 0):
            raise InputError("margin and laplacian must not be negative")
        self.margin, self.laplacian, self.max_pairs = margin, laplacian, max_pairs

    def prepare(self, problem: Problem) -> None:
        """Create the weights, all one."""
        self.bit_weights = nn.Parameter(torch.ones(problem.n_bits))

    @property
    def bit_order(self) -> Tensor:
        """Bits by weight, heaviest first."""
        return self.bit_weights.detach().abs().argsort(descending=True, stable=True)

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over triplets plus the Laplacian term."""
        margin = batch.outputs.shape[1] / 4 if self.margin is None else self.margin
        distances = squared_distances((batch.outputs + 1) / 2 * self.bit_weights)
        gaps, weights = compare(-distances, batch, self.max_pairs)
        hinge = mean_of((margin - gaps).clamp(min=0), weights)
        if batch.given_triplets is not None or not self.laplacian:
            return hinge
        return hinge + self.laplacian * mean_of(distances, batch.positive.to(distances.dtype))

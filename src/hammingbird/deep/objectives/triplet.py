"""An anchor should be closer to a similar row than to a dissimilar one (DTSH, DNNH)."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hammingbird.deep.objective import Batch, Needs, Objective
from hammingbird.errors import InputError


class Comparisons(NamedTuple):
    """Triplets of a batch by their similar pairs: one row per pair, one column per third row."""

    anchor: Tensor
    """int64 [p]."""
    positive: Tensor
    """int64 [p]."""
    negative: Tensor
    """Which rows the pair is compared with, bool [p, m] (given triplets: their places [p, 1])."""


def comparisons(batch: Batch, max_pairs: int) -> Comparisons:
    """Every anchor with every positive and all its negatives; a random part if they are too many.

    No list of triplets is made: memory is ``max_pairs`` times the batch.
    """
    anchor, positive = batch.positive.nonzero(as_tuple=True)
    if len(anchor) > max_pairs:
        kept = torch.randperm(len(anchor), device=anchor.device)[:max_pairs]
        anchor, positive = anchor[kept], positive[kept]
    return Comparisons(anchor, positive, batch.negative[anchor])


def compare(scores: Tensor, batch: Batch, max_pairs: int) -> tuple[Tensor, Tensor]:
    """``scores[a, p] - scores[a, n]`` of all triplets, and their weights 0 or 1; same shapes."""
    if batch.given_triplets is not None:
        a, p, n = batch.given_triplets.unbind(dim=1)
        gaps = scores[a, p] - scores[a, n]
        return gaps, torch.ones_like(gaps)
    anchor, positive, negative = comparisons(batch, max_pairs)
    gaps = scores[anchor, positive][:, None] - scores[anchor]
    return gaps, negative.to(scores.dtype)


def mean_of(losses: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean, 0 if nothing has weight."""
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(losses.dtype).tiny)


def squared_distances(codes: Tensor) -> Tensor:
    """All squared Euclidean distances, float [m, m]; 0 on the diagonal, with a gradient there."""
    norms = codes.square().sum(dim=1)
    return (norms[:, None] + norms[None, :] - 2 * codes @ codes.T).clamp(min=0)


class _Triplets(Objective):
    needs: ClassVar[Needs] = "triplets"

    def __init__(self, margin: float | None, max_pairs: int) -> None:
        super().__init__()
        if margin is not None and margin < 0:
            raise InputError(f"margin must not be negative, got {margin}")
        if max_pairs < 1:
            raise InputError(f"max_pairs must be at least 1, got {max_pairs}")
        self.margin, self.max_pairs = margin, max_pairs


class TripletLikelihood(_Triplets):
    """``softplus(-(theta_ap - theta_an - margin))``, ``theta = <u, u'> / 2`` (DTSH, Eq. 4).

    Averaged over the triplets of the batch, and 0 if there are none. The authors' code sums 22,500
    of them per anchor from a memory of earlier outputs, with a gradient to the anchor only.

    Parameters
    ----------
    margin
        None is ``n_bits / 2``, as in the authors' code.
    max_pairs
        Most similar pairs of a batch that are compared with all dissimilar rows.
    """

    def __init__(self, margin: float | None = None, max_pairs: int = 8192) -> None:
        super().__init__(margin, max_pairs)

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over triplets."""
        margin = batch.outputs.shape[1] / 2 if self.margin is None else self.margin
        theta = batch.outputs @ batch.outputs.T / 2
        gaps, weights = compare(theta, batch, self.max_pairs)
        return mean_of(softplus(margin - gaps), weights)


class TripletHinge(_Triplets):
    """``max(0, |v_a - v_p|^2 - |v_a - v_n|^2 + margin)`` with ``v = (u + 1) / 2`` (DNNH, Eq. 3).

    Averaged over the triplets of the batch, and 0 if there are none. Distances are numbers of bits,
    so a margin of 1 is small beside 64.

    Parameters
    ----------
    max_pairs
        Most similar pairs of a batch that are compared with all dissimilar rows.
    """

    def __init__(self, margin: float = 1.0, max_pairs: int = 8192) -> None:
        super().__init__(margin, max_pairs)

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over triplets."""
        assert self.margin is not None
        closeness = -squared_distances((batch.outputs + 1) / 2)
        gaps, weights = compare(closeness, batch, self.max_pairs)
        return mean_of((self.margin - gaps).clamp(min=0), weights)

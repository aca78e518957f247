"""Likelihood of similarities under a Cauchy distribution of the distance (DCH)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hammingbird.deep.objective import Batch, Needs, Objective
from hammingbird.errors import InputError

EPSILON = 1e-3
"""Added to the distance of a dissimilar pair, as in the authors' code: its log stays finite at 0,
and its slope is negative at every distance."""


class CauchyLikelihood(Objective):
    """``s log(1 + d / gamma) + (1 - s) (log(d + gamma) - log d)`` (DCH, Eq. 6).

    ``d = n_bits / 2 (1 - cos(u, u'))``, for dissimilar pairs plus 0.001. Averaged over the known
    pairs of the batch by their weights. The authors' code takes plain squared distances instead of
    the paper's cosine. A dissimilar pair is pushed apart at every distance; only where two outputs
    point exactly the same way is there no push, as the cosine itself is flat there.

    Parameters
    ----------
    gamma
        Distance at which a pair is as likely similar as not; 20 to 30 for 16 to 64 bits.
    balanced
        Weight similar and dissimilar pairs equally, counted in the batch.
    """

    needs: ClassVar[Needs] = "pairs"

    def __init__(self, gamma: float = 20.0, *, balanced: bool = True) -> None:
        super().__init__()
        self.gamma, self.balanced = _positive(gamma), balanced

    def forward(self, batch: Batch) -> Tensor:
        """Return the weighted mean over known pairs, 0 if there are none."""
        directions = normalize(batch.outputs, eps=1e-6)
        # |a - b|^2 = 2 (1 - cos) of unit vectors; 1 - cos itself would be rounded to 0 below 1e-7.
        apart = torch.cdist(directions, directions, compute_mode="donot_use_mm_for_euclid_dist")
        d = batch.outputs.shape[1] / 4 * apart.square()
        near = torch.log1p(d / self.gamma)
        far = torch.log1p(self.gamma / (d + EPSILON))
        positive, negative = batch.positive.to(d.dtype), batch.negative.to(d.dtype)
        if self.balanced:
            positive = positive / positive.sum().clamp(min=1)
            negative = negative / negative.sum().clamp(min=1)
        total = (positive + negative).sum().clamp(min=torch.finfo(d.dtype).tiny)
        return (positive * near + negative * far).sum() / total


class CauchyQuantization(Objective):
    """``log(1 + d / gamma)``, ``d = n_bits / 2 (1 - cos(|u|, 1))``, mean over rows (DCH, Eq. 7)."""

    def __init__(self, gamma: float = 20.0) -> None:
        super().__init__()
        self.gamma = _positive(gamma)

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        n_bits = batch.outputs.shape[1]
        cosine = normalize(batch.outputs.abs(), eps=1e-6).sum(dim=1) / math.sqrt(n_bits)
        return torch.log1p(n_bits / 2 * (1 - cosine).clamp(min=0) / self.gamma).mean()


def _positive(gamma: float) -> float:
    if gamma <= 0:
        raise InputError(f"gamma must be positive, got {gamma}")
    return gamma

"""Likelihood of pair labels given drawn codes (SGH; Dai et al., ICML 2017, supplement D.2)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hammingbird.deep.objective import Batch, Needs, Objective
from hammingbird.errors import InputError


class PairLabels(Objective):
    """``-log Bernoulli(y; sigma(theta))``, ``theta = scale <h, h'>``, for codes in {-1, +1}.

    Mean over the known pairs of the batch, in nats. With the paper's {0, 1} no inner product is
    negative, so no dissimilar pair could be less likely similar than one half. Made for
    :class:`DoublyStochastic`.

    Parameters
    ----------
    scale
        The paper has 1; None is ``10 / n_bits`` (HashNet), which saturates less with many bits.
    balanced
        Weight similar and dissimilar pairs equally, counted in the batch; not in the paper.
    derivative
        ``exact`` has the same value at codes, and its gradient by a bit is half the difference over
        that bit, which the distributional derivative asks for; ``approximate`` differentiates the
        likelihood as it stands (Lemma 3).
    """

    needs: ClassVar[Needs] = "pairs"

    def __init__(
        self,
        scale: float | None = 1.0,
        *,
        balanced: bool = False,
        derivative: Literal["exact", "approximate"] = "exact",
    ) -> None:
        super().__init__()
        if derivative not in ("exact", "approximate"):
            raise InputError(f"derivative must be 'exact' or 'approximate', got {derivative!r}")
        if scale is not None and not scale > 0:
            raise InputError(f"scale must be positive or None, got {scale}")
        self.scale, self.balanced, self.exact = scale, balanced, derivative == "exact"

    def forward(self, batch: Batch) -> Tensor:
        """Return the weighted mean over known pairs, 0 if there are none."""
        h = batch.outputs
        scale = 10 / h.shape[1] if self.scale is None else self.scale
        theta = scale * h @ h.T
        values = _linear_in_each_bit(theta, h, scale) if self.exact else softplus(theta)
        positive, negative = batch.positive.to(h.dtype), batch.negative.to(h.dtype)
        if self.balanced:
            positive = positive / positive.sum().clamp(min=1)
            negative = negative / negative.sum().clamp(min=1)
        weights = positive + negative
        total = (weights * (values - batch.similar * theta)).sum()
        return total / weights.sum().clamp(min=torch.finfo(h.dtype).tiny)


def _linear_in_each_bit(theta: Tensor, h: Tensor, scale: float) -> Tensor:
    """``softplus(theta)`` of all pairs, with a gradient that is half the difference over each bit.

    A bit moves theta by ``2 scale``, up or down as it agrees with the other code's bit or not. The
    mean of both differences stands as the slope by theta; half of what is between them, which has
    the sign of the bit itself, as that by ``h^2``, which is 1.
    """
    with torch.no_grad():
        value, up, down = (softplus(theta + step) for step in (0, 2 * scale, -2 * scale))
        slope = (up - down) / (4 * scale)
        bend = (up + down) / 2 - value
    excess = (h.square() - 1).sum(dim=1)
    return value + slope * (theta - theta.detach()) - bend / 4 * (excess[:, None] + excess[None, :])

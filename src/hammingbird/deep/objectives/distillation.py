"""Neighbour distillation: codes that order a batch as the float vectors do."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hammingbird.deep.objective import Batch, Objective
from hammingbird.errors import InputError

FLAT = 0.3
"""A bandwidth from which on targets are so flat that all codes fall into one."""

LOWEST = 12.0
"""Of the codes' temperature."""

USUAL = 64
"""Rows from which on a batch is judged."""


class NeighborDistillation(Objective):
    """Cross-entropy from the float vectors' neighbours to the codes' neighbours within the batch.

    For every row, the target is the softmax of ``-|x_i - x_j|^2 / (bandwidth * reach)`` over the
    other rows, and the prediction the softmax of ``temperature * <h_i, h_j> / n_bits``, with
    ``max(sharpness * sqrt(n_bits), 12)`` for the temperature: scores of unrelated codes spread
    equally at every length, and few bits can still rank a neighbour above a batch. Less the
    target's own entropy, so that 0 is perfect. A mean over rows.

    Parameters
    ----------
    bandwidth
        Sharpness of the target; flat targets, from 0.3 on, are refused.
    sharpness
        Of the codes' softmax.
    reach
        Squared distance of a near neighbour: the median one of the tenth neighbours. None takes the
        median distance of the nearest rows within each batch.
    asymmetric
        Weight, in [0, 1], of a second prediction in which row i keeps its logits, as a query does
        in asymmetric search.
    """

    def __init__(
        self,
        bandwidth: float = 0.1,
        sharpness: float = 1.75,
        *,
        reach: float | None = None,
        asymmetric: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 < bandwidth < FLAT:
            raise InputError(
                f"bandwidth must be above 0 and below {FLAT}, got {bandwidth}: a flatter target "
                "does not tell neighbours from the rest, and all codes fall into one"
            )
        if sharpness <= 0 or not 0 <= asymmetric <= 1:
            raise InputError("sharpness must be positive and asymmetric in [0, 1]")
        self.bandwidth, self.sharpness = bandwidth, sharpness
        self.reach, self.asymmetric = reach, asymmetric

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean divergence in nats."""
        own = batch.index[:, None] == batch.index[None, :]
        target = self._target(batch, own)
        value = torch.zeros((), dtype=batch.outputs.dtype, device=own.device)
        for share, left in (
            (1 - self.asymmetric, batch.outputs),
            (self.asymmetric, _unit(batch.logits)),
        ):
            if share:
                value = value + share * self._divergence(target, left, batch.outputs, own)
        return value

    def _target(self, batch: Batch, own: Tensor) -> Tensor:
        assert batch.X is not None
        X = batch.X.flatten(1).to(batch.outputs.dtype)
        X = X - X.mean(dim=0)  # distances far from the origin would lose their last digits
        distances = torch.cdist(X, X).square().masked_fill(own, torch.inf)
        reach = self.reach or float(distances.amin(dim=1).nanmedian())
        logits = -distances / (self.bandwidth * max(reach, torch.finfo(X.dtype).tiny))
        target: Tensor = torch.nan_to_num(logits.softmax(dim=1))  # a row alone has no target
        _refuse_flat(target)
        return target

    def _divergence(self, target: Tensor, left: Tensor, right: Tensor, own: Tensor) -> Tensor:
        k = right.shape[1]
        scores = max(self.sharpness * math.sqrt(k), LOWEST) / k * left @ right.T
        predicted = scores.masked_fill(own, torch.finfo(scores.dtype).min).log_softmax(dim=1)
        entropy = torch.special.entr(target).sum(dim=1)
        crossed = -(target * predicted.masked_fill(own, 0.0)).sum(dim=1)
        divergence: Tensor = (crossed - entropy).mean()
        return divergence


def _refuse_flat(target: Tensor) -> None:
    """Refuse targets that spread over more than half of a batch of usual size."""
    m = len(target)
    spread = float(torch.special.entr(target).sum(dim=1).exp().mean())
    if m >= USUAL and spread > m / 2:
        raise InputError(
            f"the vectors' neighbours are not much nearer than the rest (a target spreads over "
            f"{spread:.0f} of {m} rows): use a smaller bandwidth, or ITQ"
        )


def _unit(logits: Tensor) -> Tensor:
    """Scale each row to the norm of a code, so that both predictions are equally sharp."""
    norm = logits.square().sum(dim=1, keepdim=True).clamp(min=1e-24).sqrt()
    size: float = logits.shape[1] ** 0.5
    return size * logits / norm

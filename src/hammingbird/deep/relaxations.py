"""Stand-ins for the sign that let a gradient through."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hammingbird.errors import InputError

BETAS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Up to the steepest whose stage lowered the loss of the signs wherever we looked."""


def sign(logits: Tensor) -> Tensor:
    """Return +1 where a logit is at least zero, else -1: the rule of ``codes.pack``."""
    return torch.where(logits >= 0, 1.0, -1.0).to(logits.dtype)


def doubling(steepest: float) -> list[float]:
    """Return betas that double from 1 and end in ``steepest``."""
    if not 1 <= steepest < math.inf:
        raise InputError(f"steepest must be finite and at least 1, got {steepest}")
    return [2.0**stage for stage in range(math.ceil(math.log2(steepest)))] + [float(steepest)]


class Relaxation(nn.Module):
    """Turns logits into codes in [-1, 1] while training; the codes of a fitted hasher are signs."""

    stages: int = 1
    """Equal parts of the training, each with a learning-rate schedule of its own."""
    pace: float = 1.0
    """What the learning rate is multiplied by."""

    def __call__(self, logits: Tensor) -> Tensor:
        """Return relaxed codes."""
        outputs: Tensor = super().__call__(logits)
        return outputs

    def forward(self, logits: Tensor) -> Tensor:
        """Compute relaxed codes."""
        raise NotImplementedError

    def anneal(self, progress: float) -> None:
        """Follow the training from 0 at its start to 1 at its end; called before every step."""


class Identity(Relaxation):
    """The logits themselves, not bounded: for objectives that keep them near -1 and +1 (DPSH)."""

    def forward(self, logits: Tensor) -> Tensor:
        """Return the logits."""
        return logits


class Tanh(Relaxation):
    """``tanh(steepness z)``: HashNet without continuation (HashNet-sgn)."""

    def __init__(self, steepness: float = 1.0) -> None:
        super().__init__()
        if steepness <= 0:
            raise InputError(f"steepness must be positive, got {steepness}")
        self.steepness = steepness

    def forward(self, logits: Tensor) -> Tensor:
        """Return the hyperbolic tangent."""
        return torch.tanh(self.steepness * logits)


class Sigmoid(Relaxation):
    """``2 sigma(gamma z) - 1``, which is ``tanh(gamma z / 2)`` (MIHash)."""

    def __init__(self, gamma: float = 1.0) -> None:
        super().__init__()
        if gamma <= 0:
            raise InputError(f"gamma must be positive, got {gamma}")
        self.gamma = gamma

    def forward(self, logits: Tensor) -> Tensor:
        """Return the scaled sigmoid."""
        return torch.tanh(self.gamma / 2 * logits)


class Continuation(Relaxation):
    """``tanh(beta z)`` in stages of growing beta; after the last comes the sign (HashNet, Alg. 1).

    The learning rate is divided by beta: a step of the weights moves ``beta z`` beta times as far.
    Up to about 16 a linear layer follows a steeper tanh with smaller logits; what is steeper closes
    the gap between the losses before and after the sign.

    Parameters
    ----------
    betas
        Beta of each stage, growing.
    """

    def __init__(self, betas: Sequence[float] = BETAS) -> None:
        super().__init__()
        self.betas = [float(beta) for beta in betas]
        if not self.betas or self.betas[0] <= 0 or sorted(set(self.betas)) != self.betas:
            raise InputError(f"betas must be positive and grow, got {betas}")
        self.stages = len(self.betas)
        self.beta = self.betas[0]

    def anneal(self, progress: float) -> None:
        """Take the beta of the stage in which the training is."""
        self.beta = self.betas[min(int(progress * self.stages + 1e-9), self.stages - 1)]
        self.pace = 1 / self.beta

    def forward(self, logits: Tensor) -> Tensor:
        """Return ``tanh(beta z)``."""
        return torch.tanh(self.beta * logits)


class StraightThrough(Relaxation):
    """The sign forward; backward the gradient passes where ``|z| <= clip``, or everywhere."""

    def __init__(self, clip: float | None = None) -> None:
        super().__init__()
        if clip is not None and clip <= 0:
            raise InputError(f"clip must be positive or None, got {clip}")
        self.clip = clip

    def forward(self, logits: Tensor) -> Tensor:
        """Return signs that have the gradient of the (clipped) logits."""
        soft = logits if self.clip is None else logits.clamp(-self.clip, self.clip)
        return sign(logits) + (soft - soft.detach())  # in this order the value is the sign exactly


class PiecewiseSigmoid(Relaxation):
    """``2 s - 1`` with ``s = sigma(z)``, and a clear -1 or +1 where s is far from one half (DNNH).

    Outputs cut off have no gradient.

    Parameters
    ----------
    epsilon
        How far s may be from one half, above 0 and at most 0.5 (nothing is cut off).
    """

    def __init__(self, epsilon: float = 0.25) -> None:
        super().__init__()
        if not 0 < epsilon <= 0.5:
            raise InputError(f"epsilon must be above 0 and at most 0.5, got {epsilon}")
        self.epsilon = epsilon

    def forward(self, logits: Tensor) -> Tensor:
        """Return the piecewise sigmoid."""
        share = torch.sigmoid(logits) - 0.5
        return torch.where(share.abs() > self.epsilon, sign(logits), 2 * share)


class DoublyStochastic(Relaxation):
    """+1 where ``sigma(z)`` exceeds a uniform draw, else -1 (SGH, D.3).

    Backward it has the slope of its mean, ``2 sigma (1 - sigma)``. Whether that gradient is the
    exact distributional derivative is decided by how the objective is written, see
    :class:`GaussianReconstruction`.

    Parameters
    ----------
    noise
        Draw, as in the paper; or compare with one half, as in the authors' code.
    """

    def __init__(self, *, noise: bool = True) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, logits: Tensor) -> Tensor:
        """Return drawn signs."""
        q = torch.sigmoid(logits)
        drawn = torch.where(q > torch.rand_like(q), 1.0, -1.0) if self.noise else sign(logits)
        return drawn.to(logits.dtype) + 2 * (q - q.detach())

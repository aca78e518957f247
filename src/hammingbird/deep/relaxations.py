"""Stand-ins for the sign that let a gradient through."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hammingbird.errors import InputError


def sign(logits: Tensor) -> Tensor:
    """Return +1 where a logit is at least zero, else -1: the rule of ``codes.pack``."""
    return torch.where(logits >= 0, 1.0, -1.0).to(logits.dtype)


class Relaxation(nn.Module):
    """Turns logits into codes in [-1, 1] while training; the codes of a fitted hasher are signs."""

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
    """``tanh(logits)``: HashNet without continuation (HashNet-sgn)."""

    def forward(self, logits: Tensor) -> Tensor:
        """Return the hyperbolic tangent."""
        return torch.tanh(logits)


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
    """``tanh(beta z)`` with beta from 1 to infinity: the sign itself at the end (HashNet, Alg. 1).

    ``beta = (1 - progress) ** -power``. The authors' code stops at 7.1; the paper goes to infinity,
    and so does this one with the last step.
    """

    def __init__(self, power: float = 0.5) -> None:
        super().__init__()
        if power <= 0:
            raise InputError(f"power must be positive, got {power}")
        self.power = power
        self.beta = 1.0

    def anneal(self, progress: float) -> None:
        """Raise beta."""
        left = max(0.0, 1.0 - progress)
        self.beta = left**-self.power if left else math.inf

    def forward(self, logits: Tensor) -> Tensor:
        """Return ``tanh(beta z)``, or the sign where beta is infinite."""
        return sign(logits) if math.isinf(self.beta) else torch.tanh(self.beta * logits)


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

"""Codes from which a Gaussian decoder gets the vectors back (SGH; Dai et al., ICML 2017)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from hammingbird.deep.objective import Batch, Objective, Problem
from hammingbird.errors import InputError

MEMORY = 0.99
SMALLEST_VARIANCE = 1e-6


class GaussianReconstruction(Objective):
    """``E_q[log q(h | x) - log p(x, h)]``, mean over the batch, in nats per vector of unit scale.

    ``p(x | h) = N(a + U'h, rho^2 I)`` with a normalised prior of independent bits, and q the bits
    that the logits say. rho^2 follows the batches' mean squared error. The formulas are those of
    ``hammingbird.classical.gaussian``, which tests hold them against; here autograd derives them,
    for any network. Made for :class:`DoublyStochastic`.

    Parameters
    ----------
    derivative
        ``exact`` writes the energy so that it is linear in every bit (h^2 = 1). Its value at codes
        is the same, and its gradient is the difference over the bit that the distributional
        derivative asks for; ``approximate`` differentiates the square as it stands (Lemma 3).
    rho
        Standard deviation of the noise for inputs of unit variance; None learns it.
    values
        Codes in {-1, +1} (D.3) or in {0, 1}.
    learned_prior
        Learn beta, or keep bits even a priori.
    scale
        Give every sample a positive latent scale z per bit (D.1). Without a prior on z its entropy
        would grow for ever, so log z is normal with mean 0 and deviation ``scale_deviation``.
    """

    offset: Tensor
    unit: Tensor
    variance: Tensor

    def __init__(
        self,
        *,
        derivative: Literal["exact", "approximate"] = "exact",
        rho: float | None = None,
        values: Literal["signs", "bits"] = "signs",
        learned_prior: bool = False,
        scale: bool = False,
        scale_deviation: float = 0.3,
    ) -> None:
        super().__init__()
        if derivative not in ("exact", "approximate") or values not in ("signs", "bits"):
            raise InputError(
                "derivative must be 'exact' or 'approximate', values 'signs' or 'bits', "
                f"got {derivative!r} and {values!r}"
            )
        if (rho is not None and not rho > 0) or not scale_deviation > 0:
            raise InputError("rho and scale_deviation must be positive")
        self.exact = derivative == "exact"
        self.rho, self.bits = rho, values == "bits"
        self.learned_prior, self.scale = learned_prior, scale
        self.scale_deviation = scale_deviation

    def prepare(self, problem: Problem) -> None:
        """Create the decoder; its unit and rho are set by the first batch."""
        d, n_bits = problem.n_features, problem.n_bits
        generator = torch.Generator().manual_seed(problem.random_state)
        start = torch.randn(n_bits, d, generator=generator) / math.sqrt(n_bits)
        mean = torch.zeros(d) if problem.mean is None else problem.mean
        self.decoder = nn.Parameter(start)
        self.shift = nn.Parameter(torch.zeros(d))
        self.beta = nn.Parameter(torch.zeros(n_bits), requires_grad=self.learned_prior)
        self.register_buffer("offset", mean.repeat(d // len(mean)))
        self.register_buffer("unit", torch.zeros(()))
        self.register_buffer("variance", torch.tensor(1.0 if self.rho is None else self.rho**2))
        if self.scale:
            self.latent = nn.Linear(d, 2 * n_bits)
            nn.init.zeros_(self.latent.weight)
            nn.init.zeros_(self.latent.bias)

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean free energy."""
        if batch.X is None:
            raise InputError("GaussianReconstruction needs the vectors: the batch has none")
        x = batch.X.flatten(1).to(batch.outputs.dtype) - self.offset
        if not self.unit:
            self.unit.copy_(x.detach().square().mean().sqrt().clamp(min=1e-12))
        x = x / self.unit
        h = (batch.outputs + 1) / 2 if self.bits else batch.outputs
        z, extra = self._latent(x)
        rest = x - self.shift - (z * h) @ self.decoder
        if self.rho is None and self.training:
            with torch.no_grad():
                now = rest.square().mean().clamp(min=SMALLEST_VARIANCE)
                self.variance.mul_(MEMORY).add_((1 - MEMORY) * now)
        squares = rest.square().sum(dim=1)
        if self.exact:
            lengths = self.decoder.square().sum(dim=1) * z.square()
            squares = squares - (lengths * (h.square() - (h if self.bits else 1.0))).sum(dim=1)
        width = 0.5 * x.shape[1] * torch.log(2 * torch.pi * self.variance)
        energy = squares / (2 * self.variance) + width + self._prior(h)
        return (energy + _negative_entropy(batch.logits) + extra).mean()

    def _prior(self, h: Tensor) -> Tensor:
        """``-log p(h)``: beta's partition function is softplus for bits, log 2cosh for signs."""
        if self.bits:
            return softplus(self.beta).sum() - h @ self.beta
        return (softplus(2 * self.beta) - self.beta).sum() - h @ self.beta

    def _latent(self, x: Tensor) -> tuple[Tensor, Tensor | float]:
        """Scales [m, n_bits], and what they cost: the divergence of q(z | x) from the prior."""
        if not self.scale:
            return torch.ones((), dtype=x.dtype, device=x.device), 0.0
        mean, log_deviation = self.latent(x).chunk(2, dim=1)
        log_deviation = log_deviation + math.log(self.scale_deviation)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        z = torch.exp(mean + log_deviation.exp() * noise)
        ratio = (2 * (log_deviation - math.log(self.scale_deviation))).exp()
        divergence = 0.5 * (ratio + (mean / self.scale_deviation).square() - 1 - ratio.log())
        return z, divergence.sum(dim=1)

    @torch.no_grad()
    def linear_decoder(self) -> tuple[Tensor, Tensor]:
        """The decoder [n_bits, d] and offset [d] for codes in {-1, +1}, in the data's units."""
        decoder, shift = self.decoder * self.unit, self.shift * self.unit + self.offset
        if self.bits:
            return decoder / 2, shift + decoder.sum(dim=0) / 2
        return decoder, shift


def _negative_entropy(logits: Tensor) -> Tensor:
    """``E_q[log q]`` of independent bits with these logits, [m]."""
    q = torch.sigmoid(logits)
    return (q * logsigmoid(logits) + (1 - q) * logsigmoid(-logits)).sum(dim=1)

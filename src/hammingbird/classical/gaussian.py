"""The model of SGH: signs h that make vectors by a Gaussian, p(x | h) = N(a + U'h, rho^2 I).

Codes are in {-1, +1} (supplement, D.3); the {0, 1} model is the same one with ``U`` and ``beta``
twice as large and ``a`` moved. The joint is normalised: the supplement leaves the partition
functions out, and without them the objective falls for ever as rho or beta grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Derivative = Literal["exact", "approximate"]
Floats = NDArray[np.floating]


@dataclass
class GaussianModel:
    """Parameters of p(x, h) = p(h) N(x; offset + h @ decoder, variance I)."""

    decoder: Floats
    """U, [n_bits, d]."""
    offset: Floats
    """a, [d]."""
    beta: Floats
    """p(h) is proportional to exp(beta . h), [n_bits]."""
    variance: float
    """rho^2."""

    def rest(self, X: Floats, H: Floats) -> Floats:
        """What codes ``H`` [n, n_bits] leave of ``X`` [n, d]."""
        rest: Floats = X - self.offset - H @ self.decoder
        return rest

    def energy(self, H: Floats, rest: Floats) -> Floats:
        """``-log p(x, h)`` of every row, in nats, [n]."""
        squares = np.einsum("ij,ij->i", rest, rest)
        width = np.log(2 * np.pi * self.variance) * rest.shape[1] / 2
        partition = np.logaddexp(self.beta, -self.beta).sum()
        energy: Floats = squares / (2 * self.variance) + width - H @ self.beta + partition
        return energy

    def differences(self, H: Floats, rest: Floats, derivative: Derivative) -> Floats:
        """How the energy changes as one bit goes from -1 to +1, [n, n_bits].

        ``exact`` is that difference itself, which the distributional derivative asks for. Its cost
        is that of one gradient: as the energy is quadratic in h, the differences of all bits are
        the gradient less ``2 h_k |u_k|^2 / rho^2``. ``approximate`` is twice the gradient in h, as
        in Lemma 3 and D.3 of the supplement.
        """
        differences: Floats = -2 * (rest @ self.decoder.T) / self.variance - 2 * self.beta
        if derivative == "exact":
            lengths = np.einsum("ij,ij->i", self.decoder, self.decoder)
            differences -= H * (2 * lengths / self.variance)
        return np.asarray(differences, H.dtype)

    def gradients(self, H: Floats, rest: Floats) -> tuple[Floats, Floats, Floats]:
        """Gradients of the mean energy in decoder, offset and beta."""
        n = len(H)
        decoder = -(H.T @ rest) / (n * self.variance)
        offset = -rest.mean(axis=0) / self.variance
        return decoder, offset, np.tanh(self.beta) - H.mean(axis=0)


def negative_entropy(probabilities: Floats) -> Floats:
    """``E_q[log q(h | x)]`` of independent bits, in nats, [n]."""
    from scipy.special import entr

    both: Floats = entr(probabilities) + entr(1 - probabilities)
    return np.asarray(-both.sum(axis=1))


def logit_gradient(probabilities: Floats, logits: Floats, differences: Floats) -> Floats:
    """Gradient of energy and negative entropy in the logits, [n, n_bits].

    ``sigma (1 - sigma)`` times the difference of the energy (Lemma 3), and times the logit, which
    is the derivative of the entropy term.
    """
    slope = probabilities * (1 - probabilities)
    gradient: Floats = slope * (differences + logits)
    return gradient

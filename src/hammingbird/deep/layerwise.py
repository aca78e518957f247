"""A deep net learned layer by layer, without back-propagation: activations and weights by turns."""

from __future__ import annotations

import torch
from torch import Tensor

from hammingbird.deep.objectives.discrete import ridge_regression

STEPS = 5
"""Steps of activations towards what the next layer wants; a layer near the identity needs few."""


class Layers:
    """L rectified layers and a linear top, with activations A that need not be the net's own.

    Lowers ``sum_l c^(l - L - 1) (|A_l - h_(l-1) W_l - b_l|^2 + ridge n |W_l - P_l|^2)``,
    l = 1 to L + 1, where ``h_0 = X``, ``h_l = max(0, A_l)``, ``A_(L+1)`` are the codes, which are
    given, and P is the identity between hidden layers, else 0. Each block, the weights of a layer
    or its activations, never raises it.

    Random rectified layers turn all rows into one direction, the more the deeper: sixteen of them
    leave a regression nothing to tell rows apart by. So the first layer alone is random, and the
    others start as the identity and are drawn to it.

    Parameters
    ----------
    X
        Rows [n, d].
    coupling
        c: how strongly a layer's activations are pulled from above, against from below. A wish of
        the codes comes to the first layer as its c / (1 + c) to the power of L.
    """

    def __init__(
        self, X: Tensor, n_layers: int, width: int, n_bits: int, *, coupling: float, ridge: float
    ) -> None:
        d = X.shape[1]
        self.X, self.coupling, self.ridge, self.n_layers = X, coupling, ridge, n_layers
        first = torch.randn(d, width) * (2 / d) ** 0.5
        starts = [first, *[torch.eye(width) for _ in range(n_layers - 1)]]
        starts.append(torch.zeros(width, n_bits))
        self.weights = [torch.cat([W, torch.zeros(1, W.shape[1])]) for W in starts]
        """Of all layers and the top, each with its bias as the last row."""
        self.activations: list[Tensor] = []
        """A_1 to A_L, [n, width], before they are rectified."""
        self.run()

    def inputs(self, i: int) -> Tensor:
        """What layer ``i`` (from 0, the top is L) reads."""
        return self.X if i == 0 else self.activations[i - 1].clamp(min=0)

    def run(self) -> None:
        """Make the activations the net's own."""
        self.activations = []
        for i in range(self.n_layers):
            self.activations.append(affine(self.inputs(i), self.weights[i]))

    def scores(self) -> Tensor:
        """What the top gives, [n, n_bits]."""
        return affine(self.inputs(self.n_layers), self.weights[-1])

    def objective(self, codes: Tensor) -> float:
        """The sum above."""
        total = 0.0
        for i, target in enumerate([*self.activations, codes]):
            errors = (target - affine(self.inputs(i), self.weights[i])).square().sum()
            squares = (self.weights[i][:-1] - self._prior(i)).square().sum()
            total += self.coupling ** (i - self.n_layers) * float(
                errors + self.ridge * len(codes) * squares
            )
        return total

    def sweep(self, codes: Tensor) -> None:
        """Ease the activations from the top down, then fit the layers from the bottom up.

        Each layer is fitted to what the layers below, already fitted, really give, so that their
        errors do not add up. If the net's own objective has grown, the sweep is undone.
        """
        self.fit(self.n_layers, codes)
        before, kept = self.objective(codes), list(self.weights)
        for i in reversed(range(self.n_layers)):
            self.ease(i, codes)
        for i in range(self.n_layers):
            self.rest(i)
            self.fit(i, codes)
            self.activations[i] = affine(self.inputs(i), self.weights[i])
        self.fit(self.n_layers, codes)
        if self.objective(codes) > before:
            self.weights = kept
            self.run()

    def fit(self, i: int, codes: Tensor) -> None:
        """Solve the weights of layer ``i``."""
        X, Y, prior = self.inputs(i), self._target(i, codes), self._prior(i)
        mean_X, mean_Y = X.mean(dim=0), Y.mean(dim=0)
        X, Y = X - mean_X, Y - mean_Y
        W = prior + ridge_regression(X, Y - X @ prior, self.ridge * len(X))
        self.weights[i] = torch.cat([W, (mean_Y - mean_X @ W)[None]])

    def ease(self, i: int, codes: Tensor) -> None:
        """Move the activations of layer ``i`` to where the next one wants them.

        Each step minimises a bound of ``|A - given|^2 + c |wanted - max(0, A) W|^2`` that is a
        parabola per unit, once for the unit on and once for it off, and takes the better.
        """
        W, bias = self.weights[i + 1][:-1], self.weights[i + 1][-1]
        given = affine(self.inputs(i), self.weights[i])
        gram = self.coupling * W @ W.T
        wish = self.coupling * (self._target(i + 1, codes) - bias) @ W.T
        steep = float(torch.linalg.eigvalsh(gram)[-1]) * (1 + 1e-5)
        off = given.clamp(max=0)
        A = self.activations[i]
        for _ in range(STEPS):
            h = A.clamp(min=0)
            slope = h @ gram - wish  # half of it
            on = (given + steep * h - slope) / (1 + steep)
            gain = (off - given).square() + steep * h.square()
            gain -= (on - given).square() + 2 * slope * on + steep * (on - h).square()
            A = torch.where((on > 0) & (gain > 0), on, off)
        self.activations[i] = A

    def rest(self, i: int) -> None:
        """Let units that are off lie as far below zero as the layer puts them."""
        given = affine(self.inputs(i), self.weights[i])
        A = self.activations[i]
        self.activations[i] = torch.where(A > 0, A, given.clamp(max=0))

    def _prior(self, i: int) -> Tensor:
        W = self.weights[i][:-1]
        return torch.eye(len(W)) if 0 < i < self.n_layers else torch.zeros_like(W)

    def _target(self, i: int, codes: Tensor) -> Tensor:
        return codes if i == self.n_layers else self.activations[i]


def affine(X: Tensor, weights: Tensor) -> Tensor:
    """``X W + b``, the bias being the last row of ``weights``."""
    return X @ weights[:-1] + weights[-1]

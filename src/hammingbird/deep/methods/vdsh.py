"""VDSH (Zhang, Chen and Saligrama, CVPR 2016): a very deep net trained layer by layer."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor
from tqdm import tqdm

from hammingbird.centers import Kind
from hammingbird.deep.center_hasher import CenterHasher
from hammingbird.deep.objective import Batch, Objective, Problem
from hammingbird.deep.objectives.discrete import cyclic_descent, indicator, ridge_regression
from hammingbird.deep.objectives.posterior import CodePosterior
from hammingbird.deep.relaxations import sign
from hammingbird.deep.supervision import supervise
from hammingbird.errors import InputError

SURROGATE_EPOCHS = 3
"""Passes of the plug-in's surrogate over the scores in every sweep."""


class VDSH(CenterHasher):
    """Codes that give the class linearly, and a deep net that gives the codes, by turns.

    Every layer has auxiliary activations Z next to its outputs, so that each weight matrix is one
    ridge regression and nothing is propagated back; a sweep goes from the codes (discrete cyclic
    coordinate descent) down to the first layer. The paper does not print all of its penalties:
    those here are equal for all layers. The layers' activations of all rows are held in memory.

    Parameters
    ----------
    n_layers, width
        Hidden layers of rectified units; the paper has 16 and more of 1,024.
    sweeps
        Sweeps.
    coupling
        How strongly the layer above pulls the activations, against what the layer below gives.
    mu
        Weight of the classification ``|Y - B V|^2`` against ``|B - scores|^2``.
    ridge
        Weight of squared norms, per row of the data.
    posterior, posterior_weight, centers
        The plug-in ``_D``, see :class:`~hammingbird.deep.paper.PaperMethod`: its gradient joins
        the scores that the codes follow. Classes keep the centres that they were given.
    """

    mean_: NDArray[np.floating]
    input_weights_: NDArray[np.floating]
    hidden_weights_: NDArray[np.floating]
    output_weights_: NDArray[np.floating]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        n_layers: int = 3,
        width: int = 512,
        sweeps: int = 2,
        coupling: float = 1.0,
        mu: float = 10.0,
        ridge: float = 1e-2,
        posterior: Literal["added", "instead", "untrained"] | None = None,
        posterior_weight: float = 1.0,
        centers: Kind = "auto",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.n_layers = n_layers
        self.width = width
        self.sweeps = sweeps
        self.coupling = coupling
        self.mu = mu
        self.ridge = ridge
        self.posterior = posterior
        self.posterior_weight = posterior_weight
        self.centers = centers
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        if y is None:
            raise InputError(
                "VDSH needs y: labels or label sets; "
                "requires y to be passed, but the target y is None"
            )
        for name in ("n_layers", "width", "sweeps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        supervision = supervise(y, len(X))
        if supervision.y is None:
            raise InputError("VDSH needs y as labels or label sets")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rows = torch.from_numpy(np.array(X, np.float32, order="C"))
        mean = rows.mean(dim=0)
        rows -= mean
        rows /= rows.square().mean().sqrt().clamp(min=1e-12)  # the first regression undoes it
        problem = Problem(
            len(X), self.n_bits_, X.shape[1], supervision.n_classes, supervision.y,
            random_state=seed,
        )  # fmt: skip
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            plug_in = self._plug_in(problem)
            layers = self._learn(rows, problem, plug_in)
        self._keep_centers(plug_in or Objective(), supervision.classes)
        scale = np.sqrt(np.mean((np.asarray(X, np.float64) - mean.numpy()) ** 2)) or 1.0
        first = layers[0].numpy().astype(np.float64)
        first[:-1] /= scale
        self.mean_ = mean.numpy()
        self.input_weights_ = first.astype(np.float32)
        self.hidden_weights_ = (
            torch.stack(layers[1:-1]).numpy()
            if self.n_layers > 1
            else np.zeros((0, self.width + 1, self.width), np.float32)
        )
        self.output_weights_ = layers[-1].numpy()

    def _learn(self, X: Tensor, problem: Problem, plug_in: CodePosterior | None) -> list[Tensor]:
        """Return the weights of all layers, each with its bias as the last row."""
        assert problem.y is not None
        labels = indicator(problem.y, problem.n_classes).float()
        sizes = [X.shape[1], *[self.width] * self.n_layers]
        layers = [
            torch.cat([torch.randn(a, b) * (2 / a) ** 0.5, torch.zeros(1, b)])
            for a, b in pairwise(sizes)
        ]
        activations = _forward(X, layers)
        codes = sign(torch.randn(len(X), problem.n_bits))
        scores = torch.zeros_like(codes)
        top = layers[-1]
        for _ in tqdm(range(self.sweeps), desc="VDSH", unit="sweep", leave=False, disable=None):
            codes = self._codes(codes, scores, labels, plug_in, problem)
            top = _ridge(activations[-1], codes, self.ridge)
            above, target = top, codes
            for i in reversed(range(len(layers))):
                below = X if i == 0 else activations[i - 1]
                plain = _affine(below, layers[i])
                eased = self._ease(plain.clamp(min=0), above, target)
                # A unit that should be off may stay as far below zero as it is.
                target = torch.where(eased > 0, eased, plain.clamp(max=0))
                layers[i] = _ridge(below, target, self.ridge)
                above = layers[i]
            activations = _forward(X, layers)
            top = _ridge(activations[-1], codes, self.ridge)
            scores = _affine(activations[-1], top)
        return [*layers, top]

    def _ease(self, outputs: Tensor, above: Tensor, target: Tensor) -> Tensor:
        """Activations between what the layer gives and what the next one would like."""
        W, bias = above[:-1], above[-1]
        system = torch.eye(len(W)) + self.coupling * W @ W.T
        wish = outputs + self.coupling * (target - bias) @ W.T
        eased: Tensor = torch.linalg.solve(system, wish.T).T.clamp(min=0)
        return eased

    def _codes(
        self,
        codes: Tensor,
        scores: Tensor,
        labels: Tensor,
        plug_in: CodePosterior | None,
        problem: Problem,
    ) -> Tensor:
        known = labels.any(dim=1)
        follow, gram = scores.clone(), torch.zeros(problem.n_bits, problem.n_bits)
        if self.posterior != "instead":
            V = ridge_regression(codes[known], labels[known], self.ridge * len(codes))
            follow += self.mu * labels @ V.T
            gram = self.mu * V @ V.T
        if plug_in is not None and scores.any():  # there are none before the first sweep
            follow -= self.posterior_weight * _pull(plug_in, scores, problem)
        solved = cyclic_descent(codes, follow, gram, sweeps=10)
        return torch.where(known[:, None], solved, sign(scores))

    def _plug_in(self, problem: Problem) -> CodePosterior | None:
        if self.posterior is None:
            return None
        if self.posterior not in ("added", "instead", "untrained"):
            raise InputError(
                f"posterior must be None, 'added', 'instead' or 'untrained', got {self.posterior!r}"
            )
        plug_in = CodePosterior(self.centers, trained=self.posterior != "untrained")
        plug_in.prepare(problem)
        return plug_in

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        hidden = X - self.mean_.astype(X.dtype)
        for weights in (self.input_weights_, *self.hidden_weights_):
            hidden = np.maximum(hidden @ weights[:-1].astype(X.dtype) + weights[-1], 0)
        top = self.output_weights_
        scores: NDArray[np.floating] = hidden @ top[:-1].astype(X.dtype) + top[-1]
        return scores

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _pull(plug_in: CodePosterior, scores: Tensor, problem: Problem) -> Tensor:
    """Gradient of the plug-in's loss per row, after its surrogate has seen the scores."""
    assert problem.y is not None
    if plug_in.trained:
        optimizer = torch.optim.Adam(plug_in.parameters(), 1e-3)
        for _ in range(SURROGATE_EPOCHS):
            for part in torch.split(torch.randperm(len(scores)), 256):
                optimizer.zero_grad()
                plug_in.estimate(scores[part]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    scores = scores.clone().requires_grad_()
    total = len(scores) * plug_in.pull(
        Batch(scores, scores, torch.arange(len(scores)), y=problem.y)
    )
    (gradient,) = torch.autograd.grad(total, scores)
    return gradient


def _forward(X: Tensor, layers: list[Tensor]) -> list[Tensor]:
    activations = []
    for weights in layers:
        X = _affine(X, weights).clamp(min=0)
        activations.append(X)
    return activations


def _affine(X: Tensor, weights: Tensor) -> Tensor:
    return X @ weights[:-1] + weights[-1]


def _ridge(X: Tensor, Y: Tensor, ridge: float) -> Tensor:
    """Ridge regression with a free bias, [d + 1, k]; the penalty grows with the rows."""
    mean_X, mean_Y = X.mean(dim=0), Y.mean(dim=0)
    W = ridge_regression(X - mean_X, Y - mean_Y, ridge * len(X))
    return torch.cat([W, (mean_Y - mean_X @ W)[None]])

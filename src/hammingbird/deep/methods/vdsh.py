"""VDSH (Zhang, Chen and Saligrama, CVPR 2016): a very deep net trained layer by layer."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from hammingbird.centers import Kind
from hammingbird.codes import Output
from hammingbird.deep.center_hasher import CenterHasher
from hammingbird.deep.layerwise import Layers
from hammingbird.deep.objective import Batch, Objective, Problem
from hammingbird.deep.objectives.discrete import cyclic_descent, indicator, ridge_regression
from hammingbird.deep.objectives.posterior import CodePosterior
from hammingbird.deep.relaxations import sign
from hammingbird.deep.supervision import supervise
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state

SURROGATE_EPOCHS = 3
"""Passes of the plug-in's surrogate over the scores in every sweep."""


class VDSH(CenterHasher):
    """Codes that give the class linearly, and a deep net that gives the codes, by turns.

    Every layer has auxiliary activations next to its outputs, so that each weight matrix is one
    ridge regression and nothing is propagated back. A sweep solves the codes B by discrete cyclic
    coordinate descent on ``|B - scores|^2 + mu |Y - B V|^2``, then eases the activations from the
    top down and fits the layers from the bottom up: see
    :class:`~hammingbird.deep.layerwise.Layers` for what that lowers, and how deep nets stay stable.
    The paper does not print all of its penalties: those here are equal for all layers. The layers'
    activations of all rows are held in memory.

    Parameters
    ----------
    n_layers, width
        Hidden layers of rectified units; the paper has 16 and more of 1,024. Time and memory grow
        with the layers.
    sweeps
        Sweeps.
    coupling
        How strongly the layer above pulls the activations, against what the layer below gives. With
        1, little of a pull comes to the lower ones of many layers, and they hardly learn.
    mu
        Weight of the classification ``|Y - B V|^2`` against ``|B - scores|^2``.
    ridge
        Weight of squared norms, per row of the data.
    posterior, posterior_weight, centers
        The plug-in ``_D``, see :class:`~hammingbird.deep.paper.PaperMethod`: its gradient joins
        the scores that the codes follow. Classes keep the centres that they were given.
    """

    supervised = True
    mean_: NDArray[np.floating]
    input_weights_: NDArray[np.floating]
    hidden_weights_: NDArray[np.floating]
    output_weights_: NDArray[np.floating]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        n_layers: int = 16,
        width: int = 512,
        sweeps: int = 2,
        coupling: float = 100.0,
        mu: float = 10.0,
        ridge: float = 1e-2,
        posterior: Literal["added", "instead", "untrained"] | None = None,
        posterior_weight: float = 1.0,
        centers: Kind = "auto",
        output: Output = "packed",
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
        self.output = output
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
        layers = Layers(
            X, self.n_layers, self.width, problem.n_bits,
            coupling=self.coupling, ridge=self.ridge,
        )  # fmt: skip
        codes = sign(torch.randn(len(X), problem.n_bits))
        for _ in tqdm(range(self.sweeps), desc="VDSH", unit="sweep", leave=False, disable=None):
            codes = self._discrete(codes, layers.scores(), labels, plug_in, problem)
            layers.sweep(codes)
        return layers.weights

    def _discrete(
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

"""Discrete codes that a linear classifier can read, and a network that follows them (DSDH)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from hammingbird.deep.objective import Batch, Needs, Objective, Problem
from hammingbird.deep.objectives.bank import Bank
from hammingbird.deep.relaxations import sign
from hammingbird.errors import InputError


class DiscreteCodes(Objective):
    """The distance of outputs U to discrete codes B that also give the labels Y: ``(b - u)^2``.

    Mean over entries. B minimises ``|B - U|^2 + mu |Y - B W|^2 + mu ridge |W|^2`` together with W
    (DSDH, Eq. 7 divided by eta). It starts from random signs. After every epoch W is the ridge
    regression of the labels on B, and B follows the latest outputs of all rows and this W by
    discrete cyclic coordinate descent, so that neither step raises what is minimised; in the first
    epoch, before there is a B, a row follows its own sign. Rows without a label have no
    classification part.

    Parameters
    ----------
    mu
        Weight of the classification against the distance to the outputs.
    ridge
        Weight of ``|W|^2``.
    refit
        ``batch`` solves W, from the signs of the outputs, and B for every batch alone, as the
        authors' code does; noisy where a batch is small beside ``n_bits``.
    sweeps
        Most rounds of coordinate descent over the bits.
    """

    needs: ClassVar[Needs] = "classes"
    codes: Tensor
    solved: Tensor

    def __init__(
        self,
        mu: float = 1.0,
        ridge: float = 0.1,
        *,
        refit: Literal["epoch", "batch"] = "epoch",
        sweeps: int = 10,
    ) -> None:
        super().__init__()
        if mu < 0 or ridge <= 0:
            raise InputError(f"mu must not be negative and ridge positive, got {mu} and {ridge}")
        if refit not in ("epoch", "batch"):
            raise InputError(f"refit must be 'epoch' or 'batch', got {refit!r}")
        self.mu, self.ridge, self.refit, self.sweeps = mu, ridge, refit, sweeps
        self.classes: Tensor | None = None

    def prepare(self, problem: Problem) -> None:
        """Draw random signs for all rows."""
        if problem.y is None:
            raise InputError("DiscreteCodes needs labels: give y as labels or label sets")
        shape = (problem.n_rows, problem.n_bits)
        random = torch.Generator().manual_seed(problem.random_state)
        self.register_buffer("codes", 2.0 * torch.randint(2, shape, generator=random) - 1)
        self.latest = Bank(problem)
        self.register_buffer("solved", torch.zeros(problem.n_rows, dtype=torch.bool))
        self.classes = indicator(problem.y, problem.n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean squared distance to the discrete codes."""
        outputs = batch.outputs
        if self.refit == "batch":
            fixed, classes = outputs.detach(), batch.membership
            weights = self._classifier(sign(fixed), classes)
            targets = self._descend(fixed, self.codes[batch.index], classes, weights)
        else:
            if self.training:
                self.latest.store(batch)
            solved = self.solved[batch.index][:, None]
            targets = torch.where(solved, self.codes[batch.index], sign(outputs.detach()))
        return (targets - outputs).square().mean()

    @torch.no_grad()
    def epoch_end(self) -> None:
        """Solve the codes of all rows that were visited."""
        if self.refit == "batch" or self.classes is None:
            return
        rows = self.latest.visited.nonzero()[:, 0]
        classes = self.classes.to(rows.device)[rows].float()
        weights = self._classifier(self.codes[rows], classes)
        self.codes[rows] = self._descend(
            self.latest.codes[rows], self.codes[rows], classes, weights
        )
        self.solved[rows] = True

    def _classifier(self, codes: Tensor, classes: Tensor) -> Tensor:
        known = classes.any(dim=1)
        return ridge_regression(codes[known], classes[known], self.ridge)

    def _descend(self, outputs: Tensor, codes: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        known = classes.any(dim=1)[:, None]
        # Rows without a label only follow their outputs.
        follow = outputs + torch.where(known, self.mu * classes @ weights.T, 0.0)
        gram = self.mu * weights @ weights.T
        solved = cyclic_descent(codes.to(outputs.dtype), follow, gram, self.sweeps)
        return torch.where(known, solved, sign(outputs))


def indicator(y: Tensor, n_classes: int) -> Tensor:
    """Label sets of all rows, bool [n, n_classes]; an unlabelled row has none."""
    if y.ndim == 2:
        return y
    return y[:, None] == torch.arange(n_classes, device=y.device)


def ridge_regression(X: Tensor, Y: Tensor, ridge: float) -> Tensor:
    """``argmin_W |Y - X W|^2 + ridge |W|^2``, [n_bits, n_classes]."""
    gram = X.T @ X + ridge * torch.eye(X.shape[1], dtype=X.dtype, device=X.device)
    solution: Tensor = torch.linalg.solve(gram, X.T @ Y)
    return solution


def cyclic_descent(codes: Tensor, follow: Tensor, gram: Tensor, sweeps: int) -> Tensor:
    """Minimise ``tr(B gram B') - 2 tr(B follow')`` over B of +-1, column by column (SDH, Eq. 13).

    No step raises it; a bit that makes no difference stays as it was.
    """
    codes = codes.clone()
    for _ in range(sweeps):
        before = codes.clone()
        for k in range(codes.shape[1]):
            others = codes @ gram[:, k] - codes[:, k] * gram[k, k]
            wish = follow[:, k] - others
            codes[:, k] = torch.where(wish == 0, codes[:, k], wish.sign())
        if torch.equal(codes, before):
            break
    return codes

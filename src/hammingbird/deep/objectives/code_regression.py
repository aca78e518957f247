"""Codes found first, then learned: the two stages of CNNH."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hammingbird.deep.objective import Batch, Needs, Objective, Problem
from hammingbird.errors import InputError


class CodeRegression(Objective):
    """How well logits give the codes that factor the similarity matrix (CNNH, Sec. 3).

    Before training, codes H of all rows are found so that ``H H' / n_bits`` is close to the matrix
    of +1 for rows that share a label and -1 for others. Mean over labelled rows and bits, 0 if
    there are none.

    Parameters
    ----------
    loss
        ``bits`` is the cross-entropy of ``sigma(2 z)`` with each bit; ``square`` is ``(u - h)^2``.
    sweeps
        Rounds over the columns of H.
    """

    needs: ClassVar[Needs] = "classes"
    codes: Tensor
    """[n_rows, n_bits] of -1 and +1, by row number."""

    def __init__(self, loss: Literal["bits", "square"] = "bits", sweeps: int = 10) -> None:
        super().__init__()
        if loss not in ("bits", "square"):
            raise InputError(f"loss must be 'bits' or 'square', got {loss!r}")
        self.loss, self.sweeps = loss, sweeps

    def prepare(self, problem: Problem) -> None:
        """Find the codes of all rows."""
        if problem.y is None:
            raise InputError("CodeRegression needs labels: give y as labels or label sets")
        codes = similarity_codes(
            problem.y, problem.n_bits, sweeps=self.sweeps, random_state=problem.random_state
        )
        self.register_buffer("codes", codes)

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over labelled rows and bits."""
        codes = self.codes[batch.index].to(batch.outputs.dtype)
        if self.loss == "bits":
            losses = softplus(-2 * codes * batch.logits)
        else:
            losses = (codes - batch.outputs).square()
        return (losses.mean(dim=1) * batch.labelled).sum() / batch.labelled.sum().clamp(min=1)


def similarity_codes(y: Tensor, n_bits: int, *, sweeps: int = 10, random_state: int = 0) -> Tensor:
    """Codes H of +-1 that make ``|S - H H' / n_bits|^2`` small, float [n, n_bits].

    From random values in [-1, 1], column by column and in [-1, 1], by the Newton steps of CNNH's
    first stage. Its entries move together instead of one by one, by a step that is halved until the
    objective falls: then rows with the same labels need S only once, not n^2 times.
    """
    labels, group = torch.unique(y, dim=0, return_inverse=True)
    share = _share_a_label(labels)
    random = torch.Generator().manual_seed(random_state)
    H = 2 * torch.rand(len(y), n_bits, generator=random, dtype=torch.float64) - 1
    H[_without_label(y)] = 0.0  # no row is similar or dissimilar to it
    for _ in range(sweeps):
        for k in range(n_bits):
            H[:, k] = _newton_step(H, k, share, group)
    return torch.where(H >= 0, 1.0, -1.0).float()


def factorization_error(H: Tensor, share: Tensor, group: Tensor) -> Tensor:
    """``|n_bits S - H H'|^2`` without the constant ``|n_bits S|^2``."""
    grouped = torch.zeros(len(share), H.shape[1], dtype=H.dtype).index_add(0, group, H)
    return (H.T @ H).square().sum() - 2 * H.shape[1] * (grouped * (share @ grouped)).sum()


def _newton_step(H: Tensor, k: int, share: Tensor, group: Tensor) -> Tensor:
    """Column k after one step down, or as it was if none is."""
    column, n_bits = H[:, k], H.shape[1]
    grouped = torch.zeros(len(share), dtype=H.dtype).index_add(0, group, column)
    gradient = H @ (H.T @ column) - n_bits * (share @ grouped)[group]  # a quarter of it
    diagonal = H.square().sum(dim=1) - n_bits * share.diagonal()[group]
    curvature = column.square().sum() + column.square() + diagonal
    step = -gradient / curvature.clamp(min=1e-6)
    # With all other columns fixed, what is left of S is a matrix that one h h' has to fit.
    others = H.clone()
    others[:, k] = 0

    def error(h: Tensor) -> Tensor:
        grouped = torch.zeros(len(share), dtype=H.dtype).index_add(0, group, h)
        fit = (others.T @ h).square().sum() - n_bits * grouped @ (share @ grouped)
        return h.square().sum().square() + 2 * fit

    start = error(column)
    for halvings in range(12):
        moved = (column + 0.5**halvings * step).clamp(-1, 1)
        if error(moved) < start:
            return moved
    return column


def _share_a_label(labels: Tensor) -> Tensor:
    """+1 where two of the different labels (or label sets) agree, -1 elsewhere, 0 without label."""
    if labels.ndim == 1:
        share = 2.0 * torch.eye(len(labels), dtype=torch.float64) - 1
    else:
        share = torch.where(labels.double() @ labels.double().T > 0, 1.0, -1.0).double()
    missing = _without_label(labels)
    share[missing] = 0.0
    share[:, missing] = 0.0
    return share


def _without_label(y: Tensor) -> Tensor:
    return ~y.any(dim=1) if y.ndim == 2 else y < 0

"""Codes found first, then learned: the two stages of CNNH."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from hammingbird.deep.objective import Batch, Needs, Objective, Problem
from hammingbird.errors import InputError

Floats: TypeAlias = NDArray[np.float64]


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
        Most rounds over the entries of H.
    """

    needs: ClassVar[Needs] = "classes"
    codes: Tensor
    """[n_rows, n_bits] of -1 and +1, by row number."""

    def __init__(self, loss: Literal["bits", "square"] = "bits", sweeps: int = 10) -> None:
        super().__init__()
        if loss not in ("bits", "square"):
            raise InputError(f"loss must be 'bits' or 'square', got {loss!r}")
        if sweeps < 1:
            raise InputError(f"sweeps must be at least 1, got {sweeps}")
        self.loss, self.sweeps = loss, sweeps

    def prepare(self, problem: Problem) -> None:
        """Find the codes of all rows."""
        if problem.y is None:
            raise InputError("CodeRegression needs labels: give y as labels or label sets")
        codes = similarity_codes(
            problem.y.cpu(), problem.n_bits, sweeps=self.sweeps, random_state=problem.random_state
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
    """Codes H of +-1 that make ``|S - H H' / n_bits|^2`` small, float [n, n_bits]; 0 without label.

    CNNH's first stage: from random values in [-1, 1], a clipped Newton step on one entry after the
    other, sweep by sweep while the objective falls; the best signs of all sweeps are taken, as late
    sweeps trade them for a better fit in between. Rows with equal labels have equal rows of S; they
    share one code that counts as often as it occurs, so that memory grows with the number of
    different label sets, not with rows.
    """
    labels, group, counts = np.unique(y.numpy(), axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    S = share_a_label(labels)
    H = np.random.default_rng(random_state).uniform(-1, 1, (len(labels), n_bits))
    unlabelled = ~labels.any(axis=1) if labels.ndim == 2 else labels < 0
    H[unlabelled] = 0.0
    n = np.where(unlabelled, 0.0, counts)
    codes, best, error = H, np.inf, np.inf
    for _ in range(sweeps):
        for k in range(n_bits):
            _newton_column(H, k, S, n)
        signs = np.where(H >= 0, 1.0, -1.0)
        of_signs = factorization_error(signs, S, n)
        if of_signs < best:
            codes, best = signs, of_signs
        error, before = factorization_error(H, S, n), error
        if error >= before:
            break
    codes[unlabelled] = 0.0
    return torch.from_numpy(codes[group]).float()


def share_a_label(labels: Floats) -> Floats:
    """+1 where two label sets (or labels) have one in common, else -1."""
    if labels.ndim == 1:
        return 2.0 * np.eye(len(labels)) - 1
    return np.where(labels.astype(float) @ labels.T > 0, 1.0, -1.0)


def factorization_error(H: Floats, S: Floats, n: Floats) -> float:
    """``|n_bits S - H H'|^2`` over all rows, where row i of H stands for ``n[i]`` rows."""
    return float(n @ (H @ H.T - H.shape[1] * S) ** 2 @ n)


def _newton_column(H: Floats, k: int, S: Floats, n: Floats) -> None:
    """Move the entries of column k in place, one after the other."""
    n_bits = H.shape[1]
    product = H.T @ (n * H[:, k])  # H' h, kept up to date
    agreement = S @ (n * H[:, k])  # S h
    for i in np.flatnonzero(n):
        old = H[i, k]
        slope = H[i] @ product - n_bits * agreement[i]
        own = H[i] @ H[i] - n_bits * S[i, i]
        curvature = product[k] + n[i] * (old * old + own)
        # Where it curves down the lowest point is at an end of [-1, 1].
        goal = old - slope / curvature if curvature > 0 else -np.copysign(1.0, slope)
        new = min(1.0, max(-1.0, goal))
        if new != old:
            product -= n[i] * old * H[i]
            H[i, k] = new
            product += n[i] * new * H[i]
            agreement += n[i] * (new - old) * S[:, i]

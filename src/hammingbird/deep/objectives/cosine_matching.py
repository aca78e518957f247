"""Codes should have the cosines of the vectors they come from (unsupervised GreedyHash)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from hammingbird.deep.objective import Batch, Objective, Problem
from hammingbird.errors import InputError


class CosineMatching(Objective):
    """``(cos(u_i, u_j) - cos(x_i, x_j))^2``, mean over the pairs of different rows in the batch.

    The authors' code compares the first half of the batch with the second; here all pairs count.

    Parameters
    ----------
    center
        Subtract the mean of the inputs first. Features that are never negative have no negative
        cosines, and half of the code's distances stay unused.
    """

    mean: Tensor | None

    def __init__(self, *, center: bool = True) -> None:
        super().__init__()
        self.center = center
        self.register_buffer("mean", None)

    def prepare(self, problem: Problem) -> None:
        """Keep the mean."""
        if self.center:
            self.mean = problem.mean

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over pairs."""
        if batch.X is None:
            raise InputError("CosineMatching compares codes with vectors: the batch has none")
        features = batch.X.flatten(1).to(batch.outputs.dtype)
        if self.mean is not None:  # of a column, or of a channel of channels-last images
            features = features - self.mean.repeat(features.shape[1] // len(self.mean))
        before = normalize(features, eps=1e-6)
        after = normalize(batch.outputs, eps=1e-6)
        gaps = (after @ after.T - before @ before.T).square()
        m = len(gaps)
        return (gaps.sum() - gaps.diagonal().sum()) / max(1, m * (m - 1))

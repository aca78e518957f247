"""Mutual information between Hamming distance and neighbourhood (MIHash)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from hammingbird.deep.objective import Batch, Needs, Objective
from hammingbird.errors import InputError


class MutualInformation(Objective):
    """Minus ``I(D; C)`` in bits, averaged over all anchors of the batch (MIHash, Eq. 4).

    For every anchor, its distances to similar and to dissimilar rows are counted in ``n_bins + 1``
    bins at ``0, delta, .., n_bits``, whose triangular kernels share each distance between two
    neighbouring bins. So a pair touches two bins, and nothing grows with batch x batch x bins. An
    anchor without similar or without dissimilar rows counts as 0. ``0 log 0`` is 0, and so is its
    slope, as in the authors' code.

    Parameters
    ----------
    n_bins
        Intervals between bins; None is one per bit (the paper's b + 1 bins).
    """

    needs: ClassVar[Needs] = "pairs"

    def __init__(self, n_bins: int | None = None) -> None:
        super().__init__()
        if n_bins is not None and n_bins < 1:
            raise InputError(f"n_bins must be at least 1, got {n_bins}")
        self.n_bins = n_bins

    def forward(self, batch: Batch) -> Tensor:
        """Return minus the mean mutual information."""
        n_bits = batch.outputs.shape[1]
        n_bins = self.n_bins or n_bits
        place = (n_bits - batch.outputs @ batch.outputs.T) * (n_bins / (2 * n_bits))
        positive = batch.positive.to(place.dtype)
        negative = batch.negative.to(place.dtype)
        n_positive, n_negative = positive.sum(dim=1), negative.sum(dim=1)
        total = (n_positive + n_negative).clamp(min=1)
        near = _histogram(place, positive, n_bins) / total[:, None]
        far = _histogram(place, negative, n_bins) / total[:, None]
        # H(D|+) of near / p+, weighted by p+, is the entropy of near minus that of p+.
        information = (
            _entropy(near + far)
            - (_entropy(near) - _entropy((n_positive / total)[:, None]))
            - (_entropy(far) - _entropy((n_negative / total)[:, None]))
        )
        usable = (n_positive > 0) & (n_negative > 0)
        return -torch.where(usable, information, 0.0).mean()


def _histogram(place: Tensor, weights: Tensor, n_bins: int) -> Tensor:
    """Share every pair between the two bins around its place; float [m, n_bins + 1]."""
    lower = place.detach().floor().clamp(0, n_bins - 1)
    rest = place - lower
    column = lower.long()
    counts = place.new_zeros(len(place), n_bins + 1)
    counts = counts.scatter_add(1, column, (1 - rest) * weights)
    return counts.scatter_add(1, column + 1, rest * weights)


def _entropy(shares: Tensor) -> Tensor:
    """``- sum p log2 p`` of each row; what is not above zero counts nothing, and has no slope."""
    safe = torch.where(shares > 0, shares, 1.0)
    return -(safe * safe.log2()).sum(dim=1)

"""A linear classifier should read the class from the code (GreedyHash)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from hammingbird.deep.objective import Batch, Needs, Objective, Problem
from hammingbird.errors import InputError


class Classification(Objective):
    """Cross-entropy of a linear classifier without bias on the codes, trained with the network.

    Mean over the labelled rows, 0 if there are none; a row with several labels counts each of them
    equally. With :class:`~hammingbird.deep.relaxations.StraightThrough` codes it is GreedyHash's
    (Su et al., NeurIPS 2018, Eq. 6).
    """

    needs: ClassVar[Needs] = "classes"

    def prepare(self, problem: Problem) -> None:
        """Create the classifier."""
        if problem.n_classes < 2:
            raise InputError(
                "Classification needs labels of at least two classes: give y as labels"
            )
        self.weight = nn.Parameter(torch.empty(problem.n_classes, problem.n_bits))
        nn.init.normal_(self.weight, std=1 / math.sqrt(problem.n_bits))

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean cross-entropy."""
        classes = batch.membership
        said = (batch.outputs @ self.weight.T).log_softmax(dim=1)[:, : classes.shape[1]]
        shares = classes / classes.sum(dim=1, keepdim=True).clamp(min=1)
        return -(shares * said).sum() / batch.labelled.sum().clamp(min=1)

"""Every class has a centre, and codes should reach the one of their class (CSQ)."""

from __future__ import annotations

import logging
from typing import ClassVar, get_args

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize, softplus

from hammingbird.centers import Assignment, Kind, make_centers, plotkin_bound
from hammingbird.deep.objective import Batch, Needs, Objective, Problem
from hammingbird.errors import InputError

log = logging.getLogger(__name__)


class CenterObjective(Objective):
    """Base of objectives that pull codes to class centres.

    ``min_distance`` is the least distance between two centres, ``kind`` what made them.

    Parameters
    ----------
    centers
        A construction of :func:`hammingbird.centers.make_centers`.
    assignment
        ``fixed`` leaves every class the centre that was drawn for it, as the papers do.
        ``nearest``, of this library, gives every class, after each epoch, the centre that is near
        its mean output (linear assignment), so that like classes get like centres: a linear network
        cannot learn just any assignment.
    """

    needs: ClassVar[Needs] = "classes"
    centers: Tensor
    """float [n_classes, n_bits] of -1 and +1."""
    means: Tensor
    """Sum of the outputs of each class in this epoch, float [n_classes, n_bits]."""
    tie: Tensor
    """One random word per fit, which decides the bits on which the labels of a row are split."""

    def __init__(self, centers: Kind = "auto", assignment: Assignment = "fixed") -> None:
        super().__init__()
        if assignment not in get_args(Assignment):
            raise InputError(f"assignment must be 'fixed' or 'nearest', got {assignment!r}")
        self.made_by, self.assignment = centers, assignment

    def prepare(self, problem: Problem) -> None:
        """Make one centre per class."""
        if problem.n_classes < 2:
            raise InputError(
                f"{type(self).__name__} needs labels of at least two classes: give y as labels"
            )
        n_classes, n_bits = problem.n_classes, problem.n_bits
        made = make_centers(n_classes, n_bits, self.made_by, problem.random_state)
        self.min_distance, self.kind = made.min_distance, made.kind
        log.info(
            "%d %s centres of %d bits, at least %d apart (Plotkin's bound: %d)",
            n_classes, made.kind, n_bits, made.min_distance, plotkin_bound(n_classes, n_bits),
        )  # fmt: skip
        self.register_buffer("centers", torch.from_numpy(made.centers).float())
        self.register_buffer("means", torch.zeros(n_classes, n_bits))
        random = torch.Generator().manual_seed(problem.random_state)
        self.register_buffer("tie", 2.0 * torch.randint(2, (n_bits,), generator=random) - 1)

    def watch(self, batch: Batch) -> None:
        """Remember where the classes are."""
        if self.training:
            sums = batch.membership.T @ batch.outputs.detach()
            self.means[: len(sums)] += sums.to(self.means.dtype)

    def epoch_end(self) -> None:
        """Assign the centres anew, unless they are fixed."""
        if self.assignment == "nearest":
            agreement = normalize(self.means) @ self.centers.T
            _, nearest = linear_sum_assignment(agreement.cpu().numpy(), maximize=True)
            self.centers.copy_(self.centers[torch.from_numpy(nearest).to(self.centers.device)])
        self.means.zero_()

    def majority(self, batch: Batch) -> Tensor:
        """Per bit what most of a row's label centres say, float [m, n_bits] of -1 and +1."""
        classes = batch.membership
        votes = classes @ self.centers[: classes.shape[1]].to(classes.dtype)
        return torch.where(votes == 0, self.tie.to(votes.dtype), votes.sign())


class CenterLikelihood(CenterObjective):
    """Cross-entropy per bit between ``(tanh z + 1) / 2`` and the row's centre (CSQ, Eq. 4).

    Mean over labelled rows and bits, 0 if there are none. It is taken from the logits z, where it
    has a gradient even for saturated bits. A row with several labels goes to the majority of their
    centres per bit. See :class:`CenterObjective` for the parameters.
    """

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over labelled rows and bits."""
        self.watch(batch)
        steep = 2 * batch.logits
        losses = softplus(-self.majority(batch) * steep).mean(dim=1)
        return (losses * batch.labelled).sum() / batch.labelled.sum().clamp(min=1)

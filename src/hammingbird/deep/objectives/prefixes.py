"""One code for several lengths: every prefix asked for is a code of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hammingbird.deep.objective import Batch, Objective, Problem
from hammingbird.deep.objectives.mutual_information import MutualInformation
from hammingbird.errors import InputError


class Prefixes(Objective):
    """The mean of an objective over the whole code and its first ``lengths`` bits.

    The first bytes of a packed code are then a good shorter code. For objectives without parameters
    of their own.
    """

    def __init__(self, objective: Objective | None = None, lengths: Sequence[int] = (8,)) -> None:
        super().__init__()
        self.objective = MutualInformation() if objective is None else objective
        self.lengths = tuple(lengths)
        self.needs = self.objective.needs  # type: ignore[misc]

    def prepare(self, problem: Problem) -> None:
        """Check the lengths."""
        bad = [length for length in self.lengths if not 1 <= length < problem.n_bits]
        if bad:
            raise InputError(f"a prefix must have 1 to {problem.n_bits - 1} bits, got {bad[0]}")
        self.objective.prepare(problem)
        if list(self.objective.parameters()):
            raise InputError(f"{type(self.objective).__name__} learns for one length only")

    def epoch_end(self) -> None:
        """End the epoch of the inner objective."""
        self.objective.epoch_end()

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over lengths."""
        values = [self.objective(batch)]
        for k in self.lengths:
            part = replace(batch, logits=batch.logits[:, :k], outputs=batch.outputs[:, :k])
            values.append(self.objective(part))
        return torch.stack(values).mean()

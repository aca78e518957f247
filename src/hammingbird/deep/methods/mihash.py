"""MIHash (Cakir et al., TPAMI 2019): mutual information of distance and neighbourhood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.mutual_information import MutualInformation
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Relaxation, Sigmoid


class MIHash(PaperMethod):
    """Maximises the mutual information between code distance and being a neighbour.

    Parameters
    ----------
    gamma
        Slope of ``2 sigma(gamma f) - 1``; the paper uses 1 to 30.
    n_bins
        Intervals of the histograms, at most one per bit; None is one per bit, as the paper writes
        it. The few similar rows of a batch fall one by one into many bins, which then tell them
        apart without having learnt anything; the authors' recipes have 12 to 32.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2, "weight_decay": 0.1}

    def __init__(
        self, n_bits: int = 64, *, gamma: float = 2.0, n_bins: int | None = 16, **training: Any
    ) -> None:
        super().__init__(n_bits, **training)
        self.gamma = gamma
        self.n_bins = n_bins

    def _parts(self) -> tuple[Objective, Relaxation]:
        n_bins = None if self.n_bins is None else min(self.n_bins, self.n_bits_)
        return MutualInformation(n_bins), Sigmoid(self.gamma)

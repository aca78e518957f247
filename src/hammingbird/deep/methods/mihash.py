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
        Intervals of the histograms; None is one per bit.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2, "weight_decay": 0.1}

    def __init__(
        self, n_bits: int = 64, *, gamma: float = 2.0, n_bins: int | None = None, **training: Any
    ) -> None:
        super().__init__(n_bits, **training)
        self.gamma = gamma
        self.n_bins = n_bins

    def _parts(self) -> tuple[Objective, Relaxation]:
        return MutualInformation(self.n_bins), Sigmoid(self.gamma)

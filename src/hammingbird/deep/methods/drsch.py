"""DRSCH (Zhang et al., TIP 2015): bit-scalable codes from weighted triplets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.ranking import WeightedTriplets
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Relaxation, Sigmoid


class DRSCH(PaperMethod):
    """Triplet hinge on distances whose bits have learned weights, and a Laplacian term.

    Codes are compared by plain Hamming distance; the weights only shape the training.

    Parameters
    ----------
    margin
        In bits; None is a quarter of ``n_bits``. The authors' code has 5 for 64 bits.
    laplacian
        Weight of the distance of similar pairs.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2}

    def __init__(
        self,
        n_bits: int = 64,
        *,
        margin: float | None = None,
        laplacian: float = 1e-3,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.margin = margin
        self.laplacian = laplacian

    def _parts(self) -> tuple[Objective, Relaxation]:
        return WeightedTriplets(self.margin, self.laplacian), Sigmoid(2.0)

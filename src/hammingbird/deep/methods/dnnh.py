"""DNNH (Lai et al., CVPR 2015): a triplet hinge on sigmoid outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.triplet import TripletHinge
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import PiecewiseSigmoid, Relaxation


class DNNH(PaperMethod):
    """Triplet hinge on squared distances of sigmoid outputs that are cut off beside one half.

    The paper also gives every bit a slice of the features of its own; here the hash layer is dense.

    Parameters
    ----------
    margin
        In bits; the paper's is 1, whatever the number of bits. None is a quarter of ``n_bits``.
    epsilon
        Outputs farther than this from one half are a clear 0 or 1.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2}

    def __init__(
        self,
        n_bits: int = 64,
        *,
        margin: float | None = 1.0,
        epsilon: float = 0.25,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.margin = margin
        self.epsilon = epsilon

    def _parts(self) -> tuple[Objective, Relaxation]:
        margin = self.n_bits_ / 4 if self.margin is None else self.margin
        return TripletHinge(margin), PiecewiseSigmoid(self.epsilon)

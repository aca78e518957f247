"""DTSH (Wang, Shi and Kitani, ACCV 2016): likelihood of triplets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.quantization import Quantization
from hammingbird.deep.objectives.triplet import TripletLikelihood
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Identity, Relaxation


class DTSH(PaperMethod):
    """Triplet likelihood of real outputs, which are kept near -1 and +1.

    Parameters
    ----------
    margin
        None is ``n_bits / 2``.
    eta
        Weight of ``(u - sgn u)^2`` per bit, against the mean over triplets.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2, "weight_decay": 1.0}

    def __init__(
        self, n_bits: int = 64, *, margin: float | None = None, eta: float = 1.0, **training: Any
    ) -> None:
        super().__init__(n_bits, **training)
        self.margin = margin
        self.eta = eta

    def _parts(self) -> tuple[Objective, Relaxation]:
        return TripletLikelihood(self.margin) + self.eta * Quantization(), Identity()

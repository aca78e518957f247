"""DCH (Cao et al., CVPR 2018): Cauchy likelihood, made for search in a small radius."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.cauchy import CauchyLikelihood, CauchyQuantization
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Relaxation, Tanh


class DCH(PaperMethod):
    """Cauchy likelihood of similarities and Cauchy quantization of ``tanh`` outputs.

    Parameters
    ----------
    gamma
        Distance at which similar and dissimilar are equally likely.
    quantization
        The paper's lambda.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2}

    def __init__(
        self, n_bits: int = 64, *, gamma: float = 20.0, quantization: float = 0.1, **training: Any
    ) -> None:
        super().__init__(n_bits, **training)
        self.gamma = gamma
        self.quantization = quantization

    def _parts(self) -> tuple[Objective, Relaxation]:
        likelihood = CauchyLikelihood(self.gamma)
        return likelihood + self.quantization * CauchyQuantization(self.gamma), Tanh()

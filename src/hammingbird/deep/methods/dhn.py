"""DHN (Zhu et al., AAAI 2016): pairwise likelihood with a smooth quantization penalty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.pairwise import PairwiseLikelihood
from hammingbird.deep.objectives.quantization import Quantization
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Relaxation, Tanh


class DHN(PaperMethod):
    """Pairwise likelihood of ``tanh`` outputs plus ``log cosh(|u| - 1)``.

    Parameters
    ----------
    quantization
        Weight of the penalty, a mean over entries.
    scale
        Factor of the inner products; the paper's is 1/2.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 3e-3, "weight_decay": 1.0}

    def __init__(
        self,
        n_bits: int = 64,
        *,
        quantization: float = 0.1,
        scale: float | None = 0.5,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.quantization = quantization
        self.scale = scale

    def _parts(self) -> tuple[Objective, Relaxation]:
        likelihood = PairwiseLikelihood(self.scale)
        return likelihood + self.quantization * Quantization("log-cosh"), Tanh()

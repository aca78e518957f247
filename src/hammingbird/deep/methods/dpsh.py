"""DPSH (Li et al., IJCAI 2016): pairwise likelihood against the codes of all training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.pairwise import PairwiseLikelihood
from hammingbird.deep.objectives.quantization import Quantization
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Identity, Relaxation


class DPSH(PaperMethod):
    """Pairwise likelihood of unbounded outputs and a penalty of their distance to the signs.

    Parameters
    ----------
    quantization
        Weight of the penalty, a mean over entries; the authors' eta = 10 has another divisor.
    scale
        Factor of the inner products; the paper's is 1/2.
    bank
        Pair each batch with the latest outputs of all rows, as the authors do.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 3e-3, "weight_decay": 1.0}

    def __init__(
        self,
        n_bits: int = 64,
        *,
        quantization: float = 0.1,
        scale: float | None = 0.5,
        bank: bool = True,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.quantization = quantization
        self.scale = scale
        self.bank = bank

    def _parts(self) -> tuple[Objective, Relaxation]:
        likelihood = PairwiseLikelihood(self.scale, bank=self.bank)
        return likelihood + self.quantization * Quantization("square"), Identity()

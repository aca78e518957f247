"""CSQ (Yuan et al., CVPR 2020): codes reach the centre of their class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.center_codes import CenterLikelihood
from hammingbird.deep.objectives.quantization import Quantization
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Relaxation, Tanh


class CSQ(PaperMethod):
    """Cross-entropy per bit with the class centre, and quantization of ``tanh`` outputs.

    ``centers`` says how centres are made; the paper takes rows of a Hadamard matrix where it has
    enough of them, and random words elsewhere. They are drawn once and stay with their class, as in
    the paper; with ``assignment="nearest"`` (the row ``csq+``) classes change them after epochs.

    Parameters
    ----------
    quantization
        The paper's lambda; its term is ``log cosh(|u| - 1)``.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2}

    def __init__(self, n_bits: int = 64, *, quantization: float = 0.05, **training: Any) -> None:
        super().__init__(n_bits, **training)
        self.quantization = quantization

    def _parts(self) -> tuple[Objective, Relaxation]:
        reached = CenterLikelihood(self.centers, self.assignment)
        return reached + self.quantization * Quantization("log-cosh"), Tanh()

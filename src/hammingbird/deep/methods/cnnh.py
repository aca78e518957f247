"""CNNH (Xia et al., AAAI 2014): codes from similarities, then a network that gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.classification import Classification
from hammingbird.deep.objectives.code_regression import CodeRegression
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Relaxation, Tanh


class CNNH(PaperMethod):
    """Two stages: factor the similarity matrix into codes, then regress them.

    Parameters
    ----------
    loss
        ``bits`` is a cross-entropy per bit, ``square`` a squared error.
    classification
        Weight of a classifier that reads the class from the outputs. The paper has none: its CNNH+
        gives the network class outputs beside the bits, which share no weight with a linear layer.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2}

    def __init__(
        self,
        n_bits: int = 64,
        *,
        loss: Literal["bits", "square"] = "bits",
        classification: float = 0.0,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.loss = loss
        self.classification = classification

    def _parts(self) -> tuple[Objective, Relaxation]:
        regression = CodeRegression(self.loss)
        if not self.classification:
            return regression, Tanh()
        return regression + self.classification * Classification(), Tanh()

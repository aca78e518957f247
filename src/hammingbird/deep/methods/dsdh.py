"""DSDH (Li et al., NIPS 2017): pairwise likelihood with discrete, classifiable codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.discrete import DiscreteCodes
from hammingbird.deep.objectives.pairwise import PairwiseLikelihood
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Identity, Relaxation


class DSDH(PaperMethod):
    """Pairs the outputs with the latest ones of all rows, and pulls them to discrete codes.

    Parameters
    ----------
    eta
        Weight of the distance to the discrete codes, per bit.
    mu
        Weight of the classification against that distance.
    ridge
        Weight of the classifier's squared norm (the paper's nu over mu).
    refit
        Solve codes and classifier per ``epoch`` over all rows, or per ``batch`` as the authors.
    scale
        Factor of the inner products; the paper's is 1/2, None is ``10 / n_bits``.
    balanced
        Weight similar and dissimilar pairs equally, as HashNet does; the paper does not.
    bank
        Pair the batch with the latest outputs of all rows, as the paper does, or with itself.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 3e-2, "weight_decay": 1.0}

    def __init__(
        self,
        n_bits: int = 64,
        *,
        eta: float = 1.0,
        mu: float = 1.0,
        ridge: float = 0.1,
        refit: Literal["epoch", "batch"] = "epoch",
        scale: float | None = 0.5,
        balanced: bool = False,
        bank: bool = True,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.eta = eta
        self.mu = mu
        self.ridge = ridge
        self.refit = refit
        self.scale = scale
        self.balanced = balanced
        self.bank = bank

    def _parts(self) -> tuple[Objective, Relaxation]:
        likelihood = PairwiseLikelihood(self.scale, balanced=self.balanced, bank=self.bank)
        discrete = DiscreteCodes(self.mu, self.ridge, refit=self.refit)
        return likelihood + self.eta * discrete, Identity()

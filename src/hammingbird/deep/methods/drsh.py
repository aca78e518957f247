"""DRSH (Zhao et al., CVPR 2015, "DSRH"): semantic ranking of rows with several labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.balance import Balance
from hammingbird.deep.objectives.ranking import RankingHinge
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Relaxation, Tanh


class DRSH(PaperMethod):
    """Triplet hinge weighted as in NDCG by the labels that rows share, on balanced codes.

    Parameters
    ----------
    margin
        In bits; None is a quarter of ``n_bits``.
    balance
        Weight of the mean squared average of a bit.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2}

    def __init__(
        self,
        n_bits: int = 64,
        *,
        margin: float | None = None,
        balance: float = 1.0,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.margin = margin
        self.balance = balance

    def _parts(self) -> tuple[Objective, Relaxation]:
        return RankingHinge(self.margin) + self.balance * Balance("samples"), Tanh()

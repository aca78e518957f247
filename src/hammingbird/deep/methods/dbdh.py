"""DBDH (Zheng et al., Neurocomputing 2020): balanced codes by a straight-through sign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.balance import Balance
from hammingbird.deep.objectives.pairwise import PairwiseLikelihood
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Relaxation, StraightThrough


class DBDH(PaperMethod):
    """Pairwise likelihood of exact codes with those of all rows, and balanced bits.

    Parameters
    ----------
    alpha
        Weight of the balance.
    over
        ``samples`` balances each bit over the batch; ``bits`` those of each row, as public ports.
    clip
        Logits beyond it get no gradient; None lets all through.
    scale
        What inner products are multiplied by; the paper's 1/2 saturates for exact codes of 16 bits
        and more. None is ``3.2 / n_bits``.
    balanced
        Weight similar and dissimilar pairs equally; the paper does not.
    bank
        Pair the batch with the latest codes of all rows, as the paper does, not with itself.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2}

    def __init__(
        self,
        n_bits: int = 64,
        *,
        alpha: float = 0.1,
        over: Literal["samples", "bits"] = "samples",
        clip: float | None = 1.0,
        scale: float | None = None,
        balanced: bool = True,
        bank: bool = False,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.balanced = balanced
        self.bank = bank
        self.alpha = alpha
        self.over = over
        self.clip = clip
        self.scale = scale

    def _parts(self) -> tuple[Objective, Relaxation]:
        scale = 3.2 / self.n_bits_ if self.scale is None else self.scale
        objective = PairwiseLikelihood(
            scale, balanced=self.balanced, bank=self.bank
        ) + self.alpha * Balance(self.over)
        return objective, StraightThrough(self.clip)

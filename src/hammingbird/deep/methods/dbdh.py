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

    Exact codes have no small inner products: where nearly all pairs are dissimilar, as with 77
    classes, the paper's sum is lower for codes that keep all rows apart than for codes that tell
    the classes. ``dbdh+`` of the catalog balances the pairs of a batch, at a gentler scale.

    Parameters
    ----------
    alpha
        Weight of the balance.
    over
        ``samples`` balances each bit over the batch; ``bits`` those of each row, as public ports.
    clip
        Logits beyond it get no gradient; None lets all through.
    scale
        Factor of the inner products; the paper's is 1/2, None is ``3.2 / n_bits``.
    balanced
        Weight similar and dissimilar pairs equally, as HashNet does; the paper does not.
    bank
        Pair the batch with the latest codes of all rows, as the paper does, or with itself.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2}

    def __init__(
        self,
        n_bits: int = 64,
        *,
        alpha: float = 0.1,
        over: Literal["samples", "bits"] = "samples",
        clip: float | None = 1.0,
        scale: float | None = 0.5,
        balanced: bool = False,
        bank: bool = True,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.alpha = alpha
        self.over = over
        self.clip = clip
        self.scale = scale
        self.balanced = balanced
        self.bank = bank

    def _parts(self) -> tuple[Objective, Relaxation]:
        scale = 3.2 / self.n_bits_ if self.scale is None else self.scale
        likelihood = PairwiseLikelihood(scale, balanced=self.balanced, bank=self.bank)
        return likelihood + self.alpha * Balance(self.over), StraightThrough(self.clip)

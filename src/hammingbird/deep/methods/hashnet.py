"""HashNet (Cao et al., ICCV 2017) and its ablations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.pairwise import PairwiseLikelihood
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Continuation, Relaxation, Tanh, doubling


class HashNet(PaperMethod):
    """Weighted pairwise likelihood of ``tanh(beta z)``, beta growing stage by stage (Alg. 1).

    ``history_`` holds for every epoch also its stage and beta, and J and L as the stage began.

    Parameters
    ----------
    balanced
        Weight similar and dissimilar pairs equally; False is HashNet-W.
    continuation
        Let beta grow; False is HashNet-sgn.
    steepest
        Beta of the last stage, from 1 by doubling: the steepest that still trains at any length.
        At 1024 the losses before and after the sign meet (Figure 7); 8 finds more at 16 bits.
    steepness
        Beta without continuation.
    similarity
        ``jaccard`` weights similar pairs by the labels they share: HashNet+C.
    scale
        The paper's alpha; None is ``10 / n_bits``, as in the authors' code.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {
        "epochs": 64,
        "learning_rate": 3e-3,
        "weight_decay": 10.0,
    }

    def __init__(
        self,
        n_bits: int = 64,
        *,
        balanced: bool = True,
        continuation: bool = True,
        steepest: float = 16.0,
        steepness: float = 1.0,
        similarity: Literal["equal", "jaccard"] = "equal",
        scale: float | None = None,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.balanced = balanced
        self.continuation = continuation
        self.steepest = steepest
        self.steepness = steepness
        self.similarity = similarity
        self.scale = scale

    def _parts(self) -> tuple[Objective, Relaxation]:
        objective = PairwiseLikelihood(
            self.scale, balanced=self.balanced, similarity=self.similarity
        )
        if not self.continuation:
            return objective, Tanh(self.steepness)
        return objective, Continuation(doubling(self.steepest))

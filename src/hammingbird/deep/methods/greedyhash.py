"""GreedyHash (Su et al., NeurIPS 2018): the sign itself in the forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.classification import Classification
from hammingbird.deep.objectives.cosine_matching import CosineMatching
from hammingbird.deep.objectives.quantization import Quantization
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import Relaxation, StraightThrough


class GreedyHash(PaperMethod):
    """A linear classifier on the signs, whose gradient passes straight through them.

    Parameters
    ----------
    alpha
        Weight of the mean ``||z| - 1|^3``, without which the logits grow without bound; the
        authors' is 1 for ImageNet and 0.1 for CIFAR-10.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2, "weight_decay": 1.0}

    def __init__(self, n_bits: int = 64, *, alpha: float = 1.0, **training: Any) -> None:
        super().__init__(n_bits, **training)
        self.alpha = alpha

    def _parts(self) -> tuple[Objective, Relaxation]:
        return self._task() + self.alpha * Quantization("cubic", of="logits"), StraightThrough()

    def _task(self) -> Objective:
        return Classification()


class UnsupervisedGreedyHash(GreedyHash):
    """Signs with the cosines of the vectors they come from; needs no labels.

    Parameters
    ----------
    alpha
        Weight of the mean ``||z| - 1|^3``.
    center
        Take cosines around the mean of the vectors; the authors take them around zero.
    """

    supervised = False

    def __init__(
        self, n_bits: int = 64, *, alpha: float = 0.1, center: bool = True, **training: Any
    ) -> None:
        super().__init__(n_bits, alpha=alpha, **training)
        self.center = center

    def _task(self) -> Objective:
        return CosineMatching(center=self.center)

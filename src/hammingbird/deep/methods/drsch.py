"""DRSCH (Zhang et al., TIP 2015): bit-scalable codes from weighted triplets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.codes import unpack
from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.ranking import WeightedTriplets
from hammingbird.deep.prefix import BitScalable
from hammingbird.deep.relaxations import Relaxation, Sigmoid
from hammingbird.deep.source import Source
from hammingbird.estimator import check_is_fitted


class DRSCH(BitScalable):
    """Triplet hinge on distances whose bits have learned weights, and a Laplacian term.

    ``bit_weights_``, float32 [n_bits], is what a bit that differs adds to the weighted distance:
    its learned weight squared. After ``fit`` the bits stand by weight, heaviest first, so that the
    first m bits of a code are the code of m bits; :meth:`prefix` gives its hasher. Under the
    plug-in ``_D``, whose centres go by the number of a bit, they stay where they were trained, and
    ``prefix`` takes the heaviest. Codes are compared by plain Hamming distance, or by the weighted
    one with :meth:`weigh`.

    Parameters
    ----------
    margin
        In bits; None is a quarter of ``n_bits``. The authors' code has 5 for 64 bits.
    laplacian
        Weight of the distance of similar pairs.
    """

    training_defaults: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2}
    bit_weights_: NDArray[np.float32]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        margin: float | None = None,
        laplacian: float = 1e-3,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.margin = margin
        self.laplacian = laplacian

    def weigh(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Query scores [n, n_bits] of packed codes, for search by weighted Hamming distance.

        ``Scan.search_scores`` ranks by them as by the sum of ``bit_weights_`` over the bits that
        differ. That sum is ``(bit_weights_.sum() - score) / 2``.
        """
        check_is_fitted(self)
        return self.bit_weights_ * unpack(codes, self.n_bits_)

    def _parts(self) -> tuple[Objective, Relaxation]:
        self._triplets = WeightedTriplets(self.margin, self.laplacian)
        return self._triplets, Sigmoid(2.0)

    def _learn(self, source: Source, y: Any) -> None:
        super()._learn(source, y)
        self.bit_weights_ = np.ones(self.n_bits_, np.float32)
        if self.posterior != "instead":
            self.bit_weights_ = self._triplets.bit_weights.detach().square().cpu().numpy()
        del self._triplets
        if self.posterior is None:
            self._keep(self._importance())

    def _importance(self) -> NDArray[np.intp]:
        return np.argsort(-self.bit_weights_, kind="stable")

    def _keep(self, bits: NDArray[np.intp]) -> None:
        super()._keep(bits)
        self.bit_weights_ = self.bit_weights_[bits]

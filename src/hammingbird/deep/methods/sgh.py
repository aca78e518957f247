"""SGH with any network, with labels or pairs, or invariant to scale (supplement, D.1 and D.2)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from hammingbird.decoder import LinearDecoder
from hammingbird.deep.network import Network
from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.gaussian_reconstruction import GaussianReconstruction
from hammingbird.deep.objectives.pair_labels import PairLabels
from hammingbird.deep.paper import PaperMethod
from hammingbird.deep.relaxations import DoublyStochastic, Relaxation
from hammingbird.deep.source import Source
from hammingbird.deep.start import start_from_components
from hammingbird.deep.supervision import Supervision
from hammingbird.errors import InputError


class DeepSGH(PaperMethod, LinearDecoder):
    """Stochastic generative hashing of any network, with the pairs of D.2 on request.

    For a linear network without pairs, ``SGH`` is quicker and, as it anneals rho, better.

    Parameters
    ----------
    supervision
        Weight, in nats per vector, of the mean likelihood of known pairs (D.2). ``y`` is then
        labels, label sets, Pairs or Neighbors, and may be partial. The paper gives no weight.
    pair_scale, balanced
        Of the pairs' inner products, and whether similar pairs weigh as much as dissimilar ones:
        see :class:`~hammingbird.deep.objectives.pair_labels.PairLabels`. Pairs are likely by codes
        in {-1, +1} whatever ``values`` says.
    scale
        Model the scale of each sample by latent variables (D.1).
    """

    supervised: ClassVar[bool] = False
    training_defaults: ClassVar[dict[str, Any]] = {
        "epochs": 20,
        "batch_size": 500,
        "learning_rate": 1e-2,
        "weight_decay": 0.0,
    }
    decoder_: Any
    offset_: Any

    def __init__(
        self,
        n_bits: int = 64,
        *,
        derivative: str = "approximate",
        stochastic: bool = True,
        rho: float | None = None,
        values: str = "signs",
        learned_prior: bool = False,
        scale: bool = False,
        supervision: float = 0.0,
        pair_scale: float | None = 1.0,
        balanced: bool = False,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.derivative = derivative
        self.stochastic = stochastic
        self.rho = rho
        self.values = values
        self.learned_prior = learned_prior
        self.scale = scale
        self.supervision = supervision
        self.pair_scale = pair_scale
        self.balanced = balanced

    def _parts(self) -> tuple[Objective, Relaxation]:
        self._reconstruction = GaussianReconstruction(
            derivative=self.derivative,  # type: ignore[arg-type]
            rho=self.rho,
            values=self.values,  # type: ignore[arg-type]
            learned_prior=self.learned_prior,
            scale=self.scale,
        )
        pairs = PairLabels(
            self.pair_scale,
            balanced=self.balanced,
            derivative=self.derivative,  # type: ignore[arg-type]
        )
        return self._reconstruction + self.supervision * pairs, DoublyStochastic(
            noise=self.stochastic
        )

    def _supervise(self, source: Source, y: Any) -> Supervision:
        if self.supervision < 0 or (self.supervision and y is None):
            raise InputError("supervision must not be negative, and needs y: labels or Pairs")
        return super()._supervise(source, y if self.supervision else None)

    def _start(self, network: Network, source: Source, rng: np.random.RandomState) -> None:
        start_from_components(network, source, rng)

    def _learn(self, source: Source, y: Any) -> None:
        super()._learn(source, y)
        decoder, offset = self._reconstruction.linear_decoder()
        self.decoder_, self.offset_ = decoder.cpu().numpy(), offset.cpu().numpy()
        del self._reconstruction

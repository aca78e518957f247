"""Neighbour distillation with any network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from hammingbird.deep.network import Network
from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.distillation import NeighborDistillation
from hammingbird.deep.objectives.prefixes import Prefixes
from hammingbird.deep.prefix import BitScalable
from hammingbird.deep.relaxations import Relaxation, StraightThrough
from hammingbird.deep.source import SomeRows, Source
from hammingbird.deep.start import nearest_rows, start_from_components
from hammingbird.deep.supervision import Supervision, supervise
from hammingbird.errors import InputError
from hammingbird.targets import Neighbors


class DeepDistilledHash(BitScalable):
    """Codes of any network whose order of neighbours is that of the float vectors; needs no labels.

    For a linear network ``DistilledHash`` needs no torch, and is about as good.

    Batches hold rows with their nearest neighbours. A linear layer starts from iterative
    quantization and is trained with signs forward and a straight-through gradient backward. It
    serves Hamming distance and asymmetric search alike.

    Parameters
    ----------
    bandwidth, sharpness, asymmetric
        See :class:`~hammingbird.deep.objectives.distillation.NeighborDistillation`.
    n_neighbors
        How many neighbours of a row its company in a batch is drawn from.
    max_rows
        Learn from this many evenly spaced rows at most: finding neighbours takes time quadratic in
        it, and room for these rows.
    prefixes
        Shorter lengths that the first bits of a code are to serve as well, such as (16, 32);
        ``prefix`` gives their hashers.
    """

    supervised = False
    training_defaults: ClassVar[Mapping[str, Any]] = {
        "epochs": 8,
        "batch_size": 512,
        "learning_rate": 6e-3,
        "weight_decay": 0.0,
        "batches": "aware",
    }

    def __init__(
        self,
        n_bits: int = 64,
        *,
        bandwidth: float = 0.1,
        sharpness: float = 1.75,
        asymmetric: float = 0.5,
        n_neighbors: int = 20,
        max_rows: int = 50_000,
        prefixes: Sequence[int] | None = None,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.bandwidth = bandwidth
        self.sharpness = sharpness
        self.asymmetric = asymmetric
        self.n_neighbors = n_neighbors
        self.max_rows = max_rows
        self.prefixes = prefixes

    def _learn(self, source: Source, y: Any) -> None:
        if len(source) < 2:
            raise InputError(f"neighbours need more than {len(source)} sample, found 1 sample")
        if len(source) > self.max_rows:
            rows = np.linspace(0, len(source) - 1, self.max_rows).astype(np.int64)
            source = SomeRows(source, rows)
        super()._learn(source, y)

    def _supervise(self, source: Source, y: Any) -> Supervision:
        ids, distances = nearest_rows(source, min(self.n_neighbors, len(source) - 1))
        self._reach = float(distances[:, min(9, distances.shape[1] - 1)].median())
        return supervise(Neighbors(ids.numpy(), distances.numpy()), len(source))

    def _parts(self) -> tuple[Objective, Relaxation]:
        objective: Objective = NeighborDistillation(
            self.bandwidth, self.sharpness, reach=self._reach, asymmetric=self.asymmetric
        )
        if self.prefixes:
            objective = Prefixes(objective, self.prefixes)
        return objective, StraightThrough(clip=1.0)

    def _start(self, network: Network, source: Source, rng: np.random.RandomState) -> None:
        start_from_components(network, source, rng)

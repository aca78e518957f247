"""DistilledHash: bits from unlabelled vectors that keep each one's neighbours."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hammingbird.deep.hasher import PaperMethod
from hammingbird.deep.network import Network, Standardize
from hammingbird.deep.objective import Objective
from hammingbird.deep.objectives.distillation import NeighborDistillation
from hammingbird.deep.relaxations import Relaxation, StraightThrough
from hammingbird.deep.source import Source
from hammingbird.deep.supervision import Supervision, supervise
from hammingbird.targets import Neighbors


class DistilledHash(PaperMethod):
    """Codes whose order of neighbours is that of the float vectors; needs no labels.

    Batches hold rows with their nearest neighbours. A linear layer starts from principal components
    and a random rotation, and is trained with signs forward and a straight-through gradient.
    """

    supervised: ClassVar[bool] = False
    training_defaults = {
        "epochs": 8,
        "batch_size": 512,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "batches": "aware",
    }

    def __init__(
        self,
        n_bits: int = 64,
        *,
        bandwidth: float = 0.1,
        temperature: float = 12.0,
        asymmetric: float = 0.0,
        n_neighbors: int = 20,
        clip: float | None = None,
        **training: Any,
    ) -> None:
        super().__init__(n_bits, **training)
        self.bandwidth = bandwidth
        self.temperature = temperature
        self.asymmetric = asymmetric
        self.n_neighbors = n_neighbors
        self.clip = clip

    def _parts(self) -> tuple[Objective, Relaxation]:
        objective = NeighborDistillation(
            self.bandwidth, self.temperature, reach=self._reach, asymmetric=self.asymmetric
        )
        return objective, StraightThrough(self.clip)

    def _supervise(self, source: Source, y: Any) -> Supervision:
        X = torch.cat(list(source.fetch(np.array_split(np.arange(len(source)), 1 + len(source) // 4096))))
        ids, distances = nearest_rows(X, min(self.n_neighbors, len(X) - 1))
        self._reach = float(distances[:, min(9, distances.shape[1] - 1)].median())
        return supervise(Neighbors(ids.numpy(), distances.numpy()), len(source))

    def _start(self, network: Network, source: Source, rng: np.random.RandomState) -> None:
        if not network.is_linear:
            return
        X = torch.cat(list(source.fetch([np.arange(min(len(source), 20000))])))
        enter = network.enter
        assert isinstance(enter, Standardize)
        Z = enter(X)
        k, d = self.n_bits_, Z.shape[1]
        _, _, V = torch.linalg.svd((Z.T @ Z), full_matrices=False)
        blocks = []
        left = k
        while left > 0:
            take = min(left, d)
            P = V[:take].T
            R = torch.from_numpy(np.linalg.qr(rng.standard_normal((take, take)))[0]).float()
            blocks.append(P @ R)
            left -= take
        W = torch.cat(blocks, dim=1)
        scale = (Z @ W).std()
        network.head.weight.data = (W / scale).T.contiguous()


def nearest_rows(X: Tensor, k: int, chunk: int = 1024) -> tuple[Tensor, Tensor]:
    """The ``k`` nearest other rows of each row and their squared distances, in single precision."""
    norms = X.square().sum(dim=1)
    ids, distances = [], []
    for start in range(0, len(X), chunk):
        part = X[start : start + chunk]
        found = norms - 2 * part @ X.T
        found[torch.arange(len(part)), torch.arange(start, start + len(part))] = torch.inf
        nearest = found.topk(k, dim=1, largest=False)
        ids.append(nearest.indices)
        distances.append((nearest.values + norms[start : start + chunk, None]).clamp(min=0))
    return torch.cat(ids), torch.cat(distances)

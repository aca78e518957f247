"""Where an unsupervised linear layer starts: principal components, rotated at random."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hammingbird.deep.network import Network
from hammingbird.deep.source import Source

ROWS = 20_000
"""Evenly spaced rows that the components are taken from."""


@torch.no_grad()
def start_from_components(network: Network, source: Source, rng: np.random.RandomState) -> None:
    """Set the hash layer of a linear network to rotated principal components of unit variance.

    Beyond one bit per dimension, further rotations of all components are added.
    """
    if not network.is_linear:
        return
    rows = np.unique(np.linspace(0, len(source) - 1, min(ROWS, len(source))).astype(np.int64))
    scatter = torch.zeros(())
    for inputs in source.fetch(np.array_split(rows, 1 + len(rows) // 2048)):
        entered = network.enter(inputs)
        scatter = scatter + entered.T @ entered
    components = torch.linalg.eigh(scatter).eigenvectors.flip(1)
    n_bits, d = network.head.weight.shape
    blocks = []
    for first in range(0, n_bits, d):
        k = min(d, n_bits - first)
        rotation, _ = np.linalg.qr(rng.standard_normal((k, k)))
        blocks.append(components[:, :k] @ torch.from_numpy(rotation).float())
    weights = torch.cat(blocks, dim=1)
    variance = torch.einsum("ik,ij,jk->", weights, scatter, weights) / (len(rows) * n_bits)
    network.head.weight.copy_(weights.T / variance.sqrt().clamp(min=1e-12))


def nearest_rows(source: Source, k: int, chunk: int = 1024) -> tuple[Tensor, Tensor]:
    """Find the ``k`` nearest other rows of each row, and their squared distances.

    Exact up to single precision; all rows are held in memory.
    """
    parts = np.array_split(np.arange(len(source)), 1 + len(source) // 4096)
    X = torch.cat([inputs.float().flatten(1) for inputs in source.fetch(parts)])
    X -= X.mean(dim=0)  # the products below lose less beside small numbers
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

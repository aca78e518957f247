"""Where an unsupervised linear layer starts, and which rows are near each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hammingbird.deep.network import Network
from hammingbird.deep.relaxations import sign
from hammingbird.deep.source import Source, evenly_spaced

ROWS = 20_000
"""Evenly spaced rows that the start is fitted to."""
ROUNDS = 20
"""Turns of iterative quantization; the authors' 50 gain little more."""


@torch.no_grad()
def start_from_components(network: Network, source: Source, rng: np.random.RandomState) -> None:
    """Set the hash layer of a linear network to iterative quantization's directions.

    Principal components, rotated so that signs fit them best (Gong and Lazebnik, CVPR 2011), of
    unit variance on average. Beyond one bit per dimension, further random rotations of all
    components are fitted and added.
    """
    if not network.is_linear:
        return
    rows = evenly_spaced(len(source), ROWS)
    parts = np.array_split(rows, 1 + len(rows) // 2048)
    Z = torch.cat([network.enter(inputs) for inputs in source.fetch(parts)])
    components = torch.linalg.eigh(Z.T @ Z).eigenvectors.flip(1)
    n_bits, d = network.head.weight.shape
    blocks = []
    for first in range(0, n_bits, d):
        directions = components[:, : min(d, n_bits - first)]
        blocks.append(directions @ _best_rotation(Z @ directions, rng))
    weights = torch.cat(blocks, dim=1)
    size = (Z @ weights).square().mean().sqrt().clamp(min=1e-12)
    network.head.weight.copy_(weights.T / size)


def _best_rotation(V: Tensor, rng: np.random.RandomState) -> Tensor:
    """The rotation that brings ``V`` [n, k] closest to its signs, from a random one."""
    k = V.shape[1]
    rotation = torch.from_numpy(np.linalg.qr(rng.standard_normal((k, k)))[0]).to(V.dtype)
    for _ in range(ROUNDS):
        left, _, right = torch.linalg.svd(V.T @ sign(V @ rotation))
        rotation = left @ right
    return rotation


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

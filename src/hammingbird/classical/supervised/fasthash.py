"""FastHash (Lin, Shen, Shi, van den Hengel and Suter, CVPR 2014): graph cuts, then trees."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hammingbird.classical.similarity import similarity
from hammingbird.classical.supervised.cuts import blocks_of_similar, cut_in_turn, start_bits
from hammingbird.classical.supervised.trees import GrowingRows, TreeHasher
from hammingbird.codes import Output
from hammingbird.errors import InputError
from hammingbird.estimator import check_random_state

Loss = Literal["hinge", "ksh", "bre"]


class FastHash(TreeHasher):
    """Bits found one by one for a sample of training rows, each then learned by boosted trees.

    Given the bits before, a bit of the sample minimises a loss of all its pairs, in blocks of rows
    that are all similar to each other: there the energy is sub-modular, and a graph cut finds its
    minimum. What the trees give then takes the place of the bits that they learned from.
    ``energy_`` [n_bits, 2] is the energy of each bit before and after the cuts, per pair.

    Parameters
    ----------
    loss
        Of a pair at Hamming distance m after r bits: ``hinge`` is m^2 if it is similar, else
        max(r / 2 - m, 0)^2; ``ksh`` is the squared error of r - 2 m to r and -r; ``bre`` that of
        m / r to 0 and 1.
    n_trees, depth, learning_rate
        Of the trees of one bit.
    column_share
        Share of the columns that each tree looks at.
    block_size, sweeps
        Rows of a block at most, and rounds over all blocks.
    max_rows
        Rows drawn for the pairs at most: memory grows with its square, 10 bytes a pair.
    """

    supervised = True

    energy_: NDArray[np.float64]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        loss: Loss = "hinge",
        n_trees: int = 40,
        depth: int = 4,
        learning_rate: float = 0.3,
        column_share: float = 0.2,
        block_size: int = 128,
        sweeps: int = 2,
        max_rows: int = 5000,
        output: Output = "packed",
        random_state: int | None = None,
    ) -> None:
        self.n_bits = n_bits
        self.loss = loss
        self.n_trees = n_trees
        self.depth = depth
        self.learning_rate = learning_rate
        self.column_share = column_share
        self.block_size = block_size
        self.sweeps = sweeps
        self.max_rows = max_rows
        self.output = output
        self.random_state = random_state

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self._check_trees()
        if self.block_size < 1 or self.sweeps < 1:
            raise InputError("block_size and sweeps must be at least 1")
        rng = check_random_state(self.random_state)
        rows, table = similarity(y, len(X), self.max_rows, rng, "FastHash")
        np.fill_diagonal(table, 0)
        blocks = blocks_of_similar(table > 0, self.block_size, rng)
        data = self._start_trees(X[rows])
        growing = GrowingRows(data, int(rng.randint(1 << 30)))
        distances = np.zeros(table.shape, np.int16)
        self.energy_ = np.zeros((self.n_bits_, 2))
        bits = tqdm(range(self.n_bits_), desc="FastHash", unit="bit", leave=False, disable=None)
        for bit in bits:
            weights = pair_weights(table, distances, bit + 1, self.loss)
            start = start_bits(weights, rng)
            found = cut_in_turn(weights, blocks, start, self.sweeps)
            for step, z in enumerate((start, found)):
                self.energy_[bit, step] = float(z @ (weights @ z)) / weights.size
            self._grow(growing, found, bit)
            learned = self._learned_bit(data, bit)
            distances += learned[:, None] != learned[None]


def pair_weights(
    table: NDArray[np.int8], distances: NDArray[np.int16], r: int, loss: Loss
) -> NDArray[np.float32]:
    """What bit ``r`` adds to the loss of each pair if it is the same in both, less if it is not.

    [n, n], zero where the pair is unknown; ``distances`` are those of the bits before, 0 to r - 1.
    Half the difference is the factor of z_i z_j. Similar pairs have negative weights.
    """
    m = np.arange(r + 1, dtype=np.float64)
    if loss == "hinge":
        losses = m**2, np.maximum(r / 2 - m, 0) ** 2
    elif loss == "ksh":
        losses = (2 * m) ** 2, (2 * r - 2 * m) ** 2
    elif loss == "bre":
        losses = (m / r) ** 2, (1 - m / r) ** 2
    else:
        raise InputError(f"loss must be 'hinge', 'ksh' or 'bre', got {loss!r}")
    same_less_other = [(value[:-1] - value[1:]) / 2 for value in losses]
    # Looked up by the pair's kind and distance: unknown, similar, dissimilar (-1, the last).
    values = np.stack([np.zeros(r), *same_less_other]).astype(np.float32)
    return values[table, distances]

"""Boosted trees as hash functions: LightGBM grows them, a kernel walks them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import kernels
from hammingbird.errors import InputError, MissingExtraError
from hammingbird.hasher import Hasher, row_chunks

LEVELS = 255
"""Equal steps between the least and the largest value of a column, numbered by a byte."""

ROWS = 64
"""Rows that are made bytes at a time, so that they stay in the cache."""


class TreeHasher(Hasher):
    """Scores that are sums over boosted trees: for every bit T complete trees of one depth D.

    Columns are cut into :data:`LEVELS` equal steps first, so that trees compare bytes. Node i of a
    tree has the children 2i + 1 (byte <= cut) and 2i + 2.
    """

    low_: NDArray[np.float32]
    high_: NDArray[np.float32]
    """Least and largest value of each column, [d]."""
    columns_: NDArray[np.int32]
    """The column that each node looks at, [n_bits, T, 2^D - 1]."""
    cuts_: NDArray[np.uint8]
    """[n_bits, T, 2^D - 1]."""
    leaves_: NDArray[np.float32]
    """What each leaf adds, from left to right, [n_bits, T, 2^D]."""

    n_trees: int
    depth: int
    learning_rate: float
    column_share: float

    def _check_trees(self) -> None:
        whole = self.n_trees >= 1 and 1 <= self.depth <= 8
        if not whole or not self.learning_rate > 0 or not 0 < self.column_share <= 1:
            raise InputError(
                "n_trees must be at least 1, depth from 1 to 8, learning_rate positive, and "
                "column_share above 0 and at most 1"
            )

    def _start_trees(self, X: NDArray[Any]) -> NDArray[np.uint8]:
        """Find the steps, make room for the trees, and return training rows as bytes [n, d]."""
        ends = [(chunk.values.min(axis=0), chunk.values.max(axis=0)) for chunk in row_chunks(X)]
        self.low_ = np.min([least for least, _ in ends], axis=0).astype(np.float32)
        self.high_ = np.max([most for _, most in ends], axis=0).astype(np.float32)
        shape, nodes = (self.n_bits_, self.n_trees), (1 << self.depth) - 1
        self.columns_ = np.zeros((*shape, nodes), np.int32)
        self.cuts_ = np.full((*shape, nodes), LEVELS, np.uint8)
        self.leaves_ = np.zeros((*shape, nodes + 1), np.float32)
        return np.concatenate([self._bytes(chunk.values) for chunk in row_chunks(X)])

    def _bytes(self, X: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Steps of rows [n, d]; values beyond those of the training rows count as the ends."""
        reach = self.high_ - self.low_
        scale = np.divide(LEVELS - 1, reach, out=np.zeros_like(reach), where=reach > 0)
        steps = np.empty(X.shape, np.uint8)
        for start in range(0, len(X), ROWS):
            rows = np.clip(X[start : start + ROWS].astype(np.float32), self.low_, self.high_)
            rows -= self.low_
            rows *= scale
            steps[start : start + ROWS] = rows
        return steps

    def _grow(self, rows: GrowingRows, bits: NDArray[np.floating], bit: int) -> None:
        """Boost the trees of one bit until they give ``bits`` [n] of +-1."""
        booster = rows.boost(
            bits, self.n_trees, self.depth, self.learning_rate, self.column_share, bit
        )
        for tree, info in enumerate(booster.dump_model()["tree_info"]):
            self._place(info["tree_structure"], (bit, tree), 0, self.depth)

    def _place(self, node: dict[str, Any], tree: tuple[int, int], place: int, below: int) -> None:
        """Write a node that LightGBM describes, and those below it, into the arrays."""
        if "leaf_value" in node:
            # A leaf above the last level: all below go left and have its value.
            first = ((place + 1) << below) - (1 << self.depth)
            self.leaves_[tree][first : first + (1 << below)] = node["leaf_value"]
            return
        self.columns_[tree][place] = node["split_feature"]
        self.cuts_[tree][place] = int(np.floor(node["threshold"]))
        self._place(node["left_child"], tree, 2 * place + 1, below - 1)
        self._place(node["right_child"], tree, 2 * place + 2, below - 1)

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return kernels.forest(self._bytes(X), self.columns_, self.cuts_, self.leaves_)

    def _learned_bit(self, rows: NDArray[np.uint8], bit: int) -> NDArray[np.bool_]:
        """What the trees of one bit give for rows of bytes, bool [n]."""
        trees = slice(bit, bit + 1)
        arrays = self.columns_[trees], self.cuts_[trees], self.leaves_[trees]
        return kernels.forest(rows, *arrays)[:, 0] >= 0


class GrowingRows:
    """Training rows as LightGBM holds them, for the trees of one bit after another."""

    def __init__(self, rows: NDArray[np.uint8], random_state: int) -> None:
        try:
            import lightgbm
        except ImportError as error:
            raise MissingExtraError("lightgbm", "trees") from error
        self.library = lightgbm
        self.settings: dict[str, Any] = {
            "objective": "binary", "verbosity": -1, "seed": random_state, "max_bin": LEVELS,
            "min_data_in_bin": 1, "min_data_in_leaf": max(1, min(10, len(rows) // 20)),
            "deterministic": True, "force_col_wise": True, "boost_from_average": False,
        }  # fmt: skip
        self.data = lightgbm.Dataset(rows, params=self.settings, free_raw_data=False).construct()

    def boost(
        self,
        bits: NDArray[np.floating],
        n_trees: int,
        depth: int,
        learning_rate: float,
        column_share: float,
        bit: int,
    ) -> Any:
        """Return a booster of at most ``n_trees`` trees for bits of +-1; both weigh the same."""
        on = bits > 0
        share = min(max(float(on.mean()), 1 / len(on)), 1 - 1 / len(on))
        self.data.set_label(on.astype(np.float32))
        self.data.set_weight(np.where(on, 0.5 / share, 0.5 / (1 - share)).astype(np.float32))
        settings = {
            **self.settings, "num_leaves": 1 << depth, "max_depth": depth,
            "learning_rate": learning_rate, "feature_fraction": column_share,
            "feature_fraction_seed": self.settings["seed"] + bit,
        }  # fmt: skip
        booster = self.library.Booster(settings, self.data)
        for _ in range(n_trees):
            if booster.update():
                break
        return booster

"""StructHash (Lin, Shen and Wu, ECCV 2014): column generation for measures of rankings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from tqdm import tqdm

from hammingbird.classical.similarity import similarity
from hammingbird.classical.supervised.cuts import blocks_of_similar, cut_in_turn, start_bits
from hammingbird.classical.supervised.rankings import Lists, Loss, draw_lists, worst_rankings
from hammingbird.classical.supervised.trees import GrowingRows, TreeHasher
from hammingbird.codes import Output, unpack
from hammingbird.errors import InputError
from hammingbird.estimator import check_is_fitted, check_random_state

MOST_CONSTRAINTS = 60
"""Rankings kept as constraints; those that bind least are dropped first."""
CLOSE = 1e-3
"""A new constraint must be violated by more than this to be kept."""


class StructHash(TreeHasher):
    """Boosted trees, one bit after another, whose weighted Hamming distance ranks well.

    Rows of a sample are queries with a list each of similar and dissimilar rows. The weights are
    those of a structured support vector machine: least in sum, such that no wrong ranking of the
    lists scores higher than the right one, less its loss. Wrong rankings are added while they are
    violated (cutting planes), and each bit is the one that the dual weights of the present ones ask
    for (column generation): of pairs, by graph cuts, then learned by trees as in FastHash.

    ``bit_weights_``, float32 [n_bits], is what a bit that differs adds to the distance; none is
    negative, and some may be zero. :meth:`project` gives each bit with its weight, so that an
    asymmetric ranking is the one by weighted distance; that of the codes alone is plain Hamming.

    Parameters
    ----------
    loss
        Of a ranking: ``ndcg``, 1 - NDCG of the list, or ``auc``, the share of pairs of a similar
        and a dissimilar row that stand in the wrong order.
    slack
        C, the weight of the violation against the sum of the weights.
    n_queries, list_size
        Lists, and the similar and dissimilar rows of each, at most.
    rounds
        Cutting planes added at most for each bit.
    n_trees, depth, learning_rate, column_share, block_size, sweeps, max_rows
        As in :class:`FastHash`.
    """

    supervised = True

    bit_weights_: NDArray[np.float32]

    def __init__(
        self,
        n_bits: int = 64,
        *,
        loss: Loss = "ndcg",
        slack: float = 10.0,
        n_queries: int = 1000,
        list_size: int = 50,
        rounds: int = 5,
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
        self.slack = slack
        self.n_queries = n_queries
        self.list_size = list_size
        self.rounds = rounds
        self.n_trees = n_trees
        self.depth = depth
        self.learning_rate = learning_rate
        self.column_share = column_share
        self.block_size = block_size
        self.sweeps = sweeps
        self.max_rows = max_rows
        self.output = output
        self.random_state = random_state

    def weigh(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Query scores [n, n_bits] of packed codes, for search by weighted Hamming distance.

        ``Scan.search_scores`` ranks by them as by the sum of ``bit_weights_`` over the bits that
        differ. That sum is ``(bit_weights_.sum() - score) / 2``.
        """
        check_is_fitted(self)
        return self.bit_weights_ * unpack(codes, self.n_bits_)

    def _fit(self, X: NDArray[Any], y: Any) -> None:
        self._check_trees()
        if self.loss not in ("ndcg", "auc") or not self.slack > 0:
            raise InputError("loss must be 'ndcg' or 'auc', slack positive")
        if min(self.n_queries, self.list_size, self.rounds, self.block_size, self.sweeps) < 1:
            raise InputError(
                "n_queries, list_size, rounds, block_size and sweeps must be at least 1"
            )
        rng = check_random_state(self.random_state)
        rows, signs = similarity(y, len(X), self.max_rows, rng, "StructHash")
        np.fill_diagonal(signs, 0)
        lists = draw_lists(signs, self.n_queries, self.list_size, rng)
        blocks = blocks_of_similar(signs > 0, self.block_size, rng)
        data = self._start_trees(X[rows])
        growing = GrowingRows(data, int(rng.randint(1 << 30)))
        machine = Machine(lists, self.loss, self.slack)
        bits = tqdm(range(self.n_bits_), desc="StructHash", unit="bit", leave=False, disable=None)
        for bit in bits:
            weights = machine.pair_weights(len(rows))
            found = cut_in_turn(weights, blocks, start_bits(weights, rng), self.sweeps)
            self._grow(growing, found, bit)
            machine.add_bit(self._learned_bit(data, bit))
            machine.solve(self.rounds)
        self.bit_weights_ = machine.weights.astype(np.float32)

    def _project(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        """Each bit of +-1 with its weight; one without weight is the smallest number."""
        weights = np.maximum(self.bit_weights_, np.finfo(np.float32).tiny)
        return np.where(super()._project(X) >= 0, weights, -weights)


class Machine:
    """The structured support vector machine: weights of the bits there are, and dual weights.

    ``min sum(w) + slack * xi`` over w, xi >= 0, such that for every constraint c, one ranking of
    each list, ``w . feature_c >= loss_c - xi``. A constraint is how much the right ranking outdoes
    the wrong one in the agreement of each bit, its coefficients [queries, list]: see
    :func:`worst_rankings`.
    """

    def __init__(self, lists: Lists, loss: Loss, slack: float) -> None:
        self.lists, self.loss, self.slack = lists, loss, slack
        self.agreements = np.empty((0, lists.rows.size), np.float32)
        self.weights = np.zeros(0)
        coefficients, most = worst_rankings(np.zeros(lists.rows.shape), lists, loss)
        self.constraints, self.losses = coefficients.reshape(1, -1), np.array([most])
        self.features = np.empty((1, 0))
        self.dual = np.array([slack])

    def add_bit(self, bits: NDArray[np.bool_]) -> None:
        """Take in a bit, bool [n] over the rows of the sample."""
        agree = bits[self.lists.queries][:, None] == bits[self.lists.rows]
        agree = agree.astype(np.float32).reshape(1, -1)
        self.agreements = np.concatenate([self.agreements, agree])
        self.features = np.hstack([self.features, self.constraints @ agree.T])
        self.weights = np.append(self.weights, 0.0)

    def solve(self, rounds: int) -> None:
        """Find the weights, adding the ranking that is violated most until none is."""
        self._fit_weights()
        for _ in range(rounds):
            scores = self.weights.astype(np.float32) @ self.agreements
            coefficients, loss = worst_rankings(
                scores.reshape(self.lists.rows.shape), self.lists, self.loss
            )
            feature = self.agreements @ coefficients.ravel()
            if loss - float(feature @ self.weights) <= self.violation + CLOSE:
                break
            self.constraints = np.vstack([self.constraints, coefficients.reshape(1, -1)])
            self.losses = np.append(self.losses, loss)
            self.features = np.vstack([self.features, feature])
            self._fit_weights()
        keep = np.argsort(-self.dual, kind="stable")[:MOST_CONSTRAINTS]
        self.constraints, self.losses = self.constraints[keep], self.losses[keep]
        self.features, self.dual = self.features[keep], self.dual[keep]

    def pair_weights(self, n: int) -> NDArray[np.float32]:
        """What two rows with the same new bit cost by the duals, [n, n], symmetric.

        Similar rows have negative weights: the right ranking wants them to agree.
        """
        wanted = (self.dual.astype(np.float32) @ self.constraints).reshape(self.lists.rows.shape)
        weights = np.zeros((n, n), np.float32)
        np.add.at(weights, (self.lists.queries[:, None], self.lists.rows), -wanted)
        return (weights + weights.T) / max(float(np.abs(weights).max()), 1e-30)

    def _fit_weights(self) -> None:
        ones = np.ones((len(self.losses), 1))
        # Variables: the weights, then xi.
        price = np.append(np.ones(len(self.weights)), self.slack)
        found = linprog(
            price, A_ub=-np.hstack([self.features, ones]), b_ub=-self.losses, method="highs"
        )
        if not found.success:
            raise InputError(f"the weights were not found ({found.message}): choose another slack")
        self.weights, self.violation = np.maximum(found.x[:-1], 0), float(found.x[-1])
        self.dual = np.maximum(-found.ineqlin.marginals, 0)

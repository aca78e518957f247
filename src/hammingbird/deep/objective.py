"""What a deep hasher minimises: a batch of codes in, a scalar out; objectives add."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from hammingbird.errors import InputError

if TYPE_CHECKING:
    from hammingbird.deep.supervision import Relation

Needs = Literal["nothing", "pairs", "triplets", "classes"]


@dataclass(frozen=True)
class Problem:
    """What an objective may know before training starts; see :meth:`Objective.prepare`."""

    n_rows: int
    """Rows of the training data; ``Batch.index`` is below it."""
    n_bits: int
    n_features: int
    n_classes: int = 0
    """0 without labels."""
    y: Tensor | None = None
    """Labels of all rows, as in :class:`Batch`."""
    mean: Tensor | None = None
    """Mean of the inputs, where they are vectors: [n_features]."""
    random_state: int = 0

    @property
    def label_sets(self) -> bool:
        """Whether a row may have several labels."""
        return self.y is not None and self.y.ndim == 2


@dataclass
class Batch:
    """Rows of the training data, their codes before and after the relaxed sign, their targets.

    Pairs are numbered by their place in the batch. A row never makes a pair with itself, nor with
    another copy of itself, and pairs whose similarity nobody stated are unknown.
    """

    logits: Tensor
    """What the network says, [m, n_bits]."""
    outputs: Tensor
    """``relaxation(logits)``, [m, n_bits], in [-1, 1]."""
    index: Tensor
    """Row numbers in the training data, int64 [m]."""
    X: Tensor | None = None
    """The network's inputs, [m, ...]."""
    y: Tensor | None = None
    """Labels, int64 [m] in 0..n_classes-1, -1 for none; or label sets, bool [m, n_classes]."""
    relation: Relation | None = None
    """Similar and dissimilar rows by number, where ``y`` was no label."""
    given_triplets: Tensor | None = None
    """Places in the batch of anchors, positives and negatives, int64 [t, 3], if any were given."""

    @cached_property
    def labelled(self) -> Tensor:
        """Rows that have at least one label, bool [m]."""
        y = self._labels()
        return y.any(dim=1) if y.ndim == 2 else y >= 0

    @cached_property
    def membership(self) -> Tensor:
        """One column per class: label sets as they are, labels one-hot, float [m, n_classes].

        For labels the number of columns is that of the largest label in the batch plus one.
        """
        y = self._labels()
        if y.ndim == 2:
            return y.to(self.outputs.dtype)
        one_hot = nn.functional.one_hot(y.clamp(min=0)).to(self.outputs.dtype)
        return one_hot * (y >= 0)[:, None]

    @property
    def similar(self) -> Tensor:
        """1 for pairs that share a label or were stated similar, else 0, float [m, m]."""
        return self._pairs[0]

    @property
    def known(self) -> Tensor:
        """Pairs of two different rows whose similarity is known, bool [m, m]."""
        return self._pairs[1]

    @cached_property
    def positive(self) -> Tensor:
        """Known similar pairs, bool [m, m]."""
        return self.known & (self.similar > 0)

    @cached_property
    def negative(self) -> Tensor:
        """Known dissimilar pairs, bool [m, m]."""
        return self.known & (self.similar == 0)

    @cached_property
    def jaccard(self) -> Tensor:
        """Shared labels over all labels of both rows, float [m, m]; ``similar`` for one label."""
        if self._labels().ndim == 1:
            return self.similar
        sets = self.membership
        shared = sets @ sets.T
        sizes = sets.sum(dim=1)
        return shared / (sizes[:, None] + sizes[None, :] - shared).clamp(min=1)

    @cached_property
    def triplets(self) -> Tensor:
        """The given triplets, or every anchor with every positive and negative, int64 [t, 3]."""
        if self.given_triplets is not None:
            return self.given_triplets
        anchor, positive = self.positive.nonzero(as_tuple=True)
        which, negative = self.negative[anchor].nonzero(as_tuple=True)
        return torch.stack([anchor[which], positive[which], negative], dim=1)

    def similarity(self, y: Tensor | None, index: Tensor) -> tuple[Tensor, Tensor]:
        """Similarity of the batch with other rows of the training data, such as a memory bank.

        Takes the other rows' labels and numbers; returns float [m, n] and what is known, bool.
        """
        if self.relation is not None:
            similar, known = self.relation.lookup(self.index, index)
        elif self.given_triplets is not None:
            raise InputError(
                "this objective needs pairs, and y holds triplets: give labels or Pairs"
            )
        else:
            mine = self._labels()
            assert y is not None
            if mine.ndim == 2:
                similar = (mine.float() @ y.float().T) > 0
                known = mine.any(dim=1)[:, None] & y.any(dim=1)[None, :]
            else:
                similar = mine[:, None] == y[None, :]
                known = (mine >= 0)[:, None] & (y >= 0)[None, :]
        known = known & (self.index[:, None] != index[None, :])
        return similar.to(self.outputs.dtype), known

    @cached_property
    def _pairs(self) -> tuple[Tensor, Tensor]:
        return self.similarity(self.y, self.index)

    def _labels(self) -> Tensor:
        if self.y is None:
            raise InputError("this objective needs labels: give y as labels or label sets")
        return self.y


class Objective(nn.Module):
    """A scalar to minimise. A subclass states its reduction and keeps the paper's numbers.

    ``a + b`` and ``0.1 * a`` build a weighted sum whose terms are logged by name. Parameters of an
    objective are trained with the network's. In evaluation mode ``forward`` changes no state, such
    as a memory bank: the trainer measures losses that way.
    """

    needs: ClassVar[Needs] = "nothing"
    """What it reads of a batch beyond codes: pairs, triplets or classes."""

    def prepare(self, problem: Problem) -> None:
        """Create parameters and buffers whose size only the data can tell; called once per fit."""

    def epoch_end(self) -> None:
        """Update what changes once per epoch: discrete codes, target vectors."""

    def __call__(self, batch: Batch) -> Tensor:
        """Return the scalar for this batch."""
        value: Tensor = super().__call__(batch)
        return value

    def forward(self, batch: Batch) -> Tensor:
        """Compute the scalar."""
        raise NotImplementedError

    def terms(self) -> Iterator[tuple[str, float, Objective]]:
        """Yield name, weight and objective of every term; names are unique."""
        yield type(self).__name__, 1.0, self

    def __add__(self, other: Objective) -> Objective:
        """Sum two objectives."""
        if not isinstance(other, Objective):
            return NotImplemented
        return WeightedSum([*_weighted(self), *_weighted(other)])

    def __mul__(self, weight: float) -> Objective:
        """Weight an objective."""
        if not isinstance(weight, int | float):
            return NotImplemented
        return WeightedSum([(float(weight) * own, part) for own, part in _weighted(self)])

    __rmul__ = __mul__


class WeightedSum(Objective):
    """The sum of weighted objectives, each logged by name."""

    def __init__(self, parts: list[tuple[float, Objective]]) -> None:
        super().__init__()
        self.weights = [weight for weight, _ in parts]
        self.parts = nn.ModuleList([part for _, part in parts])

    def prepare(self, problem: Problem) -> None:
        """Prepare every term."""
        for _, _, part in self.terms():
            part.prepare(problem)

    def epoch_end(self) -> None:
        """End the epoch of every term."""
        for _, _, part in self.terms():
            part.epoch_end()

    def forward(self, batch: Batch) -> Tensor:
        """Sum the terms; a term of weight zero is not computed."""
        values = [weight * part(batch) for _, weight, part in self.terms() if weight]
        return torch.stack(values).sum() if values else batch.logits.sum() * 0.0

    def terms(self) -> Iterator[tuple[str, float, Objective]]:
        """Yield the terms; a second one of the same class gets a number."""
        seen: dict[str, int] = {}
        for weight, part in _weighted(self):
            name = type(part).__name__
            seen[name] = seen.get(name, 0) + 1
            yield name if seen[name] == 1 else f"{name}{seen[name]}", weight, part


def _weighted(objective: Objective) -> list[tuple[float, Objective]]:
    if isinstance(objective, WeightedSum):
        return list(zip(objective.weights, objective.parts, strict=True))  # type: ignore[arg-type]
    return [(1.0, objective)]

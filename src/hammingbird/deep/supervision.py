"""What a deep hasher learns from, as tensors: labels, or which rows are similar by number."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hammingbird.errors import InputError
from hammingbird.targets import Neighbors, Pairs, Triplets, check_labels, check_rows

DENSE = 1 << 27
"""Up to so many pairs of rows, a byte each, are held in a table."""


class Relation:
    """Similar and dissimilar pairs of rows, looked up for a whole batch at once.

    Symmetric. With ``closed`` all pairs that are not listed are dissimilar, else they are unknown.
    Few rows have one tensor, the table of all pairs; many have two, the sorted numbers of those
    listed and whether they are similar.
    """

    def __init__(
        self,
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        similar: NDArray[np.bool_],
        n_rows: int,
        *,
        closed: bool,
    ) -> None:
        keys = np.concatenate([left * n_rows + right, right * n_rows + left])
        said = np.concatenate([similar, similar])
        if not said.all() and np.intersect1d(keys[said], keys[~said]).size:
            raise InputError(
                "y gives a pair both as similar and as dissimilar: keep one of the two"
            )
        keys, first = np.unique(keys, return_index=True)
        self.n_rows, self.closed = n_rows, closed
        self.tensors: tuple[Tensor, ...] = torch.from_numpy(keys), torch.from_numpy(said[first])
        if n_rows**2 <= DENSE:
            table = torch.full((n_rows**2,), 0 if closed else -1, dtype=torch.int8)
            table[self.tensors[0]] = self.tensors[1].to(torch.int8)
            self.tensors = (table.view(n_rows, n_rows),)

    def lookup(self, rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Which pairs of ``rows`` [m] and ``others`` [n] are similar and known, bool [m, n]."""
        if len(self.tensors) == 1:
            said = self.tensors[0][rows[:, None], others[None, :]]
            return said == 1, said >= 0
        keys, similar = self.tensors
        asked = rows[:, None] * self.n_rows + others[None, :]
        place = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
        listed = keys[place] == asked
        known = torch.ones_like(listed) if self.closed else listed
        return listed & similar[place], known

    def to(self, device: torch.device) -> Relation:
        """Move to a device."""
        self.tensors = tuple(tensor.to(device) for tensor in self.tensors)
        return self


@dataclass
class Supervision:
    """The targets of a fit, in the form that batches take them from."""

    n_rows: int
    y: Tensor | None = None
    classes: list[Any] = field(default_factory=list)
    """What was given for each class: a label, or the column of a label set."""
    relation: Relation | None = None
    together: NDArray[np.int64] | None = None
    """Rows that only mean something in one batch: given pairs [p, 2] or triplets [t, 3]."""
    neighbors: NDArray[np.int64] | None = None
    """Rows near each row, [n, k], -1 where there are fewer."""

    @property
    def n_classes(self) -> int:
        """Number of classes, 0 without labels."""
        return len(self.classes)

    @property
    def has_triplets(self) -> bool:
        """Whether triplets were given."""
        return self.together is not None and self.together.shape[1] == 3

    def to(self, device: torch.device) -> Supervision:
        """Move labels and pairs to a device."""
        if self.y is not None:
            self.y = self.y.to(device)
        if self.relation is not None:
            self.relation.to(device)
        return self

    def fingerprint(self) -> str:
        """Return a short name of the targets."""
        related = () if self.relation is None else self.relation.tensors
        digest = hashlib.sha256()
        for part in (self.y, *related, self.together, self.neighbors):
            if part is not None:
                digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()[:16]


def supervise(y: Any, n_rows: int) -> Supervision:
    """Turn what the user gave as ``y`` into tensors.

    Labels may be anything that sorts; -1 means none, and so does an empty label set.
    """
    if y is None:
        return Supervision(n_rows)
    if isinstance(y, Pairs):
        left, right = check_rows(y.left, n_rows), check_rows(y.right, n_rows)
        relation = Relation(left, right, np.asarray(y.similar, bool), n_rows, closed=False)
        return Supervision(n_rows, relation=relation, together=np.stack([left, right], axis=1))
    if isinstance(y, Triplets):
        columns = [check_rows(rows, n_rows) for rows in (y.anchor, y.positive, y.negative)]
        return Supervision(n_rows, together=np.stack(columns, axis=1))
    if isinstance(y, Neighbors):
        return _neighbors(np.asarray(y.ids), n_rows)
    labels, classes = check_labels(y, n_rows)
    return Supervision(n_rows, torch.from_numpy(labels), classes)


def _neighbors(ids: NDArray[np.int64], n_rows: int) -> Supervision:
    if ids.ndim != 2 or len(ids) != n_rows or ids.max(initial=-1) >= n_rows:
        raise InputError(
            f"y as Neighbors must hold the nearest rows of X for each of its {n_rows} rows, "
            f"got ids of shape {ids.shape}"
        )
    ids = ids.astype(np.int64)
    left, column = np.nonzero((ids >= 0) & (ids != np.arange(n_rows)[:, None]))
    if not len(left):
        raise InputError("y holds no neighbours: give each row at least one other row")
    right = ids[left, column]
    relation = Relation(left, right, np.ones(len(left), bool), n_rows, closed=True)
    return Supervision(n_rows, relation=relation, neighbors=ids)

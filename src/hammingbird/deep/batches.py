"""Which rows make a batch: at random, or so that every row meets rows similar to it."""

from __future__ import annotations

import logging
import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hammingbird.deep.supervision import Supervision

log = logging.getLogger(__name__)

ENOUGH = 4.0
"""Similar rows that a row should meet in a batch; ``batches="auto"`` sees to it."""
COMPANY = 8
"""Rows of one class, or a row and its neighbours, that a class-aware batch puts together."""


class Draw(NamedTuple):
    """The rows of one batch."""

    rows: NDArray[np.int64]
    """Different rows, [m]."""
    triplets: NDArray[np.int64] | None = None
    """Places in ``rows`` of given triplets, [t, 3]."""


def epoch_batches(
    supervision: Supervision,
    rows: NDArray[np.int64],
    batch_size: int,
    rng: np.random.Generator,
    *,
    aware: bool,
) -> list[Draw]:
    """Cut ``rows`` into batches of about ``batch_size``, each row at least once per epoch.

    Class-aware batches hold rows of one class by eights, or rows with seven of their neighbours.
    Given pairs and triplets are never torn apart.
    """
    if supervision.together is not None:
        inside = np.isin(supervision.together, rows).all(axis=1)
        return _tuples(supervision.together[inside], supervision.has_triplets, batch_size, rng)
    if aware and supervision.neighbors is not None:
        return _neighborhoods(supervision.neighbors, rows, batch_size, rng)
    order = rng.permutation(rows)
    if aware and supervision.y is not None:
        order = _by_class(supervision, order, rng)
    return [Draw(part) for part in _even(order, batch_size)]


def similar_rows_met(supervision: Supervision, batch_size: int) -> float:
    """Rows similar to it that a row of a random batch meets on average; infinite if unknown."""
    n = supervision.n_rows
    if supervision.neighbors is not None:
        return 2 * np.count_nonzero(supervision.neighbors >= 0) / n**2 * batch_size
    if supervision.y is None:
        return math.inf
    y = supervision.y.cpu().numpy()
    sample = y[np.linspace(0, n - 1, min(n, 2000)).astype(int)].astype(np.float32)
    if y.ndim == 2:
        similar = sample @ sample.T > 0
    else:
        similar = (sample[:, None] == sample[None, :]) & (sample >= 0)
    np.fill_diagonal(similar, False)
    return np.count_nonzero(similar) / max(1, len(sample) * (len(sample) - 1)) * batch_size


def draws_aware(
    supervision: Supervision,
    batch_size: int,
    batches: Literal["random", "aware", "auto"],
    *,
    compared: bool,
) -> bool:
    """Whether batches are to put similar rows together.

    Warns if they are not, and rows that are ``compared`` within a batch would meet none.
    """
    if batches == "aware" or supervision.together is not None:
        return batches == "aware"
    met = similar_rows_met(supervision, batch_size)
    if batches == "random" and compared and met < 1:
        log.warning(
            "a row of a random batch of %d meets %.2g similar rows on average, from which little "
            "is learnt: set batches='aware' or a larger batch_size",
            batch_size,
            met,
        )
    return batches == "auto" and met < ENOUGH


def _even(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Parts of nearly equal size: a last batch of one row would teach nothing."""
    return np.array_split(order, max(1, round(len(order) / batch_size)))


def _by_class(
    supervision: Supervision, order: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Order rows so that eight of a class stand together; label sets count by one random label."""
    assert supervision.y is not None
    y = supervision.y.cpu().numpy()[order]
    if y.ndim == 2:
        drawn = np.where(y, rng.random(y.shape), -1.0)
        y = np.where(y.any(axis=1), drawn.argmax(axis=1), -1)
    order = order[np.argsort(y, kind="stable")]
    y = np.sort(y)
    place_in_class = np.arange(len(y)) - np.searchsorted(y, y)
    group = np.cumsum(place_in_class % COMPANY == 0) - 1
    return order[np.argsort(rng.permutation(group[-1] + 1)[group], kind="stable")]


def _neighborhoods(
    neighbors: NDArray[np.int64],
    rows: NDArray[np.int64],
    batch_size: int,
    rng: np.random.Generator,
) -> list[Draw]:
    """Every row once as an anchor, with a random few of its neighbours."""
    allowed = np.zeros(len(neighbors), bool)
    allowed[rows] = True
    draws = []
    for anchors in _even(rng.permutation(rows), max(1, batch_size // COMPANY)):
        near = neighbors[anchors]
        columns = rng.random(near.shape).argsort(axis=1)[:, : COMPANY - 1]
        company = np.take_along_axis(near, columns, axis=1).ravel()
        company = company[company >= 0]
        draws.append(Draw(np.unique(np.concatenate([anchors, company[allowed[company]]]))))
    return draws


def _tuples(
    together: NDArray[np.int64], are_triplets: bool, batch_size: int, rng: np.random.Generator
) -> list[Draw]:
    size = max(1, batch_size // together.shape[1])
    draws = []
    for part in _even(rng.permutation(together), size):
        rows, places = np.unique(part, return_inverse=True)
        draws.append(Draw(rows, places.reshape(part.shape) if are_triplets else None))
    return draws


def as_tensors(draw: Draw, device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the rows and triplets of a batch on a device."""
    triplets = None if draw.triplets is None else torch.from_numpy(draw.triplets).to(device)
    return torch.from_numpy(np.ascontiguousarray(draw.rows)).to(device), triplets

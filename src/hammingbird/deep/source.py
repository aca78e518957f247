"""Where training rows come from: an array that may be larger than memory, or a torch Dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hammingbird.errors import InputError
from hammingbird.storage import RowsFingerprint, fingerprint_rows


class Source(Protocol):
    """Rows by number."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def fetch(self, batches: Iterable[NDArray[np.int64]]) -> Iterator[Tensor]:
        """Yield the flat inputs [m, d] of each batch; memory is bounded by a few batches."""
        ...

    def fingerprint(self) -> str:
        """Return a short name of the data, which other data do not have."""
        ...


class ArraySource:
    """Rows of an array [n, d], memory-mapped or not, converted batch by batch."""

    def __init__(self, X: NDArray[Any]) -> None:
        self.X = X

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.X)

    def fetch(self, batches: Iterable[NDArray[np.int64]]) -> Iterator[Tensor]:
        """Yield single-precision rows."""
        for index in batches:
            yield torch.from_numpy(np.asarray(self.X[index], np.float32))

    def fingerprint(self) -> str:
        """Hash every byte of the rows."""
        return fingerprint_rows(self.X)


class SomeRows:
    """Some rows of another source, renumbered from 0."""

    def __init__(self, source: Source, rows: NDArray[np.int64]) -> None:
        self.source, self.rows = source, rows

    def __len__(self) -> int:
        """Return the number of rows chosen."""
        return len(self.rows)

    def fetch(self, batches: Iterable[NDArray[np.int64]]) -> Iterator[Tensor]:
        """Yield their inputs."""
        yield from self.source.fetch([self.rows[index] for index in batches])

    def fingerprint(self) -> str:
        """Return which rows, and the other source's."""
        return f"rows {fingerprint_rows(self.rows)} of {self.source.fingerprint()}"


class DatasetSource:
    """Items of a map-style torch Dataset: images [c, h, w], with a label or without."""

    def __init__(self, data: Any, workers: int = 0) -> None:
        if isinstance(data, DataLoader):
            data, workers = data.dataset, workers or data.num_workers
        if not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
            raise InputError("a torch Dataset must have a length and items by number")
        self.data: Any = data
        self.workers = workers

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.data)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a flat input before it was flattened, (d,) or (h, w, c)."""
        item = _input(self.data[0])
        return tuple(item.shape)

    def labels(self) -> NDArray[Any]:
        """Labels of all items: ``targets`` if the Dataset has them, else from one pass."""
        targets = getattr(self.data, "targets", None)
        if targets is None:
            first = self.data[0]
            if not isinstance(first, tuple | list) or len(first) < 2:
                raise InputError("the Dataset has no labels: give y, or items (input, label)")
            targets = [np.asarray(self.data[i][1]) for i in range(len(self.data))]
        return np.asarray(targets)

    def fetch(self, batches: Iterable[NDArray[np.int64]]) -> Iterator[Tensor]:
        """Yield flat, channels-last inputs."""
        loader = DataLoader(
            _Inputs(self.data),
            batch_sampler=[index.tolist() for index in batches],
            num_workers=self.workers,
            generator=torch.Generator(),  # its own: the training's random numbers stay as they are
        )
        for inputs in loader:
            yield inputs.flatten(1)

    def fingerprint(self) -> str:
        """Hash every item, in one pass, without disturbing torch's random numbers.

        Of a Dataset that changes its items at random, hash the arrays and tensors that it holds;
        where it holds none (files that it opens), only their number and shape are known.
        """
        rows = np.arange(len(self))
        some = rows[:: max(1, len(rows) // 64)]
        with torch.random.fork_rng([]):
            if _name(self.fetch([some])) == _name(self.fetch([some])):
                return _name(self.fetch(np.array_split(rows, range(1024, len(rows), 1024))))
            shape = self.shape
        held = [fingerprint_rows(array) for array in _held(self.data)]
        return f"{len(self)} of {shape}, changed at random, of {held}"


class _Inputs(Dataset[Tensor]):
    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> Tensor:
        return _input(self.data[row])


def _input(item: Any) -> Tensor:
    """Return the input of an item, an image as [h, w, c]."""
    if isinstance(item, tuple | list):
        item = item[0]
    value = torch.as_tensor(np.asarray(item)) if not isinstance(item, Tensor) else item
    return value.permute(1, 2, 0) if value.ndim == 3 and value.shape[0] in (1, 3, 4) else value


def _name(blocks: Iterable[Tensor]) -> str:
    """Return the fingerprint of inputs [m, d] that come in blocks."""
    found = RowsFingerprint()
    for block in blocks:
        found.update(block.contiguous().view(torch.uint8).numpy())
    return found.name()


def _held(data: Any) -> Iterator[NDArray[Any]]:
    """Yield the arrays and tensors among the attributes of a Dataset, and of those inside it."""
    for value in vars(data).values():
        for part in value if isinstance(value, tuple | list) else [value]:
            if isinstance(part, np.ndarray | Tensor):
                yield np.asarray(part)
            elif isinstance(part, Dataset):
                yield from _held(part)


def is_dataset(X: Any) -> bool:
    """Whether ``X`` is a torch Dataset or DataLoader."""
    return isinstance(X, Dataset | DataLoader)


def evenly_spaced(n: int, most: int) -> NDArray[np.int64]:
    """Return up to ``most`` of ``n`` rows from all over them, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(most, n)).astype(np.int64))


def moments(source: Source, shape: tuple[int, ...], rows: int = 20_000) -> tuple[Tensor, Tensor]:
    """Mean per column or channel, and one scale for all, from evenly spaced rows.

    The scale makes the average variance one; it is one for data that do not vary.
    """
    chosen = evenly_spaced(len(source), rows)
    width = shape[-1]
    total, squares, count = (torch.zeros(width, dtype=torch.float64) for _ in range(3))
    first: Tensor | None = None
    for inputs in source.fetch(np.array_split(chosen, max(1, len(chosen) // 1024))):
        values = inputs.double().reshape(-1, width)
        first = values[0] if first is None else first  # keeps the squares small
        total += (values - first).sum(dim=0)
        squares += (values - first).square().sum(dim=0)
        count += len(values)
    assert first is not None
    variance = (squares / count - (total / count).square()).clamp(min=0)
    scale = variance.mean().sqrt()
    return first + total / count, scale if scale > 0 else torch.ones_like(scale)

"""Rows as people have them: frames, Arrow tables, tensors, torch Datasets, sparse matrices.

The one place that knows them: an array or a CSR matrix leaves it, or what others must read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError

DENSE_BYTES = 1 << 31
"""Most that a sparse matrix may take as an array."""


def as_rows(X: Any) -> Any:
    """Return ``X`` as an array [n, d], or as CSR where it is sparse.

    What this does not know (a list, a data frame of numbers) is returned as it is: scikit-learn
    reads it, with the names of its columns. A column of lists is a matrix: one of pandas, polars
    or Arrow, alone or the only one of its table. A torch Dataset is read into memory.
    """
    if isinstance(X, np.ndarray):
        return X
    if is_sparse(X):
        return X.tocsr()
    library = type(X).__module__.partition(".")[0]
    if library == "pyarrow":
        return _arrow(X)
    if library in ("pandas", "polars"):
        return _frame(X)
    if is_torch_dataset(X):
        return _items(getattr(X, "dataset", X))
    if library == "torch" and hasattr(X, "detach"):
        return X.detach().cpu().numpy()
    return X


def is_sparse(X: Any) -> bool:
    """Whether ``X`` is a sparse matrix or array of SciPy."""
    sparse = sys.modules.get("scipy.sparse")  # who has one has imported it
    return sparse is not None and sparse.issparse(X)


def is_torch_dataset(X: Any) -> bool:
    """Whether ``X`` is a torch Dataset or DataLoader; torch is not imported to find out."""
    return any(base.__module__.startswith("torch.utils.data") for base in type(X).__mro__)


def dense(X: Any, what: str = "X") -> Any:
    """Return rows as an array; refuse a sparse matrix that would take more than 2 GiB."""
    if not is_sparse(X):
        return X
    n, d = X.shape
    size = n * d * X.dtype.itemsize
    if size > DENSE_BYTES:
        raise InputError(
            f"{what} is sparse and would take {size / 1e9:,.0f} GB as an array: give fewer rows, "
            "or reduce its width first, for instance with scikit-learn's TruncatedSVD"
        )
    return X.toarray()


def labels_of(X: Any) -> NDArray[Any] | None:
    """Labels of a torch Dataset whose items are pairs (input, label), None of anything else."""
    if not is_torch_dataset(X):
        return None
    data = getattr(X, "dataset", X)
    if (targets := getattr(data, "targets", None)) is not None:
        return np.asarray(targets)
    first = data[0]
    if not isinstance(first, tuple | list) or len(first) < 2:
        return None
    return np.asarray([np.asarray(data[i][1]) for i in range(len(data))])


def _items(data: Any) -> NDArray[Any]:
    """Inputs of a map-style Dataset, an array [n, ...]; images of torch as [n, h, w, c]."""
    if not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        raise InputError("a torch Dataset must have a length and items by number")
    if not len(data):
        raise InputError("the torch Dataset is empty")
    first = _input(data[0])
    rows = np.empty((len(data), *first.shape), first.dtype)
    for i in range(len(data)):
        item = _input(data[i])
        if item.shape != first.shape:
            raise InputError(
                f"items of the torch Dataset must be of one shape: item 0 is {first.shape}, "
                f"item {i} is {item.shape}"
            )
        rows[i] = item
    return rows


def _input(item: Any) -> NDArray[Any]:
    if isinstance(item, tuple | list):
        item = item[0]
    tensor = hasattr(item, "detach")
    value = np.asarray(item.detach().cpu() if tensor else item)
    channels_first = value.ndim == 3 and value.shape[0] in (1, 3, 4)
    return np.moveaxis(value, 0, 2) if channels_first else value


def _arrow(X: Any) -> Any:
    """A column of lists [n, d], or the table as it is."""
    import pyarrow as pa

    if isinstance(X, pa.Table | pa.RecordBatch):
        if X.num_columns != 1 or not hasattr(X.schema.types[0], "value_type"):
            return X
        X = X.column(0)
    if isinstance(X, pa.ChunkedArray):
        X = X.combine_chunks()
    X = getattr(X, "storage", X)
    if not isinstance(X, pa.Array) or not hasattr(X.type, "value_type"):
        return X
    if X.null_count:
        row = int(np.flatnonzero(X.is_null().to_numpy(zero_copy_only=False))[0])
        raise InputError(f"row {row} of the Arrow column is missing: drop it or fill it in")
    values = X.flatten().to_numpy(zero_copy_only=False)
    lengths = X.value_lengths().to_numpy(zero_copy_only=False)
    return values.reshape(len(X), _one_length(lengths))


def _frame(X: Any) -> Any:
    """A column of lists [n, d], or the frame as it is."""
    column = X
    if getattr(X, "ndim", len(getattr(X, "shape", ()))) == 2:
        if X.shape[1] != 1:
            return X
        column = X[X.columns[0]]
    if not len(column):
        return X
    rows = column.to_numpy()
    if rows.ndim != 1 or not isinstance(rows[0], list | tuple | np.ndarray):
        return rows if rows.ndim == 2 else X
    _one_length([np.size(row) for row in rows])
    return np.stack([np.asarray(row) for row in rows])


def _one_length(lengths: Sequence[int] | NDArray[Any]) -> int:
    lengths = np.asarray(lengths)
    other = np.flatnonzero(lengths != lengths[:1])
    if len(other):
        raise InputError(
            f"vectors must be equally long: row 0 has {lengths[0]} values, row {other[0]} has "
            f"{lengths[other[0]]}"
        )
    return int(lengths[0]) if len(lengths) else 0

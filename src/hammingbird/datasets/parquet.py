"""Parquet with a vector column, or with encoded images as Hugging Face's datasets store them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird.datasets.images import Picture, Pictures, Size
from hammingbird.datasets.source import (
    Array,
    Dataset,
    Source,
    labels,
    listed,
    reading,
    vectors_shape,
)
from hammingbird.errors import FileError, MissingExtraError

VECTORS = ("vector", "vectors", "embedding", "embeddings", "features", "emb", "X")
LABELS = ("label", "labels", "y")
BATCH = 1 << 14
PICTURES_PER_BATCH = 1 << 10
MOST_CLASSES = 1 << 16


def open_parquet(path: Path, array: str | None = None, size: Size = None) -> Source:
    """Open the column of vectors or of images, whichever the file has."""
    with reading(path):
        file = parquet_file(path)
        columns = {field.name: _kind(field.type) for field in file.schema_arrow}
        rows = file.metadata.num_rows
        stored = sum(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))
    found = listed(f"{field.name} ({field.type})" for field in file.schema_arrow)
    if array is None:
        column = _only_column(columns)
        if column is None:
            raise FileError(
                f"{path} has no column of vectors (named {', '.join(VECTORS)}) or of images (a "
                f"struct whose bytes are binary), or several; it has: {found}; name one with array="
            )
    elif columns.get(array) is None:
        raise FileError(f"{path} has no column {array!r} of vectors or images, it has: {found}")
    else:
        column = array
    _check_once(path, file, column)
    if not rows:
        raise FileError(f"{path} is empty: it has no row")
    if rows != stored or rows < 0:
        raise FileError(f"{path} is altered: it claims {rows} rows and stores {stored}")
    if columns[column] == "image":
        return ImageTable(path, file, column, size)
    return VectorTable(path, file, column)


def read_column(path: Path, name: str) -> list[Any]:
    """Read one column of plain values, such as names of rows."""
    with reading(path):
        file = parquet_file(path)
        if name not in file.schema_arrow.names:
            raise FileError(f"{path} has no column {name!r}")
        values: list[Any] = file.read(columns=[name])[name].to_pylist()
        return values


class VectorTable(Source):
    """A column whose rows are lists of numbers, all equally long."""

    def __init__(self, path: Path, file: Any, column: str) -> None:
        self.path, self._file, self.column = path, file, column
        with reading(path):
            first = next(_pieces(path, file, column, 1))
            width = int(np.nan_to_num(_widths(first)[0]))
            self._dtype = np.dtype(first.type.value_type.to_pandas_dtype())
        self.shape = vectors_shape(path, (file.metadata.num_rows, width), self._dtype)

    def load(self) -> Dataset:
        """Read the vectors and the labels."""
        with reading(self.path):
            X = np.empty(self.shape, self._dtype)
        start = 0
        for block in self.blocks(BATCH):
            X[start : start + len(block)] = block
            start += len(block)
        y, classes = _labels(self.path, self._file)
        return Dataset(self.path.name, X, y, classes=classes)

    def take(self, chosen: Array) -> Dataset:
        """Read some rows, by their ascending numbers, and their labels; a block at a time."""
        kept = [np.empty((0, self.shape[1]), self._dtype)]
        start = 0
        for block in self.blocks(BATCH):
            first, last = np.searchsorted(chosen, (start, start + len(block)))
            kept.append(block[chosen[first:last] - start])
            start += len(block)
        y, classes = _labels(self.path, self._file)
        return Dataset(
            self.path.name, np.concatenate(kept), None if y is None else y[chosen], classes=classes
        )

    def blocks(self, rows: int) -> Iterator[Array]:
        """Read one batch of rows after another."""
        start = 0
        with reading(self.path):
            for column in _pieces(self.path, self._file, self.column, rows):
                values = column.flatten()
                wrong = np.flatnonzero(_widths(column) != self.shape[1])
                if len(wrong):
                    raise FileError(
                        f"{self.path} row {start + wrong[0]} of column {self.column} is no list "
                        f"of {self.shape[1]} numbers as the first row is"
                    )
                if values.null_count:
                    raise FileError(
                        f"{self.path}: column {self.column} has missing numbers after row {start}"
                    )
                yield values.to_numpy(zero_copy_only=False).reshape(len(column), -1)
                start += len(column)


class ImageTable(Pictures):
    """A column of ``{bytes, path}`` with encoded images."""

    def __init__(self, path: Path, file: Any, column: str, size: Size) -> None:
        self._file, self._column = file, column
        super().__init__(path, file.metadata.num_rows, size)

    def pictures(self) -> Iterator[Picture]:
        """Yield the encoded images; files that are only named cannot be followed."""
        row = 0
        with reading(self.path):
            for column in _pieces(self.path, self._file, self._column, PICTURES_PER_BATCH):
                for content in column.field("bytes").to_pylist():
                    if content is None:
                        raise FileError(f"{self.path}: row {row} of {self._column} has no bytes")
                    yield Picture(f"row {row} of {self._column}", content)
                    row += 1

    def paths(self) -> list[str]:
        """Return what each image's ``path`` says, or the number of its row."""
        row, found = 0, []
        with reading(self.path):
            for column in _pieces(self.path, self._file, self._column, PICTURES_PER_BATCH):
                has = column.type.get_field_index("path") >= 0
                given = column.field("path").to_pylist() if has else [None] * len(column)
                found += [name or str(row + i) for i, name in enumerate(given)]
                row += len(column)
        return found

    def labels(self) -> tuple[Array | None, Array | None]:
        """Return the label column and the class names of Hugging Face's metadata."""
        return _labels(self.path, self._file)


def _only_column(columns: dict[str, str | None]) -> str | None:
    for kind, names in (("vector", VECTORS), ("image", ("image", "img"))):
        named = [name for name in names if columns.get(name) == kind]
        others = [n for n, found in columns.items() if found == kind and n not in LABELS]
        if named or len(others) == 1:
            return (named or others)[0]
    return None


def _kind(type_: Any) -> str | None:
    """Say whether a column's type is a list of numbers or an encoded image."""
    import pyarrow.types as types

    type_ = getattr(type_, "storage_type", type_)
    if types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_):
        value = type_.value_type
        return "vector" if types.is_integer(value) or types.is_floating(value) else None
    if types.is_struct(type_) and type_.get_field_index("bytes") >= 0:
        content = type_.field("bytes").type
        return "image" if types.is_binary(content) or types.is_large_binary(content) else None
    return None


def _check_once(path: Path, file: Any, name: str) -> None:
    count = file.schema_arrow.names.count(name)
    if count > 1:
        raise FileError(f"{path} has {count} columns named {name!r}: rename all but one")


def _pieces(path: Path, file: Any, name: str, rows: int) -> Iterator[Any]:
    """Yield a column in pieces of ``rows`` rows or fewer, together as many as the file claims."""
    left, columns = file.metadata.num_rows, 1
    for batch in file.iter_batches(batch_size=rows, columns=[name]):
        left, columns = left - len(batch), batch.num_columns
        if left < 0 or columns != 1:
            break
        yield _storage(batch.column(0))
    if left or columns != 1:
        raise FileError(
            f"{path}: column {name!r} is not one column of {file.metadata.num_rows} rows: "
            "rename it, or write the file again"
        )


def _labels(path: Path, file: Any) -> tuple[Array | None, Array | None]:
    """Read the label column: numbers, strings, or lists that become label sets [n, c]."""
    import pyarrow as pa

    name = next((name for name in LABELS if name in file.schema_arrow.names), None)
    if name is None:
        return None, None
    _check_once(path, file, name)
    with reading(path):
        column = file.read(columns=[name])[name].combine_chunks()
        column = _storage(column)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if column.null_count:
            raise FileError(f"{path}: column {name} has rows without a label")
        if _kind(column.type) == "vector":
            y = _label_sets(path, name, column)
        else:
            y = column.to_numpy(zero_copy_only=False)
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                y = y.astype(np.str_)
    return labels(path, y, file.metadata.num_rows), _class_names(file, name)


def _label_sets(path: Path, name: str, column: Any) -> Array:
    """Return ones and zeros [n, c] from equally long lists of them, or from lists of class ids."""
    values = column.flatten().to_numpy(zero_copy_only=False)
    widths = _widths(column)
    n, width = len(column), int(widths[0])
    if width > 1 and (widths == width).all() and np.isin(values, (0, 1)).all():
        indicators: Array = values.reshape(n, width).astype(np.uint8)
        return indicators
    if values.dtype.kind not in "iu" or (len(values) and values.min() < 0):
        raise FileError(f"{path}: column {name} must hold lists of class numbers from 0")
    if not len(values) or values.max() >= MOST_CLASSES:
        raise FileError(
            f"{path}: column {name} must name between 1 and {MOST_CLASSES} classes in its lists"
        )
    sets = np.zeros((n, int(values.max()) + 1), np.uint8)
    sets[np.repeat(np.arange(n), widths), values] = 1
    return sets


def _widths(column: Any) -> Array:
    """Return the lengths of the lists in a column, not a number where a list is missing."""
    import pyarrow.compute

    lengths = pyarrow.compute.list_value_length(column)
    widths: Array = lengths.to_numpy(zero_copy_only=False)
    return widths


def _class_names(file: Any, name: str) -> Array | None:
    metadata = (file.schema_arrow.metadata or {}).get(b"huggingface")
    if metadata is None:
        return None
    try:
        feature = json.loads(metadata)["info"]["features"][name]
        names = feature.get("feature", feature).get("names")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return np.array(names, np.str_) if names else None


def _storage(column: Any) -> Any:
    return getattr(column, "storage", column)


def parquet_file(path: Path) -> Any:
    """Open a file as Arrow's own ParquetFile; whatever its name, it is no address."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "files") from None
    return pyarrow.parquet.ParquetFile(pyarrow.OSFile(str(path)), page_checksum_verification=True)

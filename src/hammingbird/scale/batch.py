"""The block function: an Arrow batch with vectors in, an Arrow batch of ids and codes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from hammingbird.codes import Codes, n_bytes
from hammingbird.errors import InputError, MissingExtraError
from hammingbird.finite import check_values
from hammingbird.hasher import Hasher
from hammingbird.index.rows import Ids, check_ids
from hammingbird.inputs import as_rows

Batch = TypeVar("Batch")
"""A RecordBatch or a Table of Arrow."""

ID, CODE = "id", "code"


def arrow() -> Any:
    """Import Arrow and its Parquet, or name the extra."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "files") from None
    return pyarrow


def schema_of(n_bits: int) -> Any:
    """Columns of what comes out: ``id`` int64, and ``code``, as many bytes as a code has."""
    pa = arrow()
    return pa.schema([(ID, pa.int64()), (CODE, pa.binary(n_bytes(n_bits)))])


def encode_batch(batch: Batch, hasher: Hasher, *, vectors: str, ids: str | int) -> Batch:
    """Return ids and codes of the rows of a RecordBatch or a Table, in their order.

    ``vectors`` is the column of lists of numbers; ``ids`` that of whole numbers of at least 0, or
    the number of the batch's first row. Rows that cannot be encoded are an :class:`InputError`.
    Under Ray this is what ``map_batches`` takes, with ``batch_format="pyarrow"``.
    """
    given: Any = batch
    column = _column(given, vectors)
    first = ids if isinstance(ids, int) else 0
    codes = np.empty((0, n_bytes(hasher.n_bits_)), np.uint8)
    if len(column):
        X = as_rows(column)
        if not isinstance(X, np.ndarray) or X.dtype.kind not in "biuf":
            raise InputError(f"the column {vectors!r} is {column.type}, not lists of numbers")
        check_values(X, first)  # which knows the row's number
        codes = hasher.encode(X)
    if isinstance(ids, int):
        numbers = np.arange(ids, ids + len(codes), dtype=np.int64)
    else:
        numbers = _ids(_column(given, ids), ids)
    return to_arrow(numbers, codes, type(batch))


def for_spark(
    hasher: Hasher, *, vectors: str, ids: str
) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """Return what ``DataFrame.mapInArrow`` takes, with the schema ``id long, code binary``."""

    def encode(batches: Iterable[Any]) -> Iterator[Any]:
        pa = arrow()
        plain = pa.schema([(ID, pa.int64()), (CODE, pa.binary())])  # Spark knows no fixed width
        for batch in batches:
            yield encode_batch(batch, hasher, vectors=vectors, ids=ids).cast(plain)

    return encode


def to_arrow(ids: Ids, codes: Codes, kind: type[Batch]) -> Batch:
    """Ids [n] and codes [n, bytes] as a RecordBatch or a Table."""
    pa = arrow()
    schema = schema_of(8 * codes.shape[1])
    held = pa.FixedSizeBinaryArray.from_buffers(
        schema.field(CODE).type, len(codes), [None, pa.py_buffer(np.ascontiguousarray(codes))]
    )
    made: Batch = kind.from_arrays([pa.array(ids, pa.int64()), held], schema=schema)  # type: ignore[attr-defined]
    return made


def from_arrow(table: Any) -> tuple[Ids, Codes]:
    """Ids [n] and codes [n, bytes] of a RecordBatch or a Table that this module made."""
    column = table.column(CODE)
    if hasattr(column, "combine_chunks"):
        column = column.combine_chunks()
    width = column.type.byte_width
    held = np.frombuffer(column.buffers()[1] or b"", np.uint8)
    codes = held[width * column.offset : width * (column.offset + len(column))]
    return table.column(ID).to_numpy(), codes.reshape(len(column), width)


def _column(batch: Any, name: str) -> Any:
    count = batch.schema.names.count(name)
    if count != 1:
        held = ", ".join(batch.schema.names[:10])
        raise InputError(f"there are {count} columns {name!r}, there must be one; it has: {held}")
    return batch.column(name)


def _ids(column: Any, name: str) -> Ids:
    if column.null_count:
        raise InputError(f"the column {name!r} has rows without an id: fill them in")
    try:
        return check_ids(column.to_numpy(zero_copy_only=False))
    except InputError as error:
        raise InputError(f"the column {name!r} cannot give ids: {error}") from None

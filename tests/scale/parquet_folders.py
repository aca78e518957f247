"""Folders of Parquet files: written, and compared byte by byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def write(path: Path, X, **columns):
    """Write vectors and other columns as one Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    X = np.asarray(X)
    held = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])
    pq.write_table(
        pa.table({"embedding": held, **columns}), path, row_group_size=500, write_page_checksum=True
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}

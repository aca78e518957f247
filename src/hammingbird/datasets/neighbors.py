"""Lists of neighbours in files: what a search wrote, bare arrays, and the truth of benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hammingbird.datasets.files import Name, load
from hammingbird.errors import FileError


def read_neighbors(path: Name) -> NDArray[np.int64]:
    """Database rows of every query's neighbours, nearest first, int64 [n_queries, k].

    From the hits of a search (``.npz`` with ``ids``), a bare array of rows (``.npy``, ``.ivecs``),
    or an ann-benchmarks file. -1 stands where a query has fewer.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".npz":
        rows = load(path, array="ids").X
    elif ending in (".npy", ".ivecs"):
        rows = load(path).X
    else:
        found = load(path, part="query").neighbors
        if found is None:
            raise FileError(
                f"{path} has no neighbours: give hits of a search (.npz), rows as .npy or .ivecs, "
                "or an ann-benchmarks file"
            )
        rows = found
    if rows.dtype.kind not in "iu":
        raise FileError(f"{path} holds {rows.dtype} where rows of neighbours are expected")
    return np.asarray(rows, np.int64)

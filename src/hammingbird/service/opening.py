"""From what people have (a file of codes, a saved index, nothing yet) to an engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird import catalog
from hammingbird.codes import Codes
from hammingbird.datasets import load
from hammingbird.datasets.bundled import digits
from hammingbird.errors import FileError, InputError
from hammingbird.index import Scan
from hammingbird.report.pictures import png
from hammingbird.service.engine import Engine
from hammingbird.service.items import Items, Written
from hammingbird.service.requests import payload_text
from hammingbird.storage import read_codes

ENDING = ".sqlite"
BLOCK = 50_000
"""Items that are taken over in one write."""


def open_engine(
    path: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    n_bits: int | None = None,
    vectors: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> Engine:
    """Open the items at ``path``: a ``.sqlite`` file of a service, new or not, or what becomes one.

    A file of codes or a saved :class:`Scan` is taken over, once, into ``<path>.sqlite`` beside it,
    with ``vectors`` (a file with a row for each code) to re-rank by, and the names of the codes, if
    they have some. A file that exists is used
    as it is; ``model`` must be the one that made its codes.
    """
    path = Path(path)
    stamp = catalog.stamp(model) if model is not None else {}
    hasher = catalog.load(model, encode_only=True) if model is not None else None
    bits = hasher.n_bits_ if hasher is not None else n_bits
    if path.suffix == ENDING:
        if vectors is not None:
            raise InputError("vectors come with codes: give the file of codes, not the service's")
        return Engine(Items(path, bits, stamp.get("fingerprint")), hasher, threads)
    kept = path.with_name(path.name + ENDING)
    if kept.exists():
        items = Items(kept, bits, stamp.get("fingerprint"))
        if len(items):
            return Engine(items, hasher, threads)
        items.close()  # a take-over that was interrupted: its first write is its last
    codes, ids, made_of, made_by, names = _read(path, n_bits)
    if made_by and stamp and made_by != stamp["fingerprint"]:
        raise InputError(f"{path} was made by another model: give the model that made it")
    rows = None if vectors is None else load(vectors).X
    if rows is not None and len(rows) != len(codes):
        raise InputError(f"{vectors} has {len(rows)} rows, {path} has {len(codes)} codes")
    items = Items(kept, made_of, made_by or stamp.get("fingerprint"))
    items.take_over(
        Written(
            ids[some],
            codes[some],
            [None] * len(ids[some]) if rows is None else list(np.asarray(rows[some], np.float32)),
            [None] * len(ids[some])
            if names is None
            else [payload_text({"name": name}) for name in names[some]],
        )
        for some in _blocks(len(ids))
    )
    return Engine(items, hasher, threads)


def demo_engine(folder: Path) -> Engine:
    """Scikit-learn's handwritten digits under 32 bits, with their pictures and labels."""
    train, _ = digits()
    hasher = catalog.make("itq", 32, 0).fit(train.X)
    items = Items(folder / f"digits{ENDING}", 32)
    assert train.images is not None
    assert train.y is not None
    payloads = [
        payload_text({"name": f"digit {i}", "label": str(label), "picture": png([image])})
        for i, (image, label) in enumerate(zip(train.images, train.y.tolist(), strict=True))
    ]
    vectors = list(train.X.astype(np.float32))
    items.write(Written(np.arange(len(train.X)), hasher.encode(train.X), vectors, payloads))
    return Engine(items, hasher)


def _read(path: Path, n_bits: int | None) -> tuple[Codes, Any, int, str | None, list[str] | None]:
    """Codes, ids, bits, and if known the fingerprint of the model that made them, and names."""
    if not path.exists():
        raise FileError(f"{path} does not exist: give codes, a saved index, or a new NAME{ENDING}")
    if path.is_dir():
        index = Scan.load(path)
        return index.codes, index.ids, index.n_bits, None, None
    codes, n_bits, manifest = read_codes(path, n_bits)
    made_by = (manifest.get("made_by") or {}).get("fingerprint")
    return codes, np.arange(len(codes)), n_bits, made_by, manifest.get("names")


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))

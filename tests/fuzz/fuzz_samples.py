"""Small valid files of every format that ``load`` knows, and everything the package saves."""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import hammingbird as hb
from hammingbird import catalog
from hammingbird.index.scan import Scan
from hammingbird.storage import write_codes, write_manifest

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 5)).astype(np.float32)
PIXELS = rng.integers(0, 256, (6, 4, 5, 3)).astype(np.uint8)
LABELS = np.arange(12) % 3


class Sample(NamedTuple):
    """A folder with files in it, and how to open them."""

    name: str
    make: Callable[[Path], None]
    kind: str
    """``data``, ``hasher``, ``index``, ``codes`` or ``run``."""
    opened: str = ""
    """The file to open, the folder itself if empty."""
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


def samples() -> list[Sample]:
    """Every sample; those of methods that need torch come last."""
    data = [
        Sample(f"{opened} {name}", make, "data", opened, options)
        for opened, name, make, options in (
            *_numpy(),
            *_vecs(),
            *_hdf5(),
            *_parquet(),
            *_idx(),
        )
    ]
    folders = [
        Sample("pictures", _pictures(""), "data"),
        Sample(
            "pictures by class",
            _pictures("bird"),
            "data",
            "",
            {"image_size": 6, "labels": "folders"},
        ),
    ]
    hashers = [
        Sample(name, lambda folder, name=name: _hasher(name, folder / "h"), "hasher", "h")
        for name in ("itq", "lsh", "sh", "sgh", "kmh", "sign", "dpsh")
    ]
    saved = [
        Sample("index", lambda folder: _index(folder / "i"), "index", "i"),
        Sample("codes", _codes, "codes", "codes.npy"),
        Sample("bare codes", _save("codes.npy", hb.pack(X)), "codes", "codes.npy"),
        Sample("run", lambda f: write_manifest(f / "run.json", "run", {"cells": {}}), "run"),
    ]
    return [*data, *folders, *hashers, *saved]


def _save(name: str, array: Any) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, array)


def _numpy():
    arrays = {
        "float32": X,
        "fortran": np.asfortranarray(X.astype(np.float64)),
        "big-endian": X.astype(">i2"),
        "bool": X > 0,
        "pixels": PIXELS,
        "channels first": np.moveaxis(PIXELS, 3, 1),
    }
    for name, array in arrays.items():
        yield "x.npy", name, _save("x.npy", array), {}
    archives = {
        "labels": {"X": X, "y": LABELS},
        "sets": {"features": X, "labels": np.eye(3, dtype=np.uint8)[LABELS]},
        "text": {"X": np.asfortranarray(X), "y": np.array(["a", "bee"])[LABELS % 2]},
        "pixels": {"images": PIXELS, "y": LABELS[:6], "classes": np.array(["a", "b", "c"])},
        "both": {"X": X[:6], "images": PIXELS, "other": np.ones(3)},
    }
    for name, parts in archives.items():
        for save in (np.savez, np.savez_compressed):
            yield "x.npz", name, lambda f, p=parts, save=save: save(f / "x.npz", **p), {}


def _vecs():
    for ending, dtype in (("fvecs", "f4"), ("ivecs", "i4"), ("bvecs", "u1")):
        rows = X.astype(dtype)
        content = b"".join(np.int32(5).tobytes() + row.tobytes() for row in rows)
        name = f"x.{ending}"
        yield name, "", lambda f, name=name, content=content: (f / name).write_bytes(content), {}


def _hdf5():
    def make(folder: Path, values: Any, libver: str, options: dict[str, Any]) -> None:
        with h5py.File(folder / "x.hdf5", "w", libver=libver) as file:
            file.create_dataset("train", data=values, **options)
            file.create_dataset("test", data=values[:4], **options)
            file.create_dataset("neighbors", data=np.zeros((4, 2), np.int32), **options)
            file["link"], file["group/g"] = h5py.SoftLink("/train"), h5py.SoftLink("../train")

    for libver in ("earliest", "latest"):
        for name, values, options in (
            ("float32", X, {}),
            ("big-endian", X.astype(">f8"), {}),
            ("float16", X.astype("f2"), {}),
            ("gzip", X, {"compression": "gzip", "shuffle": True, "fletcher32": True}),
            ("chunks", (100 * X).astype("i8"), {"chunks": (3, 2)}),
        ):
            more = ({}, {"part": "query"}, {"array": "link"})[len(name + libver) % 3]
            yield (
                "x.hdf5",
                f"{name} {libver} {more}",
                lambda f, v=values, lib=libver, o=options: make(f, v, lib, o),
                more,
            )


def _parquet():
    lists = pa.array(list(X), pa.list_(pa.float32()))
    fixed = pa.array(list(X), pa.list_(pa.float32(), 5))
    ints = pa.array(list((100 * X).astype(np.int16)), pa.list_(pa.int16()))
    pictures = pa.array(
        [{"bytes": _encoded(p, "png"), "path": "a.png"} for p in PIXELS],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    names = {"info": {"features": {"label": {"names": ["a", "b", "c"]}}}}
    tables = {
        "numbers": {"vector": lists, "label": LABELS},
        "text": {"emb": fixed, "y": pa.array(["a", "b", "b"] * 4).dictionary_encode()},
        "sets": {"X": ints, "labels": [[0], [], [1, 2]] * 4},
        "pictures": {"image": pictures, "label": LABELS[:6]},
    }
    for name, columns in tables.items():
        table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(names)})
        for packing in ("none", "zstd"):

            def make(folder: Path, table: Any = table, packing: str = packing) -> None:
                pq.write_table(table, folder / "x.parquet", compression=packing, row_group_size=5)

            yield "x.parquet", f"{name} {packing}", make, {}


def _idx():
    def idx(array: Any) -> bytes:
        return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()

    for ending, pack in (("", bytes), (".gz", gzip.compress)):

        def make(folder: Path, ending: str = ending, pack: Any = pack) -> None:
            (folder / f"a-images-idx3-ubyte{ending}").write_bytes(pack(idx(PIXELS[..., 0])))
            beside = idx(LABELS[:6].astype(np.uint8))
            (folder / f"a-labels-idx1-ubyte{ending}").write_bytes(pack(beside))

        yield f"a-images-idx3-ubyte{ending}", "", make, {}


def _encoded(pixels: Any, ending: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, ending)
    return stream.getvalue()


def _pictures(below: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / below).mkdir(exist_ok=True)
        for i, ending in enumerate(("png", "jpeg", "bmp", "gif", "tiff", "webp", "ppm")):
            name = f"{i}.png" if ending in ("gif", "tiff", "ppm") else f"{i}.{ending}"
            (folder / below / name).write_bytes(_encoded(PIXELS[i % 6], ending))

    return make


def _hasher(name: str, folder: Path) -> None:
    vectors = rng.standard_normal((40, 16))
    hasher = catalog.make(name, 8, 0)
    if "training" in hasher.get_params():
        hasher.set_params(training__epochs=1)
    hasher.fit(vectors, np.arange(40) % 4).save(folder)


def _index(folder: Path) -> None:
    Scan(5).add(hb.pack(X), LABELS + 3 * np.arange(12)).save(folder)


def _codes(folder: Path) -> None:
    write_codes(folder / "codes.npy", [hb.pack(X)], 12, 5, {"class": "ITQ", "fingerprint": "f"})

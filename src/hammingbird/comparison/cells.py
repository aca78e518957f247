"""A cell of a comparison: one method, one length, one seed, in a folder with its codes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from hammingbird import catalog
from hammingbird.catalog import METHODS, Method
from hammingbird.codes import MAX_BITS, check_n_bits
from hammingbird.comparison.code import code_of_method
from hammingbird.comparison.progress import Progress
from hammingbird.comparison.results import Role
from hammingbird.comparison.task import Task
from hammingbird.errors import InputError
from hammingbird.hasher import Hasher
from hammingbird.outside import Installed, Outside
from hammingbird.storage import Manifest, fingerprint, load_folder, save_folder

FLOORS = ("lsh", "sign")
"""What learns nothing; also where it is asked for, it is the floor."""


@dataclass(frozen=True)
class Cell:
    """One method at one length with one seed."""

    method: str
    bits: int
    seed: int
    role: Role = "method"

    @property
    def name(self) -> str:
        """The cell's folder."""
        return f"{self.method}-{self.bits}-{self.seed}"


@dataclass(frozen=True)
class Codes:
    """What a finished cell left behind."""

    query: NDArray[np.uint8]
    database: NDArray[np.uint8]
    query_scores: NDArray[np.float32]
    """What the queries ask in an asymmetric search, see ``Hasher.asked``."""
    seconds: dict[str, float]
    fingerprint: str
    history: list[dict[str, float]]
    """Per epoch the losses of a method that keeps them."""
    center_distance: int | None
    """Least distance of two class centres, of a method that has them."""


def plan(
    chosen: Mapping[str, Method | Installed | Outside],
    bits: Sequence[int],
    seeds: Sequence[int],
    width: int,
) -> dict[Cell, Callable[[], Hasher]]:
    """Every cell of the chosen methods, and of what needs no training at each length.

    With each comes what builds its hasher, which is tried once per length of a method from outside.
    """
    if not chosen or not bits or not seeds:
        raise InputError("compare needs at least one method, one number of bits and one seed")
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 32:
            raise InputError(f"seeds must be whole numbers from 0 to 2^32 - 1, got {seed!r}")
    lengths = [check_n_bits(n_bits) for n_bits in bits]
    for method in chosen.values():
        if isinstance(method, Outside | Installed):
            for n_bits in lengths:
                method.make(n_bits, seeds[0])
    for name in FLOORS:
        if name in chosen and not isinstance(chosen[name], Method):
            raise InputError(f"{name!r} is a floor: name yours, ('my-{name}', ...)")
    cells = [
        Cell(name, b, s, "floor" if name in FLOORS else "method")
        for name in chosen
        for b in lengths
        for s in seeds
    ]
    if "lsh" not in chosen:
        cells += [Cell("lsh", b, s, "floor") for b in lengths for s in seeds]
    if "sign" not in chosen and width <= MAX_BITS:
        cells.append(Cell("sign", width, seeds[0], "floor"))
    makers = {**METHODS, **chosen}
    return {cell: partial(makers[cell.method].make, cell.bits, cell.seed) for cell in cells}


def finish(
    folder: Path,
    cell: Cell,
    make: Callable[[], Hasher],
    task: Task,
    settings: dict[str, Any],
    progress: Progress,
) -> Codes:
    """Fit, save the model and encode, unless the cell is there.

    A cell is kept if its parameters, all data, the code that made it and its model agree. What JSON
    cannot hold among the parameters is never known to agree.
    """
    hasher = make()
    has = hasher.get_params(deep=False)
    catalog.configure(hasher, {name: value for name, value in settings.items() if name in has})
    if settings.get("checkpoint") and "checkpoint" in has:
        hasher.set_params(checkpoint=str(Path(settings["checkpoint"]) / cell.name))
    made_of = {
        "parameters": json.loads(json.dumps(hasher.get_params(deep=False), default=_unknown)),
        "data": fingerprint({"rule": task.rule, **task.description}),
        "code": code_of_method(type(hasher)),
    }
    model = folder.parent.parent / "models" / cell.name
    kept = _kept(folder, model, made_of)
    if kept is None:
        targets = task.targets if hasher.supervised else None
        start = time.perf_counter()
        with progress.stage("fit"):
            hasher.fit(task.train.inputs(hasher.takes_images), targets)
        fitted = time.perf_counter()
        with progress.stage("encode"):
            database = hasher.encode(task.database.X)
        encoded = time.perf_counter()
        query, scores = hasher.questions(task.query.X)

        def write(temporary: Path) -> None:
            np.save(temporary / "database.npy", database)
            np.save(temporary / "query.npy", query)
            np.save(temporary / "query_scores.npy", scores.astype(np.float32))

        with progress.stage("write"):
            hasher.save(model, overwrite=True)  # first: a cell that is there has its model
            done = {
                "method": cell.method,
                "n_bits": cell.bits,
                "seed": cell.seed,
                **made_of,
                "model": catalog.stamp(model)["fingerprint"],
                "seconds": {"fit": fitted - start, "encode": encoded - fitted},
                "history": getattr(hasher, "history_", []),
                "center_distance": getattr(hasher, "center_distance_", None),
            }
            save_folder(folder, "cell", done, write, overwrite=True)
            kept = load_folder(folder, "cell")
    manifest, path = kept

    def read(name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return array

    return Codes(
        query=read("query"),
        database=read("database"),
        query_scores=read("query_scores"),
        seconds=manifest["seconds"],
        fingerprint=fingerprint(manifest),
        history=manifest.get("history", []),
        center_distance=manifest.get("center_distance"),
    )


def _unknown(value: Any) -> str:
    """Stand for a parameter that JSON cannot hold, by a name that no other run gives it."""
    return f"{type(value).__name__} {uuid4()}"


def _kept(folder: Path, model: Path, made_of: Manifest) -> tuple[Manifest, Path] | None:
    """Return the cell that is there, if it was made of the same and its model is there too."""
    if not folder.exists() or not model.exists():
        return None
    manifest, path = load_folder(folder, "cell")
    same = {**made_of, "model": catalog.stamp(model)["fingerprint"]}
    return (manifest, path) if {name: manifest.get(name) for name in same} == same else None

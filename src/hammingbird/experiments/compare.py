"""Methods x bits x seeds on one task: a folder per cell with its codes, measured afterwards."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from hammingbird import catalog
from hammingbird.codes import MAX_BITS, check_n_bits
from hammingbird.datasets import Dataset
from hammingbird.errors import FileError, InputError, MissingExtraError
from hammingbird.experiments.measure import (
    METRICS,
    Measures,
    measure_codes,
    measure_float,
)
from hammingbird.experiments.results import Record, Role, write_results
from hammingbird.experiments.task import Task, as_dataset
from hammingbird.storage import (
    fingerprint,
    load_folder,
    read_manifest,
    save_folder,
    write_json,
    write_manifest,
)


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
    seconds: dict[str, float]
    fingerprint: str
    history: list[dict[str, float]]
    """Per epoch the losses of a method that keeps them."""
    center_distance: int | None
    """Least distance of two class centres, of a method that has them."""


def compare(
    train: Dataset | ArrayLike,
    query: Dataset | ArrayLike,
    database: Dataset | ArrayLike | None = None,
    *,
    methods: Sequence[str],
    bits: Sequence[int],
    seeds: Sequence[int] = (0,),
    relevance: str = "neighbors:10",
    out: str | os.PathLike[str],
    metrics: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    query_limit: int | None = None,
    allow_overlap: bool = False,
) -> dict[str, Any]:
    """Compare methods; write results.json, results.csv, report.html and overview.svg.

    Beside the methods asked for, the results always hold the float vectors' own ranking (the
    ceiling) and what needs no training (the floor): the sign of every dimension, and LSH at each
    length. The database is the training part if it is left out. ``metrics`` adds names to the
    default ones; ``parameters`` are set on every method that has them, ``checkpoint`` to a folder
    per cell. Cells that ``out`` holds already are kept if their method's parameters are still the
    same, so a stopped run goes on; a folder of other data is refused.
    """
    task = _task(train, query, database, relevance, query_limit, allow_overlap)
    cells = _cells(methods, bits, seeds, task.train.X.shape[1])
    names = list(dict.fromkeys([*METRICS, *metrics]))
    out = Path(out)
    settings = dict(parameters or {})
    _check_settings(settings, methods)
    _claim(out, task, settings)
    records, curves, skipped = [], [], []
    with tqdm(total=len(cells) + 1, desc="compare", unit="cell", disable=None) as bar:
        for cell in cells:
            bar.set_postfix_str(cell.name)
            record: Record = asdict(cell)
            try:
                codes = _codes(out / "cells" / cell.name, cell, task, settings)
            except InputError as error:
                skipped.append({**record, "why": str(error)})
            else:
                measures = _measured(
                    out,
                    cell.name,
                    task,
                    [*names, codes.fingerprint],
                    lambda c=codes, b=cell.bits: measure_codes(
                        task, c.query, c.database, c.query_scores, b, names
                    ),
                )
                done = _record(record, measures, codes.seconds, codes.database.shape[1])
                if codes.center_distance is not None:
                    done["center_distance"] = codes.center_distance
                records.append(done)
                training = {"training": codes.history} if codes.history else {}
                curves.append({**record, "curves": {**measures["curves"], **training}})
            bar.update()
        bar.set_postfix_str("float")
        measures = _measured(out, "float", task, names, lambda: measure_float(task, names))
        record = {"method": "float", "bits": None, "seed": None, "role": "ceiling"}
        width = task.database.X.dtype.itemsize * task.database.X.shape[1]
        records.insert(0, _record(record, measures, {}, width))
        curves.insert(0, {**record, "curves": measures["curves"]})
        bar.update()
    if all(record["role"] != "method" for record in records) and skipped:
        raise InputError(f"no method could be run: {skipped[0]['why']}")
    protocol = {**task.protocol, **({"parameters": settings} if settings else {})}
    results = write_results(out, task.describe(), protocol, records, skipped)
    _report(out, task, results, curves)
    return results


def _task(
    train: Dataset | ArrayLike,
    query: Dataset | ArrayLike,
    database: Dataset | ArrayLike | None,
    relevance: str,
    query_limit: int | None,
    allow_overlap: bool,
) -> Task:
    learn, ask = as_dataset(train, name="train"), as_dataset(query, name="query")
    if query_limit is not None and query_limit < len(ask.X):
        part = slice(0, query_limit)
        ask = replace(
            ask,
            X=ask.X[part],
            y=None if ask.y is None else ask.y[part],
            images=None if ask.images is None else ask.images[part],
            neighbors=None,
        )
    base = learn if database is None else as_dataset(database, name="database")
    return Task(learn, ask, base, relevance, allow_overlap)


def _cells(
    methods: Sequence[str], bits: Sequence[int], seeds: Sequence[int], width: int
) -> list[Cell]:
    if not methods or not bits or not seeds:
        raise InputError("compare needs at least one method, one number of bits and one seed")
    asked = [catalog.get(name).name for name in methods]
    lengths = [check_n_bits(n_bits) for n_bits in bits]
    cells = {
        cell.name: cell
        for cell in [
            *(Cell(m, b, s) for m in asked for b in lengths for s in seeds),
            *(Cell("lsh", b, s, "floor") for b in lengths for s in seeds if "lsh" not in asked),
        ]
    }
    if "sign" not in asked and width <= MAX_BITS:
        cell = Cell("sign", width, seeds[0], "floor")
        cells.setdefault(cell.name, cell)
    return list(cells.values())


def _check_settings(settings: dict[str, Any], methods: Sequence[str]) -> None:
    """Refuse a parameter that no method has: it is a slip of the pen."""
    known = {name for method in methods for name in catalog.make(method).get_params(deep=False)}
    for name in settings.keys() - known:
        raise InputError(
            f"none of the methods has a parameter {name!r}: {', '.join(sorted(known))}"
        )


def _claim(out: Path, task: Task, settings: dict[str, Any]) -> None:
    """Note in the folder what it compares, or refuse a folder that holds something else."""
    mine = {
        "data": task.describe(),
        "relevance": task.rule,
        "allow_overlap": task.allow_overlap,
        "parameters": settings,
    }
    note = out / "run.json"
    if note.exists():
        theirs = read_manifest(note, "run")
        if {name: theirs.get(name) for name in mine} != mine:
            raise FileError(
                f"{out} holds a run on other data, relevance or parameters: choose another --out"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileError(f"{out} exists and is not a run of compare: choose another --out")
    else:
        write_manifest(note, "run", mine)


def _codes(folder: Path, cell: Cell, task: Task, settings: dict[str, Any]) -> Codes:
    """Fit and encode, unless the cell is there and was made with the same parameters."""
    hasher = catalog.make(cell.method, cell.bits, cell.seed)
    has = hasher.get_params(deep=False)
    hasher.set_params(**{name: value for name, value in settings.items() if name in has})
    if settings.get("checkpoint") and "checkpoint" in has:
        hasher.set_params(checkpoint=str(Path(settings["checkpoint"]) / cell.name))
    parameters = json.loads(json.dumps(hasher.get_params(deep=False)))
    kept = load_folder(folder, "cell") if folder.exists() else None
    if kept is None or kept[0].get("parameters") != parameters:
        start = time.perf_counter()
        taught = catalog.get(cell.method).supervision != "none"
        hasher.fit(task.train.inputs(hasher.takes_images), task.targets if taught else None)
        fitted = time.perf_counter()
        database = hasher.transform(task.database.X)
        encoded = time.perf_counter()
        scores = hasher.project(task.query.X).astype(np.float32)
        query = hasher.transform(task.query.X)

        def write(temporary: Path) -> None:
            np.save(temporary / "database.npy", database)
            np.save(temporary / "query.npy", query)
            np.save(temporary / "query_scores.npy", scores)

        done = {
            "method": cell.method,
            "n_bits": cell.bits,
            "seed": cell.seed,
            "parameters": parameters,
            "seconds": {"fit": fitted - start, "encode": encoded - fitted},
            "history": getattr(hasher, "history_", []),
            "center_distance": getattr(hasher, "center_distance_", None),
        }
        save_folder(folder, "cell", done, write, overwrite=True)
        hasher.save(folder.parent.parent / "models" / cell.name, overwrite=True)
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


def _measured(out: Path, name: str, task: Task, asked: Sequence[str], measure: Any) -> Measures:
    """Measure, or take what an earlier run measured of the same codes by the same rules."""
    key = {"metrics": list(asked), "protocol": task.protocol}
    path = out / "measures" / f"{name}.json"
    if path.exists():
        kept = read_manifest(path, "measures")
        if kept["key"] == key:
            return Measures(
                metrics=kept["metrics"], asymmetric=kept["asymmetric"], curves=kept["curves"]
            )
    measures: Measures = measure()
    write_manifest(path, "measures", {"key": key, **measures})
    return measures


def _record(
    record: dict[str, Any], measures: Measures, seconds: dict[str, float], n_bytes: int
) -> dict[str, Any]:
    return {
        **record,
        "metrics": measures["metrics"],
        "asymmetric": measures["asymmetric"],
        "seconds": {"fit": 0.0, "encode": 0.0, **seconds},
        "bytes_per_item": n_bytes,
    }


def _report(out: Path, task: Task, results: dict[str, Any], curves: list[dict[str, Any]]) -> None:
    from hammingbird.experiments.examples import show_examples
    from hammingbird.experiments.figures import save_overview
    from hammingbird.experiments.report import write_report

    write_json(out / "curves.json", {"schema": 1, "records": curves})
    try:
        write_report(out, results, curves, show_examples(out, task, results))
        save_overview(out / "overview.svg", results, curves)
    except MissingExtraError:  # never old pictures beside new results
        for name in ("report.html", "overview.svg"):
            (out / name).unlink(missing_ok=True)

"""Methods x bits x seeds on one task: a folder per cell with its codes, measured afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hammingbird import catalog
from hammingbird.comparison.beside import measured_rivals, plan_rivals
from hammingbird.comparison.cells import Cell, finish, plan
from hammingbird.comparison.code import MEASURES, code_fingerprint
from hammingbird.comparison.draw import Parts, draw
from hammingbird.comparison.examples import store_examples
from hammingbird.comparison.measure import METRICS, Measures, measure_codes, measure_float
from hammingbird.comparison.progress import Progress, logger
from hammingbird.comparison.results import Record, write_results
from hammingbird.comparison.task import Task, as_dataset
from hammingbird.datasets import Dataset
from hammingbird.errors import FileError, InputError
from hammingbird.evaluation import parse_metric
from hammingbird.hasher import Hasher
from hammingbird.outside import Given
from hammingbird.storage import read_manifest, save_folder, settle, write_manifest


def compare(
    train: Dataset | ArrayLike,
    query: Dataset | ArrayLike | None = None,
    database: Dataset | ArrayLike | None = None,
    *,
    methods: Sequence[Given],
    bits: Sequence[int],
    seeds: Sequence[int] = (0,),
    relevance: str = "neighbors:10",
    out: str | os.PathLike[str],
    metrics: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    query_limit: int | None = None,
    allow_overlap: bool = False,
    holdout: int | None = None,
    sample: int | None = None,
    draw_seed: int = 0,
    rivals: Sequence[str] = (),
) -> dict[str, Any]:
    """Compare methods; write results.json, results.csv and what ``write_report`` draws.

    A method is a name of the catalog, a hasher (copied for every length and seed), a class of
    hashers, or a pair of a name and one of these or of a function of ``(n_bits, seed)``.

    Beside the methods asked for, the results always hold the float vectors' own ranking (the
    ceiling) and what needs no training (the floor): the sign of every dimension, and LSH at each
    length. The database is the training part if it is left out. ``metrics`` adds names to the
    default ones; ``parameters`` are set on every method that has them, ``checkpoint`` to a folder
    per cell. Cells that ``out`` holds already are kept if their method's parameters, every byte of
    the data and the code of this version are the same, so a stopped run goes on; a folder of other
    data is refused.

    ``rivals`` are measured beside: other codes at the bytes of each length, by the names of
    :data:`hammingbird.rivals.RIVALS`. They have no bits and no Hamming distance: what they keep is
    by distances of the query to what their bytes decode to.

    ``holdout`` takes that many queries out of ``train``, by ``draw_seed``; no copy of a query is
    left in what is learned from and searched. ``sample`` lets methods learn from that many rows of
    ``train``, while the database stays whole. ``<out>/rows`` says which rows were drawn. A line
    every ten seconds, or a bar in a terminal, says what is being done.
    """
    learn = as_dataset(train, name="train")
    chosen = catalog.choose(methods)
    cells = plan(chosen, bits, seeds, learn.X.shape[1])
    besides = plan_rivals(rivals, bits, seeds)
    names = list(dict.fromkeys([*METRICS, *metrics]))
    for name in names:
        parse_metric(name)
    out = Path(out)
    settings = dict(parameters or {})
    _check_settings(settings, cells)
    records, curves, skipped = [], [], []
    with Progress("compare", len(cells) + len(besides) + 2) as progress:
        with progress.part("data"):
            with progress.stage("draw"):
                parts = draw(
                    learn,
                    None if query is None else _first(as_dataset(query, name="query"), query_limit),
                    None if database is None else as_dataset(database, name="database"),
                    holdout=holdout,
                    sample=sample,
                    seed=draw_seed,
                )
            with progress.stage("overlap"):
                task = Task.of(parts, relevance, allow_overlap, out / "truth")
            with progress.stage("fingerprint"):
                _claim(out, task, settings)
            if task.overlap:
                logger.warning(
                    "%d of %d queries are rows of the database: each query's own row is left out "
                    "of its results, its other copies are not; holdout takes queries that are new",
                    task.overlap,
                    len(task.query.X),
                )
            _keep_rows(out, parts)
            with progress.stage("true neighbours"):
                protocol = task.protocol
                if any(parse_metric(name).k is not None for name in names):
                    _ = task.neighbors
        for cell, make in cells.items():
            record: Record = asdict(cell)
            with progress.part(cell.name):
                try:
                    codes = finish(out / "cells" / cell.name, cell, make, task, settings, progress)
                except InputError as error:
                    skipped.append({**record, "why": str(error)})
                    continue
                with progress.stage("measure"):
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
        for found in measured_rivals(out, besides, task, names, progress):
            if "why" in found:
                skipped.append(found)
            else:
                drawn = found.pop("curves")
                record = {name: found[name] for name in ("method", "bits", "seed", "role")}
                curves.append({**record, "curves": drawn})
                records.append(found)
        with progress.part("float"), progress.stage("float ceiling"):
            measures = _measured(out, "float", task, names, lambda: measure_float(task, names))
        record = {"method": "float", "bits": None, "seed": None, "role": "ceiling"}
        width = task.database.X.dtype.itemsize * task.database.X.shape[1]
        records.insert(0, _record(record, measures, {}, width))
        curves.insert(0, {**record, "curves": measures["curves"]})
    if skipped and not any(record["method"] in chosen for record in records):
        raise InputError(f"no method could be run: {skipped[0]['why']}")
    protocol = {**protocol, **({"parameters": settings} if settings else {})}
    for name in ("report.html", "overview.svg"):  # never old pictures beside new results
        (out / name).unlink(missing_ok=True)
    results = write_results(out, task.description, protocol, records, skipped, curves)
    store_examples(out, task, results)
    return results


def _first(query: Dataset, limit: int | None) -> Dataset:
    """The first so many queries."""
    return query if limit is None or limit >= len(query.X) else query.take(slice(0, limit))


def _keep_rows(out: Path, parts: Parts) -> None:
    """Write down which rows of the file were drawn: a cell's codes are in the database's order."""
    if parts.rows and not (out / "rows").exists():

        def write(temporary: Path) -> None:
            for name, rows in parts.rows.items():
                np.save(temporary / f"{name}.npy", rows)

        save_folder(out / "rows", "rows", dict(parts.said), write)


def _check_settings(settings: dict[str, Any], cells: Mapping[Cell, Callable[[], Hasher]]) -> None:
    """Refuse a parameter that no method has: it is a slip of the pen."""
    makers = {cell.method: make for cell, make in cells.items()}
    known = {name for make in makers.values() for name in make().get_params(deep=False)}
    for name in settings.keys() - known:
        raise InputError(
            f"none of the methods has a parameter {name!r}: {', '.join(sorted(known))}"
        )


def _claim(out: Path, task: Task, settings: dict[str, Any]) -> None:
    """Note in the folder what it compares, or refuse a folder that holds something else."""
    mine = {
        "data": task.description,
        "relevance": task.rule,
        "allow_overlap": task.allow_overlap,
        "parameters": settings,
        **task.drawn,
    }
    for folder in (out, out / "cells", out / "models", out / "measures"):
        settle(folder)
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


def _measured(out: Path, name: str, task: Task, asked: Sequence[str], measure: Any) -> Measures:
    """Measure, or take what an earlier run measured of the same codes by the same rules."""
    code = code_fingerprint(*MEASURES)
    key = {"metrics": list(asked), "protocol": task.protocol, "code": code}
    path = out / "measures" / f"{name}.json"
    if path.exists():
        kept = read_manifest(path, "measures")
        if kept.get("key") == key:
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

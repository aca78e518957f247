"""Parquet files of vectors into codes: a folder of Parquet files, or a store; part by part."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from hammingbird.codes import Codes
from hammingbird.datasets.parquet import parquet_file
from hammingbird.datasets.source import block_rows, reading
from hammingbird.errors import HammingbirdError, InputError
from hammingbird.hasher import Hasher
from hammingbird.index.rows import Ids
from hammingbird.scale.batch import encode_batch, from_arrow
from hammingbird.scale.code_parts import begin, description_of, finish, write_part
from hammingbird.scale.engine import Engine, InProcess
from hammingbird.scale.journal import Journal, Sample
from hammingbird.scale.parts import Part, check_different, list_parts
from hammingbird.storage import Manifest
from hammingbird.stores import create_store, is_address, verify
from hammingbird.stores.exporting import flush_all, write_batches
from hammingbird.stores.store import stamp_of


class Encoded(NamedTuple):
    """What came of a run."""

    parts: int
    rows: int
    kept: int
    """Parts that an earlier run had finished."""


@dataclass(frozen=True)
class Job:
    """What every part is encoded with; it travels to the workers, and holds no secret."""

    hasher: Hasher
    ids: str | None
    made_by: Manifest
    folder: str | None
    """Where the codes go; None brings them back."""


def encode_parts(
    hasher: Hasher,
    source: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    made_by: Mapping[str, Any],
    vectors: str | None = None,
    ids: str | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Encoded:
    """Encode all Parquet files of a folder into another folder, or into the store at an address.

    ``vectors`` and ``ids`` name columns; left out, it is the one column of vectors, and the number
    of the row over all files by name. Workers read the files, so all must see them under this path;
    a folder of codes is written by the workers, a store from here. The codes are those of one
    process, whatever the engine: blocks are the same, and each is encoded by one thread.

    A run that was stopped is done again: parts that are finished, of the same file and the same
    model, are kept. ``made_by`` is what :func:`hammingbird.catalog.stamp` says of the saved model.
    ``overwrite`` lets a folder's codes of another model go.
    """
    parts = list_parts(source, vectors=vectors, width=hasher.n_features_in_)
    if ids is not None:
        check_different(parts, ids)
    stamp = stamp_of(made_by)
    if "fingerprint" not in stamp:
        raise InputError(
            "made_by must name the model by its fingerprint: use catalog.stamp(folder)"
        )
    job = Job(hasher, ids, stamp, None)
    with _bar(parts, progress) as bar:
        if is_address(to):
            if overwrite:
                raise InputError("codes in a store are replaced by id: leave overwrite out")
            kept = _into_store(job, parts, str(to), engine or InProcess(), bar)
        else:
            folder = _apart(Path(source), Path(to))
            begin(folder, {part.name for part in parts}, stamp, overwrite)
            job = replace(job, folder=str(folder))
            kept = _into_folder(job, parts, folder, engine or InProcess(), bar)
    return Encoded(len(parts), sum(part.rows for part in parts), kept)


def _into_folder(job: Job, parts: list[Part], folder: Path, engine: Engine, bar: Any) -> int:
    """Let the workers write the parts that are not there; return how many were."""
    left = [part for part in parts if not _is_done(job, folder, part)]
    rows = sum(part.rows for part in parts)
    bar.update(rows - sum(part.rows for part in left))
    for part, _ in zip(left, engine.map(encode_part, job, left), strict=True):
        bar.update(part.rows)
    finish(folder, [part.name for part in parts], job.hasher.n_bits_, rows, job.made_by)
    return len(parts) - len(left)


def _into_store(job: Job, parts: list[Part], to: str, engine: Engine, bar: Any) -> int:
    """Write what the workers encode; return how many parts were there.

    This process alone writes: embedded stores have one writer, and secrets stay here.
    """
    rows = sum(part.rows for part in parts)
    with create_store(to, job.hasher.n_bits_, made_by=job.made_by) as store:
        journal = Journal(store, [_made_by(job, part) for part in parts])
        left = [part for part in parts if not journal.has(part.name)]
        bar.update(rows - sum(part.rows for part in left))
        for part, made in zip(left, engine.map(encode_part, job, left), strict=True):
            assert made is not None
            ids, codes = made
            write_batches(store, codes, ids, bar)
            journal.add(part.name, Sample.of(ids, codes))
        flush_all(store, rows)
        verify(store, *journal.sample())
        journal.remove()
    return len(parts) - len(left)


def encode_part(job: Job, part: Part) -> tuple[Ids, Codes] | None:
    """Encode one file: into the folder of the job, or back to who asked."""
    if job.folder is not None:
        path = Path(job.folder) / part.name
        write_part(path, _batches(job, part), job.hasher.n_bits_, part.rows, _made_by(job, part))
        return None
    pieces = [from_arrow(batch) for batch in _batches(job, part)]
    return np.concatenate([ids for ids, _ in pieces]), np.concatenate([c for _, c in pieces])


def _batches(job: Job, part: Part) -> Iterator[Any]:
    """Ids and codes of a file, batch by batch; what is wrong with a row names the file."""
    path, row = Path(part.path), 0
    part.check()
    columns = list(dict.fromkeys([part.vectors, *([job.ids] if job.ids else [])]))
    size = block_rows(job.hasher.n_features_in_)
    seen = []
    # One thread: more would round products otherwise, and workers have a core each.
    with threadpool_limits(1):
        for batch in _read(path, size, columns):
            ids = part.first + row if job.ids is None else job.ids
            try:
                made = encode_batch(batch, job.hasher, vectors=part.vectors, ids=ids)
            except HammingbirdError as error:
                raise InputError(f"{path}, in the rows from {row}: {error}") from None
            row += len(batch)
            if job.ids is not None:
                seen.append(from_arrow(made)[0])
            yield made
    _check_once(path, seen)
    part.check()


def _read(path: Path, size: int, columns: list[str]) -> Iterator[Any]:
    with reading(path):
        yield from parquet_file(path).iter_batches(batch_size=size, columns=columns)


def _check_once(path: Path, seen: Iterable[Ids]) -> None:
    ids = np.sort(np.concatenate([np.empty(0, np.int64), *seen]))
    twice = ids[1:][ids[1:] == ids[:-1]]
    if len(twice):
        raise InputError(f"{path} has id {twice[0]} twice: give every row an id of its own")


def _made_by(job: Job, part: Part) -> Manifest:
    """What the codes of a part are made of: if it is the same, so are they."""
    source = {
        "file": part.name,
        "vectors": part.vectors,
        "ids": part.first if job.ids is None else job.ids,
        "rows": part.rows,
        **part.content,
    }
    return {**job.made_by, "source": source}


def _is_done(job: Job, folder: Path, part: Part) -> bool:
    found = description_of(folder / part.name)
    expected = {"n_bits": job.hasher.n_bits_, "made_by": _made_by(job, part)}
    return {name: found.get(name) for name in expected} == expected


def _apart(source: Path, to: Path) -> Path:
    """Refuse to write codes among the vectors."""
    here, folder = source.resolve(), to.resolve()
    is_file = here.is_file()
    if is_file:
        here = here.parent
    if folder == here or (not is_file and (folder in here.parents or here in folder.parents)):
        raise InputError(f"{to} and {source} lie in each other: name a folder apart from it")
    return folder


def _bar(parts: list[Part], progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(
        total=sum(part.rows for part in parts),
        desc="encode",
        unit="row",
        unit_scale=True,
        disable=None if progress else True,
        leave=False,
    )

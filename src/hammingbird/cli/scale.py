"""What ``encode`` and ``fit`` do with folders of Parquet files, on any number of machines."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from hammingbird.cli.stores import VARIABLE, refuse_shown_secrets, shown_place
from hammingbird.cli.terminal import console
from hammingbird.errors import InputError

if TYPE_CHECKING:
    from hammingbird.datasets import Dataset
    from hammingbird.scale import Engine

To = Annotated[
    str | None,
    typer.Option(
        help="A folder for Parquet files of codes, or a store's address (of a folder of Parquet "
        f"files also from {VARIABLE}).",
        show_default=False,
    ),
]
Vectors = Annotated[
    str | None,
    typer.Option(help="The Parquet column of vectors, if several.", show_default=False),
]
Ids = Annotated[
    str | None,
    typer.Option(help="The Parquet column of ids; row numbers if left out.", show_default=False),
]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes of this machine, by Dask.", min=1, show_default=False),
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="A Dask cluster: tcp://host:8786.", show_default=False),
]
Sample = Annotated[
    int | None,
    typer.Option(help="Learn from so many rows, drawn at random.", min=1, show_default=False),
]


def encode_folder(
    model: Path,
    source: Path,
    to: str | None,
    vectors: str | None,
    ids: str | None,
    workers: int | None,
    scheduler: str | None,
    overwrite: bool,
) -> None:
    """Encode a folder of Parquet files into another, or into a store."""
    from hammingbird import catalog, scale

    to = to or os.environ.get(VARIABLE)
    if to is None:
        raise InputError(f"{source} holds Parquet files: say --to a folder or a store")
    refuse_shown_secrets(to)
    hasher, made_by = catalog.load(model, encode_only=True), catalog.stamp(model)
    with _engine(workers, scheduler) as engine:
        done = scale.encode_parts(
            hasher,
            source,
            to,
            made_by=made_by,
            vectors=vectors,
            ids=ids,
            engine=engine,
            overwrite=overwrite,
            progress=True,
        )
    kept = f" ({done.kept:,} were there)" if done.kept else ""
    console.print(
        f"{done.rows:,} codes of {hasher.n_bits_} bits from {done.parts:,} files{kept}: "
        f"{shown_place(to)}",
        soft_wrap=True,
    )


def training_rows(
    train: Path,
    sample: int | None,
    seed: int,
    image_size: int | None,
    labels: str | None,
    vectors: str | None,
    workers: int | None,
    scheduler: str | None,
) -> Dataset:
    """Read what is learned from: all, or rows drawn at random; a folder of Parquet files too."""
    from hammingbird import datasets, scale

    if scale.is_parquet_folder(train):
        refuse_options(
            f"{train} holds Parquet files of vectors", image_size=image_size, labels=labels
        )
        with _engine(workers, scheduler) as engine:
            return scale.sample_rows(train, sample, seed=seed, vectors=vectors, engine=engine)
    refuse_options(f"{train} is one file", workers=workers, scheduler=scheduler)
    data = datasets.load(train, array=vectors, image_size=image_size, labels=cast("Any", labels))
    return data if sample is None else data.take(scale.chosen_rows(len(data.X), sample, seed))


def refuse_options(why: str, **options: Any) -> None:
    """Refuse options that have no meaning here."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name.replace('_', '-')} cannot be used: {why}")


def _engine(workers: int | None, scheduler: str | None) -> AbstractContextManager[Engine | None]:
    from hammingbird.scale import DaskCluster

    if workers is None and scheduler is None:
        return nullcontext()
    return DaskCluster(workers=workers, scheduler=scheduler)

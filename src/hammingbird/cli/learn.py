"""Commands that learn and apply a hasher: methods, fit, encode, info."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from hammingbird.cli.scale import (
    Ids,
    Sample,
    Scheduler,
    To,
    Vectors,
    Workers,
    encode_folder,
    refuse_options,
    training_rows,
)
from hammingbird.cli.terminal import (
    ImageSize,
    Labels,
    Out,
    Overwrite,
    Seed,
    Setting,
    Train,
    app,
    console,
    plain,
    settings,
    table,
)
from hammingbird.errors import InputError


@app.command()
def methods(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every method, those of packages too, with its paper and the supervision it needs."""
    from hammingbird import catalog

    found = [method.record() for method in catalog.methods().values()]
    if as_json:
        print(json.dumps(found, indent=1))  # noqa: T201
        return
    shown = table("method", "learns from", "paper", "what it does")
    for method in found:
        row = (method[name] for name in ("name", "supervision", "paper", "summary"))
        shown.add_row(*map(plain, row))
    console.print(shown)


@app.command()
def fit(
    method: Annotated[str, typer.Argument(help="A name from: hammingbird methods.")],
    train: Train,
    out: Out,
    bits: Annotated[int | None, typer.Option(help="Bits of a code.", show_default=False)] = None,
    seed: Seed = 0,
    setting: Setting = None,
    image_size: ImageSize = None,
    labels: Labels = None,
    sample: Sample = None,
    vectors: Vectors = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
) -> None:
    """Learn a hasher from vectors or images and save it as a folder.

    It remembers the size of the images, and encode and search read others at that size.
    """
    from hammingbird import catalog

    hasher = catalog.make(method, bits, seed)
    catalog.configure(hasher, settings(setting))
    data = training_rows(train, sample, seed, image_size, labels, vectors, workers, scheduler)
    if hasher.supervised and data.y is None and train.is_dir():
        raise InputError(
            f"{method} learns from labels: if the subfolders of {train} are some, add "
            "--labels folders"
        )
    hasher.fit(data.inputs(hasher.takes_images), data.y)
    if data.frame is not None:
        hasher.frame_ = list(data.frame)
    hasher.save(out, overwrite=overwrite)
    rows, width = data.X.shape
    console.print(
        f"{plain(method)} learned {hasher.n_bits_} bits from {rows:,} vectors of width {width}: "
        f"{plain(out)}"
    )


@app.command()
def encode(
    model: Annotated[Path, typer.Argument(help="A folder that fit wrote.")],
    file: Annotated[
        Path, typer.Argument(help="Vectors or images to encode; with --to, Parquet files.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="A file to write into; codes.npy if left out.")
    ] = None,
    to: To = None,
    vectors: Vectors = None,
    ids: Ids = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    image_size: ImageSize = None,
    overwrite: Overwrite = False,
) -> None:
    """Encode a file of any size into packed codes, a block of rows at a time.

    Pictures are read at the size that the model learned from. Codes of a folder of images keep
    the names of its files.

    With --to, a folder of Parquet files becomes one of codes, or goes straight into a store, on as
    many workers as there are. Run again after it was stopped, it keeps the parts that are done.
    """
    from hammingbird.scale import is_parquet_folder

    if to is not None or (out is None and is_parquet_folder(file)):
        refuse_options("--to writes Parquet or into a store", out=out, image_size=image_size)
        encode_folder(model, file, to, vectors, ids, workers, scheduler, overwrite)
        return
    given = {"vectors": vectors, "ids": ids, "workers": workers, "scheduler": scheduler}
    refuse_options("one file is written: add --to FOLDER to encode past one machine", **given)
    _encode_file(model, file, out or Path("codes.npy"), image_size, overwrite)


def _encode_file(
    model: Path, file: Path, out: Path, image_size: int | None, overwrite: bool
) -> None:
    from tqdm import tqdm

    from hammingbird import catalog
    from hammingbird.datasets.files import open_file
    from hammingbird.storage import RowsFingerprint, write_codes

    hasher = catalog.load(model, encode_only=True)
    source = open_file(file, image_size=image_size, frame=hasher.frame)
    rows = source.shape[0]
    made_by = catalog.stamp(model)
    seen = RowsFingerprint()

    def blocks() -> Iterator[Any]:
        with tqdm(total=rows, desc="encode", unit="row", disable=None, leave=False) as bar:
            for block in source.stream():
                seen.update(block)
                yield hasher.encode(block)
                bar.update(len(block))
        made_by["vectors"] = seen.name()  # written after the last block

    names = None if source.names is None else source.names.tolist()
    write_codes(out, blocks(), rows, hasher.n_bits_, made_by, names=names, overwrite=overwrite)
    console.print(f"{rows:,} codes of {hasher.n_bits_} bits: {plain(out)}")


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="A saved hasher, an index, or a file of codes.")],
) -> None:
    """Say what a saved model or a file of codes is."""
    from hammingbird.storage import describe

    shown = table("", plain(path))
    for name, value in describe(path).items():
        shown.add_row(plain(name), plain(value))
    console.print(shown)

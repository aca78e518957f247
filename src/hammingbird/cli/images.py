"""Commands for folders of pictures: dedup, features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hammingbird.cli.terminal import ImageSize, Out, Overwrite, app, console, plain
from hammingbird.errors import InputError


@app.command()
def dedup(
    folder: Annotated[Path, typer.Argument(help="A folder of pictures, with its subfolders.")],
    out: Annotated[Path, typer.Option(help="The page; JSON and CSV go beside it.")] = Path(
        "duplicates.html"
    ),
    rate: Annotated[
        float | None,
        typer.Option(
            help="Pairs of different pictures that may be joined, as a share; by default one pair "
            "for a thousand pictures.",
            show_default=False,
        ),
    ] = None,
    radius: Annotated[
        int | None, typer.Option(help="Bits, instead of a measured radius.", show_default=False)
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A model of pictures, instead of the built-in descriptor.")
    ] = None,
    move_to: Annotated[
        Path | None, typer.Option(help="Move all but one of each group to a new folder.")
    ] = None,
) -> None:
    """Find near-duplicates in a folder of pictures.

    Nothing is changed without --move-to, which writes a script that brings all back.
    """
    from hammingbird.images import find_duplicates

    if out.suffix != ".html":
        raise InputError(f"the page is written as .html, got {out.name}: name it {out.name}.html")
    memory = out.with_suffix(".memory.sqlite")
    found = find_duplicates(folder, memory=memory, rate=rate, radius=radius, model=model)
    paths = found.write(out)
    console.print(
        f"{found.pictures:,} pictures, {len(found.groups):,} of them there more than once, "
        f"{len(found.spare):,} spare files at a radius of {found.radius} of {found.n_bits} bits: "
        f"{plain(paths[0])}",
        soft_wrap=True,
    )
    if found.errors:
        console.print(f"{len(found.errors):,} files could not be read: see the page")
    if move_to is not None and found.spare:
        script = found.move_to(move_to)
        console.print(f"moved; sh {plain(script)} brings them back", soft_wrap=True)


@app.command()
def features(
    pictures: Annotated[
        Path, typer.Argument(help="A folder of pictures, image Parquet, or an array of pictures.")
    ],
    backbone: Annotated[
        str, typer.Option(help="mobilenetv2:FILE, mobilenetv2:FILE@96, timm:NAME or hf:NAME.")
    ],
    out: Out,
    image_size: ImageSize = None,
    batch_size: Annotated[int, typer.Option(help="Pictures at a time.", min=1)] = 64,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Write a vector for each picture, by a pretrained network, with the names of the rows.

    As .parquet (name, vector, label) or .npy (names in .names.txt). A stopped run goes on.
    """
    from hammingbird.images import write_features

    n, width = write_features(
        pictures,
        out,
        backbone,
        image_size=image_size,
        batch_size=batch_size,
        device=device,
        overwrite=overwrite,
    )
    console.print(f"{n:,} vectors of {width:,} numbers: {plain(out)}", soft_wrap=True)

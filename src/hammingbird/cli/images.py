"""Commands for folders of pictures: dedup, index, find, features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from hammingbird.cli.terminal import ImageSize, Labels, Out, Overwrite, app, console, plain, table
from hammingbird.errors import InputError, MissingExtraError

Model = Annotated[
    Path | None, typer.Option(help="A model of pictures, instead of the built-in descriptor.")
]
Features = Annotated[
    str | None,
    typer.Option(
        help="timm:NAME, hf:NAME or weights=FILE: a network, instead of the built-in descriptor.",
        show_default=False,
    ),
]


def _refuse_other_endings(page: Path) -> None:
    if page.suffix != ".html":
        raise InputError(f"the page is written as .html, got {page.name}: name it {page.name}.html")


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
    model: Model = None,
    features: Features = None,
    move_to: Annotated[
        Path | None, typer.Option(help="Move all but one of each group to a new folder.")
    ] = None,
) -> None:
    """Find near-duplicates in a folder of pictures.

    Nothing is changed without --move-to, which writes a script that brings all back.
    """
    from hammingbird.images import find_duplicates

    _refuse_other_endings(out)
    memory = out.with_suffix(".memory.sqlite")
    found = find_duplicates(
        folder, memory=memory, rate=rate, radius=radius, model=model, features=features
    )
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
def index(
    folder: Annotated[Path, typer.Argument(help="A folder of pictures, with its subfolders.")],
    out: Out = Path("pictures.npy"),
    model: Model = None,
    features: Features = None,
    overwrite: Overwrite = False,
) -> None:
    """Index a folder of pictures for find: codes of all of them, with their names.

    No training. Where the folder changed, run it again with --overwrite: only new files are read.
    """
    from hammingbird.images import index_folder

    memory = out.with_suffix(".memory.sqlite")
    read = index_folder(
        folder, out, memory=memory, model=model, features=features, overwrite=overwrite
    )
    console.print(f"{len(read.files):,} pictures: {plain(out)}", soft_wrap=True)
    for name, reason in list(read.errors.items())[:10]:
        console.print(f"left out: {plain(name)}: {plain(reason)}", soft_wrap=True)
    if len(read.errors) > 10:
        console.print(f"and {len(read.errors) - 10:,} more that cannot be read")


@app.command()
def find(
    picture: Annotated[Path, typer.Argument(help="The picture to look for.")],
    within: Annotated[Path, typer.Option("--in", help="What hammingbird index wrote.")],
    k: Annotated[int, typer.Option("-k", help="Pictures to find.", min=1)] = 12,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("found.html"),
    model: Model = None,
    features: Features = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the pictures are now, if they were moved.")
    ] = None,
) -> None:
    """Find the pictures of a folder that are like one picture, or like its mirror image."""
    from hammingbird.images import find_picture

    _refuse_other_endings(out)
    found = find_picture(picture, within, k, model=model, features=features, folder=folder)
    shown = table("distance", "picture", "")
    for hit in found.hits:
        notes = ["the same"] * found.is_same(hit) + ["mirrored"] * hit.mirrored
        shown.add_row(str(hit.distance), plain(hit.name), ", ".join(notes))
    console.print(shown)
    try:
        console.print(f"written to {plain(found.write(out))}", soft_wrap=True)
    except MissingExtraError:
        console.print("for the page: pip install 'hammingbird[report]'", markup=False)


@app.command()
def features(
    pictures: Annotated[
        Path, typer.Argument(help="A folder of pictures, image Parquet, or an array of pictures.")
    ],
    backbone: Annotated[
        str,
        typer.Option(help="weights=FILE of a MobileNetV2, weights=FILE@96, timm:NAME or hf:NAME."),
    ],
    out: Out,
    image_size: ImageSize = None,
    labels: Labels = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Pictures at a time, else what suits the device.", min=1)
    ] = None,
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
        labels=cast("Any", labels),
        batch_size=batch_size,
        device=device,
        overwrite=overwrite,
    )
    console.print(f"{n:,} vectors of {width:,} numbers: {plain(out)}", soft_wrap=True)

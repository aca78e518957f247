"""The command that writes a repository of Hugging Face: hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hammingbird.cli.terminal import Out, Overwrite, app, console, plain


@app.command()
def hub(
    model: Annotated[Path, typer.Argument(help="A folder that fit wrote.")],
    run: Annotated[
        Path, typer.Option(help="What compare stored, with this method.", show_default=False)
    ],
    out: Out,
    method: Annotated[
        str | None, typer.Option(help="The model's row, where several fit.", show_default=False)
    ] = None,
    license_name: Annotated[
        str | None,
        typer.Option("--license", help="As Hugging Face names it.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model repository of Hugging Face: the hasher, and a card with what was measured."""
    from hammingbird.hub import write_repository

    folder = write_repository(
        model, run, out, method=method, license_name=license_name, overwrite=overwrite
    )
    console.print(
        f"{plain(folder)}: upload it with: hf upload OWNER/NAME {plain(folder)}", soft_wrap=True
    )

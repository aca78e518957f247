"""The command that makes the papers' figures and tables again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hammingbird.cli.terminal import app, console, numbers, plain, table


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="A result; without one they are listed.")] = "",
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("reproduced"),
    seeds: Annotated[
        str, typer.Option(help="Of a table, separated by commas; 0,1,2 if left out.")
    ] = "",
) -> None:
    """Make a figure or table of a paper again: writes JSON and plots."""
    from hammingbird.papers import RESULTS
    from hammingbird.papers import reproduce as run

    if name:
        run(name, out, numbers(seeds, "seeds") or None)
        console.print(f"written to {plain(out)}: {plain(name)}.json and its plots", soft_wrap=True)
        return
    shown = table("name", "result")
    for known, result in RESULTS.items():
        shown.add_row(known, result.summary)
    console.print(shown)

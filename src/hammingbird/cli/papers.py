"""The command that makes the papers' figures and tables again."""

from __future__ import annotations

import json
from dataclasses import asdict
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
    as_list: Annotated[
        bool, typer.Option("--list", help="List the results, as without a name.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The list as JSON.")] = False,
) -> None:
    """Make a figure or table of a paper again: writes JSON and plots."""
    from hammingbird.papers import RESULTS
    from hammingbird.papers import reproduce as run

    if name and not (as_list or as_json):
        run(name, out, numbers(seeds, "seeds") or None)
        console.print(f"written to {plain(out)}: {plain(name)}.json and its plots", soft_wrap=True)
        return
    if as_json:
        listed = [{"name": known, **asdict(result)} for known, result in RESULTS.items()]
        typer.echo(json.dumps(listed, indent=1))
        return
    shown = table("name", "paper", "result", "data", "min")
    shown.columns[0].no_wrap = True
    for known, result in RESULTS.items():
        shown.add_row(known, result.paper, result.summary, result.data, str(result.minutes))
    console.print(shown)

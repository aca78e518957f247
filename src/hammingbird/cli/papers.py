"""The command that makes the papers' figures and tables again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hammingbird.cli.terminal import app, console, numbers, plain, table
from hammingbird.errors import InputError


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="A result; without one they are listed.")] = "",
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("reproduced"),
    seeds: Annotated[
        str, typer.Option(help="Of a table, separated by commas; 0,1,2 if left out.")
    ] = "",
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="A shorter form: one seed, the shortest and the longest length, at most 10,000 "
            "rows to learn from; figures of one seed are made whole.",
        ),
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Make every result that has its data.")
    ] = False,
    as_list: Annotated[
        bool, typer.Option("--list", help="List the results, as without a name.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The list as JSON.")] = False,
) -> None:
    """Make a figure or table of a paper again: writes JSON and plots.

    What is finished is kept: a stopped run goes on, also with --all.
    """
    from hammingbird.papers import RESULTS
    from hammingbird.papers import reproduce as run

    if every:
        if name or seeds:
            raise InputError("--all makes every result: leave the name and --seeds out")
        _make_all(out, quick)
        return
    if name and not (as_list or as_json):
        run(name, out, numbers(seeds, "seeds") or None, quick=quick)
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


def _make_all(out: Path, quick: bool) -> None:
    """Make all results, a line for each that has no data or fails; then a table of all."""
    from hammingbird.papers import reproduce_all

    shown = table("name", "state", "min")
    failed = False
    for outcome in reproduce_all(out, quick=quick):
        shown.add_row(outcome.name, outcome.state, f"{outcome.minutes:.1f}")
        line = f"{outcome.name}: {outcome.state}"
        console.print(plain(f"{line}, {outcome.why}" if outcome.why else line), soft_wrap=True)
        failed |= outcome.state == "failed"
    console.print(shown)
    if failed:
        raise typer.Exit(1)

"""What all commands share: the app, options, how words and tables are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hammingbird.errors import InputError
from hammingbird.storage import package_version

KEEPING = ("compare", "dedup", "demo", "features", "index", "reproduce")
"""Commands that keep what is finished when they are stopped."""


class Commands(typer.core.TyperGroup):
    """All commands; Ctrl-C in one of them says how to go on."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            kept = ", what is finished is kept" if ctx.invoked_subcommand in KEEPING else ""
            Console(stderr=True).print(f"stopped: run the same command again to go on{kept}")
            raise typer.Exit(130) from None


def _print_version(asked: bool) -> None:
    if asked:
        console.print(f"hammingbird {package_version()}", markup=False)
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    help="Learn compact binary codes, search them by Hamming distance, and measure the loss first.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


Train = Annotated[Path, typer.Option(help="Vectors or images to learn from.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Where to write.", show_default=False)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
ImageSize = Annotated[
    int | None, typer.Option(help="Resize images to this many pixels a side.", show_default=False)
]
Labels = Annotated[
    str | None,
    typer.Option(
        help="folders: the subfolders of a folder of images are its labels.", show_default=False
    ),
]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE, a parameter of the method.", show_default=False),
]
Seed = Annotated[int, typer.Option(help="Random seed.", min=0)]
Bits = Annotated[
    int | None, typer.Option(help="Bits of a bare array of codes.", show_default=False)
]


def table(*columns: str) -> Table:
    """Return an empty table in the style of all commands."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        shown.add_column(column)
    return shown


def figure(value: float | None) -> str:
    """Three decimals, or nothing."""
    return "" if value is None else f"{value:.3f}"


def names(text: str) -> list[str]:
    """Cut a list at its commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers(text: str, what: str) -> list[int]:
    """Cut a list of whole numbers at its commas; ``what`` names the option."""
    try:
        return [int(number) for number in names(text)]
    except ValueError:
        raise InputError(
            f"--{what} must be whole numbers separated by commas, got {text!r}"
        ) from None


def settings(given: list[str] | None) -> dict[str, Any]:
    """Parse NAME=VALUE, a value as JSON where it is some."""
    found = {}
    for setting in given or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set takes NAME=VALUE, got {setting!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def plain(text: object) -> str:
    """Text as it is: no markup, and control characters shown instead of sent to the terminal."""
    shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(text))
    return escape(shown)

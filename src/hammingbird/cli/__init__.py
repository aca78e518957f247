"""The command line: a thin skin over the library, a file per group of commands."""

from __future__ import annotations

import sys

from rich.console import Console

from hammingbird.cli import compare, doctor, hub, images, learn, papers, search, service, stores
from hammingbird.cli.terminal import app, plain
from hammingbird.errors import HammingbirdError

__all__ = [
    "app",
    "compare",
    "doctor",
    "hub",
    "images",
    "learn",
    "main",
    "papers",
    "search",
    "service",
    "stores",
]


def main() -> None:
    """Run the command line; every error of the package is one line and exit code 1."""
    try:
        app()
    except HammingbirdError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {plain(str(error))}", soft_wrap=True)
        sys.exit(1)

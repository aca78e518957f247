"""The command line as tests call it."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from hammingbird import cli


def run(*arguments: Any) -> str:
    """Call ``hammingbird`` in this process; return standard output, or raise what it raised."""
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout

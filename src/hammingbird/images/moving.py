"""Moves files away and leaves a script that brings them back."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from hammingbird.errors import FileError, InputError

SCRIPT = "undo.sh"


def move_away(files: Sequence[Path], folder: Path, to: Path) -> Path:
    """Move files of ``folder`` below ``to``, at the same places; return the script that undoes it.

    The script is on the disk before the first file moves, and nothing is ever overwritten: neither
    by moving nor by undoing.
    """
    folder, to = folder.resolve(), to.resolve()
    if to == folder or folder in to.parents or to in folder.parents:
        raise InputError(f"{to} and {folder} must lie beside each other: choose another folder")
    moves = [(file.resolve(), to / file.resolve().relative_to(folder)) for file in files]
    script = to / SCRIPT
    taken = [new for _, new in moves if os.path.lexists(new)]
    if script.exists() or taken:
        raise FileError(f"{(taken or [script])[0]} exists already: choose a new folder")
    lines = ["#!/bin/sh", "# Brings every file back that hammingbird dedup moved here."]
    lines += [
        f"[ -e {quote(old)} ] || [ ! -e {quote(new)} ] || mv -- {quote(new)} {quote(old)}"
        for old, new in moves
    ]
    try:
        to.mkdir(parents=True, exist_ok=True)
        with script.open("xb") as stream:
            stream.write(b"\n".join(map(os.fsencode, lines)) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        script.chmod(0o755)
        for old, new in moves:
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(old, new)
    except OSError as error:
        raise FileError(
            f"stopped moving: {error}; sh {script} brings back what was moved"
        ) from error
    return script


def quote(path: Path) -> str:
    """A path as one word of the shell."""
    return shlex.quote(str(path))

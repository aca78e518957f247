"""A description after the last byte of a file that another library reads, as of codes files."""

from __future__ import annotations

from pathlib import Path

LONGEST = 1 << 16
MARK = b"\n#hammingbird "


def write_tail(path: Path, description: str | None) -> None:
    """Append a description, which is one line."""
    if description is not None:
        with path.open("ab") as stream:
            stream.write(MARK + description.encode() + b"\n")


def read_tail(path: Path) -> str | None:
    """Return the description at the end of a file; None if another program wrote it."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - LONGEST))
        end = stream.read()
    _, mark, description = end.rpartition(MARK)
    if not mark or not description.endswith(b"\n"):
        return None
    return description[:-1].decode("utf-8", "replace")

"""Tables of the documentation, made from stored results: ``python -m hammingbird.papers.pages``.

A page holds, where a table belongs, ``<!-- results/NAME.json -->`` (with ``#PART`` before the
ending where a result has parts) and ``<!-- end -->``; what is between them is written anew.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from hammingbird.errors import FileError
from hammingbird.papers import markdown
from hammingbird.papers.tables import FITS, as_markdown
from hammingbird.storage import replacing

BLOCK = re.compile(
    r"(<!-- results/([\w.-]+?)\.json(?:#([^>]+?))? -->\n).*?(<!-- end -->)", re.DOTALL
)

WHOLE = 1000.0
"""From here on numbers have no decimals."""


def write_pages(docs: Path) -> list[Path]:
    """Fill every page of ``docs`` from ``docs/results``; return the pages that have changed."""
    changed = []
    for page in sorted(docs.glob("*.md")):
        before = page.read_text("utf-8")
        after = fill(before, docs / "results")
        if after != before:
            with replacing(page) as temporary:
                temporary.write_text(after, "utf-8")
            changed.append(page)
    return changed


def fill(text: str, results: Path) -> str:
    """Return a page with its tables as the stored results have them.

    Raises :class:`FileError` if a result that the page names is missing.
    """

    def block(match: re.Match[str]) -> str:
        opening, name, part, closing = match.groups()
        path = results / f"{name}.json"
        try:
            content = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise FileError(
                f"{path} cannot be read ({error}): hammingbird reproduce {name} --out {results}"
            ) from error
        chosen = content[part] if part else content
        return f"{opening}\n{as_table(chosen)}\n{_made(content, chosen)}\n\n{closing}"

    return BLOCK.sub(block, text)


def _made(content: dict[str, Any], chosen: Any) -> str:
    """By which version a table was made, how often, how long it took, and in which form."""
    said = [f"Hammingbird {content['hammingbird']}"]
    table = chosen if isinstance(chosen, dict) and "records" in chosen else content
    seeds = max((r.get("seeds") or 0 for r in table.get("records", [])), default=0)
    if seeds:
        said.append(f"{seeds} seeds" if seeds > 1 else "one seed")
    if FITS in table:
        said.append(f"{_time(table[FITS])} of fits and encoding")
    elif "seconds" in content:
        said.append(f"{_time(content['seconds'])} in all")
    if content.get("quick"):
        said.append("[`--quick`](reproduce.md)")
    return f"({', '.join(said)}.)"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def as_table(content: Any) -> str:
    """A table of claimed and found figures, of curves over bits, or of what records say."""
    if "kendall tau" in content:
        return as_markdown(content)
    if isinstance(content, dict) and "records" not in content:
        lengths = [f"{bits} bits" for bits, _ in next(iter(content.values()))]
        lines = [[name, *(_text(value) for _, value in curve)] for name, curve in content.items()]
        return markdown.table(["", *lengths], lines)
    records = content if isinstance(content, list) else content["records"]
    columns = [name for name, value in records[0].items() if isinstance(value, str | int | float)]
    rows = [[_text(record[name]) for name in columns] for record in records]
    return markdown.table(columns, rows)


def _text(value: str | float) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= WHOLE else f"{value:.3f}"


if __name__ == "__main__":
    for page in write_pages(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        sys.stdout.write(f"{page}\n")

"""Every Python snippet of the README and the documentation runs, page by page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_snippets(page, tmp_path, monkeypatch):
    text = (ROOT / page).read_text("utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    if not snippets:
        pytest.skip("no snippet")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}  # a page stands alone, and names what it uses
    for snippet in snippets:
        exec(compile(snippet, page, "exec"), names)


def test_the_readme_has_its_two_commands():
    text = (ROOT / "README.md").read_text("utf-8")
    for heading, word in (("Run it", "hammingbird demo"), ("Test it", "pytest")):
        block = re.search(rf"^## {heading}\n+```\n(.*?)```", text, re.DOTALL | re.MULTILINE)
        assert block is not None
        assert word in block[1]
        assert block[1].count("\n") == 1

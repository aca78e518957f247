"""Every store has a page, whose example runs from vectors to an answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hammingbird.stores import STORES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.store
@pytest.mark.parametrize("scheme", STORES)
def test_the_page_of_a_store(scheme, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAMMINGBIRD_STORE", place((scheme, "flat"), "items"))
    text = (DOCS / "stores" / f"{scheme}.md").read_text("utf-8")
    assert f"]({'stores/' + scheme}.md)" in (DOCS / "stores.md").read_text("utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(snippets) == 2
    names: dict[str, object] = {}
    for snippet in snippets:
        exec(compile(snippet, f"{scheme}.md", "exec"), names)

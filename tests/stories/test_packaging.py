"""What the extras promise."""

from __future__ import annotations

from pathlib import Path

import pytest

APART = {"all", "timm", "hf", "test", "lint", "docs", "bench"}
"""Backbones whose weights come over the network, and what serves development."""


def test_all_means_all_that_runs_on_one_machine():
    tomllib = pytest.importorskip("tomllib")
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    named = everything.removeprefix("hammingbird[").removesuffix("]").split(",")
    assert set(named) == extras.keys() - APART

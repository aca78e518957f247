"""What the extras promise."""

from __future__ import annotations

from pathlib import Path

import pytest

STORES = {
    "stores", "faiss", "usearch", "postgres", "pgvector", "lance", "duckdb", "sqlite", "milvus",
}  # fmt: skip
"""Clients of stores: a user runs one of them, and ``stores`` has all."""
APART = {"all", "timm", "hf", "hub", "test", "test-stores", "lint", "docs", "bench"} | STORES
"""Models whose weights come over the network, what serves development, and stores."""


def test_all_means_all_that_runs_on_one_machine():
    tomllib = pytest.importorskip("tomllib")
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    named = everything.removeprefix("hammingbird[").removesuffix("]").split(",")
    assert set(named) == extras.keys() - APART
    (stores,) = extras["stores"]
    clients = stores.removeprefix("hammingbird[").removesuffix("]").split(",")
    assert set(clients) == STORES - {"stores", "postgres"}, "pgvector brings postgres"

from __future__ import annotations

import pytest

pytest.importorskip("PIL")

from scenes import scene


@pytest.fixture
def folder(tmp_path):
    """Sixty scenes in two subfolders."""
    for i in range(60):
        place = tmp_path / "pictures" / ("a" if i % 2 else "b")
        place.mkdir(parents=True, exist_ok=True)
        scene(i).save(place / f"scene {i}.png")
    return tmp_path / "pictures"

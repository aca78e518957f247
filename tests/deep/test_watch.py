"""Watching a hasher while it is trained."""

from __future__ import annotations

import numpy as np
import pytest

import hammingbird as hb

pytest.importorskip("torch")
pytestmark = pytest.mark.deep


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 4
    return (rng.standard_normal((4, 12))[y] * 3 + rng.standard_normal((200, 12))), y


def test_what_the_watcher_finds_goes_into_the_history(data):
    X, y = data
    seen = []

    def watch(hasher):
        seen.append(hasher.encode(X[:20]))
        return {"map": hasher.score(X, y), "centers": len(hasher.centers_)}

    hasher = hb.CSQ(8, epochs=5, random_state=0).fit(X, y, watch=watch)
    assert [record["centers"] for record in hasher.history_] == [4] * 5
    assert hasher.history_[-1]["map"] == pytest.approx(hasher.score(X, y))
    np.testing.assert_array_equal(seen[-1], hasher.encode(X[:20]))


def test_watching_changes_nothing(data):
    X, y = data
    alone = hb.HashNet(8, epochs=6, random_state=0).fit(X, y)
    watched = hb.HashNet(8, epochs=6, random_state=0).fit(X, y, watch=lambda h: {"a": h.score(X)})
    np.testing.assert_array_equal(alone.project(X), watched.project(X))
    assert not hasattr(watched, "watch")


def test_relaxed_codes_are_those_of_the_last_stage(data, tmp_path):
    X, y = data
    hasher = hb.HashNet(8, epochs=5, steepest=16, random_state=0).fit(X, y)
    np.testing.assert_allclose(hasher.relax(X), np.tanh(16 * hasher.project(X)), atol=1e-5)
    hasher.save(tmp_path / "model")
    np.testing.assert_array_equal(hb.load(tmp_path / "model").relax(X), hasher.relax(X))

"""Fine-tuned networks as results, on a few made pictures and drawn weights."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from hammingbird import papers as room
from hammingbird.datasets import Dataset
from hammingbird.papers import fine_tuned
from hammingbird.papers.tables import Row

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.deep

from safetensors.torch import save_file

from hammingbird.deep.mobilenet import MobileNetV2


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Pictures of two brightnesses, beside them vectors of as many rows."""
    rng = np.random.default_rng(0)
    y = np.arange(50) % 2
    images = (rng.integers(0, 100, (50, 16, 16, 3)) + 150 * y[:, None, None, None]).astype(np.uint8)
    every = Dataset("pictures", images.reshape(50, -1), y, images)
    train, query = every.take(slice(0, 40)), replace(every.take(slice(40, 50)), name="asked")
    X = rng.standard_normal((50, 12)).astype(np.float32)
    vectors = Dataset("vectors", X[:40], y[:40]), Dataset("asked", X[40:], y[40:])
    torch.manual_seed(0)
    weights = tmp_path / "drawn.safetensors"
    save_file(MobileNetV2().state_dict(), weights)
    monkeypatch.setattr(fine_tuned, "_weights", lambda out: weights)
    monkeypatch.setattr(fine_tuned, "tiny_imagenet100", lambda: (*vectors, vectors[0]))
    rows = (Row("csq", (0.5,)), Row("mihash", None))
    few = {"epochs": 1, "batch_size": 32, "learning_rate": 0.003}
    for name in ("CIFAR10", "IMAGENET100"):
        table = getattr(fine_tuned, name)
        made = replace(
            table, data=lambda: (train, query, train), bits=(8,), rows=rows, parameters=few
        )
        monkeypatch.setattr(fine_tuned, name, made)


def test_fine_tuned_stands_beside_frozen(small, tmp_path):
    found = room.reproduce("fine-tuned-imagenet100", tmp_path / "out")
    assert [line["method"] for line in found["table"]] == ["csq", "mihash"]
    assert found["table"][0]["claimed"] == 0.5
    assert found["table"][1]["claimed"] == ""
    for line, tuned, frozen in zip(
        found["table"], found["records"], found["frozen"]["records"], strict=True
    ):
        assert (line["fine-tuned"], line["frozen"]) == (tuned["found"], frozen["found"])
    assert found["parameters"]["backbone"] == "mobilenetv2"
    text = (tmp_path / "out" / "fine-tuned-imagenet100.md").read_text()
    assert text.splitlines()[0] == "| method | claimed | frozen | fine-tuned | worst | best |"
    assert str(tmp_path) not in json.dumps(found), "no place of this machine in what is kept"


def test_the_shorter_form_has_fewer_epochs(small, tmp_path, monkeypatch):
    monkeypatch.setattr(fine_tuned, "EPOCHS", 2)
    found = room.reproduce("fine-tuned-cifar10", tmp_path, quick=True)
    assert found["parameters"]["epochs"] == 2
    assert "epochs of a network" in found["quick"]


def test_a_second_run_keeps_what_was_learned(small, tmp_path):
    found = room.reproduce("fine-tuned-cifar10", tmp_path / "out")
    (cell,) = (tmp_path / "out" / "runs").rglob("csq-8-0/cell.json")
    assert "backbone=drawn.safetensors@96" in str(cell)
    assert "checkpoint" not in str(cell.relative_to(tmp_path))
    before = cell.stat().st_mtime_ns
    assert room.reproduce("fine-tuned-cifar10", tmp_path / "out")["records"] == found["records"]
    assert cell.stat().st_mtime_ns == before
    assert list((tmp_path / "out" / "checkpoints" / "fine-tuned-cifar10").iterdir())

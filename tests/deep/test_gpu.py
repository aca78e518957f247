"""Every deep method trains on a GPU, and what it learned gives the same codes on a CPU."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hammingbird as hb
from hammingbird import catalog
from hammingbird.storage import load_folder

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.deep,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]

DEEP = {
    name: method for name, method in catalog.methods().items() if method.path.startswith("deep.")
}
FEW = {"epochs": 3, "batch_size": 64, "pretraining": 20, "n_layers": 3}


def make(method, **settings):
    hasher = method.make(16, 0)
    has = hasher.get_params()
    wanted = {**FEW, "device": "cuda", **settings}
    return hasher.set_params(**{name: value for name, value in wanted.items() if name in has})


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("backbone", [None, "mlp"])
def test_learned_on_a_gpu_and_the_same_codes_on_a_cpu(name, backbone, clusters, tmp_path):
    X, y = clusters[0].astype(np.float32), clusters[1]
    hasher = make(DEEP[name], backbone=backbone).fit(X, y)
    scores = hasher.project(X)
    hasher.save(tmp_path / "saved")
    again = hb.load(tmp_path / "saved")
    if "device" in again.get_params():
        again.set_params(device="cpu")
    scale = np.abs(scores).max()
    np.testing.assert_allclose(again.project(X), scores, rtol=1e-3, atol=1e-3 * scale)
    differ = np.unpackbits(again.encode(X) ^ hasher.encode(X), axis=1)[:, :16].astype(bool)
    assert (np.abs(scores[differ]) <= 1e-2 * scale).all()


def test_pictures_in_mixed_precision_from_a_checkpoint(clusters, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (120, 16, 16, 3), np.uint8)
    y = rng.integers(0, 4, 120)
    images[np.arange(120), y * 4] = 255
    settings = {"backbone": "cnn", "precision": "bfloat16", "checkpoint": str(tmp_path / "kept")}
    method = DEEP["hashnet"]
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    hasher = make(method, **settings).fit(images, y)
    assert torch.cuda.max_memory_allocated() > before, "it was learned on the CPU"
    folder = next((tmp_path / "kept").glob("epoch-*"))
    manifest, _ = load_folder(folder, "checkpoint")
    assert json.loads(json.dumps(manifest["history"])) == hasher.history_
    again = make(method, **settings).fit(images, y)  # goes on from what is whole
    assert (again.transform(images) == hasher.transform(images)).all()

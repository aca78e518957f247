"""Networks by name, augmentation, standardised inputs."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

import hammingbird as hb
from hammingbird.deep.network import FlipAndCrop, Standardize, build
from hammingbird.deep.source import ArraySource, moments

pytestmark = pytest.mark.deep


def test_augmented_images_are_moved_or_mirrored_copies():
    torch.manual_seed(0)
    images = torch.rand(20, 3, 6, 6)
    padded = nn.functional.pad(images, (2, 2, 2, 2))
    for i, augmented in enumerate(FlipAndCrop(padding=2)(images)):
        candidates = [padded[i, :, r : r + 6, c : c + 6] for r in range(5) for c in range(5)]
        candidates += [candidate.flip(2) for candidate in candidates]
        assert any(torch.equal(augmented, candidate) for candidate in candidates)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_are_those_of_the_data(offset):
    X = np.random.default_rng(0).standard_normal((5000, 4)) * [1, 2, 3, 0] + offset
    mean, scale = moments(ArraySource(X.astype(np.float32)), (4,))
    np.testing.assert_allclose(mean, X.mean(axis=0), atol=1e-2)
    assert float(scale) == pytest.approx(np.sqrt(X.var(axis=0).mean()), rel=1e-2)
    entered = Standardize(mean, scale)(torch.from_numpy(X))
    assert entered.var(dim=0).mean() == pytest.approx(1.0, rel=1e-2)


def test_models_of_timm_are_loaded_by_name_and_pretrained_once(monkeypatch):
    asked = []

    def create_model(name, *, pretrained, num_classes, in_chans):
        asked.append((name, pretrained, num_classes, in_chans))
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    monkeypatch.setitem(sys.modules, "timm", types.SimpleNamespace(create_model=create_model))
    for pretrained in (True, False):
        network = build("timm:tiny", nn.Identity(), (8, 8, 3), 5, pretrained=pretrained)
        assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 5)
    assert asked == [("tiny", True, 0, 3), ("tiny", False, 0, 3)]


def test_models_of_hugging_face_give_their_pooled_output(monkeypatch):
    class Model(nn.Module):
        def forward(self, images):
            pooled = images.mean(dim=(2, 3), keepdim=True)
            return types.SimpleNamespace(pooler_output=pooled, last_hidden_state=None)

    auto = types.SimpleNamespace(from_pretrained=lambda name: Model())
    library = types.SimpleNamespace(AutoModel=auto, AutoConfig=auto)
    monkeypatch.setitem(sys.modules, "transformers", library)
    network = build("hf:org/tiny", nn.Identity(), (8, 8, 3), 5)
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 5)


def test_a_saved_model_of_hugging_face_is_built_from_what_was_saved(monkeypatch, tmp_path):
    class Model(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config = config
            self.layer = nn.Conv2d(1, config.width, 2)

        def forward(self, images):
            pooled = self.layer(images).amax(dim=(2, 3))
            return types.SimpleNamespace(pooler_output=pooled, last_hidden_state=None)

    class Config:
        def __init__(self, model_type, width, **rest):
            self.width = width

        def to_json_string(self, use_diff):
            return json.dumps({"model_type": "tiny", "width": self.width})

    asked = []

    def from_pretrained(name, **options):
        asked.append(options)
        if options.get("local_files_only"):
            raise OSError("not on this machine")
        return Model(Config("tiny", 3))

    library = types.SimpleNamespace(
        AutoConfig=types.SimpleNamespace(for_model=Config, from_pretrained=from_pretrained),
        AutoModel=types.SimpleNamespace(
            from_config=lambda config, trust_remote_code: Model(config),
            from_pretrained=from_pretrained,
        ),
    )
    monkeypatch.setitem(sys.modules, "transformers", library)
    X = np.random.default_rng(0).standard_normal((20, 4, 4, 1)).astype(np.float32)
    hasher = hb.HashNet(4, backbone="hf:org/tiny", epochs=1, random_state=0)
    hasher.fit(X, np.arange(20) % 2).save(tmp_path / "model")
    assert asked == [{}]
    np.testing.assert_array_equal(hb.load(tmp_path / "model").transform(X), hasher.transform(X))
    assert asked == [{}]
    del hasher.backbone_config_
    hasher.save(tmp_path / "old")
    with pytest.raises(hb.InputError, match="not looked up on the network"):
        hb.load(tmp_path / "old").transform(X)
    assert asked == [{}, {"local_files_only": True}]


def test_a_timm_model_of_a_hub_is_not_looked_up_again(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", types.SimpleNamespace(create_model=None))
    with pytest.raises(hb.InputError, match=r"set_params\(backbone=module\)"):
        build("timm:hf-hub:org/tiny", nn.Identity(), (8, 8, 3), 5, pretrained=False)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (nn.Linear(3, 2), "cannot take"),
        (nn.Conv2d(3, 4, 1), "must return features"),
        (7, "be None"),
    ],
)
def test_backbones_that_do_not_fit_are_named(backbone, message):
    with pytest.raises(hb.InputError, match=message):
        build(backbone, nn.Identity(), (8, 8, 3), 5)

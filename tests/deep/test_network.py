"""Networks by name, augmentation, standardised inputs."""

from __future__ import annotations

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

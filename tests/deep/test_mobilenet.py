"""The pretrained backbone: its file, its padding, its place in a hasher."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hammingbird as hb

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.deep

from hammingbird.deep import mobilenet
from hammingbird.deep.mobilenet import MobileNetV2, SameConvolution, convert, read_weights
from hammingbird.deep.network import Network, Picture, build


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A quantized network of drawn weights in the format of the conversion, and what it became."""
    folder = tmp_path_factory.mktemp("weights")
    rng = np.random.default_rng(0)
    arrays, graph = {}, []
    layers = [part for part in MobileNetV2().modules() if isinstance(part, SameConvolution)]
    for i, layer in enumerate(layers):
        out, inner, h, w = layer.convolution.weight.shape
        depthwise = layer.convolution.groups > 1
        shape = (1, h, w, out) if depthwise else (out, h, w, inner)
        name = f"{i:02d}"
        arrays |= {
            f"{name}.w": rng.integers(0, 256, shape, np.uint8),
            f"{name}.ws": np.float32([0.01 / np.sqrt(inner * h * w)]),
            f"{name}.wz": np.int32([128]),
            f"{name}.b": rng.standard_normal(out).astype(np.float32),
        }
        op = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        graph.append({"op": op, "layer": name})
    arrays["meta"] = np.frombuffer(json.dumps({"graph": graph}).encode(), np.uint8)
    np.savez(folder / "quantized.npz", **arrays)
    convert(folder / "quantized.npz", folder / "weights.safetensors")
    return folder, arrays


def test_weights_are_those_of_the_file(files):
    folder, arrays = files
    network = read_weights(folder / "weights.safetensors")
    convolutions = [p for p in network.modules() if isinstance(p, SameConvolution)]
    assert len(convolutions) == 52
    second = convolutions[1].convolution.weight[5, 0].detach().numpy()
    scale = arrays["01.ws"] * (arrays["01.w"][0, :, :, 5].astype(float) - 128)
    np.testing.assert_allclose(second, scale, rtol=1e-6)


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_that_of_tensorflow(size, stride):
    """Output of ceil(size / stride), windows that start (total // 2) before the image."""
    layer = SameConvolution(1, 1, 3, stride, linear=True)
    torch.nn.init.ones_(layer.convolution.weight)
    torch.nn.init.zeros_(layer.convolution.bias)
    image = torch.arange(size * size, dtype=torch.float32).reshape(1, 1, size, size)
    found = layer(image)[0, 0].detach().numpy()
    steps = -(-size // stride)
    assert found.shape == (steps, steps)
    before = max((steps - 1) * stride + 3 - size, 0) // 2
    padded = np.zeros((size + 6, size + 6))
    padded[before : before + size, before : before + size] = image[0, 0]
    for i in range(steps):
        for j in range(steps):
            window = padded[i * stride : i * stride + 3, j * stride : j * stride + 3]
            assert found[i, j] == pytest.approx(window.sum())


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("size", [7, 8, 9])
def test_the_fast_gradient_of_strides_is_that_of_torch(size, mixed):
    torch.manual_seed(0)
    layer = SameConvolution(4, 4, 3, 2, depthwise=True)
    images = torch.randn(2, 4, size, size + 1, requires_grad=True)
    results = []
    for training in (True, False):  # only while training it is another way
        layer.train(training)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            found = layer(images)
        asked = [images, *layer.parameters()]
        weights = torch.linspace(-1, 1, found.numel()).reshape(found.shape)
        results.append((found, *torch.autograd.grad((found * weights).sum(), asked)))
        assert ("StridedDepthwise" in str(found.grad_fn.next_functions)) == training
    for fast, plain in zip(*results, strict=True):
        assert fast.dtype == plain.dtype
        torch.testing.assert_close(fast, plain, rtol=1e-2 if mixed else 1e-5, atol=1e-6)


def test_pictures_in_parts_learn_as_all_together(monkeypatch):
    torch.manual_seed(0)
    network = MobileNetV2(48).train()
    images = torch.rand(7, 3, 32, 32) * 2 - 1
    seen, of_layer = [], []
    network.layers[0].register_forward_hook(lambda _, given, __: seen.append(len(given[0])))

    def gradient(at_once):
        monkeypatch.setattr(mobilenet, "AT_ONCE", at_once)
        network.zero_grad()
        features = network(images)
        of_layer.append(features.detach())
        features.square().sum().backward()
        return torch.cat([p.grad.flatten() for p in network.parameters()])

    whole, parts = gradient(7), gradient(3)
    assert seen == [7, 3, 3, 1]
    torch.testing.assert_close(of_layer[0], of_layer[1], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-5 * float(whole.abs().max()))


def test_images_are_resized_as_pillow_does():
    from PIL import Image

    image = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    network = MobileNetV2(side=32)
    seen = []
    network.layers.register_forward_pre_hook(lambda _, images: seen.append(images[0]))
    network((torch.from_numpy(image).float().permute(2, 0, 1)[None] - 128) / 128)
    found = seen[0][0].permute(1, 2, 0).numpy() * 128 + 128
    expected = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC))
    assert np.abs(found - expected).max() <= 2
    assert np.abs(found - expected).mean() < 0.2


def test_a_hasher_is_trained_on_it_saved_and_used_without_the_file(files, tmp_path):
    folder, _ = files
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 16, 16, 3), np.uint8)
    labels = np.arange(24) % 2
    weights = tmp_path / "moved.safetensors"
    weights.write_bytes((folder / "weights.safetensors").read_bytes())
    hasher = hb.CSQ(8, backbone=f"mobilenetv2:{weights}@32", epochs=1, random_state=0)
    hasher.fit(images, labels)
    network = hasher._network()
    assert network.enter.mean.unique().tolist() == [128.0]
    assert float(network.enter.scale) == 128.0
    hasher.save(tmp_path / "model")
    weights.unlink()
    np.testing.assert_array_equal(
        hb.load(tmp_path / "model").transform(images), hasher.transform(images)
    )


def stepped(files, **settings):
    """How far one plain step moved each weight of the backbone and of the hash layer."""
    folder, _ = files
    weights = folder / "weights.safetensors"
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 16, 16, 3), np.uint8)
    hasher = hb.CSQ(
        8, backbone=f"mobilenetv2:{weights}@32", epochs=1, random_state=0, optimizer="sgd",
        schedule="constant", augment=False, backbone_decay=0.0, batch_size=32, **settings,
    )  # fmt: skip
    network = hasher.fit(images, np.arange(24) % 2)._network()
    before = read_weights(weights).state_dict()
    after = network.backbone.state_dict()
    moved = torch.cat([(after[name] - before[name]).ravel() for name in before])
    return moved, network.head.weight.detach()


def test_features_are_standardised_while_the_layer_learns_and_folded_after():
    torch.manual_seed(0)
    enter = Picture(torch.zeros(3), torch.full((), 255.0), (4, 4, 3))
    backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 20), torch.nn.ReLU())
    network = build(backbone, enter, (4, 4, 3), 8)
    inputs = torch.randint(256, (100, 48)).to(torch.uint8)
    features = network.backbone(network.enter(inputs))
    network.standardize_features(inputs)
    standard = network.centre(features)
    torch.testing.assert_close(standard.mean(dim=0), torch.zeros(20), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard.square().mean(), torch.tensor(1.0))
    before = network(inputs)
    torch.testing.assert_close(before, network.head(standard))
    network.fold()
    assert network.centre is None
    torch.testing.assert_close(network(inputs), before, atol=1e-5, rtol=1e-4)


def test_a_pretrained_network_has_its_features_standardised(files, monkeypatch):
    found = []
    monkeypatch.setattr(Network, "fold", lambda network: found.append(network.centre))
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)
    backbone = f"mobilenetv2:{files[0] / 'weights.safetensors'}@32"
    hasher = hb.make("csq", 8, 0)
    hasher.set_params(backbone=backbone, epochs=1, batch_size=6, backbone_rate=0.0)
    hasher.fit(images, np.arange(12) % 2)
    network = hasher._network()
    with torch.no_grad():
        features = network.backbone(network.enter(torch.from_numpy(images.reshape(12, -1))))
    (centre,) = found
    torch.testing.assert_close(centre.mean, features.mean(dim=0), atol=1e-5, rtol=1e-4)


def test_a_pretrained_backbone_learns_at_a_tenth_of_the_rate(files):
    (moved, head), (whole, same), (frozen, _) = (
        stepped(files, **rate) for rate in ({}, {"backbone_rate": 1.0}, {"backbone_rate": 0})
    )
    assert whole.abs().max() > 0
    torch.testing.assert_close(moved, whole / 10, rtol=1e-2, atol=float(whole.abs().max()) / 1e3)
    torch.testing.assert_close(head, same)
    assert not frozen.any()
    from hammingbird.deep.training import Training

    assert Training().backbone_factor(pretrained=False) == 1
    assert Training(backbone_rate=0.5).backbone_factor(pretrained=True) == 0.5
    with pytest.raises(hb.InputError, match="must not be negative"):
        Training(backbone_rate=-1)


def test_compare_fine_tunes_and_goes_on_after_a_stop(files, tmp_path, monkeypatch):
    from hammingbird.datasets import Dataset
    from hammingbird.deep.checkpoint import Checkpoints

    folder, _ = files
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 16, 16, 3), np.uint8)
    y = np.arange(40) % 2
    every = Dataset("pictures", images.reshape(40, -1), y, images)
    train, query = every.take(slice(0, 30)), every.take(slice(30, 40))

    def run(name):
        hb.compare(
            train, query, methods=["csq"], bits=[8], relevance="labels", out=tmp_path / name,
            parameters={
                "backbone": f"mobilenetv2:{folder}/weights.safetensors@32", "epochs": 3,
                "precision": "bfloat16", "checkpoint": str(tmp_path / "checkpoints" / name),
            },
        )  # fmt: skip
        cell = tmp_path / name / "cells" / "csq-8-0"
        return np.load(cell / "query_scores.npy"), np.load(cell / "database.npy")

    whole = run("whole")
    write = Checkpoints.write

    def stopping(self, tensors, history):
        write(self, tensors, history)
        if len(history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            run("stopped")
    assert [p.name for p in (tmp_path / "checkpoints" / "stopped").rglob("epoch-*")] == [
        "epoch-00002"
    ]
    for found, expected in zip(run("stopped"), whole, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_files_that_are_not_it_are_refused(files, tmp_path):
    folder, arrays = files
    images = np.zeros((4, 8, 8, 3), np.uint8)
    for name in (f"{tmp_path}/none.safetensors", f"{folder}/quantized.npz"):
        with pytest.raises(hb.FileError, match="holds no weights of MobileNetV2"):
            hb.CSQ(8, backbone=f"mobilenetv2:{name}").fit(images, [0, 1, 0, 1])
    with pytest.raises(hb.InputError, match="no size"):
        hb.CSQ(8, backbone="mobilenetv2:x@0").fit(images, [0, 1, 0, 1])
    with pytest.raises(hb.InputError, match="needs images"):
        hb.CSQ(8, backbone="mobilenetv2:x").fit(np.zeros((4, 8)), [0, 1, 0, 1])
    np.savez(tmp_path / "short.npz", **{k: v for k, v in arrays.items() if not k.startswith("05")})
    with pytest.raises(hb.FileError, match="is not a quantized MobileNetV2"):
        convert(tmp_path / "short.npz", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()

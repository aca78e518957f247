"""Networks from vectors or images to logits: a standardised input, a backbone, a hash layer."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from hammingbird.deep.mobilenet import MobileNetV2, read_weights
from hammingbird.errors import InputError, MissingExtraError

NAMED = ("mobilenetv2:", "timm:", "hf:")
LARGEST_SIDE = 4096
Shape = tuple[int, ...]
"""Shape of one input: (d,) for vectors, (h, w, c) for images."""


def pictures_at_once(device: torch.device) -> int:
    """Return how many pictures to encode together: on a CPU, what stays in its cache."""
    return 16 if device.type == "cpu" else 128


class Network(nn.Module):
    """``head(centre(backbone(augment(enter(X)))))``; ``X`` is flat, [m, d] or [m, h * w * c]."""

    def __init__(self, enter: nn.Module, backbone: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.enter, self.backbone, self.head = enter, backbone, head
        self.augment: nn.Module | None = None
        self.centre: Standardize | None = None
        """Standardises features while the hash layer learns, as vectors are by ``enter``."""
        self.pretrained = False
        """Whether the backbone came with weights of its own."""

    def forward(self, X: Tensor) -> Tensor:
        """Return logits [m, n_bits]."""
        entered = self.enter(X)
        if self.training and self.augment is not None:
            entered = self.augment(entered)
        features = self.backbone(entered)
        if self.centre is not None:
            features = self.centre(features)
        logits: Tensor = self.head(features)
        return logits

    @torch.no_grad()
    def standardize_features(self, inputs: Tensor) -> None:
        """Standardise what the backbone makes of ``inputs`` [m, ...], and of others alike."""
        mode = self.training
        self.eval()
        at_once = pictures_at_once(inputs.device)
        found = [self.backbone(self.enter(part)).float() for part in torch.split(inputs, at_once)]
        self.train(mode)
        features = torch.cat(found)
        mean = features.mean(dim=0)
        scale = (features - mean).square().mean().sqrt()
        self.centre = Standardize(mean, scale if scale > 0 else torch.ones_like(scale))

    @torch.no_grad()
    def fold(self) -> None:
        """Leave the standardising of features to the weights of the hash layer."""
        if self.centre is not None:
            self.head.weight.div_(self.centre.scale)
            self.head.bias.sub_(self.head.weight @ self.centre.mean)
            self.centre = None

    @property
    def is_linear(self) -> bool:
        """Whether it is one linear layer on vectors."""
        return isinstance(self.backbone, nn.Identity) and isinstance(self.enter, Standardize)


class Standardize(nn.Module):
    """``(x - mean) / scale``: one mean per column or channel, one scale for all columns."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", scale.float())

    def forward(self, X: Tensor) -> Tensor:
        """Return standardised floats."""
        return (X.float() - self.mean) / self.scale


class Picture(Standardize):
    """Flat images [m, h * w * c] as standardised channels-last tensors [m, c, h, w]."""

    def __init__(self, mean: Tensor, scale: Tensor, shape: Shape) -> None:
        super().__init__(mean, scale)
        self.shape = shape

    def forward(self, X: Tensor) -> Tensor:
        """Return images, channels first in shape and last in memory."""
        images = X.unflatten(1, self.shape)  # type: ignore[no-untyped-call]
        return super().forward(images).permute(0, 3, 1, 2)


class FlipAndCrop(nn.Module):
    """Mirror half of the images, and move each by up to ``padding`` pixels over zeros."""

    def __init__(self, padding: int = 4, flip: bool = True) -> None:
        super().__init__()
        self.padding, self.flip = padding, flip

    def forward(self, images: Tensor) -> Tensor:
        """Return [m, c, h, w] of the same size."""
        m, _, h, w = images.shape
        device, p = images.device, self.padding
        padded = nn.functional.pad(images, (p, p, p, p))
        rows = torch.arange(h, device=device) + torch.randint(2 * p + 1, (m, 1), device=device)
        columns = torch.arange(w, device=device) + torch.randint(2 * p + 1, (m, 1), device=device)
        if self.flip:
            mirrored = torch.rand(m, 1, device=device) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        which = torch.arange(m, device=device)[:, None, None]
        taken: Tensor = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
        return taken.permute(0, 3, 1, 2)


class MLP(nn.Module):
    """Fully connected layers with batch normalisation and ReLU, of widths that do not grow."""

    def __init__(self, n_features: int, width: int = 512, depth: int = 2) -> None:
        super().__init__()
        widths = [n_features] + [width] * depth
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, X: Tensor) -> Tensor:
        """Return features [m, width]."""
        features: Tensor = self.layers(X)
        return features


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)
    )


class _Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_convolution(width, width), _convolution(width, width))

    def forward(self, images: Tensor) -> Tensor:
        added: Tensor = images + self.layers(images)
        return added


class SmallConvNet(nn.Module):
    """A residual network of eight convolutions for images of about 32 x 32; 2 M parameters."""

    def __init__(self, channels: int = 3, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(channels, width)]
        for before, after in ((1, 2), (2, 4), (4, 8)):
            layers += [_convolution(width * before, width * after, 2), _Residual(width * after)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return features [m, 8 * width], the largest value of each channel."""
        features: Tensor = self.layers(images).amax(dim=(2, 3))
        return features


def build(
    backbone: Any,
    enter: nn.Module,
    shape: Shape,
    n_bits: int,
    *,
    pretrained: bool = True,
    config: dict[str, Any] | None = None,
) -> Network:
    """Put a network together.

    ``backbone`` is None (a linear layer), ``"mlp"``, ``"cnn"``, ``"mobilenetv2:FILE"`` (or
    ``"mobilenetv2:FILE@96"``, which resizes images to 96 pixels), ``"timm:NAME"``, ``"hf:NAME"`` or
    a module of the user's that maps vectors [m, d] or images [m, c, h, w] to features [m, f].
    ``pretrained=False`` leaves out the weights of named models, where others follow anyway, and
    never reaches the network: a model of Hugging Face is then built from its ``config``. A backbone
    that has ``pixels``, a mean and a scale, gets its images by these.
    """
    body = backbone_of(backbone, shape, pretrained, config)
    pixels: Any = getattr(body, "pixels", None)
    if isinstance(enter, Picture) and pixels is not None:
        mean, scale = pixels
        enter.mean.fill_(mean)
        enter.scale.fill_(scale)
    width = _width(body, shape)
    head = nn.Linear(width, n_bits)
    nn.init.normal_(head.weight, std=math.sqrt(1.0 / width))
    nn.init.zeros_(head.bias)
    network = Network(enter, body, head)
    network.pretrained = pretrained and isinstance(backbone, str) and backbone.startswith(NAMED)
    return network


def backbone_of(
    backbone: Any, shape: Shape, pretrained: bool = True, config: dict[str, Any] | None = None
) -> nn.Module:
    """Return the module that a ``backbone`` of :func:`build` stands for, with features [m, f]."""
    if isinstance(backbone, nn.Module):
        return backbone
    if backbone is None:
        return nn.Identity()
    if backbone == "mlp":
        return MLP(shape[0])
    if backbone == "cnn" or (isinstance(backbone, str) and backbone.startswith(NAMED)):
        if len(shape) != 3:
            raise InputError(f"backbone={backbone!r} needs images [n, h, w, c], not vectors")
        if backbone == "cnn":
            return SmallConvNet(shape[2])
        kind, _, model = backbone.partition(":")
        if kind == "mobilenetv2":
            return _mobilenet(model, pretrained)
        if kind == "timm":
            return _timm(model, shape, pretrained)
        return _huggingface(model, pretrained, config)
    raise InputError(
        "backbone must be None, 'mlp', 'cnn', 'mobilenetv2:FILE', 'timm:NAME', 'hf:NAME' or a "
        f"torch module, got {backbone!r}"
    )


def _mobilenet(name: str, pretrained: bool) -> nn.Module:
    path, _, side = name.partition("@")
    if side and not (side.isascii() and side.isdigit() and 1 <= int(side) <= LARGEST_SIDE):
        raise InputError(f"backbone='mobilenetv2:{name}': {side!r} is no size from 1 to 4096")
    pixels = int(side) if side else None
    return read_weights(path, pixels) if pretrained else MobileNetV2(pixels)


def _timm(name: str, shape: Shape, pretrained: bool) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError("timm", "timm") from error
    if not pretrained and ":" in name:
        raise InputError(
            f"backbone='timm:{name}' would be looked up on the network: give the model itself with "
            "set_params(backbone=module) before the first use"
        )
    model: nn.Module = timm.create_model(
        name, pretrained=pretrained, num_classes=0, in_chans=shape[2]
    )
    return model


class _Pooled(nn.Module):
    """A Hugging Face vision model that returns one vector per image."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        found = self.model(images)
        pooled: Tensor | None = getattr(found, "pooler_output", None)
        return found.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1)


def _huggingface(name: str, pretrained: bool, config: dict[str, Any] | None) -> nn.Module:
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise MissingExtraError("transformers", "hf") from error
    if pretrained:
        return _Pooled(AutoModel.from_pretrained(name))
    try:
        if config is None:  # saved by an earlier version: what lies on this machine, if it does
            offline = AutoConfig.from_pretrained(name, local_files_only=True)
        else:
            offline = AutoConfig.for_model(**{**config, "use_pretrained_backbone": False})
        return _Pooled(AutoModel.from_config(offline, trust_remote_code=False))
    except Exception as error:
        raise InputError(
            f"'hf:{name}' cannot be built from what was saved and is not looked up on the network "
            f"({error}): train it again with this version"
        ) from error


def saved_config(network: Network) -> dict[str, Any] | None:
    """Return what a model of Hugging Face is built from offline, as JSON; None of other models."""
    if not isinstance(network.backbone, _Pooled):
        return None
    config: Any = network.backbone.model.config
    described: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return described


@torch.no_grad()
def _width(body: nn.Module, shape: Shape) -> int:
    """Width of the features that a backbone returns, found by trying one input."""
    mode = body.training
    body.eval()
    one = torch.zeros(1, *(shape if len(shape) == 1 else (shape[2], *shape[:2])))
    try:
        features = body(one)
    except Exception as error:
        raise InputError(
            f"the backbone cannot take an input of shape {tuple(one.shape)}: {error}"
        ) from error
    body.train(mode)
    if not isinstance(features, Tensor) or features.ndim != 2:
        raise InputError(
            "the backbone must return features [m, f], got "
            + str(getattr(features, "shape", type(features).__name__))
        )
    return int(features.shape[1])

"""Features of pictures by a trained network, as it was trained: its size, its mean, its scale."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hammingbird.deep.mobilenet import convert, read_weights
from hammingbird.deep.network import backbone_of, pictures_at_once
from hammingbird.deep.training import Training
from hammingbird.errors import FileError, InputError

KINDS = "timm:NAME, hf:NAME, weights=FILE or mobilenetv2:FILE, which is the same"
OWN = ("weights=", "mobilenetv2:")
COLOURS = 3
SIDE = 224
"""Pixels a side where a model does not say how large it wants its pictures."""
MOBILENET_SIDE = 96
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's pixels from 0 to 1, where a model does not name its own."""


class Features:
    """A network from pictures [m, 3, side, side] to features [m, f].

    Parameters
    ----------
    network
        A module that is ready to use.
    side
        Height and width of its pictures.
    mean, scale
        Of each channel, or of all: pixels from 0 to 255 go in as ``(pixel - mean) / scale``.
    batch_size
        Pictures that go through it at a time; None is what suits the device.
    device
        ``cpu``, ``cuda``, or ``auto``.
    """

    def __init__(
        self,
        network: nn.Module,
        side: int,
        mean: float | Sequence[float] = 0.0,
        scale: float | Sequence[float] = 255.0,
        *,
        batch_size: int | None = None,
        device: str = "auto",
    ) -> None:
        self.device = Training(device=device).torch_device()
        self.network, self.side = network.eval().to(self.device), side
        self.batch_size = batch_size or pictures_at_once(self.device)
        self.mean, self.scale = (
            torch.tensor(v, dtype=torch.float32, device=self.device).reshape(-1, 1, 1)
            for v in (mean, scale)
        )

    @torch.inference_mode()
    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [n, f] of pictures [n, h, w, 3] or grey ones [n, h, w], resized to its side."""
        starts = range(0, len(pixels), self.batch_size)
        parts = [self._batch(pixels[start : start + self.batch_size]) for start in starts]
        return torch.cat(parts).numpy()

    def _batch(self, pixels: NDArray[np.uint8]) -> Tensor:
        coloured = pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], COLOURS, 3)
        some = torch.from_numpy(np.ascontiguousarray(coloured)).to(self.device)
        some = some.permute(0, 3, 1, 2).float()
        if some.shape[2:] != (self.side, self.side):
            some = nn.functional.interpolate(some, self.side, mode="bilinear", antialias=True)
        found = self.network((some - self.mean) / self.scale)
        if not isinstance(found, Tensor) or found.ndim != 2:
            raise InputError("the network must return features [m, f], one row per picture")
        return found.float().cpu()

    @property
    def fingerprint(self) -> str:
        """Changes when features would: of the weights, their names, and how pictures go in."""
        digest = hashlib.sha256(repr((self.side, self.mean.tolist(), self.scale.tolist())).encode())
        for name, values in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(values.cpu().numpy()).tobytes())
        return digest.hexdigest()[:32]


def open_features(
    spec: str, *, side: int | None = None, batch_size: int | None = None, device: str = "auto"
) -> Features:
    """Features by name: ``timm:NAME``, ``hf:NAME``, or ``weights=FILE`` of a MobileNetV2.

    The file is safetensors, or the quantized ``.npz`` that :func:`convert` reads; ``FILE@128``
    takes pictures of 128 pixels a side, and ``side`` says it for every kind. Named models are
    looked up by their libraries, on the network if they are not on this machine.
    """
    for prefix in OWN:
        if spec.startswith(prefix):
            network, usual, pixels = _mobilenet(spec, spec.removeprefix(prefix))
            break
    else:
        kind, _, name = spec.partition(":")
        if kind not in ("timm", "hf") or not name:
            raise InputError(f"features are {KINDS}, got {spec!r}")
        network = backbone_of(spec, (SIDE, SIDE, COLOURS))
        usual, shares = _timm(network) if kind == "timm" else _huggingface(network, name)
        pixels = [[255 * float(v) for v in values] for values in shares]
    return Features(network, side or usual, *pixels, batch_size=batch_size, device=device)


def _mobilenet(spec: str, name: str) -> tuple[nn.Module, int, Any]:
    path, _, size = name.partition("@")
    if size and not (size.isascii() and size.isdigit() and 32 <= int(size) <= 1024):
        raise InputError(f"{spec}: {size!r} is no size from 32 to 1024")
    if not Path(path).is_file():
        raise FileError(f"{path} does not exist: give the weights of a MobileNetV2")
    if Path(path).suffix == ".npz":
        with tempfile.TemporaryDirectory() as folder:
            converted = Path(folder, "weights.safetensors")
            convert(path, converted)
            network = read_weights(converted)
    else:
        network = read_weights(path)
    return network, int(size) if size else MOBILENET_SIDE, network.pixels


def _timm(network: nn.Module) -> tuple[int, Any]:
    about: Any = getattr(network, "pretrained_cfg", None) or {}
    size = about.get("input_size") or (3, SIDE, SIDE)
    return int(size[-1]), (about.get("mean") or IMAGENET[0], about.get("std") or IMAGENET[1])


def _huggingface(network: Any, name: str) -> tuple[int, Any]:
    from transformers.image_processing_base import ImageProcessingMixin

    size = getattr(network.model.config, "image_size", None) or SIDE
    try:
        about = ImageProcessingMixin.get_image_processor_dict(name)[0]
    except OSError:  # it does not say
        about = {}
    side = int(size[0] if isinstance(size, list | tuple) else size)
    return side, (about.get("image_mean") or IMAGENET[0], about.get("image_std") or IMAGENET[1])

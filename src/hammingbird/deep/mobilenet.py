"""MobileNetV2 (Sandler et al., CVPR 2018) with batch normalisation folded into its convolutions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hammingbird.errors import FileError
from hammingbird.storage import replacing

BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
          (6, 320, 1, 1))  # fmt: skip
"""Of each group: expansion, channels, blocks, and the stride of the first (the paper's Table 2)."""
WIDTH = 1280
AT_ONCE = 32
"""Pictures that go through all layers together while training on a CPU: what a layer makes of more
does not stay in its cache. Nothing here looks across pictures."""


class SameConvolution(nn.Module):
    """A convolution whose output is ``ceil(size / stride)`` wide, as TensorFlow pads: more behind.

    ReLU6 follows unless ``linear``.
    """

    def __init__(
        self, before: int, after: int, size: int, stride: int = 1, *, depthwise: bool = False,
        linear: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        groups = before if depthwise else 1
        self.convolution = nn.Conv2d(before, after, size, stride, groups=groups)
        self.size, self.stride, self.linear = size, stride, linear

    def forward(self, images: Tensor) -> Tensor:
        """Return [m, after, ceil(h / stride), ceil(w / stride)]."""
        if self.size > 1:
            padding: list[int] = []
            for length in (images.shape[3], images.shape[2]):
                total = max((-(-length // self.stride) - 1) * self.stride + self.size - length, 0)
                padding += [total // 2, total - total // 2]
            images = nn.functional.pad(images, padding)
        layer = self.convolution
        found: Tensor
        strided = self.stride > 1 and layer.groups > 1
        if strided and self.training and images.device.type == "cpu":
            fast: Any = _StridedDepthwise.apply
            found = fast(images, layer.weight, layer.bias, self.stride)
        else:
            found = layer(images)
        return found if self.linear else nn.functional.relu6(found)


class _StridedDepthwise(torch.autograd.Function):
    """A depthwise convolution with strides and no padding, whose gradient is fast on a CPU.

    For the gradient of its input torch takes 40 times as long in bfloat16 as for the convolution
    itself. So the gradient is put where the strides went, zeros between, and convolved with the
    turned kernel.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride = stride
        return nn.functional.conv2d(images, weight, bias, stride, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        images, weight = ctx.saved_tensors
        images, kernel = images.to(gradient.dtype), weight.to(gradient.dtype)
        m, channels, h, w = images.shape
        stride, size = ctx.stride, kernel.shape[2]
        _, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradient, images, kernel, [channels], [stride] * 2, [0, 0], [1, 1], False, [0, 0],
            channels, [False, True, True],
        )  # fmt: skip
        shape = (m, h + size - 1, w + size - 1, channels)
        spread = torch.zeros(shape, dtype=gradient.dtype).permute(0, 3, 1, 2)
        rows, columns = (
            slice(size - 1, size + stride * (n - 1), stride) for n in gradient.shape[2:]
        )
        spread[:, :, rows, columns] = gradient
        of_images = nn.functional.conv2d(spread, kernel.flip(2, 3), groups=channels)
        return of_images, of_weight.to(weight.dtype), of_bias.to(weight.dtype), None


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; beside the identity where the shape stays."""

    def __init__(self, before: int, after: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = before * expansion
        layers = [] if expansion == 1 else [SameConvolution(before, inner, 1)]
        layers += [
            SameConvolution(inner, inner, 3, stride, depthwise=True),
            SameConvolution(inner, after, 1, linear=True),
        ]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and before == after

    def forward(self, images: Tensor) -> Tensor:
        """Return images of ``after`` channels."""
        found: Tensor = self.layers(images)
        return images + found if self.residual else found


class MobileNetV2(nn.Module):
    """Images [m, 3, h, w], pixels as (value - 128) / 128, to 1,280 features: the mean over places.

    Parameters
    ----------
    side
        Height and width that images are resized to before the first layer, the width first, as
        Pillow's bicubic does; None leaves them as they are.
    """

    pixels = (128.0, 128.0)
    """Mean and scale that the weights were learned with."""

    def __init__(self, side: int | None = None) -> None:
        super().__init__()
        self.side = side
        layers: list[nn.Module] = [SameConvolution(3, 32, 3, 2)]
        before = 32
        for expansion, after, count, stride in BLOCKS:
            for i in range(count):
                layers.append(InvertedResidual(before, after, expansion, stride if i == 0 else 1))
                before = after
        layers.append(SameConvolution(before, WIDTH, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return features [m, 1280]."""
        if self.training and images.device.type == "cpu" and len(images) > AT_ONCE:
            return torch.cat([self(part) for part in torch.split(images, AT_ONCE)])
        if self.side is not None:
            for size in ((images.shape[2], self.side), (self.side, self.side)):
                images = _resize(images, size)
        features: Tensor = self.layers(images).mean(dim=(2, 3))
        return features


def _resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize by a cubic to whole grey values; what overshoots at edges is cut off."""
    if tuple(images.shape[2:]) == size:
        return images
    found = nn.functional.interpolate(images, size, mode="bicubic", antialias=True)
    return torch.round(found * 128).clamp(-128, 127) / 128


def read_weights(path: str | os.PathLike[str], side: int | None = None) -> MobileNetV2:
    """Return the network with the weights of a safetensors file that :func:`convert` wrote.

    Raises :class:`FileError` if the file is missing, damaged or of another network.
    """
    network = MobileNetV2(side)
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise FileError(f"{path} holds no weights of MobileNetV2: {error}") from error
    return network


def convert(source: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Write the weights of a quantized TFLite MobileNetV2, kept as ``.npz``, as safetensors.

    The file holds, for every layer NN in order, ``NN.w`` uint8 [out, h, w, in] with scale ``NN.ws``
    and zero ``NN.wz``, the bias ``NN.b``, and ``meta``: JSON that lists the layers.
    """
    network = MobileNetV2()
    targets = [part for part in network.modules() if isinstance(part, SameConvolution)]
    try:
        with np.load(source, allow_pickle=False) as arrays:
            graph = json.loads(bytes(arrays["meta"]))["graph"]
            names = [node["layer"] for node in graph if "CONV_2D" in node["op"]]
            for target, name in zip(targets, names, strict=False):
                weights, bias = _dequantized(arrays, name)
                _fill(target.convolution.weight, weights)
                _fill(target.convolution.bias, bias)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{source} is not a quantized MobileNetV2: {error}") from error
    if len(names) < len(targets):
        raise FileError(f"{source} has {len(names)} convolutions, MobileNetV2 has {len(targets)}")
    with replacing(Path(out)) as temporary:
        save_file(network.state_dict(), temporary)


def _dequantized(arrays: Any, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights [out, in, h, w] ([channels, 1, h, w] of a depthwise layer) and bias."""
    weights = (arrays[f"{name}.w"].astype(np.float32) - arrays[f"{name}.wz"]) * arrays[f"{name}.ws"]
    depthwise = weights.shape[0] == 1
    order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
    return weights.transpose(order), np.asarray(arrays[f"{name}.b"], np.float32)


def _fill(parameter: Tensor | None, values: NDArray[np.float32]) -> None:
    assert parameter is not None
    if tuple(parameter.shape) != values.shape:
        raise ValueError(f"a layer of shape {values.shape} where {tuple(parameter.shape)} belongs")
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))

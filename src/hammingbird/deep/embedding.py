"""A pretrained backbone as it is: pictures to vectors, no hash layer, no training."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hammingbird.deep.network import NAMED, backbone_of
from hammingbird.deep.training import Training
from hammingbird.errors import InputError, MissingExtraError
from hammingbird.storage import fingerprint_rows

COLOURS = 3
WHITE = 255.0


class Embedder:
    """Makes float32 vectors [m, f] of pictures uint8 [m, h, w] or [m, h, w, 3].

    ``backbone`` is one of the names that hashers take: ``mobilenetv2:FILE@96``, ``timm:NAME``,
    ``hf:NAME``. Pixels are scaled as its weights were learned with.
    """

    def __init__(
        self, backbone: str, frame: tuple[int, ...], batch_size: int = 64, device: str = "auto"
    ) -> None:
        if not backbone.startswith(NAMED):
            raise InputError(
                f"backbone={backbone!r} is no pretrained network: give one of "
                + ", ".join(f"{name}..." for name in NAMED)
            )
        self.device = Training(device=device).torch_device()
        self.batch_size = batch_size
        self.body = backbone_of(backbone, (*frame[:2], COLOURS)).eval().to(self.device)
        mean, scale = _pixels(self.body, backbone)
        self.mean, self.scale = (
            torch.as_tensor(value, dtype=torch.float32, device=self.device)
            for value in (mean, scale)
        )

    @torch.inference_mode()
    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors, a batch at a time."""
        starts = range(0, len(pictures), self.batch_size)
        parts = [self._batch(pictures[start : start + self.batch_size]) for start in starts]
        return torch.cat(parts).numpy()

    def fingerprint(self) -> str:
        """Return a short name of the weights, which other weights do not have."""
        state = {**self.body.state_dict(), "mean": self.mean, "scale": self.scale}
        values = [v.detach().cpu().float().reshape(-1).numpy() for v in state.values()]
        return fingerprint_rows(np.concatenate(values)[:, None])

    def _batch(self, pictures: NDArray[np.uint8]) -> Tensor:
        coloured = pictures if pictures.ndim == 4 else np.repeat(pictures[..., None], COLOURS, 3)
        X = torch.from_numpy(np.ascontiguousarray(coloured)).to(self.device).float()
        found: Tensor = self.body(((X - self.mean) / self.scale).permute(0, 3, 1, 2))
        if found.ndim != 2:
            raise InputError(f"the backbone must return vectors [m, f], got {tuple(found.shape)}")
        return found.float().cpu()


def _pixels(body: nn.Module, backbone: str) -> tuple[Any, Any]:
    """Mean and scale of pixels from 0 to 255, one or three of each, by the weights' own record."""
    own = getattr(body, "pixels", None)
    if own is not None:
        return own[0], own[1]
    kind, _, name = backbone.partition(":")
    if kind == "timm":
        record = getattr(body, "pretrained_cfg", None) or {}
        mean, scale = record.get("mean"), record.get("std")
    else:
        try:
            from transformers import AutoImageProcessor
        except ImportError as error:
            raise MissingExtraError("transformers", "hf") from error
        processor = AutoImageProcessor.from_pretrained(name)
        mean, scale = processor.image_mean, processor.image_std
    if mean is None or scale is None:
        raise InputError(f"backbone={backbone!r} does not say how its pixels are scaled")
    return WHITE * np.asarray(mean), WHITE * np.asarray(scale)

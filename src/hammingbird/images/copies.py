"""Copies as people make them: the same picture resized, recompressed, cropped, and so on."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image


def resized(image: Image) -> Image:
    """Half as wide and high."""
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)))


def recompressed(image: Image) -> Image:
    """As JPEG of quality 40."""
    from PIL import Image as Pillow

    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=40)
    return Pillow.open(stream).convert("RGB")


def cropped(image: Image) -> Image:
    """Without a twentieth at each edge."""
    x, y = image.width // 20, image.height // 20
    x, y = max(x, 1), max(y, 1)
    return image.crop((x, y, image.width - x, image.height - y))


def mirrored(image: Image) -> Image:
    """Left and right exchanged."""
    from PIL import ImageOps

    return ImageOps.mirror(image)


def colour_shifted(image: Image) -> Image:
    """Warmer, brighter, with more contrast."""
    pixels = np.asarray(image, np.float32)
    shifted = (pixels - 128) * 1.15 + 128 + np.array([18, 8, -10], np.float32)
    return _image(shifted)


def watermarked(image: Image) -> Image:
    """A light bar of half its width across the lower right, half transparent."""
    pixels = np.asarray(image, np.float32).copy()
    h, w = pixels.shape[:2]
    bar = pixels[round(h * 0.78) : max(round(h * 0.9), round(h * 0.78) + 1), w // 2 :]
    bar += (240 - bar) * 0.5
    return _image(pixels)


COPIES: dict[str, Callable[[Image], Image]] = {
    "resized": resized,
    "recompressed": recompressed,
    "cropped": cropped,
    "mirrored": mirrored,
    "colour-shifted": colour_shifted,
    "watermarked": watermarked,
}
"""From an RGB picture to a copy of it."""


def _image(pixels: NDArray[np.float32]) -> Image:
    from PIL import Image as Pillow

    return Pillow.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8))

"""Bits of a picture without any learning: signs of its coarse waves, edges and colours."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from hammingbird.codes import Codes, pack

SIDE = 32
"""Pictures are reduced to this many pixels a side, whatever their shape."""
WAVES, CELLS, COLOURS = 144, 7, 7
N_BITS = WAVES + 2 * CELLS * CELLS + 2 * COLOURS
"""256: 144 of luminance, 98 of its gradient, 14 of colour."""
VERSION = 1
"""Counts up whenever the bits of a picture change."""


def describe(pixels: NDArray[np.uint8]) -> Codes:
    """Codes [n, 32] of pictures [n, 32, 32, 3], RGB.

    - Signs of the lowest 144 cosine coefficients of the luminance, but the constant one: they stand
      for its coarse waves, and neither brightness nor contrast changes them (the perceptual hash of
      Zauner 2010 takes 64 of them).
    - Signs of the horizontal and of the vertical gradient, averaged with overlap in 7 x 7 cells.
    - Signs of the lowest seven cosine coefficients of both colour differences, but the constant.
    """
    return pack(scores(pixels))


def scores(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The real numbers [n, 256] whose signs are the bits."""
    rgb = pixels.astype(np.float32)
    luminance = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    blue, red = rgb[..., 2] - luminance, rgb[..., 0] - luminance
    waves = dctn(luminance, axes=(1, 2), norm="ortho")
    colours = [dctn(c, axes=(1, 2), norm="ortho") for c in (blue, red)]
    down, across = np.gradient(luminance, axis=(1, 2))
    window = _windows()
    cells = [window @ g @ window.T for g in (down, across)]
    parts = [
        _lowest(waves, WAVES),
        *(cell.reshape(len(pixels), -1) for cell in cells),
        *(_lowest(colour, COLOURS) for colour in colours),
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _lowest(coefficients: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """The n lowest frequencies [m, n], after the constant."""
    rows, columns = np.indices(coefficients.shape[1:])
    # By radius; of equal radius by row, so that the order is the same everywhere.
    order = np.lexsort((rows.ravel(), (rows**2 + columns**2).ravel()))
    return coefficients.reshape(len(coefficients), -1)[:, order[1 : n + 1]]


@cache
def _windows() -> NDArray[np.float32]:
    """Weights [cells, side] of overlapping bumps along one side."""
    middles = (np.arange(CELLS) + 0.5) * SIDE / CELLS
    distances = np.abs(np.arange(SIDE) + 0.5 - middles[:, None]) * CELLS / SIDE
    return np.maximum(0, 1 - distances).astype(np.float32)

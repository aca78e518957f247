"""Adam (Kingma and Ba, ICLR 2015) for NumPy arrays, whose state can be saved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FIRST, SECOND, TINY = 0.9, 0.999, 1e-8


class Adam:
    """Moves arrays in place against their gradients.

    ``moments`` [2, total size] and ``steps`` are all that it remembers.
    """

    def __init__(self, moments: NDArray[np.float32], steps: int) -> None:
        self.moments, self.steps = moments, steps

    def step(
        self,
        parameters: Sequence[NDArray[np.float32]],
        gradients: Sequence[NDArray[np.float32]],
        rate: float,
    ) -> None:
        """Take one step of about ``rate`` in every entry."""
        self.steps += 1
        gradient = np.concatenate([part.ravel() for part in gradients])
        first, second = self.moments
        first += np.float32(1 - FIRST) * (gradient - first)
        second += np.float32(1 - SECOND) * (gradient * gradient - second)
        size = np.sqrt(second / np.float32(1 - SECOND**self.steps)) + np.float32(TINY)
        move = np.float32(rate / (1 - FIRST**self.steps)) * first / size
        start = 0
        for part in parameters:
            part -= move[start : start + part.size].reshape(part.shape)
            start += part.size

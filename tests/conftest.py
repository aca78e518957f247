"""Small made data that many tests share."""

from __future__ import annotations

import os

# The tests' matrices are tiny: threads would only wait for each other. Set before NumPy is loaded.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="session")
def clusters() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """300 vectors of width 20 around six centres, with labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 6, 300)
    X = 3 * rng.standard_normal((6, 20))[y] + rng.standard_normal((300, 20))
    return X + 1.0, y

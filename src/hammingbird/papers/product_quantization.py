"""Product quantization (Jegou et al., TPAMI 2011) with FAISS: a baseline, not a hasher."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hammingbird.doctor.rivals import BITS, ProductCodes
from hammingbird.errors import InputError
from hammingbird.evaluation.ranking import ScoreChunk


def quantized_scores(
    queries: NDArray[np.float32], X: NDArray[np.float32], n_bits: int
) -> ScoreChunk:
    """Score by the inner products of queries with the quantized ``X``.

    ``n_bits / 8`` subspaces of 256 centres.
    """
    if n_bits % BITS:
        raise InputError(f"product quantization has 8 bits a subspace, got {n_bits} bits")
    codes = ProductCodes(X, n_bits // BITS)
    codes.add(X)
    centers = codes.decoded()[:, : X.shape[1]]
    return lambda start, stop: queries[start:stop] @ centers.T

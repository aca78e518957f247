"""Product quantization (Jegou et al., TPAMI 2011) with FAISS: a baseline, not a hasher."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError, MissingExtraError
from hammingbird.evaluation.ranking import ScoreChunk

BITS = 8
"""Of each subspace: 256 centres."""


def quantized_scores(
    queries: NDArray[np.float32], X: NDArray[np.float32], n_bits: int
) -> ScoreChunk:
    """Score by the inner products of queries with the quantized ``X``, from look-up tables.

    ``n_bits / 8`` subspaces of 256 centres; columns of zeros pad the vectors to a multiple.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("faiss", "bench") from error
    if n_bits % BITS:
        raise InputError(f"product quantization has 8 bits a subspace, got {n_bits} bits")
    subspaces = n_bits // BITS
    padding = ((0, 0), (0, -X.shape[1] % subspaces))
    vectors, asked = (np.ascontiguousarray(np.pad(A, padding)) for A in (X, queries))
    quantizer = faiss.ProductQuantizer(vectors.shape[1], subspaces, BITS)
    quantizer.train(vectors)
    codes = quantizer.compute_codes(vectors)
    centers = faiss.vector_to_array(quantizer.centroids).reshape(subspaces, 1 << BITS, -1)

    def chunk(start: int, stop: int) -> NDArray[np.float32]:
        parts = asked[start:stop].reshape(stop - start, subspaces, -1)
        scores = np.zeros((stop - start, len(codes)), np.float32)
        for part in range(subspaces):
            table = parts[:, part] @ centers[part].T
            scores += np.take(table, codes[:, part], axis=1)
        return scores

    return chunk

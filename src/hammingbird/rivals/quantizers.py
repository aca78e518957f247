"""Quantizers of FAISS: a byte is the number of one of 256 centres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.classical.kmeans import deal
from hammingbird.classical.linear import principal_directions
from hammingbird.errors import InputError
from hammingbird.rivals.rival import Rival

CENTRES, BITS = 256, 8
TRAINED_ON = CENTRES * 256
"""Rows that codebooks are learned from at most: as many as FAISS itself takes."""
ROTATIONS, TRIED = 20, 4
"""Turns of OPQ; FAISS' own 50 take long where vectors are wide and gain little. Rounds of k-means
after which its starts are compared."""


class Quantizer(Rival):
    """Base of codes that a quantizer of FAISS makes, of vectors padded with zeros."""

    _quantizer: Any

    def __init__(self, n_bytes: int, seed: int = 0) -> None:
        """Take ``n_bytes`` bytes a row."""
        self.n_bytes, self.seed = n_bytes, seed

    def _fit(self, X: NDArray[np.float32]) -> None:
        import faiss

        if len(X) < CENTRES:
            raise InputError(
                f"{len(X)} rows are fewer than the {CENTRES} centres of a byte: take truncate, int8"
            )
        chosen = np.random.default_rng(self.seed).permutation(len(X))[:TRAINED_ON]
        self.bytes_per_item = self.n_bytes
        self._train(faiss, self._padded(X[np.sort(chosen)]))

    def _train(self, faiss: Any, X: NDArray[np.float32]) -> None:
        raise NotImplementedError

    def _padded(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Columns of zeros up to a multiple of the bytes."""
        return np.ascontiguousarray(np.pad(X, ((0, 0), (0, -X.shape[1] % self.n_bytes))))

    def _encode(self, X: NDArray[np.float32]) -> NDArray[np.uint8]:
        codes: NDArray[np.uint8] = self._quantizer.compute_codes(self._turn(X))
        return codes

    def _decode(self, codes: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        return self._quantizer.decode(np.ascontiguousarray(codes)), None

    def _turn(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._padded(queries)


class PQ(Quantizer):
    """Product quantization (Jegou, Douze and Schmid, TPAMI 2011)."""

    def _train(self, faiss: Any, X: NDArray[np.float32]) -> None:
        self._quantizer = self._made(faiss, X.shape[1])
        self._quantizer.train(X)
        self.model_bytes += CENTRES * X.shape[1] * 4

    def _made(self, faiss: Any, width: int) -> Any:
        quantizer = faiss.ProductQuantizer(width, self.n_bytes, BITS)
        quantizer.cp.seed = self.seed + 1234
        quantizer.cp.min_points_per_centroid = 1  # few rows: no warning on standard error
        return quantizer


class OPQ(PQ):
    """Product quantization after the rotation that fits it best (Ge et al., CVPR 2013)."""

    def _train(self, faiss: Any, X: NDArray[np.float32]) -> None:
        width = X.shape[1]
        rotation = faiss.OPQMatrix(width, self.n_bytes)
        rotation.niter, rotation.pq = ROTATIONS, self._made(faiss, width)
        faiss.copy_array_to_vector(self._start(faiss, X).T.ravel(), rotation.A)
        rotation.is_trained = True  # FAISS then starts from here, else from a random rotation
        rotation.train(X)
        self.rotation_ = faiss.vector_to_array(rotation.A).reshape(width, width).T.copy()
        super()._train(faiss, X @ self.rotation_)
        self.model_bytes += self.rotation_.nbytes

    def _start(self, faiss: Any, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """The better of no rotation and of principal components dealt out, [width, width].

        From a random one, which mixes what neighbouring pixels share, OPQ stays behind PQ.
        """
        width = X.shape[1]
        directions, variances = principal_directions(X, np.zeros(width), width)
        dealt = directions[:, deal(variances, [width // self.n_bytes] * self.n_bytes)]
        starts = [np.eye(width, dtype=np.float32), dealt.astype(np.float32)]
        errors = []
        for start in starts:
            quantizer, V = self._made(faiss, width), X @ start
            quantizer.cp.niter = TRIED
            quantizer.train(V)
            errors.append(np.square(V - quantizer.decode(quantizer.compute_codes(V))).sum())
        return starts[int(np.argmin(errors))]

    def _turn(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        turned: NDArray[np.float32] = self._padded(queries) @ self.rotation_
        return turned


class Residual(Quantizer):
    """Residual quantizer (Chen, Guan and Wang, Sensors 2010): each byte codes what is left."""

    def _train(self, faiss: Any, X: NDArray[np.float32]) -> None:
        self._quantizer = faiss.ResidualQuantizer(X.shape[1], self.n_bytes, BITS)
        self._quantizer.cp.seed = self.seed + 1234
        self._quantizer.cp.min_points_per_centroid = 1
        self._quantizer.train(X)
        self.model_bytes += CENTRES * X.shape[1] * 4 * self.n_bytes

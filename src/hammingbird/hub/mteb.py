"""Any encoder of MTEB with codes in the place of its embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hammingbird.errors import InputError
from hammingbird.estimator import check_is_fitted
from hammingbird.hasher import Hasher


class HashedEncoder:
    """An encoder of MTEB (version 2), such as ``mteb.get_model(NAME)``, and a fitted hasher.

    MTEB learns from embeddings and compares them, so codes are given as signs, -1 and +1, float32
    [n, n_bits], whose mean product is ``1 - 2 * distance / n_bits``: the order of the Hamming
    distance. Many items are equally far from a query, and MTEB puts these in an order of its own;
    :func:`hammingbird.evaluate` says what that is worth.

    Parameters
    ----------
    encoder
        What has MTEB's ``encode`` and ``mteb_model_meta``.
    hasher
        A fitted hasher of vectors as wide as the encoder's.
    asymmetric
        Keep the real scores of queries, scaled to a mean square of one, as an asymmetric search.
    """

    def __init__(self, encoder: Any, hasher: Hasher, *, asymmetric: bool = False) -> None:
        check_is_fitted(hasher)
        if not callable(getattr(encoder, "encode", None)):
            raise InputError("encoder must have encode(), as MTEB's encoders do")
        self.encoder, self.hasher, self.asymmetric = encoder, hasher, asymmetric

    def encode(self, inputs: Any, **options: Any) -> NDArray[np.float32]:
        """Signs [n, n_bits] of what the encoder makes of ``inputs``, which it gets as they are."""
        found = self.encoder.encode(inputs, **options)
        if isinstance(found, Tensor):
            found = found.detach().float().cpu().numpy()
        scores = self.hasher.project(np.asarray(found, np.float32))
        prompt = options.get("prompt_type")
        if self.asymmetric and getattr(prompt, "value", prompt) == "query":
            size = np.sqrt(np.mean(scores**2, axis=1, keepdims=True))
            scaled: NDArray[np.float32] = scores / np.maximum(size, np.finfo(np.float32).tiny)
            return scaled.astype(np.float32)
        signs: NDArray[np.float32] = np.where(scores >= 0, np.float32(1), np.float32(-1))
        return signs

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        """Mean products of all pairs [n1, n2], from -1 to 1 for codes."""
        first, second = _rows(embeddings1), _rows(embeddings2)
        return first @ second.T / first.shape[1]

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        """Mean products of rows beside each other [n]."""
        return (_rows(embeddings1) * _rows(embeddings2)).mean(dim=1)

    @property
    def mteb_model_meta(self) -> Any:
        """The encoder's, under a name that tells the bits; results of both so lie apart."""
        meta, n_bits = self.encoder.mteb_model_meta, self.hasher.n_bits_
        kind = type(self.hasher).__name__ + ("-asymmetric" if self.asymmetric else "")
        name = f"{meta.name}-{kind}-{n_bits}"
        return meta.model_copy(update={"name": name, "embed_dim": n_bits})


def _rows(embeddings: Any) -> Tensor:
    rows = torch.as_tensor(embeddings, dtype=torch.float32)
    return rows[None] if rows.ndim == 1 else rows

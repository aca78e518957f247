"""Where a paper's order is not found: one setting changed at a time, to see what it hangs on.

HashNet at 16 bits and DTSH on cifar-2 are looked at on training rows alone: 2,000 of them ask, in
the others, so that no query of the tables has a say.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import catalog, rivals
from hammingbird.codes import pack, unpack
from hammingbird.decoder import LinearDecoder, least_squares_decoder, reconstruction_error
from hammingbird.evaluation import asymmetric_scores
from hammingbird.evaluation.ranking import ScoreChunk
from hammingbird.papers.figures import SEED, Vectors, recall_of_scores, true_neighbors
from hammingbird.papers.published import Parts
from hammingbird.papers.sources import cifar_2_features, imagenet100_features, word_vectors
from hammingbird.papers.tables import Row, Table

ASKED = 2_000
QUERIES = 2_000
BITS = 64
RANKS = (10, 100, 1000)
SWEEPS = 10
LONGEST = 0.1
QUANTIZED = (16, 32, 64)
"""Bits of product quantization."""
FIRST = 10
BLOCK = 256


def held_out(parts: Parts) -> Parts:
    """Training rows alone: some ask, the others are learned from and searched."""
    train = parts[0]
    order = np.random.default_rng(SEED).permutation(len(train.X))
    rest = replace(train.take(np.sort(order[ASKED:])), name=f"{train.name}-held-out")
    return rest, train.take(np.sort(order[:ASKED])), rest


HASHNET_STEEPEST = Table(
    "hashnet-steepest",
    lambda: held_out(imagenet100_features()),
    "nothing printed",
    "map@1000",
    (16, 64),
    (
        *(Row("hashnet", None, {"steepest": beta}) for beta in (2.0, 4.0, 8.0, 16.0, 64.0)),
        Row("hashnet", None, {"epochs": 256}),
        Row("hashnet", None, {"batches": "aware"}),
        Row("hashnet-fixed", None),
        Row("hashnet-sgn", None),
        Row("dhn", None),
    ),
)
"""HashNet at 16 bits: beta of the last stage, longer stages, fewer dissimilar pairs."""

DTSH = Table(
    "mihash-dtsh",
    lambda: held_out(cifar_2_features()),
    "nothing printed",
    "map",
    (48,),
    (
        Row("mihash", None),
        Row("dtsh", None),
        *(Row("dtsh", None, {"margin": margin}) for margin in (4.0, 12.0, 48.0)),
        *(Row("dtsh", None, {"eta": eta}) for eta in (0.0, 0.1)),
        *(Row("dtsh", None, {"weight_decay": decay}) for decay in (0.01, 0.1, 10.0)),
    ),
)
"""DTSH where all labels are known: its margin, its quantization, its decay."""


def inner_products(out: Path) -> dict[str, Any]:
    """Why BA's x.Uh passes SGH's at 64 bits (SGH, Figure 8): what stands in the codes.

    ``nearest bits`` are those whose decoded vector is nearest (coordinate descent from the codes),
    as BA has them while it trains. ``error of the longest`` is that of the tenth of vectors that
    are longest, which are most of the answers of inner products, beside their squared length.
    ``rows found`` are the different rows among the first ten of all queries: few, where what is
    asked hardly counts. Beside them product quantization, and no codes at all: the longest vectors
    first, whatever is asked.
    """
    X, own = word_vectors()
    own = own[:QUERIES]
    ids = true_neighbors(out, f"word2vec-{QUERIES}", X[own], X, "inner", own)[:, :FIRST]
    lengths = np.einsum("ij,ij->i", X, X)
    longest = lengths >= np.quantile(lengths, 1 - LONGEST)
    n = len(X)

    def searched(
        label: str, scores: ScoreChunk, error: float | str = "", of_longest: float | str = ""
    ) -> dict[str, Any]:
        values = recall_of_scores(scores, n, ids, own, RANKS)
        return {
            "codes": label,
            "squared error": error,
            "error of the longest": of_longest,
            "rows found": _different(scores, own),
            **{f"N={rank}": value for rank, value in zip(RANKS, values, strict=True)},
        }

    records = [
        searched("none: the longest first", lambda a, b: np.broadcast_to(lengths, (b - a, n)))
    ]
    for bits in QUANTIZED:
        quantizer = rivals.choose(["pq"])["pq"].make(bits // 8, SEED)
        quantizer.fit(X)
        scores = quantizer.scores(X[own], quantizer.encode(X), "inner")
        records.append(searched(f"pq, {bits} bits", scores))
    for label, method, settings in (
        ("sgh", "sgh", {}),
        ("sgh, learned prior", "sgh", {"learned_prior": True}),
        ("sgh, 10,000 steps", "sgh", {"max_iter": 10_000}),
        ("sgh, not annealed", "sgh", {"annealed": False}),
        ("ba", "ba", {}),
    ):
        hasher = catalog.make(method, BITS, SEED).set_params(**settings).fit(X)
        assert isinstance(hasher, LinearDecoder)
        codes = hasher.transform(X)
        found = {"": codes, ", nearest bits": nearest_bits(hasher, codes, X)}
        for more, database in found.items():
            decoder, offset = least_squares_decoder(database, BITS, X, X.mean(axis=0))
            weights = X[own] @ decoder.T.astype(np.float32)
            scores = asymmetric_scores(weights, database, BITS)
            of_longest = reconstruction_error(database[longest], BITS, X[longest], decoder, offset)
            error = reconstruction_error(database, BITS, X, decoder, offset)
            records.append(searched(label + more, scores, error, of_longest))
    return {
        "data": f"word2vec, {QUERIES:,} queries",
        "bits": BITS,
        "rows that are right": len(np.unique(ids)),
        "squared length": float(lengths.mean()),
        "squared length of the longest": float(lengths[longest].mean()),
        "records": records,
    }


def _different(scores: ScoreChunk, own: NDArray[np.int64]) -> int:
    """How many rows are among the first ten of some query, its own row left out."""
    found = set[int]()
    for start in range(0, len(own), BLOCK):
        block = np.array(scores(start, min(start + BLOCK, len(own))))
        block[np.arange(len(block)), own[start : start + BLOCK]] = -np.inf
        found.update(np.argpartition(-block, FIRST, axis=1)[:, :FIRST].ravel().tolist())
    return len(found)


def nearest_bits(hasher: LinearDecoder, codes: NDArray[np.uint8], X: Vectors) -> NDArray[np.uint8]:
    """Set each bit in turn as the decoder would have it, given all others, a few times over."""
    decoder = hasher.decoder_.astype(np.float32)
    gram = decoder @ decoder.T
    wanted = (X - hasher.offset_.astype(np.float32)) @ decoder.T
    h = unpack(codes, hasher.n_bits_).astype(np.float32)
    for _ in range(SWEEPS):
        for bit in range(hasher.n_bits_):
            others = h @ gram[:, bit] - gram[bit, bit] * h[:, bit]
            h[:, bit] = np.where(wanted[:, bit] >= others, 1, -1)
    return pack(h)

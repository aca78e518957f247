"""Stochastic Generative Hashing: Figures 4 to 8 of the supplement."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import rivals
from hammingbird.classical.autoencoder import BinaryAutoencoder
from hammingbird.classical.itq import ITQ
from hammingbird.classical.sgh import SGH
from hammingbird.decoder import LinearDecoder, least_squares_decoder, reconstruction_error
from hammingbird.evaluation import asymmetric_scores
from hammingbird.hasher import Hasher, row_chunks
from hammingbird.papers.figures import (
    RANKS,
    SEED,
    Vectors,
    fitted,
    recall_of_codes,
    recall_of_scores,
    true_neighbors,
)
from hammingbird.papers.sources import mnist, sift, word_vectors
from hammingbird.report.axes import Line, line_panel
from hammingbird.report.canvas import save_panels

METHODS = ("lsh", "sh", "itq", "kmh", "ba", "sgh")
PASSES = (1, 2, 3, 5, 8, 12, 16, 21)
ROUNDS = (1, 2, 5, 10, 20, 50)


def error_by_examples(out: Path) -> dict[str, Any]:
    """Figure 4: both protocols for SGH and ITQ at 8 to 64 bits, on the training images."""
    X, _ = mnist()
    records = []
    for bits in (8, 16, 32, 64):
        sgh = SGH(bits, random_state=SEED)
        for seen in range(1, max(PASSES) + 1):
            sgh.partial_fit(X)
            if seen in PASSES:
                own = reconstruction_error(sgh.transform(X), bits, X, sgh.decoder_, sgh.offset_)
                records.append(_errors("SGH", bits, seen * len(X), own / 2, _fair(sgh, X)))
        for rounds in ROUNDS:
            itq = ITQ(bits, max_iter=rounds, random_state=SEED).fit(X)
            raw = _uncentred_error(itq, X)
            records.append(_errors("ITQ", bits, rounds * len(X), raw / 2, _fair(itq, X)))
    for protocol in ("official", "fair"):
        panels = [
            line_panel(
                f"{bits} bits",
                "examples seen",
                "half squared error",
                [
                    Line(
                        name,
                        [
                            (r["examples"], r[protocol])
                            for r in records
                            if (r["method"], r["bits"]) == (name, bits)
                        ],
                    )
                    for name in ("ITQ", "SGH")
                ],
                log_x=True,
            )
            for bits in (8, 16, 32, 64)
        ]
        save_panels(out / f"sgh-fig4-{protocol}.svg", panels)
    return {"data": "MNIST, 60,000 training images, pixels in [0, 1]", "records": records}


def time_to_error(out: Path) -> dict[str, Any]:
    """Figure 5: BA trained to its end, then complete fits of SGH with ever more steps."""
    X, _ = mnist()
    records: list[dict[str, Any]] = []
    for bits in (8, 16, 32, 64):
        seconds, ba = _timed(lambda b=bits: BinaryAutoencoder(b, random_state=SEED).fit(X))
        goal = _fair(ba, X)
        itq_seconds, itq = _timed(lambda b=bits: ITQ(b, random_state=SEED).fit(X))
        runs = []
        for steps in (100, 200, 400, 800, 2500):
            sgh = SGH(bits, max_iter=steps, random_state=SEED)
            taken, _ = _timed(lambda hasher=sgh: hasher.fit(X))
            runs.append({"steps": steps, "seconds": taken, "error": _fair(sgh, X)})
        reached = next((run["seconds"] for run in runs if run["error"] <= goal), None)
        records.append(
            {
                "bits": bits,
                "ba": {"seconds": seconds, "error": goal},
                "itq": {"seconds": itq_seconds, "error": _fair(itq, X)},
                "sgh": runs,
                "ba_over_sgh_at_ba_error": None if reached is None else seconds / reached,
                "sgh_over_itq": runs[-1]["seconds"] / itq_seconds,
            }
        )
    panels = [
        line_panel(
            f"{r['bits']} bits",
            "training seconds",
            "half squared error",
            [
                Line("BA", [(r["ba"]["seconds"], r["ba"]["error"])]),
                Line("ITQ", [(r["itq"]["seconds"], r["itq"]["error"])]),
                Line("SGH", [(run["seconds"], run["error"]) for run in r["sgh"]]),
            ],
            log_x=True,
        )
        for r in records
    ]
    save_panels(out / "sgh-fig5.svg", panels)
    return {"data": "MNIST, 60,000 training images, pixels in [0, 1]", "records": records}


def recall_by_rank(out: Path) -> dict[str, Any]:
    """Figure 6: Recall 1@N, and the main paper's 10@N, at 16, 32 and 64 bits."""
    records = []
    for data, X, queries in _sets():
        ids = true_neighbors(out, data, queries, X)
        for bits in (16, 32, 64):
            for method in METHODS:
                query, database = _codes(fitted(out, data, method, bits, X), queries, X)
                for k in (1, 10):
                    values = recall_of_codes(query, database, bits, ids[:, :k])
                    records.append(_curve(data, method, bits, f"recall{k}", values))
        for k in (1, 10):
            panels = [
                line_panel(
                    f"{data}, {bits} bits", "N", f"Recall {k}@N", _lines(records, data, bits, k)
                )
                for bits in (16, 32, 64)
            ]
            save_panels(out / f"sgh-fig6-{data}-recall{k}.svg", panels)
    return {"ranks": list(RANKS), "records": records}


def recall_by_bits(out: Path) -> dict[str, Any]:
    """Figure 7: Recall 100@100, and Recall 10@100, at 8 to 64 bits."""
    records: list[dict[str, Any]] = []
    for data, X, queries in _sets():
        ids = true_neighbors(out, data, queries, X)
        for bits in (8, 16, 32, 64):
            for method in METHODS:
                query, database = _codes(fitted(out, data, method, bits, X), queries, X)
                for k in (10, 100):
                    (value,) = recall_of_codes(query, database, bits, ids[:, :k], ranks=(100,))
                    records.append(_curve(data, method, bits, f"recall{k}@100", [value]))
    panels = [
        line_panel(
            data,
            "bits",
            "Recall 100@100",
            [
                Line(
                    method.upper(),
                    [
                        (r["bits"], r["values"][0])
                        for r in records
                        if (r["data"], r["method"], r["metric"]) == (data, method, "recall100@100")
                    ],
                )
                for method in METHODS
            ],
        )
        for data in ("mnist", "sift")
    ]
    save_panels(out / "sgh-fig7.svg", panels)
    return {"records": records}


def inner_products(out: Path) -> dict[str, Any]:
    """Figure 8: Recall 10@N by inner product; each query is left out of its own results."""
    X, own = word_vectors()
    queries = X[own]
    ids = true_neighbors(out, "word2vec", queries, X, "inner", own)[:, :10]
    records = []
    for bits in (16, 32, 64):
        for method in ("lsh", "sh", "itq", "ba", "sgh"):
            hasher = fitted(out, "word2vec", method, bits, X)
            query, database = _codes(hasher, queries, X)
            values = recall_of_codes(query, database, bits, ids, own)
            records.append(_curve("word2vec", method, bits, "recall10", values))
            if isinstance(hasher, LinearDecoder):
                weights, _ = hasher.score_weights(queries)
                scores = asymmetric_scores(weights, database, bits)
                values = recall_of_scores(scores, len(X), ids, own)
                records.append(_curve("word2vec", f"{method} x.Uh", bits, "recall10", values))
        quantizer = rivals.choose(["pq"])["pq"].make(bits // 8, SEED)
        quantizer.fit(X)
        scores = quantizer.scores(queries, quantizer.encode(X), "inner")
        values = recall_of_scores(scores, len(X), ids, own)
        records.append(_curve("word2vec", "pq", bits, "recall10", values))
    panels = [
        line_panel(f"{bits} bits", "N", "Recall 10@N", _lines(records, "word2vec", bits, 10))
        for bits in (16, 32, 64)
    ]
    save_panels(out / "sgh-fig8.svg", panels)
    return {"ranks": list(RANKS), "queries": len(own), "records": records}


def _sets() -> list[tuple[str, Vectors, Vectors]]:
    return [("mnist", *mnist()), ("sift", *sift())]


def _codes(
    hasher: Hasher, queries: Vectors, X: Vectors
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return hasher.transform(queries), hasher.transform(X)


def _curve(data: str, method: str, bits: int, metric: str, values: list[float]) -> dict[str, Any]:
    return {
        "data": data,
        "method": method,
        "bits": bits,
        "metric": metric,
        "values": [round(value, 5) for value in values],
    }


def _lines(records: list[dict[str, Any]], data: str, bits: int, k: int) -> list[Line]:
    return [
        Line(
            r["method"].upper().replace("X.UH", "x.Uh"),
            list(zip(RANKS, r["values"], strict=True)),
        )
        for r in records
        if (r["data"], r["bits"], r["metric"]) == (data, bits, f"recall{k}")
    ]


def _errors(method: str, bits: int, examples: int, official: float, fair: float) -> dict[str, Any]:
    return {
        "method": method,
        "bits": bits,
        "examples": examples,
        "official": round(official, 3),
        "fair": round(fair, 3),
    }


def _fair(hasher: Any, X: Vectors) -> float:
    """Half the squared error with the centred least-squares decoder of its codes."""
    codes, bits = hasher.transform(X), hasher.n_bits_
    decoder = least_squares_decoder(codes, bits, X, hasher.mean_)
    return reconstruction_error(codes, bits, X, *decoder) / 2


def _uncentred_error(itq: ITQ, X: Vectors) -> float:
    """The authors' notebook: projections of raw pixels, signs of length one put back, no mean."""
    W = itq.weights_.astype(np.float32)
    total = 0.0
    for chunk in row_chunks(X):
        rest = chunk.values - np.where(chunk.values @ W >= 0, 1, -1).astype(np.float32) @ W.T
        total += float(np.einsum("ij,ij->", rest, rest, dtype=np.float64))
    return total / len(X)


def _timed(fit: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    hasher = fit()
    return time.perf_counter() - start, hasher

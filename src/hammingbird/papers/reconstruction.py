"""Stochastic Generative Hashing, Figures 4 and 5: how well codes tell their vectors, how soon."""

from __future__ import annotations

import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird.classical.autoencoder import BinaryAutoencoder
from hammingbird.classical.itq import ITQ
from hammingbird.classical.sgh import SGH
from hammingbird.decoder import least_squares_decoder, reconstruction_error
from hammingbird.hasher import row_chunks
from hammingbird.papers.figures import SEED, Vectors
from hammingbird.papers.quick import ends
from hammingbird.papers.searches import (
    Search,
    gist_search,
    mnist_search,
    own_searches,
    short_search,
)
from hammingbird.report.axes import Line, line_panel
from hammingbird.report.canvas import save_panels

BITS = (8, 16, 32, 64)
PASSES = (1, 2, 3, 5, 8, 12, 16, 21)
ROUNDS = (1, 2, 5, 10, 20, 50)
STEPS = (100, 200, 400, 800, 2500)
PROTOCOLS = ("official", "fair")


def error_by_examples(out: Path, *, quick: bool = False) -> dict[str, Any]:
    """Figure 4: both protocols for SGH and ITQ at 8 to 64 bits, on rows that were learned from."""
    lengths = ends(BITS) if quick else BITS
    records = [
        {"data": found.name, **record}
        for found in _sets(quick)
        for bits in lengths
        for record in _errors_of(found.learn, bits)
    ]
    for data in dict.fromkeys(r["data"] for r in records):
        for protocol in PROTOCOLS:
            panels = [
                line_panel(
                    f"{data}, {bits} bits",
                    "examples seen",
                    "half squared error",
                    [
                        Line(
                            name,
                            [
                                (r["examples"], r[protocol])
                                for r in records
                                if (r["data"], r["method"], r["bits"]) == (data, name, bits)
                            ],
                        )
                        for name in ("ITQ", "SGH")
                    ],
                    log_x=True,
                )
                for bits in lengths
            ]
            save_panels(out / f"sgh-fig4-{data}-{protocol}.svg", panels)
    return {"table": last_errors(records), "records": records}


def last_errors(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line per set and length: the errors when both have seen all, half and whole."""
    last = {(r["data"], r["bits"], r["method"]): r for r in records}
    return [
        {
            "data": data,
            "bits": bits,
            **{
                f"{method} {protocol}": last[data, bits, method][protocol]
                for protocol in PROTOCOLS
                for method in ("ITQ", "SGH")
            },
            **{
                f"fair, squared: {method}": 2 * last[data, bits, method]["fair"]
                for method in ("ITQ", "SGH")
            },
        }
        for data, bits in dict.fromkeys((r["data"], r["bits"]) for r in records)
    ]


def _errors_of(X: Vectors, bits: int) -> list[dict[str, Any]]:
    records = []
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
    return records


def time_to_error(out: Path, *, quick: bool = False) -> dict[str, Any]:
    """Figure 5: BA trained to its end, then complete fits of SGH with ever more steps."""
    lengths = ends(BITS) if quick else BITS
    records = [
        {"data": found.name, "bits": bits, **_times_of(found.learn, bits)}
        for found, bits in product(_sets(quick), lengths)
    ]
    panels = [
        line_panel(
            f"{r['data']}, {r['bits']} bits",
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
    return {"table": [first_as_good(record) for record in records], "records": records}


def _times_of(X: Vectors, bits: int) -> dict[str, Any]:
    seconds, ba = _timed(BinaryAutoencoder(bits, random_state=SEED), X)
    goal = _fair(ba, X)
    itq_seconds, itq = _timed(ITQ(bits, random_state=SEED), X)
    runs = []
    for steps in STEPS:
        taken, sgh = _timed(SGH(bits, max_iter=steps, random_state=SEED), X)
        runs.append({"steps": steps, "seconds": taken, "error": _fair(sgh, X)})
    return {
        "ba": {"seconds": seconds, "error": goal},
        "itq": {"seconds": itq_seconds, "error": _fair(itq, X)},
        "sgh": runs,
    }


def first_as_good(record: dict[str, Any]) -> dict[str, Any]:
    """A line of Figure 5: the first whole fit of SGH that is as good as BA, and the longest."""
    ba, last = record["ba"], record["sgh"][-1]
    found = next((run for run in record["sgh"] if run["error"] <= ba["error"]), None)
    return {
        "data": record["data"],
        "bits": record["bits"],
        "BA error": 2 * ba["error"],
        "BA s": ba["seconds"],
        "SGH steps to it": "" if found is None else found["steps"],
        "SGH s": "" if found is None else found["seconds"],
        "BA / SGH": "" if found is None else ba["seconds"] / found["seconds"],
        "ITQ s": record["itq"]["seconds"],
        "SGH full s": last["seconds"],
        "SGH full / ITQ": last["seconds"] / record["itq"]["seconds"],
        "SGH error": 2 * last["error"],
    }


def _sets(quick: bool) -> list[Search]:
    """The sets of Figures 4 and 5, of which only what is learned from counts."""
    gist = own_searches("gist1m") or [gist_search()]
    found = [mnist_search(), *gist]
    return [short_search(search) for search in found] if quick else found


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


def _timed(hasher: Any, X: Vectors) -> tuple[float, Any]:
    start = time.perf_counter()
    hasher.fit(X)
    return time.perf_counter() - start, hasher

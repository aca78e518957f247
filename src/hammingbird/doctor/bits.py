"""The health of codes: do all bits speak, do they say different things, do codes differ."""

from __future__ import annotations

import numpy as np

from hammingbird.codes import Codes
from hammingbird.doctor.findings import Finding
from hammingbird.evaluation.diagnostics import bit_balance, bit_correlation, code_usage

SAMPLE = 100_000
UNEVEN = 0.1
"""A bit is uneven if its rarer value has a smaller share."""


def examine_bits(codes: Codes, n_bits: int, seed: int) -> list[Finding]:
    """Look at codes [n, bytes]; balance and correlation in a sample of 100,000."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(codes))[:SAMPLE])
    some = codes[rows]
    ones = bit_balance(some, n_bits)
    rarer = np.minimum(ones, 1 - ones)
    uneven = int((rarer < UNEVEN).sum())
    correlation = np.abs(bit_correlation(some, n_bits))[np.triu_indices(n_bits, 1)]
    largest, mean = (float(correlation.max()), float(correlation.mean())) if n_bits > 1 else (0, 0)
    distinct, entropy = code_usage(codes, n_bits)
    alone = distinct / len(codes)
    return [
        Finding(
            "balance",
            f"Ones make up {ones.min():.0%} to {ones.max():.0%} of a bit; in {uneven} of {n_bits} "
            f"bits one value is rarer than {UNEVEN:.0%}.",
            "Uneven bits hardly tell rows apart: centre the rows, or take a method that learns."
            if uneven > n_bits / 20
            else "",
            float(rarer.min()),
        ),
        Finding(
            "correlation",
            f"Two bits correlate by {mean:.2f} on average, {largest:.2f} at most.",
            "Bits repeat each other: a shorter code of a learned method keeps as much."
            if mean > 0.2 or largest > 0.95
            else "",
            mean,
        ),
        Finding(
            "collisions",
            f"{len(codes):,} rows have {distinct:,} different codes ({alone:.1%}), an entropy of "
            f"{entropy:.1f} bits.",
            "Rows with one code cannot be told apart: remove duplicates, or take more bits."
            if alone < 0.9
            else "",
            1 - alone,
        ),
    ]

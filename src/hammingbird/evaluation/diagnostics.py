"""What codes look like before any metric: bits, distances, separation of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from hammingbird.codes import Codes, check_codes, hamming, pack, paired_distances, unpack
from hammingbird.errors import InputError
from hammingbird.evaluation.metrics import distance_counts
from hammingbird.evaluation.ranking import Floats, Ranking
from hammingbird.targets import without_label

BLOCK = 1 << 16
AT_ONCE = 1 << 22
"""Probabilities that are held together: 32 MiB."""


def bit_balance(codes: ArrayLike, n_bits: int) -> Floats:
    """Share of ones of every bit, [n_bits]; 0.5 is balanced."""
    codes = _some(codes, n_bits)
    ones = np.zeros(n_bits, np.int64)
    for start in range(0, len(codes), BLOCK):
        ones += (unpack(codes[start : start + BLOCK], n_bits) > 0).sum(axis=0)
    return ones / len(codes)


def bit_correlation(codes: ArrayLike, n_bits: int) -> Floats:
    """Correlation of every pair of bits, [n_bits, n_bits]; a constant bit has 0 with all others."""
    codes = _some(codes, n_bits)
    products, sums = np.zeros((n_bits, n_bits)), np.zeros(n_bits)
    for start in range(0, len(codes), BLOCK):
        signs = unpack(codes[start : start + BLOCK], n_bits).astype(np.float32)
        products += signs.T @ signs  # whole numbers up to 65,536: exact in float32
        sums += signs.sum(axis=0)
    means = sums / len(codes)
    covariance = products / len(codes) - np.outer(means, means)
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)


def code_usage(codes: ArrayLike, n_bits: int) -> tuple[int, float]:
    """Count the distinct codes, and give their entropy in bits (at most log2 of the items)."""
    codes = _some(codes, n_bits)
    _, counts = _distinct(codes)
    return len(counts), _entropy(counts / len(codes))


def posterior_divergence(
    codes: ArrayLike, n_bits: int, log_posterior: Sequence[NDArray[np.floating]]
) -> float:
    """Kullback-Leibler divergence of the codes' distribution from an estimated one, in nats.

    Lower Bound, F.3.1. ``log_posterior`` holds, per block of consecutive bits, the logarithms of
    the probabilities of its patterns for each of m rows, [m, 2^bits]; the first bit of a block
    counts 1 in a pattern's number. A code's probability is the mean over rows of the product over
    blocks: ``hasher.log_posterior(X)`` of a plug-in ``_D``, or :func:`bit_margins` for the product
    of independent bits. Infinite if a code occurs that is given no probability.
    """
    codes = _some(codes, n_bits)
    m, sizes = _blocks(log_posterior, n_bits)
    distinct, counts = _distinct(codes)
    bits = unpack(distinct, n_bits) > 0
    starts = np.cumsum([0, *sizes[:-1]])
    patterns = [
        bits[:, start : start + size] @ (1 << np.arange(size))
        for start, size in zip(starts, sizes, strict=True)
    ]
    modelled = np.empty(len(distinct))
    step = max(1, AT_ONCE // m)
    for first in range(0, len(distinct), step):
        part = slice(first, first + step)
        joint = sum(
            np.asarray(block[:, pattern[part]], np.float64)
            for block, pattern in zip(log_posterior, patterns, strict=True)
        )
        modelled[part] = logsumexp(joint, axis=0) - np.log(m)
    shares = counts / len(codes)
    return float(shares @ (np.log(shares) - modelled))


def _blocks(log_posterior: Sequence[NDArray[Any]], n_bits: int) -> tuple[int, list[int]]:
    """Rows, and bits of each block."""
    shapes = [np.shape(block) for block in log_posterior]
    sizes = [int(shape[-1]).bit_length() - 1 for shape in shapes if len(shape) == 2 and shape[-1]]
    m = shapes[0][0] if sizes else 0
    if not m or sum(sizes) != n_bits or shapes != [(m, 1 << size) for size in sizes]:
        raise InputError(
            f"log_posterior must hold blocks [m, 2^bits] of {n_bits} bits in all, got {shapes}"
        )
    return m, sizes


def bit_margins(codes: ArrayLike, n_bits: int) -> list[Floats]:
    """Logarithms of each bit's share of zeros and of ones, [1, 2] a bit: independent bits."""
    ones = bit_balance(codes, n_bits)
    with np.errstate(divide="ignore"):
        return [np.log([[1 - share, share]]) for share in ones]


def distance_densities(ranking: Ranking) -> tuple[Floats, Floats]:
    """Densities of the Hamming distance of relevant and of other pairs, [n_bits + 1] each.

    MIHash, Fig. 3: the less they overlap, the better the codes. All zero if there is no such pair.
    """
    counts, relevant = (part.sum(axis=0, dtype=np.int64) for part in distance_counts(ranking))
    others = counts - relevant
    return relevant / max(1, relevant.sum()), others / max(1, others.sum())


def mutual_information(ranking: Ranking) -> Floats:
    """Bits that the distance to a query tells about relevance to it, [q] (MIHash, Eq. 4).

    NaN for a query without relevant items.
    """
    counts, relevant = distance_counts(ranking)
    others = counts - relevant
    share = ranking.n_relevant / ranking.n_items
    information = _entropy(_density(counts)) - (
        share * _entropy(_density(relevant)) + (1 - share) * _entropy(_density(others))
    )
    return np.where(ranking.n_relevant > 0, information, np.nan)


@dataclass(frozen=True)
class Separation:
    """How far class centres are apart, against how far codes are from their own centre.

    The ratio of the two is the Lower-Bound paper's diagnostic. It goes with average precision but
    does not bound it; only ``perfect`` is a theorem.
    """

    min_inter: int
    """Smallest Hamming distance of two class centres."""
    max_intra: int
    """Largest Hamming distance of a code to the centre of its class."""
    intra_95: float
    """95th percentile of those distances, which one outlier does not move."""

    @property
    def ratio(self) -> float:
        """``min_inter / max_intra``, infinite if all codes are at their centre."""
        return self.min_inter / self.max_intra if self.max_intra else float("inf")

    @property
    def ratio_95(self) -> float:
        """``min_inter / intra_95``: the robust relative of the ratio."""
        return self.min_inter / self.intra_95 if self.intra_95 else float("inf")

    @property
    def perfect(self) -> bool:
        """Whether every code must rank all of its class first (triangle inequality)."""
        return self.min_inter > 4 * self.max_intra


def class_separation(
    codes: ArrayLike,
    labels: ArrayLike,
    n_bits: int,
    centers: ArrayLike | None = None,
    classes: ArrayLike | None = None,
) -> Separation:
    """Compare distances between and within classes of one label each; -1 is no label, left out.

    ``centers`` are packed codes of the labels in ``classes``, or, without these, of each label in
    sorted order: ``hasher.centers_`` and ``hasher.classes_`` are those a deep hasher was trained
    with. Without ``centers`` a centre is the majority of every bit, ties being ones. Distances
    between centres are taken of all that are given.
    """
    codes, labels = _some(codes, n_bits), np.asarray(labels)
    if labels.shape != (len(codes),):
        raise InputError(f"labels must be one per code, got {labels.shape} for {len(codes)} codes")
    labelled = ~without_label(labels)
    codes = _some(codes[labelled], n_bits)
    names, numbers = np.unique(labels[labelled], return_inverse=True)
    if centers is None:
        chosen = _majority(codes, numbers, len(names), n_bits)
    else:
        chosen = check_codes(centers, n_bits, "centers")
        given = names if classes is None else np.asarray(classes)
        if len(chosen) != len(given):
            raise InputError(f"{len(chosen)} centers for {len(given)} classes: give one for each")
        row = {name: i for i, name in enumerate(given.tolist())}
        if missing := [name for name in names.tolist() if name not in row]:
            raise InputError(f"label {missing[0]!r} has no centre: give it one, or leave it out")
        numbers = np.array([row[name] for name in names.tolist()])[numbers]
    if len(chosen) < 2:
        raise InputError("separation needs at least two classes")
    intra = paired_distances(codes, chosen[numbers])
    inter = hamming(chosen, chosen)[np.triu_indices(len(chosen), 1)]
    return Separation(int(inter.min()), int(intra.max()), float(np.percentile(intra, 95)))


def _majority(codes: Codes, numbers: NDArray[np.intp], n_classes: int, n_bits: int) -> Codes:
    votes = np.zeros((n_classes, n_bits), np.int64)
    for start in range(0, len(codes), BLOCK):
        part = slice(start, start + BLOCK)
        np.add.at(votes, numbers[part], unpack(codes[part], n_bits))
    return pack(votes)


def _distinct(codes: Codes) -> tuple[Codes, NDArray[np.intp]]:
    """The different codes, [m, n_bytes], and how often each occurs."""
    rows = codes.view(np.dtype((np.void, codes.shape[1]))).ravel()
    distinct, counts = np.unique(rows, return_counts=True)
    return distinct.view(np.uint8).reshape(-1, codes.shape[1]), counts


def _density(counts: NDArray[Any]) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def _entropy(density: Floats) -> Any:
    """Entropy in bits along the last axis."""
    logs = np.log2(density, out=np.zeros_like(density), where=density > 0)
    entropy = 0 - (density * logs).sum(axis=-1)  # no -0.0
    return float(entropy) if np.ndim(entropy) == 0 else entropy


def _some(codes: ArrayLike, n_bits: int) -> Codes:
    codes = check_codes(codes, n_bits)
    if not len(codes):
        raise InputError("codes are empty: nothing to look at")
    return codes

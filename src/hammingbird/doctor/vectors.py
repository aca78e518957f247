"""The health of vectors: what makes them hard to shorten, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.doctor.findings import Finding
from hammingbird.errors import InputError
from hammingbird.hasher import row_chunks
from hammingbird.storage import hash_rows
from hammingbird.targets import nearest_vectors

SAMPLE = 50_000
HUB_ROWS = 5_000
HUB_NEIGHBORS = 10
ANGLE_QUERIES = 200
EQUAL = 0.9999
"""Correlation from which on two dimensions say the same."""
NORMALISE = "X / np.linalg.norm(X, axis=1, keepdims=True)"


def check_finite(X: NDArray[Any], name: str = "X") -> None:
    """Refuse vectors [n, d] with NaN or infinity, and say how many rows have some."""
    if X.dtype.kind != "f":
        return
    bad: list[int] = []
    for chunk in row_chunks(X):
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(chunk.values.sum(dtype=np.float64)):
                continue
        bad += (np.flatnonzero(~np.isfinite(chunk.values).all(axis=1)) + chunk.start).tolist()
    if bad:
        raise InputError(
            f"{name}: {len(bad):,} of {len(X):,} rows hold NaN or infinity, the first is row "
            f"{bad[0]}: leave them out, X[np.isfinite(X).all(axis=1)], or fill the values in"
        )


@dataclass(frozen=True)
class Moments:
    """Mean [d], covariance [d, d] and norms [n] of some rows."""

    rows: NDArray[np.float32]
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    norms: NDArray[np.float64]

    @classmethod
    def of(cls, X: NDArray[Any]) -> Moments:
        """Moments of at most 50,000 rows."""
        rows = np.asarray(X, np.float32)
        mean = rows.mean(axis=0, dtype=np.float64)
        centred = rows - mean.astype(np.float32)
        covariance = np.asarray(centred.T @ centred, np.float64) / len(rows)
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        return cls(rows, mean, covariance, norms)


def examine_vectors(X: NDArray[Any], seed: int) -> list[Finding]:
    """Look at vectors [n, d]; all but copies are judged by a sample of 50,000 rows."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(X))[:SAMPLE])
    moments = Moments.of(X[rows])
    return [
        Finding("rows that are not finite", f"All {len(X):,} rows are finite.", value=0),
        copies(X),
        norms(moments, rng),
        mean_share(moments),
        *spectrum(moments),
        hubs(moments.rows[rng.permutation(len(rows))[:HUB_ROWS]]),
        dead(moments),
        repeated(moments),
    ]


def copies(X: NDArray[Any]) -> Finding:
    """Rows that are byte for byte another row."""
    distinct = len(np.unique(hash_rows(X)))
    share = 1 - distinct / len(X)
    return Finding(
        "duplicates",
        f"{len(X) - distinct:,} of {len(X):,} rows ({share:.1%}) are copies of another.",
        "Remove them: copies take places among the ten nearest, and cost bytes."
        if share > 0.001
        else "",
        share,
    )


def norms(moments: Moments, rng: np.random.Generator) -> Finding:
    """Lengths of the vectors, and whether cosine would find other neighbours."""
    low, middle, high = np.percentile(moments.norms, (1, 50, 99))
    zeros = int((moments.norms == 0).sum())
    if high - low <= 0.01 * max(middle, 1e-30):
        seen = f"All norms are about {middle:.3g}: Euclidean and cosine neighbours are the same."
        return Finding("norms", seen, value=1)
    seen = f"The middle norm is {middle:.3g}, 98 % lie between {low:.3g} and {high:.3g}"
    agreement = _cosine_agreement(moments, rng)
    seen += f"; {agreement:.0%} of the ten nearest by distance are the ten nearest by cosine."
    advice = (
        f"If you rank by cosine, normalise the rows first and run this again: {NORMALISE}."
        if agreement < 0.95
        else ""
    )
    if zeros:
        advice += f" {zeros:,} sampled rows are zero and have no direction: leave them out."
    return Finding("norms", seen, advice.strip(), agreement)


def _cosine_agreement(moments: Moments, rng: np.random.Generator) -> float:
    """Share of the ten nearest by distance that are among the ten nearest by cosine."""
    order = rng.permutation(len(moments.rows))
    n_queries = min(ANGLE_QUERIES, len(order) // 2)
    asked, rest = order[:n_queries], order[n_queries:]
    k = min(HUB_NEIGHBORS, len(rest))
    lengths = np.maximum(moments.norms, np.finfo(np.float32).tiny).astype(np.float32)[:, None]
    near, near_by_angle = (
        nearest_vectors(rows[asked], rows[rest], k).ids
        for rows in (moments.rows, moments.rows / lengths)
    )
    shared = [np.isin(a, b).mean() for a, b in zip(near, near_by_angle, strict=True)]
    return float(np.mean(shared))


def mean_share(moments: Moments) -> Finding:
    """How much of the vectors' squared length lies in their mean."""
    total = float((moments.norms**2).mean())
    share = float(moments.mean @ moments.mean) / total if total else 0.0
    return Finding(
        "mean",
        f"{share:.1%} of the squared length lies in the mean of all rows.",
        "Centre before you take signs: the untrained sign gives many bits that hardly change. All "
        "methods here but sign and lsh centre by themselves."
        if share > 0.1
        else "",
        share,
    )


def spectrum(moments: Moments) -> list[Finding]:
    """Directions that the variance lies in."""
    variances = np.linalg.eigvalsh(moments.covariance)[::-1].clip(0)
    total = variances.sum()
    shares = variances / total if total else np.full(len(variances), 1 / len(variances))
    entropy = -(shares * np.log(shares, out=np.zeros_like(shares), where=shares > 0)).sum()
    rank, width = float(np.exp(entropy)), len(shares)
    most = int(np.searchsorted(np.cumsum(shares), 0.95)) + 1
    first = float(shares[0])
    return [
        Finding(
            "effective rank",
            f"The variance is spread like {rank:.0f} equal directions of {width}; {most} hold 95 % "
            "of it.",
            f"If you re-rank, {most} principal components serve nearly as well as the vectors."
            if rank < width / 4
            else "",
            rank,
        ),
        Finding(
            "largest directions",
            f"The first direction has {first:.1%} of the variance, the first ten "
            f"{shares[:10].sum():.1%}.",
            "One direction decides distances: look at what it means (length of a text, brightness "
            "of a picture), and project it out if it is not what you search for."
            if first > 0.25
            else "",
            first,
        ),
    ]


def hubs(rows: NDArray[np.float32]) -> Finding:
    """How often a row is among the ten nearest of others, in a sample."""
    if len(rows) <= HUB_NEIGHBORS + 1:
        return Finding("hubs", "Too few rows to look for hubs.")
    near = nearest_vectors(rows, rows, HUB_NEIGHBORS + 1).ids
    others = near[near != np.arange(len(rows))[:, None]]
    counts = np.bincount(others, minlength=len(rows))
    deviation = counts.std()
    skew = float(((counts - counts.mean()) ** 3).mean() / deviation**3) if deviation else 0.0
    never = float((counts == 0).mean())
    return Finding(
        "hubs",
        f"Among {len(rows):,} rows one is a neighbour of {counts.max():,} others, {never:.1%} of "
        f"none (skewness {skew:.1f}; a normal cloud of few dimensions has below 1).",
        "Hubs come back for every query: centre and normalise the rows, then look again."
        if skew > 3
        else "",
        skew,
    )


def dead(moments: Moments) -> Finding:
    """Dimensions that do not change."""
    variances = np.diag(moments.covariance)
    constant = np.flatnonzero(variances <= 1e-12 * max(float(variances.max()), 1e-300))
    return Finding(
        "dead dimensions",
        f"{len(constant):,} of {len(variances):,} dimensions never change{_first(constant)}.",
        "Drop them: in the untrained sign each costs a bit that says nothing."
        if len(constant)
        else "",
        len(constant),
    )


def repeated(moments: Moments) -> Finding:
    """Dimensions that say the same as an earlier one."""
    deviation = np.sqrt(np.diag(moments.covariance))
    scale = np.outer(deviation, deviation)
    alive = scale > 1e-12 * max(float(scale.max()), 1e-300)
    correlation = np.divide(moments.covariance, scale, out=np.zeros_like(scale), where=alive)
    again = np.flatnonzero((np.abs(np.tril(correlation, -1)) > EQUAL).any(axis=1))
    return Finding(
        "repeated dimensions",
        f"{len(again):,} of {len(deviation):,} dimensions repeat an earlier one{_first(again)}.",
        "Drop them: they count twice in every distance." if len(again) else "",
        len(again),
    )


def _first(dimensions: NDArray[np.int64]) -> str:
    if not len(dimensions):
        return ""
    more = " ..." if len(dimensions) > 5 else ""
    return f" ({', '.join(map(str, dimensions[:5]))}{more})"

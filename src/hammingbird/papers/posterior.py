"""How bits depend on each other: a toy of two bits, and 16 bits in two blocks (Lower Bound)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird import catalog
from hammingbird.codes import Codes, unpack
from hammingbird.evaluation.diagnostics import bit_margins, posterior_divergence
from hammingbird.papers.figures import SEED
from hammingbird.papers.sources import cifar_2_features
from hammingbird.report.axes import Line, line_panel, scatter_panel
from hammingbird.report.canvas import save_panels

CLAIMED = {(1, 1): 0.446, (1, 0): 0.081, (0, 1): 0.079, (0, 0): 0.394}
"""Shares of the four patterns in the paper's Figure 6."""
BITS = 16
PARTS = ("learned from", "held out")
EVERY = 40
"""One in so many points of the toy is drawn."""
PATTERNS = 256
"""Of a block of eight bits."""
FREQUENT = 100


def two_bits(out: Path) -> dict[str, Any]:
    """Figures 5 and 6: logits of a 2-bit CSQ on two drawn classes, joint and marginal shares."""
    train, _, _ = cifar_2_features()
    assert train.y is not None
    drawn = np.sort(np.random.default_rng(SEED).permutation(np.unique(train.y))[:2])
    rows = np.isin(train.y, drawn)
    X, y = train.X[rows], train.y[rows]
    hasher = catalog.make("csq", 2, SEED).fit(X, y)
    logits = hasher.project(X)
    ones = logits >= 0
    shares = ones.mean(axis=0)
    records = [
        {
            "pattern": "".join("+" if bit else "-" for bit in pattern),
            "claimed": claimed,
            "joint": float((ones == pattern).all(axis=1).mean()),
            "product of the bits' shares": float(np.where(pattern, shares, 1 - shares).prod()),
        }
        for pattern, claimed in CLAIMED.items()
    ]
    groups = [
        Line(f"class {c}", [(float(a), float(b)) for a, b in logits[y == c][::EVERY]])
        for c in drawn
    ]
    save_panels(
        out / "lower-bound-fig5.svg",
        [scatter_panel("two bits of CSQ", "logit of bit 1", "logit of bit 2", groups)],
    )
    return {"data": f"{train.name}, classes {drawn.tolist()}", "records": records}


def sixteen_bits(out: Path) -> dict[str, Any]:
    """Figure 10: the distribution of 16-bit codes as its surrogate has it, and from bits alone.

    Kullback-Leibler divergence of the codes' frequencies from both, in nats.
    """
    train, query, _ = cifar_2_features()
    hasher = catalog.make("csq_d", BITS, SEED).fit(train.X, train.y)
    records = []
    for part, X in zip(PARTS, (train.X, query.X), strict=True):
        codes = hasher.encode(X)
        blocks = hasher.log_posterior(X)  # type: ignore[attr-defined]
        records.append(
            {
                "codes": part,
                "blocks": posterior_divergence(codes, BITS, blocks),
                "independent bits": posterior_divergence(codes, BITS, bit_margins(codes, BITS)),
            }
        )
    codes = hasher.encode(query.X)
    series = {
        "codes": _shares(codes),
        "two blocks": _joint(hasher.log_posterior(query.X)),  # type: ignore[attr-defined]
        "independent bits": _joint(_independent_blocks(codes)),
    }
    frequent = np.argsort(-series["codes"], kind="stable")[:FREQUENT]
    start = int(series["codes"].reshape(-1, PATTERNS).sum(axis=1).argmax()) * PATTERNS
    panels = []
    for title, x, places in (
        (f"the {FREQUENT} most frequent patterns", "rank", frequent),
        ("256 patterns that follow each other", "pattern", np.arange(start, start + PATTERNS)),
    ):
        lines = [
            Line(name, list(enumerate(shares[places].tolist(), 1)))
            for name, shares in series.items()
        ]
        panels.append(line_panel(title, x, "share of the codes", lines))
    save_panels(out / "lower-bound-fig10.svg", panels)
    return {
        "data": train.name,
        "bits": BITS,
        "claimed": {"blocks": 0.1084, "independent bits": 0.4965},
        "records": records,
    }


def _joint(blocks: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Probability of every pattern, the mean over rows of the product of two blocks, [2^16].

    A pattern's number is 256 times that of its first block, plus that of its second.
    """
    first, second = (np.exp(np.asarray(block, np.float64)) for block in blocks)
    return np.asarray((first.T @ second / len(first)).ravel())


def _shares(codes: Codes) -> NDArray[np.float64]:
    """Share of the codes that has every pattern, numbered as in :func:`_joint`."""
    bits = (unpack(codes, BITS) > 0).reshape(-1, 2, 8)
    first, second = (bits @ (1 << np.arange(8))).T
    return np.bincount(PATTERNS * first + second, minlength=1 << BITS) / len(codes)


def _independent_blocks(codes: Codes) -> list[NDArray[np.float64]]:
    """Logarithms of every block's patterns if its bits did not depend on each other, [1, 256]."""
    ones = np.arange(PATTERNS)[:, None] >> np.arange(8) & 1
    margins = np.concatenate(bit_margins(codes, BITS)).reshape(2, 8, 2)
    return [np.where(ones, m[:, 1], m[:, 0]).sum(axis=1)[None] for m in margins]

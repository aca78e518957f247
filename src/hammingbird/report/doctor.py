"""The doctor's page: one HTML file, and the sentences that the terminal says too."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hammingbird.doctor.quality import ASYMMETRIC, BOTH, HAMMING, RERANKS, REREAD, USES
from hammingbird.report.canvas import PAGE, Panel, Style, numbered_style
from hammingbird.report.template import render
from hammingbird.storage import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hammingbird.doctor import Diagnosis
    from hammingbird.doctor.drift import Drift
    from hammingbird.doctor.estimates import Estimate
    from hammingbird.doctor.growth import Growth

DRAWN = (HAMMING, ASYMMETRIC, *(use for use, depth in RERANKS.items() if depth == 100), BOTH)
"""Uses that are drawn over bytes."""
KEY: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": PAGE.text}


def write_checkup(path: str | os.PathLike[str], found: Diagnosis) -> Path:
    """Write what the doctor found as one page and return its path. Needs the ``report`` extra."""
    text = render(
        "doctor.html",
        found=found,
        title=Path(found.name).name,
        headline=headline(found),
        uses=USES,
        targets=list(dict.fromkeys(answer.target for answer in found.answers)),
        beside=beside(found),
        best={use: best_words(found, use) for use in USES},
        amount=amount,
        panels=_panels(found),
        drift=drift_words(found),
        drift_panels=[] if found.drift is None else _drift_panels(found.drift),
    )
    path = Path(path)
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text(text, "utf-8")
    return path


def headline(found: Diagnosis) -> str:
    """Say which code to take and what it keeps, then what others keep in the same two uses."""
    advice = found.advice
    first = (
        f"{advice.method} at {advice.bits} bits, {advice.bytes:,} bytes instead of "
        f"{found.row_bytes:,} a row, keeps {_percent(advice.kept)} {found.what}, if the first "
        f"{REREAD[advice.use]} "
        f"{'by asymmetric search ' if advice.use == BOTH else ''}are ordered again by their vectors"
    )
    if advice.target is None:
        first = f"No code that was tried keeps 90 %. The best: {first}"
    chosen, *others = beside(found)
    same = [
        other
        for i, other in enumerate(others)
        if other[1] == advice.bytes or (found.untrained and i == 0)
    ]
    words = [first]
    if same:
        words.append(f"So re-ranked, {_each(same, advice.use, advice.use)}")
    alone = f"it keeps {chosen[2][ASYMMETRIC].value:.0%} by asymmetric search and "
    alone += f"{chosen[2][HAMMING].value:.0%} by Hamming distance alone"
    rest = f"; {_each(same, HAMMING, ASYMMETRIC)}" if same else ""
    words.append(f"Without the vectors {alone}{rest}")
    return f"{'. '.join(words)}."


def _each(rows: list[tuple[str, int, dict[str, Estimate]]], use: str, otherwise: str) -> str:
    """What each keeps in a use, or in another where it does not have this one."""
    return ", ".join(
        f"{name.split(',')[0]} ({size:,} bytes) {kept.get(use, kept[otherwise]).value:.1%}"
        for name, size, kept in rows
    )


def beside(found: Diagnosis) -> list[tuple[str, int, dict[str, Estimate]]]:
    """The recommended code, the untrained sign and the rivals: name, bytes, what each keeps."""
    advice = found.advice
    rows = [
        (f"{code.method}, {code.bits} bits", code.bytes, code.kept)
        for code in found.codes
        if (code.method, code.bits) == (advice.method, advice.bits)
    ]
    if found.untrained:
        sign = found.untrained
        rows.append((f"untrained sign, {sign.bits} bits", sign.bytes, sign.kept))
    return rows + [(f"{r.name}, look-up tables", r.bytes, r.kept) for r in found.rivals]


def amount(n_bytes: float) -> str:
    """Bytes in the largest decimal unit that leaves a whole one."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"


def best_words(found: Diagnosis, use: str) -> str:
    """What the best code keeps in a use that reaches no target."""
    best = max(found.codes, key=lambda code: code.kept[use].value)
    return f"none: {best.kept[use].value:.3f} at {best.bits:,} bits"


def drift_words(found: Diagnosis) -> list[str]:
    """What new vectors are like, one sentence a line."""
    drift = found.drift
    if drift is None:
        return []
    verdict = (
        "The distribution has moved: fit again on a sample that holds new rows"
        if drift.moved
        else "Nothing shows that the distribution has moved"
    )
    return [
        f"{verdict} (p = {drift.p_value:.3f} of a permutation test on {drift.rows:,} new rows; "
        f"{drift.farthest}).",
        f"Codes lose {drift.new_error:.1%} of the squared distance from the mean, "
        f"{drift.old_error:.1%} before.",
        *(
            f"{recall.use}: {recall.new} of the ten nearest of new queries, {recall.old} before; "
            f"estimated without ground truth {recall.estimated:.3f}."
            for recall in drift.recalls
        ),
    ]


def _percent(kept: Estimate) -> str:
    return f"{kept.value:.1%} [{kept.low:.1%}, {kept.high:.1%}]"


def _panels(found: Diagnosis) -> list[Panel]:
    kept = f"share {found.what}"
    return [
        Panel(
            f"What codes keep {found.what}",
            f"{kept} by the best code that was tried, over its bytes a row at most",
            partial(_plot_bytes, found=found),
            "bytes",
            (430, 320),
            (40, 42, 12, 32),
        ),
        Panel(
            "As rows grow: measured, then extrapolated",
            f"{kept} over rows, for {found.advice.method} at {found.advice.bits} bits",
            partial(_plot_growth, growths=found.growth),
            "growth",
            (430, 320),
            (40, 42, 12, 32),
        ),
    ]


def _style(use: str) -> Style:
    number = {HAMMING: 0, ASYMMETRIC: 1, BOTH: 3}.get(use, 4)
    return numbered_style(PAGE, number)


def _plot_bytes(axes: Axes, found: Diagnosis) -> None:
    for use in DRAWN:
        style = _style(use)
        best: dict[int, Estimate] = {}
        for code in found.codes:
            so_far = [*best.values(), code.kept[use]]
            best[code.bytes] = max(so_far, key=lambda estimate: estimate.value)
        sizes, kept = list(best), list(best.values())
        axes.plot(sizes, [e.value for e in kept], **style.line(markersize=4, label=use))
        low, high = [e.low for e in kept], [e.high for e in kept]
        axes.vlines(sizes, low, high, color=style.color, alpha=0.5)
    for name, marker in (("PQ", "x"), ("OPQ", "+")):
        points = [(r.bytes, r.kept[ASYMMETRIC].value) for r in found.rivals if r.name == name]
        style = Style(PAGE.text, marker, (0, (1, 1.4)))
        if points:
            label = f"{name}, look-up tables"
            axes.plot(*zip(*points, strict=True), **style.line(linewidth=1.2, label=label))
    if found.untrained:
        sign = found.untrained
        star = Style(PAGE.neutral, "*", "none", 10)
        label = "untrained sign, Hamming"
        axes.plot([sign.bytes], [sign.kept[HAMMING].value], **star.line(label=label))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda n, _: f"{n:,.0f}")
    axes.set_xlabel("bytes a row, at most")
    axes.set_ylim(0, 1.04)
    axes.legend(loc="best", **KEY)


def _plot_growth(axes: Axes, growths: list[Growth]) -> None:
    for growth in growths:
        style = _style(growth.use)
        kept = [e.value for e in growth.measured]
        axes.plot(growth.sizes, kept, **style.line(label=growth.use))
        later = [growth.measured[-1], *growth.extrapolated]
        sizes = [growth.sizes[-1], *growth.later_sizes]
        axes.plot(sizes, [e.value for e in later], **style.line(linestyle=(0, (3, 2)), marker=""))
        low, high = [e.low for e in later], [e.high for e in later]
        axes.fill_between(sizes, low, high, color=style.color, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda n, _: _short(n))
    axes.minorticks_off()
    axes.set_xlabel("rows")
    axes.set_ylim(0, 1.04)
    # Above the lines, which leave no room between them.
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(growths), **KEY)


def _short(n: float) -> str:
    """A round number of rows."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if n >= size:
            return f"{n / size:,.0f}{unit}"
    return f"{n:,.0f}"


def _drift_panels(drift: Drift) -> list[Panel]:
    return [
        Panel(
            "Scores, in standard deviations of the old ones",
            "histograms of the scores of old and new rows",
            partial(_plot_scores, drift=drift),
            "drift-scores",
        ),
        Panel(
            "Share of ones of every bit",
            "rates of bits of new rows over those of old rows",
            partial(_plot_rates, drift=drift),
            "drift-rates",
        ),
    ]


def _plot_scores(axes: Axes, drift: Drift) -> None:
    axes.stairs(drift.old_scores, drift.score_edges, color=PAGE.relevant, linewidth=1.6)
    axes.stairs(
        drift.new_scores,
        drift.score_edges,
        color=PAGE.other,
        linewidth=1.6,
        linestyle=(0, (3, 1.2)),
    )
    axes.set_yticks([])


def _plot_rates(axes: Axes, drift: Drift) -> None:
    axes.plot([0, 1], [0, 1], color=PAGE.neutral, linewidth=1)
    axes.plot(drift.old_rates, drift.new_rates, "o", color=PAGE.other, markersize=4, alpha=0.8)
    axes.set(xlabel="old rows", ylabel="new rows", xlim=(0, 1), ylim=(0, 1))

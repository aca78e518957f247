"""The report of a comparison: one HTML file that needs neither a server nor a network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hammingbird.comparison.examples import Examples, read_examples
from hammingbird.comparison.results import read_results
from hammingbird.report.answer import answer, chart
from hammingbird.report.content import Content
from hammingbird.report.figures import figures, legend
from hammingbird.report.leaderboard import leaderboard
from hammingbird.report.overview import save_overview
from hammingbird.report.pictures import gallery
from hammingbird.report.template import render
from hammingbird.report.words import facts, notes, tie_warnings
from hammingbird.storage import replacing


def write_report(run: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` and ``overview.svg`` of what ``compare`` stored in a folder.

    Returns the path of the page. Needs the ``report`` extra.
    """
    run = Path(run)
    results, curves = read_results(run)
    page = write_page(run, results, curves, read_examples(run))
    save_overview(run / "overview.svg", results, curves)
    return page


def write_page(
    out: Path,
    results: Mapping[str, Any],
    curves: Sequence[Mapping[str, Any]],
    examples: Examples | None = None,
) -> Path:
    """Write ``report.html`` into ``out`` and return its path; the same input gives the same bytes.

    ``results`` is the content of ``results.json``, ``curves`` one entry per record. What was not
    measured is left out. Needs the ``report`` extra.
    """
    pictures = gallery(examples) if examples is not None and len(examples.queries) else None
    content = Content(results, curves)
    first = chart(content)
    data = results.get("data", {})
    text = render(
        "page.html",
        title=data.get("name") or "comparison of methods",
        answer=answer(content),
        chart=first,
        chart_legend=legend(content, first.shown, "answer-key") if first else [],
        notes=notes(results),
        warnings=tie_warnings(content.rows),
        facts=facts(data) + facts(results.get("protocol", {})),
        skipped=results.get("skipped", []),
        leaderboard=leaderboard(content),
        legend=legend(content),
        figures=figures(content),
        gallery=pictures,
    )
    path = Path(out) / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path

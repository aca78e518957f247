"""The command that examines a file of vectors: doctor."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hammingbird.cli.terminal import Seed, app, console, plain, table
from hammingbird.errors import MissingExtraError

if TYPE_CHECKING:
    from hammingbird.doctor import Diagnosis
    from hammingbird.doctor.findings import Finding


@app.command()
def doctor(
    vectors: Annotated[Path, typer.Argument(help="Vectors to examine, a file of any size.")],
    queries: Annotated[int, typer.Option(help="Rows to hold out and search for.", min=1)] = 1000,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Labels of the rows: those of one label are right, instead of the ten nearest."
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="New vectors: are they like the others?")
    ] = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("doctor.html"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, write no page.")] = False,
) -> None:
    """Say how short codes of a file of vectors may be, what they cost, and what ails the vectors.

    Holds out queries by itself. A large file is sampled.
    """
    from hammingbird.datasets import load, read_labels
    from hammingbird.doctor import examine

    start = time.monotonic()
    progress = Console(stderr=True)

    def say(what: str) -> None:
        progress.print(f"{time.monotonic() - start:4.0f} s  {plain(what)}", style="dim")

    found = examine(
        load(vectors).X,
        labels=None if labels is None else read_labels(labels),
        against=None if against is None else load(against).X,
        name=str(vectors),
        against_name=str(against),
        n_queries=queries,
        random_state=seed,
        say=say,
    )
    if as_json:
        print(json.dumps(found.as_dict(), indent=1))  # noqa: T201
        return
    _show(found)
    try:
        from hammingbird.report.doctor import write_checkup

        console.print(f"written to {plain(write_checkup(out, found))}", soft_wrap=True)
    except MissingExtraError:
        console.print("for the page: pip install 'hammingbird[report]'", markup=False)


def _show(found: Diagnosis) -> None:
    from hammingbird.report.doctor import headline

    console.print(plain(headline(found)), style="bold")
    console.print()
    _show_answers(found)
    _show_costs(found)
    _show_beside(found)
    _show_growth(found)
    for title, findings in (
        ("vectors", found.vectors),
        (f"bits of {found.advice.method}", found.bits),
        ("bits of the untrained sign", found.untrained_bits),
    ):
        _show_findings(title, findings)
    if found.drift:
        _show_drift(found)
    for note in found.notes:
        console.print(plain(note), style="dim")
    console.print("next:")
    for command in found.advice.commands:
        console.print(f"  {plain(command)}", soft_wrap=True)


def _show_answers(found: Diagnosis) -> None:
    from hammingbird.report.doctor import best_words

    targets = list(dict.fromkeys(answer.target for answer in found.answers))
    shown = table("shortest code that keeps", *(f"{target:.0%}" for target in targets))
    for use in dict.fromkeys(answer.use for answer in found.answers):
        cells = []
        for answer in found.answers:
            if answer.use != use:
                continue
            if answer.kept is None:
                cells.append(f"[dim]{best_words(found, use)}[/]")
            else:
                cells.append(
                    f"{answer.bits} bits, {plain(answer.method)}\n[dim]{answer.kept}\n"
                    f"{answer.queries_a_second:,.0f} queries/s[/]"
                )
        shown.add_row(use, *cells)
    console.print(shown)
    console.print(
        f"share {found.what}, mean [95 % interval] over {found.queries:,} queries among "
        f"{found.searched:,} rows; queries a second here ({found.machine})\n",
        style="dim",
    )


def _show_costs(found: Diagnosis) -> None:
    from hammingbird.report.doctor import amount

    shown = table("code", "bytes a row", "this file", "100 M rows", "fit s", "rows/s encoded")
    for cost in found.costs:
        shown.add_row(
            f"{cost.bits} bits, {plain(cost.method)}",
            f"{cost.bytes:,}",
            amount(cost.bytes * found.rows),
            amount(cost.bytes * 1e8),
            f"{cost.fit_seconds:.1f} ({cost.fit_rows:,} rows)",
            f"{cost.encoded_rows_a_second:,.0f}",
        )
    shown.add_row(
        plain(found.dtype),
        f"{found.row_bytes:,}",
        amount(found.row_bytes * found.rows),
        amount(found.row_bytes * 1e8),
        style="dim",
    )
    console.print(shown)
    console.print()


def _show_beside(found: Diagnosis) -> None:
    from hammingbird.doctor.quality import USES
    from hammingbird.report.doctor import beside

    short = (use.removeprefix("re-rank ").replace("asymmetric", "asym.") for use in USES)
    shown = table("what is kept", "bytes", *short)
    for name, size, kept in beside(found):
        cells = (f"{kept[use].value:.3f}" if use in kept else "" for use in USES)
        shown.add_row(plain(name), f"{size:,}", *cells)
    console.print(shown)
    console.print()


def _show_growth(found: Diagnosis) -> None:
    first = found.growth[0]
    shown = table(
        "as rows grow",
        *(f"{size:,}" for size in first.sizes),
        *(f"{size:,} (extrapolated)" for size in first.later_sizes),
    )
    for growth in found.growth:
        shown.add_row(
            growth.use,
            *(f"{e.value:.3f}" for e in growth.measured),
            *(f"{e}" for e in growth.extrapolated),
        )
    console.print(shown)
    console.print()


def _show_findings(title: str, findings: list[Finding]) -> None:
    if not findings:
        return
    shown = table(title, "")
    for finding in findings:
        shown.add_row(
            finding.name,
            plain(f"{finding.seen} {finding.advice}".strip()),
            style="yellow" if finding.advice else None,
        )
    console.print(shown)
    console.print()


def _show_drift(found: Diagnosis) -> None:
    from hammingbird.report.doctor import drift_words

    for line in drift_words(found):
        console.print(plain(line))
    console.print()

"""Commands that compare methods: demo, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hammingbird.cli.terminal import (
    ImageSize,
    Labels,
    Out,
    Setting,
    Train,
    app,
    console,
    figure,
    names,
    numbers,
    plain,
    settings,
    table,
)
from hammingbird.errors import MissingExtraError

METHODS = "distilled,itq,rotated-pca,pca,sh,lsh"


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("hammingbird-demo"),
) -> None:
    """Compare the unsupervised methods on a small set of digits and write a report."""
    from hammingbird.comparison.run import compare as run
    from hammingbird.datasets.bundled import digits

    train, query = digits()
    results = run(
        train,
        query,
        methods=names(METHODS),
        bits=[8, 16, 32, 64],
        seeds=[0, 1, 2],
        relevance="labels",
        out=out,
    )
    _show_results(results, out)


@app.command()
def compare(
    train: Train,
    out: Out,
    query: Annotated[
        Path | None, typer.Option(help="Vectors to search with.", show_default=False)
    ] = None,
    database: Annotated[
        Path | None, typer.Option(help="Vectors to search in; the training ones if left out.")
    ] = None,
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = METHODS,
    bits: Annotated[str, typer.Option(help="Numbers, separated by commas.")] = "16,32,64",
    seeds: Annotated[str, typer.Option(help="Numbers, separated by commas.")] = "0",
    relevance: Annotated[
        str, typer.Option(help="labels, neighbors:K, inner:K or percentile:P.")
    ] = "neighbors:10",
    metrics: Annotated[str, typer.Option(help="Further metrics, separated by commas.")] = "",
    setting: Setting = None,
    query_limit: Annotated[
        int | None, typer.Option(help="Use only the first so many queries.", show_default=False)
    ] = None,
    holdout: Annotated[
        int | None,
        typer.Option(
            help="Take so many queries out of the training file instead.",
            show_default=False,
            min=1,
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            help="Learn from so many training rows only; all are still searched.",
            show_default=False,
            min=1,
        ),
    ] = None,
    rivals: Annotated[
        str,
        typer.Option(help="Other codes beside: pq, opq, rq, rabitq, truncate, int8, float16."),
    ] = "",
    draw_seed: Annotated[int, typer.Option(help="Seed of --holdout and --sample.", min=0)] = 0,
    image_size: ImageSize = None,
    labels: Labels = None,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Even if most queries are rows of the database.")
    ] = False,
) -> None:
    """Compare methods, bits and seeds: writes results.json, results.csv and report.html.

    Cells that are there already, of the same parameters, are kept: a stopped run goes on.
    """
    from hammingbird.comparison.run import compare as run
    from hammingbird.datasets import load

    how: dict[str, Any] = {"image_size": image_size, "labels": labels}
    results = run(
        load(train, **how),
        None if query is None else load(query, part="query", **how),
        None if database is None else load(database, **how),
        methods=names(methods),
        bits=numbers(bits, "bits"),
        seeds=numbers(seeds, "seeds"),
        relevance=relevance,
        metrics=names(metrics),
        parameters=settings(setting),
        query_limit=query_limit,
        allow_overlap=allow_overlap,
        holdout=holdout,
        sample=sample,
        draw_seed=draw_seed,
        rivals=names(rivals),
        out=out,
    )
    _show_results(results, out)


def _show_results(results: dict[str, Any], out: Path) -> None:
    from hammingbird.comparison.results import average
    from hammingbird.report.answer import answer
    from hammingbird.report.content import Content
    from hammingbird.report.words import notes

    columns = {
        "map": "MAP",
        "map@1000": "@1000",
        "recall10@10": "R10@10",
        "recall10@100": "R10@100",
        "precision@h2": "P@H<=2",
    }
    shown = table("method", "bits", "bytes", *columns.values(), "asym. MAP", "fit s")
    rows = average(results)
    for row in rows:
        shown.add_row(
            row.method,
            str(row.bits or ""),
            f"{row.bytes_per_item:,}",
            *(figure(row.mean(name)) for name in columns),
            figure(row.asymmetric["map"].mean if "map" in row.asymmetric else None),
            f"{row.seconds['fit'].mean:.2f}",
            style="dim" if row.role == "floor" else None,
        )
    console.print(shown)
    for row in rows:
        if row.center_distance is not None:
            console.print(
                f"{row.name}: class centres are at least {row.center_distance} bits apart"
            )
    for note in notes(results):
        console.print(plain(note))
    for line in results.get("skipped", []):
        console.print(f"skipped {plain(line['method'])} {line['bits']}: {plain(line['why'])}")
    console.print(plain(answer(Content(results, []))), soft_wrap=True)
    written = ["results.json", "results.csv", *_write_report(out)]
    console.print(f"written to {plain(out)}: {', '.join(written)}", soft_wrap=True)
    if len(written) == 2:
        console.print("for report.html: pip install 'hammingbird[report]'", markup=False)


def _write_report(out: Path) -> list[str]:
    """Write the report where its extra is installed."""
    from hammingbird.report.page import write_report

    try:
        return [write_report(out).name]
    except MissingExtraError:
        return []

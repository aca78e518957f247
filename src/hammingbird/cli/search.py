"""Commands that search codes and measure them: search, evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hammingbird.cli.terminal import Bits, Out, Overwrite, app, console, names, table
from hammingbird.errors import InputError


@app.command()
def search(
    codes: Annotated[Path, typer.Argument(help="Codes to search in.")],
    queries: Annotated[Path, typer.Argument(help="Codes to search with.")],
    out: Out,
    k: Annotated[int, typer.Option("-k", help="Neighbours per query.")] = 10,
    bits: Bits = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the k nearest codes of every query by Hamming distance; writes ids and distances."""
    import numpy as np

    from hammingbird import kernels
    from hammingbird.storage import replacing

    database, asked, _ = _read_pair(codes, queries, bits)
    rows, distances = kernels.nearest(asked, database, k, progress=True)
    if out.suffix != ".npz":
        raise InputError(f"hits are written as .npz, got {out.name}: name the file {out.name}.npz")
    with replacing(out, overwrite) as temporary:
        np.savez(temporary, ids=rows, distances=distances)
    console.print(
        f"{len(asked):,} queries, the {k} nearest of {len(database):,} codes, "
        f"distances {distances.min()} to {distances.max()}: {out}"
    )


@app.command()
def evaluate(
    queries: Annotated[Path, typer.Argument(help="Codes of the queries.")],
    codes: Annotated[Path, typer.Argument(help="Codes of the database.")],
    query_labels: Annotated[
        Path | None, typer.Option(help="Labels (.npy), or a data file with labels.")
    ] = None,
    database_labels: Annotated[
        Path | None, typer.Option(help="Labels (.npy), or a data file with labels.")
    ] = None,
    neighbors: Annotated[
        Path | None, typer.Option(help="True neighbours of the queries (.npy or .ivecs).")
    ] = None,
    metrics: Annotated[str, typer.Option(help="Names, separated by commas.")] = "",
    bits: Bits = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure codes against labels or true neighbours."""
    from hammingbird.evaluation.evaluate import DEFAULT_METRICS
    from hammingbird.evaluation.evaluate import evaluate as run

    database, asked, n_bits = _read_pair(codes, queries, bits)
    values = run(
        asked,
        database,
        query_labels=_read_answers(query_labels),
        database_labels=_read_answers(database_labels),
        neighbors=_read_answers(neighbors),
        n_bits=n_bits,
        metrics=names(metrics) or DEFAULT_METRICS,
    )
    if as_json:
        print(json.dumps(values, indent=1))  # noqa: T201
        return
    shown = table("metric", "value")
    for name, value in values.items():
        shown.add_row(name, f"{value:.4f}")
    console.print(shown)


def _read_pair(codes: Path, queries: Path, bits: int | None) -> tuple[Any, Any, int]:
    from hammingbird.storage import read_codes

    database, n_bits, made = read_codes(codes, bits)
    asked, asked_bits, asked_made = read_codes(queries, bits)
    if n_bits != asked_bits:
        raise InputError(
            f"{codes} has {n_bits} bits and {queries} has {asked_bits}: encode both with one model"
        )
    ours, theirs = (m.get("made_by", {}).get("fingerprint") for m in (made, asked_made))
    if ours and theirs and ours != theirs:
        raise InputError(
            f"{codes} and {queries} were made by different models, and their distances mean "
            "nothing: encode both with one model"
        )
    return database, asked, n_bits


def _read_answers(path: Path | None) -> Any:
    """Labels or neighbour ids: a plain .npy array, or what a data file holds of them."""
    import numpy as np

    from hammingbird.datasets import load
    from hammingbird.errors import FileError

    if path is None:
        return None
    if path.suffix == ".npy":
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise FileError(f"{path} cannot be read: {error}") from error
    data = load(path, part="query")
    if path.suffix == ".ivecs":
        return np.asarray(data.X)
    answers = data.y if data.y is not None else data.neighbors
    if answers is None:
        raise FileError(f"{path} has neither labels nor neighbours")
    return answers

"""Commands that search codes and measure them: search, evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import typer

from hammingbird.cli.terminal import Bits, Out, Overwrite, app, console, names, plain, table
from hammingbird.errors import InputError


@app.command()
def search(
    queries: Annotated[Path, typer.Argument(help="Codes to search with; vectors with --model.")],
    codes: Annotated[Path, typer.Argument(help="Codes to search in.")],
    out: Out,
    k: Annotated[int, typer.Option("-k", help="Neighbours per query.")] = 10,
    model: Annotated[
        Path | None, typer.Option(help="The model of the codes: queries are vectors.")
    ] = None,
    asymmetric: Annotated[
        bool, typer.Option("--asymmetric", help="Rank by the queries' real scores (--model).")
    ] = False,
    rerank: Annotated[
        Path | None,
        typer.Option(help="The database's vectors, to order the candidates by (--model)."),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(help="Codes to re-rank; 10 k if left out.", show_default=False)
    ] = None,
    measure: Annotated[str, typer.Option(help="Of re-ranking: l2, inner or cosine.")] = "l2",
    bits: Bits = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the k nearest codes of every query; writes their rows (ids) and distances or scores.

    By Hamming distance, by the queries' real scores (larger is nearer), or in two stages: the
    candidates that codes give are ordered by the distance of the vectors.
    """
    import numpy as np

    from hammingbird import kernels
    from hammingbird.index import rerank as order
    from hammingbird.storage import replacing
    from hammingbird.targets import Measure

    if out.suffix != ".npz":
        raise InputError(f"hits are written as .npz, got {out.name}: name the file {out.name}.npz")
    if model is None and (asymmetric or rerank):
        raise InputError("--asymmetric and --rerank need the queries' vectors: give --model too")
    if rerank is None and candidates is not None:
        raise InputError("--candidates are what --rerank orders: give --rerank VECTORS too")
    database, asked, vectors = _read_search(queries, codes, model, bits, asymmetric)
    depth = k if rerank is None else min(candidates or 10 * k, len(database.codes))
    if asymmetric:
        ids, scores = kernels.best(asked, database.codes, database.n_bits, depth, progress=True)
        hits: dict[str, Any] = {"ids": ids, "scores": scores}
    else:
        ids, distances = kernels.nearest(asked, database.codes, depth, progress=True)
        hits = {"ids": ids, "distances": distances}
    if rerank is not None:
        found = order(
            vectors,
            hits["ids"],
            _read_vectors(rerank, len(database.codes)),
            k,
            cast(Measure, measure),
        )
        hits = {"ids": found.ids, "distances": found.distances}
    with replacing(out, overwrite) as temporary:
        np.savez(temporary, **hits)
    console.print(
        f"{len(hits['ids']):,} queries, the {hits['ids'].shape[1]} nearest of each among "
        f"{len(database.codes):,}: {plain(out)}"
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
        Path | None, typer.Option(help="True neighbours: hits of a search, .npy, .ivecs, HDF5.")
    ] = None,
    metrics: Annotated[str, typer.Option(help="Names, separated by commas.")] = "",
    legacy: Annotated[
        str, typer.Option(help="MAP as a repository prints it: hashnet, mihash, dpsh, ...")
    ] = "",
    bits: Bits = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure codes against labels or true neighbours."""
    from hammingbird.datasets import read_labels, read_neighbors
    from hammingbird.evaluation.evaluate import DEFAULT_METRICS
    from hammingbird.evaluation.evaluate import evaluate as run

    database, asked = _read_pair(queries, codes, bits)
    values = run(
        asked,
        database.codes,
        query_labels=None if query_labels is None else read_labels(query_labels),
        database_labels=None if database_labels is None else read_labels(database_labels),
        neighbors=None if neighbors is None else read_neighbors(neighbors),
        n_bits=database.n_bits,
        metrics=names(metrics) or (["map"] if legacy else DEFAULT_METRICS),
        legacy=legacy or None,
    )
    if as_json:
        print(json.dumps(values, indent=1))  # noqa: T201
        return
    shown = table("metric", "value")
    for name, value in values.items():
        shown.add_row(name, f"{value:.4f}")
    console.print(shown)


class Database(NamedTuple):
    """Codes of a file, and what it says of them."""

    codes: Any
    n_bits: int
    made_by: dict[str, Any]


def _read_codes(path: Path, bits: int | None) -> Database:
    from hammingbird.storage import read_codes

    codes, n_bits, manifest = read_codes(path, bits)
    return Database(codes, n_bits, manifest.get("made_by") or {})


def _read_pair(queries: Path, codes: Path, bits: int | None) -> tuple[Database, Any]:
    """Read codes to search in and codes to search with; they must come from one model."""
    database, asked = _read_codes(codes, bits), _read_codes(queries, bits)
    if database.n_bits != asked.n_bits:
        raise InputError(
            f"{codes} has {database.n_bits} bits and {queries} has {asked.n_bits}: "
            "encode both with one model"
        )
    _check_model(database.made_by, asked.made_by, f"{codes} and {queries}")
    return database, asked.codes


def _read_search(
    queries: Path, codes: Path, model: Path | None, bits: int | None, scores: bool
) -> tuple[Database, Any, Any]:
    """Codes to search in; codes, or a model's codes or scores of vectors; those vectors, if any."""
    from hammingbird import catalog
    from hammingbird.datasets import load

    if model is None:
        return *_read_pair(queries, codes, bits), None
    hasher = catalog.load(model, encode_only=True)
    vectors = load(queries, part="query").X
    database = _read_codes(codes, bits or hasher.n_bits_)
    _check_model(database.made_by, catalog.stamp(model), f"{codes} and the queries")
    if database.n_bits != hasher.n_bits_:
        raise InputError(
            f"{codes} has {database.n_bits} bits, {model} gives {hasher.n_bits_}: "
            "give the model that made the codes"
        )
    asked = hasher.project(vectors) if scores else hasher.encode(vectors)
    return database, asked, vectors


def _check_model(ours: dict[str, Any], theirs: dict[str, Any], what: str) -> None:
    made = {side.get("fingerprint") for side in (ours, theirs)} - {None}
    if len(made) > 1:
        raise InputError(
            f"{what} were made by different models, and their distances mean nothing: "
            "encode both with one model"
        )


def _read_vectors(path: Path, rows: int) -> Any:
    from hammingbird.datasets import load

    X = load(path).X
    if len(X) != rows:
        raise InputError(
            f"{path} has {len(X)} rows, the codes {rows}: give the vectors they encode"
        )
    return X

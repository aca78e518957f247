"""Commands that search codes and measure them: search, evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from hammingbird.cli.stores import VARIABLE, refuse_shown_secrets
from hammingbird.cli.terminal import Bits, Out, Overwrite, app, console, names, plain, table
from hammingbird.errors import InputError

if TYPE_CHECKING:
    from hammingbird.stores import Store
    from hammingbird.targets import Measure


@app.command()
def search(
    queries: Annotated[Path, typer.Argument(help="Codes to search with; vectors with --model.")],
    codes: Annotated[
        str,
        typer.Argument(
            envvar=VARIABLE, help="Codes to search in: a file, or the address of a store."
        ),
    ],
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
        int | None,
        typer.Option(
            help="Codes to re-rank, also by --asymmetric in a store; 10 k if left out.",
            show_default=False,
        ),
    ] = None,
    measure: Annotated[str, typer.Option(help="Of re-ranking: l2, inner or cosine.")] = "l2",
    bits: Bits = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the k nearest codes of every query; writes their rows (ids) and distances or scores.

    By Hamming distance, by the queries' real scores (larger is nearer), or in two stages: the
    candidates that codes give are ordered by the distance of the vectors. In a store the candidates
    are found there and ordered here, and ids are the store's own. Where the codes have names, as
    those of a folder of images, so have the hits.
    """
    import numpy as np

    from hammingbird.storage import replacing
    from hammingbird.stores import is_address

    if out.suffix != ".npz":
        raise InputError(f"hits are written as .npz, got {out.name}: name the file {out.name}.npz")
    if model is None and (asymmetric or rerank):
        raise InputError("--asymmetric and --rerank need the queries' vectors: give --model too")
    store = is_address(codes)
    if candidates is not None and rerank is None and not (store and asymmetric):
        raise InputError("--candidates are what --rerank orders: give --rerank VECTORS too")
    how = Stages(k, model, asymmetric, rerank, candidates or 10 * k, cast("Measure", measure))
    hits, size = (_in_store if store else _in_file)(queries, codes, how, bits)
    with replacing(out, overwrite) as temporary:
        np.savez(temporary, **hits)
    console.print(
        f"{len(hits['ids']):,} queries, the {hits['ids'].shape[1]} nearest of each among "
        f"{size:,}: {plain(out)}"
    )


class Stages(NamedTuple):
    """How the nearest codes are found, and by what they are ordered."""

    k: int
    model: Path | None
    asymmetric: bool
    rerank: Path | None
    candidates: int
    measure: Measure


def _in_file(queries: Path, path: str, how: Stages, bits: int | None) -> tuple[dict[str, Any], int]:
    """Search the codes of a file; return what was found, and in how many."""
    import numpy as np

    from hammingbird import kernels
    from hammingbird.index import rerank

    k = how.k
    database, asked, vectors = _read_search(queries, Path(path), how.model, bits, how.asymmetric)
    size = len(database.codes)
    depth = k if how.rerank is None else min(how.candidates, size)
    if how.asymmetric:
        ids, scores = kernels.best(asked, database.codes, database.n_bits, depth, progress=True)
        hits: dict[str, Any] = {"ids": ids, "scores": scores}
    else:
        ids, distances = kernels.nearest(asked, database.codes, depth, progress=True)
        hits = {"ids": ids, "distances": distances}
    if how.rerank is not None:
        known = _read_vectors(how.rerank, size)
        hits = rerank(vectors, hits["ids"], known, k, how.measure)._asdict()
    if database.names is not None:
        names = np.array([*database.names, ""])  # row -1, where nothing is left
        hits["names"] = names[hits["ids"]]
    return hits, size


def _in_store(
    queries: Path, address: str, how: Stages, bits: int | None
) -> tuple[dict[str, Any], int]:
    """Search a store, and order here what it finds; return what was found, and in how many."""
    import numpy as np

    from hammingbird import catalog, stores
    from hammingbird.datasets import load

    refuse_shown_secrets(address)
    if how.model is None:
        asked = _read_codes(queries, bits)
        with stores.open_store(address, made_by=asked.made_by) as store:
            _check_bits(store, queries, asked.n_bits)
            return store.search(asked.codes, how.k)._asdict(), store.count()
    if how.asymmetric and how.rerank:
        raise InputError("a store's candidates are ordered once: --asymmetric or --rerank")
    hasher = catalog.load(how.model, encode_only=True)
    vectors = load(queries, part="query", frame=hasher.frame).X
    known = None if how.rerank is None else load(how.rerank).X
    with stores.open_store(address, made_by=catalog.stamp(how.model)) as store:
        _check_bits(store, how.model, hasher.n_bits_)
        if not (how.asymmetric or how.rerank):
            return store.search(hasher.encode(vectors), how.k)._asdict(), store.count()
        found = stores.two_stages(
            store,
            hasher,
            vectors,
            how.k,
            shortlist=how.candidates,
            vectors=known,
            measure=how.measure,
        )
        if how.asymmetric:
            return {"ids": found.ids, "scores": np.negative(found.distances)}, store.count()
        return found._asdict(), store.count()


def _check_bits(store: Store, path: Path, n_bits: int) -> None:
    if store.n_bits != n_bits:
        raise InputError(
            f"{store.address} holds codes of {store.n_bits} bits, {path} has {n_bits}: "
            "give the model that made the codes"
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
    names: list[str] | None


def _read_codes(path: Path, bits: int | None) -> Database:
    from hammingbird.storage import read_codes

    codes, n_bits, manifest = read_codes(path, bits)
    return Database(codes, n_bits, manifest.get("made_by") or {}, manifest.get("names"))


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
    vectors = load(queries, part="query", frame=hasher.frame).X
    database = _read_codes(codes, bits or hasher.n_bits_)
    _check_model(database.made_by, catalog.stamp(model), f"{codes} and the queries")
    if database.n_bits != hasher.n_bits_:
        raise InputError(
            f"{codes} has {database.n_bits} bits, {model} gives {hasher.n_bits_}: "
            "give the model that made the codes"
        )
    asked = hasher.asked(vectors) if scores else hasher.encode(vectors)
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

"""The command line: a thin skin over the library."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hammingbird.errors import HammingbirdError, InputError

app = typer.Typer(
    help="Learn compact binary codes, search them by Hamming distance, and measure the loss first.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()

METHODS = "itq,rotated-pca,pca,sh,lsh"

Train = Annotated[Path, typer.Option(help="Vectors or images to learn from.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Where to write.", show_default=False)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
ImageSize = Annotated[
    int | None, typer.Option(help="Resize images to this many pixels a side.", show_default=False)
]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE, a parameter of the method.", show_default=False),
]
Bits = Annotated[
    int | None, typer.Option(help="Bits of a bare array of codes.", show_default=False)
]


def main() -> None:
    """Run the command line; every error of the package is one line and exit code 1."""
    try:
        app()
    except HammingbirdError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {_plain(str(error))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped: run the same command again to go on")
        sys.exit(130)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("hammingbird-demo"),
) -> None:
    """Compare the unsupervised methods on a small set of digits and write a report."""
    from hammingbird.datasets.bundled import digits
    from hammingbird.experiments.compare import compare as run

    train, query = digits()
    results = run(
        train,
        query,
        methods=_names(METHODS),
        bits=[8, 16, 32, 64],
        seeds=[0, 1, 2],
        relevance="labels",
        out=out,
    )
    _show_results(results, out)


@app.command()
def methods(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every method with its paper and the supervision it needs."""
    from hammingbird.catalog import METHODS

    if as_json:
        print(json.dumps([method.record() for method in METHODS.values()], indent=1))  # noqa: T201
        return
    table = _table("method", "learns from", "paper", "what it does")
    for method in METHODS.values():
        table.add_row(method.name, method.supervision, method.paper, method.summary)
    console.print(table)


@app.command()
def fit(
    method: Annotated[str, typer.Argument(help="A name from: hammingbird methods.")],
    train: Train,
    out: Out,
    bits: Annotated[int | None, typer.Option(help="Bits of a code.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    setting: Setting = None,
    image_size: ImageSize = None,
    overwrite: Overwrite = False,
) -> None:
    """Learn a hasher from vectors and save it as a folder."""
    from hammingbird import catalog
    from hammingbird.datasets import load

    hasher = catalog.make(method, bits, seed)
    data = load(train, image_size=image_size)
    settings = _settings(setting)
    if unknown := settings.keys() - hasher.get_params(deep=False).keys():
        raise InputError(
            f"{method} has no parameter {sorted(unknown)[0]!r}: "
            + ", ".join(hasher.get_params(deep=False))
        )
    hasher.set_params(**settings)
    hasher.fit(data.inputs(hasher.takes_images), data.y).save(out, overwrite=overwrite)
    rows, width = data.X.shape
    console.print(
        f"{method} learned {hasher.n_bits_} bits from {rows:,} vectors of width {width}: {out}"
    )


@app.command()
def encode(
    model: Annotated[Path, typer.Argument(help="A folder that fit wrote.")],
    file: Annotated[Path, typer.Argument(help="Vectors or images to encode.")],
    out: Out = Path("codes.npy"),
    image_size: ImageSize = None,
    overwrite: Overwrite = False,
) -> None:
    """Encode a file of any size into packed codes, a block of rows at a time."""
    from tqdm import tqdm

    from hammingbird import catalog
    from hammingbird.datasets import shape, stream
    from hammingbird.storage import fingerprint, load_folder, write_codes

    hasher = catalog.load(model)
    rows, _ = shape(file, image_size=image_size)
    manifest, _ = load_folder(model, "hasher", verify=False)
    made_by = {"class": manifest["class"], "fingerprint": fingerprint(manifest)}

    def blocks() -> Iterator[Any]:
        with tqdm(total=rows, desc="encode", unit="row", disable=None, leave=False) as bar:
            for block in stream(file, image_size=image_size):
                yield hasher.transform(block)
                bar.update(len(block))

    write_codes(out, blocks(), rows, hasher.n_bits_, made_by, overwrite=overwrite)
    console.print(f"{rows:,} codes of {hasher.n_bits_} bits: {out}")


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
        metrics=_names(metrics) or DEFAULT_METRICS,
    )
    if as_json:
        print(json.dumps(values, indent=1))  # noqa: T201
        return
    table = _table("metric", "value")
    for name, value in values.items():
        table.add_row(name, f"{value:.4f}")
    console.print(table)


@app.command()
def compare(
    train: Train,
    query: Annotated[Path, typer.Option(help="Vectors to search with.", show_default=False)],
    out: Out,
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
    image_size: ImageSize = None,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Queries may be rows of the database.")
    ] = False,
) -> None:
    """Compare methods, bits and seeds: writes results.json, results.csv and report.html.

    Cells that are there already, of the same parameters, are kept: a stopped run goes on.
    """
    from hammingbird.datasets import load
    from hammingbird.experiments.compare import compare as run

    results = run(
        load(train, image_size=image_size),
        load(query, part="query", image_size=image_size),
        None if database is None else load(database, image_size=image_size),
        methods=_names(methods),
        bits=_numbers(bits, "bits"),
        seeds=_numbers(seeds, "seeds"),
        relevance=relevance,
        metrics=_names(metrics),
        parameters=_settings(setting),
        query_limit=query_limit,
        allow_overlap=allow_overlap,
        out=out,
    )
    _show_results(results, out)


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="A result; without one they are listed.")] = "",
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("reproduced"),
) -> None:
    """Make a figure or table of a paper again: writes JSON and plots."""
    from hammingbird.experiments.reproduce import RESULTS
    from hammingbird.experiments.reproduce import reproduce as run

    if name:
        run(name, out)
        console.print(f"written to {out}: {name}.json and its plots", soft_wrap=True)
        return
    table = _table("name", "result")
    for known, result in RESULTS.items():
        table.add_row(known, result.summary)
    console.print(table)


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="A saved hasher, an index, or a file of codes.")],
) -> None:
    """Say what a saved model or a file of codes is."""
    from hammingbird.storage import describe

    table = _table("", str(path))
    for name, value in describe(path).items():
        table.add_row(name, _plain(str(value)))
    console.print(table)


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


def _show_results(results: dict[str, Any], out: Path) -> None:
    columns = {
        "map": "MAP",
        "map@1000": "@1000",
        "recall10@100": "R10@100",
        "precision@h2": "P@H<=2",
    }
    table = _table("method", "bits", "bytes", *columns.values(), "asym. MAP", "fit s")
    from hammingbird.experiments.results import averages

    rows = averages(results)
    for row in rows:
        cells = [_figure(row["metrics"].get(name)) for name in columns]
        asymmetric = _figure(row["asymmetric"].get("map"))
        table.add_row(
            row["method"],
            str(row["bits"] or ""),
            f"{row['bytes_per_item']:,}",
            *cells,
            asymmetric,
            f"{row['seconds']['fit']:.2f}",
            style="dim" if row["role"] == "floor" else None,
        )
    console.print(table)
    for row in rows:
        if "center_distance" in row:
            console.print(
                f"{row['method']}, {row['bits']} bits: class centres are at least "
                f"{row['center_distance']} bits apart"
            )
    for line in results.get("skipped", []):
        console.print(f"skipped {_plain(line['method'])} {line['bits']}: {_plain(line['why'])}")
    written = [
        name for name in ("results.json", "results.csv", "report.html") if (out / name).exists()
    ]
    console.print(f"written to {out}: {', '.join(written)}", soft_wrap=True)
    if "report.html" not in written:
        console.print("for report.html: pip install 'hammingbird[report]'", markup=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(text: str, what: str) -> list[int]:
    try:
        return [int(number) for number in _names(text)]
    except ValueError:
        raise InputError(
            f"--{what} must be whole numbers separated by commas, got {text!r}"
        ) from None


def _settings(settings: list[str] | None) -> dict[str, Any]:
    found = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set takes NAME=VALUE, got {setting!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


if __name__ == "__main__":
    main()

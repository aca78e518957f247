"""The command that serves an index over HTTP: serve."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hammingbird.cli.terminal import Bits, app, console, plain
from hammingbird.errors import InputError, MissingExtraError


@app.command()
def serve(
    index: Annotated[
        Path | None,
        typer.Argument(help="Codes, a saved index, or a service's NAME.sqlite, new or not."),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The model of the codes.")] = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where to listen.", min=0, max=65535)] = 8000,
    vectors: Annotated[
        Path | None, typer.Option(help="The vectors of the codes, to re-rank by.")
    ] = None,
    texts: Annotated[
        str | None, typer.Option(help="MODULE:FUNCTION that turns texts into vectors.")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Serve bundled digits.")] = False,
    batch: Annotated[int, typer.Option(help="Requests searched together.", min=1, max=1024)] = 64,
    threads: Annotated[
        int | None, typer.Option(help="Of the search; all cores but one.", min=1)
    ] = None,
    bits: Bits = None,
) -> None:
    """Serve an index: search, add and remove over HTTP, and a page to look at it.

    Others than this machine need tokens: set HAMMINGBIRD_READ_TOKEN and HAMMINGBIRD_WRITE_TOKEN.
    """
    try:
        from hammingbird.service.opening import demo_engine, open_engine
        from hammingbird.service.serving import limits_for, text_encoder
        from hammingbird.service.serving import serve as run
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "service") from error
    if demo == (index is not None):
        raise InputError("give an index, or --demo")
    limits_for(host)
    encoder = None if texts is None else text_encoder(texts)
    with tempfile.TemporaryDirectory() as folder:
        if index is None:
            engine = demo_engine(Path(folder))
        else:
            engine = open_engine(index, model, n_bits=bits, vectors=vectors, threads=threads)
        shown = f"[{host}]" if ":" in host else host
        console.print(
            f"{len(engine.index):,} codes of {engine.n_bits} bits in {plain(engine.items.path)}: "
            f"http://{plain(shown)}:{port}",
            soft_wrap=True,
        )
        try:
            run(engine, host, port, encoder=encoder, batch=batch)
        finally:
            engine.close()

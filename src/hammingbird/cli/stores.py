"""Commands that bring codes into a store and ask whether they arrived: export, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hammingbird.cli.terminal import Bits, app, console, plain
from hammingbird.errors import InputError

VARIABLE = "HAMMINGBIRD_STORE"
Ids = Annotated[Path | None, typer.Option(help="Ids of the codes (.npy); row numbers if left out.")]


@app.command()
def export(
    codes: Annotated[Path, typer.Argument(help="A file that encode wrote, or a bare array.")],
    to: Annotated[
        str,
        typer.Option(
            envvar=VARIABLE,
            help="Where: pgvector://user@host/database?table=NAME, faiss:FILE, ...",
            show_default=False,
        ),
    ],
    ids: Ids = None,
    bits: Bits = None,
) -> None:
    """Write codes into a store, read a sample back, and compare its distances with ours.

    Run again after it was stopped, it ends without duplicates or holes.
    """
    from hammingbird import stores
    from hammingbird.storage import read_codes

    refuse_shown_secrets(to)
    rows, n_bits, manifest = read_codes(codes, bits)
    made_by = manifest.get("made_by") or {}
    found = stores.export(rows, to, n_bits, ids=_read_ids(ids), made_by=made_by, progress=True)
    console.print(f"{len(rows):,} codes of {n_bits} bits: {shown_place(to)}", soft_wrap=True)
    _say(found)


@app.command()
def verify(
    store: Annotated[
        str, typer.Option(envvar=VARIABLE, help="The store's address.", show_default=False)
    ],
    codes: Annotated[
        Path | None, typer.Argument(help="The codes that should be there.", show_default=False)
    ] = None,
    ids: Ids = None,
    bits: Bits = None,
) -> None:
    """Compare what a store holds and measures with our codes and distances.

    Where they differ, it says what was done to the bits: reversed in bytes, bytes reversed, signed,
    complemented, shifted. The table may have been made by another program.
    """
    from hammingbird import stores
    from hammingbird.storage import read_codes

    refuse_shown_secrets(store)
    if codes is None:
        with stores.open_store(store) as place:
            _say(stores.verify(place))
        return
    rows, n_bits, manifest = read_codes(codes, bits)
    with stores.open_store(store, made_by=manifest.get("made_by")) as place:
        if place.n_bits != n_bits:
            raise InputError(
                f"{place.address} holds codes of {place.n_bits} bits, {codes} has {n_bits}"
            )
        _say(stores.verify(place, rows, _read_ids(ids)))


def refuse_shown_secrets(address: str) -> None:
    """Refuse a password in the command itself: everyone on the machine can read a command line."""
    import sys

    from hammingbird.stores import is_address, parse_address

    shown = any(address in word for word in sys.argv)
    if shown and is_address(address) and parse_address(address).secrets:
        raise InputError(
            "a password on a command line is seen by everyone on this machine: put the whole "
            f"address into the environment variable {VARIABLE}, or the password where the client "
            "looks for it (PGPASSWORD or ~/.pgpass, MILVUS_TOKEN)"
        )


def shown_place(address: str) -> str:
    """Return a place as it may be printed, without secrets."""
    from hammingbird.stores import is_address, parse_address

    return plain(parse_address(address) if is_address(address) else address)


def _read_ids(path: Path | None) -> Any:
    from hammingbird.datasets.arrays import read_array

    return None if path is None else read_array(path)


def _say(found: Any) -> None:
    compared = [f"verified: {found.stored:,} codes there"]
    if found.codes:
        compared.append(f"{found.codes:,} read back are equal")
    if found.distances:
        compared.append(f"{found.distances:,} distances are ours")
    if found.nearest:
        compared.append("the nearest are the true ones")
    console.print(", ".join(compared), soft_wrap=True)

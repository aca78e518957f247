"""Names, passwords and places that nobody should write, and some do."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import quote

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.stores import (
    STORES,
    create_store,
    export,
    open_store,
    parse_address,
    store_class,
    verify,
)

NAMES = [
    'a"b',
    "a'b",
    "x; DROP TABLE codes; --",
    '"; DROP TABLE "codes"; --',
    "per%cent %s %(query)s",
    "{code} {}",
    "schema.table",
    "back\\slash`tick",
    "select",
    "Ünïcödé 名",
    " ",
    "../up",
]
SECRET = "s3cr3t/p@ss word"


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_table_name_is_a_name_or_is_refused(tables, place, codes, name):
    scheme, _ = tables
    found = store_class(scheme)
    victim = place(tables)
    address = "?".join([victim.partition("?")[0], ""])
    if found.server:
        address = victim[: victim.index("table=")] + "table=" + quote(name, safe="")
    else:
        address += "table=" + quote(name, safe="")
    database = codes(60, 64)
    export(database, victim, 64)
    try:
        export(database[::-1], address, 64)
    except hb.HammingbirdError:
        assert scheme in ("lance", "milvus")  # their own names are letters and digits
    else:
        with open_store(address) as store:
            assert store.count() == 60
            np.testing.assert_array_equal(store.fetch(np.arange(60)), database[::-1])
            assert store.within(database[:1], 64).offsets[-1] == 60
            store.remove([1, 2])
            assert store.count() == 58
    with open_store(victim) as store:
        verify(store, database)
        assert store.count() == 60


@pytest.mark.parametrize("scheme", STORES)
def test_names_that_no_store_can_have(scheme):
    server = store_class(scheme).server
    for bad in ("table=", "table=a%00b", "index=nonsense", "table=a&table=b"):
        place = "//h/db" if server else "file"
        with pytest.raises(hb.HammingbirdError):
            open_store(f"{scheme}:{place}?{bad}")
    if not server:
        with pytest.raises(hb.InputError, match="names no file"):
            open_store(f"{scheme}:")


def test_a_name_that_postgresql_would_cut_is_refused():
    pytest.importorskip("psycopg")
    for name in ("a" * 64, "é" * 32):
        with pytest.raises(hb.InputError, match="63 bytes"):
            open_store(f"postgres://h/db?table={quote(name)}")


def test_an_unknown_scheme_lists_those_there_are():
    with pytest.raises(hb.InputError, match="pgvector"):
        open_store("mysql://h/db")
    with pytest.raises(hb.InputError, match="'colour', only"):
        open_store("duckdb:file?colour=red")


@pytest.mark.parametrize("scheme", [s for s in STORES if store_class(s).server] + ["milvus"])
@pytest.mark.parametrize("form", ["password", "option"])
def test_a_store_that_is_down_says_so_and_keeps_its_secret(
    scheme, form, place, codes, capfd, caplog
):
    try:
        store_class(scheme).client()
    except hb.MissingExtraError as error:
        pytest.skip(str(error))
    secret = quote(SECRET, safe="")
    address = f"{scheme}://me:{secret}@127.0.0.1:1/db"
    if form == "option":
        option = "token" if scheme == "milvus" else "password"
        address = f"{scheme}://me@127.0.0.1:1/db?{option}={secret}"
    for attempt in (lambda: open_store(address), lambda: export(codes(5, 64), address, 64)):
        with pytest.raises(hb.StoreError, match="127.0.0.1") as error:
            attempt()
        said = "".join(str(part) for part in (error.value, error.value.__cause__, error.value.args))
        assert error.value.__suppress_context__ or error.value.__context__ is None
        assert SECRET not in said
        assert secret not in said
    shown = repr(parse_address(address)) + str(parse_address(address))
    out = "".join(capfd.readouterr()) + caplog.text
    for text in (shown, out):
        assert SECRET not in text
        assert secret not in text


@pytest.mark.parametrize("command", ["export", "verify", "search"])
def test_a_password_on_a_command_line_is_refused(tmp_path, command):
    np.save(tmp_path / "codes.npy", np.zeros((3, 8), np.uint8))
    address = "postgres://me:hunter22@127.0.0.1:1/db"
    options = {
        "export": ["--to", address],
        "verify": ["--store", address],
        "search": [address, "--out", "hits.npz"],
    }
    arguments = [sys.executable, "-m", "hammingbird.cli", command, "codes.npy", *options[command]]
    ended = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "HAMMINGBIRD_STORE" in ended.stderr
    assert "hunter22" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("scheme", ["faiss", "usearch", "duckdb"])
def test_a_file_that_is_no_index_is_refused(scheme, place, codes, tmp_path):
    address = place((scheme, "flat"))
    database = codes(50, 64)
    export(database, address, 64)
    path = tmp_path / parse_address(address).place
    whole = path.read_bytes()
    for bad in (b"", b"nothing of the kind", whole[: len(whole) // 2]):
        path.write_bytes(bad)
        with pytest.raises(hb.HammingbirdError):
            open_store(address)
    path.write_bytes(whole)
    with open_store(address) as store:
        assert store.count() == 50


def test_codes_that_are_cut_are_not_exported(place, codes, tmp_path):
    from hammingbird.storage import read_codes, write_codes

    path, address = tmp_path / "codes.npy", place(("faiss", "flat"))
    write_codes(path, [codes(50, 64)], 50, 64)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(hb.FileError):
        export(read_codes(path)[0], address, 64)
    with pytest.raises(hb.StoreError, match="nothing at"):
        open_store(address)


def test_foreign_tables_are_verified_and_never_written_into(place, codes):
    """A table that somebody made, bits least significant first: verify tells, write refuses."""
    address, database = place(("pgvector", "flat")), codes(100, 64)
    import psycopg

    target = parse_address(address)
    table = target.options["table"]
    with psycopg.connect(host=target.options["host"], user="postgres", dbname="postgres") as server:
        server.execute(f'CREATE TABLE "{table}" (key bigint, embedding bit(64))')
        for key, bits in enumerate(np.unpackbits(database, axis=1, bitorder="little")):
            text = "".join(map(str, bits))
            server.execute(f'INSERT INTO "{table}" VALUES (%s, %s)', [key, text])
    address += "&id=key&code=embedding"
    with open_store(address) as store:
        assert (store.n_bits, store.made_by) == (64, {})
        verify(store)
        with pytest.raises(hb.StoreError, match="reversed .packed least significant first"):
            verify(store, database)
        with pytest.raises(hb.InputError, match="another program"):
            store.write(database, np.arange(100))
    with pytest.raises(hb.InputError, match="another program"):
        create_store(address, 64)

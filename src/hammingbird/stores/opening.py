"""Every store by the scheme of its address, and the two ways to open one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from hammingbird.codes import check_n_bits
from hammingbird.errors import InputError, StoreError
from hammingbird.stores.address import Address, scheme_of
from hammingbird.stores.documents import FORMATS
from hammingbird.stores.store import Store

STORES = {
    "duckdb": "duckdb:DuckdbStore",
    "faiss": "faiss:FaissStore",
    "lance": "lance:LanceStore",
    "milvus": "milvus:MilvusStore",
    "pgvector": "pgvector:PgvectorStore",
    "postgres": "postgres:PostgresStore",
    "sqlite": "sqlite_vec:SqliteVecStore",
    "usearch": "usearch:UsearchStore",
}
"""The class of every scheme; its module is imported when it is asked for."""


def store_class(scheme: str) -> type[Store]:
    """Return the class of a scheme."""
    if scheme not in STORES:
        known = [*STORES, *FORMATS] if scheme not in FORMATS else [*STORES]
        raise InputError(f"there is no store {scheme!r} here: write one of {', '.join(known)}")
    module, _, name = STORES[scheme].partition(":")
    found: type[Store] = getattr(import_module(f"hammingbird.stores.{module}"), name)
    return found


def is_address(text: object) -> bool:
    """Whether a text is the address of a store, rather than a path."""
    return scheme_of(text) in STORES


def open_store(address: str, *, made_by: Mapping[str, Any] | None = None) -> Store:
    """Open a store that is there; ``made_by`` is the stamp of the model that queries come from.

    Raises :class:`StoreError` if nothing is there, :class:`InputError` if another model made it.
    """
    store = _at(address)
    if _connected(store) is None:
        store._let_go()
        raise StoreError(
            f"there is nothing at {store.address}: is the name right? create_store or "
            "hammingbird export makes it"
        )
    try:
        store.check_model(made_by)
    except InputError:
        store._let_go()
        raise
    return store


def create_store(address: str, n_bits: int, *, made_by: Mapping[str, Any] | None = None) -> Store:
    """Open a store to write into, and make it if it is not there.

    One that is there must hold codes of as many bits and of the same model.
    """
    store = _at(address)
    n_bits = check_n_bits(n_bits)
    if _connected(store) is None:
        return store.make(n_bits, made_by or {})
    try:
        if store.n_bits != n_bits:
            raise InputError(
                f"{store.address} holds codes of {store.n_bits} bits, these have {n_bits}: "
                "name another place"
            )
        if not store.described:
            raise InputError(
                f"{store.address} was made by another program: name a new place to write into"
            )
        store.check_model(made_by)
    except InputError:
        store._let_go()
        raise
    return store


def parse_address(address: str) -> Address:
    """Take the address of a known store apart."""
    return store_class(scheme_of(address)).parse(address)


def _at(address: str) -> Store:
    return store_class(scheme_of(address))(parse_address(address))


def _connected(store: Store) -> Store | None:
    try:
        return store.connect()
    except Exception:
        with suppress(Exception):  # what failed is said; a half-open connection goes
            store._let_go()
        raise

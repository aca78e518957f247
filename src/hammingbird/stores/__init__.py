"""Codes in the stores that people already run: one contract, a file per store."""

from hammingbird.stores.address import Address
from hammingbird.stores.exporting import export
from hammingbird.stores.opening import (
    STORES,
    create_store,
    is_address,
    open_store,
    parse_address,
    store_class,
)
from hammingbird.stores.store import Store
from hammingbird.stores.two_stages import two_stages
from hammingbird.stores.verification import Verified, verify

__all__ = [
    "STORES",
    "Address",
    "Store",
    "Verified",
    "create_store",
    "export",
    "is_address",
    "open_store",
    "parse_address",
    "store_class",
    "two_stages",
    "verify",
]

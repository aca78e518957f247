"""The one contract of all stores: codes under ids, in a place that outlives this process."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hammingbird.codes import Codes, check_codes, check_n_bits, n_bytes
from hammingbird.errors import HammingbirdError, InputError, MissingExtraError, StoreError
from hammingbird.index.rows import Ids, check_ids
from hammingbird.index.scan import Within
from hammingbird.kernels.checks import FARTHEST, check_k, check_radius
from hammingbird.storage import Manifest
from hammingbird.storage.manifests import parse_manifest, signed
from hammingbird.stores.address import Address
from hammingbird.targets import Neighbors

if TYPE_CHECKING:
    from typing_extensions import Self

Hits: TypeAlias = Sequence[tuple[ArrayLike, ArrayLike]]
"""For every query the ids and Hamming distances that the store found."""


class Found(NamedTuple):
    """What is at an address."""

    n_bits: int
    """Of the column or the index; 0 if only the description knows."""
    description: str | None
    """As it was written with the codes; None if another program made the place."""


def stamp_of(made_by: Mapping[str, Any] | None) -> Manifest:
    """Return of a description of codes what stays true when others are added: their model."""
    made_by = made_by or {}
    return {name: made_by[name] for name in ("class", "fingerprint") if name in made_by}


class Store(ABC):
    """Codes of ``n_bits`` bits under ids, whole numbers of at least 0.

    ``write`` replaces codes whose ids are there and is done whole or not at all; ``remove`` of ids
    that are not there does nothing. So whoever was stopped does the same again, and it is as if it
    had been done once. Every failure of a client is a :class:`StoreError`, without its secrets.
    """

    library: ClassVar[str]
    extra: ClassVar[str]
    server: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ()
    """Options of an address that this store knows; a server takes others too."""
    indexes: ClassVar[tuple[str, ...]] = ("flat",)
    """What ``index=`` may be; ``flat`` compares every code."""
    failures: tuple[type[Exception], ...] = (RuntimeError, OSError)
    """What the client raises."""
    exact: bool = True
    """Whether a search compares every code."""
    has_within: ClassVar[bool] = True

    n_bits: int
    made_by: Manifest
    described: bool

    def __init__(self, address: Address) -> None:
        self.address = address
        unknown = sorted(set(address.options) - set(self.options)) if not self.server else []
        if unknown:
            raise InputError(
                f"{address.scheme}: has no option {unknown[0]!r}, only {', '.join(self.options)}"
            )
        self.index = address.option("index", "flat", self.indexes)

    # -- what a store implements ----------------------------------------------------------------

    @abstractmethod
    def _look(self) -> Found | None:
        """Connect, and say what is there; None if nothing."""

    @abstractmethod
    def _make(self, n_bits: int, description: str) -> None:
        """Make the place of codes of ``n_bits`` bits, with their description."""

    @abstractmethod
    def _write(self, codes: Codes, ids: Ids) -> None: ...

    @abstractmethod
    def _search(self, queries: Codes, k: int) -> Hits: ...

    def _within(self, queries: Codes, radius: int) -> Hits:
        raise NotImplementedError

    @abstractmethod
    def _fetch(self, ids: Ids) -> tuple[ArrayLike, Codes]:
        """Return the ids that are there, in any order, and their codes."""

    @abstractmethod
    def _remove(self, ids: Ids) -> None: ...

    @abstractmethod
    def _count(self) -> int: ...

    def _flush(self) -> None:  # noqa: B027
        """Make what was written last, and build the index that the address asks for."""

    def _let_go(self) -> None:  # noqa: B027
        """Give back what the client holds."""

    # -- what everyone calls --------------------------------------------------------------------

    @classmethod
    def parse(cls, address: str) -> Address:
        """Take an address of this store apart."""
        return Address.parse(address, server=cls.server)

    @classmethod
    def client(cls, module: str = "") -> Any:
        """Import the client library, or name its extra."""
        try:
            return import_module(module or cls.library)
        except ImportError as error:
            raise MissingExtraError(cls.library, cls.extra) from error

    def connect(self) -> Self | None:
        """Open what is there; None if nothing is."""
        with self._talking():
            found = self._look()
        if found is None:
            return None
        manifest: Manifest = {}
        if found.description is not None:
            manifest = parse_manifest(found.description.encode(), str(self.address), "store")
            ours = manifest.get("n_bits", 0)
            if found.n_bits not in (0, ours, 8 * n_bytes(ours)):
                raise StoreError(
                    f"{self.address} says it holds codes of {ours} bits, and is {found.n_bits} "
                    "bits wide: write it again"
                )
        self.described = bool(manifest)
        n_bits = manifest.get("n_bits", found.n_bits)
        if not n_bits:
            raise StoreError(f"{self.address} is empty, and nothing says how many bits it is for")
        self.n_bits = check_n_bits(n_bits)
        made_by = manifest.get("made_by")
        self.made_by = made_by if isinstance(made_by, dict) else {}
        return self

    def make(self, n_bits: int, made_by: Mapping[str, Any]) -> Self:
        """Make an empty store at the address, where there is none."""
        self.n_bits, self.described = check_n_bits(n_bits), True
        self.made_by = stamp_of(made_by)
        description = signed("store", {"n_bits": self.n_bits, "made_by": self.made_by})
        with self._talking():
            self._make(self.n_bits, json.dumps(description, allow_nan=False))
        return self

    def check_model(self, made_by: Mapping[str, Any] | None) -> None:
        """Refuse codes of another model than the one that made those in the store."""
        made = {side.get("fingerprint") for side in (made_by or {}, self.made_by)} - {None}
        if len(made) > 1:
            raise InputError(
                f"{self.address} holds codes of another model, and distances to them mean nothing: "
                "encode both with one model"
            )

    def write(self, codes: ArrayLike, ids: ArrayLike) -> None:
        """Store codes [n, bytes] under different ids [n]; codes of ids that are there go."""
        codes = check_codes(codes, self.n_bits)
        ids = check_ids(ids, len(codes))
        if len(np.unique(ids)) < len(ids):
            raise InputError("ids come twice in one batch: give every code an id of its own")
        if not self.described:
            raise InputError(
                f"{self.address} was made by another program: name a new one to write into"
            )
        if len(ids):
            with self._talking():
                self._write(codes, ids)

    def search(self, queries: ArrayLike, k: int) -> Neighbors:
        """The ``k`` nearest codes: ids int64 and distances uint16 [n, k], ties by the smaller id.

        Where there are fewer, id -1 and distance 65,535 fill up.
        """
        queries, k = check_codes(queries, self.n_bits, "queries"), check_k(k)
        ids = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), FARTHEST, np.uint16)
        with self._talking():
            for query, hits in enumerate(self._search(queries, k)):
                found = self._sorted(*hits)
                ids[query, : len(found[0])], distances[query, : len(found[0])] = found
        return Neighbors(ids, distances)

    def within(self, queries: ArrayLike, radius: int) -> Within:
        """Every code at most ``radius`` bits away, nearest first, ties by the smaller id."""
        queries = check_codes(queries, self.n_bits, "queries")
        radius = check_radius(radius, queries)
        if not self.has_within:
            raise StoreError(f"{self.address} has no search within a radius: use search")
        with self._talking():
            found = [self._sorted(*hits) for hits in self._within(queries, radius)]
        offsets = np.cumsum([0, *(len(ids) for ids, _ in found)], dtype=np.int64)
        return Within(
            offsets,
            np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in found)]),
            np.concatenate([np.empty(0, np.uint16), *(distances for _, distances in found)]),
        )

    def fetch(self, ids: ArrayLike) -> Codes:
        """Codes [n, bytes] of ids [n]; an id that is not there is an :class:`InputError`."""
        wanted = check_ids(ids)
        with self._talking():
            found, codes = self._fetch(np.unique(wanted)) if len(wanted) else (wanted, None)
        there = np.asarray(found, np.int64)
        order = np.argsort(there)
        places = np.searchsorted(there, wanted, sorter=order)
        known = places < len(there)
        known[known] = there[order[places[known]]] == wanted[known]
        if not known.all():
            raise InputError(f"id {wanted[~known][0]} is not in {self.address}")
        if codes is None:
            return np.empty((0, n_bytes(self.n_bits)), np.uint8)
        return np.ascontiguousarray(codes[order[places]])

    def remove(self, ids: ArrayLike) -> None:
        """Forget the codes with these ids; those that are not there are gone already."""
        gone = np.unique(check_ids(ids))
        if len(gone):
            with self._talking():
                self._remove(gone)

    def count(self) -> int:
        """How many codes there are."""
        with self._talking():
            return int(self._count())

    def flush(self) -> None:
        """Make what was written last, and build the index that the address asks for."""
        with self._talking():
            self._flush()

    def close(self) -> None:
        """Flush, and let go of the store."""
        with self._talking():
            try:
                self._flush()
            finally:
                self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if not failed:
            self.close()
            return
        with suppress(*self.failures):
            self._let_go()

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Whatever the client fails with is one error, without what is secret."""
        try:
            yield
        except self.failures as error:
            if isinstance(error, HammingbirdError):
                raise
            raise StoreError(f"{self.address}: {self.address.hide(error)}") from None

    def _sorted(self, ids: ArrayLike, distances: ArrayLike) -> tuple[Ids, NDArray[np.uint16]]:
        """Hits of a query, nearest first; what the store calls a distance must be one."""
        found, far = np.asarray(ids, np.int64), np.asarray(distances)
        with np.errstate(invalid="ignore"):  # what is not a number is none of the distances below
            whole = far.astype(np.uint16)
        if (whole != far).any() or (len(far) and whole.max() > 8 * n_bytes(self.n_bits)):
            raise StoreError(
                f"{self.address} gives distances that no codes have, such as {far.max()}: "
                "is it a column or an index of another type?"
            )
        order = np.lexsort((found, whole))
        return found[order], whole[order]

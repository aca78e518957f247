"""Documents for servers: what their own bulk loaders read, and how to make the place and ask it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, ClassVar

import numpy as np

from hammingbird.codes import Codes
from hammingbird.errors import InputError
from hammingbird.index.rows import Ids
from hammingbird.stores.layouts import joined, padded_bits


class Format(ABC):
    """What one server reads. A code is a row of bytes, most significant bit first."""

    file: ClassVar[str] = "documents.ndjson"
    """The name of the file of documents."""

    @abstractmethod
    def place(self, n_bits: int, description: dict[str, Any]) -> dict[str, str]:
        """Return the files that make an index, a collection or a schema, by name."""

    @abstractmethod
    def query(self, code: Codes, n_bits: int, k: int) -> dict[str, str]:
        """Return the file that asks for the k nearest of one code [bytes], by name."""

    @abstractmethod
    def lines(self, codes: Codes, ids: Ids, n_bits: int) -> Iterable[bytes]:
        """Return the documents, each with its last byte."""

    @abstractmethod
    def rows(self, stream: BinaryIO, n_bits: int) -> Iterator[tuple[int, bytes]]:
        """Return the ids and codes of documents."""

    def read(self, stream: BinaryIO, n_bits: int) -> tuple[Ids, Codes]:
        """Return ids [n] and codes [n, bytes] of a file of documents."""
        try:
            found = list(self.rows(stream, n_bits))
            ids = np.array([id_ for id_, _ in found], np.int64)
            return ids, joined([code for _, code in found], padded_bits(n_bits) // 8)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise InputError(f"these are no documents of codes of {n_bits} bits: {error}") from None


def line(content: Any) -> bytes:
    """JSON on one line."""
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def pretty(content: Any) -> str:
    """JSON for people."""
    return json.dumps(content, indent=1) + "\n"

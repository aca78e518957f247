"""Codes for servers that load files: a folder of documents, the place for them, and a query."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird.codes import Codes
from hammingbird.errors import FileError, StoreError
from hammingbird.index.rows import Ids
from hammingbird.storage import replacing
from hammingbird.stores.documents.format import Format

FORMATS = {
    "elasticsearch": "elasticsearch:Elasticsearch",
    "mongodb": "mongodb:MongoDB",
    "opensearch": "elasticsearch:OpenSearch",
    "qdrant": "qdrant:Qdrant",
    "redis": "redis:Redis",
    "sentence-transformers": "sentence_transformers:SentenceTransformers",
    "vespa": "vespa:Vespa",
}
"""The class of every format."""


def document_format(name: str) -> Format:
    """Return the format of a server."""
    module, _, kind = FORMATS[name].partition(":")
    found: Format = getattr(import_module(f"{__name__}.{module}"), kind)()
    return found


def write_documents(
    name: str, folder: Path, codes: Codes, ids: Ids, n_bits: int, description: dict[str, Any]
) -> None:
    """Write a new folder: the documents, the place, and a query for the 10 nearest of row 0.

    The documents are read back, and every code compared, before the folder gets its name.
    """
    chosen = document_format(name)
    step = 10_000 if chosen.file.endswith(("json", "jsonl", "resp")) else max(1, len(codes))
    with replacing(folder, overwrite=False) as temporary:
        temporary.mkdir()
        files = chosen.place(n_bits, description)
        if len(codes):
            files |= chosen.query(codes[0], n_bits, 10)
        for file, content in files.items():
            (temporary / file).write_text(content, "utf-8")
        with (temporary / chosen.file).open("wb") as stream:
            for start in range(0, len(codes), step) if len(codes) else [0]:
                batch = slice(start, start + step)
                stream.writelines(chosen.lines(codes[batch], ids[batch], n_bits))
        found = read_documents(name, temporary, n_bits)
        if not (np.array_equal(found[0], ids) and np.array_equal(found[1], codes)):
            raise StoreError(f"{folder}: the documents that were written hold other codes")


def read_documents(name: str, folder: Path, n_bits: int) -> tuple[Ids, Codes]:
    """Read ids [n] and codes [n, bytes] of a folder of documents back."""
    chosen = document_format(name)
    try:
        with (folder / chosen.file).open("rb") as stream:
            return chosen.read(stream, n_bits)
    except OSError as error:
        raise FileError(f"{folder / chosen.file} cannot be read: {error}") from None


__all__ = ["FORMATS", "Format", "document_format", "read_documents", "write_documents"]

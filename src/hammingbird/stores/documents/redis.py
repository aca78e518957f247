"""Redis has no bits: hashes with floats of -1 and +1; squared L2 is 4 times the Hamming distance.

Load with ``redis-cli --pipe < commands.resp``; hashes of the same id are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from hammingbird.codes import Codes, pack, unpack
from hammingbird.index.rows import Ids
from hammingbird.stores.documents.format import Format, pretty

PREFIX = b"codes:"


class Redis(Format):
    """Redis 8, or Redis Stack with its search module."""

    file = "commands.resp"

    def place(self, n_bits: int, description: dict[str, Any]) -> dict[str, str]:
        """Return the command that makes the index, and the description."""
        command = (
            "FT.CREATE codes ON HASH PREFIX 1 codes: SCHEMA code VECTOR FLAT 6 "
            f"TYPE FLOAT32 DIM {n_bits} DISTANCE_METRIC L2\n"
        )
        return {"index.redis": command, "description.json": pretty(description)}

    def query(self, code: Codes, n_bits: int, k: int) -> dict[str, str]:
        """Return the command that asks, its bytes escaped as ``redis-cli`` reads them."""
        blob = "".join(f"\\x{byte:02x}" for byte in _floats(code[None], n_bits)[0].tobytes())
        command = (
            f'FT.SEARCH codes "*=>[KNN {k} @code $q AS distance]" PARAMS 2 q "{blob}" '
            f"SORTBY distance LIMIT 0 {k} RETURN 1 distance DIALECT 2\n"
        )
        return {"query.redis": command}

    def lines(self, codes: Codes, ids: Ids, n_bits: int) -> Iterable[bytes]:
        """An HSET for every code, in Redis's protocol."""
        for id_, vector in zip(ids.tolist(), _floats(codes, n_bits), strict=True):
            parts = (b"HSET", PREFIX + str(id_).encode(), b"code", vector.tobytes())
            yield b"*4\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)

    def rows(self, stream: BinaryIO, n_bits: int) -> Iterator[tuple[int, bytes]]:
        """Read commands."""
        while stream.readline():
            _, key, _, blob = (_part(stream) for _ in range(4))
            vector = np.frombuffer(blob, "<f4")
            if len(vector) != n_bits or not key.startswith(PREFIX):
                raise ValueError("a hash of another kind")
            yield int(key.removeprefix(PREFIX)), pack(vector[None])[0].tobytes()


def _floats(codes: Codes, n_bits: int) -> Any:
    return unpack(codes, n_bits).astype("<f4")


def _part(stream: BinaryIO) -> bytes:
    size = int(stream.readline()[1:])
    return stream.read(size + 2)[:size]

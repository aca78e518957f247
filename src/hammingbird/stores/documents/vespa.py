"""Vespa: ``tensor<int8>(x[bytes])`` with the ``hamming`` distance metric, signed bytes.

``unpack_bits`` of Vespa reads the most significant bit first unless told otherwise, so real scores
of a query may be multiplied with it. Load with ``vespa feed documents.jsonl``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from hammingbird.codes import Codes
from hammingbird.index.rows import Ids
from hammingbird.stores.documents.format import Format, line, pretty
from hammingbird.stores.layouts import padded_bits, signed_view

SCHEMA = """# {description}
schema code {{
    document code {{
        field id type long {{
            indexing: summary | attribute
        }}
        field code type tensor<int8>(x[{width}]) {{
            indexing: attribute | index
            attribute {{
                distance-metric: hamming
            }}
        }}
    }}
    rank-profile hamming {{
        inputs {{
            query(q) tensor<int8>(x[{width}])
        }}
        first-phase {{
            expression: closeness(field, code)
        }}
        match-features: distance(field, code)
    }}
    rank-profile asymmetric inherits hamming {{
        inputs {{
            query(scores) tensor<float>(x[{bits}])
        }}
        second-phase {{
            expression: sum(query(scores) * (2 * unpack_bits(attribute(code), float, big) - 1))
        }}
    }}
}}
"""


class Vespa(Format):
    """Vespa 8."""

    file = "documents.jsonl"

    def place(self, n_bits: int, description: dict[str, Any]) -> dict[str, str]:
        """Return a schema; distances are the feature ``distance(field, code)``."""
        said, bits = json.dumps(description), padded_bits(n_bits)
        return {"code.sd": SCHEMA.format(description=said, width=bits // 8, bits=bits)}

    def query(self, code: Codes, n_bits: int, k: int) -> dict[str, str]:
        """Return a body of ``POST /search/``; ``approximate:false`` compares all."""
        near = f"{{targetHits:{k}, approximate:false}}nearestNeighbor(code, q)"
        body = {
            "yql": f"select id from code where {near}",  # noqa: S608
            "input.query(q)": signed_view(code).tolist(),
            "ranking": "hamming",
            "hits": k,
        }
        return {"query.json": pretty(body)}

    def lines(self, codes: Codes, ids: Ids, n_bits: int) -> Iterable[bytes]:
        """A put for every code."""
        for id_, values in zip(ids.tolist(), signed_view(codes).tolist(), strict=True):
            fields = {"id": id_, "code": {"values": values}}
            yield line({"put": f"id:codes:code::{id_}", "fields": fields})

    def rows(self, stream: BinaryIO, n_bits: int) -> Iterator[tuple[int, bytes]]:
        """Read puts."""
        for text in stream:
            fields = json.loads(text)["fields"]
            yield fields["id"], bytes(value & 0xFF for value in fields["code"]["values"])

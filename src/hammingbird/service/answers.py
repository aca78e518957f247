"""What is answered, as models for the OpenAPI document, and as JSON."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from hammingbird.codes import Codes
from hammingbird.service.engine import Found, Question


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    title: str
    status: int
    detail: str


class Encoded(BaseModel):
    """Packed codes in hexadecimal digits, the most significant bit first."""

    n_bits: int
    codes: list[str] = Field(examples=[["9f04"]])


class Hit(BaseModel):
    """An item that was found: its Hamming distance, and what it was ordered by if not that."""

    id: int
    distance: int
    score: float | None = Field(None, description="Of an asymmetric search; larger is nearer.")
    vector_distance: float | None = Field(None, description="Of re-ranking.")
    payload: dict[str, Any] | None = None


class Result(BaseModel):
    """What one query found."""

    hits: list[Hit]
    within: int | None = Field(None, description="Codes inside the radius.")
    histogram: list[int] | None = Field(None, description="Codes at distance 0, 1, ..., n_bits.")


class Results(BaseModel):
    """A result for every query, in their order."""

    n_bits: int
    results: list[Result]


class Stored(BaseModel):
    """What was stored, and is on the disk."""

    added: int
    ids: list[int] | None = Field(None, description="Left out where lines were sent.")


class Removed(BaseModel):
    """How many items were forgotten."""

    removed: int


class Shown(BaseModel):
    """One item."""

    id: int
    code: str
    payload: dict[str, Any] | None = None


class About(BaseModel):
    """What this service holds, and what it can be asked for."""

    ready: bool
    items: int
    n_bits: int
    model: str | None
    pictures: bool
    texts: bool
    example: int | None = Field(description="The id of an item, another each time.")


def results_json(question: Question, found: Found, n_bits: int) -> bytes:
    """The answer to a search as :class:`Results`."""
    name = "vector_distance" if question.vectors is not None else "score"
    results = []
    for row, (ids, distances) in enumerate(
        zip(found.ids.tolist(), found.distances.tolist(), strict=True)
    ):
        hits: list[dict[str, Any]] = [
            {"id": i, "distance": distance}
            for i, distance in zip(ids, distances, strict=True)
            if i >= 0
        ]
        if found.order is not None:
            values = found.order[row].tolist()
            kept = (value for i, value in zip(ids, values, strict=True) if i >= 0)
            for hit, value in zip(hits, kept, strict=True):
                hit[name] = value
        for hit in hits if found.payloads else ():
            if (payload := found.payloads.get(hit["id"])) is not None:  # type: ignore[union-attr]
                hit["payload"] = payload
        result: dict[str, Any] = {"hits": hits}
        if found.within is not None:
            result["within"] = int(found.within[row])
        if found.histograms is not None:
            result["histogram"] = found.histograms[row].tolist()
        results.append(result)
    return json.dumps({"n_bits": n_bits, "results": results}).encode()


def results_npz(found: Found) -> bytes:
    """The answer to a search as arrays: ids and distances [n, k], -1 where nothing is left."""
    arrays: dict[str, NDArray[Any]] = {"ids": found.ids, "distances": found.distances}
    named = {"order": found.order, "within": found.within, "histograms": found.histograms}
    arrays |= {name: array for name, array in named.items() if array is not None}
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def npy(codes: Codes) -> bytes:
    """An array as a ``.npy`` file."""
    stream = io.BytesIO()
    np.save(stream, codes, allow_pickle=False)
    return stream.getvalue()


def digits(codes: Codes) -> list[str]:
    """Codes in hexadecimal digits."""
    return [code.tobytes().hex() for code in codes]

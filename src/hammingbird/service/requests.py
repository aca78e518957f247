"""What may be sent: JSON as these models say, NumPy arrays, pictures, lines of JSON."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hammingbird.codes import Codes, check_codes, n_bytes
from hammingbird.datasets.images import Picture, opened, pixels
from hammingbird.errors import HammingbirdError, InputError

MOST = 1024
"""Queries or items in one JSON request, and lines that are stored at a time."""
MOST_K = 10_000
MOST_HITS = 50_000
"""Hits in one answer, over all queries."""
MOST_PIXELS = 50_000_000
LAST_ID = 2**63 - 1
PAYLOAD_BYTES = 1 << 16

Id = Annotated[int, Field(ge=0, le=LAST_ID)]
Hex = Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2})+$", max_length=1024, examples=["9f04"])]
Vector = Annotated[list[float], Field(min_length=1, max_length=65536)]
Base64 = Annotated[str, Field(min_length=1, description="A picture file, in Base64.")]
Text = Annotated[str, Field(min_length=1, max_length=10_000)]


class Strict(BaseModel):
    """Nothing unknown, no numbers in strings, neither NaN nor infinity."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Options(Strict):
    """How to search; in the query string where the body is an array or a picture."""

    k: int = Field(10, ge=1, le=MOST_K, description="Hits per query.")
    radius: int | None = Field(None, ge=0, le=65535, description="Only hits so near, in bits.")
    asymmetric: bool = Field(False, description="Order by the query's real scores.")
    rerank: bool = Field(False, description="Order candidates by the distance of the vectors.")
    candidates: int | None = Field(
        None, ge=1, le=MOST_K, description="Codes to re-rank, 10 k if left out."
    )
    measure: Literal["l2", "inner", "cosine"] = Field("l2", description="Of re-ranking.")
    histogram: bool = Field(False, description="Count the codes at every distance.")
    payloads: bool = Field(True, description="Give the payloads of the hits.")


class Queries(Strict):
    """What to encode: one of the fields."""

    vectors: list[Vector] | None = Field(None, min_length=1, max_length=MOST)
    pictures: list[Base64] | None = Field(None, min_length=1, max_length=64)
    texts: list[Text] | None = Field(None, min_length=1, max_length=MOST)


class Search(Options, Queries):
    """What to search for, one of ``vectors``, ``pictures``, ``texts``, ``codes`` and ``ids``."""

    codes: list[Hex] | None = Field(None, min_length=1, max_length=MOST)
    ids: list[Id] | None = Field(
        None, min_length=1, max_length=MOST, description="Search with the codes of these items."
    )
    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": [0], "k": 3}]})


class Item(Strict):
    """An item: its code, or what the model makes one of; and what to tell of it."""

    id: Id | None = Field(None, description="The next one if left out.")
    code: Hex | None = None
    vector: Vector | None = Field(None, description="Kept, to re-rank by.")
    picture: Base64 | None = None
    text: Text | None = None
    payload: dict[str, Any] | None = Field(
        None,
        description="Anything; the page shows name, url, label and picture (a data: URL).",
        examples=[{"name": "beach.jpg", "label": "sea"}],
    )


class Additions(Strict):
    """Items to store together, all of them or none."""

    items: list[Item] = Field(min_length=1, max_length=MOST)
    replace: bool = Field(False, description="Whether they may take the place of others.")


def read_json(model: type[BaseModel], body: bytes) -> Any:
    """Parse and check JSON; what is wrong is pydantic's ``ValidationError``."""
    return model.model_validate_json(body, strict=True)


def the_one(request: BaseModel, names: Sequence[str]) -> str:
    """The one field of these that is given."""
    given = [name for name in names if getattr(request, name) is not None]
    if len(given) != 1:
        raise InputError(f"give one of {', '.join(names)}, got {' and '.join(given) or 'none'}")
    return given[0]


def codes_of(texts: Sequence[str], n_bits: int) -> Codes:
    """Packed codes [n, bytes] from hexadecimal digits."""
    width = n_bytes(n_bits)
    for i, text in enumerate(texts):
        if len(text) != 2 * width:
            raise InputError(
                f"code {i} has {len(text)} hexadecimal digits, {n_bits} bits take {2 * width}"
            )
    codes = np.frombuffer(bytes.fromhex("".join(texts)), np.uint8)
    return check_codes(codes.reshape(-1, width), n_bits)


def vectors_of(rows: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """Vectors [n, d] from lists of one length, which float32 can hold."""
    if len({len(row) for row in rows}) > 1:
        raise InputError("vectors must be equally long")
    with np.errstate(over="ignore"):
        vectors = np.asarray(rows, np.float32)
    if not np.isfinite(vectors).all():
        raise InputError("vectors must be finite in single precision")
    return vectors


def array_of(body: bytes) -> NDArray[Any]:
    """The numbers [n, d] of a ``.npy`` file in memory."""
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read(stream)
        if len(shape) != 2 or 0 in shape or fortran_order or dtype.kind not in "fiub":
            raise InputError("the array must hold numbers [n, d] in C order")
        # As many bytes as the header says, or it is no array.
        return np.frombuffer(body[stream.tell() :], dtype).reshape(shape)
    except InputError:
        raise
    except Exception as error:  # a broken header makes NumPy raise almost anything
        raise InputError("the body is no readable .npy array of numbers") from error


def pictures_of(files: Sequence[bytes | str], frame: tuple[int, ...]) -> NDArray[np.uint8]:
    """Decode picture files (or their Base64) and resize them: uint8 [n, h, w] or [n, h, w, 3]."""
    found = np.empty((len(files), *frame), np.uint8)
    for i, file in enumerate(files):
        try:
            content = b64decode(file, validate=True) if isinstance(file, str) else file
            with opened(Path("request"), Picture(f"picture {i}", content)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise InputError(f"it has more than {MOST_PIXELS:,} pixels")
                image.draft("RGB", (2 * frame[1], 2 * frame[0]))  # JPEG decodes less
                found[i] = pixels(image, frame)
        except (HammingbirdError, ValueError) as error:  # noqa: PERF203
            # The decoder's own words may hold addresses and paths.
            said = str(error) if type(error) is InputError else "no picture that can be read"
            raise InputError(f"picture {i}: {said}") from None
    return found


def payload_text(payload: dict[str, Any] | None) -> str | None:
    """A payload as it is stored: JSON in ASCII, not too long."""
    if payload is None:
        return None
    try:
        text = json.dumps(payload, allow_nan=False)
    except ValueError:
        raise InputError("numbers in a payload must be finite") from None
    if len(text) > PAYLOAD_BYTES:
        raise InputError(f"a payload takes at most {PAYLOAD_BYTES:,} bytes, got {len(text):,}")
    return text

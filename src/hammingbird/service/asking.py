"""From the bytes of a request to what the engine is asked; heavy work goes to threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import Codes, check_codes
from hammingbird.errors import InputError
from hammingbird.service import requests as r
from hammingbird.service.engine import Engine, Question

Encoder = Callable[[list[str]], Any]
"""Turns texts into vectors [n, d] that the model takes."""
NPY = "application/x-npy"
LONGEST_LINE = 1 << 22
Result = TypeVar("Result")


@dataclass
class Given:
    """What the model takes, as it was sent: one of these."""

    vectors: Any = None
    pictures: Any = None
    texts: Any = None


class Reader:
    """Reads requests for one engine."""

    def __init__(self, engine: Engine, encoder: Encoder | None) -> None:
        self.engine, self.encoder = engine, encoder

    def inputs(self, asked: Given | r.Queries) -> NDArray[Any]:
        """What the model takes, from vectors, picture files or texts."""
        model = self.engine.model
        if asked.pictures is not None:
            pictures = r.pictures_of(asked.pictures, self.engine.frame)
            shape = getattr(model, "input_shape_", ())
            as_images = len(shape) == 3
            return (
                pictures.reshape(-1, *shape) if as_images else pictures.reshape(len(pictures), -1)
            )
        if asked.texts is not None:
            if self.encoder is None:
                raise InputError("this service has no encoder of texts: start it with --texts")
            return np.asarray(self.encoder(list(asked.texts)))
        if isinstance(asked.vectors, np.ndarray):
            return asked.vectors
        return r.vectors_of(asked.vectors or ())

    def question(self, options: r.Options, codes: Codes | None, inputs: Any) -> Question:
        """A question from codes, or from what the model takes."""
        scores = None
        if inputs is not None:
            codes, scores = self.engine.questions(inputs)
        assert codes is not None
        if options.asymmetric and scores is None:
            raise InputError("an asymmetric search needs a vector, a picture or a text")
        if options.rerank and inputs is None:
            raise InputError("re-ranking needs a vector, a picture or a text")
        if options.asymmetric and options.radius is not None:
            raise InputError("radius is a Hamming distance: leave asymmetric or radius out")
        if options.candidates is not None and not options.rerank:
            raise InputError("candidates are what rerank orders: set rerank too")
        candidates = max(options.k, options.candidates or min(10 * options.k, r.MOST_K))
        depth = candidates if options.rerank else options.k
        if depth * len(codes) > r.MOST_HITS:
            raise InputError(f"that is more than {r.MOST_HITS:,} hits: send fewer queries at once")
        if options.histogram and len(codes) * self.engine.n_bits > 1 << 20:
            raise InputError("send fewer queries at once to have their histograms")
        return Question(
            codes,
            options.k,
            scores=scores if options.asymmetric else None,
            vectors=inputs.reshape(len(inputs), -1) if options.rerank else None,
            candidates=candidates,
            measure=options.measure,
            radius=options.radius,
            histogram=options.histogram,
            payloads=options.payloads,
        )

    async def search(self, media: str, body: bytes, query: dict[str, str]) -> Question:
        """The question of one request."""
        if media == "application/json":
            asked: r.Search = r.read_json(r.Search, body)
            r.the_one(asked, ("vectors", "pictures", "texts", "codes", "ids"))
            if asked.codes is not None:
                return self.question(asked, r.codes_of(asked.codes, self.engine.n_bits), None)
            if asked.ids is not None:
                return self.question(asked, self.engine.codes_of(asked.ids), None)
            return await in_thread(lambda: self.question(asked, None, self.inputs(asked)))
        options = r.Options.model_validate(query)
        given = self.other(media, body)
        if isinstance(given.vectors, np.ndarray) and self.is_codes(given.vectors):
            codes = check_codes(given.vectors, self.engine.n_bits)
            return self.question(options, codes, None)
        return await in_thread(lambda: self.question(options, None, self.inputs(given)))

    def is_codes(self, array: NDArray[Any]) -> bool:
        """Whether bytes are codes: they are as wide, and the model takes another width."""
        if array.dtype != np.uint8:
            return False
        if self.engine.hasher is None:
            return True
        return bool(array.shape[1] != self.engine.hasher.n_features_in_)

    def other(self, media: str, body: bytes) -> Given:
        """Inputs from a body that is no JSON: an array, or one picture."""
        if media == NPY:
            return Given(vectors=r.array_of(body))
        return Given(pictures=[body])

    def items(self, items: Sequence[r.Item]) -> tuple[Any, ...]:
        """What :meth:`Engine.write` takes, from items of JSON."""
        names = ("code", "vector", "picture", "text")
        kinds = [r.the_one(item, names) for item in items]
        codes = np.empty((len(items), self.engine.index.codes.shape[1]), np.uint8)
        vectors: list[NDArray[np.float32] | None] = [None] * len(items)
        for kind, field in (("code", ""), ("vector", "vectors"), ("picture", "pictures"),
                            ("text", "texts")):  # fmt: skip
            rows = [i for i, k in enumerate(kinds) if k == kind]
            values = [getattr(items[i], kind) for i in rows]
            if not rows:
                continue
            if kind == "code":
                codes[rows] = r.codes_of(values, self.engine.n_bits)
                continue
            inputs = self.inputs(Given(**{field: values}))
            codes[rows] = self.engine.encode(inputs)
            for row, vector in zip(rows, inputs, strict=True):
                vectors[row] = vector.reshape(-1).astype(np.float32) if kind != "picture" else None
        payloads = [r.payload_text(item.payload) for item in items]
        return codes, [item.id for item in items], vectors, payloads


async def in_thread(work: Callable[[], Result]) -> Result:
    """Do it while other requests go on."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Blocks of whole lines, of as many as are stored together, as they come."""
    rest, block, size = b"", [], 0
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise InputError(f"a line may have {LONGEST_LINE:,} bytes")
        for line in whole:
            if line.strip():
                block.append(line)
                size += len(line)
            if len(block) == r.MOST or size > LONGEST_LINE:
                yield block
                block, size = [], 0
    if rest.strip():
        block.append(rest)
    if block:
        yield block

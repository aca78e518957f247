"""The routes: HTTP in, one call of the engine, JSON or arrays out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from hammingbird.errors import InputError
from hammingbird.service import answers as a
from hammingbird.service import requests as r
from hammingbird.service.asking import NPY, Encoder, Reader, in_thread, lines
from hammingbird.service.batches import Batches, Busy
from hammingbird.service.engine import Engine, Found, Question, TakenIdError, UnknownIdError
from hammingbird.service.guard import JSON, NDJSON, Guard, Limits, Problem
from hammingbird.service.page import page
from hammingbird.storage import package_version

NPZ = "application/x-npz"
BATCH = 64
WAITING = 1024
MANY = 1000
"""Hits that are made JSON in a thread."""
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": a.Problem, "description": words}
    for status, words in (
        (401, "No token, or an unknown one."),
        (403, "The token may read only."),
        (404, "There is no such item."),
        (408, "The body did not come in time."),
        (409, "An id is taken."),
        (413, "The body is too large."),
        (415, "This type of body is not read here."),
        (422, "What was sent cannot be used; detail says why."),
        (503, "Too much at once: try again."),
    )
}


def make_app(
    engine: Engine,
    limits: Limits | None = None,
    *,
    encoder: Encoder | None = None,
    batch: int = BATCH,
) -> Guard:
    """The service of an engine as an ASGI application, which closes the engine at its end.

    Searches that arrive together are searched together, up to ``batch`` of them; 1 searches each
    alone. ``encoder`` turns texts into the vectors that the model takes.
    """
    registry = CollectorRegistry()
    Gauge("hammingbird_items", "Items.", registry=registry).set_function(lambda: len(engine.index))
    sizes = Histogram(
        "hammingbird_batch", "Requests searched together.", registry=registry,
        buckets=(1, 2, 4, 8, 16, 32, 64),
    )  # fmt: skip

    def search(questions: Any) -> list[Found | Exception]:
        sizes.observe(len(questions))
        return engine.search(questions)

    searches: Batches[Question, Found] = Batches(search, batch, WAITING, 1 if batch > 1 else 2)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        searches.close()
        engine.close()

    app = FastAPI(
        title="Hammingbird", version=package_version(), lifespan=lifespan, docs_url=None,
        redoc_url=None, responses=PROBLEMS, redirect_slashes=False,
        description="Search of binary codes by Hamming distance.",
    )  # fmt: skip
    _add_errors(app)
    _add_reading(app, Reader(engine, encoder), searches)
    _add_writing(app, Reader(engine, encoder))
    _add_looking(app, engine, encoder, registry)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return Guard(app, limits or Limits(), registry)


def _add_reading(app: FastAPI, reader: Reader, searches: Batches[Question, Found]) -> None:
    engine = reader.engine

    @app.post("/encode", response_model=a.Encoded, openapi_extra=_body(r.Queries, {NPY, "image/*"}))
    async def encode(request: Request) -> Response:
        """Codes of vectors, pictures or texts; as a NumPy array where Accept says so."""
        media, body = _media(request, {JSON, NPY}, pictures=True), await request.body()
        if media == JSON:
            asked: Any = r.read_json(r.Queries, body)
            r.the_one(asked, ("vectors", "pictures", "texts"))
        else:
            asked = reader.other(media, body)
        codes = await in_thread(lambda: engine.encode(reader.inputs(asked)))
        if NPY in request.headers.get("accept", ""):
            return Response(a.npy(codes), media_type=NPY)
        return _json({"n_bits": engine.n_bits, "codes": a.digits(codes)})

    @app.post("/search", response_model=a.Results, openapi_extra=_body(r.Search, {NPY, "image/*"}))
    async def search(request: Request) -> Response:
        """The nearest items of every query.

        JSON holds its options. Options of an array (codes or vectors) or of a picture stand in the
        query string. The answer is arrays (.npz) where Accept says so.
        """
        media, body = _media(request, {JSON, NPY}, pictures=True), await request.body()
        question = await reader.search(media, body, dict(request.query_params))
        found = await searches.ask(question)
        if NPZ in request.headers.get("accept", ""):
            return Response(a.results_npz(found), media_type=NPZ)
        text = a.results_json
        if found.ids.size > MANY:  # others go on meanwhile
            content = await in_thread(lambda: text(question, found, engine.n_bits))
        else:
            content = text(question, found, engine.n_bits)
        return Response(content, media_type=JSON)


def _add_writing(app: FastAPI, reader: Reader) -> None:
    engine = reader.engine

    @app.post(
        "/items",
        status_code=201,
        response_model=a.Stored,
        openapi_extra=_body(r.Additions, {NPY, NDJSON}),
    )
    async def add(request: Request, replace: bool = False) -> Response:
        """Store items; when the answer comes they are on the disk.

        JSON is stored whole or not at all. Lines of JSON (one item each) are stored in blocks of
        1,024 as they come; an error says how many were stored before it. An array holds codes or
        vectors, which get the next ids. ``replace`` in the query string is for lines.
        """
        media = _media(request, {JSON, NPY, NDJSON})
        if media == NDJSON:
            return await _add_lines(request, reader, replace)
        body = await request.body()
        if media == JSON:
            more: r.Additions = r.read_json(r.Additions, body)
            put = lambda: engine.write(*reader.items(more.items), replace=more.replace)  # noqa: E731
        else:
            put = lambda: _add_array(reader, body)  # noqa: E731
        ids = await in_thread(put)
        return _json({"added": len(ids), "ids": ids}, 201)

    @app.delete("/items", response_model=a.Removed)
    async def remove(id: Annotated[list[r.Id], Query(min_length=1, max_length=r.MOST)]) -> Response:  # noqa: A002
        """Forget items, all of them or none; when the answer comes they are gone from the disk."""
        await in_thread(lambda: engine.remove(id))
        return _json({"removed": len(set(id))})

    @app.get("/items/{id}", response_model=a.Shown)
    async def item(id: Annotated[int, Path(ge=0, le=r.LAST_ID)]) -> Response:  # noqa: A002
        """One item."""
        code, payload = await in_thread(lambda: engine.item(id))
        return _json({"id": id, "code": code.tobytes().hex(), "payload": payload})


def _add_array(reader: Reader, body: bytes) -> list[int]:
    array = r.array_of(body)
    vectors: Any = [None] * len(array)
    codes: Any = array
    if not reader.is_codes(array):
        codes = reader.engine.encode(array)
        vectors = array.astype("float32")
    return reader.engine.write(codes, [None] * len(array), vectors, [None] * len(array))


async def _add_lines(request: Request, reader: Reader, replace: bool) -> Response:
    added = 0
    try:
        async for block in lines(request.stream()):

            def put(block: list[bytes] = block) -> int:
                items = [r.read_json(r.Item, line) for line in block]
                return len(reader.engine.write(*reader.items(items), replace=replace))

            added += await in_thread(put)
    except (InputError, ValidationError) as error:
        problem = _problem(error)
        raise Problem(problem.status, problem.detail, added=added) from None
    return _json({"added": added}, 201)


def _add_looking(
    app: FastAPI, engine: Engine, encoder: Encoder | None, registry: CollectorRegistry
) -> None:
    html, policy = page()

    @app.get("/", include_in_schema=False)
    async def show() -> Response:
        return Response(html, media_type="text/html", headers={"content-security-policy": policy})

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return Response(status_code=204)

    @app.get("/healthz", response_class=Response)
    async def alive() -> Response:
        """The process answers."""
        return Response(b"ok\n", media_type="text/plain")

    @app.get("/readyz", response_model=a.About)
    async def ready() -> Response:
        """What can be asked for here."""
        hasher = engine.hasher
        try:
            pictures = hasher is not None and bool(engine.frame)
        except InputError:
            pictures = False
        about = {"ready": True, "items": len(engine.index), "n_bits": engine.n_bits}
        name = None if hasher is None else type(hasher).__name__
        can = {"model": name, "pictures": pictures, "texts": encoder is not None}
        return _json({**about, **can, "example": engine.any_id()})

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Measurements for Prometheus."""
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


def _add_errors(app: FastAPI) -> None:
    async def tell(_: Request, error: Exception) -> Response:
        problem = _problem(error)
        return Response(problem.body(), problem.status, problem.headers())

    asked = (Problem, InputError, ValidationError, RequestValidationError, HTTPException)
    for kind in (*asked, Busy, ClientDisconnect, sqlite3.Error, Exception):
        app.add_exception_handler(kind, tell)


def _problem(error: Exception) -> Problem:
    """An error in words that tell nothing of this machine."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, sqlite3.Error):
        return Problem(503, "items cannot be read or stored now: is the disk full?")
    if isinstance(error, ClientDisconnect):
        return Problem(400, "the body ended too early")
    if isinstance(error, Busy):
        return Problem(503, "too many requests wait: try again")
    if isinstance(error, ValidationError | RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part)[:40] for part in first["loc"])
        return Problem(422, f"{place or 'the body'}: {first['msg']}"[:300])
    if isinstance(error, InputError):
        known = {UnknownIdError: 404, TakenIdError: 409}
        return Problem(known.get(type(error), 422), str(error)[:300])
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail))
    return Problem(500, "this is a fault of the service, which its log tells of")


def _media(request: Request, known: set[str], *, pictures: bool = False) -> str:
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media in known:
        return media
    if pictures and media.startswith("image/"):
        return media
    names = sorted(known) + ["image/*"] * pictures
    raise Problem(415, f"Content-Type must be one of {', '.join(names)}")


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content).encode(), status, media_type=JSON)


def _body(model: type[r.Strict], others: set[str]) -> dict[str, Any]:
    """The body of a route in the document: JSON as a model says, or bytes of other types."""
    content: dict[str, Any] = {JSON: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    content |= {media: {"schema": {"type": "string", "format": "binary"}} for media in others}
    found: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    if model is r.Search:  # the options of a body that is no JSON
        found["parameters"] = [
            {"name": name, "in": "query", "schema": schema}
            for name, schema in r.Options.model_json_schema()["properties"].items()
        ]
    return found


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document["components"]["schemas"]
    for model in (r.Queries, r.Search, r.Additions):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    app.openapi_schema = document
    return document

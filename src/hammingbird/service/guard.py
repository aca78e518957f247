"""What stands before every request: who may ask, how much, how long; and how errors are told."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN = frozenset({"/", "/healthz", "/readyz", "/openapi.json", "/favicon.ico"})
"""Paths without anything of the user's."""
ROUTES = OPEN | {"/encode", "/search", "/items", "/metrics"}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "testserver"})
JSON = "application/json"
NDJSON = "application/x-ndjson"
LATE = "the body did not come in time"
BROWSER = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


@dataclass(frozen=True)
class Limits:
    """Tokens, sizes in bytes, and seconds; no token lets everyone on this machine in."""

    read_token: str | None = None
    write_token: str | None = None
    json_bytes: int = 4 << 20
    """Of a JSON body; parsing it stops everything else for a moment."""
    body_bytes: int = 64 << 20
    """Of an array or a picture; lines come in any number."""
    body_seconds: float = 20
    """Until the next lines come."""
    seconds: float = 30
    """Until the answer; lines may take longer."""


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An answer that is an error, with words for whoever asked."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more = status, detail, more

    def body(self) -> bytes:
        """The problem as JSON (RFC 9457)."""
        title = HTTPStatus(self.status).phrase
        content = {"title": title, "status": self.status, "detail": self.detail, **self.more}
        return json.dumps(content).encode()

    def headers(self) -> dict[str, str]:
        """What goes with the body."""
        headers = {"content-type": "application/problem+json"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.status == 503:
            headers["retry-after"] = "1"
        return headers


class Guard:
    """An ASGI application around another: limits, tokens, measurements."""

    def __init__(self, app: App, limits: Limits, registry: CollectorRegistry) -> None:
        self.app, self.limits = app, limits
        self.requests = Counter(
            "hammingbird_requests", "Answers.", ("route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "hammingbird_request_seconds", "From the headers to the answer's end.", ("route",),
            registry=registry, buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30),
        )  # fmt: skip

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of scope pass through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = perf_counter(), 0
        headers = dict(scope["headers"])
        body = Body(receive, self.limits, headers)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *BROWSER]
            await send(message)

        try:
            self._admit(scope, headers)
            body.check()
            work = self.app(scope, body.receive, watched)
            await asyncio.wait_for(work, None if body.lines else self.limits.seconds)
        except Problem as problem:
            if not status:
                await _answer(problem, watched)
        except asyncio.TimeoutError:
            slow = Problem(503, "this took too long: ask for less")
            if not status:
                await _answer(slow if body.whole else Problem(408, LATE), watched)
        finally:
            path = scope["path"]
            route = path if path in ROUTES else "/items/{id}" if "/items/" in path else "other"
            self.requests.labels(route, str(status)).inc()
            self.seconds.labels(route).observe(perf_counter() - start)

    def _admit(self, scope: Message, headers: dict[bytes, bytes]) -> None:
        limits = self.limits
        if limits.read_token is None and limits.write_token is None:
            # A page of another site may not reach this machine through a name of its own.
            host = headers.get(b"host", b"").decode("latin-1")
            if host.rsplit(":", 1)[0].strip("[]").lower() not in LOOPBACK and host != "::1":
                raise Problem(421, "without tokens this service answers to localhost only")
            return
        if scope["path"] in OPEN and scope["method"] in ("GET", "HEAD"):
            return
        kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        given = token.strip() if kind.lower() == "bearer" else ""
        writes = _same(given, limits.write_token)
        if not writes and not _same(given, limits.read_token):
            raise Problem(401, "a token is needed: send Authorization: Bearer TOKEN")
        if scope["path"] == "/items" and not writes:
            raise Problem(403, "this token may read only")


class Body:
    """The body of one request, which is not read beyond its limits."""

    def __init__(self, receive: Receive, limits: Limits, headers: dict[bytes, bytes]) -> None:
        media = _media(headers)
        self.lines, self.whole = media == NDJSON, False
        self._receive, self._declared = receive, headers.get(b"content-length", b"")
        self._most = limits.json_bytes if media == JSON else limits.body_bytes
        self._seconds, self._taken = limits.body_seconds, 0

    def check(self) -> None:
        """Refuse a body that says it is too large."""
        if self._declared.isdigit() and not self.lines:
            self._check(int(self._declared))

    async def receive(self) -> Message:
        """The next part; lines may be as many as come in time, anything else is bounded whole."""
        try:
            # The time of the whole request bounds anything but lines.
            part = self._receive()
            message = await (asyncio.wait_for(part, self._seconds) if self.lines else part)
        except asyncio.TimeoutError:
            raise Problem(408, LATE) from None
        self.whole = not message.get("more_body", False)
        self._taken += len(message.get("body", b""))
        if not self.lines:
            self._check(self._taken)
        return message

    def _check(self, size: int) -> None:
        if size > self._most:
            raise Problem(413, f"a body of this type may have {self._most:,} bytes")


async def _answer(problem: Problem, send: Send) -> None:
    headers = [(k.encode(), v.encode()) for k, v in problem.headers().items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": problem.body()})


def _media(headers: dict[bytes, bytes]) -> str:
    return headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")


def _same(given: str, token: str | None) -> bool:
    return token is not None and secrets.compare_digest(given.encode(), token.encode())

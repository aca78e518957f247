"""Runs the service until it is told to stop."""

from __future__ import annotations

import os
import signal
from importlib import import_module
from typing import Any

from hammingbird.errors import InputError, MissingExtraError
from hammingbird.service.asking import Encoder
from hammingbird.service.engine import Engine
from hammingbird.service.guard import LOOPBACK, Limits

READ, WRITE = "HAMMINGBIRD_READ_TOKEN", "HAMMINGBIRD_WRITE_TOKEN"
GRACE = 20
"""Seconds that requests may take to end after SIGTERM."""


def limits_for(host: str) -> Limits:
    """Tokens from the environment, which other users cannot list as they can arguments.

    Without any, only this machine may be served.
    """
    limits = Limits(os.environ.get(READ) or None, os.environ.get(WRITE) or None)
    if host not in LOOPBACK and (limits.read_token is None or limits.write_token is None):
        raise InputError(
            f"{host} may be reached by others: set {READ} and {WRITE}, or serve 127.0.0.1"
        )
    return limits


def text_encoder(name: str) -> Encoder:
    """The function ``module:function`` that turns texts into vectors."""
    module, colon, function = name.partition(":")
    try:
        found: Any = getattr(import_module(module), function) if colon else None
    except (ImportError, AttributeError) as error:
        raise InputError(f"--texts {name}: {error}") from error
    if not callable(found):
        raise InputError(f"--texts takes MODULE:FUNCTION, got {name!r}")
    encoder: Encoder = found
    return encoder


def serve(
    engine: Engine,
    host: str,
    port: int,
    *,
    encoder: Encoder | None = None,
    batch: int | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then requests that have begun are answered first."""
    try:
        import uvicorn

        from hammingbird.service.app import BATCH, make_app
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "service") from error
    # The server raises the signal again when it has ended, which would end us before our own end.
    signal.signal(signal.SIGTERM, lambda *_: None)
    app = make_app(engine, limits_for(host), encoder=encoder, batch=batch or BATCH)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
    )

"""Where a store is: ``scheme://user:password@host:port/place?option=value``, never shown whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from hammingbird.errors import InputError

SECRET_OPTIONS = ("password", "sslpassword", "token", "api_key")
SCHEME = re.compile(r"[a-z][a-z0-9_-]+:")


@dataclass(frozen=True)
class Address:
    """An address taken apart. Its text and its ``repr`` lack what is secret."""

    scheme: str
    place: str
    """A file, a folder, or a database on ``host``."""
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str, *, server: bool) -> Address:
        """Take an address apart; that of a server has a host, any other is a path."""
        scheme, _, rest = text.partition(":")
        if not server:
            path, _, query = rest.removeprefix("//").partition("?")
            if not path:
                raise InputError(f"{scheme}: names no file: write {scheme}:PATH")
            return cls(scheme, path, options=_options(query, scheme))
        try:
            parts = urlsplit(f"{scheme}://{rest.removeprefix('//')}")
            port = parts.port
        except ValueError:
            raise InputError(
                f"the address of a {scheme} store must be {scheme}://user@host:port/database; "
                "special characters of a name or password are written as %XX"
            ) from None
        return cls(
            scheme,
            unquote(parts.path.removeprefix("/")),
            unquote(parts.hostname or ""),
            port,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            _options(parts.query, scheme),
        )

    def __str__(self) -> str:
        if not (self.host or self.user or self.port):
            return f"{self.scheme}:{self.place}"
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{user}{self.host}{port}/{self.place}"

    @property
    def secrets(self) -> list[str]:
        """What must never be shown."""
        given = [self.password, *(self.options.get(name, "") for name in SECRET_OPTIONS)]
        return [secret for secret in given if secret]

    def hide(self, text: object) -> str:
        """Return what a client says without the secrets of this address, on one line."""
        shown = " ".join(str(text).split())
        for secret in self.secrets:
            for form in {secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]}:
                shown = shown.replace(form, "***")
        return shown

    def option(self, name: str, default: str, allowed: tuple[str, ...] = ()) -> str:
        """Return an option, which must be one of ``allowed`` if there are any."""
        value = self.options.get(name, default)
        if allowed and value not in allowed:
            raise InputError(f"{self.scheme}: {name} must be one of {', '.join(allowed)}")
        if not value or "\0" in value:
            raise InputError(f"{self.scheme}: {name} must not be empty or hold a zero byte")
        return value


def scheme_of(text: object) -> str:
    """Return the scheme of an address, or nothing if it looks like a path."""
    found = SCHEME.match(str(text))
    return found[0][:-1] if found else ""


def _options(query: str, scheme: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) != len(pairs):
        raise InputError(f"an option of the {scheme} address is given twice")
    return options

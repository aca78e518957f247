"""Methods that are not of this library: given to ``compare``, or installed with a package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from hammingbird.errors import InputError
from hammingbird.hasher import Hasher

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "hammingbird.methods"
"""Entry points of this group name a subclass of :class:`Hasher`."""

NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*", re.IGNORECASE)
"""Names of methods are names of folders too."""

Build: TypeAlias = Callable[[int, int], Hasher]
"""Makes an unfitted hasher of a number of bits and a seed."""
Part: TypeAlias = Hasher | type[Hasher] | Build
Given: TypeAlias = str | Hasher | type[Hasher] | tuple[str, Part]
"""How a method may be given: a name of the catalog, a hasher, its class, or a name and one of them.

A hasher is copied for every code length and seed; its other parameters stay as they are.
"""


@dataclass(frozen=True)
class Outside:
    """A method that somebody gave: what to call it, and what makes a hasher."""

    name: str
    part: Part

    def make(self, n_bits: int | None = None, random_state: int | None = None) -> Hasher:
        """Build an unfitted hasher, or say why it cannot have that many bits."""
        if isinstance(self.part, type):
            return configured(self.part(), n_bits, random_state)
        if isinstance(self.part, Hasher):
            from sklearn.base import clone

            return configured(clone(self.part), n_bits, random_state)
        hasher = self.part(cast(int, n_bits), cast(int, random_state))
        if not isinstance(hasher, Hasher):
            raise InputError(
                f"the method {self.name!r} must make a Hasher, it made a {type(hasher).__name__}"
            )
        made = hasher.get_params(deep=False).get("n_bits")
        if n_bits is not None and made != n_bits:
            raise InputError(
                f"the method {self.name!r} was asked for {n_bits} bits and made a "
                f"{type(hasher).__name__} of {made}: pass n_bits on"
            )
        return hasher


@dataclass(frozen=True)
class Installed:
    """A method of an installed package, imported on first use."""

    entry: EntryPoint
    extra: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """The entry point's name, in small letters."""
        return self.entry.name.lower()

    @property
    def path(self) -> str:
        """``module:Class``, as the package wrote it."""
        return self.entry.value

    @property
    def package(self) -> str:
        """The package's name and version."""
        found = self.entry.dist
        return "an unknown package" if found is None else f"{found.name} {found.version}"

    @property
    def hasher_class(self) -> type[Hasher]:
        """The class, imported now; :class:`InputError` names the package if that fails."""
        try:
            loaded = self.entry.load()
        except Exception as error:  # whatever a foreign module does when it is imported
            raise InputError(
                f"the method {self.name!r} of {self.package} cannot be imported from {self.path}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, Hasher)):
            raise InputError(
                f"the method {self.name!r} of {self.package} must be a subclass of "
                f"hammingbird.Hasher, {self.path} is {loaded!r}"
            )
        return loaded

    def make(self, n_bits: int | None = None, random_state: int | None = None) -> Hasher:
        """Build an unfitted hasher; ``random_state`` is passed on where the method has one."""
        return configured(self.hasher_class(), n_bits, random_state)

    def record(self) -> dict[str, Any]:
        """What the catalog lists; a class that cannot be imported says so in its summary."""
        listed = {"name": self.name, "path": self.path, "paper": self.package, "extra": ""}
        try:
            loaded = self.hasher_class
        except InputError as error:
            return {**listed, "summary": str(error), "supervision": "", "parameters": {}}
        summary = (loaded.__doc__ or "").strip().partition("\n")[0]
        supervision = "labels" if loaded.supervised is True else "none"
        return {**listed, "summary": summary, "supervision": supervision, "parameters": {}}


def installed() -> Iterator[Installed]:
    """Every entry point of the group, by name; nothing is imported."""
    from importlib.metadata import entry_points

    return map(Installed, sorted(entry_points(group=GROUP), key=lambda entry: entry.name))


def outside(given: Hasher | type[Hasher] | tuple[str, Part]) -> Outside:
    """Name what was given as a method: by its own name, or else by that of its class."""
    if isinstance(given, Hasher):
        return Outside(type(given).__name__.lower(), given)
    if isinstance(given, type) and issubclass(given, Hasher):
        return Outside(given.__name__.lower(), given)
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str):
        name, part = given
        if not NAME.fullmatch(name):
            raise InputError(
                f"a method's name must be letters, digits and . _ + -, starting with a letter or "
                f"digit, got {name!r}"
            )
        if isinstance(part, Hasher) or callable(part):
            return Outside(name, part)
    raise InputError(
        "a method must be a name of the catalog, a hasher, a class of hashers, or a pair of a name "
        f"and one of these or a function of (n_bits, seed); got {given!r}"
    )


def configured(hasher: Hasher, n_bits: int | None, random_state: int | None) -> Hasher:
    """Set the length and, where the hasher has one, the seed."""
    has = hasher.get_params(deep=False)
    if "n_bits" not in has:
        raise InputError(
            f"{type(hasher).__name__} has no parameter n_bits: its constructor must take n_bits "
            "and keep it under that name"
        )
    if n_bits is not None:
        hasher.set_params(n_bits=n_bits)
    if "random_state" in has:
        hasher.set_params(random_state=random_state)
    return hasher

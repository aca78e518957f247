"""Every error that Hammingbird raises on purpose; each message says what to do."""

from __future__ import annotations


class HammingbirdError(Exception):
    """The base of all errors of this package."""


class InputError(HammingbirdError, ValueError):
    """An array or an argument that cannot be used as it is."""


class FileError(HammingbirdError, OSError):
    """A file or folder that is missing, truncated, altered, foreign, too new or in the way."""


class StoreError(HammingbirdError):
    """A store that is down, refuses, holds something else, or answers wrongly."""


class ClusterError(HammingbirdError):
    """A cluster that cannot be reached, lost its workers, or whose workers cannot do the work."""


class MissingExtraError(HammingbirdError, ImportError):
    """A library of an optional extra is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed: run pip install 'hammingbird[{extra}]'")
        self._of = library, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), self._of  # from a worker's process

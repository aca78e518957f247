"""Which parts a store already holds, kept on this machine while a run is not finished."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hammingbird.codes import Codes
from hammingbird.errors import FileError, InputError
from hammingbird.index.rows import Ids
from hammingbird.storage import Manifest, fingerprint, read_manifest, write_manifest
from hammingbird.stores import Store

SAMPLED = 4
"""Codes of a part that are read back from the store."""
SHARE = 10
"""A flush may take one part in so many of the time."""

logger = logging.getLogger(__name__)


class Sample(NamedTuple):
    """Some codes of a part, among them the first and the last."""

    rows: int
    ids: list[int]
    codes: list[str]
    """In hexadecimal digits."""

    @classmethod
    def of(cls, ids: Ids, codes: Codes) -> Sample:
        """Take evenly spaced rows."""
        rows = np.unique(np.linspace(0, len(ids) - 1, SAMPLED).astype(np.int64))
        return cls(len(ids), ids[rows].tolist(), [code.tobytes().hex() for code in codes[rows]])


class Journal:
    """Parts that were written and flushed, and a sample of each.

    It lies in ``$XDG_STATE_HOME/hammingbird`` (``~/.local/state``), under a name made of the
    store's address and all parts: of other parts it knows nothing. It is believed only if the store
    still holds what it says, and is removed when the run has ended well. Where it is lost, or
    cannot be written, all parts are written again: the store is the same in the end.
    """

    def __init__(self, store: Store, parts: list[Manifest]) -> None:
        self._store = store
        options = {k: v for k, v in store.address.options.items() if v not in store.address.secrets}
        job = {"store": str(store.address), "options": options, "parts": parts}
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        self.path = Path(home) / "hammingbird" / f"{fingerprint(job)}.json"
        self._done: dict[str, Sample] = self._read()
        self._written: dict[str, Sample] = {}
        self._flushed, self._took = time.monotonic(), 0.0

    def has(self, name: str) -> bool:
        """Whether a part is in the store."""
        return name in self._done

    def add(self, name: str, sample: Sample) -> None:
        """Note a part that was written; it counts once the store has been flushed."""
        self._written[name] = sample
        start = time.monotonic()
        if start - self._flushed < SHARE * self._took:
            return
        self._store.flush()
        self._flushed = time.monotonic()
        self._took = self._flushed - start
        self._done.update(self._written)
        self._written = {}
        try:
            content = {name: list(sample) for name, sample in self._done.items()}
            write_manifest(self.path, "journal", {"parts": content})
        except FileError as error:
            logger.warning("a run that is stopped will start again from its first part: %s", error)

    def sample(self) -> tuple[Codes, Ids]:
        """Codes [n, bytes] and ids [n] of all parts that are in the store."""
        samples = [*self._done.values(), *self._written.values()]
        ids = np.array([id_ for sample in samples for id_ in sample.ids], np.int64)
        return _codes([code for sample in samples for code in sample.codes]), ids

    def remove(self) -> None:
        """Forget a run that has ended well."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Sample]:
        """What an earlier run noted, if the store holds it."""
        try:
            noted: dict[str, Any] = read_manifest(self.path, "journal")["parts"]
            found = {name: Sample(*sample) for name, sample in noted.items()}
        except FileError:
            return {}
        if self._store.count() < sum(sample.rows for sample in found.values()):
            return {}
        for sample in found.values():
            try:
                there = self._store.fetch(sample.ids)
            except InputError:
                return {}
            if not np.array_equal(there, _codes(sample.codes)):
                return {}
        return found


def _codes(texts: list[str]) -> Codes:
    held = np.frombuffer(bytes.fromhex("".join(texts)), np.uint8)
    return held.reshape(len(texts), -1)

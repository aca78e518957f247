"""What a run is doing: a bar in a terminal, elsewhere a line every ten seconds."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from tqdm import tqdm

HEARTBEAT = 10.0
"""Seconds between two lines."""

logger = logging.getLogger("hammingbird.comparison")


class Progress:
    """Parts of a run, each in stages; seconds of every stage are logged for who looks for them."""

    def __init__(self, title: str, parts: int) -> None:
        self._title, self._parts = title, parts
        self._number, self._part, self._stage = 0, "", ""
        self._start = self._stage_start = time.monotonic()
        self._done = threading.Event()
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        self._bar = tqdm(
            total=self._parts, desc=self._title, unit="cell", disable=not self._terminal
        )
        self._beat = threading.Thread(target=self._run, daemon=True)
        self._beat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._beat.join()
        self._bar.close()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Go on with the next part."""
        self._number, self._part = self._number + 1, name
        self._bar.set_postfix_str(name)
        yield
        self._bar.update()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Do one thing of a part."""
        self._stage, self._stage_start = name, time.monotonic()
        if self._terminal:
            self._bar.set_postfix_str(f"{self._part}: {name}")
        yield
        seconds = time.monotonic() - self._stage_start
        logger.debug("%s: %s, %.2f s", self._part, name, seconds)

    def line(self) -> str:
        """Say in a line what is being done."""
        now = time.monotonic()
        stage = f": {self._stage} for {_spoken(now - self._stage_start)}" if self._stage else ""
        return (
            f"{self._title} {self._number} of {self._parts}, {self._part}{stage}; "
            f"{_spoken(now - self._start)} in all"
        )

    def _run(self) -> None:
        while not self._done.wait(1.0 if self._terminal else HEARTBEAT):
            if self._terminal:
                self._bar.refresh()
            else:
                sys.stderr.write(self.line() + "\n")
                sys.stderr.flush()


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

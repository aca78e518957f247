"""Hashers that workers import: slow ones, and ones that end the process they run in."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import hammingbird as hb


class Slow(hb.LSH):
    """Takes a while for every batch."""

    def _project(self, X):
        time.sleep(0.05)
        return super()._project(X)


class Deadly(hb.LSH):
    """Ends its process when it meets a marked row, as often as ``lives`` has files."""

    lives_: str

    def _project(self, X):
        if (X[:, 0] > 1000).any():
            for life in Path(self.lives_).glob("*"):
                life.unlink()
                time.sleep(0.2)  # until the scheduler knows what is done: no other part is blamed
                os.kill(os.getpid(), signal.SIGKILL)
        return super()._project(X)

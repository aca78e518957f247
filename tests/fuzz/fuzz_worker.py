"""The child that opens damaged files: a line of JSON says which, a line says how it went."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from hammingbird import catalog
from hammingbird.datasets import load, shape, stream
from hammingbird.errors import HammingbirdError
from hammingbird.index.scan import Scan
from hammingbird.storage import describe, read_codes

with contextlib.suppress(ImportError):
    import torch  # noqa: F401 - before memory is limited

HEADROOM = 2 << 30


def limit_memory() -> None:
    """Let this process take 2 GiB more than it has now."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def read_data(path: Path, options: dict[str, Any]) -> None:
    """Load and stream a file of vectors; where both succeed they are equal, bit for bit."""
    loaded, streamed = None, None
    plain = {name: value for name, value in options.items() if name != "labels"}
    with contextlib.suppress(HammingbirdError):
        loaded = load(path, **options)
        for part in (loaded.y, loaded.classes, loaded.neighbors):
            if part is not None:
                part.tolist()
        loaded.images is None or loaded.images.sum()
    with contextlib.suppress(HammingbirdError):
        streamed = list(stream(path, rows=5, **plain))
    with contextlib.suppress(HammingbirdError):
        size = shape(path, **plain)
    if loaded is None or streamed is None:
        load(path, **options)  # refused again
        return
    X = np.asarray(loaded.X)
    assert X.shape == size, f"load gives {X.shape}, shape says {size}"
    assert {block.dtype for block in streamed} == {X.dtype}, "load and stream differ in type"
    assert sum(map(len, streamed)) == len(X), "load and stream differ in rows"
    assert b"".join(block.tobytes() for block in streamed) == X.tobytes(), "load is not stream"


def read_index(path: Path) -> None:
    """Load an index, mapped and not, and search it."""
    for mmap in (False, True):
        with contextlib.suppress(HammingbirdError):
            index = Scan.load(path, mmap=mmap)
            if len(index):
                index.search(index.codes[:2], 1)
    Scan.load(path)


def open_case(case: dict[str, Any]) -> None:
    """Open what a case names in every way; only a :class:`HammingbirdError` may come of it."""
    path = Path(case["path"])
    if case["kind"] != "data":
        with contextlib.suppress(HammingbirdError):
            describe(path)
    if case["kind"] == "data":
        read_data(path, case["options"])
    elif case["kind"] == "hasher":
        catalog.load(path)
    elif case["kind"] == "index":
        read_index(path)
    elif case["kind"] == "codes":
        with contextlib.suppress(HammingbirdError):
            read_data(path, {})
        read_codes(path)[0].sum()


def main() -> None:
    """Answer cases until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    faulthandler.enable()
    if sys.platform == "linux":
        limit_memory()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        try:
            open_case(json.loads(line))
            answer = "opened", ""
        except HammingbirdError as error:
            answer = "refused", str(error)
        except BaseException:
            answer = "raw", traceback.format_exc()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

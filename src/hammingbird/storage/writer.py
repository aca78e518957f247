"""The one writer: files and folders appear at their names whole and synced, or not at all.

What is being written lies in a holder ``.NAME.xxxxxxxx.writing`` beside NAME, with a file that its
writer keeps locked. A folder is replaced by moving the old one into the holder, then the new one
out of it. Whoever next writes beside a holder, or misses NAME, settles it if its writer is gone: a
replacement that stopped half way is undone, and the holder removed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from hammingbird.errors import FileError

fcntl: Any = None if os.name == "nt" else import_module("fcntl")
"""Windows has none: nothing is locked there, and leftovers stay."""

HOLDER = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.writing")
SWAP_SECONDS = 1.0
"""How long a reader waits for a living writer between its two renames."""


@contextmanager
def replacing(path: Path, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path; sync it and rename it to ``path`` if the block succeeds.

    Works for files and folders. On any error ``path`` is left as it was. Operating system errors
    (disk full, no permission) become :class:`FileError`.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        settle(path.parent)
        _refuse(path, overwrite)
        holder, lock = _hold(path)
    except FileError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error
    new, old = holder / path.name, _old(holder, path)
    try:
        yield new
        _sync_tree(new)
        _refuse(path, overwrite)
        if path.is_dir() and new.is_dir():
            path.rename(old)
        new.replace(path)
        _sync(path.parent)
    except FileError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        try:
            _undo_and_remove(holder, path)
        finally:
            os.close(lock)


def discard(path: Path) -> None:
    """Remove a folder, if it is there: until it is gone it is whole."""
    if path.exists():
        holder, lock = _hold(path)
        try:
            with suppress(FileNotFoundError):  # another was faster
                path.rename(_old(holder, path))
        finally:
            _undo_and_remove(holder, path)
            os.close(lock)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, readable by people, through a temporary name."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")


def settle(folder: Path) -> None:
    """Undo what killed writers left half done in ``folder``, and remove their leftovers."""
    for holder, path in _holders(folder):
        with suppress(OSError):  # another settles it too, or it is another user's
            if not _lock_file(holder).exists():
                holder.rmdir()  # its writer died, or is just born and takes another
            elif (lock := _lock(holder)) is not None:
                try:
                    _undo_and_remove(holder, path)
                finally:
                    os.close(lock)


def recover(path: Path) -> None:
    """Bring ``path`` back if a writer that was replacing it died; wait while a living one does."""
    patience = time.monotonic() + SWAP_SECONDS
    while not os.path.lexists(path):
        settle(path.parent)
        swapping = any(
            (holder / path.name).exists() and _old(holder, path).exists()
            for holder, of in _holders(path.parent)
            if of == path
        )
        if not swapping or time.monotonic() > patience:
            return
        time.sleep(0.001)


def _hold(path: Path) -> tuple[Path, int]:
    """Make a holder and lock it, before anything is written."""
    while True:
        holder = Path(tempfile.mkdtemp(".writing", f".{path.name}.", path.parent))
        with suppress(FileNotFoundError):  # settled by another before it could be locked
            handle = os.open(_lock_file(holder), os.O_RDWR | os.O_CREAT, 0o600)
            if fcntl is None or _locked(handle, _lock_file(holder)):
                return holder, handle
            os.close(handle)


def _lock(holder: Path) -> int | None:
    """Lock the holder of a dead writer; None if its writer lives."""
    if fcntl is None:
        return None
    handle = os.open(_lock_file(holder), os.O_RDWR)
    if _locked(handle, _lock_file(holder)):
        return handle
    os.close(handle)
    return None


def _locked(handle: int, file: Path) -> bool:
    """Take the lock of an open file, unless another has it or the file is gone by then."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), file.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _undo_and_remove(holder: Path, path: Path) -> None:
    new, old, lock = holder / path.name, _old(holder, path), _lock_file(holder)
    with suppress(OSError):  # the next one to come tries again
        if new.exists() and old.exists() and not os.path.lexists(path):
            old.rename(path)
            _sync(path.parent)
        # The new goes before the old, which alone is never brought back; the lock goes last.
        for leftover in sorted(set(holder.iterdir()) - {lock}, key=lambda path: path == old):
            _remove(leftover)
        lock.unlink()
        holder.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _holders(folder: Path) -> list[tuple[Path, Path]]:
    """Every holder in ``folder`` and the path that is written there."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    found = [(name, HOLDER.fullmatch(name)) for name in names if name.endswith(".writing")]
    return [(folder / name, folder / match["name"]) for name, match in found if match]


def _old(holder: Path, path: Path) -> Path:
    return holder / f"{path.name}.old"


def _lock_file(holder: Path) -> Path:
    return holder / ".lock"


def _sync_tree(path: Path) -> None:
    for inner in sorted(path.rglob("*"), reverse=True):
        _sync(inner)
    _sync(path)


def _sync(path: Path) -> None:
    if os.name == "nt":  # pragma: no cover - folders cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse(path: Path, overwrite: bool) -> None:
    if not overwrite and path.exists():
        raise FileError(f"{path} exists already: choose another name or remove it first")


def _cannot_write(path: Path, error: OSError) -> FileError:
    # NumPy's own error of a short write has no number.
    reason = error.strerror or f"is the disk full? {error}"
    return FileError(f"cannot write {path}: {reason}")

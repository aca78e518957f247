"""Folders and code files on disk: versioned, checksummed, written under another name, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hammingbird.codes import BIT_ORDER, SIGN_RULE
from hammingbird.errors import FileError

FORMAT = 1
Manifest = dict[str, Any]


def package_version() -> str:
    """Return the installed version of Hammingbird."""
    try:
        return version("hammingbird")
    except PackageNotFoundError:  # pragma: no cover - running from a bare source tree
        return "unknown"


@contextmanager
def replacing(path: Path, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place if the block succeeds.

    Works for files and folders. On any error the temporary path is removed and ``path`` is left as
    it was. Operating system errors (disk full, no permission) become :class:`FileError`.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileError(f"{path} exists already: choose another name or remove it first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error
    temporary = holder / path.name
    try:
        yield temporary
        if path.is_dir() and temporary.is_dir():
            path.rename(holder / "replaced")
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, readable by people, through a temporary name."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")


def save_folder(
    folder: str | os.PathLike[str],
    kind: str,
    manifest: Manifest,
    write: Callable[[Path], None],
    *,
    overwrite: bool = False,
) -> None:
    """Write ``<kind>.json`` and the files that ``write`` puts into the folder it is given."""
    folder = Path(folder)
    if overwrite and folder.exists() and not (folder / f"{kind}.json").is_file():
        raise FileError(f"{folder} is not a saved {kind}: not replaced")
    with replacing(folder, overwrite) as temporary:
        temporary.mkdir()
        write(temporary)
        content = {
            "format": FORMAT,
            "kind": kind,
            "hammingbird": package_version(),
            "bit_order": BIT_ORDER,
            "sign_rule": SIGN_RULE,
            **manifest,
            "files": {
                file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)}
                for file in sorted(temporary.iterdir())
            },
        }
        write_json(temporary / f"{kind}.json", {**content, "sha256": _digest(content)})


def load_folder(
    folder: str | os.PathLike[str], kind: str, *, verify: bool = True
) -> tuple[Manifest, Path]:
    """Read and check a folder that :func:`save_folder` wrote; return its manifest and path.

    With ``verify=False`` the sizes of the files are checked but not their contents (memory maps).
    """
    folder = Path(folder)
    manifest = read_manifest(folder / f"{kind}.json", kind)
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise FileError(f"{folder}: {kind}.json lists no files: save it again")
    for name, expected in files.items():
        file = folder / name
        if Path(name).name != name or not file.is_file():
            raise FileError(f"{folder}: the file {name} is missing: save or copy the folder again")
        if file.stat().st_size != expected["bytes"] or (
            verify and _sha256(file) != expected["sha256"]
        ):
            raise FileError(f"{file} is truncated or altered: save or copy the folder again")
    return manifest, folder


def read_manifest(path: Path, kind: str) -> Manifest:
    """Read a JSON manifest of this package, refusing what is foreign, altered or newer."""
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise FileError(f"{path.parent} is not a saved {kind}: {path.name} is missing") from None
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        raise FileError(f"{path} was not written by Hammingbird as a {kind}")
    if not isinstance(manifest.get("format"), int) or manifest["format"] > FORMAT:
        raise FileError(
            f"{path} has format {manifest.get('format')}, this version reads up to {FORMAT}: "
            "upgrade hammingbird"
        )
    if manifest.pop("sha256", None) != _digest(manifest):
        raise FileError(f"{path} was altered after it was saved: save it again")
    return manifest


def write_manifest(path: Path, kind: str, manifest: Manifest) -> None:
    """Write a manifest that stands alone, such as the one beside a codes file."""
    content = {"format": FORMAT, "kind": kind, "hammingbird": package_version(), **manifest}
    write_json(path, {**content, "sha256": _digest(content)})


def _digest(content: Manifest) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

"""Folders of files with a manifest: hashers, indexes, checkpoints, cells of a comparison."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from hammingbird.errors import FileError
from hammingbird.storage.manifests import Manifest, listed_files, read_manifest, signed
from hammingbird.storage.writer import recover, replacing


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
    recover(folder)
    if overwrite and folder.exists() and not (folder / f"{kind}.json").is_file():
        raise FileError(f"{folder} is not a saved {kind}: not replaced")
    with replacing(folder, overwrite) as temporary:
        temporary.mkdir()
        write(temporary)
        files = {
            file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)}
            for file in sorted(temporary.iterdir())
        }
        content = json.dumps(signed(kind, {**manifest, "files": files}), indent=1, allow_nan=False)
        (temporary / f"{kind}.json").write_text(content + "\n", "utf-8")


def load_folder(
    folder: str | os.PathLike[str], kind: str, *, verify: bool = True
) -> tuple[Manifest, Path]:
    """Read and check a folder that :func:`save_folder` wrote; return its manifest and path.

    With ``verify=False`` the sizes of the files are checked but not their contents (memory maps).
    """
    folder = Path(folder)
    recover(folder)
    manifest = read_manifest(folder / f"{kind}.json", kind)
    for name, (size, sha256) in listed_files(manifest, folder / f"{kind}.json").items():
        file = folder / name
        if not file.is_file():
            raise FileError(f"{folder}: the file {name} is missing: save or copy the folder again")
        if file.stat().st_size != size or (verify and _sha256(file) != sha256):
            raise FileError(f"{file} is truncated or altered: save or copy the folder again")
    return manifest, folder


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

"""Folders and code files on disk: versioned, checksummed, written under another name first."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hammingbird.codes import BIT_ORDER, SIGN_RULE, Codes, check_codes, n_bytes
from hammingbird.errors import FileError, InputError

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
        files = {
            file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)}
            for file in sorted(temporary.iterdir())
        }
        content = _stamp(kind, {**manifest, "files": files})
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
    except (FileNotFoundError, NotADirectoryError):
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
    content = _stamp(kind, manifest)
    write_json(path, {**content, "sha256": _digest(content)})


def describe(path: str | os.PathLike[str]) -> Manifest:
    """Say in a few lines what a saved folder or a codes file is; verifies every checksum."""
    path = Path(path)
    if path.is_dir():
        for kind in ("hasher", "index", "run"):
            if (path / f"{kind}.json").is_file():
                if kind == "run":
                    manifest = read_manifest(path / "run.json", kind)
                else:
                    manifest, _ = load_folder(path, kind)
                size = sum(file["bytes"] for file in manifest.pop("files", {}).values())
                return {**manifest, **({"bytes": size} if size else {})}
        raise FileError(f"{path} is not a folder that Hammingbird wrote")
    codes, n_bits, manifest = read_codes(path)
    return {
        "kind": "codes",
        **manifest,
        "rows": len(codes),
        "n_bits": n_bits,
        "bytes": codes.nbytes,
    }


def fingerprint(manifest: Manifest) -> str:
    """Short name of a manifest's contents; equal hashers have equal fingerprints."""
    return _digest(manifest)[:16]


def fingerprint_rows(X: NDArray[Any]) -> str:
    """Short name of an array: its shape, its type and up to 4,096 evenly spaced rows."""
    rows = np.unique(np.linspace(0, len(X) - 1, 4096).astype(int))
    digest = hashlib.sha256(f"{X.shape} {X.dtype}".encode())
    digest.update(np.ascontiguousarray(X[rows]).data)
    return digest.hexdigest()[:16]


def write_codes(
    path: str | os.PathLike[str],
    blocks: Iterable[Codes],
    rows: int,
    n_bits: int,
    made_by: Manifest | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write packed codes block by block to a ``.npy`` file, and what they are to ``<path>.json``.

    Memory is bounded by a block. ``made_by`` describes the hasher. A file that lacks rows at the
    end is never left behind.
    """
    path = Path(path)
    if path.suffix != ".npy":
        raise InputError(
            f"codes are written as .npy, got {path.name}: name the file {path.name}.npy"
        )
    with replacing(path, overwrite) as temporary:
        shape = (rows, n_bytes(n_bits))
        out = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        filled = 0
        for block in blocks:
            out[filled : filled + len(block)] = block
            filled += len(block)
        if filled != rows:
            raise FileError(f"cannot write {path}: expected {rows} codes, got {filled}")
        out.flush()
        del out
        beside = _beside(path)
        beside.unlink(missing_ok=True)  # never an old description beside new codes
    write_manifest(beside, "codes", {"n_bits": n_bits, "rows": rows, "made_by": made_by or {}})


def read_codes(
    path: str | os.PathLike[str], n_bits: int | None = None
) -> tuple[Codes, int, Manifest]:
    """Memory-map a codes file; return the codes, their bits, and the description beside it.

    A bare uint8 ``.npy`` array has eight bits a byte, unless ``n_bits`` says otherwise.
    """
    path = Path(path)
    try:
        codes = np.load(path, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(f"{path} does not exist") from None
    except (OSError, ValueError, EOFError) as error:
        raise FileError(f"{path} is not a readable .npy file of codes: {error}") from error
    if codes.ndim != 2 or codes.dtype != np.uint8:
        raise FileError(
            f"{path} holds {codes.dtype} {codes.shape}, not packed codes: "
            "make them with hammingbird encode"
        )
    manifest: Manifest = {}
    if _beside(path).exists():
        manifest = read_manifest(_beside(path), "codes")
        if manifest["rows"] != len(codes) or n_bytes(manifest["n_bits"]) != codes.shape[1]:
            raise FileError(f"{_beside(path)} does not describe {path}: encode again")
    n_bits = n_bits or manifest.get("n_bits") or 8 * codes.shape[1]
    return check_codes(codes, n_bits, str(path)), n_bits, manifest


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _stamp(kind: str, manifest: Manifest) -> Manifest:
    return {
        "format": FORMAT,
        "kind": kind,
        "hammingbird": package_version(),
        "bit_order": BIT_ORDER,
        "sign_rule": SIGN_RULE,
        **manifest,
    }


def _digest(content: Manifest) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

"""JSON descriptions that say what a file or folder is, and sign themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hammingbird.codes import BIT_ORDER, SIGN_RULE, check_n_bits
from hammingbird.errors import FileError, InputError
from hammingbird.storage.fingerprints import digest
from hammingbird.storage.writer import write_json

FORMAT = 1
Manifest = dict[str, Any]

SHA256 = re.compile(r"[0-9a-f]{64}")


def package_version() -> str:
    """Return the installed version of Hammingbird."""
    from importlib.metadata import PackageNotFoundError, version  # not imported to encode

    try:
        return version("hammingbird")
    except PackageNotFoundError:  # pragma: no cover - running from a bare source tree
        return "unknown"


def signed(kind: str, manifest: Manifest) -> Manifest:
    """Return a manifest with what every manifest says, and its checksum."""
    content = {
        "format": FORMAT,
        "kind": kind,
        "hammingbird": package_version(),
        "bit_order": BIT_ORDER,
        "sign_rule": SIGN_RULE,
        **manifest,
    }
    return {**content, "sha256": digest(content)}


def write_manifest(path: Path, kind: str, manifest: Manifest) -> None:
    """Write a manifest that stands alone, such as the note of a comparison."""
    write_json(path, signed(kind, manifest))


def read_manifest(path: Path, kind: str) -> Manifest:
    """Read a JSON manifest of this package, refusing what is foreign, altered or newer."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(f"{path.parent} is not a saved {kind}: {path.name} is missing") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    return parse_manifest(content, path, kind)


def parse_manifest(content: bytes, path: Path | str, kind: str) -> Manifest:
    """Check the manifest that a place holds: each value must be one that this version can mean."""
    try:
        manifest = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        raise FileError(f"{path} was not written by Hammingbird as a {kind}")
    format_ = manifest.get("format")
    if type(format_) is not int or not 1 <= format_ <= FORMAT:
        raise FileError(
            f"{path} has format {format_!r}, this version reads 1 to {FORMAT}: upgrade hammingbird"
        )
    if manifest.pop("sha256", None) != digest(manifest):
        raise FileError(f"{path} was altered after it was saved: save it again")
    for name, ours in (("bit_order", BIT_ORDER), ("sign_rule", SIGN_RULE)):
        if manifest.get(name) != ours:
            raise FileError(
                f"{path} has {name} {manifest.get(name)!r}, this version reads {ours!r} only: "
                "make it again with this version"
            )
    if "n_bits" in manifest:
        try:
            check_n_bits(manifest["n_bits"])
        except InputError as error:
            raise FileError(f"{path} cannot be used: {error}") from error
    return manifest


def listed_files(manifest: Manifest, path: Path) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of every file that the manifest of a folder lists, by name."""
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise FileError(f"{path} lists no files: save it again")
    for name, expected in files.items():
        if (
            Path(name).name != name
            or not isinstance(expected, dict)
            or type(expected.get("bytes")) is not int
            or not SHA256.fullmatch(str(expected.get("sha256")))
        ):
            raise FileError(f"{path} lists the file {name!r} wrongly: save it again")
    return {name: (expected["bytes"], expected["sha256"]) for name, expected in files.items()}

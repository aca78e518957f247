"""What a saved folder or a file of codes is, in a few lines."""

from __future__ import annotations

import os
from pathlib import Path

from hammingbird.errors import FileError
from hammingbird.storage.code_files import read_codes
from hammingbird.storage.folders import load_folder
from hammingbird.storage.manifests import Manifest, read_manifest
from hammingbird.storage.writer import recover


def describe(path: str | os.PathLike[str]) -> Manifest:
    """Say in a few lines what a saved folder or a codes file is; verifies every checksum."""
    path = Path(path)
    recover(path)
    if path.is_dir():
        for kind in ("hasher", "index", "run"):
            if (path / f"{kind}.json").is_file():
                if kind == "run":
                    manifest = read_manifest(path / "run.json", kind)
                else:
                    manifest, _ = load_folder(path, kind)
                size = sum(file["bytes"] for file in manifest.pop("files", {}).values())
                return {**manifest, **({"bytes": size} if size else {})}
        if (path / "_parts.json").is_file():  # Parquet files of codes; readers pass over a _
            manifest = read_manifest(path / "_parts.json", "parts")
            return {**manifest, "parts": len(manifest["parts"])}
        raise FileError(f"{path} is not a folder that Hammingbird wrote")
    codes, n_bits, manifest = read_codes(path)
    if names := manifest.pop("names", None):
        manifest["names"] = ", ".join([*names[:3], "..."] if len(names) > 3 else names)
    return {
        "kind": "codes",
        **manifest,
        "rows": len(codes),
        "n_bits": n_bits,
        "bytes": codes.nbytes,
    }

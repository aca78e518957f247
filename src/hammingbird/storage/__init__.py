"""Folders and files on disk: versioned, checksummed, synced, written under another name first."""

from hammingbird.storage.code_files import read_codes, write_codes
from hammingbird.storage.describe import describe
from hammingbird.storage.fingerprints import (
    RowsFingerprint,
    fingerprint,
    fingerprint_rows,
    hash_rows,
)
from hammingbird.storage.folders import load_folder, save_folder
from hammingbird.storage.manifests import (
    FORMAT,
    Manifest,
    package_version,
    read_manifest,
    write_manifest,
)
from hammingbird.storage.writer import discard, recover, replacing, settle, write_json

__all__ = [
    "FORMAT",
    "Manifest",
    "RowsFingerprint",
    "describe",
    "discard",
    "fingerprint",
    "fingerprint_rows",
    "hash_rows",
    "load_folder",
    "package_version",
    "read_codes",
    "read_manifest",
    "recover",
    "replacing",
    "save_folder",
    "settle",
    "write_codes",
    "write_json",
    "write_manifest",
]

"""Fingerprints of the code that decides a result, so that no result of other code is kept."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from uuid import uuid4

from hammingbird import hasher, storage

PACKAGE = Path(hasher.__file__).parent
CODES = ("codes", "hasher", "inputs", "targets", "linear", "decoder", "centers")
"""What decides codes, beside the room of the method."""
MEASURES = ("codes", "targets", "kernels", "evaluation", "comparison")


def code_of_method(method: type[hasher.Hasher]) -> str:
    """Short name of the code that a method's codes come from: its room and what all share.

    Of a class from outside, every source file of its package counts; where there is none (a class
    typed into a shell), no other run has the same code.
    """
    if hasher.is_outside(method):
        top = sys.modules[method.__module__.partition(".")[0]]
        folders = [Path(folder) for folder in getattr(top, "__path__", [])]
        files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
        if not folders and (alone := getattr(top, "__file__", None)):
            files = [Path(alone)]
        theirs = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        ours = code_fingerprint(*CODES, "classical", "deep")
        return storage.fingerprint({"files": theirs or str(uuid4()), "ours": ours})
    room = method.__module__.removeprefix("hammingbird.").split(".")[0]
    return code_fingerprint(*CODES, room)


@cache
def code_fingerprint(*parts: str) -> str:
    """Short name of the installed version and of every source file of these parts."""
    digest = hashlib.sha256(storage.package_version().encode())
    for part in parts:
        for file in sorted([PACKAGE / f"{part}.py", *(PACKAGE / part).rglob("*.py")]):
            if file.is_file():
                digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]

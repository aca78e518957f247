"""Seeded damage: to bytes, to what is packed in them, and to JSON that is then signed again."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import re
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

NUMBERS = (0, 1, 2, 3, 7, 64, 65, 127, 128, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**40)
NUMBERS += (2**62, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (b"0", b"-1", b"True", b"None", b"99999999999999999999", b"1e999", b"nan", b"()", b"(1,")
TEXTS += (b"'<U0'", b"'|O'", b"'<f16'", b"[('a','<f4')]", b"((" * 40, b"\xff\xfe", b"2**9", b"")
VALUES: tuple[Any, ...] = (None, True, False, -1, 0, 1, 9, 4097, 2**63, 2**70, 1e308, -0.5, "", "x")
VALUES += (
    "../x",
    "/",
    "\0",
    "\ud800",
    [],
    {},
    [[]],
    [1, 2, 3],
    {"a": 1},
    "itq",
    "1" * 5000,
    [None],
)
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def damage(folder: Path, rng: random.Random) -> None:
    """Damage one file of a folder, sometimes two; saved folders are mostly signed again."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in rng.sample(files, min(len(files), rng.choice((1, 1, 1, 2)))):
        file.write_bytes(_damaged(file.suffix, file.read_bytes(), rng))
    if rng.random() < 0.8:
        for file in files:
            sign_again(file)


def sign_again(file: Path) -> None:
    """Give a manifest, or the description behind an array of codes, its right checksums."""
    before, content = b"", file.read_bytes()
    if file.suffix == ".npy" and b"\n{" in content:
        before, content = content[: content.rindex(b"\n{") + 1], content[content.rindex(b"\n{") :]
    elif file.suffix != ".json":
        return
    try:
        manifest = json.loads(content)
        for name, listed in manifest.get("files", {}).items():
            values = (file.parent / name).read_bytes()
            listed.update(bytes=len(values), sha256=hashlib.sha256(values).hexdigest())
        manifest.pop("sha256", None)
        digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
        file.write_bytes(before + json.dumps({**manifest, "sha256": digest}).encode() + b"\n")
    except (ValueError, AttributeError, TypeError, OSError, RecursionError):
        return  # damaged beyond signing


def _damaged(ending: str, content: bytes, rng: random.Random) -> bytes:
    unpacked = rng.random() < 0.7
    try:
        if unpacked and ending == ".json":
            return _json(content, rng)
        if unpacked and ending == ".gz":
            return gzip.compress(_bytes(gzip.decompress(content), rng))
        if unpacked and ending == ".npz":
            return _archive(content, rng)
        if unpacked and ending == ".npy" and b"\n{" in content and rng.random() < 0.5:
            array, description = content.split(b"\n{", 1)
            return array + b"\n" + _json(b"{" + description, rng)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        pass
    content = _bytes(content, rng)
    return _png(content) if content.startswith(b"\x89PNG") and rng.random() < 0.7 else content


def _bytes(content: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = rng.choice(CHANGES)(content, rng)
    return content


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _append(content: bytes, rng: random.Random) -> bytes:
    return content + rng.randbytes(rng.choice((1, 4, 100)))


def _block(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(len(content), start + rng.choice((1, 2, 4, 8, 16, 64)))


def _splice(content: bytes, rng: random.Random) -> bytes:
    (start, stop), at = _block(content, rng), rng.randrange(len(content) + 1)
    over = rng.random() < 0.5
    return content[:at] + content[start:stop] + content[at + (stop - start) * over :]


def _delete(content: bytes, rng: random.Random) -> bytes:
    start, stop = _block(content, rng)
    return content[:start] + content[stop:]


def _swap(content: bytes, rng: random.Random) -> bytes:
    a, b, c = sorted(rng.randrange(len(content) + 1) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def _number(content: bytes, rng: random.Random) -> bytes:
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    number = (rng.choice(NUMBERS) % (1 << 8 * size)).to_bytes(size, order)  # type: ignore[arg-type]
    at = rng.randrange(min(len(content), rng.choice((16, 256, 1 << 30))) + 1)
    return content[:at] + number + content[at + size * (rng.random() < 0.9) :]


def _text(content: bytes, rng: random.Random) -> bytes:
    words = list(re.finditer(rb"\d+|'[^']*'|True|False|\([^)]*\)", content[:4096]))
    if not words:
        return _number(content, rng)
    word = rng.choice(words)
    return content[: word.start()] + rng.choice(TEXTS) + content[word.end() :]


CHANGES = (_flip, _cut, _append, _splice, _delete, _swap, _number, _number, _text, _text)


def _archive(content: bytes, rng: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    at = rng.randrange(len(members))
    name, values = members[at]
    members[at] = rng.choice(
        ((name, _bytes(values, rng)),) * 5 + (("y.npy", values), (name + "\\", values))
    )
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, values in members:
            packing = rng.choice(PACKINGS) if rng.random() < 0.3 else zipfile.ZIP_DEFLATED
            archive.writestr(name, values, packing)
    return stream.getvalue()


def _png(content: bytes) -> bytes:
    """Give every chunk of a PNG the checksum of what it now holds."""
    fixed, at = bytearray(content), 8
    while at + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, at)
        if at + 12 + length > len(fixed):
            break
        checksum = zlib.crc32(fixed[at + 4 : at + 8 + length])
        struct.pack_into(">I", fixed, at + 8 + length, checksum)
        at += 12 + length
    return bytes(fixed)


def _json(content: bytes, rng: random.Random) -> bytes:
    root = {"": json.loads(content)}
    for _ in range(rng.choice((1, 1, 2, 3))):
        holder, key = rng.choice(list(_nodes(root)))
        action = rng.random()
        if action < 0.7:
            holder[key] = rng.choice(VALUES)
        elif action < 0.8 and holder is not root:
            del holder[key]
        elif isinstance(holder, dict) and holder is not root:
            holder[rng.choice(("", "x", "class", "files", "n_bits", "__class__", "fit"))] = holder[
                key
            ]
        else:
            for _ in range(rng.choice((1, 50, 2000))):
                holder[key] = [holder[key]]
    try:
        return json.dumps(root[""]).encode()
    except RecursionError:
        return b"[" * 100_000


def _nodes(node: Any, depth: int = 9) -> Any:
    keys = node.keys() if isinstance(node, dict) else range(len(node))
    for key in list(keys):
        yield node, key
        if isinstance(node[key], dict | list) and depth:
            yield from _nodes(node[key], depth - 1)

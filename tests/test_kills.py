"""Writers that are killed or interrupted at every file operation leave old or new, whole."""

from __future__ import annotations

import os
import shutil
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.storage import load_folder, read_codes, read_manifest, write_codes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

KILLED, INTERRUPTED, BROKEN = 9, 2, 1
CHANGES = ("os.", "shutil.", "tempfile.", "fcntl.", "mmap.", "os.fsync")


class Hashers:
    name = shown = "model"
    old, new = (
        hb.LSH(8, random_state=seed).fit(np.eye(3) + np.arange(3)[:, None]) for seed in (0, 1)
    )

    def write(self, path, one):
        one.save(path, overwrite=True)

    def read(self, path):
        return hb.load(path).random_state

    def is_one(self, found, one):
        return found == one.random_state


class Indexes:
    name = shown = "index"
    old, new = (hb.Scan(8).add(np.full((n, 1), n, np.uint8)) for n in (3, 4))

    def write(self, path, one):
        one.save(path, overwrite=True)

    def read(self, path):
        return hb.Scan.load(path).codes.tolist()

    def is_one(self, found, one):
        return found == one.codes.tolist()


class CodeFiles:
    name = shown = "codes.npy"
    old, new = (np.full((5, 2), byte, np.uint8) for byte in (16, 32))

    def write(self, path, one):
        write_codes(path, [one[:3], one[3:]], 5, 12, {"byte": int(one[0, 0])}, overwrite=True)

    def read(self, path):
        codes, n_bits, manifest = read_codes(path)
        assert n_bits == 12
        return codes.tolist(), manifest["made_by"]["byte"]

    def is_one(self, found, one):
        return found == (one.tolist(), one[0, 0])


class OldCodeFiles(CodeFiles):
    """Codes with their description beside them, as earlier versions wrote them."""

    def write(self, path, one):
        if one is self.old:
            from hammingbird.storage import write_manifest

            np.save(path, one)
            content = {"n_bits": 12, "rows": 5, "made_by": {"byte": 16}}
            write_manifest(path.with_name("codes.npy.json"), "codes", content)
        else:
            super().write(path, one)


class Epochs:
    name, shown = "run", "run/epoch*"
    old, new = 1, 2

    def write(self, path, one):
        from hammingbird.deep.checkpoint import Checkpoints

        self.checkpoints = Checkpoints(path, {"seed": 0})
        self.checkpoints.write(self.tensors(one), [{"loss": float(n)} for n in range(one)])

    def tensors(self, one):
        import torch

        return {"network.weight": torch.full((3,), float(one))}

    def read(self, path):
        from hammingbird.deep.checkpoint import Checkpoints

        found = Checkpoints(path, {"seed": 0}).read()
        if found is None:
            raise hb.FileError("no checkpoint")
        tensors, history = found
        assert tensors["network.weight"].tolist() == [len(history)] * 3
        return len(history)

    def is_one(self, found, one):
        return found == one


class Comparisons:
    """A run to which bits are added."""

    name, shown = "run", "run/curves.json"
    old, new = [4], [4, 5]
    X = np.random.default_rng(0).standard_normal((40, 6))

    def write(self, path, one):
        from hammingbird.comparison.run import compare

        query = self.X[30:]
        compare(self.X[:30], query, methods=["lsh"], bits=one, out=path, relevance="neighbors:2")

    def read(self, path):
        from hammingbird.comparison.results import read_results

        for cell in (path / "cells").glob("[!.]*"):
            manifest, _ = load_folder(cell, "cell")
            model = hb.load(path / "models" / cell.name)
            assert model.n_bits_ == manifest["n_bits"]
            made = model.transform(self.X[:30])
            np.testing.assert_array_equal(np.load(cell / "database.npy"), made)
        for measures in (path / "measures").glob("*.json"):
            read_manifest(measures, "measures")
        results, curves = read_results(path)
        records = results["records"]
        assert len(records) == len(curves)
        return [record["bits"] for record in records if record["method"] == "lsh"]

    def is_one(self, found, one):
        return found == one


class SomeComparisons(Comparisons):
    """At every thirteenth file operation only."""

    step = 13


def die_or_stop(at: int, folder: Path, how: int) -> None:
    """End this process, or interrupt it, at its file operation number ``at``."""
    seen = count()

    def watch(event, args):
        changes = event.startswith(CHANGES) and event not in ("os.listdir", "os.scandir")
        if (changes or (event == "open" and str(folder) in str(args[0]))) and next(seen) == at:
            if how == KILLED:
                os._exit(KILLED)
            raise KeyboardInterrupt

    os.fsync = lambda handle: sys.audit("os.fsync", handle)
    sys.addaudithook(watch)


def child(writer, folder: Path, at: int, how: int, has_old: bool) -> int:
    """Write the new over the old in a process that is stopped; return how it ended."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    code = BROKEN
    try:
        die_or_stop(at, folder, how)
        writer.write(folder / writer.name, writer.new)
        code = 0
    except KeyboardInterrupt:
        code = INTERRUPTED if is_whole(writer, folder, has_old) else BROKEN
    finally:
        os._exit(code)


def is_whole(writer, folder: Path, has_old: bool) -> bool:
    path = folder / writer.name
    try:
        found = writer.read(path)
    except hb.FileError:
        return not has_old and not list(folder.glob(writer.shown))
    return writer.is_one(found, writer.new) or (has_old and writer.is_one(found, writer.old))


@pytest.fixture(autouse=True)
def no_sync(monkeypatch):
    """What survives a process does not depend on the disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.mark.parametrize("has_old", [True, False], ids=["over-an-old-one", "first"])
@pytest.mark.parametrize("how", [KILLED, INTERRUPTED], ids=["killed", "interrupted"])
@pytest.mark.parametrize(
    "writer",
    [
        Hashers,
        Indexes,
        CodeFiles,
        OldCodeFiles,
        pytest.param(Epochs, marks=pytest.mark.deep),
        SomeComparisons,
        pytest.param(Comparisons, marks=pytest.mark.slow),
    ],
)
def test_old_or_new_is_there_whole_and_nothing_else_after_the_next_run(
    tmp_path, writer, how, has_old
):
    writer = writer()
    if isinstance(writer, Epochs):
        writer.tensors(1)  # torch is loaded before the forks
    bad = []
    for at in count(0, getattr(writer, "step", 1)):
        folder = tmp_path / str(at)
        folder.mkdir()
        if has_old:
            writer.write(folder / writer.name, writer.old)
        ended = child(writer, folder, at, how, has_old)
        if ended not in (0, how) or not is_whole(writer, folder, has_old):
            bad.append(f"{at}: ended with {ended}")
        writer.write(folder / writer.name, writer.new)
        left = [path for path in folder.rglob("*") if path.name.startswith(".")]
        if left or not writer.is_one(writer.read(folder / writer.name), writer.new):
            bad.append(f"{at}: left {left}")
        shutil.rmtree(folder)
        if ended == 0:
            break
    assert not bad
    assert at > 10

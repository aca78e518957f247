"""A folder from its files to the page, and back from what was moved."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scenes import scene
from typer.testing import CliRunner

import hammingbird as hb
from hammingbird.cli import app
from hammingbird.errors import FileError, InputError
from hammingbird.images import descriptor, find_duplicates, reading
from hammingbird.images.copies import COPIES
from hammingbird.images.describers import make_describer
from hammingbird.images.moving import move_away


@pytest.fixture
def decoded(monkeypatch):
    """Names of files that are decoded."""
    names = []
    decode = reading._decode

    def watched(path, frame):
        names.append(path.name)
        return decode(path, frame)

    monkeypatch.setattr(reading, "_decode", watched)
    return names


def test_bits_of_the_descriptor():
    pixels = np.stack([np.asarray(scene(i, descriptor.SIDE)) for i in range(20)])
    codes = descriptor.describe(pixels)
    assert codes.shape == (20, 32)
    brighter = (pixels * 0.5 + 40).round().astype(np.uint8)
    assert np.bitwise_count(codes ^ descriptor.describe(brighter)).sum(axis=1).max() <= 16
    # What only changes colours changes bits of colours.
    swapped = np.unpackbits(codes ^ descriptor.describe(pixels[..., ::-1]), axis=1)
    assert swapped[:, -14:].mean() > 3 * swapped[:, :-14].mean()
    distances = np.bitwise_count(codes[:, None] ^ codes).sum(axis=2)
    assert distances[np.triu_indices(20, 1)].min() > 70


def test_copies_of_all_kinds_are_found(folder, tmp_path):
    for i in range(0, 60, 6):
        for name, copy in COPIES.items():
            copy(scene(i)).save(folder / f"copy of {i} {name}.jpg", quality=85)
    found = find_duplicates(folder, memory=tmp_path / "memory")
    assert found.pictures == 120
    of = [{member.name.split("scene ")[-1].split("copy of ")[-1].split(".")[0].split()[0]
           for member in group} for group in found.groups]  # fmt: skip
    assert all(len(group) == 1 for group in of), "different pictures are joined"
    assert len(found.groups) == 10
    assert len(found.spare) >= 57
    for group in found.groups:
        assert group[0].name.endswith(".png"), "the largest file of the largest pictures is kept"
        assert all(m.mirrored == ("mirrored" in m.name) for m in group[1:])
        assert all(m.distance <= 2 * found.radius for m in group)


def test_what_was_read_is_known_again(folder, tmp_path, decoded):
    memory = tmp_path / "memory"
    first = find_duplicates(folder, memory=memory, radius=4)
    assert len(decoded) == 60
    decoded.clear()
    (folder / "a" / "scene 1.png").rename(folder / "renamed.png")
    shutil.copy2(folder / "renamed.png", folder / "again.png")
    again = find_duplicates(folder, memory=memory, radius=4)
    assert decoded == []
    assert (len(first.groups), len(again.groups)) == (0, 1)
    # Another content of the same size and time is another file.
    target = folder / "b" / "scene 0.png"
    status = target.stat()
    content = bytearray(target.read_bytes())
    scene(99).save(tmp_path / "other.png")
    other = (tmp_path / "other.png").read_bytes()
    size = max(len(other), len(content))
    for path, what in ((target, bytes(content)), (folder / "b" / "other.png", other)):
        path.write_bytes(what + b"\0" * (size - len(what)))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(find_duplicates(folder, memory=memory, radius=4).groups) == 1
    assert sorted(decoded) == ["other.png"] + ["scene 0.png"] * (size != len(content))


def test_a_run_that_was_stopped_goes_on(folder, tmp_path, decoded, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK", 10)
    describe = descriptor.describe
    calls = []

    def stopped(pixels):
        calls.append(len(pixels))
        if len(calls) == 7:  # two for a block
            raise KeyboardInterrupt
        return describe(pixels)

    monkeypatch.setattr(descriptor, "describe", stopped)
    with pytest.raises(KeyboardInterrupt):
        find_duplicates(folder, memory=tmp_path / "memory", radius=4)
    assert len(decoded) == 40
    decoded.clear()
    find_duplicates(folder, memory=tmp_path / "memory", radius=4)
    assert len(decoded) == 30


def test_files_that_are_no_pictures_are_named(folder, tmp_path):
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_text("x")
    found = find_duplicates(folder, memory=tmp_path / "memory", radius=4)
    assert list(found.errors) == ["broken.jpg"]
    assert "readable" in found.errors["broken.jpg"]
    with pytest.raises(FileError, match="not a folder"):
        find_duplicates(tmp_path / "nothing", memory=tmp_path / "memory")
    with pytest.raises(InputError, match="radius"):
        find_duplicates(folder, memory=tmp_path / "memory", radius=257)


def test_pictures_are_upright_and_dated(tmp_path):
    from PIL import Image

    picture = scene(3).resize((120, 60))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif.get_ifd(0x8769)[36867] = "2001:02:03 04:05:06"
    picture.save(tmp_path / "upright.png")
    picture.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    found = find_duplicates(tmp_path, memory=tmp_path / "memory", radius=20)
    (group,) = found.groups
    assert {m.name: m.file.date for m in group}["turned.jpg"] == "2001-02-03 04:05:06"
    assert {(m.file.width, m.file.height) for m in group} == {(120, 60), (60, 120)}


def test_a_model_of_ones_own(folder, tmp_path):
    scene(0).save(folder / "same.png")
    pixels = np.random.default_rng(0).integers(0, 256, (100, 12 * 12 * 3)).astype(np.uint8)
    hb.LSH(64, random_state=0).fit(pixels).save(tmp_path / "model")
    describer = make_describer(tmp_path / "model")
    assert (describer.frame, describer.n_bits) == ((12, 12, 3), 64)
    found = find_duplicates(folder, memory=tmp_path / "m", radius=0, model=tmp_path / "model")
    same = {"same.png", str(Path("b") / "scene 0.png")}
    assert any(same <= {m.name for m in group} for group in found.groups)


def test_the_command_writes_page_json_and_csv(folder, tmp_path):
    scene(0).save(folder / "<b>bold & 'quoted'.png")
    out = tmp_path / "out" / "duplicates.html"
    moved = tmp_path / "moved"
    run = CliRunner().invoke(
        app, ["dedup", str(folder), "--out", str(out), "--move-to", str(moved)]
    )
    assert run.exit_code == 0, run.output
    text = out.read_text("utf-8")
    assert "&lt;b&gt;bold" in text
    assert "<b>bold" not in text
    assert "http" not in text.replace("http://www.w3.org", "")
    (group,) = json.loads(out.with_suffix(".json").read_text())["groups"]
    with out.with_suffix(".csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == [m["name"] for m in group]
    assert [row["keep"] for row in rows] == ["1", "0"]
    spare = group[1]["name"]
    assert not (folder / spare).exists()
    assert (moved / spare).exists()
    subprocess.run(["sh", str(moved / "undo.sh")], check=True)
    assert (folder / spare).exists()
    assert not (moved / spare).exists()


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
def test_moving_overwrites_nothing_and_can_be_undone(tmp_path):
    folder, to = tmp_path / "it's", tmp_path / "to"
    names = ["plain.png", "two words.png", "quote'd.png", "new\nline.png", "-rf.png", "$(x).png"]
    (folder / "sub").mkdir(parents=True)
    files = [folder / name for name in names] + [folder / "sub" / "plain.png"]
    for i, file in enumerate(files):
        file.write_text(str(i))
    script = move_away(files, folder, to)
    assert not any(file.exists() for file in files)
    (folder / "plain.png").write_text("newer")
    for _ in range(2):  # undoing twice is as once
        subprocess.run(["sh", str(script)], check=True)
        assert (folder / "plain.png").read_text() == "newer"
        assert [file.read_text() for file in files[1:]] == [str(i) for i in range(1, 7)]
    assert (to / "plain.png").read_text() == "0"
    with pytest.raises(FileError, match="exists already"):
        move_away(files, folder, to)
    for bad in (folder, folder / "inside", tmp_path):
        with pytest.raises(InputError, match="beside"):
            move_away(files, folder, bad)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions")
def test_a_move_that_stops_says_how_to_undo(tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    files = [folder / "a.png", folder / "sub" / "b.png"]
    for file in files:
        file.write_text("x")
    (folder / "sub").chmod(0o500)
    with pytest.raises(FileError, match=r"sh .*undo\.sh brings back"):
        move_away(files, folder, tmp_path / "to")

"""The doctor from the command line, and its page."""

import errno
import json
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest

from command_line import run
from hammingbird.doctor import trials
from hammingbird.doctor.trials import Candidate
from hammingbird.errors import FileError, HammingbirdError

VOID = {"meta", "br", "link", "img", "input", "hr"}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "METHODS", (Candidate("rotated-pca", 0, 1), Candidate("lsh", 0, 9)))
    monkeypatch.setattr(trials, "LENGTHS", (16, 32))
    rng = np.random.default_rng(0)
    y = rng.integers(0, 8, 1400)
    X = 2 * rng.standard_normal((8, 20))[y] + rng.standard_normal((1400, 20))
    np.save(tmp_path / "a <b>.npy", X[:1200].astype(np.float16))
    np.save(tmp_path / "new.npy", X[1200:].astype(np.float32))
    np.save(tmp_path / "y.npy", y[:1200])
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID and tag not in ("use", "path", "image"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("use", "path", "image"):
            assert self.open.pop() == tag


def test_the_next_commands_run(files):
    shown = run("doctor", "a <b>.npy", "--queries", 200)
    commands = re.findall(r"^  (hammingbird .*)$", shown, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["fit", "encode"]
    for command in commands:
        run(*shlex.split(command)[1:])
    bits = int(re.search(r"--bits (\d+)", commands[0])[1])
    codes = np.load(shlex.split(commands[1])[-1])
    assert codes.shape == (1200, -(-bits // 8))


def test_the_page(files):
    run("doctor", "a <b>.npy", "--queries", 200, "--against", "new.npy", "--out", "page.html")
    text = (files / "page.html").read_text("utf-8")
    parser = Balance()
    parser.feed(text)
    assert not parser.open
    assert "a &lt;b&gt;.npy" in text
    assert "a <b>" not in text
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", text)
    for word in ("re-rank of 100", "effective rank", "hammingbird encode", "permutation test"):
        assert word in text


def test_the_sign_is_named_once_also_where_it_is_as_short_as_the_code(files):
    np.save(
        "narrow.npy", np.load("new.npy").repeat(3, axis=0)[:, :16] + np.load("a <b>.npy")[:600, :16]
    )
    headline = run("doctor", "narrow.npy", "--queries", 100).split("Without")[0]
    assert headline.count("untrained") == 1, headline


def test_json_alone(files):
    found = json.loads(run("doctor", "a <b>.npy", "--queries", 200, "--labels", "y.npy", "--json"))
    assert found["what"] == "of the float vectors' MAP@100"
    assert found["advice"]["commands"]
    assert not (files / "doctor.html").exists()


def test_what_cannot_be_read(files):
    np.save("new.npy", np.ones((5, 3)))
    with pytest.raises(HammingbirdError, match=r"new\.npy has vectors of width 3, .* of 20"):
        run("doctor", "a <b>.npy", "--queries", 200, "--against", "new.npy")
    whole = (files / "a <b>.npy").read_bytes()
    (files / "cut.npy").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match=r"cut\.npy"):
        run("doctor", "cut.npy")


def test_a_full_disk_leaves_the_page_that_was_there(files, monkeypatch):
    (files / "doctor.html").write_text("what was there")

    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(files), "write_text", full)
    with pytest.raises(FileError, match=r"doctor\.html.*No space left on device"):
        run("doctor", "a <b>.npy", "--queries", 200)
    assert (files / "doctor.html").read_text() == "what was there"
    assert not [path for path in files.iterdir() if path.name.startswith(".")]


def test_new_vectors_that_are_not_finite_are_named(files):
    np.save("new.npy", np.full((9, 20), np.inf))
    with pytest.raises(HammingbirdError, match=r"new\.npy: 9 of 9 rows hold NaN or infinity"):
        run("doctor", "a <b>.npy", "--queries", 200, "--against", "new.npy")
    one = np.load("a <b>.npy")[:1]
    np.save("new.npy", one + 1)
    with pytest.raises(HammingbirdError, match="1 of the 1 new rows are not in the old file"):
        run("doctor", "a <b>.npy", "--queries", 200, "--against", "new.npy")

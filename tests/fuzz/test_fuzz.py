"""Damaged files of every kind, opened in a child with limits: success or a clear refusal."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

for library in ("h5py", "pyarrow", "PIL", "torch"):
    pytest.importorskip(library)
from fuzz_mutations import damage, sign_again
from fuzz_samples import Sample, samples

CPU_SECONDS = 20.0
WALL_SECONDS = 300.0
"""A busy machine is no hang: what counts is the time that the child computed, or a long sleep."""
CASES_PER_CHILD = 2000


class Child:
    """One process at a time that opens what it is told, started again when it dies."""

    def __init__(self, log: Path) -> None:
        self.log, self.process, self.cases = log, None, 0

    def open(self, sample: Sample, folder: Path) -> tuple[str, str]:
        """How opening went: opened, refused, raw, crash or hang, and why."""
        if self.process is None or self.cases >= CASES_PER_CHILD:
            self.start()
        self.cases += 1
        case = {"path": str(folder / sample.opened), "kind": sample.kind, "options": sample.options}
        try:
            self.process.stdin.write(json.dumps(case).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return self.dead()
        if not self.answered():
            self.stop()
            return "hang", f"{CPU_SECONDS} s of computing, or {WALL_SECONDS} s, without an answer"
        line = self.process.stdout.readline()
        return tuple(json.loads(line)) if line else self.dead()

    def start(self) -> None:
        self.stop()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONWARNINGS": "ignore",
            "ARROW_DEFAULT_MEMORY_POOL": "system",  # others reserve more than they use
            "MALLOC_ARENA_MAX": "2",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("fuzz_worker.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
            )
        self.cases = 0
        assert self.process.stdout.readline() == b"ready\n", self.log.read_text()

    def answered(self) -> bool:
        """Wait for an answer or for the end of the process, as long as it may take."""
        computed, started = self.computed(), time.monotonic()
        while not select.select([self.process.stdout], [], [], 0.5)[0]:
            slept = time.monotonic() - started
            if self.computed() - computed > CPU_SECONDS or slept > WALL_SECONDS:
                return False
        return True

    def computed(self) -> float:
        """Seconds of processor time that the child has taken, where the system says so."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return 0.0
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def dead(self) -> tuple[str, str]:
        code = self.process.wait()
        self.stop()
        return "crash", f"exit code {code}: {self.log.read_text(errors='replace')[-3000:]}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every sample in a folder of its own."""
    found = []
    for i, sample in enumerate(samples()):
        folder = tmp_path_factory.mktemp(f"sample{i}")
        sample.make(folder)
        found.append((sample, folder))
    return found


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    one = Child(tmp_path_factory.mktemp("child") / "log")
    yield one
    one.stop()


def run(made, child, tmp_path, cases):
    """Damage the samples in turn; return what went wrong, and count the rest."""
    wrong, counts = [], Counter()
    for number in cases:
        sample, original = made[number % len(made)]
        folder = tmp_path / f"case{number}"
        shutil.copytree(original, folder)
        damage(folder, random.Random(number))
        outcome, why = child.open(sample, folder)
        counts[outcome] += 1
        if outcome in ("opened", "refused"):
            shutil.rmtree(folder)
        else:
            wrong.append(f"{outcome} in case {number}, {sample.name}, kept in {folder}: {why}")
    print(dict(counts))
    assert not wrong, f"{len(wrong)} of {len(cases)} cases:\n" + "\n".join(wrong)


def test_every_sample_opens_undamaged_and_signed_again(made, child, tmp_path):
    for i, (sample, original) in enumerate(made):
        folder = tmp_path / f"{i}"
        shutil.copytree(original, folder)
        for file in folder.rglob("*"):
            if file.is_file():
                sign_again(file)
        assert child.open(sample, folder) == ("opened", ""), sample.name


def test_damaged_files_are_opened_or_refused(made, child, tmp_path):
    run(made, child, tmp_path, range(300))


@pytest.mark.slow
def test_10000_damaged_files_are_opened_or_refused(made, child, tmp_path):
    run(made, child, tmp_path, range(300, 10_300))


def test_a_raw_error_a_crash_and_a_hang_are_noticed(child, tmp_path, monkeypatch):
    nothing = Sample("", None, "hasher")
    assert child.open(nothing, tmp_path)[0] == "refused"
    assert child.open(Sample("", None, "data", "", {"nonsense": 1}), tmp_path)[0] == "raw"
    monkeypatch.setattr("test_fuzz.WALL_SECONDS", 0)
    child.process.send_signal(signal.SIGSTOP)
    assert child.open(nothing, tmp_path)[0] == "hang"
    dying = [sys.executable, "-c", "import os; input(); os.abort()"]
    child.process = subprocess.Popen(dying, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    outcome, why = child.open(nothing, tmp_path)
    assert outcome == "crash"
    assert "exit code -6" in why

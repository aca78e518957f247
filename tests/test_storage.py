"""Files are written whole or not at all, and say what they are."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

import hammingbird as hb
from hammingbird.storage import (
    RowsFingerprint,
    describe,
    fingerprint_rows,
    load_folder,
    read_codes,
    replacing,
    save_folder,
    write_codes,
    write_json,
    write_manifest,
)


def test_an_error_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")

    def fail():
        with replacing(file) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(hb.FileError, match="cannot write"), replacing(tmp_path / "file" / "x"):
        pass


def test_a_short_write_asks_whether_the_disk_is_full(tmp_path):
    said = r"is the disk full\? 10 requested and 3 written"
    with pytest.raises(hb.FileError, match=said), replacing(tmp_path / "x"):
        raise OSError("10 requested and 3 written")  # what NumPy says
    assert not list(tmp_path.iterdir())


def test_a_model_that_does_not_fit_the_disk(tmp_path, monkeypatch):
    def full(*_):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("hammingbird.hasher.save_file", full)
    fitted = hb.LSH(8, random_state=0).fit(np.eye(4))
    with pytest.raises(hb.FileError, match="cannot write .*No space left on device"):
        fitted.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


class TestCodes:
    codes = hb.pack(np.random.default_rng(0).standard_normal((10, 12)))

    def write(self, path, **kwargs):
        blocks = (self.codes[i : i + 3] for i in range(0, 10, 3))
        write_codes(path, blocks, 10, 12, {"class": "ITQ", "fingerprint": "f"}, **kwargs)

    def test_round_trip(self, tmp_path):
        self.write(tmp_path / "codes.npy")
        codes, n_bits, made = read_codes(tmp_path / "codes.npy")
        np.testing.assert_array_equal(codes, self.codes)
        assert n_bits == 12
        assert made["made_by"]["class"] == "ITQ"
        assert describe(tmp_path / "codes.npy")["bit_order"] == "msb-first"
        np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), self.codes)

    def test_bare_arrays_have_eight_bits_a_byte_unless_said_otherwise(self, tmp_path):
        np.save(tmp_path / "bare.npy", self.codes)
        assert read_codes(tmp_path / "bare.npy")[1] == 16
        assert read_codes(tmp_path / "bare.npy", 12)[1] == 12

    def test_missing_rows_leave_nothing(self, tmp_path):
        with pytest.raises(hb.FileError, match="expected 11"):
            write_codes(tmp_path / "codes.npy", [self.codes], 11, 12)
        assert not list(tmp_path.iterdir())

    def test_existing_files_are_kept(self, tmp_path):
        self.write(tmp_path / "codes.npy")
        with pytest.raises(hb.FileError, match="exists already"):
            self.write(tmp_path / "codes.npy")
        self.write(tmp_path / "codes.npy", overwrite=True)

    def test_bad_names_and_contents(self, tmp_path):
        with pytest.raises(hb.InputError, match=r"codes\.bin\.npy"):
            write_codes(tmp_path / "codes.bin", [], 0, 8)
        with pytest.raises(hb.FileError, match="does not exist"):
            read_codes(tmp_path / "no.npy")
        (tmp_path / "junk.npy").write_bytes(b"junk")
        with pytest.raises(hb.FileError, match="not a readable"):
            read_codes(tmp_path / "junk.npy")
        np.save(tmp_path / "floats.npy", np.zeros((3, 4)))
        with pytest.raises(hb.FileError, match="not packed codes"):
            read_codes(tmp_path / "floats.npy")

    def test_pickled_objects_are_never_loaded(self, tmp_path):
        np.save(tmp_path / "evil.npy", np.array([object()]), allow_pickle=True)
        with pytest.raises(hb.FileError, match="not a readable"):
            read_codes(tmp_path / "evil.npy")

    def test_the_description_lies_in_the_file(self, tmp_path):
        self.write(tmp_path / "codes.npy")
        assert [path.name for path in tmp_path.iterdir()] == ["codes.npy"]
        for mode in (None, "r", "r+", "c"):
            codes = np.load(tmp_path / "codes.npy", mmap_mode=mode)
            np.testing.assert_array_equal(codes, self.codes)
        (tmp_path / "codes.npy").rename(tmp_path / "moved.npy")
        assert read_codes(tmp_path / "moved.npy")[1] == 12

    def test_no_codes_at_all(self, tmp_path):
        write_codes(tmp_path / "codes.npy", [], 0, 12)
        codes, n_bits, _ = read_codes(tmp_path / "codes.npy")
        assert codes.shape == (0, 2)
        assert n_bits == 12

    def write_beside(self, folder, **change):
        """Codes and their description as earlier versions wrote them."""
        np.save(folder / "codes.npy", self.codes)
        content = {"n_bits": 12, "rows": 10, "made_by": {"class": "ITQ"}, **change}
        write_manifest(folder / "codes.npy.json", "codes", content)

    def test_a_description_beside_the_codes_is_read_and_then_replaced(self, tmp_path):
        self.write_beside(tmp_path)
        assert read_codes(tmp_path / "codes.npy")[1:][1]["made_by"] == {"class": "ITQ"}
        self.write(tmp_path / "codes.npy", overwrite=True)
        assert [path.name for path in tmp_path.iterdir()] == ["codes.npy"]

    @pytest.mark.parametrize(
        "change",
        [
            {"rows": 9},
            {"rows": None},
            {"n_bits": 17},
            {"n_bits": True},
            {"n_bits": "12"},
            {"n_bits": 0},
            {"made_by": None},
            {"bit_order": "lsb-first"},
            {"sign_rule": "score > 0 is one"},
            {"format": True},
            {"format": 0},
            {"format": 1.0},
        ],
    )
    def test_well_signed_descriptions_that_this_version_cannot_mean(self, tmp_path, change):
        self.write_beside(tmp_path, **change)
        with pytest.raises(hb.FileError):
            read_codes(tmp_path / "codes.npy")

    def test_dirty_padding(self, tmp_path):
        self.write_beside(tmp_path, n_bits=9)
        with pytest.raises(hb.InputError, match="padding"):
            read_codes(tmp_path / "codes.npy")

    @pytest.mark.parametrize("lost", [2, 40])
    def test_a_description_that_is_cut_or_altered(self, tmp_path, lost):
        self.write(tmp_path / "codes.npy")
        content = (tmp_path / "codes.npy").read_bytes()
        (tmp_path / "codes.npy").write_bytes(content[:-lost])
        with pytest.raises(hb.FileError, match="cannot be read"):
            read_codes(tmp_path / "codes.npy")
        (tmp_path / "codes.npy").write_bytes(content.replace(b'"n_bits": 12', b'"n_bits": 13'))
        with pytest.raises(hb.FileError, match="altered"):
            read_codes(tmp_path / "codes.npy")

    @pytest.mark.parametrize(
        "content",
        [
            b"PK\x03\x04junk",
            b"\x93NUMPY\x01\x00\x06\x00{'a':(",
            b"\x93NUMPY\x09\x00\x06\x00{'a':(",
            *(
                b"\x93NUMPY\x01\x00\x76\x00"
                + f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(
                    117
                ).encode()
                + b"\n12345678"
                for shape in ("(True, 8)", "(-1, 8)", "(2**70, 8)", "(9223372036854775807, 8)")
            ),
        ],
    )
    def test_hostile_headers(self, tmp_path, content):
        (tmp_path / "codes.npy").write_bytes(content)
        with pytest.raises(hb.FileError, match="not a readable"):
            read_codes(tmp_path / "codes.npy")


def save(folder, manifest, **options):
    save_folder(folder, "hasher", manifest, lambda to: (to / "a").write_bytes(b"a"), **options)


@pytest.mark.parametrize(
    "change",
    [
        {"files": None},
        {"files": {"a": None}},
        {"files": {"a": {"bytes": 1}}},
        {"files": {"a": {"bytes": "1", "sha256": "0" * 64}}},
        {"files": {"../a": {"bytes": 1, "sha256": "0" * 64}}},
        {"files": {"..": {"bytes": 1, "sha256": "0" * 64}}},
        {"bit_order": "lsb-first"},
        {"sign_rule": None},
        {"format": False},
        {"format": -1},
        {"n_bits": 5000},
    ],
)
def test_well_signed_folders_that_this_version_cannot_mean(tmp_path, change):
    save(tmp_path / "a", {"n_bits": 8})
    load_folder(tmp_path / "a", "hasher")
    manifest = json.loads((tmp_path / "a" / "hasher.json").read_text())
    del manifest["sha256"]
    write_manifest(tmp_path / "a" / "hasher.json", "hasher", {**manifest, **change})
    with pytest.raises(hb.FileError):
        load_folder(tmp_path / "a", "hasher")


def test_json_that_is_too_deep(tmp_path):
    (tmp_path / "hasher.json").write_text("[" * 100_000)
    with pytest.raises(hb.FileError, match="cannot be read"):
        load_folder(tmp_path, "hasher")


def test_a_living_writer_keeps_its_files(tmp_path):
    with replacing(tmp_path / "a") as first:
        first.write_text("first")
        with replacing(tmp_path / "a") as second:
            second.write_text("second")
        assert (tmp_path / "a").read_text() == "second"
    assert (tmp_path / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_reader_waits_while_a_folder_is_replaced(tmp_path, monkeypatch):
    save(tmp_path / "a", {"n_bits": 8})
    waits = threading.Event()
    rename, sleep = Path.replace, time.sleep

    def replace_when_missed(self, target):
        if self.is_dir():
            read.append(pool.submit(load_folder, tmp_path / "a", "hasher"))
            assert waits.wait(10)
        return rename(self, target)

    read = []
    monkeypatch.setattr(Path, "replace", replace_when_missed)
    monkeypatch.setattr(time, "sleep", lambda seconds: (waits.set(), sleep(seconds)))
    with ThreadPoolExecutor(1) as pool:
        save(tmp_path / "a", {"n_bits": 9}, overwrite=True)
        assert read[0].result()[0]["n_bits"] == 9


def test_what_only_looks_like_a_leftover_stays(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".lock").write_text("")
    (tmp_path / ".a.12345678.writing").symlink_to(tmp_path / "mine")
    (tmp_path / ".b.12345678.writing").mkdir()
    (tmp_path / ".b.12345678.writing" / "not ours").write_text("")
    write_json(tmp_path / "a", {})
    assert (tmp_path / "mine" / ".lock").exists()
    assert (tmp_path / ".b.12345678.writing" / "not ours").exists()


class TestFingerprints:
    X = np.random.default_rng(0).standard_normal((9000, 8))

    def test_every_byte_counts(self):
        name = fingerprint_rows(self.X)
        assert name == fingerprint_rows(self.X.copy())
        for row in range(0, 9000, 997):
            X = self.X.copy()
            X.view(np.uint8)[row, row % 64] ^= 1
            assert fingerprint_rows(X) != name

    def test_shape_and_type_count(self):
        X = np.zeros((6, 4), np.int32)
        others = [X.reshape(4, 6), X.view(np.uint32), X.astype(np.int64), X[:5], X[:0], X[:, :0]]
        names = {fingerprint_rows(one) for one in [X, *others]}
        assert len(names) == 7

    def test_layout_does_not(self, tmp_path, monkeypatch):
        monkeypatch.setattr("hammingbird.storage.fingerprints.BLOCK_BYTES", 1000)
        name = fingerprint_rows(self.X)
        np.save(tmp_path / "X.npy", self.X)
        assert fingerprint_rows(np.load(tmp_path / "X.npy", mmap_mode="r")) == name
        assert fingerprint_rows(np.asfortranarray(self.X)) == name
        assert fingerprint_rows(np.repeat(self.X, 2, axis=0)[::2]) == name

    @pytest.mark.parametrize("size", [1, 7, 15, 16, 4000, 20_000])
    def test_blocks_of_any_size_give_the_whole(self, monkeypatch, size):
        monkeypatch.setattr("hammingbird.storage.fingerprints.BLOCK_BYTES", 1000)
        X = self.X[:1000]
        rows = RowsFingerprint()
        for start in range(0, len(X), size):
            rows.update(X[start : start + size])
        assert rows.name() == fingerprint_rows(X)

"""Files are written whole or not at all, and say what they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.storage import describe, read_codes, replacing, write_codes


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

    def test_a_description_of_other_codes(self, tmp_path):
        self.write(tmp_path / "codes.npy")
        np.save(tmp_path / "codes.npy", self.codes[:4])
        with pytest.raises(hb.FileError, match="does not describe"):
            read_codes(tmp_path / "codes.npy")

    def test_an_altered_description(self, tmp_path):
        self.write(tmp_path / "codes.npy")
        beside = tmp_path / "codes.npy.json"
        content = json.loads(beside.read_text())
        beside.write_text(json.dumps({**content, "n_bits": 13}))
        with pytest.raises(hb.FileError, match="altered"):
            read_codes(tmp_path / "codes.npy")

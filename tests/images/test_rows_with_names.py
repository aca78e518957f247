"""From a folder of pictures to hits that name its files, by the commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from scenes import scene

import hammingbird as hb
from command_line import run
from hammingbird.errors import FileError, InputError
from hammingbird.storage import read_codes, write_codes


@pytest.fixture
def two_folders(tmp_path, monkeypatch):
    """Grey pictures of 12 x 8 in two classes; some of them as queries, larger and in colour."""
    for i in range(40):
        picture = scene(i, 48)
        place = tmp_path / "train" / ("bee" if i % 2 else "wren")
        place.mkdir(parents=True, exist_ok=True)
        picture.convert("L").resize((12, 8)).save(place / f"{i:02}.png")
        if i < 4:
            (tmp_path / "asked").mkdir(exist_ok=True)
            picture.save(tmp_path / "asked" / f"q{i}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_hits_have_the_names_of_files(two_folders):
    run("fit", "itq", "--train", "train", "--bits", 24, "--out", "model")
    assert hb.load("model").frame == (8, 12)
    run("encode", "model", "train", "--out", "codes.npy")
    _, _, about = read_codes("codes.npy")
    assert about["names"][:2] == ["bee/01.png", "bee/03.png"]
    assert "bee/01.png, bee/03.png, bee/05.png, ..." in run("info", "codes.npy")
    # Larger pictures in colour are read as those that the model learned from.
    run("search", "asked", "codes.npy", "--model", "model", "-k", 2, "--out", "hits.npz")
    with np.load("hits.npz") as hits:
        assert hits["names"][:, 0].tolist() == [
            "wren/00.png", "bee/01.png", "wren/02.png", "bee/03.png",
        ]  # fmt: skip
    run("encode", "model", "asked", "--out", "queries.npy")
    run("search", "queries.npy", "codes.npy", "-k", 41, "--out", "more.npz")
    with np.load("more.npz") as hits:
        assert (hits["names"][:, :40] != "").all()
        assert (hits["names"][:, 40] == "").all()


def test_folders_are_labels_when_asked(two_folders):
    with pytest.raises(InputError, match="--labels folders"):
        run("fit", "itq-cca", "--train", "train", "--out", "model")
    run("fit", "itq-cca", "--train", "train", "--labels", "folders", "--bits", 1, "--out", "model")
    run("encode", "model", "train", "--out", "codes.npy")
    asked = ("evaluate", "codes.npy", "codes.npy", "--metrics", "map", "--json")
    labels = ("--query-labels", "train", "--database-labels", "train")
    # One bit, learned from the labels of these very pictures, tells them better than chance.
    assert json.loads(run(*asked, *labels))["map"] > 0.7


def test_a_linear_network_remembers_the_frame(two_folders):
    pytest.importorskip("torch")
    run(
        "fit", "deep-sgh", "--train", "train", "--bits", 8, "--set", "epochs=1", "--out", "model"
    )  # fmt: skip
    assert hb.catalog.load("model", encode_only=True).frame == (8, 12)


def test_what_is_learned_anew_forgets_the_frame():
    hasher = hb.LSH(8, random_state=0).fit(np.ones((3, 12)))
    hasher.frame_ = [3, 4]
    assert hasher.frame == (3, 4)
    for damaged in ([3, 5], ["3", 4], [3, 4, 1, 1], 12):
        hasher.frame_ = damaged
        assert hasher.frame is None
    hasher.frame_ = [3, 4]
    assert hasher.fit(np.ones((3, 12))).frame is None


def test_names_must_fit(tmp_path):
    path = tmp_path / "codes.npy"
    codes = np.zeros((2, 1), np.uint8)
    with pytest.raises(InputError, match="1 names do not fit 2 codes"):
        write_codes(path, [codes], 2, 8, names=["a"])
    write_codes(path, [codes], 2, 8, names=["a", "\udc80.png"])
    assert read_codes(path)[2]["names"] == ["a", "\udc80.png"]
    path.write_bytes(path.read_bytes().replace(b'"a", ', b""))
    with pytest.raises(FileError, match=r"altered|not of these codes|damaged|checksum"):
        read_codes(path)


def test_a_service_answers_with_names(two_folders):
    pytest.importorskip("fastapi")
    from hammingbird.service.opening import open_engine

    run("fit", "lsh", "--train", "train", "--bits", 16, "--out", "model")
    run("encode", "model", "train", "--out", "codes.npy")
    engine = open_engine("codes.npy", "model")
    try:
        assert engine.item(0)[1] == {"name": "bee/01.png"}
        assert engine.frame == (8, 12)
    finally:
        engine.close()


def test_pictures_of_one_size_need_no_frame(tmp_path):
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    data = hb.datasets.load(tmp_path)
    assert data.frame == (4, 5, 3)

"""An index of a folder, what is found in it, and what is said where nothing can be."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image
from scenes import scene
from typer.testing import CliRunner

import hammingbird as hb
from command_line import run
from hammingbird.cli import app
from hammingbird.errors import FileError, InputError, MissingExtraError
from hammingbird.images import copies, find_duplicates, find_picture, index_folder, reading
from hammingbird.images.describers import make_describer
from hammingbird.images.finding import open_index
from hammingbird.storage import read_codes, write_codes


@pytest.fixture
def index(folder, tmp_path):
    run("index", folder, "--out", tmp_path / "index.npy")
    return tmp_path / "index.npy"


@pytest.fixture
def picture(tmp_path):
    """A cropped copy of one of the folder's pictures, and its mirror image."""
    copy = copies.cropped(scene(7))
    copy.save(tmp_path / "copy.png")
    copies.mirrored(copy).save(tmp_path / "turned.png")
    return tmp_path / "copy.png"


def test_a_picture_is_found_by_its_copy_and_its_mirror(index, picture):
    found = find_picture(picture, index, 5)
    turned = find_picture(picture.with_name("turned.png"), index, 5)
    assert found.hits[0].name == turned.hits[0].name == "a/scene 7.png"
    assert (found.hits[0].mirrored, turned.hits[0].mirrored) == (False, True)
    assert found.is_same(found.hits[0])
    assert not found.is_same(found.hits[1])
    assert (found.hits[0].file.width, found.hits[0].file.height) == (96, 96)


def test_hits_are_the_nearest_of_both_sides(index, picture):
    codes, _, about = read_codes(index)
    pixels = reading.read_picture(picture, (32, 32, 3))[1]
    both = make_describer().describe(np.stack([pixels, pixels[:, ::-1]]))
    distances = hb.hamming(both, codes)
    order = np.argsort(distances.min(axis=0), kind="stable")
    for k in (1, 7, 60, 100):
        hits = find_picture(picture, index, k).hits
        assert [h.name for h in hits] == [about["names"][i] for i in order[:k]]
        assert [h.distance for h in hits] == distances.min(axis=0)[order[:k]].tolist()
        assert [h.mirrored for h in hits] == (distances[1] < distances[0])[order[:k]].tolist()


def test_the_command_shows_names_and_writes_a_page(index, picture, tmp_path):
    out = tmp_path / "out.html"
    shown = run("find", picture, "--in", index, "-k", 3, "--out", out)
    assert "a/scene 7.png" in shown
    assert shown.count("the same") == 1
    page = out.read_text("utf-8")
    assert page.count("<figure") == 4
    assert page.count("data:image/jpeg;base64") == 4
    assert "It lies there once" in page
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red & <b>.png")
    run("find", tmp_path / "red & <b>.png", "--in", index, "--out", out)
    page = out.read_text("utf-8")
    assert "It does not lie there" in page
    assert "red &amp; &lt;b&gt;.png" in page


def test_without_the_report_extra_names_are_shown(index, picture, tmp_path, monkeypatch):
    def missing(*arguments, **content):
        raise MissingExtraError("jinja2", "report")

    monkeypatch.setattr("hammingbird.images.page.render", missing)
    shown = run("find", picture, "--in", index, "--out", tmp_path / "out.html")
    assert "a/scene 7.png" in shown
    assert "hammingbird[report]" in shown


def test_pictures_may_move_or_go(index, picture, folder, tmp_path):
    shutil.move(folder, tmp_path / "elsewhere")
    (hit,) = find_picture(picture, index, 1).hits
    assert (hit.name, hit.file.width) == ("a/scene 7.png", 0)
    page = find_picture(picture, index, 1).write(tmp_path / "gone.html")
    assert "not there any more" in page.read_text("utf-8")
    (hit,) = find_picture(picture, index, 1, folder=tmp_path / "elsewhere").hits
    assert hit.file.width == 96


def test_an_index_made_again_reads_only_what_is_new(index, folder, tmp_path, monkeypatch):
    read = []
    decode = reading._decode
    monkeypatch.setattr(
        reading, "_decode", lambda path, frame: (read.append(path.name), decode(path, frame))[1]
    )
    scene(99).save(folder / "new.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    again = CliRunner().invoke(app, ["index", str(folder), "--out", str(index)])
    assert isinstance(again.exception, FileError)
    assert "exists already" in str(again.exception)
    shown = run("index", folder, "--out", index, "--overwrite")
    assert read == ["broken.jpg", "new.png"]
    assert "61 pictures" in shown
    assert "left out: broken.jpg" in shown
    assert len(open_index(index).names) == 61


def test_few_pictures_have_no_radius(tmp_path):
    (tmp_path / "few").mkdir()
    for i in range(3):
        scene(i).save(tmp_path / "few" / f"{i}.png")
    index_folder(tmp_path / "few", tmp_path / "few.npy", memory=tmp_path / "m")
    found = find_picture(tmp_path / "few" / "1.png", tmp_path / "few.npy")
    assert [hit.name for hit in found.hits][:1] == ["1.png"]
    assert found.index.radius is None
    assert not found.is_same(found.hits[0])
    assert "by their bits" in found.write(tmp_path / "found.html").read_text("utf-8")


def test_a_model_of_ones_own(folder, picture, tmp_path):
    train = hb.datasets.load(folder, image_size=12)
    for seed in (0, 1):
        hasher = hb.ITQ(64, random_state=seed).fit(train.X)
        hasher.frame_ = list(train.frame)
        hasher.save(tmp_path / f"model{seed}")
    run("index", folder, "--out", tmp_path / "i.npy", "--model", tmp_path / "model0")
    find = ("find", picture, "--in", tmp_path / "i.npy", "--out", tmp_path / "o.html")
    assert "a/scene 7.png" in run(*find, "--model", tmp_path / "model0", "-k", 1)
    for other in ([], ["--model", tmp_path / "model1"]):
        with pytest.raises(InputError, match="give --model MODEL that it was made with"):
            run(*find, *other)
    run("index", folder, "--out", tmp_path / "built-in.npy")
    with pytest.raises(InputError, match="leave out --model and --features"):
        run("find", picture, "--in", tmp_path / "built-in.npy", "--model", tmp_path / "model0")


def test_errors_say_what_to_do(index, picture, tmp_path):
    with pytest.raises(FileError, match="does not exist: give the picture to look for"):
        find_picture(tmp_path / "no.png", index)
    with pytest.raises(FileError, match="is no file"):
        find_picture(tmp_path, index)
    (tmp_path / "broken.jpg").write_bytes(picture.read_bytes()[:200])
    with pytest.raises(FileError, match=r"broken\.jpg is no readable image"):
        find_picture(tmp_path / "broken.jpg", index)
    np.save(tmp_path / "vectors.npy", np.zeros((3, 4), np.float32))
    write_codes(tmp_path / "codes.npy", [np.zeros((3, 4), np.uint8)], 3, 32)
    write_codes(tmp_path / "named.npy", [np.zeros((3, 4), np.uint8)], 3, 32, names=list("abc"))
    for name in ("vectors.npy", "codes.npy", "named.npy", "no.npy"):
        with pytest.raises((FileError, InputError), match="make one with: hammingbird index"):
            find_picture(picture, tmp_path / name)
    with pytest.raises(InputError, match="k must be"):
        find_picture(picture, index, 0)
    found = find_picture(picture, index)
    with pytest.raises(InputError, match=r"written as \.html"):
        found.write(tmp_path / "found.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="no picture that can be read"):
        index_folder(tmp_path / "empty", tmp_path / "e.npy", memory=tmp_path / "m")


def tiny_features(seed=0):
    """A network of one random convolution, for pictures of 16 x 16."""
    torch = pytest.importorskip("torch")
    from hammingbird.deep.features import Features

    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 32, 5, 2), torch.nn.ReLU(), torch.nn.Flatten()
        )
    return Features(network, 16, 128.0, 128.0)


@pytest.mark.deep
def test_features_of_a_network(folder, picture, tmp_path):
    features = tiny_features()
    describer = make_describer(features=features)
    assert (describer.frame, describer.n_bits) == ((16, 16, 3), 256)
    pixels = np.stack([np.asarray(scene(i, 16)) for i in range(30)])
    codes = describer.describe(pixels)
    # Cosine LSH: a bit differs with probability angle / pi, of features without their mean.
    found = features(pixels)
    correlation = np.corrcoef(found)
    expected = np.arccos(correlation.clip(-1, 1)) / np.pi * 256
    assert np.abs(hb.hamming(codes, codes) - expected).mean() < 8
    assert make_describer(features=tiny_features()).name == describer.name
    assert make_describer(features=tiny_features(1)).name != describer.name
    index_folder(folder, tmp_path / "i.npy", memory=tmp_path / "m", features=features)
    hits = find_picture(picture, tmp_path / "i.npy", features=tiny_features()).hits
    assert hits[0].name == "a/scene 7.png"
    with pytest.raises(InputError, match="give the same features"):
        find_picture(picture, tmp_path / "i.npy", features=tiny_features(1))
    copies.recompressed(scene(7)).save(folder / "again.jpg", quality=90)
    duplicates = find_duplicates(folder, memory=tmp_path / "m", features=features)
    (group,) = duplicates.groups
    assert {member.name for member in group} == {"again.jpg", "a/scene 7.png"}


@pytest.mark.deep
def test_features_by_name(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    import sys
    from types import SimpleNamespace

    from hammingbird.deep.features import open_features
    from hammingbird.deep.mobilenet import MobileNetV2

    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(MobileNetV2().state_dict(), tmp_path / "w.safetensors")
    opened = open_features(f"weights={tmp_path / 'w.safetensors'}@32")
    assert (opened.side, opened(np.zeros((2, 32, 32, 3), np.uint8)).shape) == (32, (2, 1280))
    assert open_features(f"weights={tmp_path / 'w.safetensors'}").side == 96

    def create_model(name, pretrained, num_classes, in_chans):
        assert (name, pretrained, num_classes, in_chans) == ("tiny", True, 0, 3)
        network = torch.nn.Flatten()
        network.pretrained_cfg = {"input_size": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.25,) * 3}
        return network

    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))
    opened = open_features("timm:tiny")
    assert opened.side == 8
    found = opened(np.full((1, 8, 8, 3), 255, np.uint8))
    np.testing.assert_allclose(found, np.full((1, 192), 2.0), rtol=1e-6)
    for bad in ("resnet18", "timm:", f"weights={tmp_path / 'w.safetensors'}@7"):
        with pytest.raises(InputError, match=r"features are timm:NAME|no size from 32"):
            open_features(bad)
    with pytest.raises(FileError, match="does not exist"):
        open_features(f"weights={tmp_path / 'no.npz'}")
    with pytest.raises(InputError, match="a model or features"):
        make_describer(tmp_path, "timm:tiny")

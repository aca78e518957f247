"""Vectors of pictures by a backbone: what is written, and that a stopped run goes on."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from typer.testing import CliRunner

import hammingbird as hb
from hammingbird.cli import app
from hammingbird.datasets import load
from hammingbird.datasets.lists import read_names
from hammingbird.images import features, write_features

torch = pytest.importorskip("torch")
pytest.importorskip("pyarrow")
Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.deep

from safetensors.torch import save_file

from hammingbird.deep.mobilenet import MobileNetV2, read_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "drawn.safetensors"
    save_file(MobileNetV2().state_dict(), file)
    return file


@pytest.fixture
def folder(tmp_path):
    """Seven pictures in two subfolders, one of them grey."""
    rng = np.random.default_rng(0)
    for i, name in enumerate(("b/3", "b/1", "a/9", "a/2", "a/5", "b/7", "b/8")):
        path = tmp_path / "pictures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (32, 32) if i == 2 else (32, 32, 3)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(path)
    return tmp_path / "pictures"


NAMES = ["a/2.png", "a/5.png", "a/9.png", "b/1.png", "b/3.png", "b/7.png", "b/8.png"]


def expected(folder, weights):
    """One picture at a time through the network."""
    network = read_weights(weights, 32).eval()
    found = []
    for name in NAMES:
        pixels = np.asarray(Image.open(folder / name).convert("RGB"), np.float32)
        with torch.inference_mode():
            found.append(network(torch.from_numpy((pixels - 128) / 128).permute(2, 0, 1)[None]))
    return torch.cat(found).numpy()


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_vectors_are_the_networks_with_names(folder, weights, tmp_path, ending, monkeypatch):
    monkeypatch.setattr(features, "ROWS", 3)
    out = tmp_path / f"vectors.{ending}"
    asked = ["features", str(folder), "--backbone", f"mobilenetv2:{weights}@32", "--out", str(out)]
    ran = CliRunner().invoke(app, [*asked, "--batch-size", "2", "--labels", "folders"])
    assert ran.exit_code == 0, ran.output
    assert "7 vectors of 1,280 numbers" in ran.stdout
    found = load(out)
    np.testing.assert_allclose(found.X, expected(folder, weights), atol=1e-5)
    assert read_names(out).tolist() == [name.partition("/")[2] for name in NAMES]
    if ending == "parquet":
        assert found.y.tolist() == ["a"] * 3 + ["b"] * 4
        import pyarrow.parquet

        assert pyarrow.parquet.read_table(out)["name"].to_pylist() == NAMES
    else:
        assert (tmp_path / "vectors.names.txt").read_text().splitlines() == NAMES
    assert not (tmp_path / f"{out.name}.parts").exists()
    again = CliRunner().invoke(app, asked)
    assert isinstance(again.exception, hb.FileError)
    assert CliRunner().invoke(app, [*asked, "--overwrite"]).exit_code == 0


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_a_stopped_run_goes_on_to_the_same_bytes(folder, weights, tmp_path, ending, monkeypatch):
    monkeypatch.setattr(features, "ROWS", 2)
    backbone = f"mobilenetv2:{weights}@32"
    write_features(folder, tmp_path / f"whole.{ending}", backbone)
    from hammingbird.deep.features import Features

    embed, calls = Features.__call__, []

    def stopping(self, pictures):
        calls.append(len(pictures))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return embed(self, pictures)

    monkeypatch.setattr(Features, "__call__", stopping)
    out = tmp_path / f"stopped.{ending}"
    with pytest.raises(KeyboardInterrupt):
        write_features(folder, out, backbone)
    assert not out.exists()
    assert len(list((tmp_path / f"stopped.{ending}.parts").iterdir())) == 2
    with pytest.raises(hb.FileError, match="other pictures, weights or settings"):
        write_features(folder, out, backbone, batch_size=3)
    assert write_features(folder, out, backbone) == (7, 1280)
    assert calls == [2, 2, 2, 2, 1], "two parts were there, two were left"
    assert out.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()


def test_pictures_of_parquet_and_of_arrays_have_names_too(folder, weights, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    rows = [{"bytes": (folder / name).read_bytes(), "path": name} for name in NAMES[:3]]
    rows[1]["path"] = None
    table = pa.table({"image": rows, "label": [4, 5, 6]})
    pyarrow.parquet.write_table(table, tmp_path / "images.parquet")
    backbone = f"mobilenetv2:{weights}@32"
    write_features(tmp_path / "images.parquet", tmp_path / "a.parquet", backbone)
    found = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert found["name"].to_pylist() == ["a/2.png", "1", "a/9.png"]
    assert found["label"].to_pylist() == [4, 5, 6]
    np.testing.assert_allclose(
        load(tmp_path / "a.parquet").X, expected(folder, weights)[:3], atol=1e-5
    )
    np.save(tmp_path / "grey.npy", np.zeros((2, 16, 16), np.uint8))
    write_features(tmp_path / "grey.npy", tmp_path / "b.npy", backbone)
    assert (tmp_path / "b.names.txt").read_text() == "0\n1\n"
    assert load(tmp_path / "b.npy").X.shape == (2, 1280)


def test_timm_models_get_pixels_as_their_record_says(folder, tmp_path, monkeypatch):
    class Mean(torch.nn.Module):
        pretrained_cfg = types.MappingProxyType({"mean": (0.5, 0.25, 0.0), "std": (0.5, 1.0, 2.0)})

        def forward(self, images):
            return images.mean(dim=(2, 3))

    library = types.SimpleNamespace(create_model=lambda *_, **__: Mean())
    monkeypatch.setitem(sys.modules, "timm", library)
    write_features(folder, tmp_path / "v.npy", "timm:mean", image_size=10)
    pixels = load(folder, image_size=10).images.mean(axis=(1, 2)) / 255
    np.testing.assert_allclose(
        np.load(tmp_path / "v.npy"), (pixels - [0.5, 0.25, 0]) / [0.5, 1, 2], atol=1e-5
    )


def test_what_cannot_be_written_is_said_before_any_work(folder, weights, tmp_path):
    backbone = f"mobilenetv2:{weights}"
    with pytest.raises(hb.InputError, match=r"\.npy or \.parquet"):
        write_features(folder, tmp_path / "v.csv", backbone)
    with pytest.raises(hb.InputError, match="features are timm:NAME"):
        write_features(folder, tmp_path / "v.npy", "cnn")
    np.save(tmp_path / "vectors.npy", np.zeros((3, 4), np.float32))
    with pytest.raises(hb.FileError, match="holds vectors, not pictures"):
        write_features(tmp_path / "vectors.npy", tmp_path / "v.npy", backbone)
    with pytest.raises(hb.InputError, match="batch_size must be at least 1"):
        write_features(folder, tmp_path / "v.npy", backbone, batch_size=0)


def test_pictures_are_resized_to_the_networks_size(folder, weights, tmp_path):
    Image.fromarray(np.full((9, 40, 3), 200, np.uint8)).save(folder / "a" / "flat.png")
    write_features(folder, tmp_path / "v.npy", f"weights={weights}@32")
    found = dict(zip(read_names(tmp_path / "v.npy"), np.load(tmp_path / "v.npy"), strict=True))
    with torch.inference_mode():
        flat = read_weights(weights, 32).eval()(torch.full((1, 3, 32, 32), (200 - 128) / 128))
    np.testing.assert_allclose(found["flat.png"], flat[0].numpy(), atol=1e-4)

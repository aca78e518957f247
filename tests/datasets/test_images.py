import sys
import warnings

import numpy as np
import pytest

from hammingbird.datasets import load, shape, stream
from hammingbird.errors import FileError, InputError, MissingExtraError

Image = pytest.importorskip("PIL.Image")
rng = np.random.default_rng(0)


def pixels(*size):
    return rng.integers(0, 256, size).astype(np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return array


def test_class_folders(tmp_path):
    expected = [
        save(tmp_path / name / f"{i}.png", pixels(4, 5, 3))
        for name in ("bee", "wren")
        for i in (1, 2)
    ]
    save(tmp_path / ".hidden" / "1.png", pixels(9, 9))
    (tmp_path / "empty").mkdir()
    (tmp_path / "wren" / "notes.txt").write_text("no image")
    assert load(tmp_path).y is load(tmp_path).classes is None
    dataset = load(tmp_path, labels="folders")
    assert np.array_equal(dataset.images, expected)
    assert np.shares_memory(dataset.X, dataset.images)
    assert dataset.names.tolist() == ["bee/1.png", "bee/2.png", "wren/1.png", "wren/2.png"]
    assert dataset.frame == (4, 5, 3)
    assert dataset.take(slice(2, 4)).names.tolist() == ["wren/1.png", "wren/2.png"]
    assert dataset.y.tolist() == [0, 0, 1, 1]
    assert dataset.classes.tolist() == ["bee", "wren"]
    assert shape(tmp_path) == (4, 60)
    blocks = list(stream(tmp_path, rows=3))
    assert [len(block) for block in blocks] == [3, 1]
    assert np.array_equal(np.concatenate(blocks), dataset.X)


def test_a_flat_folder_has_no_labels(tmp_path):
    expected = [save(tmp_path / f"{i:03}.PNG", pixels(3, 2)) for i in range(150)]
    dataset = load(tmp_path)
    assert np.array_equal(dataset.images, expected)
    assert dataset.y is dataset.classes is None
    assert dataset.name == tmp_path.name
    assert dataset.names[:2].tolist() == ["000.PNG", "001.PNG"]


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp", "bmp"])
def test_every_ending(tmp_path, ending):
    save(tmp_path / f"a.{ending}", np.full((8, 8, 3), 100, np.uint8))
    assert np.abs(load(tmp_path).images.astype(int) - 100).max() <= 2


def test_mixed_modes_become_rgb(tmp_path):
    grey = save(tmp_path / "a.png", pixels(4, 4))
    colour = save(tmp_path / "b.png", pixels(4, 4, 3))
    alpha = save(tmp_path / "c.png", pixels(4, 4, 4))
    palette = Image.fromarray(colour).quantize(8)
    palette.save(tmp_path / "d.png", transparency=bytes(range(8)))
    images = load(tmp_path).images
    assert images.shape == (4, 4, 4, 3)
    assert np.array_equal(images[0], np.repeat(grey[..., None], 3, axis=2))
    assert np.array_equal(images[1], colour)
    assert np.array_equal(images[2], alpha[..., :3])
    assert np.array_equal(images[3], np.asarray(palette.convert("RGB")))


def test_sizes_must_agree_or_be_resized(tmp_path):
    square = save(tmp_path / "a.png", pixels(6, 6))
    save(tmp_path / "b.png", pixels(9, 7))
    for read in (load, shape, stream):
        with pytest.raises(FileError, match=r"b\.png is 7x9, others are 6x6: pass image_size="):
            read(tmp_path)
    images = load(tmp_path, image_size=6).images
    assert np.array_equal(images[0], square)
    assert images.shape == (2, 6, 6)
    assert shape(tmp_path, image_size=6) == (2, 36)
    assert next(stream(tmp_path, image_size=6)).shape == (2, 36)


def test_deep_pixels_are_refused(tmp_path):
    save(tmp_path / "a.png", pixels(4, 4).astype(np.uint16) * 256)
    with pytest.raises(FileError, match=r"a\.png has I;16 pixels: convert to 8 bits"):
        load(tmp_path)


def test_a_frame_is_what_pictures_are_read_as(tmp_path):
    grey = save(tmp_path / "a.png", pixels(6, 6))
    save(tmp_path / "b.png", pixels(9, 7, 3))
    assert load(tmp_path, frame=(5, 4, 3)).images.shape == (2, 5, 4, 3)
    small = load(tmp_path, frame=(6, 6)).images
    assert small.shape == (2, 6, 6)
    assert np.array_equal(small[0], grey)
    assert load(tmp_path, image_size=3, frame=(6, 6)).images.shape == (2, 3, 3, 3)
    np.save(tmp_path / "x.npy", np.zeros((2, 5)))
    assert load(tmp_path / "x.npy", frame=(6, 6)).X.shape == (2, 5)


def test_links_are_followed_once(tmp_path):
    save(tmp_path / "real" / "a.png", pixels(4, 4))
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    (tmp_path / "pictures" / "bee").symlink_to(tmp_path / "real")
    (tmp_path / "pictures" / "deep" / "around").symlink_to(tmp_path / "pictures")
    save(tmp_path / "pictures" / "deep" / ".hidden" / "b.png", pixels(4, 4))
    assert load(tmp_path / "pictures").names.tolist() == ["bee/a.png"]


def test_folders_without_images_or_with_two_kinds(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(FileError, match=f"{tmp_path.name} is a folder without images"):
        load(tmp_path)
    save(tmp_path / "a.png", pixels(4, 4))
    save(tmp_path / "class" / "a.png", pixels(4, 4))
    assert load(tmp_path).names.tolist() == ["a.png", "class/a.png"]
    with pytest.raises(FileError, match=r"a\.png lies in no subfolder, which would be its label"):
        load(tmp_path, labels="folders")
    np.save(tmp_path / "x.npy", np.zeros((2, 2)))
    with pytest.raises(InputError, match="no folder of images"):
        load(tmp_path / "x.npy", labels="folders")
    with pytest.raises(InputError, match="labels must be 'folders'"):
        load(tmp_path, labels="names")


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_truncated_and_foreign(tmp_path, ending):
    path = tmp_path / f"b.{ending}"
    save(path, pixels(32, 32, 3))
    content = path.read_bytes()
    for damaged in (content[:20], content[: len(content) // 2], b"text", b""):
        path.write_bytes(damaged)
        for read in (load, lambda path: list(stream(path))):
            with pytest.raises(
                FileError, match=rf"{tmp_path.name}: b\.{ending} is no readable image"
            ):
                read(tmp_path)


def test_pillow_keeps_its_limit_on_pixels(tmp_path, monkeypatch):
    save(tmp_path / "a.png", pixels(100, 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(FileError, match=r"a\.png is no readable image.*decompression bomb"):
        load(tmp_path)


def test_without_pillow(tmp_path, monkeypatch):
    save(tmp_path / "a.png", pixels(4, 4))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"pillow.*hammingbird\[files\]"):
        load(tmp_path)


def test_many_blocks_come_in_order_without_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr("hammingbird.datasets.images.TASK", 2)  # blocks of 32
    expected = np.arange(100, dtype=np.uint8)
    for value in expected:
        save(tmp_path / f"{value:03}.png", np.full((3, 3), value, np.uint8))
    np.testing.assert_array_equal(load(tmp_path).X[:, 0], expected)
    np.testing.assert_array_equal(np.concatenate(list(stream(tmp_path, rows=7)))[:, 0], expected)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n%%EOF\n"


def test_postscript_starts_no_program(tmp_path, monkeypatch):
    plugin = pytest.importorskip("PIL.EpsImagePlugin")
    monkeypatch.setattr(plugin, "gs_binary", None)  # not looked for yet
    program, pictures = tmp_path / "bin" / "gs", tmp_path / "pictures"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho started > {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    pictures.mkdir()
    (pictures / "a.png").write_bytes(EPS)
    for read in (load, lambda path: list(stream(path))):
        with pytest.raises(FileError, match=r"a\.png is no readable image"):
            read(pictures)
    assert not (tmp_path / "started").exists()


def test_only_named_formats_are_opened():
    from hammingbird.datasets.images import FORMATS

    assert not {"EPS", "PS", "WMF", "FPX", "MIC", "GBR", "FITS", "HDF5"} & set(FORMATS)


@pytest.mark.parametrize("width", [110, 300])
def test_a_decompression_bomb_is_named(tmp_path, monkeypatch, width):
    save(tmp_path / "a.png", np.zeros((10, width), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # a warning above it, an error above twice
    for read in (load, stream, shape):
        with pytest.raises(FileError, match=r"a\.png .*decompression bomb"):
            read(tmp_path)


def test_more_pixels_than_pillows_limit_are_refused_even_where_it_only_warns(tmp_path, monkeypatch):
    save(tmp_path / "a.png", np.zeros((10, 110), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(FileError, match=r"a\.png claims 1,100 pixels.*limit is 1,000"):
            load(tmp_path)

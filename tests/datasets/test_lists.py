"""Published lists of pictures, and a user's vectors and pictures for them."""

from __future__ import annotations

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.datasets import lists
from hammingbird.datasets.lists import Listed


def write_vectors(path, names, X):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    columns = {"name": names, "vector": pa.array(list(X), pa.list_(pa.float32()))}
    pyarrow.parquet.write_table(pa.table(columns), path)


def test_lines_of_a_path_and_labels(tmp_path):
    file = tmp_path / "test.txt"
    file.write_text("./data/nus/images/8_a_m.jpg 0 1 1\nC:\\x\\b.jpg 1 0 0\n")
    found = lists.read_list(file)
    assert found.names.tolist() == ["8_a_m.jpg", "b.jpg"]
    np.testing.assert_array_equal(found.y, [[0, 1, 1], [1, 0, 0]])
    file.write_text("a/x.jpg 7\na/y.jpg 3\n")
    assert lists.read_list(file).y.tolist() == [7, 3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.jpg 0 1\nb.jpg 1\n", "line 2 has 1 labels"),
        ("a.jpg\n", "line 1 has 0 labels"),
        ("a.jpg 0 2\n", "other than 0 and 1"),
        ("a.jpg cat\n", "cannot be read"),
        ("", "is empty"),
    ],
)
def test_lines_that_are_none(tmp_path, text, said):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(hb.FileError, match=said):
        lists.read_list(tmp_path / "x.txt")


def test_imagenet_lists_name_the_files_of_the_challenge(tmp_path):
    np.savez(
        tmp_path / "split.npz",
        synsets=np.array(["n01", "n02"]),
        db_id=np.int32([10000, 5, 7]),
        db_class=np.uint8([1, 0, 0]),
        train_id=np.int32([5]),
        train_class=np.uint8([0]),
        test_id=np.int32([42]),
        test_class=np.uint8([1]),
    )
    found = lists.read_imagenet100(tmp_path / "split.npz")
    assert found["database"].names.tolist() == ["n02_10000.JPEG", "n01_5.JPEG", "n01_7.JPEG"]
    assert found["database"].y.tolist() == [1, 0, 0]
    assert found["train"].names.tolist() == ["n01_5.JPEG"]
    assert found["query"].names.tolist() == ["ILSVRC2012_val_00000042.JPEG"]
    np.savez(tmp_path / "other.npz", synsets=np.array(["n01"]))
    with pytest.raises(hb.FileError, match="no array 'db_id'"):
        lists.read_imagenet100(tmp_path / "other.npz")


def coco(path):
    """Five pictures; bits of their label sets first in front, as NumPy packs them."""
    y = np.zeros((5, 80), np.uint8)
    y[np.arange(5), [16, 0, 79, 8, 7]] = 1
    np.savez(
        path,
        image_id=np.int32([9, 25, 30, 34, 477705]),
        is_val2014=np.array([0, 0, 0, 1, 1], bool),
        y=np.packbits(y, axis=1),
        in_train=np.array([1, 0, 0, 0, 0], bool),
        in_caffe_query=np.array([0, 1, 0, 0, 1], bool),
    )
    return y


def test_coco_searches_all_but_the_queries(tmp_path):
    y = coco(tmp_path / "coco.npz")
    found = lists.read_coco(tmp_path / "coco.npz")
    assert found["query"].names.tolist() == [
        "COCO_train2014_000000000025.jpg",
        "COCO_val2014_000000477705.jpg",
    ]
    assert found["train"].names.tolist() == ["COCO_train2014_000000000009.jpg"]
    np.testing.assert_array_equal(found["database"].y, y[[0, 2, 3]])
    assert lists.check_lists(found, {"train": 1, "query": 2, "database": 3}, "coco") is found


def test_counts_and_overlap_are_checked():
    def of(*names):
        return Listed(np.array(names), np.zeros(len(names), int))

    good = {"train": of("a"), "query": of("q"), "database": of("a", "b")}
    lists.check_lists(good, {"train": 1}, "here")
    with pytest.raises(hb.FileError, match=r"here lists 1 pictures as train, 10,000 were"):
        lists.check_lists(good, {"train": 10_000}, "here")
    for role in ("train", "database"):
        with pytest.raises(hb.FileError, match=f"1 queries are also in the {role} list"):
            lists.check_lists({**good, role: of("q")}, {}, "here")
    with pytest.raises(hb.FileError, match="twice as database"):
        lists.check_lists({**good, "database": of("b", "b")}, {}, "here")
    sets = Listed(np.array(["c"]), np.zeros((1, 4), int))
    with pytest.raises(hb.FileError, match="different numbers of classes"):
        lists.check_lists({**good, "database": sets}, {}, "here")


@pytest.mark.parametrize("ending", ["parquet", "npy"])
def test_vectors_come_in_the_order_of_the_list(tmp_path, ending):
    X = np.arange(8, dtype=np.float32).reshape(4, 2)
    names = ["train/b.jpg", "train/a.jpg", "val/d.jpg", "val/c.jpg"]
    file = tmp_path / f"vectors.{ending}"
    if ending == "parquet":
        write_vectors(file, names, X)
    else:
        np.save(file, X)
        (tmp_path / "vectors.names.txt").write_text("\n".join(names) + "\n")
    listed = Listed(np.array(["c.jpg", "b.jpg"]), np.array([1, 0]))
    found = lists.listed_vectors(listed, file)
    np.testing.assert_array_equal(found.X, X[[3, 0]])
    assert found.y.tolist() == [1, 0]
    more = Listed(np.array(["c.jpg", "e.jpg", "zz.jpg"]), np.zeros(3, int))
    with pytest.raises(hb.FileError, match=r"lacks 2 of 3 pictures .* such as e\.jpg, zz\.jpg"):
        lists.listed_vectors(more, file)


def test_pictures_come_in_the_order_of_the_list(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    for i, name in enumerate(("x/a.png", "y/b.png", "y/c.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 5, 3), 50 * i, np.uint8)).save(tmp_path / name)
    listed = Listed(np.array(["c.png", "a.png"]), np.array([[0, 1], [1, 0]]))
    found = lists.listed_pictures(listed, tmp_path)
    assert found.images[:, 0, 0, 0].tolist() == [100, 0]
    np.testing.assert_array_equal(found.y, listed.y)
    assert lists.listed_pictures(listed, tmp_path, image_size=2).images.shape == (2, 2, 2, 3)
    with pytest.raises(hb.FileError, match=r"lacks 1 of 1 pictures"):
        lists.listed_pictures(Listed(np.array(["d.png"]), np.zeros(1)), tmp_path)

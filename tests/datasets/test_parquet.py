import io
import json
import sys

import numpy as np
import pytest

from hammingbird.datasets import load, shape, stream
from hammingbird.errors import FileError, MissingExtraError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
Image = pytest.importorskip("PIL.Image")
rng = np.random.default_rng(0)
X = rng.random((50, 4)).astype(np.float32)


def write(path, columns, **options):
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, path, **options)
    return path


def lists(values, width=None, dtype=None):
    dtype = dtype or pa.from_numpy_dtype(values.dtype)
    return pa.array(list(values), pa.list_(dtype, width or -1))


def encoded(arrays, ending="png"):
    rows = []
    for array in arrays:
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, ending)
        rows.append({"bytes": stream.getvalue(), "path": None})
    return pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


@pytest.mark.parametrize("width", [None, 4])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int32])
def test_vectors_of_every_type(tmp_path, width, dtype):
    values = (X * 100).astype(dtype)
    path = write(tmp_path / "x.parquet", {"vector": lists(values, width)}, row_group_size=17)
    dataset = load(path)
    assert dataset.X.dtype == dtype
    assert np.array_equal(dataset.X, values)
    assert dataset.y is None
    assert shape(path) == (50, 4)
    blocks = list(stream(path, rows=20))
    assert max(map(len, blocks)) <= 20
    assert np.array_equal(np.concatenate(blocks), values)


@pytest.mark.parametrize(
    "name", ["vector", "embedding", "embeddings", "features", "emb", "X", "anything"]
)
def test_the_vector_column_is_found(tmp_path, name):
    columns = {"id": np.arange(50), name: lists(X), "text": ["t"] * 50, "label": np.arange(50) % 3}
    if name != "anything":
        columns["other"] = lists(X[:, :2])
    dataset = load(write(tmp_path / "x.parquet", columns))
    assert np.array_equal(dataset.X, X)
    assert np.array_equal(dataset.y, np.arange(50) % 3)


def test_several_candidates_need_a_name(tmp_path):
    path = write(tmp_path / "x.parquet", {"a": lists(X), "b": lists(X[:, :2])})
    with pytest.raises(FileError, match=r"x\.parquet .*or several; it has: a .*b .*; .*array="):
        load(path)
    assert load(path, array="b").X.shape == (50, 2)
    with pytest.raises(FileError, match="no column 'c' of vectors or images"):
        load(path, array="c")


def test_no_candidate_names_the_columns(tmp_path):
    path = write(tmp_path / "x.parquet", {"id": np.arange(3), "text": ["a", "b", "c"]})
    with pytest.raises(FileError, match=r"no column of vectors .* id \(int64\), text \(string\)"):
        load(path)


@pytest.mark.parametrize("name", ["label", "labels", "y"])
@pytest.mark.parametrize(
    ("column", "kept"),
    [
        (pa.array(["a", "b", "a"]), ["a", "b", "a"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([2.0, 0.0, 1.0]), [2, 0, 1]),
        (pa.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]]), [[1, 0, 0], [0, 1, 1], [0, 0, 0]]),
        (pa.array([[1, 0], [0, 1], [1, 1]], pa.list_(pa.int8(), 2)), [[1, 0], [0, 1], [1, 1]]),
        (pa.array([[2], [0, 1], []]), [[0, 0, 1], [1, 1, 0], [0, 0, 0]]),
    ],
)
def test_labels(tmp_path, name, column, kept):
    path = write(tmp_path / "x.parquet", {"vector": lists(X[:3]), name: column})
    assert load(path).y.tolist() == kept


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, None, 2]), "rows without a label"),
        (pa.array([[1], None, [2]]), "rows without a label"),
        (pa.array([[1], [-2], [2]]), "lists of class numbers from 0"),
        (pa.array([[1], [None], [2]]), "lists of class numbers from 0"),
        (pa.array([[1], [1 << 40], [2]]), "between 1 and 65536 classes"),
        (pa.array([[], [], []], pa.list_(pa.int64())), "between 1 and 65536 classes"),
        (pa.array([0.5, 1, 2]), "not whole numbers"),
        (pa.array([b"a", b"b", b"c"]), "labels"),
    ],
)
def test_bad_labels(tmp_path, column, message):
    path = write(tmp_path / "x.parquet", {"vector": lists(X[:3]), "label": column})
    with pytest.raises(FileError, match=rf"x\.parquet.*{message}"):
        load(path)


def ragged(rows, width=-1):
    return pa.array(rows, pa.list_(pa.float32(), width))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (ragged([[1, 2], [3], [4, 5]]), "row 1 of column vector is no list of 2 numbers"),
        (ragged([[1, 2], None, [4, 5]]), "row 1 of column vector is no list of 2 numbers"),
        (ragged([[1, 2], [4, 5], None], 2), "row 2 of column vector is no list of 2 numbers"),
        (ragged([[1, 2], [None, 5]]), "column vector has missing numbers"),
        (ragged([None, [1, 2]]), "empty"),
        (ragged([[], []]), "empty"),
        (ragged([]), "empty"),
    ],
)
def test_lists_that_are_no_vectors(tmp_path, column, message):
    path = write(tmp_path / "x.parquet", {"vector": column})
    for read in (load, lambda path: list(stream(path))):
        with pytest.raises(FileError, match=rf"x\.parquet.*{message}"):
            read(path)


@pytest.mark.parametrize("name", ["img", "image", "anything"])
def test_images_as_hugging_face_stores_them(tmp_path, name):
    pictures = rng.integers(0, 256, (70, 5, 4, 3)).astype(np.uint8)
    names = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, name: {"_type": "Image"}}
    table = pa.table({name: encoded(pictures), "label": np.arange(70) % 2})
    table = table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": names}})}
    )
    path = write(tmp_path / "x.parquet", table, row_group_size=30)
    dataset = load(path)
    assert np.array_equal(dataset.images, pictures)
    assert np.shares_memory(dataset.X, dataset.images)
    assert np.array_equal(dataset.y, np.arange(70) % 2)
    assert dataset.classes.tolist() == ["cat", "dog"]
    assert shape(path) == (70, 60)
    blocks = list(stream(path, rows=33))
    assert [len(block) for block in blocks] == [33, 33, 4]
    assert np.array_equal(np.concatenate(blocks), dataset.X)


def test_images_of_several_sizes(tmp_path):
    pictures = [np.zeros((4, 4), np.uint8), np.zeros((6, 4, 3), np.uint8)]
    path = write(tmp_path / "x.parquet", {"image": encoded(pictures)})
    with pytest.raises(FileError, match="row 1 of image is 4x6, others are 4x4: pass image_size="):
        load(path)
    assert load(path, image_size=8).images.shape == (2, 8, 8, 3)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "row 0 of image has no bytes"), (b"text", "no readable image")]
)
def test_images_that_are_none(tmp_path, content, message):
    type_ = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    column = pa.array([{"bytes": content, "path": "a.png"}], type_)
    path = write(tmp_path / "x.parquet", {"image": column})
    with pytest.raises(FileError, match=rf"x\.parquet.*{message}"):
        load(path)


def test_class_names_that_cannot_be_read_are_left_out(tmp_path):
    for metadata in (b"not JSON", b"{}", b'{"info": {"features": {"label": {}}}}'):
        table = pa.table({"vector": lists(X), "label": np.arange(50)})
        table = table.replace_schema_metadata({"huggingface": metadata})
        assert load(write(tmp_path / "x.parquet", table)).classes is None


def test_truncated_and_foreign(tmp_path):
    path = write(tmp_path / "x.parquet", {"vector": lists(X)})
    content = path.read_bytes()
    for damaged in (content[:-5], content[:100], b"PAR1", b"text" * 10, b""):
        path.write_bytes(damaged)
        with pytest.raises(FileError, match=r"x\.parquet cannot be read"):
            load(path)


def test_without_pyarrow(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", {"vector": lists(X)})
    for module in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pyarrow.*hammingbird\[files\]"):
        load(path)


def test_label_lists_with_one_class_stay_sets(tmp_path):
    path = write(tmp_path / "x.parquet", {"vector": lists(X[:10]), "label": [[0], []] * 5})
    assert load(path).y.tolist() == [[1], [0]] * 5  # a row without labels is not class 0


def picture_file(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "other.png")
    return str(tmp_path / "other.png")


@pytest.mark.parametrize("type_", [pa.string(), pa.int64(), pa.list_(pa.int8())])
def test_bytes_of_images_must_be_binary(tmp_path, opened, type_):
    content = {pa.string(): picture_file(tmp_path), pa.int64(): 3}.get(type_, [1, 2])
    struct = pa.struct([("bytes", type_), ("path", pa.string())])
    column = pa.array([{"bytes": content, "path": picture_file(tmp_path)}], struct)
    path = write(tmp_path / "x.parquet", {"image": column})
    seen = opened(tmp_path)
    for options in ({}, {"array": "image"}):
        with pytest.raises(FileError, match=r"no column .* it has: image \(struct<bytes: "):
            load(path, **options)
    assert seen.names() == {"x.parquet"}


def test_the_path_of_an_image_is_never_opened(tmp_path, opened):
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    column = pa.array([{"bytes": None, "path": picture_file(tmp_path)}], struct)
    path = write(tmp_path / "x.parquet", {"image": column})
    seen = opened(tmp_path)
    with pytest.raises(FileError, match="row 0 of image has no bytes"):
        load(path)
    assert seen.names() == {"x.parquet"}


@pytest.mark.parametrize("name", ["vector", "label"])
def test_a_column_that_is_there_twice(tmp_path, name):
    columns = {"vector": lists(X), "label": pa.array(np.arange(50))}
    table = pa.Table.from_arrays([*columns.values(), columns[name]], names=[*columns, name])
    path = write(tmp_path / "x.parquet", table)
    with pytest.raises(FileError, match=rf"2 columns named '{name}': rename all but one"):
        load(path)


def test_a_column_whose_name_begins_like_another(tmp_path):
    path = write(tmp_path / "x.parquet", {"vector": lists(X), "vector.b": lists(-X)})
    for name, expected in (("vector", X), ("vector.b", -X)):
        assert np.array_equal(load(path, array=name).X, expected)
        assert np.array_equal(np.concatenate(list(stream(path, array=name))), expected)


@pytest.mark.parametrize("names", [[["a"], ["b", "c"]], [1, 2], {"a": 1}, "ab"])
def test_class_names_that_are_no_list_of_strings_are_left_out(tmp_path, names):
    table = pa.table({"vector": lists(X), "label": np.arange(50) % 2})
    features = {"info": {"features": {"label": {"names": names}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    assert load(write(tmp_path / "x.parquet", table)).classes is None


def test_a_column_named_like_a_part_of_another(tmp_path):
    parts = pa.array([{"b": row} for row in -X], pa.struct([("b", pa.list_(pa.float32()))]))
    path = write(tmp_path / "x.parquet", {"a.b": lists(X), "a": parts})
    with pytest.raises(FileError, match=r"column 'a\.b' is not one column of 50 rows: rename it"):
        load(path)

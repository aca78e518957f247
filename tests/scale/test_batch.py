"""Arrow in, Arrow out."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pytest

import hammingbird as hb
from hammingbird.scale import encode_batch, for_spark, schema_of
from hammingbird.scale.batch import from_arrow


def lists(X, kind=None):
    values = pa.array(np.asarray(X).ravel())
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(values, X.shape[1])
    offsets = np.arange(len(X) + 1, dtype=np.int32) * X.shape[1]
    return pa.ListArray.from_arrays(offsets, values)


@pytest.mark.parametrize("kind", ["fixed", "list"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_batch_and_a_table_become_ids_and_codes(made, kind, dtype):
    X = made.X[:300].astype(dtype)
    columns = {"x": lists(X, kind), "key": pa.array(made.ids[:300])}
    for whole in (pa.record_batch(columns), pa.table(columns)):
        for batch, rows in ((whole, slice(0, 300)), (whole.slice(7, 90), slice(7, 97))):
            found = encode_batch(batch, made.hasher, vectors="x", ids="key")
            assert type(found) is type(whole)
            assert found.schema == schema_of(24)
            found.validate(full=True)
            ids, codes = from_arrow(found)
            np.testing.assert_array_equal(ids, made.ids[rows])
            np.testing.assert_array_equal(codes, made.hasher.encode(X[rows]))
            assert found["code"][3].as_py() == codes[3].tobytes()
    numbered = encode_batch(whole, made.hasher, vectors="x", ids=10**10)
    assert from_arrow(numbered)[0].tolist() == list(range(10**10, 10**10 + 300))


def test_slices_of_what_came_out_are_read_too(made):
    batch = pa.record_batch({"x": lists(made.X[:50])})
    found = encode_batch(batch, made.hasher, vectors="x", ids=0)
    ids, codes = from_arrow(found.slice(11, 20))
    assert ids.tolist() == list(range(11, 31))
    np.testing.assert_array_equal(codes, made.codes[11:31])
    assert from_arrow(found.slice(0, 0))[1].shape == (0, 3)


def test_an_empty_batch_is_an_empty_batch(made):
    batch = pa.record_batch({"x": lists(made.X[:0])})
    assert encode_batch(batch, made.hasher, vectors="x", ids=0).num_rows == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.__setitem__((5, 2), np.nan), "NaN in row 105, column 2"),
        (lambda X: X.__setitem__((6, 0), np.inf), "infinity in row 106"),
    ],
)
def test_rows_that_are_not_finite_are_named_by_their_number(made, change, message):
    X = made.X[:10].copy()
    change(X)
    with pytest.raises(hb.InputError, match=message):
        encode_batch(pa.record_batch({"x": lists(X)}), made.hasher, vectors="x", ids=100)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"x": pa.array(["a"])}, {}, "not lists of numbers"),
        ({"x": pa.array([["a"]])}, {}, "not lists of numbers"),
        ({"y": pa.array([1])}, {}, "0 columns 'x'"),
        ({"x": lists(np.ones((2, 3)))}, {}, "3 features"),
        ({"x": pa.array([[1.0] * 32, [1.0] * 31])}, {}, "equally long"),
        ({"x": pa.array([[1.0] * 32, None])}, {}, "row 1 of the Arrow column is missing"),
        ({"x": pa.array([[1.0] * 31 + [None]])}, {}, "NaN"),
        ({"x": pa.array([[1.0] * 32])}, {"ids": "key"}, "0 columns 'key'"),
        ({"x": pa.array([[1.0] * 32]), "key": pa.array(["a"])}, {"ids": "key"}, "cannot give ids"),
        ({"x": pa.array([[1.0] * 32]), "key": pa.array([-1])}, {"ids": "key"}, "between 0"),
        (
            {"x": pa.array([[1.0] * 32]), "key": pa.array([None], pa.int64())},
            {"ids": "key"},
            "without an id",
        ),
    ],
)
def test_what_cannot_be_encoded_is_said(made, columns, options, message):
    with pytest.raises(hb.InputError, match=message):
        encode_batch(pa.record_batch(columns), made.hasher, **{"vectors": "x", "ids": 0, **options})


def test_spark_gets_a_type_that_it_knows(made):
    batch = pa.record_batch({"x": lists(made.X[:9]), "key": pa.array(made.ids[:9])})
    (found,) = for_spark(made.hasher, vectors="x", ids="key")(iter([batch]))
    assert found.schema == pa.schema([("id", pa.int64()), ("code", pa.binary())])
    assert [code.as_py() for code in found["code"]] == [code.tobytes() for code in made.codes[:9]]


def test_ray(made):
    ray = pytest.importorskip("ray", reason="pip install 'ray[data]'")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        found = ray.data.read_parquet(str(made.folder)).map_batches(
            encode_batch,
            fn_kwargs={"hasher": made.hasher, "vectors": "embedding", "ids": "key"},
            batch_format="pyarrow",
        )
        rows = {row["id"]: row["code"] for row in found.take_all()}
    finally:
        ray.shutdown()
    assert rows == {i: c.tobytes() for i, c in zip(made.ids.tolist(), made.codes, strict=True)}


def test_spark(made, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    sql = pytest.importorskip("pyspark.sql", reason="pip install pyspark")
    session = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = session.getOrCreate()
    try:
        encode = for_spark(made.hasher, vectors="embedding", ids="key")
        frame = spark.read.option("recursiveFileLookup", "true").parquet(str(made.folder))
        rows = frame.mapInArrow(encode, "id long, code binary").collect()
    finally:
        spark.stop()
    assert {row.id: bytes(row.code) for row in rows} == {
        i: c.tobytes() for i, c in zip(made.ids.tolist(), made.codes, strict=True)
    }

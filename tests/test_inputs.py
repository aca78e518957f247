"""Rows as people have them go into fit, encode and compare, and give the codes of the array."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

import hammingbird as hb


@pytest.fixture(name="X")
def vectors(clusters):
    return clusters[0].astype(np.float32)


def wrap_pandas(X):
    return pytest.importorskip("pandas").DataFrame(X).rename(columns=lambda i: f"x{i}")


def wrap_pandas_column(X):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"vector": list(X)})


def wrap_polars(X):
    return pytest.importorskip("polars").DataFrame(X, schema=[f"x{i}" for i in range(X.shape[1])])


def wrap_polars_column(X):
    polars = pytest.importorskip("polars")
    return polars.DataFrame({"v": polars.Series(X.tolist(), dtype=polars.List(polars.Float32))})


def wrap_polars_array(X):
    polars = pytest.importorskip("polars")
    return polars.Series(X.tolist(), dtype=polars.Array(polars.Float32, X.shape[1]))


def wrap_arrow(X):
    pa = pytest.importorskip("pyarrow")
    return pa.table({f"x{i}": X[:, i] for i in range(X.shape[1])})


def wrap_arrow_column(X):
    pa = pytest.importorskip("pyarrow")
    return pa.table({"v": pa.FixedSizeListArray.from_arrays(X.ravel(), X.shape[1])})["v"]


def wrap_arrow_lists(X):
    pa = pytest.importorskip("pyarrow")
    column = pa.array(X.tolist(), pa.list_(pa.float32()))
    return pa.table({"v": pa.chunked_array([column[:100], column[100:]])})


def wrap_tensor(X):
    return pytest.importorskip("torch").from_numpy(X)


def wrap_dataset(X):
    torch = pytest.importorskip("torch")
    return torch.utils.data.TensorDataset(torch.from_numpy(X), torch.arange(len(X)) % 3)


def wrap_loader(X):
    torch = pytest.importorskip("torch")
    return torch.utils.data.DataLoader(wrap_dataset(X), batch_size=7, shuffle=True)


def wrap_csr(X):
    return sparse.csr_matrix(X)


def wrap_coo(X):
    return sparse.coo_array(X)


WRAPS = [function for name, function in sorted(globals().items()) if name.startswith("wrap_")]


@pytest.mark.filterwarnings("ignore:X .*feature names:UserWarning")
@pytest.mark.parametrize("wrap", WRAPS)
def test_rows_of_any_kind_give_the_codes_of_their_array(X, wrap):
    learned = hb.RotatedPCA(12, random_state=0).fit(X)
    clear = np.abs(learned.project(X)) > 1e-3
    same = (learned.project(wrap(X)) >= 0) == (learned.project(X) >= 0)
    assert same[clear].all()
    again = hb.RotatedPCA(12, random_state=0).fit(wrap(X))
    same = (again.project(wrap(X)) >= 0) == (learned.project(X) >= 0)
    assert same[clear].all()


@pytest.mark.parametrize("wrap", WRAPS)
def test_rows_of_any_kind_are_compared(X, wrap, tmp_path):
    results = []
    for name, kind in (("array", np.asarray), ("other", wrap)):
        train, query = kind(X[:240]), kind(X[240:])
        out = tmp_path / name
        results.append(hb.compare(train, query, methods=["pca"], bits=[8], out=out))
    first, second = ([r["metrics"] for r in found["records"]] for found in results)
    assert first == second


@pytest.mark.deep
def test_a_dataset_brings_its_labels_and_images_to_compare(tmp_path):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 20)
    pixels = (rng.random((4, 3, 8, 8))[y] * 200 + rng.random((80, 3, 8, 8)) * 50).astype(np.uint8)
    order = rng.permutation(80)
    data = [
        torch.utils.data.TensorDataset(torch.from_numpy(pixels[rows]), torch.from_numpy(y[rows]))
        for rows in (order[:60], order[60:])
    ]
    results = hb.compare(
        *data, methods=["itq", "mihash"], bits=[8], relevance="labels", out=tmp_path / "run",
        parameters={"epochs": 1, "max_iter": 5},
    )  # fmt: skip
    found = {r["method"]: r["metrics"] for r in results["records"]}
    assert found["itq"]["map"] > 0.8
    assert (tmp_path / "run" / "examples").exists()
    fitted = hb.ITQ(8, random_state=0).fit(data[0])
    flat = np.moveaxis(pixels[order[60:]], 1, 3).reshape(20, -1)
    np.testing.assert_array_equal(fitted.transform(data[1]), fitted.transform(flat))


def text(n=400, d=30_000, seed=0):
    """Like TF-IDF of texts on 8 subjects: 20 words of 30,000 each, rows of length one."""
    rng = np.random.default_rng(seed)
    subject = rng.integers(0, 8, n)
    words = (rng.zipf(1.3, (n, 20)) * 8 + subject[:, None]) % d
    rows = np.repeat(np.arange(n), 20)
    X = sparse.csr_array((rng.random(20 * n) + 0.5, (rows, words.ravel())), (n, d))
    lengths = np.sqrt((X.multiply(X)).sum(axis=1))
    return sparse.csr_matrix(X.multiply(1 / lengths[:, None]))


@pytest.mark.parametrize("name", ["lsh", "sign", "pca", "rotated-pca", "itq"])
def test_wide_sparse_rows_are_never_filled(name):
    X = text()
    if name == "sign":
        X = X[:, :4096]
    hasher = hb.make(name, 16, 0)
    tracemalloc.start()
    hasher.fit(X)
    codes = hasher.transform(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6  # as an array of doubles X takes 96 MB
    full = hasher.project(X.toarray())
    clear = np.abs(full) > 1e-9
    assert ((hb.unpack(codes, 16) > 0) == (full >= 0))[clear].all()


def test_directions_of_wide_sparse_rows_are_those_of_the_array():
    X = text(n=200, d=4500)
    found = hb.PCAHash(6).fit(X)
    full = hb.PCAHash(6).fit(X.toarray())
    np.testing.assert_allclose(found.weights_, full.weights_, atol=1e-7)


def test_sparse_rows_that_cannot_be_used_are_refused_in_words():
    X = text()
    with pytest.raises(hb.InputError, match="SGH does not learn from sparse.*TruncatedSVD"):
        hb.SGH(8).fit(X)
    bad = X.copy()
    row = 17
    bad.data[bad.indptr[row] + 3] = np.nan
    column = bad.indices[bad.indptr[row] + 3]
    with pytest.raises(hb.InputError, match=f"NaN in row 17, column {column}:"):
        hb.LSH(8, random_state=0).fit(bad)
    hasher = hb.LSH(8, random_state=0).fit(X)
    with pytest.raises(hb.InputError, match="X has 10 features, but LSH is expecting 30000"):
        hasher.transform(X[:, :10])
    with pytest.raises(hb.InputError, match="0 sample"):
        hasher.transform(X[:0])
    huge = sparse.csr_array((200_000, 30_000))
    with pytest.raises(hb.InputError, match="train is sparse and would take 48 GB.*TruncatedSVD"):
        hb.compare(huge, huge[:9], methods=["lsh"], bits=[8], out="nowhere")
    assert 0 < hasher.score(X) < 1


def test_columns_of_unequal_lists_are_refused_with_their_row():
    pandas, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    lists = [[1.0, 2.0], [3.0, 4.0], [5.0]]
    for column in (pandas.Series(lists), pa.array(lists)):
        with pytest.raises(hb.InputError, match="row 0 has 2 values, row 2 has 1"):
            hb.LSH(8).fit(column)
    with pytest.raises(hb.InputError, match="row 1 of the Arrow column is missing"):
        hb.LSH(8).fit(pa.array([[1.0], None]))


def test_datasets_that_cannot_be_read_are_refused():
    data = pytest.importorskip("torch.utils.data")

    class Uneven(data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return np.zeros(i + 1)

    class Endless(data.IterableDataset):
        def __iter__(self):
            return iter([np.zeros(3)])

    for made, says in ((Uneven(), r"item 0 is \(1,\), item 1 is \(2,\)"), (Endless(), "a length")):
        with pytest.raises(hb.InputError, match=says):
            hb.LSH(8).fit(made)

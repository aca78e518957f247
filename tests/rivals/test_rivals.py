"""Rivals: what their bytes decode to, FAISS' own distances, true sizes, a place beside methods."""

from __future__ import annotations

import numpy as np
import pytest

import hammingbird as hb
from hammingbird import rivals
from hammingbird.comparison.results import average
from hammingbird.comparison.run import compare
from hammingbird.rivals import rival as contract
from hammingbird.rivals.floats import Float16, Int8, Truncated
from hammingbird.rivals.rabitq import RaBitQ

NEED_FAISS = ("pq", "opq", "rq")


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((640, 6)) @ rng.standard_normal((6, 24))
    X = (X + 0.3 * rng.standard_normal(X.shape) + 5).astype(np.float32)
    return X[:600], X[600:]


def fitted(made, X):
    made.fit(X)
    return made, made.encode(X)


def recall(made, vectors):
    X, queries = vectors
    made, codes = fitted(made, X)
    return hb.evaluate_scores(
        made.scores(queries, codes, "l2"),
        len(X),
        neighbors=hb.nearest_vectors(queries, X, 10).ids,
        metrics=["recall10@10"],
    )["recall10@10"]


@pytest.mark.parametrize("name", rivals.RIVALS)
def test_codes_are_as_long_as_is_said_and_scores_do_not_depend_on_blocks(
    name, vectors, monkeypatch
):
    if name in NEED_FAISS:
        pytest.importorskip("faiss")
    X, queries = vectors
    made, codes = fitted(rivals.RIVALS[name].make(3, 0), X)
    assert codes.dtype == np.uint8
    assert codes.shape == (600, made.bytes_per_item)
    assert made.model_bytes >= made.mean_.nbytes
    whole = {measure: made.scores(queries, codes, measure)(2, 30) for measure in ("l2", "inner")}
    monkeypatch.setattr(contract, "BLOCK", 100)
    for measure, scores in whole.items():
        again = made.scores(queries, codes, measure)(2, 30)
        np.testing.assert_allclose(again, scores, rtol=1e-4, atol=1e-3)
    # A score is that of some vector: inner products and distances tell of the same one, so that
    # among the nearest by one many are the nearest by vectors.
    assert recall(rivals.RIVALS[name].make(3, 0), vectors) > 0.15


def test_half_precision_and_bytes_lose_as_much_as_they_must(vectors):
    X, _ = vectors
    centred = X - X.mean(axis=0)
    made, codes = fitted(Float16(), X)
    np.testing.assert_allclose(made._decode(codes)[0], centred, rtol=1e-3, atol=1e-3)
    made, codes = fitted(Int8(), X)
    assert (np.abs(made._decode(codes)[0] - centred) <= made.step_ / 2 + 1e-5).all()
    assert (made.bytes_per_item, codes.min(), codes.max()) == (24, 0, 255)
    far = made.encode(X + 100)  # beyond what was learned from: the end of the range
    assert (far == 255).all()


def test_truncation_keeps_the_directions_of_most_variance(vectors):
    X, _ = vectors
    made, codes = fitted(Truncated(6), X)
    rows = made._decode(codes)[0] @ made.directions_.T
    centred = X - X.mean(axis=0)
    left = np.square(centred - rows).sum() / np.square(centred).sum()
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2
    assert left == pytest.approx(spectrum[6:].sum() / spectrum.sum(), rel=0.05)
    with pytest.raises(hb.InputError, match="at most 24 components"):
        Truncated(25).fit(X)


def test_rabitq_is_faiss_own(vectors):
    """The same rotated rows and the same centre: the same estimates of distances."""
    faiss = pytest.importorskip("faiss")
    if not hasattr(faiss, "IndexRaBitQ"):
        pytest.skip("this FAISS has no RaBitQ")
    X, queries = vectors
    made, codes = fitted(RaBitQ(3), X)
    turned, asked = ((A - made.mean_) @ made.rotation_ for A in (X, queries))
    index = faiss.IndexRaBitQ(24, faiss.METRIC_L2)
    index.qb = 0  # queries as they are
    index.train(turned)
    index.add(turned)
    distances, ids = index.search(asked, 600)
    ours = np.square(asked).sum(axis=1)[:, None] - made.scores(queries, codes, "l2")(0, 40)
    theirs = np.empty_like(ours)
    np.put_along_axis(theirs, ids, distances, axis=1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=0.05 * np.abs(theirs).mean())


def test_rabitq_has_no_bias(vectors):
    """Over rotations, estimated inner products are those of the vectors."""
    X, queries = vectors
    estimates = []
    for seed in range(200):
        made, codes = fitted(RaBitQ(3, seed), X[:50])
        estimates.append(made.scores(queries, codes, "inner")(0, 5))
    expected = queries[:5] @ (X[:50] - X[:50].mean(axis=0)).T
    error = np.mean(estimates, axis=0) - expected
    spread = np.std(estimates, axis=0) / np.sqrt(len(estimates))
    assert np.abs(error / spread).max() < 5


def test_product_quantization_is_faiss_own(vectors):
    faiss = pytest.importorskip("faiss")
    X, queries = vectors
    made, codes = fitted(rivals.RIVALS["pq"].make(5, 0), X)  # 24 dimensions, padded to 25
    assert made._turn(queries).shape == (40, 25)
    index = faiss.IndexPQ(25, 5, 8)
    index.pq, index.is_trained = made._quantizer, True
    index.add(made._padded(X - made.mean_))
    distances, ids = index.search(made._padded(queries - made.mean_), 600)
    ours = np.square(queries - made.mean_).sum(axis=1)[:, None]
    ours = ours - made.scores(queries, codes, "l2")(0, 40)
    np.testing.assert_allclose(np.take_along_axis(ours, ids, 1), distances, rtol=1e-3, atol=1e-2)


def test_more_of_a_model_keeps_more(vectors):
    pytest.importorskip("faiss")
    kept = {name: recall(rivals.RIVALS[name].make(2, 0), vectors) for name in NEED_FAISS}
    assert kept["pq"] < min(kept["opq"], kept["rq"])  # of two bytes, these two are level here


def test_what_cannot_be(vectors, monkeypatch):
    with pytest.raises(hb.InputError, match="no rival is called 'itq': choose from pq"):
        rivals.choose(["itq"])
    monkeypatch.setattr(rivals, "find_spec", lambda name: None)
    with pytest.raises(hb.MissingExtraError, match=r"hammingbird\[faiss\]"):
        rivals.choose(["truncate", "opq"])
    assert list(rivals.choose(["Truncate", "int8"])) == ["truncate", "int8"]


def test_rivals_stand_beside_methods(vectors, tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    names = ["pq", "rabitq", "float16"]
    options = {"methods": ["pca"], "bits": [16, 32], "rivals": names, "seeds": [0, 1]}
    results = compare(*vectors, out=tmp_path / "run", **options)
    rows = {(row.method, row.bits): row for row in average(results) if row.role == "rival"}
    assert {key: row.bytes_per_item for key, row in rows.items()} == {
        ("pq", 16): 2, ("pq", 32): 4, ("rabitq", 16): 10, ("float16", None): 48,
    }  # fmt: skip
    assert [row.seeds for row in rows.values()] == [2, 2, 2, 1]
    assert rows["pq", 16].model_bytes == 24 * 4 + 256 * 24 * 4
    assert rows["float16", None].metrics["recall10@10"].mean > 0.99
    assert "precision@h2" not in rows["pq", 16].metrics
    skipped = [s for s in results["skipped"] if s["method"] == "rabitq"]
    assert [s["bits"] for s in skipped] == [32, 32]
    assert "at most 24 signs" in skipped[0]["why"]
    assert "model_bytes" in (tmp_path / "run" / "results.csv").read_text().splitlines()[0]

    monkeypatch.setattr(contract.Rival, "fit", lambda self, X: pytest.fail("fitted again"))
    assert compare(*vectors, out=tmp_path / "run", **options) == results


def test_rows_fewer_than_centres_are_said_to_be(vectors, tmp_path):
    pytest.importorskip("faiss")
    X, queries = vectors
    results = compare(
        X[:100], queries, methods=["pca"], bits=[8], rivals=["pq"], out=tmp_path / "run"
    )
    assert "100 rows are fewer than the 256 centres" in results["skipped"][0]["why"]

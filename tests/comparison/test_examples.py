"""Pictures of the first results are stored with the run, and the report shows them."""

from __future__ import annotations

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.comparison.examples import read_examples
from hammingbird.datasets import Dataset


@pytest.fixture
def parts(clusters):
    X, y = clusters
    pictures = np.random.default_rng(0).integers(0, 256, (len(X), 4, 5), np.uint8)
    rows = slice(0, 240), slice(240, None)
    return [Dataset("made", X[r], y[r] % 3, pictures[r], classes=["a", "b", "c"]) for r in rows]


def test_examples_are_the_nearest_rows_and_whether_they_are_right(parts, tmp_path):
    train, query = parts
    arguments = dict(bits=[8, 16], relevance="labels", out=tmp_path)
    hb.compare(train, query, methods=["pca"], **arguments)
    found = read_examples(tmp_path)
    assert [row.title for row in found.rows] == ["pca, 16 bits", "lsh, 16 bits"]
    hasher = hb.load(tmp_path / "models" / "pca-16-0")
    chosen = np.linspace(0, len(query.X) - 1, 6).astype(int)
    codes = hasher.transform(train.X)
    ids, _ = hb.Scan(16).add(codes).search(hasher.transform(query.X[chosen]), 10)
    np.testing.assert_array_equal(found.queries, query.images[chosen])
    np.testing.assert_array_equal(found.rows[0].results, train.images[ids])
    np.testing.assert_array_equal(found.rows[0].correct, train.y[ids] == query.y[chosen][:, None])
    assert found.labels == ["abc"[label] for label in query.y[chosen]]
    text = hb.write_report(tmp_path).read_text("utf-8")
    assert text.count("data:image/png") == 2 * 6 * len(found.rows) + 2 * 4, "first screen"


def test_without_images_there_are_no_examples(parts, tmp_path):
    plain = [Dataset("made", part.X) for part in parts]
    hb.compare(*plain, methods=["pca"], bits=[8], out=tmp_path)
    assert read_examples(tmp_path) is None

"""The adapter as the runner of ann-benchmarks calls it."""

from __future__ import annotations

import numpy as np
import pytest

from hammingbird.errors import InputError
from hammingbird.hub.ann_benchmarks import Hammingbird


def run_algorithm(algorithm, X, queries, n, groups, batch):
    """The calls of ann-benchmarks' runner, in its order: fit once, then every query argument."""
    algorithm.fit(X)
    assert algorithm.get_memory_usage() > 0
    found = []
    for arguments in groups:
        if arguments:
            algorithm.set_query_arguments(*arguments)
        if batch:
            algorithm.batch_query(queries, n)
            rows = algorithm.get_batch_results()
        else:
            rows = [algorithm.query(q, n) for q in queries]
        found.append((str(algorithm), np.array([list(row) for row in rows])))
        assert isinstance(algorithm.get_additional(), dict)
    algorithm.done()
    return found


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("metric", ["euclidean", "angular"])
def test_vectors(metric, batch):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((500, 6)) @ rng.standard_normal((6, 24))).astype(np.float32)
    queries = X[:20] + rng.normal(0, 0.01, (20, 24)).astype(np.float32)
    (plain, codes), (name, ordered), (_, all_rows) = run_algorithm(
        Hammingbird(metric, "itq", 24), X, queries, 10, [[0], [50], [500]], batch
    )
    assert "itq" in plain
    assert plain != name
    if metric == "angular":
        norms = np.linalg.norm(X, axis=1) * np.linalg.norm(queries, axis=1)[:, None]
        distances = 1 - queries @ X.T / norms
    else:
        distances = ((queries[:, None] - X) ** 2).sum(axis=2)
    truth = np.argsort(distances, axis=1)[:, :10]
    recall = [np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, truth, strict=True)])
              for rows in (codes, ordered, all_rows)]  # fmt: skip
    assert recall[2] == 1.0
    assert recall[0] < recall[1]
    assert recall[1] > 0.9


@pytest.mark.parametrize("batch", [False, True])
def test_bits_are_searched_exactly(batch):
    rng = np.random.default_rng(1)
    X, queries = rng.random((300, 37)) < 0.5, rng.random((5, 37)) < 0.5
    ((name, rows),) = run_algorithm(Hammingbird("hamming"), X, queries, 8, [[]], batch)
    distances = (queries[:, None] != X).sum(axis=2)
    np.testing.assert_array_equal(rows, np.argsort(distances, axis=1, kind="stable")[:, :8])
    assert "37" in name


def test_other_metrics_are_refused():
    with pytest.raises(InputError, match="euclidean, angular or hamming"):
        Hammingbird("jaccard")

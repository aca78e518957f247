"""Recall K@N under ties (SGH, Figures 6 to 8), and the fair decoder's place."""

from __future__ import annotations

import numpy as np

import hammingbird as hb
from hammingbird.decoder import least_squares_decoder, reconstruction_error
from hammingbird.evaluation import ListedNeighbors, Ranking
from hammingbird.evaluation.metrics import mean, recall_at


def test_expected_recall_equals_simulation():
    """Each neighbour counts ``clip((N - a) / n, 0, 1)``: what shuffling ties gives on average."""
    rng = np.random.default_rng(0)
    database, queries = (hb.pack(rng.standard_normal((n, 6))) for n in (80, 5))
    ids = np.stack([rng.permutation(80)[:10] for _ in range(5)])
    distances = hb.hamming(queries, database)
    ranking = Ranking.from_codes(queries, database, 6, ListedNeighbors(ids, 80))
    for n in (1, 7, 30):
        found = []
        for _ in range(2000):
            order = rng.permutation(80)
            ranked = order[np.argsort(distances[:, order], axis=1, kind="stable")]
            hits = [len(np.intersect1d(a[:n], b)) for a, b in zip(ranked, ids, strict=True)]
            found.append(np.mean(hits) / 10)
        error = np.std(found) / np.sqrt(len(found))
        assert abs(mean(recall_at(ranking, n)) - np.mean(found)) < 4 * error + 1e-12


def test_unscaled_signs_inflate_the_error_of_itq():
    """methods.md B5: most of Figure 4's gap is the protocol, not the codes."""
    rng = np.random.default_rng(0)
    X = 5 + rng.standard_normal((400, 12)) * np.geomspace(2, 0.2, 12)
    itq = hb.ITQ(6, random_state=0).fit(X)
    codes = itq.transform(X)
    official = np.mean(((X - np.sign(X @ itq.weights_) @ itq.weights_.T) ** 2).sum(axis=1))
    decoder = least_squares_decoder(codes, 6, X, itq.mean_)
    fair = reconstruction_error(codes, 6, X, *decoder)
    only_mean = np.mean(((X - X.mean(axis=0)) ** 2).sum(axis=1))
    assert fair < only_mean < official

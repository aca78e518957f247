"""What a paper's order hangs on: the studies on made data."""

from __future__ import annotations

import itertools
from importlib.util import find_spec

import numpy as np

import hammingbird as hb
from hammingbird import papers as room
from hammingbird.datasets import Dataset
from hammingbird.papers import why


def test_no_bit_can_be_turned_to_come_nearer():
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((60, 8)) * np.geomspace(2, 0.3, 8)).astype(np.float32)
    hasher = hb.SGH(6, max_iter=50, random_state=0).fit(X)
    codes = hasher.transform(X)
    near = why.nearest_bits(hasher, codes, X)
    signs = hb.unpack(near, 6).astype(np.float64)

    def error(h):
        return ((X - hasher.offset_ - h @ hasher.decoder_) ** 2).sum(axis=1)

    before, after = error(hb.unpack(codes, 6)), error(signs)
    assert (after <= before + 1e-4).all()
    assert after.sum() < before.sum()
    for bit in range(6):
        turned = signs.copy()
        turned[:, bit] *= -1
        assert (error(turned) >= after - 1e-4).all()
    every = np.array(list(itertools.product((-1, 1), repeat=6)))
    best = ((X[:, None] - hasher.offset_ - every @ hasher.decoder_) ** 2).sum(axis=2).min(axis=1)
    assert np.mean(after <= best + 1e-4) > 0.5, "most are the nearest of all 64"


def test_codes_of_inner_products_are_told_apart(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 20)).astype(np.float32)
    monkeypatch.setattr(why, "word_vectors", lambda: (X, np.arange(0, 300, 7)))
    monkeypatch.setattr(why, "BITS", 16)
    monkeypatch.setattr(why, "RANKS", (10, 100))
    monkeypatch.setattr(why, "QUERIES", 20)
    quantized = (16, 64) if find_spec("faiss") else ()
    monkeypatch.setattr(why, "QUANTIZED", quantized)
    found = room.reproduce("sgh-fig8-why", tmp_path)
    by_name = {r["codes"]: r for r in found["records"]}
    assert len(by_name) == 11 + len(quantized)
    same = by_name["none: the longest first"]["rows found"]
    assert same in (10, 11), "the same ten, but for a query that is one of them"
    assert found["rows that are right"] > 30
    assert not quantized or by_name["pq, 64 bits"]["N=10"] > by_name["pq, 16 bits"]["N=10"]
    for name in ("sgh", "ba"):
        near = by_name[f"{name}, nearest bits"]
        assert near["squared error"] < by_name[name]["squared error"] < found["squared length"]
        assert 0 < near["N=10"] < near["N=100"] <= 1
    assert found["squared length of the longest"] > found["squared length"]


def test_studies_ask_with_training_rows_alone(monkeypatch):
    monkeypatch.setattr(why, "ASKED", 5)
    train = Dataset("made", np.arange(40).reshape(20, 2), np.arange(20))
    query = Dataset("asked", 100 + np.arange(4).reshape(2, 2), np.arange(2))
    learn, asked, searched = why.held_out((train, query, train))
    assert learn is searched
    assert len(asked.X) == 5
    assert sorted([*learn.y, *asked.y]) == list(range(20))
    assert learn.name == "made-held-out"

"""A shortlist in the store, ordered here: one call, on every store."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from typer.testing import CliRunner

import hammingbird as hb
from hammingbird import kernels
from hammingbird.catalog import stamp
from hammingbird.cli import app
from hammingbird.storage import write_codes
from hammingbird.stores import create_store, export, two_stages


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    scale = np.linspace(2, 0.1, 32)
    vectors, queries = (rng.standard_normal((n, 32)) * scale for n in (1500, 30))
    return vectors, queries, hb.ITQ(24, random_state=0).fit(vectors)


def test_both_orders_are_those_of_the_whole_database(flat, place, data):
    """With a shortlist of everything: the true neighbours, and the true asymmetric order."""
    vectors, queries, hasher = data
    codes = hasher.transform(vectors)
    with create_store(place(flat), 24) as store:
        store.write(codes, np.arange(1500))
        store.flush()
        found = two_stages(store, hasher, queries, 10, shortlist=1500, vectors=vectors)
        truth = hb.nearest_vectors(queries, vectors, 10)
        np.testing.assert_array_equal(found.ids, truth.ids)
        found = two_stages(store, hasher, queries, 10, shortlist=1500)
        ids, scores = kernels.best(hasher.project(queries), codes, 24, 10)
        np.testing.assert_array_equal(found.ids, ids)
        np.testing.assert_allclose(-found.distances, scores)


def test_what_transform_gives_does_not_matter(place, data):
    """A hasher made for a pipeline, whose ``transform`` gives bits, searches all the same."""
    vectors, queries, hasher = data
    with create_store(place(("sqlite", "flat")), 24) as store:
        store.write(hasher.transform(vectors), np.arange(1500))
        expected = two_stages(store, hasher, queries, 10)
        found = two_stages(store, clone(hasher).set_params(output="bits").fit(vectors), queries, 10)
    np.testing.assert_array_equal(found.ids, expected.ids)


def test_a_short_shortlist_gains_and_a_short_database_is_filled(place, data):
    vectors, queries, hasher = data
    codes, truth = hasher.transform(vectors), hb.nearest_vectors(queries, vectors, 10).ids

    def recall(ids):
        return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, truth, strict=True)])

    with create_store(place(("sqlite", "flat")), 24) as store:
        store.write(codes[:7], np.arange(7))
        found = two_stages(store, hasher, queries, 10, shortlist=100)
        assert (found.ids[:, 7:] == -1).all()
        assert np.isinf(found.distances[:, 7:]).all()
        store.write(codes, np.arange(1500))
        plain = recall(store.search(hasher.transform(queries), 10).ids)
        scored = recall(two_stages(store, hasher, queries, 10, shortlist=100).ids)
        exact = two_stages(store, hasher, queries, 10, shortlist=100, vectors=vectors)
        assert plain < scored < recall(exact.ids)
        with pytest.raises(hb.InputError, match="longer than k"):
            two_stages(store, hasher, queries, 10, shortlist=5)


def run(*arguments, **variables):
    ended = CliRunner().invoke(app, [str(a) for a in arguments], env=variables)
    if ended.exception and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert ended.exit_code == 0, ended.output
    return ended.output


@pytest.mark.parametrize("named", [True, False], ids=["argument", "variable"])
def test_every_way_to_search_a_store_from_the_command_line(
    flat, place, data, tmp_path, monkeypatch, named
):
    """Its ids are not row numbers, except where they are the rows of ``--rerank``."""
    monkeypatch.chdir(tmp_path)
    vectors, queries, hasher = data
    address = place(flat)
    hasher.save("model")
    codes = hasher.transform(vectors)
    np.save("vectors.npy", vectors)
    np.save("queries.npy", queries)
    write_codes("asked.npy", [hasher.transform(queries)], len(queries), 24)
    export(codes, address, 24, made_by=stamp("model"))
    where = [address] if named else []

    def search(asked, *options):
        said = run(
            "search",
            asked,
            *where,
            *options,
            *("--out", "hits.npz", "--overwrite"),
            HAMMINGBIRD_STORE=None if named else address,
        )
        assert "30 queries, the 10 nearest of each among 1,500" in said
        with np.load("hits.npz") as hits:
            return dict(hits)

    _, distances = kernels.nearest(hasher.transform(queries), codes, 10)
    for hits in (search("asked.npy"), search("queries.npy", "--model", "model")):
        np.testing.assert_array_equal(hits["distances"], distances)
    scored = search("queries.npy", "--model", "model", "--asymmetric", "--candidates", 1500)
    ids, scores = kernels.best(hasher.project(queries), codes, 24, 10)
    np.testing.assert_array_equal(scored["ids"], ids)
    np.testing.assert_allclose(scored["scores"], scores)
    ranked = search(
        *("queries.npy", "--model", "model", "--rerank", "vectors.npy", "--candidates", 1500)
    )
    np.testing.assert_array_equal(ranked["ids"], hb.nearest_vectors(queries, vectors, 10).ids)


def test_a_search_of_a_store_refuses_what_does_not_fit(place, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vectors, queries, hasher = data
    address = place(("sqlite", "flat"))
    for name, other in (
        ("model", hasher),
        ("again", hb.ITQ(24, random_state=1).fit(vectors)),
        ("short", hb.PCAHash(16).fit(vectors)),
    ):
        other.save(name)
    np.save("queries.npy", queries)
    np.save("vectors.npy", vectors)
    export(hasher.transform(vectors), address, 24, made_by={})
    for model, options, message in (
        ("short", [], "24 bits, short has 16"),
        ("model", ["--candidates", 5, "--asymmetric"], "longer than k"),
        ("model", ["--candidates", 50], "are what --rerank orders"),
        ("model", ["--asymmetric", "--rerank", "vectors.npy"], "ordered once"),
    ):
        with pytest.raises(hb.InputError, match=message):
            run(
                *("search", "queries.npy", address, "--model", model, "--out", "h.npz"),
                *options,
            )
    marked = place(("sqlite", "flat"))
    export(hasher.transform(vectors), marked, 24, made_by=stamp("model"))
    with pytest.raises(hb.InputError, match="another model"):
        run("search", "queries.npy", marked, "--model", "again", "--out", "h.npz")

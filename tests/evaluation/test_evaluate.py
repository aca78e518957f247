"""The one call: names, what decides relevance, blocks, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from slow_rankings import Given

from hammingbird.codes import hamming, pack, unpack
from hammingbird.errors import InputError
from hammingbird.evaluation import (
    DEFAULT_METRICS,
    Ranking,
    asymmetric_scores,
    average_precision,
    choose_relevance,
    evaluate,
    evaluate_scores,
    metrics,
    parse_metric,
    vector_scores,
)
from hammingbird.targets import Neighbors, nearest_vectors

EVERY = [
    "map", "map_worst", "map_best", "map@30", "map_worst@30", "map_best@30", "map_min@30",
    "map_min_worst@30", "map_min_best@30", "precision@7", "precision_worst@7", "precision_best@7",
    "recall@7", "recall_worst@7", "ndcg@7", "recall3@20", "recall3_best@20", "recall5@20",
]  # fmt: skip
BALLS = ["precision@h2", "precision_nonempty@h2", "nonempty@h2", "recall@h2"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    return {
        "query_codes": pack(rng.standard_normal((15, 12))),
        "database_codes": pack(rng.standard_normal((90, 12))),
        "query_labels": rng.integers(0, 4, 15),
        "database_labels": rng.integers(0, 3, 90),
        "neighbors": rng.permuted(np.tile(np.arange(90), (15, 1)), axis=1)[:, :5],
    }


def test_every_name(data):
    values = evaluate(**data, n_bits=12, metrics=EVERY + BALLS)
    assert list(values) == EVERY + BALLS
    assert all(type(value) is float for value in values.values())
    rule = Given(data["query_labels"][:, None] == data["database_labels"])
    ranking = Ranking.from_codes(data["query_codes"], data["database_codes"], 12, rule)
    near = Given(np.zeros((15, 90), bool))
    np.put_along_axis(near.matrix, data["neighbors"][:, :3], True, axis=1)
    by_near = Ranking.from_codes(data["query_codes"], data["database_codes"], 12, near)
    expected = {
        "map": average_precision(ranking),
        "map_worst@30": average_precision(ranking, 30, ties="worst"),
        "map_min_best@30": average_precision(ranking, 30, divisor="min", ties="best"),
        "precision_worst@7": metrics.precision_at(ranking, 7, "worst"),
        "recall@7": metrics.recall_at(ranking, 7),
        "ndcg@7": metrics.ndcg_at(ranking, 7),
        "recall3@20": metrics.recall_at(by_near, 20),
        "recall3_best@20": metrics.recall_at(by_near, 20, "best"),
        "precision_nonempty@h2": metrics.precision_within(ranking, 2, "skip"),
        "recall@h2": metrics.recall_within(ranking, 2),
    }
    for name, per_query in expected.items():
        assert values[name] == metrics.mean(per_query), name
    for name in ("map", "map@30", "map_min@30"):
        part = name.partition("@")
        worst, best = (values[f"{part[0]}_{end}{part[1]}{part[2]}"] for end in ("worst", "best"))
        assert worst <= values[name] <= best


def test_scores_agree_with_codes(data):
    codes = {key: data[key] for key in ("query_codes", "database_codes")}
    truth = {key: data[key] for key in data if key not in codes}
    distance = -hamming(*codes.values()).astype(np.float32)
    by_score = evaluate_scores(lambda a, b: distance[a:b], 90, **truth, metrics=EVERY)
    assert by_score == pytest.approx(evaluate(**data, n_bits=12, metrics=EVERY), abs=1e-12)
    # +-1 scores of the query make the asymmetric score the symmetric one.
    signs = unpack(data["query_codes"], 12).astype(np.float32)
    asymmetric = evaluate_scores(
        asymmetric_scores(signs, data["database_codes"], 12), 90, **truth, metrics=EVERY
    )
    assert asymmetric == pytest.approx(by_score, abs=1e-12)


def test_blocks_do_not_matter(data, monkeypatch):
    distance = -hamming(data["query_codes"], data["database_codes"]).astype(np.float32)
    truth = {key: data[key] for key in ("query_labels", "database_labels", "neighbors")}
    whole = evaluate_scores(lambda a, b: distance[a:b], 90, **truth, metrics=EVERY)
    monkeypatch.setattr("hammingbird.evaluation.ranking.BLOCK_SCORES", 200)
    parts = evaluate_scores(lambda a, b: distance[a:b], 90, **truth, metrics=EVERY, progress=True)
    assert whole == parts


def test_true_neighbors_find_themselves():
    rng = np.random.default_rng(12)
    queries, database = rng.standard_normal((20, 6)), rng.standard_normal((300, 6))
    for measure in ("l2", "inner", "cosine"):
        truth = nearest_vectors(queries, database, 10, measure)
        values = evaluate_scores(
            vector_scores(queries, database, measure),
            300,
            neighbors=truth,
            metrics=["recall10@10", "map", "recall1@1"],
        )
        assert values == pytest.approx({"recall10@10": 1, "map": 1, "recall1@1": 1})


def test_defaults_and_cutoffs_beyond_the_database(data):
    values = evaluate(**data, n_bits=12)
    assert tuple(values) == DEFAULT_METRICS
    assert values["map@1000"] == values["map"]
    share = np.mean(data["query_labels"][:, None] == data["database_labels"])
    known = np.mean(data["query_labels"] < 3)
    assert values["precision@100"] == pytest.approx(share / known)
    assert evaluate(**data, n_bits=12, metrics="map") == {"map": values["map"]}


def test_neighbors_alone_are_the_relevance(data):
    codes = {key: data[key] for key in ("query_codes", "database_codes")}
    truth = Neighbors(data["neighbors"], data["neighbors"])
    values = evaluate(**codes, neighbors=truth, n_bits=12, metrics=["recall@20", "recall5@20"])
    assert values["recall@20"] == values["recall5@20"]


def test_self_rows_leave_the_query_out():
    rng = np.random.default_rng(13)
    codes, labels = pack(rng.standard_normal((40, 16))), rng.integers(0, 4, 40)
    with_self = evaluate(
        codes, codes, query_labels=labels, database_labels=labels, n_bits=16, metrics=["map"]
    )
    without = evaluate(
        codes,
        codes,
        query_labels=labels,
        database_labels=labels,
        n_bits=16,
        metrics=["map"],
        self_rows=np.arange(40),
    )
    others = [
        evaluate(
            codes[[i]],
            np.delete(codes, i, 0),
            query_labels=labels[[i]],
            database_labels=np.delete(labels, i),
            n_bits=16,
            metrics=["map"],
        )["map"]
        for i in range(40)
    ]
    assert without["map"] == pytest.approx(np.mean(others))
    assert without["map"] < with_self["map"]


def test_queries_without_a_label_do_not_count_and_rows_are_never_relevant(data):
    names = ["map", "map_min@20", "precision@7", "ndcg@7", "recall@h4"]
    query, database = data["query_labels"].copy(), data["database_labels"].copy()
    query[::4], database[::5] = -1, -1
    some = {**data, "query_labels": query, "database_labels": database}
    labelled = query != -1
    other = {
        "query_codes": data["query_codes"][labelled],
        "query_labels": query[labelled],
        "database_labels": np.where(database == -1, 99, database),  # a class nobody asks for
        "neighbors": data["neighbors"][labelled],
    }
    expected = evaluate(**{**data, **other}, n_bits=12, metrics=names)
    assert evaluate(**some, n_bits=12, metrics=names) == pytest.approx(expected)
    with pytest.raises(InputError, match=r"-1 and an empty label set are no label"):
        evaluate(**{**data, "query_labels": np.full(15, -1)}, n_bits=12)


def test_all_balls_empty_is_nan_only_where_they_are_skipped():
    values = evaluate(
        pack([[1.0, 1.0]]),
        pack([[-1.0, -1.0]]),
        query_labels=[0],
        database_labels=[0],
        n_bits=2,
        metrics=["precision@h1", "precision_nonempty@h1", "nonempty@h1", "map"],
    )
    assert values["precision@h1"] == values["nonempty@h1"] == 0
    assert np.isnan(values["precision_nonempty@h1"])
    assert values["map"] == 1


@pytest.mark.parametrize(
    "name",
    ["", "MAP", "map@-1", "map@0", "map@", "map_min", "mAP@10", "precision", "recall0@10", "ndcg",
     "precision@h", "precision_worst@h2", "nonempty@2", "ndcg_best@5", "map@10 ", "precision3@10",
     None],
)  # fmt: skip
def test_unknown_names_list_the_forms(name):
    with pytest.raises(InputError, match="there are map, map_worst"):
        parse_metric(name)


def test_wrong_input(data):
    good = {**data, "n_bits": 12}
    with pytest.raises(InputError, match="both sides"):
        evaluate(**{**good, "query_labels": None})
    with pytest.raises(InputError, match="what is relevant"):
        choose_relevance(3)
    with pytest.raises(InputError, match="not both"):
        evaluate(**good, relevance=Given(np.ones((15, 90), bool)))
    with pytest.raises(InputError, match="15 queries, but the labels or neighbors are those of 14"):
        evaluate(**{**good, "query_labels": data["query_labels"][:14]})
    with pytest.raises(InputError, match="90 database items, but"):
        evaluate(**{**good, "database_labels": data["database_labels"][:-1]})
    with pytest.raises(InputError, match=r"recall6@N for 15 queries .* got \(15, 5\)"):
        evaluate(**good, metrics=["recall6@10"])
    with pytest.raises(InputError, match="needs neighbors"):
        evaluate(**{**good, "neighbors": None}, metrics=["recall3@10"])
    with pytest.raises(InputError, match="nothing to rank"):
        evaluate(**{**good, "query_codes": data["query_codes"][:0], "query_labels": []})
    with pytest.raises(InputError, match="no query has a relevant item"):
        evaluate(**{**good, "query_labels": np.full(15, 99)})
    with pytest.raises(InputError, match="packed uint8"):
        evaluate(**{**good, "query_codes": np.ones((15, 12))})
    with pytest.raises(InputError, match="no Hamming radius"):
        evaluate_scores(lambda a, b: None, 90, neighbors=data["neighbors"], metrics=["recall@h2"])
    with pytest.raises(InputError, match="equal width"):
        vector_scores(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(InputError, match="measure must be"):
        vector_scores(np.ones((2, 3)), np.ones((2, 3)), "l1")
    with pytest.raises(InputError, match="query_scores must have shape"):
        asymmetric_scores(np.ones((2, 13)), data["database_codes"], 12)

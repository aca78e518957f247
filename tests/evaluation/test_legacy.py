"""Each repository's rule against a loop over queries and ranks that follows its own steps."""

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.errors import InputError
from hammingbird.evaluation.legacy import RULES

N_BITS, N_QUERIES, N_DATABASE = 12, 40, 300


def made(seed=0, unlabelled=True):
    """Few bits and classes: many ties, queries that find nothing, and queries of no class."""
    rng = np.random.default_rng(seed)
    query, database = rng.integers(0, 4, N_QUERIES), rng.integers(1, 4, N_DATABASE)
    if unlabelled:
        query[:5] = -1
    codes = [
        hb.pack(
            rng.normal(size=(len(y), N_BITS)) + 0.4 * y[:, None] * np.sign(rng.normal(size=N_BITS))
        )
        for y in (query, database)
    ]
    return query, database, codes


def ranked(rule, code, database):
    """Database rows, nearest first, in the order of that program's sort."""
    distances = [
        sum(bin(a ^ b).count("1") for a, b in zip(code, row, strict=True)) for row in database
    ]
    if RULES[rule].order == "index":
        return sorted(range(len(distances)), key=lambda i: (distances[i], i))
    return np.argsort(np.array(distances, np.float32))


def thuml(relevant, cutoff, dropped):
    hits, total = 0, 0.0
    for rank, right in enumerate(relevant[:cutoff], 1):
        if right:
            hits += 1
            total += hits / rank
    return total / hits if hits else (None if dropped else 0.0)


def swuxyj(relevant, cutoff):
    listed = relevant[: -1 if cutoff is None else cutoff]
    places = [rank for rank, right in enumerate(listed, 1) if right]
    return np.mean([(i + 1) / rank for i, rank in enumerate(places)]) if places else 0.0


def mihash(relevant, cutoff):
    listed = np.array(relevant[:cutoff], float)
    if not listed.sum():
        return 0.0
    recall = np.cumsum(listed) / listed.sum()
    precision = np.cumsum(listed) / np.arange(1, len(listed) + 1)
    return sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(listed)))


def matlab(relevant):
    places = np.flatnonzero(relevant) + 1
    return np.mean(np.arange(1, len(places) + 1) / places)


def one_query(rule, relevant, cutoff):
    """Average precision of a query, None if it is dropped."""
    nothing = not any(relevant)
    match rule:
        case "hashnet" | "csq":
            return None if nothing else thuml(relevant, cutoff, dropped=False)
        case "hashnet-pytorch":
            return thuml(relevant, cutoff, dropped=True)
        case "deephash-pytorch":
            return swuxyj(relevant, cutoff)
        case "greedyhash":
            return thuml(relevant, cutoff, dropped=False)
        case "mihash":
            return mihash(relevant, cutoff)
        case "dpsh":
            return None if nothing else matlab(relevant)
        case "sdh":
            return 0.0 if nothing else matlab(relevant)


def slow(rule, query, database, codes, cutoff):
    values = []
    for label, code in zip(query, codes[0], strict=True):
        order = ranked(rule, code, codes[1])
        values.append(one_query(rule, [label >= 0 and database[i] == label for i in order], cutoff))
    return np.mean([value for value in values if value is not None])


def measured(rule, query, database, codes, metric="map"):
    found = hb.evaluate(
        *codes,
        n_bits=N_BITS,
        query_labels=query,
        database_labels=database,
        metrics=[metric],
        legacy=rule,
    )
    assert list(found) == [metric]
    return found[metric]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_prints_what_the_loop_of_its_program_does(rule):
    query, database, codes = made()
    assert measured(rule, query, database, codes) == pytest.approx(
        slow(rule, query, database, codes, None)
    )


@pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.cutoffs])
@pytest.mark.parametrize("cutoff", [1, 3, 50, 300, 1000])
def test_a_rule_cuts_as_its_program_does(rule, cutoff):
    query, database, codes = made(1)
    expected = slow(rule, query, database, codes, cutoff)
    assert measured(rule, query, database, codes, f"map@{cutoff}") == pytest.approx(expected)


def test_the_rules_differ_and_lie_between_worst_and_best_where_nothing_is_lost():
    query, database, codes = made(2, unlabelled=False)
    query = np.where(query == 0, 1, query)
    found = {rule: measured(rule, query, database, codes) for rule in RULES}
    bounds = hb.evaluate(
        *codes,
        n_bits=N_BITS,
        query_labels=query,
        database_labels=database,
        metrics=["map_worst", "map_best"],
    )
    for rule in ("hashnet", "greedyhash", "csq", "dpsh", "sdh"):
        assert bounds["map_worst"] <= found[rule] <= bounds["map_best"]
    assert found["dpsh"] == found["sdh"]
    assert found["mihash"] < found["sdh"]


def test_queries_of_no_class_lower_the_rules_that_count_them():
    query, database, codes = made(3)
    counted = np.isin(query, database).mean()
    assert measured("sdh", query, database, codes) == pytest.approx(
        counted * measured("dpsh", query, database, codes)
    )


def test_what_a_rule_cannot_do_is_said():
    query, database, codes = made()
    with pytest.raises(InputError, match="choose from hashnet"):
        measured("caffe", query, database, codes)
    with pytest.raises(InputError, match="only map and map@T"):
        measured("hashnet", query, database, codes, "precision@10")
    with pytest.raises(InputError, match="ranks the whole database"):
        measured("dpsh", query, database, codes, "map@10")
    with pytest.raises(InputError, match="no query counts"):
        measured("dpsh", np.full(N_QUERIES, -1), database, codes)
    with pytest.raises(InputError, match="drop self_rows"):
        hb.evaluate(
            *codes, n_bits=N_BITS, query_labels=query, database_labels=database,
            self_rows=np.full(N_QUERIES, -1), legacy="sdh",
        )  # fmt: skip

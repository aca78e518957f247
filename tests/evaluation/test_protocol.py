"""What a result record says, and shared items of two sets."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hammingbird.errors import InputError
from hammingbird.evaluation import SameLabel, check_disjoint, describe_protocol, overlap


def test_record_states_everything():
    rule = SameLabel([0, 1, 7, 8], [0, 0, 1])
    record = describe_protocol(rule, train_in_database=True)
    assert json.loads(json.dumps(record)) == record
    assert record["relevance"] == "same label"
    assert record["excluded_queries"] == 2
    assert (record["train_in_database"], record["query_in_database"]) == (True, None)
    assert record["self_match"] == "kept"
    alone = describe_protocol(rule, self_rows=[0, 2, -1, -1])
    assert alone["excluded_queries"] == 3
    assert alone["self_match"] == "left out"
    with pytest.raises(InputError, match="one whole number per query"):
        describe_protocol(rule, self_rows=[0])


def test_record_counts_what_has_no_label():
    record = describe_protocol(SameLabel([0, -1, 7, -1], [0, -1, 1]))
    assert (record["unlabelled_queries"], record["unlabelled_database_rows"]) == (2, 1)
    assert record["excluded_queries"] == 3
    sets = describe_protocol(SameLabel([[0, 1], [0, 0]], [[0, 0], [1, 1], [0, 0]]))
    assert (sets["unlabelled_queries"], sets["unlabelled_database_rows"]) == (1, 2)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int16])
@pytest.mark.parametrize("width", [1, 2, 3, 13])
def test_overlap_equals_loops(kind, width):
    rng = np.random.default_rng(14)
    database = rng.integers(0, 3, (60, width)).astype(kind)
    queries = rng.integers(0, 3, (40, width)).astype(kind)
    queries[::5] = database[7]
    expected = [
        next((j for j, item in enumerate(database) if np.array_equal(query, item)), -1)
        for query in queries
    ]
    assert overlap(queries, database).tolist() == expected
    assert overlap(queries.astype(np.float64), database).tolist() == expected


def test_flipped_signs_are_no_overlap_and_hide_none():
    rng = np.random.default_rng(15)
    rows = np.abs(rng.standard_normal((1, 8)).astype(np.float32)) * rng.choice([-1, 1], (4000, 8))
    rows = np.unique(rows.astype(np.float32), axis=0)
    assert np.array_equal(overlap(rows, rows), np.arange(len(rows)))


def test_overlap_is_refused_unless_allowed():
    database = np.arange(12.0).reshape(4, 3)
    queries = np.concatenate([-database - 1, database[2:3]])
    with pytest.raises(InputError, match=r"1 test images .*row 4 is database row 2"):
        check_disjoint(queries, database, "test images")
    assert check_disjoint(queries, database, allow=True) == 1
    assert check_disjoint(queries[:4], database) == 0
    assert check_disjoint(queries[:0], database) == check_disjoint(queries, database[:0]) == 0
    with pytest.raises(InputError, match="equal width"):
        overlap(queries, database[:, :2])

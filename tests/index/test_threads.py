"""Searches while other threads change the index, and changes at the same time."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import numpy as np
import pytest

from hammingbird.index import Scan

N = 20_000  # a search takes as long as a change
CODES = np.random.default_rng(0).integers(0, 256, (N, 8), dtype=np.uint8)
STAY = np.arange(0, N, 2)


@pytest.fixture(autouse=True)
def _switch_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def remove_and_add(index, ids):
    index.remove(ids)
    index.add(CODES[ids], ids)


def add_after_the_largest(index, ids):
    # Ids of their own, N and more, with codes that are known by their ids.
    last = int(index.ids[-1]) + 1
    index.add(CODES[np.arange(last, last + 4) % N])
    if len(index) > 4 * N:
        index.remove(index.ids[index.ids >= N])


def add_smaller_one_by_one(index, ids):
    index.remove(ids)
    for number in ids[::-1]:
        index.add(CODES[[number]], [number])


def upsert(index, ids):
    index.upsert(CODES[ids], ids)


def wrong_answers(index, batches):
    """How many searches miss a query's own code or tell a code's distance wrongly, or fail."""
    wrong = 0
    for asked in batches:
        queries = CODES[asked]
        try:
            ids, distances = index.search(queries, 3)
            near = index.within(queries, 0)
            best = index.search_scores(2.0 * np.unpackbits(queries, axis=1) - 1, 1)
        except Exception:
            wrong += 1
            continue
        true = np.bitwise_count(queries[:, None] ^ CODES[ids % N]).sum(axis=2)
        own = [ids[:, 0], near.ids[near.offsets[:-1]], best.ids[:, 0]]
        wrong += not ((own == asked).all() and (true == distances).all())
    return wrong


@pytest.mark.parametrize("searches", [300, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "change", [remove_and_add, add_after_the_largest, add_smaller_one_by_one, upsert]
)
def test_searches_are_right_while_one_thread_changes_the_index(change, searches):
    """Codes and ids changed one after the other gave ids of other codes and IndexErrors."""
    rng = np.random.default_rng(1)
    ids = np.arange(N) if change is not add_after_the_largest else STAY
    index = Scan(64).add(CODES[ids], ids)
    asked = rng.choice(STAY, (2, searches // 2, 4))
    leave = np.arange(1, N, 2)
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(wrong_answers, index, queries) for queries in asked]
        for start in cycle(range(0, len(leave) - 50, 50)):
            change(index, leave[start : start + 50])
            if all(reader.done() for reader in readers):
                break
    assert [reader.result() for reader in readers] == [0, 0]
    assert np.isin(ids, index.ids).all()


def test_two_writers_lose_nothing():
    index = Scan(64).add(CODES[:100], range(10_000, 10_100))
    parts = np.arange(0, 1000, 2), np.arange(1, 1000, 2)

    def write(ids):
        for number in ids:
            index.add(CODES[[number]], [number])
            if number % 5 == 0:
                index.remove([number])
            if number % 7 == 0:
                index.upsert(CODES[[number]], [number])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, parts))
    expected = [i for i in range(1000) if i % 5 or i % 7 == 0]
    assert index.ids.tolist() == [*expected, *range(10_000, 10_100)]
    np.testing.assert_array_equal(index.codes, CODES[[*expected, *range(100)]])


def test_default_ids_of_two_writers_are_unique():
    index = Scan(64)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda row: index.add(CODES[[row]]), range(2000)))
    assert index.ids.tolist() == list(range(2000))
    assert sorted(map(bytes, index.codes)) == sorted(map(bytes, CODES[:2000]))

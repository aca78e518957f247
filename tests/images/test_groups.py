"""Pairs by brute force, groups without chains."""

from __future__ import annotations

import numpy as np

from hammingbird.images.groups import Pairs, groups_of, near_pairs


def test_pairs_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    codes, mirrored = rng.integers(0, 256, (2, 60, 2), dtype=np.uint8)
    found = near_pairs(codes, mirrored, 5)
    expected = {}
    for i in range(60):
        for j in range(i + 1, 60):
            straight = int(np.bitwise_count(codes[i] ^ codes[j]).sum())
            turned = int(np.bitwise_count(mirrored[i] ^ codes[j]).sum())
            if min(straight, turned) <= 5:
                expected[i, j] = (min(straight, turned), turned < straight)
    table = np.stack([found.i, found.j, found.distances, found.mirrored], axis=1).tolist()
    assert {(i, j): (d, bool(m)) for i, j, d, m in table} == expected
    assert len(found.i) == len(expected) > 20


def pairs(*edges):
    i, j, distances = (np.array(side, np.int64) for side in zip(*edges, strict=True))
    return Pairs(i, j, distances, np.zeros(len(i), bool))


def rows(groups):
    return [group.rows.tolist() for group in groups]


def test_a_chain_is_cut():
    assert rows(groups_of(pairs((0, 1, 3), (1, 2, 3)), 4)) == [[1, 0, 2]]
    chain = pairs(*((i, i + 1, 3) for i in range(6)))
    found = groups_of(chain, 7)
    assert rows(found) == [[1, 0, 2], [4, 3, 5]], "and 6, which is only near 5, is alone"
    star = pairs((0, 3, 2), (1, 3, 1), (2, 3, 9), (2, 4, 1))
    assert rows(groups_of(star, 6)) == [[3, 1, 0, 2]]


def test_every_row_is_near_the_middle_of_one_group():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (30, 2), dtype=np.uint8).repeat(8, axis=0)
    codes ^= np.packbits(rng.random((240, 16)) < 0.12, axis=1)
    near = near_pairs(codes, codes, 3)
    groups = groups_of(near, 240)
    members = np.concatenate([group.rows for group in groups])
    assert len(members) == len(np.unique(members)) > 100
    for group in groups:
        distances = np.bitwise_count(codes[group.rows] ^ codes[group.rows[0]]).sum(axis=1)
        assert distances.tolist() == group.distances.tolist()
        assert distances.max() <= 3
        assert len(group.rows) > 1
    # Who is left out is near no one who is left out.
    alone = np.setdiff1d(np.arange(240), members)
    assert not (np.isin(near.i, alone) & np.isin(near.j, alone)).any()


def test_many_equal_files_are_one_group_at_once():
    codes = np.zeros((2000, 4), np.uint8)
    (group,) = groups_of(near_pairs(codes, codes, 0), 2000)
    assert group.rows.tolist() == list(range(2000))


def test_nothing_is_near():
    codes = np.array([[0], [255]], np.uint8)
    assert groups_of(near_pairs(codes, codes, 2), 2) == []

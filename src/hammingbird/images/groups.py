"""From pairs that are near to groups of one picture each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from hammingbird import kernels
from hammingbird.codes import Codes

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows i < j within the radius: their distance, and whether j is i's mirror image."""

    i: Ints
    j: Ints
    distances: Ints
    mirrored: NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """Rows of one picture, the middle one first; how far each is from it, and whether mirrored."""

    rows: Ints
    distances: Ints
    mirrored: NDArray[np.bool_]


def near_pairs(codes: Codes, mirrored: Codes, radius: int) -> Pairs:
    """All pairs within the radius, straight or mirrored, whichever is nearer."""
    parts = []
    for flag, side in ((False, codes), (True, mirrored)):
        offsets, j, distances = kernels.within(side, codes, radius, progress=True)
        i = np.repeat(np.arange(len(codes)), np.diff(offsets))
        once = i < j
        parts.append((i[once], j[once], distances[once], np.full(once.sum(), flag)))
    i, j, distances, flags = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((flags, distances, j, i))
    i, j, distances, flags = i[order], j[order], distances[order], flags[order]
    first = np.append(True, (i[1:] != i[:-1]) | (j[1:] != j[:-1])) if len(i) else np.ones(0, bool)
    return Pairs(i[first], j[first], distances[first].astype(np.int64), flags[first])


def groups_of(pairs: Pairs, n: int) -> list[Group]:
    """Connected components of the pairs, cut where they are chains.

    In a chain a is near b and b near c, but a and c are different pictures. So the row with the
    most neighbours (then the nearest, then the first) takes its neighbours, and what is left of a
    component is grouped in the same way: every row of a group is near its middle.
    """
    both = [np.concatenate([a, b]) for a, b in ((pairs.i, pairs.j), (pairs.j, pairs.i))]
    values = np.concatenate([pairs.distances, pairs.distances])
    flags = np.concatenate([pairs.mirrored, pairs.mirrored])
    order = np.lexsort((both[1], both[0]))
    source, target, values, flags = both[0][order], both[1][order], values[order], flags[order]
    starts = np.searchsorted(source, np.arange(n + 1))
    graph = coo_matrix((np.ones(len(source), bool), (source, target)), shape=(n, n))
    _, components = connected_components(graph, directed=False)
    degree = np.diff(starts)
    total = np.bincount(source, values, minlength=n)
    there, found = degree > 0, []
    by_component = np.flatnonzero(there)[np.argsort(components[there], kind="stable")]
    cuts = np.flatnonzero(np.diff(components[by_component])) + 1
    for component in np.split(by_component, cuts):
        while len(members := component[there[component] & (degree[component] > 0)]):
            middle = members[np.lexsort((members, total[members], -degree[members]))[0]]
            edges = np.arange(starts[middle], starts[middle + 1])
            edges = edges[there[target[edges]]]
            edges = edges[np.lexsort((target[edges], values[edges]))]
            rows = np.append(middle, target[edges])
            distances, mirror = np.append(0, values[edges]), np.append(False, flags[edges])
            found.append(Group(rows, distances, mirror))
            there[rows] = False
            for row in rows:  # their neighbours have fewer now
                gone = slice(starts[row], starts[row + 1])
                degree[target[gone]] -= 1
                total[target[gone]] -= values[gone]
    return found

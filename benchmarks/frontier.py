"""Recall of float neighbours against queries a second on one core and bytes a row in memory.

    python benchmarks/descriptors.py --out runs/descriptors.npy
    python benchmarks/frontier.py --vectors runs/descriptors.npy --rows 200000 --out docs/img
    python benchmarks/frontier.py --made 384 --rows 200000 --out docs/img

Ours are codes, then the true distance of a shortlist whose floats lie in a memory map; cells are a
prototype of a k-means partition in front of the scan, with codes of residuals. Beside them FAISS
and usearch. Where a name ends in "+ floats", the shortlist is FAISS's and the re-rank is ours, from
the same map. Bytes a row are codes and ids, or what the index takes when it is written; mapped
floats are not counted. Times are the core's own, queries come as one batch; the best of two turns.
Nothing is tuned: every setting is a point.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

import hammingbird as hb
from hammingbird import kernels
from million import made_file

K, QUERIES, LEARNED, TURNS = 10, 1000, 50_000, 2
SHORTLISTS, PROBES = (10, 30, 100, 300, 1000), (1, 2, 4, 8, 16, 32, 64)
Find = Callable[[], np.ndarray]


class Point(NamedTuple):
    """One setting of one contender."""

    name: str
    setting: str
    recall: float
    microseconds: float
    bytes: float
    build: float


def ours(X: np.ndarray, Q: np.ndarray, mapped: np.ndarray, bits: int) -> Iterator[tuple]:
    """Scan of codes, then floats."""
    hasher = _hasher(bits, X).fit(X[_some(len(X))])
    index = hb.Scan(bits).add(hasher.encode(X))
    index.search(hasher.encode(Q[:2]), K)
    yield index.codes.nbytes + index.ids.nbytes
    for shortlist in SHORTLISTS:
        yield (
            f"{shortlist}",
            lambda r=shortlist: (
                hb.rerank(
                    Q, kernels.nearest(hasher.encode(Q), index.codes, r, threads=1)[0], mapped, K
                ).ids
            ),
        )


class Partition:
    """K-means cells: their centres, all rows by cell, and the cells near to queries."""

    def __init__(self, X: np.ndarray) -> None:
        cells = _cells(len(X))
        means = faiss.Kmeans(X.shape[1], cells, niter=10, seed=0, max_points_per_centroid=64)
        means.train(X[_some(len(X))])
        self.centers = means.centroids
        self.squares = np.einsum("ij,ij->i", self.centers, self.centers)
        own = means.index.search(X, 1)[1][:, 0]
        self.order = np.argsort(own, kind="stable").astype(np.int32)
        self.own = own[self.order]
        self.starts = np.searchsorted(self.own, np.arange(cells + 1))

    @property
    def nbytes(self) -> int:
        """Row numbers, cells and their centres."""
        return self.order.nbytes + self.starts.nbytes + self.centers.nbytes

    def near(self, Q: np.ndarray, probes: int) -> np.ndarray:
        """Cells [n, probes]."""
        far = self.squares - 2 * Q @ self.centers.T
        return np.argpartition(far, probes - 1, axis=1)[:, :probes]


class Cells(Partition):
    """Codes of residuals in k-means cells; a query looks into the cells nearest to it."""

    def __init__(self, X: np.ndarray, bits: int, *, residuals: bool) -> None:
        super().__init__(X)
        shift = self.centers if residuals else np.zeros_like(self.centers)
        rest = X[self.order] - shift[self.own]
        self.hasher = _hasher(bits, X).fit(rest[_some(len(X))])
        self.codes = self.hasher.encode(rest)
        # Scores are linear: those of a residual are the query's less the centre's.
        self.zero = self.hasher.project(np.zeros_like(X[:1]))
        self.shift = self.hasher.project(shift) - self.zero

    @property
    def nbytes(self) -> int:
        """The codes too, and the centres' scores."""
        return super().nbytes + self.codes.nbytes + self.shift.nbytes

    def search(self, Q: np.ndarray, probes: int, shortlist: int) -> np.ndarray:
        """Rows [n, shortlist] by the Hamming distance of residuals, -1 where there is none."""
        return np.concatenate(
            [self._search(Q[i : i + 250], probes, shortlist) for i in range(0, len(Q), 250)]
        )

    def _search(self, Q: np.ndarray, probes: int, shortlist: int) -> np.ndarray:
        cells = self.near(Q, probes)
        scores = self.hasher.project(Q)[:, None] - self.shift[cells]
        codes = hb.pack(scores.reshape(-1, scores.shape[2]))
        rows = np.full((len(codes), shortlist), -1, np.int64)
        distances = np.full(rows.shape, 65_535, np.uint16)
        flat = cells.ravel()
        order = np.argsort(flat, kind="stable")
        cuts = np.flatnonzero(np.diff(flat[order])) + 1
        for asked in np.split(order, cuts):
            start, stop = self.starts[flat[asked[0]]], self.starts[flat[asked[0]] + 1]
            if there := min(shortlist, stop - start):
                found, near = kernels.nearest(
                    codes[asked], self.codes[start:stop], there, threads=1
                )
                rows[asked, :there], distances[asked, :there] = found + start, near
        rows, distances = (a.reshape(len(Q), -1) for a in (rows, distances))
        if rows.shape[1] > shortlist:
            best = np.argpartition(distances, shortlist - 1, axis=1)[:, :shortlist]
            rows = np.take_along_axis(rows, best, axis=1)
        return np.where(rows < 0, -1, self.order[rows.clip(0)])


class TablesInCells(Partition):
    """Codes that tables read, in k-means cells."""

    def __init__(self, X: np.ndarray, bits: int) -> None:
        super().__init__(X)
        self.hasher = hb.Polysemous(bits, random_state=0).fit(X[_some(len(X))])
        self.codes = self.hasher.encode(X[self.order])

    @property
    def nbytes(self) -> int:
        """The codes too."""
        return super().nbytes + self.codes.nbytes

    def search(self, Q: np.ndarray, probes: int, shortlist: int) -> np.ndarray:
        """Rows [n, shortlist] by their tables' sums, -1 where there is none."""
        found = []
        for some in np.split(Q, range(250, len(Q), 250)):
            cells = self.near(some, probes).ravel()
            sizes = self.starts[cells + 1] - self.starts[cells]
            ends = np.cumsum(sizes)
            rows = np.arange(ends[-1]) + np.repeat(self.starts[cells] - ends + sizes, sizes)
            offsets = np.append(0, ends[probes - 1 :: probes])
            tables = self.hasher.tables(some)
            best = kernels.best_of(
                tables, self.codes, self.hasher.n_bits_, offsets, rows, shortlist, threads=1
            )
            found.append(best[0])
        rows = np.concatenate(found)
        return np.where(rows < 0, -1, self.order[rows.clip(0)])


def in_cells(
    X: np.ndarray, Q: np.ndarray, mapped: np.ndarray, build: Callable[[np.ndarray], Any]
) -> Iterator[tuple]:
    """Codes in cells, then floats."""
    index = build(X)
    yield index.nbytes
    for probes in PROBES:
        for shortlist in SHORTLISTS[1:4]:
            yield (
                f"{probes} probes, {shortlist}",
                lambda p=probes, r=shortlist: hb.rerank(Q, index.search(Q, p, r), mapped, K).ids,
            )


def of_faiss(
    X: np.ndarray, Q: np.ndarray, mapped: np.ndarray, factory: str, shortlists: tuple[int, ...]
) -> Iterator[tuple]:
    """An index of FAISS; with shortlists, they are re-ranked by the mapped floats."""
    index = faiss.index_factory(X.shape[1], factory)
    index.train(X[_some(len(X))])
    index.add(X)
    yield faiss.serialize_index(index).nbytes
    inner = faiss.downcast_index(getattr(index, "index", index))
    if hasattr(inner, "index"):
        inner = faiss.downcast_index(inner.index)

    def find(setting: int, r: int) -> np.ndarray:
        if "HNSW" in factory:
            index.hnsw.efSearch = setting
        else:
            faiss.extract_index_ivf(index).nprobe = setting
        if not r:
            return index.search(Q, K)[1]
        return hb.rerank(Q, index.search(Q, r)[1], mapped, K).ids

    for setting in (16, 32, 64, 128, 256) if "HNSW" in factory else PROBES:
        for r in shortlists:
            name = f"{setting} probes, {r}" if r else f"{setting}"
            yield name, lambda s=setting, r=r: find(s, r)


def of_usearch(X: np.ndarray, Q: np.ndarray, _: np.ndarray) -> Iterator[tuple]:
    """Usearch's graph over single precision."""
    from usearch.index import Index

    index = Index(ndim=X.shape[1], metric="l2sq", dtype="f32", connectivity=16)
    index.add(np.arange(len(X)), X, threads=1)
    yield index.serialized_length

    def find(expansion: int) -> np.ndarray:
        index.expansion_search = expansion
        return index.search(Q, K, threads=1).keys.astype(np.int64)

    for expansion in (16, 32, 64, 128, 256):
        yield f"{expansion}", lambda e=expansion: find(e)


def contenders(rows: int) -> dict[str, tuple]:
    """Functions and their arguments, by name."""
    cells = f"IVF{_cells(rows)}"
    found: dict[str, tuple] = {f"scan, {b} bits": (ours, b) for b in (64, 128, 256)}
    for bits in (128, 256):
        found[f"cells, {bits} bits"] = in_cells, partial(Cells, bits=bits, residuals=False)
        found[f"cells of residuals, {bits} bits"] = (
            in_cells,
            partial(Cells, bits=bits, residuals=True),
        )
    found["cells, tables of 128 bits"] = in_cells, partial(TablesInCells, bits=128)
    found["FAISS HNSW32"] = (of_faiss, "HNSW32", (0,))
    found["FAISS IVF-Flat"] = (of_faiss, f"{cells},Flat", (0,))
    lists = SHORTLISTS[1:4]
    found["FAISS IVF-PQ fast scan + floats"] = (of_faiss, f"{cells},PQ32x4fs", lists)
    found["FAISS OPQ, IVF-PQ fast scan + floats"] = (of_faiss, f"OPQ32,{cells},PQ32x4fs", lists)
    found["FAISS IVF-RaBitQ + floats"] = (of_faiss, f"{cells},RaBitQ", lists)
    found["usearch HNSW"] = (of_usearch,)
    return found


def measured(name: str, start: Iterator[tuple], truth: np.ndarray, rows: int) -> list[Point]:
    """Build it, and try every setting."""
    begun = time.process_time()
    size = next(start)
    build = time.process_time() - begun
    points = []
    for setting, find in start:
        turns = []
        for _ in range(TURNS):
            begun = time.process_time()
            ids = find()
            turns.append(1e6 * (time.process_time() - begun) / len(truth))
        recall = np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, truth, strict=True)]) / K
        points.append(Point(name, setting, float(recall), min(turns), size / rows, build))
    return points


def best(points: list[Point], recall: float) -> Point | None:
    """The quickest setting that finds so much."""
    return min(
        (p for p in points if p.recall >= recall), key=lambda p: p.microseconds, default=None
    )


def drawn(all_points: dict[str, list[Point]], title: str, path: Path) -> None:
    """Recall over queries a second, the upper hull of each."""
    from hammingbird.report.canvas import LIGHT, drawing, new_figure, numbered_style

    with drawing(LIGHT):
        figure = new_figure(720, 430)
        axes = figure.add_axes((0.09, 0.12, 0.53, 0.8))
        for i, (name, points) in enumerate(all_points.items()):
            hull, top = [], 0.0
            for point in sorted(points, key=lambda p: p.microseconds):
                if point.recall > top:
                    hull.append(point)
                    top = point.recall
            axes.plot(
                [1e6 / p.microseconds for p in hull],
                [p.recall for p in hull],
                label=f"{name} ({points[0].bytes:.0f} B)",
                **numbered_style(LIGHT, i).line(),
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter("")
        axes.set_ylim(0, 1)
        axes.set_xlabel("queries a second, one core")
        axes.set_ylabel("recall@10")
        axes.set_title(title, fontsize=11, loc="left")
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, facecolor=LIGHT.page)


def _hasher(bits: int, X: np.ndarray) -> hb.Hasher:
    return hb.ITQ(bits, random_state=0) if bits <= X.shape[1] else hb.LSH(bits, random_state=0)


def _some(rows: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(rows)[:LEARNED])


def _cells(rows: int) -> int:
    return 1 << int(np.log2(4 * rows**0.5) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, help=".npy of vectors [n, d]")
    parser.add_argument("--made", type=int, help="make embeddings of this width instead")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--only", default="", help="names that contain one of these, by commas")
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, help="folder for the drawing and the points")
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    threadpool_limits(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    path = arguments.vectors
    if arguments.made:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        total = arguments.rows + QUERIES
        path = arguments.folder / f"made-{total}x{arguments.made}.npy"
        made_file(path, total, arguments.made, "float32")
    whole = np.load(path, mmap_mode="r")
    order = np.random.default_rng(0).permutation(len(whole))[: arguments.rows + QUERIES]
    Q = np.asarray(whole[np.sort(order[:QUERIES])], np.float32)
    X = np.asarray(whole[np.sort(order[QUERIES:])], np.float32)
    label = f"{len(X):,} x {X.shape[1]}, {'made' if arguments.made else 'descriptors'}"
    with tempfile.TemporaryDirectory(dir=arguments.folder if arguments.made else None) as folder:
        np.save(Path(folder) / "floats.npy", np.asarray(X, whole.dtype))
        mapped = np.load(Path(folder) / "floats.npy", mmap_mode="r")
        truth = faiss.knn(Q, X, K)[1]
        print(f"{label}; {kernels.backend}, faiss-cpu {faiss.__version__}\n")
        print("| contender | bytes a row | build, s | us at .8 | at .9 | at .95 | most |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        found: dict[str, list[Point]] = {}
        wanted = [word for word in arguments.only.split(",") if word]
        for name, (function, *options) in contenders(len(X)).items():
            if wanted and not any(word in name for word in wanted):
                continue
            points = measured(name, function(X, Q, mapped, *options), truth, len(X))
            found[name] = points
            at = [best(points, recall) for recall in (0.8, 0.9, 0.95)]
            shown = " | ".join(f"{p.microseconds:.0f} ({p.setting})" if p else "" for p in at)
            most = max(p.recall for p in points)
            print(
                f"| {name} | {points[0].bytes:.0f} | {points[0].build:.1f} | {shown} | "
                f"{most:.3f} |",
                flush=True,
            )
    if arguments.out:
        name = f"frontier-{X.shape[1]}"
        drawn(found, label, arguments.out / f"{name}.svg")
        content = {key: [p._asdict() for p in points] for key, points in found.items()}
        (arguments.out / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

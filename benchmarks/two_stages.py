"""Recall of a search in a store: by bits, then by scores or by floats here, one line each.

    python benchmarks/two_stages.py --store sqlite --bits 64,128,256

The ten nearest float vectors of every query are the truth: Banking77's sentence embeddings (10,003
and 3,080 queries of 384 dimensions) and SIFT descriptors (60,000 and 1,000 of 128), from the folder
that HAMMINGBIRD_DATA names. Codes are ITQ's, learned on the rows that are searched, never on the
queries. `scores` orders what came back by the queries' real scores against its bits, so that no
floats are kept anywhere; `floats` by the true distance.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import hammingbird as hb
from hammingbird.datasets import load
from hammingbird.stores import export, open_store, two_stages

warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # said by Milvus Lite
SETS = {
    "Banking77": ("banking77/banking77_train.npz", "banking77/banking77_test.npz"),
    "SIFT": ("sift/sift60k_base.bvecs", "sift/sift60k_query.bvecs"),
}


def recall(ids: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true neighbours that were found."""
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, ids, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", default="sqlite", help="a scheme of a store in a file")
    parser.add_argument("--bits", default="64,128,256")
    parser.add_argument("--shortlists", default="50,200")
    parser.add_argument("--queries", type=int, default=1000)
    arguments = parser.parse_args()
    data, k = Path(os.environ["HAMMINGBIRD_DATA"]), 10
    print(f"`{arguments.store}`, recall@{k} of float neighbours, ms a query\n")
    print("| set | bits | shortlist | bits alone | scores here | floats here | ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, paths in SETS.items():
        vectors, queries = (np.asarray(load(data / path).X, np.float32) for path in paths)
        queries = queries[: arguments.queries]
        truth = hb.nearest_vectors(queries, vectors, k).ids
        for n_bits in map(int, arguments.bits.split(",")):
            if n_bits > vectors.shape[1]:
                continue
            hasher = hb.ITQ(n_bits, random_state=0).fit(vectors)
            with tempfile.TemporaryDirectory() as folder:
                address = f"{arguments.store}:{folder}/codes.db"
                export(hasher.encode(vectors), address, n_bits)
                with open_store(address) as store:
                    alone = recall(store.search(hasher.encode(queries), k).ids, truth)
                    for shortlist in map(int, arguments.shortlists.split(",")):
                        found = []
                        for known in (None, vectors):
                            start = time.perf_counter()
                            hits = two_stages(
                                store, hasher, queries, k, shortlist=shortlist, vectors=known
                            )
                            seconds = time.perf_counter() - start
                            found.append((recall(hits.ids, truth), 1000 * seconds / len(queries)))
                        (by_scores, one), (by_floats, other) = found
                        print(
                            f"| {name} | {n_bits} | {shortlist} | {alone:.3f} | {by_scores:.3f} | "
                            f"{by_floats:.3f} | {one:.1f} / {other:.1f} |",
                            flush=True,
                        )


if __name__ == "__main__":
    main()

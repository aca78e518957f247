"""What 10^9 codes cost: `Scan` and `MultiIndex` at 10^6 to 10^8 codes of 64 bits, and encoding.

    python benchmarks/billion.py --rows 1000000,10000000,100000000

Codes are made, without a model: groups of a thousand around random centres, of which each bit is
flipped with the group's own probability of 0 to 38 / 256, so that neighbours are about as near as
in learned codes. Queries are members that were left out. Times are the core's own, of one core, a
median of turns; bytes are what the process holds more. Encoding is ITQ of 64 bits on a Parquet file
of made rows, read, encoded and written by one process.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import hammingbird as hb
from hammingbird import kernels, scale

GROUP, BLOCK, N_BITS = 1000, 1_000_000, 64
QUERIES, K, RADIUS = 1000, 10, 2


def made_codes(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes [rows, 8] and as many queries as are asked, of some of their groups."""
    codes = np.empty((rows, N_BITS // 8), np.uint8)
    for start in range(0, rows, BLOCK):
        codes[start : start + BLOCK] = _block(start // BLOCK, min(BLOCK, rows - start))
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, -(-rows // BLOCK), QUERIES)
    queries = [_block(int(block), 1, member=1 + i) for i, block in enumerate(blocks)]
    return codes, np.concatenate(queries)


def _block(number: int, rows: int, member: int = 0) -> np.ndarray:
    """Rows of a block, or others of its groups; the groups depend on the block alone."""
    groups = np.random.default_rng([0, number])
    centres = groups.integers(0, 256, (BLOCK // GROUP, N_BITS // 8), np.uint8)
    flips = groups.integers(0, 39, len(centres), np.uint8)
    rng = np.random.default_rng([1, number, member])
    own = rng.integers(0, len(centres), rows)
    noise = np.frombuffer(rng.bytes(rows * N_BITS), np.uint8).reshape(rows, N_BITS)
    return centres[own] ^ np.packbits(noise < flips[own, None], axis=1)


def resident() -> int:
    """Bytes of memory that this process holds, after what is free was given back."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def milliseconds(find: Callable[[np.ndarray], Any], queries: np.ndarray, alone: bool) -> float:
    """Median of three turns, per query, the core's own time."""
    turns = []
    for _ in range(3):
        start = time.process_time()
        for some in queries[:, None] if alone else [queries]:
            find(some)
        turns.append(1000 * (time.process_time() - start) / len(queries))
    return float(np.median(turns))


def encoding(rows: int, width: int) -> None:
    """Rows a second from Parquet to Parquet, one process."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, width), np.float32)
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vectors.parquet"
        held = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), width)
        pq.write_table(pa.table({"vector": held}), file)
        hasher = hb.ITQ(N_BITS, random_state=0).fit(X[:20_000])
        start = time.process_time()
        scale.encode_parts(hasher, file, Path(folder) / "codes", made_by={"fingerprint": "made"})
        seconds = time.process_time() - start
        size = sum(f.stat().st_size for f in (Path(folder) / "codes").glob("*.parquet"))
    print(
        f"encode, width {width}: {rows / seconds:,.0f} rows a second and process; "
        f"{size / rows:.2f} bytes a row in Parquet, ids included\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1000000,10000000,100000000")
    parser.add_argument("--encode", type=int, default=400_000, help="rows to encode, 0 for none")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.rows.split(",")]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"{kernels.backend}, one core, load {os.getloadavg()[0]:.1f}\n")
    for width in (128, 384):
        if arguments.encode:
            encoding(arguments.encode, width)
    print(
        "| codes | index | GB held | bytes a code | build, s | 10 nearest, ms | in batches, ms | "
        "within 2, ms |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for rows in sizes:
        codes, queries = made_codes(rows)
        few = queries[: max(5, min(100, 10**9 // rows))]
        found = []
        for kind in (hb.Scan, hb.MultiIndex):
            gc.collect()
            held, start = resident(), time.process_time()
            index = kind(N_BITS).add(codes)
            index.search(few[:1], K)  # which makes the tables
            seconds, held = time.process_time() - start, resident() - held
            find = index.search
            alone = milliseconds(lambda q, find=find: find(q, K), few, True)
            asked = queries if kind is hb.MultiIndex else queries[: max(100, len(few))]
            batch = milliseconds(lambda q, find=find: find(q, K), asked, False)
            near = index.within
            ball = milliseconds(lambda q, near=near: near(q, RADIUS), few, True)
            found.append(index.search(few, K))
            print(
                f"| {rows:,} | {kind.__name__} | {held / 1e9:.2f} | {held / rows:.1f} | "
                f"{seconds:.1f} | {alone:.3f} | {batch:.3f} | {ball:.4f} |",
                flush=True,
            )
            del index, find, near
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)
        far = found[0].distances[:, -1].mean()
        print(f"| | the tenth is {far:.1f} bits away | | | | | | |", flush=True)
        del codes


if __name__ == "__main__":
    main()

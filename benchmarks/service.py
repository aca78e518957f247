"""The service under load: searches a second, waiting times, memory, and what batching gives.

    python benchmarks/service.py

makes a file of 1,000,000 codes of 256 bits, starts `hammingbird serve` on it, and asks from 64
connections on the loopback for the ten nearest of random codes, from a process on the same cores.
The client is one event loop on raw sockets, which costs the machine as little as Python can. Runs
alternate between batches and one search at a time. `--requests 200000` shows whether memory grows.
`--writes` stores an item after the other during the searches.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

from hammingbird import kernels
from hammingbird.service.items import Items, Written

PORT = 8765


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codes", type=int, default=1_000_000)
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=8_000, help="of a turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--writes", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.sqlite"
        fill(path, arguments.codes, arguments.bits)
        print(
            f"{arguments.codes:,} x {arguments.bits} bits, {arguments.clients} clients, "
            f"{os.cpu_count()} cores, {kernels.backend}, load {os.getloadavg()[0]:.1f}"
        )
        for _ in range(arguments.turns):
            for batch in arguments.batches:
                turn(path, batch, arguments)


def fill(path: Path, n: int, bits: int) -> None:
    rng = np.random.default_rng(0)
    items = Items(path, bits)
    codes = rng.integers(0, 256, (n, bits // 8), dtype=np.uint8)
    items.take_over(
        Written(np.arange(start, start + len(some)), some, [None] * len(some), [None] * len(some))
        for start in range(0, n, 50_000)
        for some in [codes[start : start + 50_000]]
    )
    items.close()


def turn(path: Path, batch: int, arguments: argparse.Namespace) -> None:
    items = Items(path)
    start = time.monotonic()
    items.index()
    rebuilt = time.monotonic() - start
    items.close()
    command = [sys.executable, "-m", "hammingbird.cli", "serve", str(path), "--port", str(PORT)]
    command += ["--batch", str(batch), "--threads", str(arguments.threads)]
    start = time.monotonic()
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait()
        ready = time.monotonic() - start
        asyncio.run(load(arguments, 500))
        before, used = memory(server.pid), processor(server.pid)
        start, ours = time.monotonic(), time.process_time()
        waits = asyncio.run(load(arguments, arguments.requests))
        seconds, ours = time.monotonic() - start, time.process_time() - ours
        after, used = memory(server.pid), processor(server.pid) - used
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    p50, p99 = np.percentile(waits, [50, 99]) * 1e3
    print(
        f"batches of {batch:2}: {len(waits) / seconds:5.0f} searches/s, p50 {p50:.0f} ms, "
        f"p99 {p99:.0f} ms, longest {max(waits) * 1e3:.0f} ms; processor time a search "
        f"{used / len(waits) * 1e3:.2f} ms, of the clients {ours / len(waits) * 1e3:.2f} ms; "
        f"resident {before:.0f} MB before, "
        f"{after:.0f} MB after {len(waits):,}; index in {rebuilt:.1f} s, ready in {ready:.1f} s",
        flush=True,
    )


def wait() -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=5)
        except OSError:  # noqa: PERF203
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the service did not start")


def memory(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(arguments: argparse.Namespace, requests: int) -> list[float]:
    """Seconds that every search waited for its answer."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (1000, arguments.bits // 8), dtype=np.uint8)
    asked = [message("/search", {"codes": [code.tobytes().hex()], "k": 10}) for code in codes]
    waits: list[float] = []
    stop = asyncio.Event()

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        for i in range(number, requests, arguments.clients):
            start = time.perf_counter()
            await ask(reader, writer, asked[i % len(asked)])
            waits.append(time.perf_counter() - start)
        writer.close()

    async def write() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        longest, count = 0.0, 0
        while not stop.is_set():
            start = time.perf_counter()
            body = {"items": [{"code": codes[count % 1000].tobytes().hex()}]}
            await ask(reader, writer, message("/items", body))
            longest, count = max(longest, time.perf_counter() - start), count + 1
        writer.close()
        print(f"meanwhile {count:,} items were stored, the longest took {longest * 1e3:.0f} ms")

    writing = asyncio.create_task(write()) if arguments.writes else None
    await asyncio.gather(*(client(number) for number in range(arguments.clients)))
    stop.set()
    if writing:
        await writing
    return waits


def message(path: str, content: object) -> bytes:
    body = json.dumps(content).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 20"):
        raise SystemExit(f"refused: {head[:100]!r}")
    at = head.lower().index(b"content-length:") + 15
    await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))


if __name__ == "__main__":
    main()

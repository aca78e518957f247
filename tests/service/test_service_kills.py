"""A service that is killed or told to stop: what it acknowledged is there again."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from hammingbird.service.items import Items

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals")


class Server:
    """``hammingbird serve`` as a process."""

    def __init__(self, path, *arguments):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "hammingbird.cli", "serve", str(path), "--bits", "64"]
        command += ["--port", str(self.port), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(1200):
            try:
                self.ask("GET", "/readyz")
            except OSError:  # noqa: PERF203
                assert self.process.poll() is None, "it ended by itself"
                time.sleep(0.05)
            else:
                return
        raise AssertionError("it did not start")

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method, path, content=None, connection=None):
        if connection is None:
            with closing(self.connect()) as connection:
                return self.ask(method, path, content, connection)
        headers = {"content-type": "application/json"}
        body = None if content is None else json.dumps(content)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


def client(server, number, there, gone, stop):
    """Add and remove, and note what was acknowledged, and what was asked for and not."""
    connection = server.connect()
    rng = random.Random(number)
    i = number << 40 | server.port << 20
    try:
        while not stop.is_set():
            i += 1
            code = f"{rng.getrandbits(64):016x}"
            item = {"id": i, "code": code, "payload": {"name": code}}
            there[i] = (code, False)
            status, _ = server.ask("POST", "/items", {"items": [item]}, connection)
            assert status == 201
            there[i] = (code, True)
            if rng.random() < 0.3:
                gone[i] = False
                status, _ = server.ask("DELETE", f"/items?id={i}", connection=connection)
                assert status == 200
                gone[i] = True
    except (OSError, http.client.HTTPException):
        pass  # it was killed
    finally:
        connection.close()


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost(tmp_path, kills):
    path, there, gone = tmp_path / "a.sqlite", {}, {}
    rng = random.Random(0)
    for _ in range(kills):
        server, stop = Server(path), threading.Event()
        asking = [
            threading.Thread(target=client, args=(server, n, there, gone, stop)) for n in range(3)
        ]
        for thread in asking:
            thread.start()
        time.sleep(rng.uniform(0.05, 0.6))
        server.process.kill()
        server.process.wait()
        stop.set()
        for thread in asking:
            thread.join()
        items = Items(path)
        index = items.index()
        found = {
            i: code.tobytes().hex() for i, code in zip(index.ids.tolist(), index.codes, strict=True)
        }
        names = items.payloads(list(found))
        items.close()
        for i, (code, acknowledged) in there.items():
            if acknowledged and i not in gone:
                assert found.get(i) == code, "an acknowledged item is lost"
            if gone.get(i):
                assert i not in found, "an item came back"
            assert found.get(i, code) == code
        assert {i: payload["name"] for i, payload in names.items()} == found, "half an item"
        assert found.keys() <= there.keys()
    assert sum(acknowledged for _, acknowledged in there.values()) > 5 * kills
    assert any(gone.values())


def test_sigterm_answers_what_has_begun(tmp_path):
    server = Server(tmp_path / "a.sqlite")
    connection = server.connect()
    body = b'{"code": "%016x"}\n' % 1
    connection.putrequest("POST", "/items")
    connection.putheader("content-type", "application/x-ndjson")
    connection.putheader("content-length", str(2 * len(body)))
    connection.endheaders(body)
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    connection.send(body)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (201, {"added": 2})
    connection.close()
    assert server.process.wait(20) == 0
    assert not (tmp_path / "a.sqlite-wal").exists(), "the log is written back"
    items = Items(tmp_path / "a.sqlite")
    assert len(items) == 2
    items.close()

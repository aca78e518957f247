"""The routes, by what a client sends and gets."""

from __future__ import annotations

import io
import json
from base64 import b64encode

import numpy as np
import pytest
from starlette.testclient import TestClient

from hammingbird.datasets.bundled import digits as bundled
from hammingbird.service.app import make_app
from hammingbird.service.engine import Engine
from hammingbird.service.guard import Limits
from hammingbird.service.items import Items

NPY = {"content-type": "application/x-npy"}
NDJSON = b"application/x-ndjson"
LINES = {"content-type": "application/x-ndjson"}


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def png(image):
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def problem(response, status, words=""):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert words in response.json()["detail"]
    for leak in ("/home", "/tmp", "site-packages", "0x", "Traceback", ".sqlite"):
        assert leak not in response.text
    return response.json()


def test_a_vector_a_picture_an_array_and_an_item_find_the_same(digits):
    train, query = bundled()
    asked = {
        "vector": digits.post("/search", json={"vectors": [query.X[0].tolist()], "k": 5}),
        "array": digits.post("/search?k=5", content=npy(query.X[:1].astype(float)), headers=NPY),
        "picture": digits.post(
            "/search?k=5", content=png(query.images[0]), headers={"content-type": "image/png"}
        ),
        "base64": digits.post(
            "/search", json={"pictures": [b64encode(png(query.images[0])).decode()], "k": 5}
        ),
    }
    code = digits.engine.encode(query.X[:1])
    asked["codes"] = digits.post("/search", json={"codes": [code.tobytes().hex()], "k": 5})
    asked["packed"] = digits.post("/search?k=5", content=npy(code), headers=NPY)
    ids, distances = digits.engine.index.search(code, 5)
    for name, response in asked.items():
        hits = response.json()["results"][0]["hits"]
        assert [hit["id"] for hit in hits] == ids[0].tolist(), name
        assert [hit["distance"] for hit in hits] == distances[0].tolist(), name
        assert hits[0]["payload"]["label"] == str(train.y[ids[0, 0]])


def test_arrays_come_back_as_arrays(digits):
    X = bundled()[1].X[:3]
    response = digits.post(
        "/encode", content=npy(X), headers={**NPY, "accept": NPY["content-type"]}
    )
    codes = np.load(io.BytesIO(response.content))
    assert np.array_equal(codes, digits.engine.encode(X))
    response = digits.post(
        "/search?k=4&histogram=true",
        content=npy(codes),
        headers={**NPY, "accept": "application/x-npz"},
    )
    found = np.load(io.BytesIO(response.content))
    expected = digits.engine.index.search(codes, 4)
    assert np.array_equal(found["ids"], expected.ids)
    assert np.array_equal(found["distances"], expected.distances)
    assert np.array_equal(found["histograms"], digits.engine.index.histograms(codes))


def test_reranking_orders_by_the_vectors(digits):
    train, query = bundled()
    body = {"vectors": query.X[:1].tolist(), "k": 3, "rerank": True, "candidates": 1497}
    hits = digits.post("/search", json=body).json()["results"][0]["hits"]
    true = ((train.X.astype(float) - query.X[0]) ** 2).sum(axis=1)
    assert [hit["id"] for hit in hits] == np.argsort(true, kind="stable")[:3].tolist()
    assert hits[0]["vector_distance"] == pytest.approx(true.min())


def test_items_come_and_go(empty):
    body = {"items": [{"code": "ff00", "payload": {"name": "<b>x</b>"}}, {"code": "0000", "id": 9}]}
    response = empty.post("/items", json=body)
    assert (response.status_code, response.json()) == (201, {"added": 2, "ids": [10, 9]})
    assert empty.get("/items/10").json()["payload"] == {"name": "<b>x</b>"}
    problem(empty.post("/items", json={"items": [{"code": "0001", "id": 9}]}), 409, "9 is taken")
    replaced = {"items": [{"code": "0001", "id": 9}], "replace": True}
    assert empty.post("/items", json=replaced).status_code == 201
    assert empty.get("/items/9").json()["code"] == "0001"
    assert empty.delete("/items?id=9&id=9").json() == {"removed": 1}
    problem(empty.get("/items/9"), 404)
    problem(empty.delete("/items?id=9"), 404)
    assert empty.post("/items", content=npy(np.eye(2, dtype=np.uint8)), headers=NPY).json() == {
        "added": 2,
        "ids": [11, 12],
    }
    assert empty.get("/readyz").json()["items"] == 3


def test_lines_are_stored_as_they_come(empty):
    lines = b"".join(b'{"code": "%04x", "payload": {"n": %d}}\n' % (i, i) for i in range(3000))
    assert empty.post("/items", content=lines, headers=LINES).json() == {"added": 3000}
    assert empty.get("/items/2999").json() == {"id": 2999, "code": "0bb7", "payload": {"n": 2999}}
    broken = lines[: lines.index(b'{"code": "0800"')] + b"{nonsense\n"
    told = problem(empty.post("/items", content=broken, headers=LINES), 422, "Invalid JSON")
    assert told["added"] == 2048 == empty.get("/readyz").json()["items"] - 3000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"codes": ["ff"]}, "4"),
        ({"codes": ["zz00"]}, "pattern"),
        ({"codes": ["ff00"], "k": 10**12}, "10000"),
        ({"codes": ["ff00"], "k": 0}, "greater"),
        ({"codes": ["ff00"], "k": "3"}, "integer"),
        ({"codes": ["ff00"], "unknown": 1}, "Extra"),
        ({"codes": ["ff00"], "ids": [0]}, "give one of"),
        ({"codes": ["ff00"] * 1024, "k": 10000}, "hits"),
        ({"codes": ["ff00"], "asymmetric": True}, "asymmetric"),
        ({"vectors": [[1.0]]}, "no model"),
        ({"ids": [-1]}, "greater"),
        ({"ids": [2**64]}, "less than"),
        ({}, "none"),
        ([], "object"),
    ],
)
def test_what_cannot_be_used_is_said(empty, body, words):
    problem(empty.post("/search", json=body), 422, words)


def bomb():
    """A PNG that claims 60,000 x 60,000 pixels."""
    import struct
    import zlib

    def chunk(kind, content):
        tail = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + tail

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 99))


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"[" * 500_000, "application/json", 422),
        (b'{"codes": [NaN]}', "application/json", 422),
        (b'{"vectors": [[1e999]]}', "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"\x93NUMPY", "application/x-npy", 422),
        (npy(np.zeros((2, 3, 4))), "application/x-npy", 422),
        (npy(np.zeros((2, 64)) * np.nan), "application/x-npy", 422),
        (npy(np.zeros((2, 64), complex)), "application/x-npy", 422),
        (npy(np.zeros((10**5, 8)))[:200], "application/x-npy", 422),
        (b"GIF89a", "image/gif", 422),
        (bomb(), "image/png", 422),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "image/eps", 422),
        (b" " * (5 << 20), "application/json", 413),
    ],
)
def test_hostile_bodies_are_refused(digits, content, media, status):
    response = digits.post("/search", content=content, headers={"content-type": media})
    problem(response, status)


def test_payloads_have_bounds(empty):
    deep = '{"code":"ffff","payload":{"a":' + "[" * 150 + "]" * 150 + "}}\n"
    assert empty.post("/items", content=deep, headers=LINES).status_code == 201
    assert empty.get("/items/0").status_code == 200
    for text in (
        '{"code":"ffff","payload":{"a":' + "[" * 5000 + "]" * 5000 + "}}",
        '{"code":"ffff","payload":{"a":NaN}}',
        '{"code":"ffff","payload":"text"}',
        '{"code":"ffff","payload":{"half a character":"\\ud800"}}',
        json.dumps({"code": "ffff", "payload": {"a": "x" * 70_000}}),
    ):
        problem(empty.post("/items", content=text, headers=LINES), 422)


def test_paths_and_methods(empty):
    problem(empty.get("/items/../../etc/passwd"), 404)
    problem(empty.get("/items/<script>"), 422)
    problem(empty.get("/items/99999999999999999999999"), 422)
    problem(empty.put("/search"), 405)
    problem(empty.delete("/items"), 422)


@pytest.fixture
def guarded(tmp_path):
    engine = Engine(Items(tmp_path / "a.sqlite", 16))
    with TestClient(make_app(engine, Limits("reads", "writes"))) as client:
        yield client


def test_tokens(guarded):
    def headers(token):
        return {"authorization": f"Bearer {token}"}

    item = {"items": [{"code": "ff00"}]}
    asked = {"codes": ["ff00"]}
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert guarded.get(path).status_code == 200
    for token in ("", "wrong", "réads"):
        sent = {"authorization": f"Bearer {token}".encode()}
        problem(guarded.post("/search", json=asked, headers=sent), 401)
        problem(guarded.get("/metrics", headers=sent), 401)
    problem(guarded.get("/items/0"), 401)
    assert guarded.post("/search", json=asked, headers=headers("reads")).status_code == 200
    problem(guarded.post("/items", json=item, headers=headers("reads")), 403)
    problem(guarded.delete("/items?id=0", headers=headers("reads")), 403)
    assert guarded.post("/items", json=item, headers=headers("writes")).status_code == 201
    assert guarded.get("/items/0", headers=headers("writes")).status_code == 200


def test_another_sites_name_is_refused_without_tokens(empty):
    problem(empty.post("/search", json={"codes": ["ff00"]}, headers={"host": "evil.example"}), 421)


def test_time_limits(tmp_path, monkeypatch):
    import time

    engine = Engine(Items(tmp_path / "a.sqlite", 16))
    monkeypatch.setattr(engine, "codes_of", lambda ids: time.sleep(0.4))
    monkeypatch.setattr(engine, "search", lambda questions: time.sleep(0.4))
    with TestClient(make_app(engine, Limits(seconds=0.1))) as client:
        response = client.post("/search", json={"codes": ["ff00"]})
        problem(response, 503, "too long")
        assert response.headers["retry-after"] == "1"


def test_faults_tell_nothing(empty, monkeypatch):
    def broken(questions):
        raise RuntimeError("secret /home/me/x.sqlite")

    monkeypatch.setattr(empty.engine, "search", broken)
    problem(empty.post("/search", json={"codes": ["ff00"]}), 500, "fault of the service")


def test_a_full_disk_is_no_fault(empty, monkeypatch):
    import sqlite3

    def full(new):
        raise sqlite3.OperationalError("database or disk is full: /home/me")

    monkeypatch.setattr(empty.engine.items, "write", full)
    problem(empty.post("/items", json={"items": [{"code": "ff00"}]}), 503, "disk")
    assert len(empty.engine.index) == 0


def test_a_client_that_leaves_is_no_fault(tmp_path, caplog):
    import asyncio

    engine = Engine(Items(tmp_path / "a.sqlite", 16))
    app, sent = make_app(engine), []
    parts = [
        {"type": "http.request", "body": b'{"code": "ffff"}\n' * 3, "more_body": True},
        {"type": "http.disconnect"},
    ]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/items", "raw_path": b"/items", "query_string": b"",
        "root_path": "", "headers": [(b"host", b"localhost"), (b"content-type", NDJSON)],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert len(engine.index) == 0, "its lines were no whole block"
    engine.close()


def test_measurements(empty):
    empty.post("/search", json={"codes": ["ff00"]})
    empty.post("/search", json={})
    text = empty.get("/metrics").text
    assert 'hammingbird_requests_total{route="/search",status="200"} 1.0' in text
    assert 'hammingbird_requests_total{route="/search",status="422"} 1.0' in text
    assert "hammingbird_batch_count 1.0" in text


def test_texts_go_through_the_users_encoder(digits):
    problem(digits.post("/search", json={"texts": ["two"]}), 422, "--texts")
    train, _ = bundled()
    encoder = lambda texts: np.array([train.X[len(text)] for text in texts])  # noqa: E731
    app = make_app(digits.engine, encoder=encoder)
    found = TestClient(app).post("/search", json={"texts": ["12345"], "k": 1}).json()
    assert found["results"][0]["hits"][0]["distance"] == 0

"""Documents for servers that do not run here: golden files, round trips, their own libraries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.stores import export
from hammingbird.stores.documents import FORMATS, document_format, read_documents

GOLDEN = Path(__file__).parent / "golden"
# Row 0 has bits 0, 2 and 11 set, row 1 none but the first of byte 1, row 2 all.
KNOWN = {
    12: np.array([[0xA0, 0x10], [0x00, 0x80], [0xFF, 0xF0]], np.uint8),
    16: np.array([[0xA0, 0x10], [0x00, 0x81], [0xFF, 0xFF]], np.uint8),
}
STAMP = {"class": "ITQ", "fingerprint": "0123456789abcdef"}


@pytest.mark.parametrize("n_bits", KNOWN)
@pytest.mark.parametrize("name", FORMATS)
def test_every_byte_is_that_of_the_golden_files(name, n_bits, tmp_path, monkeypatch):
    monkeypatch.setattr("hammingbird.storage.manifests.package_version", lambda: "0")
    export(KNOWN[n_bits], f"{name}:{tmp_path / 'made'}", n_bits, made_by=STAMP)
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    golden = {path.name: path.read_bytes() for path in (GOLDEN / f"{name}-{n_bits}").iterdir()}
    assert made == golden


@pytest.mark.parametrize("n_bits", [12, 64, 1000])
@pytest.mark.parametrize("name", FORMATS)
def test_round_trip(name, n_bits, tmp_path, codes):
    database = codes(1200, n_bits)
    ids = np.arange(1200)
    if name != "sentence-transformers":
        ids = np.random.default_rng(0).choice(2**62, 1200, replace=False)
    export(database, f"{name}:{tmp_path / 'made'}", n_bits, ids=ids)
    found = read_documents(name, tmp_path / "made", n_bits)
    np.testing.assert_array_equal(found[0], ids)
    np.testing.assert_array_equal(found[1], database)


@pytest.mark.parametrize("name", FORMATS)
def test_no_codes_a_folder_in_the_way_and_foreign_files(name, tmp_path):
    target = f"{name}:{tmp_path / 'made'}"
    export(np.empty((0, 2), np.uint8), target, 16)
    assert len(read_documents(name, tmp_path / "made", 16)[0]) == 0
    with pytest.raises(hb.FileError, match="exists already"):
        export(KNOWN[16], target, 16)
    (tmp_path / "made" / document_format(name).file).write_bytes(b'{"points": [{"id": "x"}]}\n{}\n')
    with pytest.raises(hb.InputError, match="no documents"):
        read_documents(name, tmp_path / "made", 16)


def test_signed_and_minus_128_are_two_things():
    """Golden numbers: 0xA0 is -96 as a signed byte, and 32 with 128 taken off."""
    opensearch = document_format("opensearch")
    assert opensearch.values(KNOWN[16])[0] == [-96, 16]
    whole = b"".join(document_format("sentence-transformers").lines(KNOWN[16], np.arange(3), 16))
    values = np.frombuffer(whole, np.int8)[-6:].reshape(3, 2)
    np.testing.assert_array_equal(values, [[32, -112], [-128, 1], [127, 127]])
    np.testing.assert_array_equal(values.astype(int) + 128, KNOWN[16])


def test_elasticsearch_takes_hex_of_whole_bytes():
    elasticsearch = document_format("elasticsearch")
    assert elasticsearch.values(KNOWN[12]) == ["a010", "0080", "fff0"]
    mapping = json.loads(elasticsearch.place(12, {})["index.json"])
    assert mapping["mappings"]["properties"]["code"]["dims"] == 16


def test_mongodb_s_own_library_reads_the_bits(tmp_path, codes):
    json_util = pytest.importorskip("bson.json_util", reason="pip install pymongo")
    from bson.binary import BinaryVectorDtype

    database = codes(20, 64)
    export(database, f"mongodb:{tmp_path / 'made'}", 64)
    for row, text in enumerate((tmp_path / "made/documents.jsonl").read_text().splitlines()):
        document = json_util.loads(text)
        vector = document["code"].as_vector()
        assert document["_id"] == row
        assert (vector.dtype, vector.padding) == (BinaryVectorDtype.PACKED_BIT, 0)
        np.testing.assert_array_equal(np.array(vector.data, np.uint8), database[row])


def test_qdrant_s_own_library_answers_with_our_distances(tmp_path, codes):
    """Its local mode holds the points of the documents and runs the query of the folder."""
    qdrant = pytest.importorskip("qdrant_client", reason="pip install qdrant-client")
    database = codes(700, 12)
    export(database, f"qdrant:{tmp_path / 'made'}", 12)
    place = json.loads((tmp_path / "made/collection.json").read_text())
    query = json.loads((tmp_path / "made/query.json").read_text())
    client = qdrant.QdrantClient(":memory:")
    vectors = qdrant.models.VectorParams(**place["vectors"])
    client.create_collection("codes", vectors_config=vectors)
    for text in (tmp_path / "made/points.ndjson").read_text().splitlines():
        points = [qdrant.models.PointStruct(**point) for point in json.loads(text)["points"]]
        client.upsert("codes", points)
    hits = client.query_points("codes", query=query["query"], limit=query["limit"]).points
    ours = hb.hamming(database[:1], database)[0]
    assert [(12 - hit.score) / 2 for hit in hits] == sorted(ours)[:10]
    assert all((12 - hit.score) / 2 == ours[hit.id] for hit in hits)

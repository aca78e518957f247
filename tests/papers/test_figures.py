"""The papers' figures on small made data: what they say is true of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import hammingbird as hb
from hammingbird import papers as room
from hammingbird.codes import pack
from hammingbird.datasets import Dataset
from hammingbird.papers import pages, retrieved
from hammingbird.papers.tables import Row, Table

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.deep
CLASSES, WIDTH = 12, 16


def made(n, seed):
    """Classes far apart in the first dimensions."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % CLASSES
    centers = 1.2 * np.random.default_rng(9).standard_normal((CLASSES, WIDTH))
    return Dataset("made", (centers[y] + rng.standard_normal((n, WIDTH))).astype(np.float32), y)


@pytest.fixture
def small(monkeypatch):
    """Stand-ins for all data of the deep figures."""
    from hammingbird.papers import histograms, information, maps, posterior, separation, zero_shot

    parts = made(240, 0), made(60, 1), made(240, 0)
    for module, name in (
        (histograms, "imagenet100_features"),
        (histograms, "cifar_2_features"),
        (information, "cifar_1_features"),
        (maps, "imagenet100_features"),
        (posterior, "cifar_2_features"),
        (separation, "cifar_1_features"),
        (zero_shot, "imagenet100_features"),
        (retrieved, "tiny_imagenet100"),
    ):
        monkeypatch.setattr(module, name, lambda: parts)
    monkeypatch.setattr(information, "QUERIES", 20)
    monkeypatch.setattr(separation, "METHODS", ("itq", "mihash", "dch", "csq"))
    monkeypatch.setattr(separation, "BITS", 12)
    monkeypatch.setattr(zero_shot, "BITS", (8, 16))
    monkeypatch.setattr(zero_shot, "LEFT_OUT", 2)
    monkeypatch.setattr(zero_shot, "UNSEEN", 3)
    monkeypatch.setattr(zero_shot, "METHODS", ("itq",))
    return parts


def test_maps_say_how_far_apart_the_codes_of_classes_are(small, tmp_path):
    found = room.reproduce("mihash-fig4", tmp_path)
    assert len(found["classes"]) == 10
    assert all(0.2 < record["silhouette"] <= 1 for record in found["records"])
    assert (tmp_path / "mihash-fig4.svg").stat().st_size > 1000
    assert found["seconds"] >= 0


def test_steeper_stages_leave_codes_nearer_to_binary(small, tmp_path):
    records = room.reproduce("hashnet-fig8", tmp_path)["records"]
    error = {record["method"]: record["quantization error"] for record in records}
    assert error["hashnet"] < error["hashnet-sgn"] < error["dhn"] + 1
    assert all(0 <= record["above .99"] <= 1 for record in records)


def test_learning_pulls_the_distances_of_pairs_apart(small, tmp_path, monkeypatch):
    from hammingbird.papers import histograms

    parts = made(6000, 0), made(60, 1), made(240, 0)
    monkeypatch.setattr(histograms, "cifar_2_features", lambda: parts)
    monkeypatch.setattr(histograms, "ONLINE_ROWS", 5000)
    before, after = room.reproduce("mihash-fig3", tmp_path)["records"]
    assert after["map"] > before["map"]
    assert after["shared area"] < before["shared area"]
    assert sum(after["same class"]) == pytest.approx(1)


def test_information_goes_with_precision(small, tmp_path):
    found = room.reproduce("mihash-fig2", tmp_path)
    assert found["pearson"]["over epochs"] > 0.8
    assert [record["epoch"] for record in found["epochs"]] == list(range(1, 41))
    assert len(found["functions"]) == 50


def test_joint_shares_of_two_bits(small, tmp_path):
    records = room.reproduce("lower-bound-fig5", tmp_path)["records"]
    assert [record["pattern"] for record in records] == ["++", "+-", "-+", "--"]
    for name in ("joint", "product of the bits' shares"):
        assert sum(record[name] for record in records) == pytest.approx(1)
    joint = [record["joint"] for record in records]
    product = (joint[0] + joint[1]) * (joint[0] + joint[2])
    assert records[0]["product of the bits' shares"] == pytest.approx(product)


def test_blocks_are_nearer_to_the_codes_than_single_bits(small, tmp_path):
    for record in room.reproduce("lower-bound-fig10", tmp_path)["records"]:
        assert 0 <= record["blocks"] < record["independent bits"]


def test_patterns_of_both_views_are_numbered_alike():
    """Where bits do not depend on each other, their product is what is found."""
    from hammingbird.papers import posterior

    rng = np.random.default_rng(0)
    signs = rng.standard_normal((40_000, 16)) + np.array([3, -3] * 4 + [0, 3, 3, 3, 3, 3, 3, -3])
    codes = pack(signs)
    found = posterior._shares(codes)
    product = posterior._joint(posterior._independent_blocks(codes))
    assert found.sum() == pytest.approx(1)
    assert product.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, product, atol=0.01)
    assert found.max() > 0.2


def test_ratio_and_precision_over_methods_and_epochs(small, tmp_path):
    found = room.reproduce("lower-bound-ratio", tmp_path)
    assert [record["method"] for record in found["methods"]] == ["itq", "mihash", "dch", "csq"]
    assert all(0 < record["map"] <= 1 for record in found["methods"])
    assert -1 <= found["rank correlation"]["over methods"]["ratio"] <= 1
    assert len(found["epochs"]["csq"]) > 1


def test_unseen_classes_are_not_learned_from(small, tmp_path, monkeypatch):
    from hammingbird.papers import zero_shot

    seen = []
    compare = zero_shot.compare

    def watched(train, query, database, **options):
        seen.append([set(np.unique(part.y)) for part in (train, query, database)])
        return compare(train, query, database, **options)

    monkeypatch.setattr(zero_shot, "compare", watched)
    records = room.reproduce("hashnet-table2", tmp_path, seeds=(0,))["records"]
    for train, query, database in seen:
        assert not train & query
        assert query <= database
    assert [len(query) for _, query, _ in seen] == [1, 1, 3]
    assert len(seen[0][2]) == CLASSES
    assert seen[-1][1] == seen[-1][2]
    assert {record["reading"] for record in records} == {"one class", "a quarter"}


def test_pictures_found_are_never_the_query(small, tmp_path, monkeypatch):
    """Every query has a copy in code; its own row is left out all the same."""
    pictures = np.repeat(np.arange(60, dtype=np.uint8), 8 * 8 * 3).reshape(60, 8, 8, 3)
    monkeypatch.setattr(retrieved, "imagenet100_pictures", lambda: pictures)
    shown = []
    monkeypatch.setattr(
        retrieved,
        "framed",
        lambda query, results, correct: shown.append((query, results)) or np.zeros((4, 4, 3)),
    )
    monkeypatch.setattr(retrieved, "save_picture", lambda path, image: path.touch())
    found = room.reproduce("hashnet-fig5", tmp_path)
    assert len(shown) == 2 * len(found["queries"])
    for query, results in shown:
        assert len(results) == 10
        assert query[0, 0, 0] not in results[:, 0, 0, 0]


def test_curves_of_a_table(tmp_path):
    from hammingbird.papers.curves import Curves

    parts = made(240, 0), made(60, 1), made(240, 2)
    rows = (Row("itq", None), Row("lsh", None))
    table = Table("small", lambda: parts, "nothing", "map", (4, 8), rows)
    found = Curves("small-curves", table, 8)(tmp_path, seeds=(0,))
    assert [bits for bits, _ in found["precision@h2"]["itq"]] == [4, 8]
    recall = [point[0] for point in found["precision_recall"]["itq"]]
    assert recall == sorted(recall)
    assert recall[-1] == pytest.approx(1)
    assert (tmp_path / "small-curves.svg").exists()


def test_the_losses_of_every_method_are_followed(tmp_path, monkeypatch):
    from hammingbird.papers import losses

    parts = made(240, 0), made(60, 1), made(240, 0)
    shown = []
    for table, methods in losses.SHOWN:
        rows = tuple(row for row in table.rows if row.method in methods)
        rows = tuple(replace(row, claimed=None) for row in rows)
        shown.append((replace(table, data=lambda: parts, bits=(8,), rows=rows), methods))
    monkeypatch.setattr(losses, "SHOWN", tuple(shown))
    monkeypatch.setattr(losses, "IMAGENET100", shown[1][0])
    monkeypatch.setattr(losses, "BITS", 8)
    records = room.reproduce("hashnet-fig7", tmp_path, seeds=(0,))["records"]
    names = ["hashnet", "hashnet-sgn", "dhn", "hashnet steepest=1024.0"]
    assert [record["method"] for record in records] == names
    gap = {record["method"]: abs(record["J"] - record["L"]) for record in records}
    assert gap["hashnet steepest=1024.0"] < gap["hashnet-sgn"]
    assert all(len(points) > 1 for record in records for points in record["series"].values())
    assert (tmp_path / "hashnet-fig7.svg").exists()


def test_lowest_precision_agrees_with_enumeration(tmp_path):
    found = room.reproduce("lower-bound-lowest-ap", tmp_path)
    assert found["cases"] == 120
    assert found["largest difference of the closed form"] < 1e-12
    assert found["cases where the printed formula is wrong, divided by the relevant items"] > 100


def test_pages_are_filled_from_stored_results(tmp_path):
    (tmp_path / "results").mkdir()
    records = [
        {"row": "itq", "bits": 8, "claimed": 0.5, "found": 0.25, "std": 0.01, "seeds": 3}
        | {"worst": 0.125, "best": 0.5},
        {"row": "own", "bits": 8, "claimed": None, "found": 0.5, "std": None, "seeds": 1},
    ]
    made = {"hammingbird": "9.1", "seconds": 20.0}
    table = {"records": records, "kendall tau": {"8": 1.0}, "seconds of fits": 200.0}
    ours = {"records": records[1:], "kendall tau": {"8": 0.0}}
    beside = table | {"table": [{"method": "csq", "frozen": 0.25}]}
    plain = {"records": [{"method": "itq", "error": 0.125, "sum": 12345.6, "series": [1, 2]}]}
    (tmp_path / "results" / "a.json").write_text(
        json.dumps({"part one": table, "ours": ours} | made)
    )
    (tmp_path / "results" / "beside.json").write_text(json.dumps(beside | made))
    (tmp_path / "results" / "b-c.json").write_text(json.dumps(plain | made))
    curves = {"precision@h2": {"itq": [[16, 0.25], [64, 0.0]]}}
    (tmp_path / "results" / "c.json").write_text(json.dumps(curves | {"hammingbird": "9.1"}))
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n<!-- results/a.json#part one -->\nold\n<!-- end -->\ntext\n"
        "<!-- results/a.json#ours -->\n<!-- end -->\n"
        "<!-- results/b-c.json -->\n<!-- end -->\n"
        "<!-- results/beside.json#table -->\n<!-- end -->\n"
        "<!-- results/c.json#precision@h2 -->\n<!-- end -->\n"
    )
    assert pages.write_pages(tmp_path) == [page]
    text = page.read_text()
    assert "| itq | .500 | .250 ± .010 [.125, .500] |" in text
    assert text.count("(Hammingbird 9.1, 3 seeds, 3 minutes of fits and encoding.)") == 2
    assert "| csq | 0.250 |" in text
    assert "(Hammingbird 9.1, one seed, 20 seconds in all.)" in text
    assert "(Hammingbird 9.1.)" in text
    assert "| own |  | .500 |" in text
    assert "| own | .500 |" in text  # no column of claims where there are none
    assert "| itq | 0.125 | 12,346 |" in text
    assert "|  | 16 bits | 64 bits |" in text
    assert "| itq | 0.250 | 0.000 |" in text
    assert "old" not in text
    assert "series" not in text
    assert pages.write_pages(tmp_path) == []
    assert "--quick" not in text
    short = {"part one": table, "ours": ours, "quick": "one seed"} | made
    (tmp_path / "results" / "a.json").write_text(json.dumps(short))
    assert pages.write_pages(tmp_path) == [page]
    assert "one seed, 20 seconds in all, [`--quick`](reproduce.md).)" in page.read_text()
    page.write_text("<!-- results/none.json -->\n<!-- end -->\n")
    with pytest.raises(hb.FileError, match="hammingbird reproduce none"):
        pages.write_pages(tmp_path)


def test_pages_of_the_documentation_hold_the_stored_results(request):
    docs = request.config.rootpath / "docs"
    for page in docs.glob("*.md"):
        text = page.read_text("utf-8")
        assert pages.fill(text, docs / "results") == text, f"{page.name}: run make papers"

import builtins
import copy
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from hammingbird.comparison.examples import ExampleRow, Examples
from hammingbird.errors import HammingbirdError, InputError, MissingExtraError
from hammingbird.report.content import Content
from hammingbird.report.overview import save_overview
from hammingbird.report.page import write_page
from hammingbird.report.pictures import PAGE_BYTES
from hammingbird.report.words import tie_warnings

NASTY = """<script>alert("$x_1$ & 'y'")</script>"""
VOID = {"meta", "img", "br", "link", "hr", "input"}


def make_record(method, bits, seed=0, role="method", **metrics):
    return {
        "method": method,
        "bits": bits,
        "seed": seed,
        "role": role,
        "metrics": metrics,
        "asymmetric": {},
        "seconds": {"fit": 0.5, "encode": 0.1},
        "bytes_per_item": 64 if bits is None else -(-bits // 8),
    }


def make_curves(record, rng):
    bits = record["bits"]
    recall = np.linspace(0.05, 1, 24)
    ranks = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    curves = {
        "precision_recall": {"recall": [*recall], "precision": [*(1 - recall * rng.random())]},
        "precision_at": {"n": ranks, "value": [*np.sort(rng.random(10))[::-1]]},
        "recall_at": {"n": ranks, "value": [*np.sort(rng.random(10))]},
    }
    if bits is not None:
        curves["histogram"] = {
            name: [*rng.dirichlet(np.ones(bits + 1))] for name in ("relevant", "other")
        }
        curves["bit_balance"] = [*rng.random(bits)]
    return {**{name: record[name] for name in ("method", "bits", "seed")}, "curves": curves}


def make_run(methods=("itq", "pca"), lengths=(16,), seeds=2, width=64):
    rng = np.random.default_rng(0)
    records = [make_record("float", None, role="ceiling", map=0.9, **{"recall10@100": 1.0})]
    records.append(make_record("sign", width, role="floor", map=0.3))
    for role, names in (("floor", ("lsh",)), ("method", methods)):
        for name in names:
            for bits in lengths:
                for seed in range(seeds):
                    score = float(rng.uniform(0.2, 0.8))
                    found = {
                        "map": score,
                        "map_worst": score - 0.1,
                        "map_best": score + 0.1,
                        "map@1000": score,
                        "recall10@100": score,
                        "precision@100": score,
                        "precision@h2": score,
                        "nonempty@h2": 0.5,
                    }
                    record = make_record(name, bits, seed, role, **found)
                    record["asymmetric"] = {"map": score, "recall10@100": score}
                    records.append(record)
    results = {
        "schema": 1,
        "data": {"name": "made", "train": {"rows": 1000, "width": width, "name": "train.npy"}},
        "protocol": {"relevance": "neighbors:10", "train_in_database": True, "note": None},
        "records": records,
    }
    return results, [make_curves(record, rng) for record in records]


def make_examples(n_queries=2, side=8, channels=(), label="seven"):
    rng = np.random.default_rng(0)
    shape = (side, side, *channels)
    rows = [
        ExampleRow(
            f"{method}, 16 bits",
            rng.integers(0, 256, (n_queries, 10, *shape), np.uint8),
            rng.random((n_queries, 10)) < 0.5,
            0.5,
        )
        for method in ("itq", NASTY)
    ]
    queries = rng.integers(0, 256, (n_queries, *shape), np.uint8)
    return Examples(queries, None if label is None else [label] * n_queries, rows)


class Page(HTMLParser):
    """Asserts that tags are balanced; collects tags, ids, references and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.addresses, self.words = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in {"href", "src", "xlink:href", "action", "data"}:
                self.addresses.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The report of everything, once."""
    return write_page(tmp_path_factory.mktemp("report") / "new", *make_run(), make_examples())


def read(path):
    text = path.read_text("utf-8")
    return text, Page(text)


def test_a_full_report_is_one_valid_page_without_a_network(full):
    text, page = read(full)
    assert page.tags.count("figure") == 9
    assert page.tags.count("table") == 1
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)
    assert "#01010" not in text, "a stand-in colour was left"
    assert [path.name for path in full.parent.iterdir()] == ["report.html"]


def test_ids_are_unique_and_every_reference_has_one(full):
    text, page = read(full)
    assert len(page.ids) == len(set(page.ids))
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    assert used
    assert used <= set(page.ids)


def test_the_same_input_gives_the_same_bytes(tmp_path, full):
    again = write_page(tmp_path, *make_run(), make_examples())
    assert again.read_bytes() == full.read_bytes()


def test_a_large_comparison_stays_small(tmp_path):
    methods = [f"method-{i}" for i in range(10)]
    results, curves = make_run(methods, (16, 32, 64, 128, 256), 3, width=4096)
    path = write_page(tmp_path, results, curves, make_examples(6, 64, (3,)))
    assert path.stat().st_size < 3_000_000


def test_names_are_words_and_never_code(tmp_path):
    results, curves = make_run(methods=(NASTY, "$a_b$", "数字"))
    results["data"][NASTY] = results["data"]["name"] = NASTY
    results["protocol"]["relevance"] = NASTY
    results["skipped"] = [{"method": NASTY, "bits": 8, "why": NASTY}]
    text, page = read(write_page(tmp_path, results, curves, make_examples(label=NASTY)))
    assert page.tags.count("script") == 1
    assert "<script>alert" not in text
    assert NASTY in page.words
    assert "$a_b$" in page.words


@pytest.mark.parametrize("missing", ["map", "map_best", "recall10@100", "nonempty@h2", "all"])
def test_what_was_not_measured_is_left_out(tmp_path, missing):
    results, curves = make_run()
    for record in results["records"]:
        record["metrics"].pop(missing, None)
        if missing == "all":
            record.update(metrics={}, asymmetric={}, seconds={}, bytes_per_item=None)
    for entry in curves[::2]:
        entry["curves"] = {}
    read(write_page(tmp_path, results, curves))


@pytest.mark.parametrize(
    "record",
    [
        make_record("itq", 12, map=0.5),
        make_record("lsh", 12, role="floor", map=0.0),
        make_record("float", None, role="ceiling", map=1.0),
        make_record("itq", 12, **{"recall1@50": None, "map": float("nan")}),
    ],
)
def test_one_record_is_enough(tmp_path, record):
    results = {"schema": 1, "records": [record]}
    _, page = read(write_page(tmp_path, results, []))
    assert record["method"] in page.words
    save_overview(tmp_path / "overview.png", results, [])


def test_no_record_at_all(tmp_path):
    _, page = read(write_page(tmp_path, {"schema": 1, "records": []}, []))
    assert "No method was measured." in page.words


def test_seeds_are_averaged():
    records = [make_record("itq", 16, seed, map=score) for seed, score in enumerate((0.2, 0.4))]
    curves = [
        {"method": "itq", "bits": 16, "seed": i, "curves": {"recall_at": {"n": [1, 9], "value": v}}}
        for i, v in enumerate(([0.0, 0.5], [0.5, 1.0]))
    ]
    comparison = Content({"records": records}, curves)
    (row,) = comparison.rows
    assert row.metrics["map"] == pytest.approx((0.3, np.std([0.2, 0.4], ddof=1)))
    n, value = comparison.curve(row, "recall_at", "n", "value")
    np.testing.assert_allclose(n, [1, 9])
    np.testing.assert_allclose(value, [0.25, 0.75])


def test_one_seed_has_no_deviation():
    (row,) = Content({"records": [make_record("itq", 16, map=0.2)]}, []).rows
    assert row.metrics["map"] == (0.2, None)


def test_wide_ties_are_warned_of_once_per_length(tmp_path):
    records = [
        make_record("itq", 8, map=0.5, map_worst=0.45, map_best=0.55),
        make_record("pca", 8, map=0.5, map_worst=0.3, map_best=0.6),
        make_record("itq", 64, map=0.5, map_worst=0.49, map_best=0.51),
        make_record("lsh", 8, role="floor", map=0.5, map_worst=0.1, map_best=0.9),
    ]
    (warning,) = tie_warnings(Content({"records": records}, []).rows)
    assert warning.startswith("At 8 bits the order of ties alone can move MAP by 0.30 (pca")
    assert warning in read(write_page(tmp_path, {"records": records}, []))[1].words


def test_the_references_are_no_code_length():
    comparison = Content(*make_run(width=784))
    assert comparison.lengths == [16]
    assert [row.method for row in comparison.references] == ["float", "sign"]


def test_images_that_would_be_too_much_are_left_out_and_counted(tmp_path):
    examples = make_examples(40, 64, (3,), label=None)
    _, page = read(write_page(tmp_path, *make_run(), examples))
    strips = [address for address in page.addresses if address.startswith("data:")]
    assert 0 < len(strips) < 40 * 3
    assert sum(map(len, strips)) <= PAGE_BYTES
    assert any("more would make this page too large" in words for words in page.words)


def test_examples_of_another_number_of_queries_are_refused(tmp_path):
    examples = make_examples(3)
    with pytest.raises(InputError, match="one row per query"):
        write_page(tmp_path, *make_run(), Examples(examples.queries[:2], None, examples.rows))
    assert not (tmp_path / "report.html").exists()


def test_input_is_left_alone(tmp_path):
    run = make_run()
    before = copy.deepcopy(run)
    write_page(tmp_path, *run)
    assert run == before


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_overview_is_one_picture(tmp_path, ending):
    path = save_overview(tmp_path / f"overview.{ending}", *make_run())
    start = path.read_bytes()[:8]
    assert start.startswith(b"\x89PNG" if ending == "png" else b"<?xml")


@pytest.mark.parametrize("library", ["matplotlib", "jinja2", "PIL"])
def test_a_missing_library_is_named(tmp_path, monkeypatch, library):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == library:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"hammingbird\[report\]"):
        write_page(tmp_path, *make_run(seeds=1), make_examples())
    assert issubclass(MissingExtraError, HammingbirdError)
    assert list(tmp_path.iterdir()) == []


def test_training_is_drawn_per_term(tmp_path):
    results, curves = make_run(lengths=(16, 32))
    for entry in curves:
        if entry["method"] == "itq":
            entry["curves"]["training"] = [
                {
                    "epoch": i + 1,
                    "Pairs": 2.0 / (i + 1),
                    "loss": 3.0 / (i + 1),
                    "J": 1.0,
                    "L": 2.0,
                    "stage": i // 2,
                    "J_start": 1.5,
                    "L_start": 2.5,
                }
                for i in range(4)
            ]
    text = write_page(tmp_path, results, curves).read_text()
    assert text.count("over 4 epochs") == 3
    assert "loss before and after the sign" in text
    Page(text)
    plain = write_page(tmp_path, *make_run()).read_text()
    assert 'id="training"' not in plain


def test_the_distance_of_class_centres_is_printed(tmp_path):
    results, curves = make_run()
    for record in results["records"]:
        if record["method"] == "itq":
            record["center_distance"] = 6
    text = write_page(tmp_path, results, curves).read_text()
    assert text.count("centres 6 apart") == 1

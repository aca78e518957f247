"""The first screen: what to take, in one sentence, and quality over bytes a row."""

import html
import json
import re
import shutil
import subprocess

import pytest

from hammingbird.report.answer import answer, chart
from hammingbird.report.content import Content
from hammingbird.report.page import write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


def make_record(method, bits, score, role="method", asymmetric=None, metric="recall10@10"):
    return {
        "method": method,
        "bits": bits,
        "seed": 0,
        "role": role,
        "metrics": {metric: score},
        "asymmetric": {} if asymmetric is None else {metric: asymmetric},
        "seconds": {"fit": 0.5, "encode": 0.1},
        "bytes_per_item": 1536 if bits is None else -(-bits // 8),
    }


def make_results(*more, relevance="neighbors:10", metric="recall10@10"):
    floors = [
        make_record("float", None, 1.0, "ceiling", metric=metric),
        make_record("lsh", 64, 0.5, "floor", 0.97, metric),
        make_record("sign", 384, 0.996, "floor", metric=metric),
    ]
    return {"protocol": {"relevance": relevance}, "records": [*more, *floors]}


def answered(*records, **how):
    return answer(Content(make_results(*records, **how), []))


def test_the_shortest_code_near_the_float_vectors_is_named_with_what_stands_beside_it():
    assert answered(
        make_record("itq", 32, 0.90),
        make_record("itq", 64, 0.94),
        make_record("sgh", 64, 0.96, asymmetric=0.98),
        make_record("sgh", 128, 0.99),
        make_record("pq", 64, 0.97, "rival"),
        make_record("opq", 64, 0.98, "rival"),
    ) == (
        "sgh, 64 bits, is the shortest code near the float vectors: it keeps 96.0% of the 10 "
        "nearest in its first 10 results (98.0% with real-valued queries) in 8 bytes a row instead "
        "of 1,536; at that size the best rival, opq, keeps 98.0% and untrained lsh keeps 50.0%, "
        "the sign of every dimension (48 bytes) 99.6%."
    )


def test_where_no_code_is_near_the_best_one_is_named_as_such():
    said = answered(make_record("itq", 64, 0.6), make_record("itq", 128, 0.7))
    assert said.startswith("No code here comes within 5% of the float vectors; the best, itq, 128")


def test_nearly_all_is_not_rounded_to_all():
    assert "keeps 99.9% of" in answered(make_record("itq", 64, 0.99999))
    assert "keeps 100.0% of" in answered(make_record("itq", 64, 1.0))


def test_labels_answer_by_map():
    said = answered(make_record("itq", 64, 0.97, metric="map"), relevance="labels", metric="map")
    assert "it has a MAP of 0.970 in 8 bytes a row" in said
    assert "untrained lsh has 0.500" in said


def test_nothing_measured_is_said():
    assert answer(Content({"records": []}, [])) == "No method was measured."
    assert chart(Content({"records": []}, [])) is None


def test_the_chart_shows_the_best_methods_and_all_that_they_are_held_against():
    worse = [make_record(f"m{i}", 64, 0.1 * i) for i in range(1, 6)]
    drawn = chart(Content(make_results(*worse, make_record("pq", 64, 0.97, "rival")), []))
    assert drawn.shown == ["m5", "m4", "m3", "pq", "float", "lsh", "sign"]
    assert sorted(drawn.thin) == ["m1", "m2"]
    assert not drawn.asymmetric  # that of the floor is not drawn
    assert drawn.wide.svg.count("<path") > 5


def test_protocol_and_ties_are_folded_below_the_answer(tmp_path):
    results = make_results(make_record("itq", 64, 0.9))
    results["protocol"]["query_rows_in_database"] = 3
    page = write_page(tmp_path, results, []).read_text("utf-8")
    folded = page[page.index("<details") : page.index("</details>")]
    assert "3 of 0 queries are rows of the database" in folded
    assert page.index('class="headline"') < page.index('id="answer"') < page.index("<details")
    assert "<details open" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize(("width", "height"), [(1400, 900), (390, 844)])
def test_a_browser_shows_sentence_and_chart_on_the_first_screen(tmp_path, width, height):
    lengths = [(16, 0.7), (32, 0.8), (64, 0.9), (128, 0.97)]
    records = [
        make_record(m, b, s, asymmetric=s) for m in ("itq", "sgh", "pca") for b, s in lengths
    ]
    page = write_page(tmp_path, make_results(*records), []).read_text("utf-8")
    frame = (
        f'<iframe style="border:0;width:{width}px;height:{height}px" '
        f'srcdoc="{html.escape(page)}"></iframe>'
        """<pre></pre><script>onload = () => {
          const page = document.querySelector("iframe").contentDocument;
          const bottom = s => page.querySelector(s).getBoundingClientRect().bottom;
          const shown = s => getComputedStyle(page.querySelector(s)).display != "none";
          document.querySelector("pre").textContent = JSON.stringify({
            sentence: bottom(".headline"), chart: bottom("#answer"),
            wide: shown(".wide"), narrow: shown(".narrow"),
            overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
          });
        };</script>"""
    )
    (tmp_path / "frame.html").write_text(frame, "utf-8")
    dump = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync",
            "--disable-background-networking", "--disable-component-update",
            f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000",
            "--window-size=1500,1000", "--dump-dom", (tmp_path / "frame.html").as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    seen = json.loads(re.search(r"<pre>(\{.*?\})</pre>", dump)[1])
    assert 0 < seen["sentence"] < seen["chart"] < height
    assert seen["overflow"] <= 0
    assert (seen["wide"], seen["narrow"]) == (width > 600, width <= 600)

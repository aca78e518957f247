"""The page in a real browser: search, slider, bad files, hostile payloads, a lost service."""

from __future__ import annotations

import shutil
import threading
import time

import numpy as np
import pytest

from hammingbird.datasets.bundled import digits as bundled
from hammingbird.service.app import make_app
from hammingbird.service.opening import demo_engine

webdriver = pytest.importorskip("selenium.webdriver")
pytest.importorskip("selenium.webdriver.chrome.service")
from selenium.webdriver.common.keys import Keys

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromium-driver"),
    pytest.mark.filterwarnings("ignore"),
]


class Served:
    """The demo on a free port, in a thread."""

    def __init__(self, folder):
        import uvicorn

        self.engine = demo_engine(folder)
        self.server = uvicorn.Server(
            uvicorn.Config(make_app(self.engine), port=0, log_level="error", access_log=False)
        )
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def stop(self):
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.chrome.service.Service(DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def served(tmp_path):
    running = Served(tmp_path)
    yield running
    if running.thread.is_alive():
        running.stop()


class Page:
    def __init__(self, browser, served):
        self.browser = browser
        browser.set_window_size(1180, 900)
        browser.get_log("browser")  # of earlier pages
        browser.get(f"http://127.0.0.1:{served.port}/")
        self.until(lambda: self.cards())

    def until(self, what):
        end = time.monotonic() + 15
        while not what():
            assert time.monotonic() < end, self.run("return document.body.innerText")
            time.sleep(0.05)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def get(self, name):
        return self.browser.find_element("id", name)

    def cards(self):
        return self.run(
            "return [...document.querySelectorAll('#hits li:not([hidden]) .card')]"
            ".map(c => [+c.dataset.distance, c.className, c.innerText])"
        )

    def said(self):
        return self.get("say").text

    def ask(self, shown):
        self.until(lambda: shown in self.get("query").text)


@pytest.fixture
def page(browser, served):
    return Page(browser, served)


def test_an_item_is_asked_for_by_itself(page, served):
    hits = page.cards()
    assert len(hits) == 24
    assert hits[0][0] == 0
    distances = [hit[0] for hit in hits]
    assert distances == sorted(distances)
    good = sum("good" in hit[1] for hit in hits)
    assert good >= 12
    assert f"{good} of them" in page.get("told").text
    assert all(("✓" in hit[2]) == ("good" in hit[1]) for hit in hits), "not by colour alone"
    assert "1,497 items" in page.get("about").text


def test_the_slider_cuts_at_the_radius(page, served):
    page.run("arguments[0].value = 24", page.get("item"))
    page.get("item").send_keys("\n")
    page.ask("item 24,")
    before = page.cards()
    histogram = served.engine.index.histograms(served.engine.codes_of([24]))[0]
    for radius in (0, before[10][0], before[-1][0]):
        page.run(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
            page.get("radius"),
            radius,
        )
        assert page.cards() == [hit for hit in before if hit[0] <= radius]
        assert f"radius {radius}: {histogram[: radius + 1].sum():,} items" in page.get("told").text
        lit = page.run("return document.querySelectorAll('#bars rect.in').length")
        assert lit == radius + 1


def test_a_picture_a_vector_and_a_code(page, served, tmp_path):
    from PIL import Image

    _, query = bundled()
    Image.fromarray(query.images[0]).save(tmp_path / "seven.png")
    page.get("file").send_keys(str(tmp_path / "seven.png"))
    page.ask("seven.png")
    by_picture = page.cards()
    vector = ", ".join(map(str, query.X[0].tolist()))
    page.get("text").send_keys(f"[{vector}]")
    page.get("text").submit()
    page.ask(vector[:20])
    assert page.cards() == by_picture
    page.get("asymmetric").click()
    page.until(lambda: "score" in page.cards()[0][2])
    scores = [float(hit[2].split("score ")[1]) for hit in page.cards()]
    assert scores == sorted(scores, reverse=True)
    page.get("asymmetric").click()
    code = served.engine.encode(query.X[:1]).tobytes().hex()
    page.get("text").clear()
    page.get("text").send_keys(code)
    page.get("text").submit()
    page.ask(code)
    assert [hit[0] for hit in page.cards()] == [hit[0] for hit in by_picture]


def test_what_is_wrong_is_said_and_results_stay(page, tmp_path):
    before = page.cards()
    (tmp_path / "bad.png").write_bytes(b"this is no picture")
    page.get("file").send_keys(str(tmp_path / "bad.png"))
    page.until(lambda: "no picture that can be read" in page.said())
    page.get("text").send_keys("what is this")
    page.get("text").submit()
    page.until(lambda: "neither a vector nor a code" in page.said())
    page.get("text").clear()
    page.get("text").send_keys("1, 2, 3")
    page.get("text").submit()
    page.until(lambda: "3 features" in page.said())
    assert page.cards() == before


def test_a_service_that_is_gone(page, served):
    served.stop()
    page.get("any").click()
    page.until(lambda: "does not answer" in page.said())
    assert len(page.cards()) == 24


def test_payloads_cannot_do_anything(browser, served):
    payloads = (
        '{"name": "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>",'
        ' "url": "javascript:window.hacked=1", "picture": "http://127.0.0.1:1/x.png"}'
    )
    code = np.zeros((1, 4), np.uint8)
    served.engine.write(code, [5000], [None], [payloads])
    page = Page(browser, served)
    page.get("text").send_keys("00000000")
    page.get("text").submit()
    page.ask("00000000")
    assert "<img src=x" in page.cards()[0][2], "shown as it is"
    assert page.run("return window.hacked") is None
    assert not page.run(
        "return [...document.querySelectorAll('#hits a, #hits li:first-child img')]"
    )
    page.run("const s = document.createElement('script'); s.text = 'window.hacked = 1'; "
             "document.head.append(s)")  # fmt: skip
    assert page.run("return window.hacked") is None, "the policy lets no other script in"


def test_keys_phone_and_theme(page, browser):
    page.run("document.activeElement.blur()")
    browser.switch_to.active_element.send_keys("/")
    assert page.run("return document.activeElement.id") == "text"
    first = page.run("const c = document.querySelector('.card'); c.focus(); return c.title")
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    title = page.run("return document.activeElement.title")
    assert title != first
    browser.switch_to.active_element.send_keys("\n")
    page.ask(f"item {title.split()[-1]}")
    color = "return getComputedStyle(document.body).backgroundColor"
    light = page.run(color)
    page.get("theme").click()
    assert page.run(color) != light
    metrics = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert page.run("return document.documentElement.scrollWidth") <= 360
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_nothing_comes_from_elsewhere(page, browser, served):
    names = page.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert names
    assert all(n.startswith((f"http://127.0.0.1:{served.port}/", "data:")) for n in names)
    assert browser.get_log("browser") == []

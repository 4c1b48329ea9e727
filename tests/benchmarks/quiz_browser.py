"""The quiz in a real browser, by keyboard and by mouse: what it counts, the interval, and which images it shows again.

    python -m pytest tests/benchmarks/quiz_browser.py

Chromium is driven through its DevTools (a pipe of JSON messages), with the keys that a person presses.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import time

import numpy as np
import pytest

from tinygan.app import quiz
from tinygan.app.runs import Trained

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a Chromium in the PATH")


class Browser:
    """A page in a headless Chromium."""

    def __init__(self, path, folder):
        commands, self.ours = os.pipe()
        self.theirs, answers = os.pipe()

        def connect():
            """DevTools reads from 3 and writes to 4."""
            os.dup2(commands, 103)  # out of the way, in case one of them is 3 or 4
            os.dup2(answers, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--remote-debugging-pipe"]
        self.process = subprocess.Popen(
            [CHROMIUM, *flags, "about:blank"], preexec_fn=connect, close_fds=False, stderr=subprocess.DEVNULL
        )
        os.close(commands)
        os.close(answers)
        self.count, self.buffer, self.session, self.complaints = 0, b"", None, []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.ask(f"{domain}.enable")
        self.requests = []
        self.ask("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + 20
        while self.value("document.readyState + location.protocol") != "completefile:":
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def ask(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.ours, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(answer)

    def read(self):
        while b"\0" not in self.buffer:
            part = os.read(self.theirs, 1 << 16)
            assert part, "the browser is gone"
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def value(self, expression):
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def text(self, name):
        return self.value(f"document.getElementById('{name}').innerText")

    def press(self, key):
        text = {"text": key} if len(key) == 1 else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def click(self, name):
        self.value(f"document.getElementById('{name}').scrollIntoView()")
        box = f"document.getElementById('{name}').getBoundingClientRect()"
        x, y = (self.value(f"{box}.{side} + {box}.{size} / 2") for side, size in (("x", "width"), ("y", "height")))
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


IS_MADE = np.random.default_rng(0).random(20) < 0.5


@pytest.fixture
def browser(tmp_path):
    """The page of twenty images."""
    images = np.random.default_rng(1).integers(0, 256, (20, 784), dtype=np.uint8)
    trained = Trained(None, None, "digits & <more>", "", "", 1234, (28, 28), (), None)
    path = tmp_path / "quiz.html"
    path.write_text(quiz.page(images, IS_MADE, trained, "runs/001"), encoding="utf-8")
    browser = Browser(path, tmp_path / "profile")
    yield browser
    browser.close()


def at_least(k, n, p):
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


def interval(k, n):
    """Clopper and Pearson's, in percent, by search."""
    grid = np.linspace(0, 1, 100_001)
    fits = [p for p in grid if at_least(k, n, p) >= 0.025 and 1 - at_least(k + 1, n, p) >= 0.025]
    return round(100 * fits[0]), round(100 * fits[-1])


@pytest.mark.parametrize("keys", ["rm", ("ArrowLeft", "ArrowRight"), "click"])
def test_whoever_knows_gets_all_right(browser, keys):
    for place, made in enumerate(IS_MADE):
        assert browser.text("place") == f"{place + 1} of 20"
        if keys == "click":
            browser.click("made" if made else "real")
        else:
            browser.press(keys[int(made)])
    assert browser.text("share") == "20 of 20 right"
    assert "83 % to 100 %" in browser.text("verdict") and "more than guessing" in browser.text("verdict")
    assert "Made, and you took them for real: none" in browser.text("wrong")
    assert browser.complaints == [] and all(url.startswith(("file:", "data:")) for url in browser.requests)


@pytest.mark.parametrize("right", [0, 3, 10, 14, 15, 19])
def test_the_share_and_its_interval_are_the_binomials(browser, right):
    for place, made in enumerate(IS_MADE):
        browser.press("rm"[int(made == (place < right))])
    low, high = interval(right, 20)
    verdict = browser.text("verdict")
    assert browser.text("share") == f"{right} of 20 right"
    assert re.search(rf"from {low} % to {high} % \(95 %", verdict), (verdict, low, high)
    expected = "more than guessing" if low > 50 else "less than guessing" if high < 50 else "speaks against guessing"
    assert expected in verdict


def test_what_fooled_somebody_is_shown_again_and_again_begins_anew(browser):
    for _ in IS_MADE:
        browser.press("r")
    count = int(IS_MADE.sum())
    assert f"Made, and you took them for real: {count}" in browser.text("wrong")
    shown = browser.value("[...document.querySelectorAll('#wrong img')].map(image => image.src)")
    expected = browser.value("IMAGES.filter(image => image.made).map(source)")
    assert shown == expected and len(shown) == count
    assert browser.value("[...document.images].every(image => image.naturalWidth === 28)")
    browser.press("m")  # too late: nothing changes
    assert browser.text("share") == f"{20 - count} of 20 right"
    browser.press("a")
    assert browser.text("place") == "1 of 20" and browser.value("document.getElementById('result').hidden")


def test_the_name_of_the_data_is_text(browser):
    assert "digits & <more>" in browser.text("quiz") and "runs/001 at step 1,234" in browser.text("quiz")

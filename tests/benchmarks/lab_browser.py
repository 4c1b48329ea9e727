"""The lab in a real browser: every control, a challenge, a rewind, drawn data, a replay from a file, no error.

    python tests/benchmarks/lab_browser.py [FOLDER]
    python tests/benchmarks/lab_browser.py --soak MINUTES

writes screenshots into FOLDER, to be looked at, and prints what was seen, with steps and pictures a second;
or plays for so long, again and again from the beginning, and prints the memory of the lab and of its page.
It drives a headless Chromium through its DevTools protocol; where there is none it says so, and ends.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))
import processes

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


# ---- a browser ----------------------------------------------------------------------------------


class WebSocket:
    """The client's side of RFC 6455, as much as DevTools needs."""

    def __init__(self, address):
        url = urlsplit(address)
        self.socket = socket.create_connection((url.hostname, url.port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.file = self.socket.makefile("rb")
        assert b"101" in self.file.readline()
        while self.file.readline() != b"\r\n":
            pass

    def send(self, text):
        """Send a text as one masked frame."""
        data, mask = text.encode(), os.urandom(4)
        n = len(data)
        length = bytes([0x80 | n]) if n < 126 else bytes([0xFE]) + n.to_bytes(2, "big")
        length = length if n < 65536 else bytes([0xFF]) + n.to_bytes(8, "big")
        self.socket.sendall(b"\x81" + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def receive(self):
        """Return the next message, of one frame or several."""
        whole = b""
        while True:
            first, second = self.file.read(2)
            n = second & 0x7F
            n = int.from_bytes(self.file.read(2 if n == 126 else 8), "big") if n > 125 else n
            data = self.file.read(n)
            if first & 0x0F in (0, 1):
                whole += data
                if first & 0x80:
                    return whole.decode()


class Tab:
    """A page of a browser."""

    def __init__(self, web):
        self.web, self.count, self.session, self.complaints = web, 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Call a method of the protocol, and listen for complaints meanwhile."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        self.web.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            heard = json.loads(self.web.receive())
            if heard.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(heard["params"]["exceptionDetails"].get("exception", {}).get("description", "?"))
            elif heard.get("method") == "Log.entryAdded" and heard["params"]["entry"]["level"] in ("error", "warning"):
                self.complaints.append(heard["params"]["entry"]["text"])
            elif heard.get("method") == "Runtime.consoleAPICalled":
                self.complaints.append(str(heard["params"]["args"]))
            if heard.get("id") == self.count:
                assert "error" not in heard, (method, heard["error"])
                return heard["result"]

    def do(self, code):
        """Run JavaScript; return its value."""
        found = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, (code, found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, code, seconds=30):
        """Wait until this JavaScript is true, and return its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.do(code)):
            assert time.monotonic() < deadline, (
                f"waited in vain for {code}; the page says {self.do('document.body.innerText')[:600]!r}"
            )
            time.sleep(0.05)
        return value

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.wait("typeof state !== 'undefined' && state !== null && Object.keys(abouts).length > 0")

    def click(self, name):
        """Press the mouse where the element of this id is."""
        box = self.do(f"""(() => {{ const e = document.getElementById({name!r}); e.scrollIntoView({{block: "center"}});
            const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2, r.width]; }})()""")
        assert box[2] > 0, f"{name} cannot be seen"
        self.mouse("mousePressed", *box[:2])
        self.mouse("mouseReleased", *box[:2])

    def mouse(self, kind, x, y):
        button = "none" if kind == "mouseMoved" else "left"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def key(self, key):
        code = {" ": 32, "ArrowRight": 39, "ArrowLeft": 37, "ArrowUp": 38, "Enter": 13}.get(key, ord(key[0].upper()))
        more = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def choose(self, name, value):
        """Set a field, as a hand would."""
        self.do(f"""(() => {{ const e = document.getElementById({name!r}); e.value = {value!r};
            for (const kind of ["input", "change"]) e.dispatchEvent(new Event(kind)); }})()""")

    def size(self, width, height, dark=False):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path, whole=False):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def browser(program):
    """Within this context a headless browser, as a WebSocket."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
        ]
        with subprocess.Popen([program, *options, "about:blank"], stderr=subprocess.PIPE, text=True) as process:
            try:
                for line in process.stderr:
                    if found := re.search(r"DevTools listening on (ws://\S+)", line):
                        yield WebSocket(found[1])
                        break
                else:
                    raise SystemExit("the browser did not start")
            finally:
                process.terminate()
                process.stderr.close()


@contextlib.contextmanager
def lab(*words):
    """Within this context ``tinygan lab``; gives its address and its process."""
    process = processes.start("-m", "tinygan", "lab", "--no-browser", *words)
    try:
        while "http" not in (line := process.stdout.readline()):
            assert process.poll() is None, process.communicate()
        yield line.split()[-1], process
    finally:
        process.kill()
        process.communicate()


# ---- what is tried ---------------------------------------------------------------------------------

STEP = "state.shown[0].step"
AREA = """(() => {
    const r = document.querySelector('figure canvas').getBoundingClientRect();
    return [r.x, r.y, r.width];
})()"""


def points(tab, folder):
    """Try everything that two dimensions have."""
    tab.click("play")
    tab.wait(f"{STEP} > 3000", 60)
    time.sleep(3)
    rates = tab.do("[pace.rate, pace.pictures]")
    print(f"playing: {rates[0]:.0f} steps a second, {rates[1]:.1f} pictures a second")
    tab.screenshot(folder / "playing.png")
    tab.click("play")
    tab.wait("!state.playing")

    at = tab.do(STEP)
    tab.click("step")
    tab.wait(f"{STEP} === {at + 1}")
    tab.click("step-d")
    tab.wait(f"{STEP} === {at + 2}")
    tab.click("step-g")
    tab.wait(f"{STEP} === {at + 3}")
    tab.do("document.activeElement.blur()")
    for key in ("ArrowRight", "d", "g"):
        tab.key(key)
    tab.wait(f"{STEP} === {at + 6}")
    tab.key("ArrowLeft")
    tab.wait(f"{STEP} === {at + 5}")
    print("one step, one of D, one of G, by mouse and by key; one back")

    picture = "JSON.stringify(state.shown[0].picture)"
    here = tab.do(picture)
    tab.choose("scrub", "1000")
    tab.wait(f"{STEP} === 1000")
    early = tab.do(picture)
    tab.choose("go", str(at + 5))
    tab.wait(f"{STEP} === {at + 5}")
    assert tab.do(picture) == here != early
    print(f"rewound from step {at + 5} to 1000 and forth: the same picture to the bit")

    for layer in ("surface", "real", "fakes", "arrows", "grid", "averaged"):
        before = tab.do("document.querySelector('figure canvas').toDataURL()")
        tab.click(f"layer-{layer}")
        assert tab.do("document.querySelector('figure canvas').toDataURL()") != before, layer
    tab.screenshot(folder / "other-layers.png")
    for layer in ("surface", "real", "fakes", "arrows", "grid"):
        tab.click(f"layer-{layer}")
    print("every layer on and off")

    tab.do("document.querySelector('figure canvas').scrollIntoView({block: 'center'})")
    x, y, width = tab.do(AREA)
    tab.mouse("mouseMoved", x + 0.6 * width, y + 0.4 * width)
    print("under the cursor:", tab.wait("$('at').textContent.includes('logit') && $('at').textContent"))
    tab.do("document.querySelector('figure canvas').focus()")
    tab.key("ArrowUp")

    tab.click("slow")
    tab.wait("slow !== null")
    lines = tab.do("slow.lines.length")
    stages = tab.do("[...$('stages').children].map((b) => b.textContent)")
    seen = []
    for i in range(len(stages)):
        tab.do(f"$('stages').children[{i}].click()")
        seen.append(tab.do("$('slow-where').textContent"))
        assert tab.do("$('source').querySelector('.now') !== null")
    tab.do("[...$('stages').children].find((b) => b.textContent === 'D backward').click()")
    for _ in range(6):
        tab.key(".")
    tab.screenshot(folder / "slow-motion.png", whole=True)
    tab.key(";")
    tab.wait("slowTimer !== null")
    tab.key(";")
    tab.click("slow-end")
    print(f"slow motion: {lines} lines in the stages {', '.join(stages)}")

    tab.choose("go", "1500")
    tab.wait(f"{STEP} === 1500")
    tab.do("document.activeElement.blur()")
    tab.key("b")
    tab.wait("state.runs.length === 2 && state.other")
    tab.do("$('choices-box').open = true")
    tab.choose("choice-objective", "minimax")
    tab.wait("state.shown[0].changes.length > 0")
    tab.click("play")
    tab.wait(f"{STEP} > 2500")
    tab.click("play")
    tab.wait("!state.playing")
    assert tab.do("state.shown[0].step === state.shown[1].step")
    tab.do("$('choices-box').open = false")
    tab.do("scrollTo(0, 0)")
    tab.screenshot(folder / "side-by-side.png")
    print("a branch beside its origin:", tab.do("$('command').textContent"))
    tab.choose("choice-lr", "fast")
    print("a wrong choice:", tab.wait("$('said').textContent"))

    with_details(tab, "weight-box")
    tab.click("w-ask")
    print("a weight:", tab.wait("$('w-said').textContent"))
    with_details(tab, "layer-box")
    tab.wait("$('layer-table').rows.length > 5")
    tab.do("$('layer-box').scrollIntoView()")
    tab.screenshot(folder / "layers.png")
    tab.do("$('layer-box').open = false")


def with_details(tab, name):
    tab.do(f"$({name!r}).open = true")


def challenge(tab, folder):
    """Take every challenge from question to answer."""
    with_details(tab, "challenge-box")
    for name in tab.do("Object.keys(hello.challenges)"):
        tab.choose("challenge", name)
        tab.wait("$('question').querySelector('input') !== null")
        tab.do("$('question').querySelectorAll('input')[0].click()")
        tab.click("challenge-run")
        tab.wait("state.challenge && state.challenge.right !== undefined && $('answer').textContent.length > 20", 120)
        print(f"challenge {name}:", tab.do("$('answer').textContent"))
    tab.do("$('challenge-box').scrollIntoView()")
    tab.screenshot(folder / "challenge.png")


def drawing(tab, folder):
    """Draw data with the mouse and train on them."""
    tab.do("for (const run of state.runs.slice(1)) ask('close', {name: run.name})")
    tab.wait("state.runs.length === 1")
    with_details(tab, "draw-box")
    tab.click("draw-on")
    tab.do("document.querySelector('figure canvas').scrollIntoView({block: 'center'})")
    x, y, width = tab.do(AREA)
    for row in (0.35, 0.65):
        tab.mouse("mouseMoved", x + 0.2 * width, y + row * width)
        tab.mouse("mousePressed", x + 0.2 * width, y + row * width)
        for i in range(30):
            tab.mouse("mouseMoved", x + (0.2 + 0.02 * i) * width, y + row * width)
        tab.mouse("mouseReleased", x + 0.8 * width, y + row * width)
    count = tab.do("drawing.points.length")
    assert count > 50
    tab.click("draw-train")
    tab.wait("dataOf(state.name) === 'drawn'")
    tab.click("play")
    tab.wait(f"{STEP} > 2000", 60)
    tab.click("play")
    tab.do("scrollTo(0, 0)")
    tab.screenshot(folder / "drawn.png")
    print(f"{count} points drawn, and trained on")


def replay(tab, folder):
    """Save a replay and open it from its file."""
    text = tab.do("fetch($('save').href).then((answer) => answer.text())")
    path = folder / "replay.html"
    path.write_text(text, encoding="utf-8")
    tab.call("Page.navigate", url=path.resolve().as_uri())
    tab.wait("typeof REPLAY !== 'undefined' && REPLAY && state && state.shown.length > 0")
    last = tab.do(STEP)
    tab.choose("scrub", "0")
    assert tab.do(STEP) == 0 < last
    tab.key("ArrowRight")
    assert tab.do(STEP) > 0
    tab.key("1")
    tab.key("5")
    tab.click("play")
    tab.wait(f"{STEP} === {last}", 60)
    tab.do("scrollTo(0, 0)")
    tab.screenshot(folder / "replay.png")
    print(f"a replay of {len(text) // 1000} kB scrubs from a file, up to step {last}")


def looks(tab, folder):
    """Show the page on a phone and in the dark, whole."""
    for name, width, height, dark in (
        ("dark", 1280, 900, True),
        ("phone", 390, 844, False),
        ("phone-dark", 390, 844, True),
    ):
        tab.size(width, height, dark)
        time.sleep(0.5)
        assert tab.do("document.documentElement.scrollWidth <= innerWidth"), (
            f"{name}: the page is wider than its window"
        )
        tab.screenshot(folder / f"{name}.png")
    tab.size(1280, 900)


def pictures(tab, folder):
    """Look at images in every way."""
    tab.click("play")
    tab.wait(f"{STEP} > 600", 120)
    rates = tab.do("[pace.rate, pace.pictures]")
    tab.click("play")
    tab.wait("!state.playing", 60)
    for view in tab.do("hello.views"):
        tab.choose("view", view)
        tab.wait(f"state.view.kind === {view!r}", 60)
        time.sleep(0.3)
        tab.screenshot(folder / f"images-{view}.png")
    tab.click("slow")
    tab.wait("slow !== null", 60)
    tab.click("slow-end")
    print(f"images: {rates[0]:.0f} steps and {rates[1]:.1f} pictures a second; every view")


def pace(web):
    """Measure how fast networks of GAN Lab's size play: one hidden layer of 8, batches of 150."""
    with lab("--data", "ring", "--set", "hidden=8", "--set", "steps=1000000") as (address, _):
        tab = Tab(web)
        tab.size(1280, 900)
        tab.open(address)
        tab.click("play")
        rates = []
        for _ in range(10):
            time.sleep(1)
            rates.append(tab.do("[pace.rate, pace.pictures]"))
        steps, pictures = zip(*sorted(rates[2:]), strict=True)
        print(f"at GAN Lab's size: {min(steps):.0f} to {max(steps):.0f} steps a second, ", end="")
        print(f"{min(pictures):.0f} to {max(pictures):.0f} pictures a second")
        tab.call("Page.navigate", url="about:blank")


def soak(program, minutes):
    """Play for so long, and print what memory that takes."""
    with browser(program) as web, lab("--data", "ring") as (address, process):
        tab = Tab(web)
        tab.open(address)
        tab.click("play")
        end, taken = time.monotonic() + 60 * minutes, 0
        while time.monotonic() < end:
            time.sleep(15)
            if tab.do("!state.playing"):
                taken += tab.do(STEP)
                tab.do("ask('goto', {step: 0}).then(() => ask('play', {speed: 0}))")
            status = Path(f"/proc/{process.pid}/status").read_text()
            lab_memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1000
            page_memory = tab.do("performance.memory.usedJSHeapSize") // 1_000_000
            print(f"{taken + tab.do(STEP):,} steps: lab {lab_memory} MB, page {page_memory} MB", flush=True)
        return 1 if tab.complaints else 0


def main():
    """Try everything; the exit code is 1 where something was wrong."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        print(f"skipped: there is no browser here ({', '.join(BROWSERS)})")
        return 0
    if sys.argv[1:2] == ["--soak"]:
        return soak(program, float(sys.argv[2]))
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/lab")
    folder.mkdir(parents=True, exist_ok=True)
    complaints = []
    with browser(program) as web:
        pace(web)
        for data, tried in (("ring", (points, challenge, drawing, looks, replay)), ("digits", (pictures, replay))):
            with lab("--data", data) as (address, _):
                tab = Tab(web)
                tab.size(1280, 900)
                tab.open(address)
                for trial in tried:
                    trial(tab, folder if data == "ring" else subfolder(folder, data))
                complaints += [text for text in tab.complaints if "422" not in text]
                tab.call("Page.navigate", url="about:blank")
    print("console:", complaints or "no complaint")
    print(f"screenshots to be looked at: {folder}")
    return 1 if complaints else 0


def subfolder(folder, name):
    (folder / name).mkdir(exist_ok=True)
    return folder / name


if __name__ == "__main__":
    sys.exit(main())

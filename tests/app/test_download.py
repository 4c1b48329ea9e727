"""The download is whole or not at all, and a mirror may misbehave in every way we know."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import processes
import pytest
from small_runs import refusal

from tinygan.app import download
from tinygan.app.download import download_mnist


def ignore(line):
    """For those who do not want to hear what is being fetched."""


# A small world in place of MNIST's; two files are enough to have a first and a next.
PAYLOADS = {"labels.gz": bytes(range(256)) * 4, "images.gz": bytes(reversed(range(256))) * 300}
TABLE = {name: (len(body), hashlib.sha256(body).hexdigest()) for name, body in PAYLOADS.items()}


class Misbehaving(BaseHTTPRequestHandler):
    """Serves /<behavior>/<name>; counts what it was asked for in server.asked."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        behavior, name = self.path.strip("/").split("/")
        self.server.asked.append((behavior, name))
        body = PAYLOADS[name]
        try:
            getattr(self, behavior.replace("-", "_"))(body)
        except OSError:
            pass  # the client has gone: what most of these tests want

    def answer(self, code, length=None, **headers):
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def good(self, body):
        self.answer(200, len(body))
        self.wfile.write(body)

    def without_length(self, body):
        self.answer(200)
        self.wfile.write(body)

    def forbidden(self, body):
        self.send_error(403)

    def absent(self, body):
        self.send_error(404)

    def broken(self, body):
        self.send_error(500)

    def wrong(self, body):
        self.answer(200, len(body))
        self.wfile.write(body[:-1] + b"?")

    def short(self, body):
        self.answer(200, len(body))
        self.wfile.write(body[:-100])

    def endless(self, body):
        self.answer(200)
        self.pour()

    def endless_redirect(self, body):
        self.answer(302, Location=self.path.replace("endless-redirect", "good"))
        self.pour()

    def pour(self):
        while not self.server.closing.is_set():
            self.server.poured += self.wfile.write(bytes(1 << 16))

    def redirect(self, body):
        self.answer(302, 0, Location=self.path.replace("redirect", "good"))

    def redirect_to_ftp(self, body):
        self.answer(302, 0, Location="ftp://127.0.0.1:1/")

    def loop(self, body):
        self.answer(302, 0, Location=self.path)

    def redirect_to_nonsense(self, body):
        self.answer(302, 0, Location="http://[nonsense/")

    def hanging(self, body):
        self.server.closing.wait(30)

    def dripping(self, body):
        self.answer(200, len(body))
        self.drip(body)

    def dripping_headers(self, body):
        self.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + bytes(10000))

    def drip(self, content):
        for i in range(len(content)):
            if self.server.closing.wait(0.02):
                return
            self.wfile.write(content[i : i + 1])

    def slowly(self, body):
        self.answer(200, len(body))
        for i in range(0, len(body), 4096):
            self.server.closing.wait(0.01)
            self.wfile.write(body[i : i + 4096])

    def not_http(self, body):
        self.wfile.write(b"\xff\xfe what?\n\n")

    def hanging_up(self, body):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "FILES", TABLE)
    monkeypatch.setattr(download, "SLOWEST", 1e6)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as server:
        server.daemon_threads, server.block_on_close = True, False
        server.closing, server.asked, server.poured = threading.Event(), [], 0
        server.mirror = lambda kind: f"http://127.0.0.1:{server.server_port}/{kind}/"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.closing.set()
        server.shutdown()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


ANSWERS = {
    "forbidden": "403",
    "absent": "404",
    "broken": "500",
    "wrong": "wrong SHA-256",
    "short": "924 of 1024 bytes",
    "endless": "more than 1024 bytes",
    "hanging": "timed out",
    "dripping": "too slow|timed out",
    "loop": "infinite loop",
    "redirect-to-nonsense": "",
    "redirect-to-ftp": "it leads to ftp:",
    "not-http": "",
    "hanging-up": "",
}


@pytest.mark.parametrize("kind", ["good", "without-length", "redirect", "endless-redirect", "slowly"])
def test_download_gives_the_published_files_and_nothing_else(server, tmp_path, kind):
    lines = []
    folder = tmp_path / "made" / "for this"
    assert download_mnist(lines.append, folder, [server.mirror(kind)]) == folder
    assert contents(folder) == PAYLOADS
    assert len(lines) == 2 and "labels.gz (1,024 bytes) from 127.0.0.1" in lines[0]
    assert server.poured < 2**24, "the body of a redirect was read on and on"


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_mirror_that_fails_is_named_or_replaced_by_the_next(server, tmp_path, kind):
    bad, good = server.mirror(kind), server.mirror("good")
    slow = kind in ("hanging", "dripping")
    begin = time.perf_counter()
    message = refusal(download_mnist, ignore, tmp_path / "alone", [bad], timeout=0.2 if slow else 3)
    seconds = time.perf_counter() - begin
    assert seconds < 5, f"{kind}: {seconds:.1f} s until it was given up"
    assert contents(tmp_path / "alone") == {}
    answer = message.split("127.0.0.1", 1)[1].split(": ", 1)[1].split("):")[0]
    assert answer, message
    assert any(wanted in answer for wanted in ANSWERS[kind].split("|")), message
    assert "by hand" in message and "--data digits" in message
    assert server.poured < 2**24, "an endless body was read on and on"

    (tmp_path / "together").mkdir()
    (tmp_path / "together" / "images.gz").write_bytes(PAYLOADS["images.gz"])
    download_mnist(ignore, tmp_path / "together", [bad, good], timeout=1)
    assert contents(tmp_path / "together") == PAYLOADS
    assert server.asked[-1] == ("good", "labels.gz")


def test_every_mirror_is_heard_when_all_fail(server, tmp_path):
    mirrors = [server.mirror("forbidden"), server.mirror("wrong"), refused_port()]
    message = refusal(download_mnist, ignore, tmp_path, mirrors, timeout=1)
    for answer in ("403", "SHA-256", "refused"):
        assert answer in message, message
    assert contents(tmp_path) == {}


def test_no_network_is_one_line_at_once(server, tmp_path, monkeypatch):
    def no_name(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    message = refusal(download_mnist, ignore, tmp_path, ["https://a.example/", "https://b.example/"])
    assert message.count("Name or service not known") == 2 and "urlopen" not in message
    assert "a.example" in message and "b.example" in message
    assert contents(tmp_path) == {}


def test_files_that_are_there_are_kept_and_not_fetched_again(server, tmp_path):
    (tmp_path / "labels.gz").write_bytes(PAYLOADS["labels.gz"])
    download_mnist(ignore, tmp_path, [server.mirror("good")])
    assert contents(tmp_path) == PAYLOADS
    assert server.asked == [("good", "images.gz")]


@pytest.mark.parametrize("foreign", [b"somebody's own", bytes(1024), bytes(5000)])
def test_a_foreign_file_under_a_final_name_is_neither_overwritten_nor_accepted(server, tmp_path, foreign):
    (tmp_path / "labels.gz").write_bytes(foreign)
    message = refusal(download_mnist, ignore, tmp_path, [server.mirror("good")])
    assert "labels.gz" in message and "not the published file" in message
    assert contents(tmp_path) == {"labels.gz": foreign}


def test_a_folder_that_cannot_be_made_is_one_line(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        assert str(tmp_path / "file") in refusal(download_mnist, ignore, folder, [server.mirror("good")])
    assert server.asked == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_one_line_and_leaves_nothing(server, tmp_path, monkeypatch, call):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    message = refusal(download_mnist, ignore, tmp_path, [server.mirror("good")])
    assert "No space left on device" in message and "make room" in message
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_interruption_within_the_writing_leaves_nothing(server, tmp_path, monkeypatch, call):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, call, interrupted)
    with pytest.raises(KeyboardInterrupt):
        download_mnist(ignore, tmp_path, [server.mirror("good")])
    assert contents(tmp_path) == {}


def test_another_download_may_finish_in_the_middle_of_ours(server, tmp_path, monkeypatch):
    sync = os.fsync

    def meanwhile(descriptor):
        assert os.fstat(descriptor).st_size == len(PAYLOADS["labels.gz"]), "synced half-written"
        assert (tmp_path / "labels.gz").exists() is False, "half a file has its final name"
        monkeypatch.setattr(os, "fsync", sync)
        download_mnist(ignore, tmp_path, [server.mirror("good")])
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", meanwhile)
    download_mnist(ignore, tmp_path, [server.mirror("good")])
    assert contents(tmp_path) == PAYLOADS
    assert len(server.asked) == 3, "the inner download fetches two files, the outer one"


DOWNLOADER = """
import json, sys
from tinygan.app import download
folder, mirror, table, timeout = sys.argv[1:]
download.FILES, download.SLOWEST = json.loads(table), 1e6
download.download_mnist(print, folder, [mirror], timeout=float(timeout))
"""


def start_download(folder: Path, mirror: str, timeout: float = 10) -> subprocess.Popen:
    return processes.start("-c", DOWNLOADER, folder, mirror, json.dumps(TABLE), timeout)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_a_download_stopped_half_way_leaves_no_half_file(server, tmp_path, number):
    process = start_download(tmp_path, server.mirror("dripping"))
    try:
        deadline = time.monotonic() + 10
        while not server.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.asked, "the process never asked for a file"
        time.sleep(0.05)
        begin = time.perf_counter()
        process.send_signal(number)
        process.communicate(timeout=10)
        assert time.perf_counter() - begin < 5
        assert process.returncode == -number
    finally:
        process.kill()
    assert contents(tmp_path) == {}
    download_mnist(ignore, tmp_path, [server.mirror("good")])
    assert contents(tmp_path) == PAYLOADS


def test_two_processes_at_once_both_succeed_and_no_half_file_is_ever_seen(server, tmp_path):
    both = [start_download(tmp_path, server.mirror("slowly")) for _ in range(2)]
    try:
        while any(process.poll() is None for process in both):
            for name, body in PAYLOADS.items():
                if (tmp_path / name).exists():
                    assert (tmp_path / name).read_bytes() == body, f"half of {name} was seen"
        for process in both:
            assert process.returncode == 0, process.communicate()[1]
    finally:
        for process in both:
            process.kill()
            process.communicate()
    assert contents(tmp_path) == PAYLOADS


def test_what_is_to_be_fetched_by_hand_are_the_four_files():
    left, right, end = re.search(r"fetch \{(.*?)\}-\{(.*?)\}(\S+), four files", download.BY_HAND).groups()
    names = {f"{a}-{b}{end}" for a in left.split(",") for b in right.split(",")}
    assert names == set(download.FILES)
    assert download.MIRRORS[0] in download.BY_HAND


def test_four_files_and_two_secure_mirrors_are_known():
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in download.MIRRORS)
    assert len(download.MIRRORS) == 2 and len(download.FILES) == 4
    assert download.FILES["train-images-idx3-ubyte.gz"] == (
        9912422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    )


def test_the_table_of_published_files_agrees_with_the_files_at_hand(mnist_folder):
    for name, (size, sha256) in download.FILES.items():
        path = Path(mnist_folder, name)
        if path.exists() and path.stat().st_size == size:  # a copy may be packed differently
            assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256, name

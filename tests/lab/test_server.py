"""The HTTP side of the lab: what it serves, and what it refuses."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from dataclasses import replace

import pytest
from small_runs import TINY, points

from tinygan.lab.playing import Lab
from tinygan.lab.server import serving
from tinygan.lab.session import Source

CONFIG = replace(TINY, steps=100_000, latent_dim=2)


@pytest.fixture
def server():
    source = Source(points(), "--data ring", CONFIG)
    with serving(Lab(source, load=lambda name: source)) as server:
        yield server


def request(server, path, body=None, token=None, method=None, **headers):
    """(status, headers, text)"""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not False:
        headers.setdefault("X-Token", token or server.token)
    with contextlib.closing(connection):
        connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read().decode()


def do(server, command, **arguments):
    status, _, text = request(server, f"/do/{command}", json.dumps(arguments))
    return status, json.loads(text)


class Page:
    """An open page, which hears events."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        self.connection.request("GET", f"/events?token={server.token}")
        self.response = self.connection.getresponse()
        assert self.response.status == 200

    def next(self):
        while True:
            line = self.response.readline().decode()
            assert line, "the stream has ended"
            if line.startswith("data: "):
                return json.loads(line[6:])

    def until(self, condition):
        for _ in range(500):
            if condition(state := self.next()):
                return state
        raise AssertionError("waited in vain")

    def close(self):
        self.response.close()
        self.connection.close()


@pytest.fixture
def page(server):
    page = Page(server)
    yield page
    page.close()


def test_it_serves_one_page_with_nothing_from_elsewhere(server):
    status, headers, text = request(server, f"/?token={server.token}", token=False)
    assert status == 200 and "<h1>tinygan lab</h1>" in text and "/* the script */" not in text
    assert "http:" not in text and "https:" not in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    nonce = headers["Content-Security-Policy"].split("'nonce-")[1].split("'")[0]
    assert text.count(nonce) == 1


def test_it_listens_on_the_loopback_address_only(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/events", "/replay", "/do/step"])
@pytest.mark.parametrize("token", ["", "wrong", "ä"])
def test_without_its_token_nothing_is_served(server, path, token):
    given = {"X_Token": token.encode()} if path.startswith("/do") else {}
    body = "{}" if path.startswith("/do") else None
    address = path if body else f"{path}?token={token.encode('ascii', 'ignore').decode()}"
    assert request(server, address, body, token=False, **given)[0] == 403
    assert server.lab.branch.last == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "tinygan.example"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_other_hosts_and_origins_are_refused(server, headers):
    assert request(server, "/do/step", "{}", **headers)[0] == 403
    assert request(server, f"/?token={server.token}", **headers)[0] == 403
    assert server.lab.branch.last == 0


def test_its_own_origin_is_welcome(server):
    for name in ("127.0.0.1", "localhost"):
        assert request(server, "/do/step", "{}", Origin=f"http://{name}:{server.server_port}")[0] == 200


@pytest.mark.parametrize(
    "path", ["/lab.js", "/../pyproject.toml", "/%2e%2e/pyproject.toml", "/etc/passwd", "//etc/passwd"]
)
def test_no_file_can_be_reached(server, path):
    assert request(server, f"{path}?token={server.token}")[0] == 404


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{", "[" * 100_000, "nan", '{"n": 1e999}', '{"n": "many"}', '{"n": -1}', '{"n": true}', '{"x": 1}'],
)
def test_what_is_no_command_is_refused_in_one_line(server, body):
    status, _, text = request(server, "/do/step", body)
    if body == "":  # no arguments: a step
        assert status == 200
        return
    assert status == 422 and len(json.loads(text)["error"].splitlines()) == 1
    assert server.lab.branch.last == 0


@pytest.mark.parametrize("command", ["nothing", "__class__", "play_until", "", "../step"])
def test_only_commands_can_be_asked_for(server, command):
    assert do(server, command)[0] == 422


def test_too_long_a_command_is_refused(server):
    assert request(server, "/do/draw", None, method="POST", Content_Length="999999999999")[0] == 413
    assert request(server, "/do/draw", None, method="POST", Content_Length="-5")[0] == 413


def test_other_methods_are_refused(server):
    assert request(server, "/", method="PUT")[0] == 501


def test_a_page_hears_what_happens(server, page):
    assert page.next()["shown"][0]["step"] == 0
    assert do(server, "step") == (200, {})
    state = page.until(lambda state: state["shown"][0]["step"] == 1)
    assert len(state["shown"][0]["losses"]["means"]) == 1
    do(server, "play")
    page.until(lambda state: state["shown"][0]["step"] > 50)
    do(server, "pause")
    assert not page.until(lambda state: not state["playing"])["playing"]
    do(server, "goto", step=7)
    assert page.until(lambda state: not state["playing"] and state["shown"][0]["step"] == 7)["shown"][0]["last"] > 50


def test_a_change_in_the_past_makes_a_branch_beside(server, page):
    do(server, "step", n=30)
    do(server, "goto", step=10)
    do(server, "change", name="lr", text="0.05")
    state = page.until(lambda state: len(state["runs"]) == 2)
    assert [shown["name"] for shown in state["shown"]] == ["B", "A"]
    assert state["shown"][0]["changes"] == [[10, "lr", "0.05"]]
    do(server, "step", n=10)
    state = page.until(lambda state: state["shown"][0]["step"] == 20)
    assert state["shown"][1]["step"] == 20


def test_another_network_begins_anew_beside(server, page):
    do(server, "step", n=5)
    do(server, "change", name="hidden", text="7")
    state = page.until(lambda state: len(state["runs"]) == 2)
    assert state["shown"][0]["choices"]["hidden"] == "7" and state["shown"][0]["step"] == 0


def test_the_table_is_never_too_full(server):
    for _ in range(5):
        assert do(server, "branch")[0] == 200
    status, answer = do(server, "branch")
    assert status == 422 and "close" in answer["error"]
    for name in "ABCDE":
        assert do(server, "close", name=name)[0] == 200
    assert do(server, "close", name="F")[0] == 422


def test_one_player_alone(server, page):
    do(server, "step", players="D")
    do(server, "step", players="G")
    state = page.until(lambda state: state["shown"][0]["step"] == 2)
    assert [change[2] for change in state["shown"][0]["changes"]] == ["D", "G", "both"][
        -len(state["shown"][0]["changes"]) :
    ]
    assert do(server, "step", players="Q")[0] == 422


def test_points_can_be_drawn(server, page):
    drawn = [[0.1 * i, 0.2 * i] for i in range(20)]
    assert do(server, "draw", points=drawn)[0] == 200
    state = page.until(lambda state: len(state["runs"]) == 2)
    assert state["runs"][1]["data"] == "drawn" and state["shown"][0]["command"] == ""
    assert do(server, "step", n=3)[0] == 200
    for wrong in ([], [[0, 0]] * 50, [[0, 1, 2]] * 10 + [[1]], "points", [["a", "b"]] * 20, [[1e999, 0]] * 20):
        assert do(server, "draw", points=wrong)[0] == 422


def test_numbers_can_be_asked_for(server):
    status, at = do(server, "at", x=0.5, y=0.5)
    assert status == 200 and set(at["A"]) == {"logit", "score", "slope", "force"}
    assert do(server, "weight", player="G", name="0.W", index=0)[0] == 200
    assert do(server, "weight", player="G", name="0.Q", index=0)[0] == 422
    assert set(do(server, "layers")[1]) == {"G", "D"}
    assert do(server, "slow")[1]["lines"]
    assert do(server, "at", x="a", y=0)[0] == 422


def test_a_replay_is_one_page_without_a_server(server):
    do(server, "step", n=200)
    do(server, "branch")
    status, headers, text = request(server, f"/replay?token={server.token}")
    assert status == 200 and "attachment" in headers["Content-Disposition"]
    assert server.token not in text and "const REPLAY = null" not in text and text.count("<script>") == 1
    data = json.loads(text.split("const REPLAY = ")[1].split(";\n")[0])
    assert [moment["step"] for moment in data["runs"][0]["moments"]] == [0, 1, 2, 4, 8, 16, 32, 64, 128, 192, 200]
    assert len(data["runs"]) == 2
    assert server.lab.branch.step == 200


def test_a_closed_page_stops_the_work(server, monkeypatch):
    from tinygan.lab import playing

    monkeypatch.setattr(playing, "ALONE", 0.2)
    first, second = Page(server), Page(server)
    do(server, "play")
    first.until(lambda state: state["shown"][0]["step"] > 10)
    first.close()
    time.sleep(2.5)
    assert server.lab.playing  # the other one looks on
    second.close()
    deadline = time.monotonic() + 10
    while server.lab.playing:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_many_pages_see_the_same(server):
    pages = [Page(server) for _ in range(3)]
    do(server, "step", n=3)
    steps = [page.until(lambda state: state["shown"][0]["step"] == 3) for page in pages]
    assert steps[0]["shown"] == steps[1]["shown"] == steps[2]["shown"]
    for page in pages:
        page.close()


def test_a_run_that_breaks_is_told(server, page):
    for name, text in (("optimizer", "sgd"), ("penalty", "none"), ("lr", "1e11")):
        assert do(server, "change", name=name, text=text)[0] == 200
    do(server, "play")
    state = page.until(lambda state: state["said"])
    assert "finite" in state["said"] and not state["playing"]


def test_the_end_of_a_run_is_told_and_it_can_go_on(server, page):
    do(server, "change", name="steps", text="20")
    do(server, "play")
    state = page.until(lambda state: state["shown"][0]["step"] == 20 and not state["playing"])
    assert "20" in state["said"]
    do(server, "change", name="steps", text="30")
    do(server, "step", n=5)
    assert page.until(lambda state: state["shown"][0]["step"] == 25)["said"] == ""


def test_a_slow_run_can_be_hurried(server, page):
    do(server, "play", speed=0.05)
    page.until(lambda state: state["shown"][0]["step"] == 1)
    start = time.monotonic()
    do(server, "play")
    page.until(lambda state: state["shown"][0]["step"] > 20)
    assert time.monotonic() - start < 10


def test_nothing_is_left_behind(server):
    port = server.server_port
    server.shutdown()
    server.server_close()
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
    assert all(thread.daemon or thread is threading.main_thread() for thread in threading.enumerate())

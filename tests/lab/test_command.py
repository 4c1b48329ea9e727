"""``tinygan lab`` as it is typed."""

from __future__ import annotations

import signal
import socket
import sys
import urllib.request
from types import SimpleNamespace

import pytest
from commands import refusal, started
from small_runs import draw_quickly

from tinygan.app import lab
from tinygan.app.cli import main
from tinygan.lab import server


@pytest.mark.parametrize(
    "words",
    [
        ["lab", "nowhere"],
        ["lab", "--data", "nowhere"],
        ["lab", "--port", "70000"],
        ["lab", "--challenge", "none"],
        ["lab", "--set", "lr"],
        ["lab", "--set", "lr=fast"],
        ["lab", "--set", "wings=2"],
        ["lab", "--set", "500:hidden=4"],
        ["lab", "--set", "batch=7", "--set", "pack=2"],
        ["lab", "--data", "digits", "--preset", "points"],
        ["lab", "run", "--data", "ring"],
        ["lab", "run", "--preset", "lab"],
    ],
)
def test_what_cannot_be_opened_is_refused_in_one_line(words, capsys):
    refusal(capsys, *words)


def test_a_busy_port_is_said(capsys):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        assert "--port" in refusal(capsys, "lab", "--port", busy.getsockname()[1])


@pytest.mark.skipif(sys.platform == "win32", reason="a Ctrl-C cannot be sent there to one process alone")
def test_it_serves_until_ctrl_c(tmp_path):
    with started("lab", "--no-browser", cwd=tmp_path) as process:
        address = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert b"tinygan lab" in answer.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert not list(tmp_path.iterdir())


def test_a_run_can_be_opened(monkeypatch, capsys, tmp_path):
    draw_quickly(monkeypatch.setattr)
    assert (
        main(
            [
                "train",
                "--data",
                "ring",
                "--steps",
                "20",
                "--hidden",
                "5",
                "--batch",
                "6",
                "--out",
                str(tmp_path / "run"),
            ]
        )
        == 0
    )
    opened = []

    class Opened(server.Server):
        def __init__(self, given, port=0, token=None):
            super().__init__(given, port, token)
            opened.append(given)

    monkeypatch.setattr(server, "Server", Opened)
    monkeypatch.setattr(lab, "time", SimpleNamespace(sleep=interrupt))
    assert main(["lab", str(tmp_path / "run"), "--no-browser", "--set", "steps=40"]) == 0
    (session,) = opened
    assert session.branch.step == 20 and session.branch.advance()
    assert session.branch.command() == f"tinygan lab {tmp_path / 'run'} --set steps=40"


def interrupt(seconds):
    raise KeyboardInterrupt

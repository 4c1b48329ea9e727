"""Where a training is can be seen in a line: how far, how long still, how good the samples are."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import struct
import sys

import pytest
from commands import QUICKLY, answer, start, train
from small_runs import TYPED

from tinygan.app import output

pytestmark = pytest.mark.usefixtures("quickly")


def progress(out):
    """The lines that say where a training is."""
    return [line for line in out.replace("\n", "\r").split("\r") if line.startswith("step ")]


def test_a_terminal_shows_one_line_that_fits(folder, tmp_path):
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    import fcntl
    import termios

    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"this system has no pseudo-terminal to spare: {error}")
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 70, 0, 0))
    process = start(*train(folder, tmp_path / "run"), code=QUICKLY, stdout=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 10_000):
            shown += chunk
    os.close(ours)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    lines = progress(shown.decode())
    assert len(lines) >= 6 and {len(line) for line in lines} == {69}
    for line, step, epoch in ((lines[0], 1, 0.3), (lines[-1], 6, 1.8)):
        assert line.startswith(f"step {step}/6 ") and "0:00 left" in line and f"epoch {epoch}" in line, line


@pytest.mark.parametrize("width", [24, 40])
def test_the_time_left_is_seen_on_a_narrow_terminal(folder, tmp_path, monkeypatch, capsys, width):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((width, 24)))
    _, out, _ = answer(capsys, *train(folder, tmp_path / "run"))
    lines = progress(out)
    assert lines and all("0:00 left" in line and len(line) == width - 1 for line in lines), lines


def test_without_a_terminal_a_line_now_and_then_says_where_a_run_is(folder, tmp_path, monkeypatch, capsys):
    for quiet, told in ((0, [1, 2, 3, 4, 5, 6, 6]), (1000, [])):
        monkeypatch.setattr(output, "QUIET", quiet)
        _, out, _ = answer(capsys, *train(folder, tmp_path / str(quiet)))
        assert [int(re.match(r"step (\d+)/6", line)[1]) for line in progress(out)] == told


def test_the_newest_measure_of_the_samples_is_shown(tmp_path, monkeypatch, capsys):
    """Of points their share of high quality and the modes; also on the steps between two measurements."""
    monkeypatch.setattr(output, "QUIET", 0)
    words = ["train", "--data", "ring", "--steps", 6, *TYPED, "--out", tmp_path / "run"]
    _, out, _ = answer(capsys, *words)
    lines = progress(out)
    assert len(lines) == 7
    for line in lines:
        assert re.search(r"high-quality share [\d.e-]+  modes \d  epoch", line), line


def test_images_show_the_frechet_distance_and_the_classes(few_digits, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(output, "QUIET", 0)
    words = ["train", "--data", "digits", "--steps", 3, *TYPED, "--out", tmp_path / "run"]
    _, out, _ = answer(capsys, *words)
    for line in progress(out):
        assert re.search(r"Fréchet distance [\d.e+]+  classes \d", line), line


def test_the_last_hint_can_be_typed_as_it_is(folder, tmp_path, capsys):
    run = tmp_path / "a run"
    code, out, _ = answer(capsys, *train(folder, run))
    assert code == 0 and shlex.split(out.splitlines()[-1].split("more: ")[1]) == ["tinygan", "sample", str(run)]

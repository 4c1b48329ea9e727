"""Whatever becomes of standard output, a command ends as it should, and nothing it prints steers a terminal."""

from __future__ import annotations

import os
import sys

import processes
import pytest
from commands import QUICKLY, answer, finished, start, train
from small_runs import TYPED, step_of

from tinygan import data
from tinygan.app import output
from tinygan.app import train as train_module

pytestmark = pytest.mark.usefixtures("quickly")
needs_full_device = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")


# ---- nobody hears it -------------------------------------------------------------------------------

TALKS = {
    "tinygan": ["--help"],
    "tinygan sample": ["sample", "RUN", "--out", "OUT"],
    "tinygan score": ["score", "RUN", "--count", "500", "--json"],
    "tinygan check": ["check", "MINE"],
}


def talks(name, run, folder, stdout):
    """[(exit code, standard error)] of two processes that print into ``stdout``, with and without a buffer."""
    begun, mine = [], folder / "mine.py"
    mine.write_text("def square(x):\n    return (x**2).sum(), 2 * x\n")
    for more in ({}, {"PYTHONUNBUFFERED": "1"}):
        words = {"RUN": run, "MINE": mine, "OUT": folder / f"{len(more)}.npy"}
        environment = processes.environment(**more)
        begun.append(start(*(words.get(word, word) for word in TALKS[name]), stdout=stdout, env=environment))
    errors = [process.communicate(timeout=60)[1] for process in begun]
    return [(process.returncode, err) for process, err in zip(begun, errors, strict=True)]


@needs_full_device
@pytest.mark.parametrize("name", TALKS)
def test_a_full_disk_behind_the_output_is_named(ring, tmp_path, name):
    with open("/dev/full", "w") as full:
        for code, err in talks(name, ring, tmp_path, full):
            assert code == 2 and err.endswith(f"{name}: No space left on device\n"), (code, err)
            assert "Error" not in err and "Exception" not in err


@needs_full_device
def test_a_mistake_that_cannot_be_told_is_one_all_the_same(tmp_path):
    with open("/dev/full", "w") as full:
        assert start("sample", tmp_path / "absent", stderr=full).wait(timeout=60) == 2


@pytest.mark.parametrize("name", TALKS)
def test_a_reader_that_has_gone_gets_no_complaint(ring, tmp_path, name):
    """As in ``tinygan check | true``."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        for code, err in talks(name, ring, tmp_path, theirs):
            assert code in (0, 1) and "Error" not in err and "Exception" not in err, (code, err)
    finally:
        os.close(theirs)


def test_a_reader_that_goes_stops_no_training(folder, tmp_path):
    code = QUICKLY.replace("sys.exit", "from tinygan.app import output; output.QUIET = 0; sys.exit")
    process = start(*train(folder, tmp_path / "run"), code=code)
    assert process.stdout.readline().startswith("Training on")
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), err) == (0, "")
    assert step_of(tmp_path / "run") == 6


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_that_cannot_be_shown_stops_no_training(folder, tmp_path, capsys, monkeypatch, terminal):
    """A terminal that was closed, or a full disk."""

    def lost(training):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(output, "QUIET", 0)
    monkeypatch.setattr(output, "describe", lost)
    code, out, err = answer(capsys, *train(folder, tmp_path / "run"))
    assert (code, err) == (0, "") and step_of(tmp_path / "run") == 6


# ---- what is printed -------------------------------------------------------------------------------


def test_characters_that_the_encoding_lacks_are_no_mistake(tmp_path):
    """Windows has such encodings for files and pipes."""
    environment = processes.environment(PYTHONIOENCODING="ascii")
    words = ["train", "--data", "ring", "--steps", 6, *TYPED]
    code, out, err = finished(*words, cwd=tmp_path, code=QUICKLY, env=environment)
    assert (code, err) == (0, "") and "within 3? of" in out


def test_a_pipe_gets_lines_and_nothing_but_lines(folder, tmp_path):
    code, out, err = finished(*train(folder, tmp_path / "run"), code=QUICKLY)
    assert (code, err) == (0, "") and "\r" not in out
    assert "6 steps" in out and f"{tmp_path / 'run'}" in out


def test_what_came_from_elsewhere_steers_no_terminal(folder, tmp_path, capsys, monkeypatch):
    def mirror(*args):
        raise data.DataError("mirror: HTTP Error 404: \x1b[2J\x9b2J", "\x1b]0;title\x07")

    monkeypatch.setattr(train_module, "fetch", mirror)
    code, out, err = answer(capsys, *train(folder, tmp_path / "run"))
    assert code == 2 and "HTTP Error 404" in err
    assert all(c.isprintable() or c == "\n" for c in out + err), err

"""What the tests of the command line share: commands, here or in processes of their own, and what befalls them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import processes
import pytest
from small_runs import TYPED

from tinygan.app.cli import main
from tinygan.training import Training


def train(data, out, *more):
    """The words of a run of six steps."""
    return ["train", "--data", str(data), "--steps", "6", *TYPED, "--out", str(out), *map(str, more)]


def answer(capsys, *words):
    """(exit code, standard output, standard error) of a command."""
    return main([str(word) for word in words]), *capsys.readouterr()


def refusal(capsys, *words):
    """The one line on standard error, and exit code 2, with which a command must be refused."""
    code, _, err = answer(capsys, *words)
    assert code == 2 and err.endswith("\n") and len(err.splitlines()) == 1, (words, code, err)
    assert err.startswith("tinygan"), (words, err)
    return err


# ---- what befalls a run ----------------------------------------------------------------------------


@contextlib.contextmanager
def at_step(step, action):
    """Within this context every training does this in the middle of that step."""
    whole_step = Training.train_step

    def train_step(training):
        if training.step + 1 == step:
            action()
        whole_step(training)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "train_step", train_step)
        yield


def interrupted(step, words, number=signal.SIGINT):
    """The exit code of a command that a signal meets in the middle of that step."""
    with at_step(step, lambda: signal.raise_signal(number)):
        return main([str(word) for word in words])


def fail_writing(monkeypatch, fails):
    """From now on no file is written whole for whose path ``fails(path)``."""
    replace = os.replace

    def full_disk(source, target):
        if fails(Path(target)):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full_disk)


# ---- real processes --------------------------------------------------------------------------------

QUICKLY = """
import sys, small_runs
from tinygan.app import cli
small_runs.draw_quickly()
sys.exit(cli.main())
"""


def start(*words, code=None, **options):
    """``tinygan WORDS`` in a process of its own, or ``code`` in its place."""
    program = ["-c", code] if code else ["-m", "tinygan"]
    return processes.start(*program, *words, **options)


@contextlib.contextmanager
def started(*words, **options):
    """A real process, which does not outlive the test."""
    process = start(*words, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finished(*words, **options):
    """(exit code, standard output, standard error) of a real process."""
    process = start(*words, **options)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wait_for(condition, process, seconds=60):
    """Wait until the condition holds, while the process runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)

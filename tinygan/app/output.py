"""What is printed: lines, and the one line that shows how far a training is."""

from __future__ import annotations

import math
import os
import shutil
import sys
import textwrap
import time
from contextlib import contextmanager, suppress

from tinygan.data import printable
from tinygan.scoring.scores import names_of_measures

QUIET = 10  # seconds after which a run whose output goes to a file or a pipe says again where it is


def say(text):
    """Print a line at once, so that it is seen in time also where the output is a pipe."""
    try:
        print(plain(text), flush=True)
    except BrokenPipeError:  # nobody reads any more: no reason to stop
        settle()


def aside(text):
    """Print a line to standard error, so that standard output stays machine-readable."""
    with suppress(OSError):  # nobody can be told that nobody can be told
        print(plain(text), file=sys.stderr, flush=True)


def settle():
    """Leave nothing in a buffer that Python would try to write at its end, and complain about."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # a full disk, or nobody reads any more: from now on it goes nowhere
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def plain(text):
    """Return the text without what would steer the terminal: a name or a message may come from anywhere."""
    return "\n".join(map(printable, text.split("\n")))


def indented(text):
    """Return a long sentence as lines that every terminal has room for."""
    return textwrap.fill(text, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


@contextmanager
def progress_line(training):
    """Within this context, a function that shows the newest row of the history.

    On a terminal that is one line, written again and again; elsewhere a line every QUIET seconds.
    """
    terminal, said = sys.stdout and sys.stdout.isatty(), time.monotonic()

    def show(end=""):
        nonlocal said
        if not training.history:
            return
        with suppress(OSError):  # a terminal that was closed, a full disk: the training matters more
            if terminal:
                width = shutil.get_terminal_size().columns - 1
                print(f"\r{describe(training)[:width]:<{width}}", end=end, flush=True)
            elif time.monotonic() - said >= QUIET:
                said = time.monotonic()
                say(describe(training))

    try:
        yield show
    finally:
        show(end="\n")


def describe(training):
    """Return where a training is, in a line that can be cut anywhere: the most important comes first."""
    row = training.history[-1]
    done = max(training.progress(), 1e-9)
    left = int(training.seconds * (1 - done) / done)
    total = f"/{training.total_steps:,}" if training.total_steps else ""
    measured = [each for each in training.history if math.isfinite(each.quality)]
    quality, captured = names_of_measures(training.images)
    said = f"{quality} {measured[-1].quality:.3g}  {captured} {measured[-1].captured:.0f}  " if measured else ""
    return (
        f"step {row.step:,}{total}  {left // 60}:{left % 60:02d} left  {said}epoch {row.epoch:.1f}  "
        f"loss D {row.d_loss:.3f} G {row.g_loss:.3f}  D(real) {row.d_real:.2f}  D(fake) {row.d_fake:.2f}"
    )

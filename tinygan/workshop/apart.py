"""A reader's code runs in a process of its own: an endless loop, ``exit()`` or a crash becomes a sentence.

The process writes one line of JSON for each step to a channel of its own, so that whatever a reader's code prints goes
nowhere. Where it falls silent for too long, or ends, the rest is judged by a new one.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

from tinygan.workshop.asking import SECONDS
from tinygan.workshop.judge import Verdict, judge
from tinygan.workshop.steps import STEPS

COMMAND = ["-B", "-m", "tinygan.workshop.apart"]  # of Python; what it reads it leaves as it is
PATIENCE = 6 * SECONDS  # seconds without a word: a step is asked more than once, each time for SECONDS at most


def verdicts(folder):
    """Yield (Step, Verdict) for each of the steps of a project, in order."""
    right, left = set(), list(range(len(STEPS)))
    while left:
        step = STEPS[left[0]]
        if missing := [name for name in step.needs if name not in right]:
            left.pop(0)
            yield step, Verdict("waits", step.places[0], (f"  waits for {missing[0]}",))
            continue
        for index, verdict in judged(folder, tuple(left), right):
            left.remove(index)
            yield STEPS[index], verdict


def judged(folder, steps, right):
    """Yield (index, Verdict) of these steps, from one process, until one cannot be judged yet, or stops it."""
    lines = queue.Queue()
    process = subprocess.Popen(
        [sys.executable, *COMMAND, str(folder), *map(str, steps)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        env=environment(),
    )
    threading.Thread(target=pump, args=(process.stdout, lines), daemon=True).start()
    try:
        for index in steps:
            if not set(STEPS[index].needs) <= right:
                return
            try:
                line = lines.get(timeout=PATIENCE)
            except queue.Empty:
                yield index, stopped(index, f"no end within {PATIENCE} seconds: is there an endless loop?")
                return
            if line is None:
                code = process.wait()
                said = "the program ends itself" if code >= 0 else f"the program crashes (signal {-code})"
                yield index, stopped(index, f"{said} while this is judged: is there an exit() in it?")
                return
            number, state, place, words = json.loads(line)
            if state == "right":
                right.add(STEPS[number].name)
            yield number, Verdict(state, place, tuple(words))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def pump(stream, lines):
    """Put all lines of a stream into a queue, and None behind the last."""
    try:
        for line in stream:
            lines.put(line)
    except (OSError, ValueError):
        pass
    lines.put(None)


def environment():
    """Return the variables of such a process: the same tinygan, and no windows."""
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"}


def stopped(index, words):
    """Return the Verdict on a step that could not be judged."""
    step = STEPS[index]
    return Verdict("stopped", step.places[0], (f"  {step.file}: {words}",))


def channel():
    """Return the standard output as a file of our own; what others print goes nowhere from now on."""
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return ours


def main(folder, *steps):
    """Judge these steps, and write a line for each."""
    ours = channel()
    sys.path.insert(0, os.path.abspath(folder))
    for index in map(int, steps):
        verdict = judge(index, folder)
        ours.write(json.dumps([index, *verdict]) + "\n")
        ours.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

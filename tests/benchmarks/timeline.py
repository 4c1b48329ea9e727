"""What both cores do during a step: two workers note when they compute and when they wait for each other.

    TINYGAN_DATA=folder python tests/benchmarks/timeline.py                 a table, and the picture timeline.png
    python tests/benchmarks/timeline.py --workers 4 --out four.png          more of them

The recipe is that of ``tinygan train``. Above, one process takes the whole step alone; below, each
worker takes its share. Shown is the step of median length of a few hundred. To be run on a quiet machine.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from speed import about, load_images

from tinygan.recipes import PRESETS
from tinygan.sharing import Leader, Memory, one_thread
from tinygan.workers import Worker

STEPS = 400
# Between two meetings; in a team the last of them ends with "I am done", which only the leader waits for.
PARTS = "gradients of D", "update of D", "gradients of G", "update of G", "average"
COLORS = "#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73"  # Okabe and Ito: told apart by everybody


def note_waits(crew, marks):
    """From now on, write when each wait of a worker began and ended; perf_counter is one clock for all processes."""
    wait, free = crew.wait_for, iter(marks)

    def wait_for(*given):
        began = time.perf_counter()
        wait(*given)
        next(free, np.empty(2))[:] = began, time.perf_counter()

    crew.wait_for = wait_for


def follow(k, crew, config, dataset, memory):
    """Be worker k, and note its waits."""
    note_waits(crew, memory.array("marks")[k])
    training = Worker(k, config, dataset._replace(x=memory.array("x")), memory, crew)
    crew.arrive()
    while True:
        training.train_step()


def measure(workers):
    """Return (the times at which steps began (STEPS + 1,), the waits (W, n, 2)), in seconds."""
    dataset, config, memory = load_images(), replace(PRESETS["default"], workers=workers), Memory()
    memory.holding("x", dataset.x)
    marks, starts = memory.array("marks", (workers, 10 * STEPS, 2), float), []
    with one_thread(), Leader(workers - 1) as crew:
        note_waits(crew, marks[0])
        leader = Worker(0, config, dataset._replace(x=memory.array("x")), memory, crew)
        crew.start(follow, config, dataset._replace(x=None), memory)
        crew.arrive(60)
        for _ in range(STEPS):
            starts.append(time.perf_counter())
            leader.train_step()
        return np.array([*starts, time.perf_counter()]), marks.copy()


def alone():
    """Return the lengths in seconds of the steps that one process takes, with one core."""
    with one_thread(), Leader(0) as crew:
        dataset = load_images()
        leader = Worker(0, replace(PRESETS["default"], workers=1), dataset, Memory(), crew)
        starts = []
        for _ in range(STEPS + 1):
            starts.append(time.perf_counter())
            leader.train_step()
    return np.diff(starts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", default="timeline.png")
    args = parser.parse_args()
    if args.workers < 2:
        parser.error("--workers must be at least 2")
    print(about([]))
    lengths = alone()
    starts, marks = measure(args.workers)
    middle = STEPS // 2
    typical = middle + int(np.argsort(np.diff(starts)[middle:])[STEPS // 4])
    begin, end = starts[typical], starts[typical + 1]

    figure, ax = plt.subplots(figsize=(9, 0.7 * args.workers + 1.6), layout="constrained")
    mean = 1e3 * np.median(lengths[middle:])
    ax.barh("one process", mean, color="#bbbbbb")
    print(f"one process, one core: {mean:.2f} ms a step")
    for k, waits in enumerate(marks):
        at, waited = begin, 0.0
        inside = waits[(waits[:, 1] > begin) & (waits[:, 0] < end)]
        # The leader's waits end its parts; the others' first one is for the leader to begin.
        for part, (began, ended) in enumerate(inside, start=-min(k, 1)):
            length = max(0.0, began - at)
            ax.barh(f"worker {k}", 1e3 * length, left=1e3 * (at - begin), color=COLORS[part % len(PARTS)])
            waited += min(ended, end) - began
            at = ended
        if at < end:
            ax.barh(f"worker {k}", 1e3 * (end - at), left=1e3 * (at - begin), color=COLORS[-1])
        late = waits[waits[:, 0] > starts[middle]]
        share = (late[:, 1] - late[:, 0]).sum() / (starts[-1] - starts[middle])
        print(f"worker {k}: waits {1e3 * waited:.2f} of {1e3 * (end - begin):.2f} ms in this step, {share:.0%} in all")
    for part, color in zip(PARTS, COLORS, strict=True):
        ax.barh(0, 0, color=color, label=part)
    ax.invert_yaxis()
    ax.set(xlabel="ms", title="One step; white: waiting for the others")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(args.out)
    print(f"picture: {args.out}")


if __name__ == "__main__":
    import timeline  # by a name that the other processes find, too

    timeline.main()

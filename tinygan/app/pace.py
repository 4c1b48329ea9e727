"""How many processes a new run is given: what is fastest here and now, found by trying."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace

from tinygan.sharing import Memory, WorkerError, blas_threads
from tinygan.training import Training
from tinygan.workers import team

SHORT = 10  # seconds of training alone; below that, starting and trying would take more than they give
LEAST = 16  # samples of a batch that are worth a worker of their own
TURN, TURNS = 0.1, 3  # seconds and times that each way of training is tried
GAIN = 1.1  # how much faster several must be: on a machine that gets busier, they lose more


def with_workers(config, dataset):
    """Return (config, a line that says why), with the number of workers that is fastest where it leaves that open."""
    if config.workers:
        return config, ""
    alone = replace(config, workers=1)
    most = min(cores(), config.most_workers(), config.batch // LEAST)
    if most < 2 or seconds_of(alone, dataset) < SHORT:
        return alone, ""
    # Half of them, too: many a processor shows each of its cores twice.
    choices = [alone, *(replace(config, workers=n) for n in {most, most // 2} if n > 1)]
    try:
        rates = race(choices, dataset)
    except WorkerError as error:
        return alone, f"Training in one process: {error}."
    rate, fastest = max(zip(rates[1:], choices[1:], strict=True), key=lambda pair: pair[0])
    measured = f"{fastest.workers} take {rate:.0f} steps/s, one takes {rates[0]:.0f}"
    if rate > GAIN * rates[0]:
        return fastest, f"Training in {fastest.workers} processes: {measured}."
    return alone, f"Training in one process: {measured}."


def cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds_of(config, dataset, trial=5):
    """Return about how long a run takes."""
    if config.minutes:
        return 60 * config.minutes
    training, seconds = Training(config, dataset), []
    for _ in range(trial):
        start = time.perf_counter()
        training.train_step()
        seconds.append(time.perf_counter() - start)
    return training.total_steps * min(seconds)


def race(choices, dataset):
    """Return the steps/s of each Config, the first of which has one worker. In turns: all meet the same machine."""
    get_threads, set_threads = blas_threads()
    memory, all_threads = Memory(), get_threads()
    dataset = dataset._replace(x=memory.holding("x", dataset.x))
    steps, seconds = [0] * len(choices), [0.0] * len(choices)
    with ExitStack() as stack:
        teams = [stack.enter_context(team(config, dataset, memory=Memory(memory))) for config in choices[1:]]
        trainings = [Training(choices[0], dataset), *teams]
        for turn in range(1 + TURNS):  # the first is to get warm
            for i, training in enumerate(trainings):
                set_threads(1 if i else all_threads)
                start, first = time.perf_counter(), training.step
                while (taken := time.perf_counter() - start) < TURN or training.step % training.config.penalty_every:
                    training.train_step()
                if turn:
                    steps[i] += training.step - first
                    seconds[i] += taken
    return [n / s for n, s in zip(steps, seconds, strict=True)]

"""How many processes a new run is given: what is fastest here and now, found by trying."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from tinygan.training import Training
from tinygan.workers import WorkerError, team

SHORT = 10  # seconds of training alone; below that, starting and measuring would take more than they give
LEAST = 16  # samples of a batch that are worth a worker of their own
TURN, TURNS = 0.1, 3  # seconds and times that each way of training is tried
GAIN = 1.1  # how much faster several must be: on a machine that gets busier, they lose more


def with_workers(config, dataset):
    """Return the Config with the number of workers that is fastest, where it leaves that open, and a line that says why."""
    if config.workers:
        return config, ""
    alone = Training(config, dataset)
    most = min(cores(), config.most_workers(), config.batch // LEAST)
    if most < 2 or seconds_of(config, alone) < SHORT:
        return replace(config, workers=1), ""
    several = replace(config, workers=most)
    try:
        with team(several, dataset) as together:
            one, all_of_them = race(alone, together)
    except WorkerError as error:
        return replace(config, workers=1), f"Training in one process: {error}."
    counts = f"{most} processes take {all_of_them:.0f} steps/s, one takes {one:.0f}"
    if all_of_them > GAIN * one:
        return several, f"Training in {most} processes: {counts}."
    return replace(config, workers=1), f"Training in one process: {counts}."


def cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds_of(config, training, trial=5):
    """Return about how long a run takes."""
    if config.minutes:
        return 60 * config.minutes
    start = time.perf_counter()
    for _ in range(trial):
        training.train_step()
    return training.total_steps * (time.perf_counter() - start) / trial


def race(*trainings):
    """Return the steps/s of each, tried in turns, so that all meet the same machine."""
    steps, seconds = [0] * len(trainings), [0.0] * len(trainings)
    for turn in range(1 + TURNS):  # the first is to get warm
        for i, training in enumerate(trainings):
            start, first = time.perf_counter(), training.step
            while (taken := time.perf_counter() - start) < TURN or training.step % training.config.penalty_every:
                training.train_step()
            if turn:
                steps[i] += training.step - first
                seconds[i] += taken
    return [n / s for n, s in zip(steps, seconds, strict=True)]

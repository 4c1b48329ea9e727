"""``tinygan train``: a new run, or an old one resumed."""

from __future__ import annotations

import math
import shlex
from contextlib import ExitStack, contextmanager, suppress

import numpy as np

from tinygan.app import runs
from tinygan.app.album import Album
from tinygan.app.arguments import check_batch, config_from, extended, redivided, refuse_changes
from tinygan.app.errors import CheckpointError, UsageError
from tinygan.app.output import progress_line, say
from tinygan.app.pace import with_workers
from tinygan.app.source import absolute, fetch, fingerprint, make_examiner, refuse_other, say_scores
from tinygan.codes import guesser
from tinygan.conditions import labels_in
from tinygan.data import DataError
from tinygan.gan import draw_latents
from tinygan.sharing import Memory, WorkerError
from tinygan.training import NumericalError, Training, count
from tinygan.workers import team


def train_command(args):
    """Begin a run, or resume one."""
    if args.resume:
        refuse_changes(args)
        runs.refuse_missing(args.resume)
        with runs.locked(args.resume):
            training, dataset, about, state = resume(args)
            with divided(training, dataset, state) as (training, dataset):
                return train(args, args.resume, training, dataset, about)
    if args.out:
        runs.refuse_existing(args.out)
    dataset = fetch(args.data or "auto")
    source = dataset.name if args.data in (None, "auto") else absolute(args.data)
    about = {"data": source, "name": dataset.name, "sha256": fingerprint(dataset)}
    config, why = with_workers(config_from(args, dataset), dataset)
    if why:
        say(why)
    with divided(Training(config, dataset), dataset) as (training, dataset), runs.new(args.out) as run:
        say(f"Training on {dataset.name}, {len(dataset.x):,} examples; the run's folder is {run}")
        return train(args, run, training, dataset, about)


@contextmanager
def divided(training, dataset, state=None):
    """Within this context, (training, dataset), where as many processes take the steps as the Config says."""
    config = training.config
    if config.workers in (None, 1) or training.progress() == 1:
        yield training, dataset
        return
    with ExitStack() as stack:
        try:
            memory = Memory()
            dataset = dataset._replace(x=memory.holding("x", dataset.x))
            training = stack.enter_context(team(config, dataset, state, memory))
        except WorkerError as error:
            raise UsageError(f"{error}; --workers 1 does without other processes") from None
        yield training, dataset


def resume(args):
    """Return (training, dataset, what to save about the data, state) of a run, as its newest checkpoint has them."""
    run = args.resume
    arrays, values, remark = runs.load(run)
    if remark:
        say(remark)
        runs.set_aside(run)
    with runs.understanding(run):
        config, step = runs.config_of(arrays, values), count(values, "step")
        about = runs.origin_of(arrays, values)
    if args.steps:
        config = extended(config, args.steps, step)
    if args.data:
        about["data"] = absolute(args.data)
    try:
        dataset = fetch(about["data"])._replace(name=about["name"])
    except DataError as error:
        raise UsageError(f"{error.fault} (if the data have moved: --data FOLDER)") from None
    refuse_other(dataset, run, about["data"], about["sha256"])
    if args.workers:
        config = redivided(config, args.workers)
    with runs.understanding(run):
        check_batch(config, dataset)
        training = Training(config, dataset)
        training.restore(arrays, values)
    if training.progress() < 1:
        say(f"{run}: continuing at step {training.step:,}")
    else:
        further = "" if config.has_one_length() else "; to go further, add --steps with a larger number"
        say(f"{run}: was finished at step {training.step:,}{further}")
    return training, dataset, about, (arrays, values)


def train(args, run, training, dataset, about):
    """Train to the end, or until interrupted; everything goes into the run's folder. Returns the exit code."""
    config = training.config
    if config.sort and not training.groups.any():
        say(f"First {config.sort:,} steps sort them into {config.codes} groups, without labels")
    saver = runs.Saver(run, training, about, args.checkpoint_every)
    if not args.resume or args.steps:
        saver.save()
    album = Album(run, training, dataset)
    examiner = None
    try:
        examiner = make_examiner(dataset, about["data"], config)
        training.measure = examiner.measure
    except DataError as error:
        say(f"The samples are not scored: {error}")
    again = f"tinygan train --resume {shlex.quote(str(run))}"
    try:
        signal = go_on(training, saver, album)
        if signal:
            say(f"Stopped at step {training.step:,}. To continue: {again}")
            return 128 + signal
        say(f"{dataset.name}: {training.step:,} steps in {training.seconds:.0f} s of training.")
        say("Drawing the curves and the film, which takes some seconds ...")
        album.finish(examiner.floor() if examiner else (math.nan, math.nan))
    except NumericalError as error:
        kept = f"{saver.path} holds step {saver.step:,}, to be sampled and scored"
        error.advice += f"\n{kept if saver.step else 'there is no checkpoint yet but that of the untrained start'}"
        raise
    except (CheckpointError, KeyboardInterrupt, WorkerError) as error:
        hint = f"; step {saver.step:,} is safe in {saver.path}, to continue from there: {again}"
        raise type(error)(f"{str(error) or 'interrupted'}{hint if saver.path.exists() else ''}") from None
    if examiner:
        score(training, examiner)
    say(f"Look at {run}/samples/, {run}/curves.png and {run}/film.html; more: tinygan sample {shlex.quote(str(run))}")
    return 0


def go_on(training, saver, album):
    """Run the training; return the number of the signal that interrupted it, or 0."""
    with runs.Interruption() as interruption, progress_line(training) as show_progress:
        for event in training.run():
            if event == "frame":
                with suppress(CheckpointError):  # it is tried again; the training matters more
                    album.update()
            if event != "step":
                show_progress()
            if interruption.asked:
                break
            saver.save_if_due()
    if training.step > saver.step:
        saver.save()
    album.update()
    return interruption.asked


def score(training, examiner):
    """Print the short table of scores of a finished training."""
    n = examiner.comparable(5000 if training.images else 2500)
    say(f"Scoring {n:,} samples, which takes some seconds ...")
    latent_dim = training.config.latent_dim
    z = draw_latents(np.random.default_rng(0), n, latent_dim, training.class_counts)
    asked = labels_in(z, latent_dim) if training.class_counts else None
    guess = guesser(training.gan.discriminator, training.config.codes)
    say_scores(examiner, examiner.scores(training.generate(z), asked=asked, guess=guess), training.step)

"""The command line exists so that everything can be had without writing a line: train, sample, score, check.

A mistake in what was typed (``arguments``), or in the files that it names, is answered by one line
on standard error and exit code 2.
"""

from __future__ import annotations

import csv
import gc
import json
import os
import shlex
import shutil
import sys
import textwrap
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan import __version__, checkpoint, data, runs, scores, synthetic
from tinygan.arguments import (
    DATA,
    UsageError,
    check_batch,
    config_from,
    extended,
    has_one_length,
    parse,
    refuse_changes,
)
from tinygan.network import Network
from tinygan.recipes import Config, build_generator
from tinygan.training import NumericalError, Row, Training, check_fit, count, draw_latents, generate


def main(argv=None):
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # σ and ∂ are not in every encoding
    name = "tinygan"
    try:
        try:
            args = parse(argv)
            name = f"tinygan {args.name}"
            code = COMMANDS[args.name](args) or 0
        except SystemExit as stop:  # --help, or a mistake that has been told
            code = stop.code
        print(end="", flush=True)  # what is still in the buffer arrives now, or its loss is told
        return code
    except data.DataError as error:
        aside(f"{name}: {error.fault}")
        if error.remedy:
            aside(indented(f"To have MNIST: {error.remedy}"))
        return 2
    except (UsageError, runs.RunError, checkpoint.CheckpointError) as error:
        aside(f"{name}: {error}")
        return 2
    except NumericalError as error:
        aside(f"{name}: {error.fault}\n{error.advice}")
        return 1
    except MemoryError:
        aside(f"{name}: out of memory; ask for smaller numbers")
        return 2
    except KeyboardInterrupt as error:
        aside(f"{name}: {str(error) or 'interrupted'}")
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        aside(f"{name}: {where}{error.strerror or error}")
        return 2
    finally:
        settle()


def settle():
    """Leave nothing in a buffer that Python would try to write at its end, and complain about."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # a full disk, or nobody reads any more: from now on it goes nowhere
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def say(text):
    """Print a line at once, so that it is seen in time also where the output is a pipe."""
    try:
        print(plain(text), flush=True)
    except BrokenPipeError:  # nobody reads any more: no reason to stop
        settle()


def aside(text):
    """Say something where it is in nobody's way who reads the output with a program."""
    with suppress(OSError):  # nobody can be told that nobody can be told
        print(plain(text), file=sys.stderr, flush=True)


def plain(text):
    """The text without what would steer the terminal: a name or a message may come from anywhere."""
    return "\n".join(map(data.printable, text.split("\n")))


def indented(text):
    """A long sentence as lines that every terminal has room for."""
    return textwrap.fill(text, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


# ---- train -------------------------------------------------------------------------------------


def train_command(args):
    """``tinygan train``: a new run, or an old one resumed."""
    if args.resume:
        refuse_changes(args)
        runs.refuse_missing(args.resume)
        with runs.locked(args.resume):
            return train(args, args.resume, *resume(args))
    if args.out:
        runs.refuse_existing(args.out)
    dataset = load_data(args.data or "auto")
    training = Training(config_from(args, dataset), dataset)
    source = dataset.name if args.data in (None, "auto") else absolute(args.data)
    about = {"data": source, "name": dataset.name, "sha256": fingerprint(dataset)}
    with runs.new(args.out) as run:
        say(f"Training on {dataset.name}, {len(dataset.x):,} examples; the run's folder is {run}")
        return train(args, run, training, dataset, about)


def resume(args):
    """(training, dataset, what to save about the data) of a run, as its newest checkpoint has them."""
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
        dataset = load_data(about["data"])._replace(name=about["name"])
    except data.DataError as error:
        raise UsageError(f"{error.fault} (if the data have moved: --data FOLDER)") from None
    refuse_other(dataset, run, about["data"], about["sha256"])
    with runs.understanding(run):
        check_batch(config, dataset)
        training = Training(config, dataset)
        training.restore(arrays, values)
    if training.progress() < 1:
        say(f"{run}: going on at step {training.step:,}")
    else:
        further = "" if has_one_length(config) else "; to go further, add --steps with a larger number"
        say(f"{run}: was finished at step {training.step:,}{further}")
    return training, dataset, about


def train(args, run, training, dataset, about):
    """Train to the end, or until interrupted; everything goes into the run's folder."""
    saver = runs.Saver(run, training, about, args.checkpoint_every)
    if not args.resume or args.steps:
        saver.save()
    album = Album(run, training, dataset)
    try:
        examiner = make_examiner(dataset, about["data"], training.config)
        training.measure = examiner.quality
    except data.DataError as error:
        examiner = None
        say(f"The samples are not scored: {error}")
    again = f"tinygan train --resume {shlex.quote(str(run))}"
    try:
        with runs.Interruption() as interruption, progress_line(training) as show_progress:
            for event in training.run():
                if event == "frame":
                    with suppress(checkpoint.CheckpointError):  # it is tried again; the training matters more
                        album.update()
                if event != "step":
                    show_progress()
                if interruption.asked:
                    break
                saver.save_if_due()
        if training.step > saver.step:
            saver.save()
        album.update()
        if interruption.asked:
            say(f"Stopped at step {training.step:,}. To go on: {again}")
            return 128 + interruption.asked
        say(f"{dataset.name}: {training.step:,} steps in {training.seconds:.0f} s of training.")
        say("Drawing the curves and the film, which takes some seconds ...")
        album.finish()
    except NumericalError as error:
        kept = f"{saver.path} holds step {saver.step:,}, to be sampled and scored"
        error.advice += f"\n{kept if saver.step else 'there is no checkpoint yet but that of the untrained start'}"
        raise
    except (checkpoint.CheckpointError, KeyboardInterrupt) as error:
        hint = f"; step {saver.step:,} is safe in {saver.path}, to go on from there: {again}"
        raise type(error)(f"{str(error) or 'interrupted'}{hint if saver.path.exists() else ''}") from None
    if examiner:
        count = 5000 if training.images else 2500
        say(f"Scoring {count:,} samples, which takes some seconds ...")
        z = draw_latents(np.random.default_rng(0), count, training.config.latent_dim)
        rows = examiner.scores(training.generate(z))
        say(scores.table(rows))
        if verdict := scores.verdict(rows, training.step):
            say(verdict)
    say(f"Look at {run}/samples/, {run}/curves.png and {run}/film.html; more: tinygan sample {shlex.quote(str(run))}")


def drawing():
    """The module that draws, imported only now, as that takes a while; RunError where it cannot be."""
    os.environ.pop("MPLBACKEND", None)  # with a name there that matplotlib does not know, it cannot be imported
    try:
        from tinygan import plots
    except Exception as error:  # its settings are the user's, and may be anything
        raise runs.RunError(f"matplotlib cannot be used ({checkpoint.reason(error)}); look at its settings") from None
    return plots


class Album:
    """What can be looked at in a run's folder; all of it can be made again from a checkpoint."""

    def __init__(self, run, training, dataset):
        self.plots, self.run, self.training, self.dataset = drawing(), run, training, dataset
        self.title = f"{dataset.name}, {training.config.objective}, seed {training.config.seed}"
        self.background = None if training.images else dataset.x[:2000]

    def update(self):
        """config.json, history.csv, and those pictures of samples that are not there yet."""
        config, dataset = self.training.config.to_dict(), self.dataset
        content = {"data": dataset.name, "examples": len(dataset.x), "version": __version__, **config}
        with checkpoint.whole(self.run / "config.json") as path:
            path.write_text(json.dumps(content, indent=2) + "\n")
        with checkpoint.whole(self.run / "history.csv") as path, open(path, "w", newline="") as file:
            csv.writer(file).writerows([Row._fields, *self.training.history])
        folder = self.run / "samples"
        with checkpoint.writing(folder):
            folder.mkdir(exist_ok=True)
        for step, samples in self.training.frames:
            picture = folder / f"step_{step:07d}.png"
            if not picture.exists():
                with checkpoint.whole(picture) as path:
                    self.plots.save_samples(path, samples, f"{self.title}, step {step:,}", self.background)
                gc.collect()  # a figure is large, and full of circles that would be found late

    def finish(self):
        """The curves and the film."""
        with checkpoint.whole(self.run / "curves.png") as path:
            self.plots.save_curves(path, self.training.history, self.title, scores.quality_name(self.training.images))
        with checkpoint.whole(self.run / "film.gif") as gif, checkpoint.whole(self.run / "film.html") as html:
            self.plots.save_film(gif, html, self.training.frames, self.title, self.background)


def fingerprint(dataset):
    """SHA-256 of the examples, so that a run goes on with no others."""
    return checkpoint.digest({"x": dataset.x}).hex()


def refuse_other(dataset, run, source, sha256):
    """UsageError if these are not the data that the run was begun with."""
    if fingerprint(dataset) != sha256:
        raise UsageError(f"{run} was begun with other data than {source}; name the same with --data")


def absolute(name):
    """A --data that means the same in every working directory."""
    return name if name in DATA else str(Path(name).resolve())


def load_data(name, split="train", report=say):
    """The dataset that ``--data`` names; "auto" reports it where it falls back on drawn digits."""
    rng = np.random.default_rng(["train", "test"].index(split))
    if name == "auto":
        folder = data.find_mnist()  # a wrong TINYGAN_DATA is an error, not a reason to fall back
        try:
            if folder is None:
                data.download_mnist(report=report)
            name = "mnist"
        except data.DataError as error:
            report("MNIST cannot be had, so this trains on drawn digits instead.")
            report(indented(f"Why: {error.fault}"))
            if error.remedy:
                report(indented(f"To have MNIST: {error.remedy}"))
            name = "digits"
    if name == "mnist":
        return data.load_mnist(split, report=report)
    if name in ("ring", "grid"):
        return {"ring": synthetic.ring, "grid": synthetic.grid}[name](100_000, rng)
    if name == "digits":
        return synthetic.digits(20_000 if split == "train" else 10_000, rng)
    return data.load_folder(name, split)


def make_examiner(dataset, source, config, report=say):
    """What the samples are measured with; DataError if there is no test split, or too few images."""
    test = load_data(source, "test", report) if dataset.x.dtype == np.uint8 else None
    return scores.Examiner(dataset, test, config.latent_dim, report)


QUIET = 10  # seconds after which a run whose output goes to a file or a pipe says again where it is


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
    """Where a training is, in a line that can be cut anywhere: the most important comes first."""
    row, done = training.history[-1], max(training.progress(), 1e-9)
    left = int(training.seconds * (1 - done) / done)
    total = f"/{training.total_steps:,}" if training.total_steps else ""
    return (
        f"step {row.step:,}{total}  {left // 60}:{left % 60:02d} left  epoch {row.epoch:.1f}  "
        f"loss D {row.d_loss:.3f} G {row.g_loss:.3f}  D(real) {row.d_real:.2f}  D(fake) {row.d_fake:.2f}  "
        f"{row.images_per_second:,.0f} images/s"
    )


# ---- sample ------------------------------------------------------------------------------------


class Trained(NamedTuple):
    """What a run has come to: ``generator`` with the averaged weights, after ``step`` steps with ``config``.

    ``name`` is that of the data, ``source`` what --data said, ``sha256`` their fingerprint.
    """

    generator: Network
    config: Config
    name: str
    source: str
    sha256: str
    step: int


def load_generator(run, report=say):
    """The Trained of a run."""
    arrays, values, remark = runs.load(run)
    if remark:
        report(remark)
    with runs.understanding(run):
        config, about = runs.config_of(arrays, values), runs.origin_of(arrays, values)
        frames = arrays["frames"]
        images = frames.dtype == np.uint8
        generator = build_generator(config, frames.shape[2], np.random.default_rng(0), images=images)
        check_fit("average", arrays["average"], generator.params, finite=True)
        generator.params[:] = arrays["average"]
        return Trained(generator, config, about["name"], about["data"], about["sha256"], count(values, "step"))


def draw(trained, n, seed):
    """``n`` samples of a Trained's generator."""
    z = draw_latents(np.random.default_rng(seed), n, trained.config.latent_dim)
    samples = generate(trained.generator, z)
    if not np.isfinite(samples).all():
        raise checkpoint.CheckpointError("the generator's samples are not finite numbers; train again")
    return samples


def sample_command(args):
    """``tinygan sample``: numbers for programs, or a picture."""
    out = args.out or args.run / "sample.png"
    if out.suffix not in (".png", ".npy"):
        raise UsageError(f"--out {out}: the name must end in .png or .npy")
    trained = load_generator(args.run)
    samples = draw(trained, args.count, args.seed)
    with checkpoint.whole(out) as path:
        if out.suffix == ".npy":
            np.save(path, samples.reshape(-1, 28, 28) if samples.shape[1] == 784 else samples)
        else:
            title = f"{trained.name}, step {trained.step:,}, {args.count} samples, seed {args.seed}"
            drawing().save_samples(path, samples, title)
    say(f"{args.count} samples of {args.run} at step {trained.step:,} in {out}")


# ---- score, check ------------------------------------------------------------------------------


def score_command(args):
    """``tinygan score``: the whole table for a run."""
    report = aside if args.json else say
    trained = load_generator(args.run, report)
    samples = draw(trained, args.count, args.seed)
    source = args.data or trained.source
    dataset = load_data(source, report=report)._replace(name=trained.name)
    refuse_other(dataset, args.run, source, trained.sha256)
    examiner = make_examiner(dataset, source, trained.config, report)
    report(f"Scoring {args.count:,} samples, which takes {'up to a minute' if examiner.images else 'a second'} ...")
    rows = examiner.scores(samples, full=True)
    if args.json:
        print(json.dumps({row.name: {"value": row.value, "real": row.real} for row in rows}))
        return 0
    say(f"{trained.name}: {args.count:,} samples of {args.run} at step {trained.step:,}, beside as many real examples")
    say(scores.table(rows))
    if verdict := scores.verdict(rows, trained.step):
        say(verdict)
    if examiner.images:
        shown, picture = samples[:64], args.run / "neighbours.png"
        title = f"{trained.name}, step {trained.step:,}: samples, each above its nearest"
        try:
            with checkpoint.whole(picture) as path:
                drawing().save_neighbours(path, shown, examiner.neighbours(shown), title)
            say(f"Samples beside their nearest training images: {picture}")
        except checkpoint.CheckpointError as error:  # the table is what was asked for
            say(f"There is no picture of samples beside their nearest training images: {error}")


def check_command(args):
    """``tinygan check``: gradients, the package's or a learner's."""
    if sys.flags.optimize > 1:
        raise UsageError("what is said about mistakes are docstrings, which -OO takes away; use -O, or neither")
    from tinygan import check  # only now: nothing else needs it

    return check.main(args.target)


COMMANDS = {"train": train_command, "sample": sample_command, "score": score_command, "check": check_command}

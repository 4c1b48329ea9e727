"""The command line exists so that everything can be had without writing a line: train, sample, score, check.

A mistake in what was typed, or in the files that it names, is answered by one line on standard
error and exit code 2.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import signal
import sys
from pathlib import Path

import numpy as np

from tinygan import __version__, checkpoint, data, synthetic
from tinygan.objectives import LeastSquares
from tinygan.recipes import OBJECTIVES, OPTIMIZERS, PENALTIES, PRESETS, Config, build_generator
from tinygan.training import NumericalError, Training, draw_latents, generate


class UsageError(Exception):
    """What was asked for cannot be done; the message is one line that says why, and what to do."""


def main(argv=None):
    """Run one command; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        return args.command(args) or 0
    except (UsageError, data.DataError, checkpoint.CheckpointError, NumericalError) as error:
        print(f"tinygan {args.name}: {error}", file=sys.stderr)
        return 1 if isinstance(error, NumericalError) else 2
    except BrokenPipeError:
        return 1


# ---- what can be typed -------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser():
    parser = Parser(prog="tinygan", description="A GAN written from nothing but NumPy, to be read.")
    parser.add_argument("--version", action="version", version=f"tinygan {__version__}")
    commands = parser.add_subparsers(required=True, metavar="train|sample|score|check", parser_class=Parser)

    def command(name, function, help):
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(command=function, name=name)
        return sub

    train = command("train", train_command, "train a GAN; with no option, about a minute on MNIST")
    add = train.add_argument
    add("--data", metavar="auto|mnist|digits|ring|grid|FOLDER", help="default auto: MNIST, else drawn digits")
    add("--preset", choices=PRESETS, help="a named recipe; the options below change it")
    add("--objective", choices=OBJECTIVES)
    add("--coding", type=coding, metavar="0-1|pearson|A,B,C", help="targets of least squares")
    limit = train.add_mutually_exclusive_group()
    limit.add_argument("--minutes", type=positive(float), help="stop after so much training time")
    limit.add_argument("--epochs", type=positive(float), help="stop after so many passes through the data")
    limit.add_argument("--steps", type=positive(int), help="stop after so many steps")
    add("--batch", type=positive(int))
    add("--latent", type=positive(int), dest="latent_dim", help="size of the latent z")
    add("--hidden", type=sizes, metavar="128,128", help="the generator's layers; D has them in reverse")
    add("--optimizer", choices=OPTIMIZERS)
    add("--lr", type=positive(float))
    add("--penalty", choices=PENALTIES, help="what keeps the discriminator's slope small")
    add("--gamma", type=positive(float), help="strength of the penalty (the bound, for clip)")
    add("--pack", type=positive(int), help="samples that the discriminator sees at once")
    add("--seed", type=natural, help="default 0")
    add("--out", type=Path, metavar="RUN", help="folder for the run; default runs/001, runs/002, ...")
    add("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")

    sample = command("sample", sample_command, "draw samples from a trained generator")
    sample.add_argument("run", type=Path, metavar="RUN")
    sample.add_argument("--count", type=positive(int), default=64)
    sample.add_argument("--seed", type=natural, default=0)
    sample.add_argument("--out", type=Path, metavar="FILE.png|FILE.npy", help="default RUN/sample.png")

    return parser


def positive(kind):
    """An argparse type: a finite number of this kind that is greater than zero."""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            noun = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {noun}, got {text!r}") from None
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be greater than zero, got {text}")
        return value

    return parse


def natural(text):
    """An argparse type: 0, 1, 2, ..."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 or more, got {text!r}")
    return int(text)


def sizes(text):
    """An argparse type: layer sizes, as in 128,128."""
    return tuple(map(positive(int), text.split(",")))


def coding(text):
    """An argparse type: the targets a, b, c of least squares, by name or as three numbers."""
    if text in LeastSquares.codings:
        return LeastSquares.codings[text]
    try:
        a, b, c = map(float, text.split(","))
    except ValueError:
        names = ", ".join(LeastSquares.codings)
        raise argparse.ArgumentTypeError(f"must be {names}, or three numbers A,B,C, got {text!r}") from None
    return a, b, c


# ---- train -------------------------------------------------------------------------------------


def train_command(args):
    if args.resume:
        run = args.resume
        arrays, values = checkpoint.load(run / "checkpoint.npz")
        config = Config.from_dict(values["config"])
        dataset = load_data(args.data or values["data"])
    else:
        run = args.out or next_run()
        refuse_existing(run)
        dataset = load_data(args.data or "auto")
        config = config_from(args, dataset)
    training = Training(config, dataset)
    if args.resume:
        training.restore(arrays, values)
    else:
        make_run(run)
    describe = {"data": dataset.name, "examples": len(dataset.x), "version": __version__, **config.to_dict()}
    (run / "config.json").write_text(json.dumps(describe, indent=2) + "\n")
    title = f"{dataset.name}, {config.objective}, seed {config.seed}"
    source = str(Path(args.data).resolve()) if args.data and Path(args.data).is_dir() else dataset.name

    from tinygan import plots  # only now: drawing takes a while to import

    background = None if training.images else dataset.x[:2000]
    with Interruption() as interruption:
        for event in training.run():
            if event == "frame":
                step, samples = training.frames[-1]
                picture = run / "samples" / f"step_{step:07d}.png"
                plots.save_samples(picture, samples, f"{title}, step {step:,}", background)
            if event != "step" and training.history:
                show_progress(training)
            if interruption.asked:
                break
    show_progress(training, end=True)
    arrays, values = training.state()
    checkpoint.save(run / "checkpoint.npz", arrays, {**values, "data": source})
    write_history(run / "history.csv", training.history)
    if interruption.asked:
        print(f"Stopped at step {training.step:,}. To go on: tinygan train --resume {run}")
        return 130
    plots.save_curves(run / "curves.png", training.history, title, "quality")
    plots.save_film(run / "film.gif", run / "film.html", training.frames, title, background)
    print(f"{dataset.name}: {training.step:,} steps in {training.seconds:.0f} s of training.")
    print(f"Look at {run}/samples/, {run}/curves.png and {run}/film.html; more: tinygan sample {run}")


class Interruption:
    """Within this context Ctrl-C and SIGTERM ask politely; a second one insists."""

    def __enter__(self):
        self.asked = False
        self.before = {s: signal.signal(s, self.ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def ask(self, number, frame):
        self.asked = True
        for each, handler in self.before.items():
            signal.signal(each, handler)

    def __exit__(self, *exception):
        for each, handler in self.before.items():
            signal.signal(each, handler)


def load_data(name):
    """The dataset that ``--data`` names; "auto" says so where it falls back on drawn digits."""
    rng = np.random.default_rng(0)
    if name == "auto":
        try:
            return data.load_mnist()
        except data.DataError as error:
            print(f"MNIST cannot be had, so this trains on drawn digits instead ({error})")
            name = "digits"
    if name == "mnist":
        return data.load_mnist()
    if name in ("ring", "grid"):
        return {"ring": synthetic.ring, "grid": synthetic.grid}[name](100_000, rng)
    if name == "digits":
        return synthetic.digits(20_000, rng)
    return data.load_folder(name)


def config_from(args, dataset):
    """The preset, changed by what was typed."""
    preset = args.preset or ("default" if dataset.x.dtype == np.uint8 else "points")
    config = PRESETS[preset].to_dict()
    limits = {"steps", "epochs", "minutes"}
    given = {name: value for name in config if (value := getattr(args, name, None)) is not None}
    if limits & given.keys():
        config |= dict.fromkeys(limits)
    config = Config.from_dict(config | given)
    if args.coding and config.objective != "least-squares":
        raise UsageError(f"--coding belongs to --objective least-squares, not to {config.objective}")
    if config.batch % config.pack:
        raise UsageError(f"--batch {config.batch} cannot be divided into packs of {config.pack} samples")
    return config


def next_run():
    """runs/001, or the first number that is free."""
    return next(run for i in itertools.count(1) if not (run := Path("runs") / f"{i:03d}").exists())


def refuse_existing(run):
    try:
        if run.is_dir() and not any(run.iterdir()):
            return
        if run.exists():
            raise UsageError(f"--out {run} exists already and is left as it is; name another folder")
    except OSError as error:
        raise UsageError(f"--out {run}: {error.strerror}; name a folder that can be written") from None


def make_run(run):
    try:
        (run / "samples").mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"--out {run}: {error.strerror}; name a folder that can be written") from None


def show_progress(training, end=False):
    """One line that is written over, where there is a terminal to see it."""
    if not sys.stdout.isatty():
        return
    row = training.history[-1]
    done = max(training.progress(), 1e-9)
    left = int(training.seconds * (1 - done) / done)
    total = f"/{training.total_steps:,}" if training.total_steps else ""
    line = (
        f"step {row.step:,}{total}  epoch {row.epoch:.1f}  loss D {row.d_loss:.3f} G {row.g_loss:.3f}  "
        f"D(real) {row.d_real:.2f}  D(fake) {row.d_fake:.2f}  {row.images_per_second:,.0f} images/s  "
        f"{left // 60}:{left % 60:02d} left"
    )
    print(f"\r{line:<110}", end="\n" if end else "", flush=True)


def write_history(path, history):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(history[0]._fields if history else [])
        writer.writerows(history)


# ---- sample ------------------------------------------------------------------------------------


def load_generator(run):
    """(generator with the averaged weights, Config, the data's name) of a run."""
    arrays, values = checkpoint.load(run / "checkpoint.npz")
    config = Config.from_dict(values["config"])
    frames = arrays["frames"]
    images = frames.dtype == np.uint8
    generator = build_generator(config, frames.shape[2], np.random.default_rng(0), images=images)
    generator.params[:] = arrays["average"]
    return generator, config, Path(values["data"]).name


def sample_command(args):
    out = args.out or args.run / "sample.png"
    if out.suffix not in (".png", ".npy"):
        raise UsageError(f"--out {out}: the name must end in .png or .npy")
    generator, config, name = load_generator(args.run)
    z = draw_latents(np.random.default_rng(args.seed), args.count, config.latent_dim)
    samples = generate(generator, z)
    try:
        if out.suffix == ".npy":
            np.save(out, samples.reshape(-1, 28, 28) if samples.shape[1] == 784 else samples)
        else:
            from tinygan import plots

            plots.save_samples(out, samples, f"{name}, {args.count} samples, seed {args.seed}")
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}") from None
    print(f"{args.count} samples in {out}")

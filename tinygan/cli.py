"""The command line exists so that everything can be had without writing a line: train, sample, score, check.

A mistake in what was typed, or in the files that it names, is answered by one line on standard
error and exit code 2.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import shlex
import shutil
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from tinygan import __version__, checkpoint, data, runs, scores, synthetic
from tinygan.objectives import LeastSquares
from tinygan.recipes import OBJECTIVES, OPTIMIZERS, PENALTIES, PRESETS, Config, build_generator
from tinygan.training import NumericalError, Row, Training, check_fit, draw_latents, generate


class UsageError(Exception):
    """What was asked for cannot be done; the message is one line that says why, and what to do."""


def main(argv=None):
    """Run one command; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        return args.command(args) or 0
    except (UsageError, data.DataError, runs.RunError, checkpoint.CheckpointError, NumericalError) as error:
        print(f"tinygan {args.name}: {error}", file=sys.stderr)
        return 1 if isinstance(error, NumericalError) else 2
    except MemoryError:
        print(f"tinygan {args.name}: out of memory; ask for smaller numbers", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"tinygan {args.name}: {str(error) or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        print(f"tinygan {args.name}: {error.filename}: {error.strerror or error}", file=sys.stderr)
        return 2


# ---- what can be typed -------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser():
    """Every command and option."""
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
    help = "save so often, in steps or seconds; default 30s"
    add("--checkpoint-every", type=interval, metavar="100|30s", default=(30, "seconds"), help=help)

    sample = command("sample", sample_command, "draw samples from a trained generator")
    sample.add_argument("run", type=Path, metavar="RUN")
    sample.add_argument("--count", type=positive(int), default=64)
    sample.add_argument("--seed", type=natural, default=0)
    sample.add_argument("--out", type=Path, metavar="FILE.png|FILE.npy", help="default RUN/sample.png")

    score = command("score", score_command, "measure how good a run's samples are")
    score.add_argument("run", type=Path, metavar="RUN")
    score.add_argument("--count", type=positive(int), default=10_000, help="samples, default 10000")
    score.add_argument("--seed", type=natural, default=0)
    score.add_argument("--data", metavar="FOLDER", help="where the data are now, if they have moved")
    score.add_argument("--json", action="store_true", help="for programs")

    check = command("check", check_command, "check every gradient of the package, or those in your file")
    check.add_argument("target", nargs="?", metavar="FILE.py[:NAME]", help="default: all that the package has")

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


def interval(text):
    """An argparse type: a number of steps, or of seconds with an s behind it."""
    return (positive(float)(text[:-1]), "seconds") if text.endswith("s") else (positive(int)(text), "steps")


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
        return train(args, run, training, dataset, about)


def resume(args):
    """(training, dataset, what to save about the data) of a run, as its newest checkpoint has them."""
    run = args.resume
    arrays, values, remark = runs.load(run)
    if remark:
        print(remark)
        runs.set_aside(run)
    with runs.understanding(run):
        config = runs.config_of(arrays, values)
        about = {name: str(values[name]) for name in ("data", "name", "sha256")}
    if args.data:
        about["data"] = absolute(args.data)
    try:
        dataset = load_data(about["data"])._replace(name=about["name"])
    except data.DataError as error:
        raise UsageError(f"{error} (if the data have moved: --data FOLDER)") from None
    if fingerprint(dataset) != about["sha256"]:
        raise UsageError(f"{run} was begun with other data than {about['data']}; name the same with --data")
    with runs.understanding(run):
        training = Training(config, dataset)
        training.restore(arrays, values)
    print(f"{run}: {'going on at' if training.progress() < 1 else 'was finished at'} step {training.step:,}")
    return training, dataset, about


def train(args, run, training, dataset, about):
    """Train to the end, or until interrupted; everything goes into the run's folder."""
    saver = runs.Saver(run, training, about, args.checkpoint_every)
    if not args.resume:
        saver.save()
    album = Album(run, training, dataset)
    examiner = make_examiner(dataset, about["data"], training.config)
    training.measure = examiner and examiner.quality
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
            print(f"Stopped at step {training.step:,}. To go on: {again}")
            return 128 + interruption.asked
        album.finish()
    except (NumericalError, checkpoint.CheckpointError, KeyboardInterrupt) as error:
        hint = f"; step {saver.step:,} is safe in {saver.path}" if saver.path.exists() else ""
        if hint and not isinstance(error, NumericalError):
            hint += f", to go on from there: {again}"
        raise type(error)(f"{str(error) or 'interrupted'}{hint}") from None
    print(f"{dataset.name}: {training.step:,} steps in {training.seconds:.0f} s of training.")
    if examiner:
        z = draw_latents(np.random.default_rng(0), 5000 if training.images else 2500, training.config.latent_dim)
        rows = examiner.scores(training.generate(z))
        print(scores.table(rows))
        if verdict := scores.verdict(rows):
            print(verdict)
    print(f"Look at {run}/samples/, {run}/curves.png and {run}/film.html; more: tinygan sample {run}")


class Album:
    """What can be looked at in a run's folder; all of it can be made again from a checkpoint."""

    def __init__(self, run, training, dataset):
        from tinygan import plots  # only now: drawing takes a while to import

        self.plots, self.run, self.training, self.dataset = plots, run, training, dataset
        self.title = f"{dataset.name}, {training.config.objective}, seed {training.config.seed}"
        self.background = None if training.images else dataset.x[:2000]

    def update(self):
        """config.json, history.csv, and those pictures of samples that are not there yet."""
        config, dataset = self.training.config.to_dict(), self.dataset
        describe = {"data": dataset.name, "examples": len(dataset.x), "version": __version__, **config}
        with checkpoint.whole(self.run / "config.json") as path:
            path.write_text(json.dumps(describe, indent=2) + "\n")
        with checkpoint.whole(self.run / "history.csv") as path, open(path, "w", newline="") as file:
            csv.writer(file).writerows([Row._fields, *self.training.history])
        for step, samples in self.training.frames:
            picture = self.run / "samples" / f"step_{step:07d}.png"
            if not picture.exists():
                with checkpoint.whole(picture) as path:
                    path.parent.mkdir(exist_ok=True)
                    self.plots.save_samples(path, samples, f"{self.title}, step {step:,}", self.background)
                gc.collect()  # a figure is large, and full of circles that would be found late

    def finish(self):
        """The curves and the film."""
        with checkpoint.whole(self.run / "curves.png") as path:
            self.plots.save_curves(path, self.training.history, self.title, scores.quality_name(self.training.images))
        with checkpoint.whole(self.run / "film.gif") as gif, checkpoint.whole(self.run / "film.html") as html:
            self.plots.save_film(gif, html, self.training.frames, self.title, self.background)


def refuse_changes(args):
    """UsageError if anything was typed beside --resume that the run has settled."""
    free = {"command", "name", "resume", "data", "checkpoint_every"}
    typed = [name for name, value in vars(args).items() if value is not None and name not in free]
    if typed:
        options = ", ".join("--" + name.removesuffix("_dim") for name in typed)
        raise UsageError(f"--resume goes on with what the run was begun with; leave out {options}")


DATA = ("auto", "mnist", "digits", "ring", "grid")  # any other --data is a folder


def fingerprint(dataset):
    """SHA-256 of the examples, so that a run goes on with no others."""
    return checkpoint.digest({"x": dataset.x}).hex()


def absolute(name):
    """A --data that means the same in every working directory."""
    return name if name in DATA else str(Path(name).resolve())


def load_data(name, split="train"):
    """The dataset that ``--data`` names; "auto" says so where it falls back on drawn digits."""
    rng = np.random.default_rng(["train", "test"].index(split))
    if name == "auto":
        folder = data.find_mnist()  # a wrong TINYGAN_DATA is an error, not a reason to fall back
        try:
            if folder is None:
                data.download_mnist(report=print)
            name = "mnist"
        except data.DataError as error:
            print(f"MNIST cannot be had, so this trains on drawn digits instead ({error})")
            name = "digits"
    if name == "mnist":
        return data.load_mnist(split, report=print)
    if name in ("ring", "grid"):
        return {"ring": synthetic.ring, "grid": synthetic.grid}[name](100_000, rng)
    if name == "digits":
        return synthetic.digits(20_000 if split == "train" else 10_000, rng)
    return data.load_folder(name, split)


def make_examiner(dataset, source, config):
    """What the samples are measured with, or None, and a line that says why, if there is no test split."""
    try:
        test = load_data(source, "test") if dataset.x.dtype == np.uint8 else None
    except data.DataError as error:
        print(f"The samples are not scored: {error}")
        return None
    return scores.Examiner(dataset, test, config.latent_dim, report=print)


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


@contextmanager
def progress_line(training):
    """Within this context, a function that writes one line, again and again, if there is a terminal."""
    shown = sys.stdout.isatty()

    def show(end=""):
        if not shown or not training.history:
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
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line[:width]:<{width}}", end=end, flush=True)

    try:
        yield show
    finally:
        show(end="\n")


# ---- sample ------------------------------------------------------------------------------------


def load_generator(run):
    """(generator with the averaged weights, Config, the data's name, what --data said) of a run."""
    arrays, values, remark = runs.load(run)
    if remark:
        print(remark)
    with runs.understanding(run):
        config = runs.config_of(arrays, values)
        frames = arrays["frames"]
        images = frames.dtype == np.uint8
        generator = build_generator(config, frames.shape[2], np.random.default_rng(0), images=images)
        check_fit("average", arrays["average"], generator.params)
        generator.params[:] = arrays["average"]
        return generator, config, str(values["name"]), str(values["data"])


def sample_command(args):
    """``tinygan sample``: numbers for programs, or a picture."""
    out = args.out or args.run / "sample.png"
    if out.suffix not in (".png", ".npy"):
        raise UsageError(f"--out {out}: the name must end in .png or .npy")
    generator, config, name, _ = load_generator(args.run)
    z = draw_latents(np.random.default_rng(args.seed), args.count, config.latent_dim)
    samples = generate(generator, z)
    with checkpoint.whole(out) as path:
        if out.suffix == ".npy":
            np.save(path, samples.reshape(-1, 28, 28) if samples.shape[1] == 784 else samples)
        else:
            from tinygan import plots

            plots.save_samples(path, samples, f"{name}, {args.count} samples, seed {args.seed}")
    print(f"{args.count} samples in {out}")


# ---- score, check ------------------------------------------------------------------------------


def score_command(args):
    """``tinygan score``: the whole table for a run."""
    generator, config, name, source = load_generator(args.run)
    dataset = load_data(args.data or source)._replace(name=name)
    examiner = make_examiner(dataset, args.data or source, config)
    if examiner is None:
        return 2
    samples = generate(generator, draw_latents(np.random.default_rng(args.seed), args.count, config.latent_dim))
    rows = examiner.scores(samples, full=True)
    if args.json:
        print(json.dumps({row.name: {"value": row.value, "real": row.real} for row in rows}))
        return 0
    print(f"{name}: {args.count} samples of {args.run}, beside as many real examples")
    print(scores.table(rows))
    if verdict := scores.verdict(rows):
        print(verdict)
    if examiner.images:
        from tinygan import plots

        shown, picture = samples[:64], args.run / "neighbours.png"
        with checkpoint.whole(picture) as path:
            plots.save_neighbours(path, shown, examiner.neighbours(shown), f"{name}: samples, each above its nearest")
        print(f"Samples beside their nearest training images: {picture}")


def check_command(args):
    """``tinygan check``: gradients, the package's or a learner's."""
    from tinygan import check  # only now: nothing else needs it

    return check.main(args.target)

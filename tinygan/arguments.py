"""Arguments exist so that what is typed becomes a Config, or one line that says what is wrong with it."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from tinygan import __version__
from tinygan.objectives import LeastSquares
from tinygan.recipes import (
    COUNT,
    LARGEST_LAYER,
    OBJECTIVES,
    OPTIMIZERS,
    PENALTIES,
    POSITIVE,
    PRESETS,
    RANGES,
    Config,
    Range,
)

DATA = ("auto", "mnist", "digits", "ring", "grid")  # any other --data is a folder
LIMITS = ("steps", "epochs", "minutes")  # of a run; one takes the place of the others


class UsageError(Exception):
    """What was asked for cannot be done; the message is one line that says why, and what to do."""


# ---- commands and options ------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def __init__(self, **options):
        super().__init__(**options)
        self._negative_number_matcher = re.compile(r"-[\d.]")  # -1,1,0 is a value, and no option

    def error(self, message):
        # What is wrong with an option says itself what to do.
        hint = "" if message.startswith("argument --") else f" (see {self.prog} --help)"
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')}{hint}\n")


def parse(argv=None):
    """The command ``name`` and its options, as attributes; SystemExit after one line if it is none."""
    parser = build_parser()
    args, unknown = parser.parse_known_args(argv)
    if not unknown:
        return args
    word = unknown[0]
    if args.name == "train" and (word.lower() in DATA or os.path.isdir(word)):
        option = "--resume" if os.path.exists(os.path.join(word, "checkpoint.npz")) else "--data"
        parser.exit(2, f"tinygan train: {word} needs the name of its option; did you mean {option} {word}?\n")
    parser.exit(2, f"tinygan {args.name}: unknown: {' '.join(unknown)} (see tinygan {args.name} --help)\n")


def build_parser():
    """Every command and option."""
    parser = Parser(prog="tinygan", description="A GAN written from nothing but NumPy, to be read.")
    parser.add_argument("--version", action="version", version=f"tinygan {__version__}")
    commands = parser.add_subparsers(required=True, metavar="train|sample|score|check", parser_class=Parser)

    def command(name, help):
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(name=name)
        return sub

    train = command("train", "train a GAN; with no option, about a minute on MNIST")
    add = train.add_argument
    help = "what to learn from; default: auto, which is MNIST, or drawn digits where it cannot be had"
    add("--data", type=source, metavar="auto|mnist|digits|ring|grid|FOLDER", help=help)
    help = "a named recipe, which the options below change; default: default for images, points for ring and grid"
    add("--preset", choices=PRESETS, help=help)
    add("--objective", choices=OBJECTIVES, help=f"the game that is played; {of_preset('objective')}")
    help = "targets of least squares: of fakes, of real samples, and G's for its fakes; default: 0-1, which is 0,1,1"
    add("--coding", type=coding, metavar="0-1|pearson|A,B,C", help=help)
    limit = train.add_mutually_exclusive_group()
    help = f"stop after so many steps; {of_preset('steps')}; with --resume: go on to this step"
    limit.add_argument("--steps", type=number(RANGES["steps"]), metavar="N", help=help)
    help = "stop after so many passes through the data; default: --steps decides"
    limit.add_argument("--epochs", type=number(RANGES["epochs"]), metavar="X", help=help)
    help = "stop after so much training time; default: --steps decides"
    limit.add_argument("--minutes", type=number(RANGES["minutes"]), metavar="X", help=help)
    add("--batch", type=number(RANGES["batch"]), metavar="N", help=f"samples in a batch; {of_preset('batch')}")
    help = f"size of the latent z; {of_preset('latent_dim')}"
    add("--latent", type=number(RANGES["latent_dim"]), metavar="N", dest="latent_dim", help=help)
    help = f"the generator's layers, which D has in reverse; {of_preset('hidden')}"
    add("--hidden", type=sizes, metavar="N,N,...", help=help)
    add("--optimizer", choices=OPTIMIZERS, help=f"the rule of both players; {of_preset('optimizer')}")
    add("--lr", type=number(RANGES["lr"]), metavar="X", help=f"learning rate of both players; {of_preset('lr')}")
    help = f"what keeps the discriminator's slope small; {of_preset('penalty')}"
    add("--penalty", choices=PENALTIES, help=help)
    help = f"strength of the penalty (the bound, for clip); {of_preset('gamma')}"
    add("--gamma", type=number(RANGES["gamma"]), metavar="X", help=help)
    help = f"samples that the discriminator sees at once; {of_preset('pack')}"
    add("--pack", type=number(RANGES["pack"]), metavar="N", help=help)
    add("--seed", type=number(RANGES["seed"]), metavar="N", help="of all that is random; default: 0")
    add("--out", type=path, metavar="RUN", help="folder for the run; default: runs/001, runs/002, ...")
    help = "go on with this run, where it was stopped; default: begin a new one"
    add("--resume", type=path, metavar="RUN", help=help)
    help = "save so often, in steps or seconds; default: 30s"
    add("--checkpoint-every", type=interval, metavar="100|30s", default=(30, "seconds"), help=help)

    sample = command("sample", "draw samples from a trained generator")
    add = sample.add_argument
    add("run", type=path, metavar="RUN", help="the folder of a run, as in runs/001")
    add("--count", type=number(COUNT), metavar="N", default=64, help="how many; default: 64")
    add("--seed", type=number(RANGES["seed"]), metavar="N", default=0, help="of the latents; default: 0")
    help = "a picture, or an array for NumPy; default: RUN/sample.png"
    add("--out", type=path, metavar="FILE.png|FILE.npy", help=help)

    score = command("score", "measure how good a run's samples are")
    add = score.add_argument
    add("run", type=path, metavar="RUN", help="the folder of a run, as in runs/001")
    add("--count", type=number(SCORED), metavar="N", default=10_000, help="how many samples; default: 10000")
    add("--seed", type=number(RANGES["seed"]), metavar="N", default=0, help="of the latents; default: 0")
    help = "where the data are now, if they have moved; default: where they were"
    add("--data", type=source, metavar="FOLDER", help=help)
    add("--json", action="store_true", help="print JSON, for programs; default: a table")

    check = command("check", "check every gradient of the package, or those in your file, which is run for that")
    help = "your file, which is run like any program, or one thing in it; default: all that the package has"
    check.add_argument("target", nargs="?", metavar="FILE.py[:NAME]", help=help)

    return parser


def of_preset(field):
    """Where an option's default comes from, for its help."""
    shown = []
    for preset in ("default", "points"):
        value = getattr(PRESETS[preset], field)
        shown.append(",".join(map(str, value)) if isinstance(value, tuple) else str(value))
    images, points = shown
    return f"default: the preset's, {images}" + (f" ({points} for ring and grid)" if points != images else "")


# ---- kinds of values -----------------------------------------------------------------------------

SCORED = Range(int, 10, 100_000)  # samples: fewer say nothing, and more than any real images take hours

def number(allowed):
    """An argparse type: a number in this Range."""

    def parse(text):
        try:
            value = allowed.kind(text)
        except ValueError:
            noun = "a whole number" if allowed.kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {noun}, got {text!r}") from None
        if fault := allowed.fault(value):
            raise argparse.ArgumentTypeError(fault)
        return value

    return parse


def sizes(text):
    """An argparse type: layer sizes, as in 128,128."""
    try:
        return tuple(map(number(RANGES["hidden"]), text.split(",")))
    except argparse.ArgumentTypeError:
        message = f"must be sizes with commas between them, as in 128,128, at most {LARGEST_LAYER:,}, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def interval(text):
    """An argparse type: a number of steps, or of seconds with an s behind it."""
    try:
        if text.endswith("s"):
            return number(POSITIVE)(text[:-1]), "seconds"
        return number(COUNT)(text), "steps"
    except argparse.ArgumentTypeError:
        message = f"must be steps, as in 100, or seconds, as in 30s, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def coding(text):
    """An argparse type: the targets a, b, c of least squares, by name or as three numbers."""
    if text in LeastSquares.codings:
        return LeastSquares.codings[text]
    try:
        a, b, c = map(number(RANGES["coding"]), text.split(","))
    except (ValueError, argparse.ArgumentTypeError):
        names = ", ".join(LeastSquares.codings)
        raise argparse.ArgumentTypeError(f"must be {names}, or three numbers A,B,C, got {text!r}") from None
    return a, b, c


def path(text):
    """An argparse type: a Path; a ~ that no shell has replaced, as in --out=~/run, is the home folder."""
    return Path(os.path.expanduser(text))


def source(text):
    """An argparse type: the name of data, or a folder that exists."""
    text = os.path.expanduser(text)
    if text in DATA or os.path.isdir(text):
        return text
    if text.lower() in DATA:
        raise argparse.ArgumentTypeError(f"no folder {text}; did you mean {text.lower()}?")
    names = ", ".join(DATA)
    raise argparse.ArgumentTypeError(f"no folder {text or repr(text)}; name one with MNIST's files, or one of {names}")


# ---- what fits together --------------------------------------------------------------------------


def config_from(args, dataset):
    """The preset, changed by what was typed; UsageError if that does not fit together."""
    preset = args.preset or ("default" if dataset.x.dtype == "uint8" else "points")
    if preset == "points" and dataset.x.dtype == "uint8":
        raise UsageError(f"--preset points is for --data ring and grid; {dataset.name} has images: leave it out")
    config = PRESETS[preset].to_dict()
    given = {name: value for name in config if (value := getattr(args, name, None)) is not None}
    if given.keys() & set(LIMITS):
        config |= dict.fromkeys(LIMITS)
    if args.gamma and config["gamma_end"]:
        given["gamma_end"] = config["gamma_end"] * args.gamma / config["gamma"]  # it falls by the same factor
    try:
        config = Config.from_dict(config | given)
        check_batch(config, dataset)
    except ValueError as error:
        name, _, fault = str(error).partition(": ")
        raise UsageError(f"--{name.removesuffix('_dim').replace('_', '-')}: {fault}") from None
    if args.coding and config.objective != "least-squares":
        raise UsageError(f"--coding belongs to --objective least-squares, not to {config.objective}")
    if args.gamma is not None and config.penalty == "none":
        raise UsageError("--gamma is the strength of a penalty, and this run has none; add --penalty r1")
    return config


def check_batch(config, dataset):
    """ValueError for a batch that is larger than the data."""
    if config.batch > len(dataset.x):
        raise ValueError(f"batch: {config.batch:,} is more than {dataset.name} has, {len(dataset.x):,} examples")


def refuse_changes(args):
    """UsageError if anything was typed beside --resume that the run has settled."""
    free = {"name", "resume", "data", "checkpoint_every", "steps"}
    typed = [name for name, value in vars(args).items() if value is not None and name not in free]
    if typed:
        options = ", ".join("--" + name.removesuffix("_dim") for name in typed)
        raise UsageError(f"--resume goes on with what the run was begun with; leave out {options}")


def has_one_length(config):
    """Does something fall until the end of such a run, so that a longer one would differ from the start?"""
    return config.decay_from < 1 or config.gamma_end is not None


def extended(config, steps, step):
    """The Config of a run at ``step`` that goes on to ``steps``; UsageError where it would not be the same run.

    Where lr and γ stay what they are, a run does not know its length: it goes the same way, however far.
    """
    if has_one_length(config):
        raise UsageError("--steps: this run's lr or gamma falls until its end, so it has one length; leave it out")
    if steps <= step:
        raise UsageError(f"--steps {steps:,}: the run is at step {step:,} already; name a later one")
    return Config.from_dict(config.to_dict() | {"steps": steps, "epochs": None, "minutes": None})

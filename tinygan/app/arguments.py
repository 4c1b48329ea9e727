"""The arguments: what is typed becomes a ``recipes.Config``, or one line that says what is wrong with it."""

from __future__ import annotations

import argparse
import difflib
import math
import os
import re
from dataclasses import fields, replace
from pathlib import Path

from tinygan import __version__
from tinygan.app.errors import UsageError
from tinygan.conditions import class_counts
from tinygan.objectives import LeastSquares
from tinygan.recipes import COUNT, DATA, LARGEST, POSITIVE, PRESETS, Config, OneOf, Range, Several, generator_layers

LIMITS = ("steps", "epochs", "minutes")  # of a run; one takes the place of the others
COUNTED = Range(int, 0, LARGEST)
PORT = Range(int, 0, 65535)
SEED = Range(int, 0, 2**128 - 1)
QUIZ, FILLED, STARTS = Range(int, 5, 200), Range(int, 1, 1000), Range(int, 1, 100)
REALISM = Range(float, 0, LARGEST)
SCORED = Range(int, 10, 100_000)  # samples: fewer say nothing, and more than any real images take hours


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
    """Return the command ``name`` and its options, as attributes; SystemExit after one line if it is none."""
    parser, commands = build_parser()
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.exit(2, f"tinygan {args.name}: {unknown_word(unknown[0], args.name, commands[args.name])}\n")
    return args


def build_parser():
    """Return the parser, and {name: parser} of the commands."""
    parser = Parser(prog="tinygan", description="A GAN written from nothing but NumPy, to be read.")
    parser.add_argument("--version", action="version", version=f"tinygan {__version__}")
    known = (
        ("train", "train a GAN; with no option, about a minute on MNIST", train_options),
        ("sample", "draw samples from a trained generator", sample_options),
        ("score", "measure how good a run's samples are", score_options),
        ("quiz", "write a page on which somebody says what is real and what was made", quiz_options),
        ("fill", "fill in what is missing, in images by a trained generator, or in a table", fill_options),
        ("lab", "watch, step, rewind and change a training in the browser", lab_options),
        ("check", "check every gradient of the package, or those in your file or folder, which is run", check_options),
        ("start", "write blanks, from which you build a GAN of your own", start_options),
        ("hint", "show a hint for a blank, each time a stronger one; the third is the solution", hint_options),
        ("race", "hold your own GAN beside the package: weights, digits, time", race_options),
    )
    metavar = "|".join(name for name, _, _ in known)
    commands = parser.add_subparsers(required=True, metavar=metavar, parser_class=Parser)
    for name, help, add_options in known:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(name=name)
        add_options(sub)
    return parser, commands.choices


def unknown_word(word, name, parser):
    """Return what to say of a word that no option takes."""
    if name == "train" and (word.lower() in DATA or os.path.isdir(word)):
        option = "--resume" if os.path.exists(os.path.join(word, "checkpoint.npz")) else "--data"
        return f"{word} needs the name of its option; did you mean {option} {word}?"
    known = [option for action in parser._actions for option in action.option_strings]
    close = did_you_mean(word.split("=")[0], known) if word.startswith("--") else ""
    return f"unknown: {word}{close or f' (see tinygan {name} --help)'}"


def did_you_mean(word, known):
    """Return a question about the known word that is most like this one, or ""."""
    names = {str(each).lstrip("-"): each for each in known}
    close = difflib.get_close_matches(word.lstrip("-"), names, 1)
    return f"; did you mean {names[close[0]]}?" if close else ""


def train_options(parser):
    """Add those of ``tinygan train``: every choice of ``Config``, and where the run is."""
    add = parser.add_argument
    help = "what to learn from; default: auto, which is MNIST, or drawn digits where it is not available"
    add("--data", type=source, metavar="|".join([*DATA, "FOLDER", "FILE.npy"]), help=help)
    help = "a named recipe, which the options below change; default: default for images, points for ring and grid"
    add("--preset", type=one_of(PRESETS), metavar="|".join(PRESETS), help=help)
    limit = parser.add_mutually_exclusive_group()
    for each in fields(Config):
        place = limit if each.name in LIMITS else parser
        place.add_argument(option(each.name), help=f"{each.metadata['help']}; {of_preset(each.name)}", **kind_of(each))
    add("--out", type=folder, metavar="RUN", help="folder for the run; default: runs/001, runs/002, ...")
    help = "continue this run where it was stopped, or with --steps beyond its end; default: begin a new one"
    add("--resume", type=folder, metavar="RUN", help=help)
    help = "save so often, in steps or seconds; default: 30s"
    add("--checkpoint-every", type=interval, metavar="100|30s", default=(30, "seconds"), help=help)


def sample_options(parser):
    """Add those of ``tinygan sample``."""
    add = parser.add_argument
    add("run", type=folder, metavar="RUN", help="the folder of a run, as in runs/001")
    help = "how many; default: 64, or with --class or --vary 10 in a row"
    add("--count", type=number(COUNT), metavar="N", help=help)
    add("--seed", type=number(SEED), metavar="N", default=0, help="of the latents; default: 0")
    help = "what to draw, a row for each class; for runs with --conditional or --codes; default: as the data have them"
    add("--class", dest="classes", type=classes, metavar="K,K,...|all", help=help)
    help = "the continuous code, from 0, that goes from -2 to 2 in each row; for --continuous runs; default: none does"
    add("--vary", type=number(COUNTED), metavar="C", help=help)
    help = "a picture, or an array for NumPy; default: RUN/sample.png"
    add("--out", type=folder, metavar="FILE.png|FILE.npy", help=help)


def score_options(parser):
    """Add those of ``tinygan score``."""
    add = parser.add_argument
    add("run", type=folder, metavar="RUN", help="the folder of a run, as in runs/001")
    add("--count", type=number(SCORED), metavar="N", default=10_000, help="how many samples; default: 10000")
    add("--seed", type=number(SEED), metavar="N", default=0, help="of the latents; default: 0")
    help = "where the data are now, if they have moved; default: where they were"
    add("--data", type=source, metavar="FOLDER", help=help)
    add("--json", action="store_true", help="print JSON, for programs; default: a table")


def quiz_options(parser):
    """Add those of ``tinygan quiz``."""
    add = parser.add_argument
    add("run", type=folder, metavar="RUN", help="the folder of a run, as in runs/001")
    add("--count", type=number(QUIZ), metavar="N", default=20, help="how many images; default: 20")
    add("--seed", type=number(SEED), metavar="N", default=0, help="of the latents and of the coin; default: 0")
    help = "where the data are now, if they have moved; default: where they were"
    add("--data", type=source, metavar="FOLDER", help=help)
    add("--out", type=folder, metavar="FILE.html", help="default: RUN/quiz.html")


def fill_options(parser):
    """Add those of ``tinygan fill``."""
    add = parser.add_argument
    add("run", type=folder, nargs="?", metavar="RUN", help="the folder of a run with images, as in runs/001")
    help = "whole images, of which a part is then hidden: an array, or those of the run's data; default: test"
    add("images", nargs="?", metavar="test|FILE.npy", default="test", help=help)
    help = "what to hide: a share of the pixels, the lower half, the center, or where an array is not 0; default: 50%%"
    add("--missing", type=missing, metavar="50%|half|center|MASK.npy", default=0.5, help=help)
    add("--count", type=number(FILLED), metavar="N", default=10, help="how many images; default: 10")
    add("--starts", type=number(STARTS), metavar="N", default=4, help="latents to begin at, for each; default: 4")
    help = "weight of looking real to the discriminator beside being right where it is known; default: 0.001"
    add("--realism", type=number(REALISM), metavar="X", default=0.001, help=help)
    help = "numbers, with empty cells that are to be filled in; default: images are filled in, by a run"
    add("--table", type=folder, metavar="FILE.csv", help=help)
    add("--seed", type=number(SEED), metavar="N", default=0, help="of all that is random; default: 0")
    help = "where the data are now, if they have moved; default: where they were"
    add("--data", type=source, metavar="FOLDER", help=help)
    add("--out", type=folder, metavar="FOLDER|FILE.csv", help="default: RUN/filled, or FILE.filled.csv")


def lab_options(parser):
    """Add those of ``tinygan lab``."""
    add = parser.add_argument
    add("run", nargs="?", type=folder, metavar="RUN", help="continue from this run, as in runs/001; default: a new one")
    help = "what to learn from; default: ring"
    add("--data", type=source, metavar="|".join([*DATA, "FOLDER", "FILE.npy"]), help=help)
    help = "a named recipe; default: default for images, lab for ring and grid"
    add("--preset", type=one_of(PRESETS), metavar="|".join(PRESETS), help=help)
    help = "change a choice, from the beginning or from a step on, again and again; default: the preset's choices"
    add("--set", action="append", type=setting, metavar="[STEP:]NAME=VALUE", help=help)
    help = "open the lab at this challenge; default: none"
    add("--challenge", metavar="NAME", help=help)
    help = "of the server, which only this machine can reach; 0 is any free one; default: 0"
    add("--port", type=number(PORT), metavar="N", default=0, help=help)
    help = "open it in the browser; default: yes"
    add("--browser", action=argparse.BooleanOptionalAction, help=help)


def check_options(parser):
    """Add those of ``tinygan check``."""
    help = (
        "your file, which is run like any program, or one thing in it, or a folder; default: all that the package has"
    )
    parser.add_argument("target", nargs="?", metavar="FILE.py[:NAME]|FOLDER", help=help)
    parser.epilog = "exit code: 0 all is right; 1 something is wrong; 2 something is unwritten, or cannot be checked"
    parser.add_argument("--watch", action="store_true", help="of a FOLDER: check again after every save; default: once")


def start_options(parser):
    """Add those of ``tinygan start``."""
    parser.add_argument("folder", type=folder, metavar="FOLDER", help="a new folder, or an empty one")
    help = "add what the folder lacks, and change nothing that is there; default: refuse a folder with files"
    parser.add_argument("--missing", action="store_true", help=help)


def hint_options(parser):
    """Add those of ``tinygan hint``."""
    parser.add_argument("folder", type=folder, metavar="FOLDER", help="what tinygan start has written")
    help = "its number or its name, as in Dense.backward; default: the first that is not right"
    parser.add_argument("step", nargs="?", metavar="STEP", help=help)


def race_options(parser):
    """Add those of ``tinygan race``."""
    parser.add_argument("folder", type=folder, metavar="FOLDER", help="what tinygan start has written, all filled in")


def option(name):
    """Return how a choice of ``Config`` is typed."""
    return "--" + name.replace("_", "-")


def kind_of(each):
    """Return how the option of a field of ``Config`` is read: the arguments of add_argument."""
    allowed = each.metadata["allowed"]
    if each.name == "workers":
        return {"type": lambda text: None if text == "auto" else number(allowed)(text), "metavar": "N|auto"}
    if each.name == "coding":
        return {"type": coding, "metavar": "|".join([*LeastSquares.codings, "A,B,C"])}
    if isinstance(allowed, Several):
        return {"type": several(allowed.of), "metavar": "N,N,..."}
    if isinstance(allowed, Range):
        return {"type": number(allowed), "metavar": "N" if allowed.kind is int else "X"}
    if allowed.names == (False, True):
        return {"action": argparse.BooleanOptionalAction}
    return {"type": one_of(allowed.names), "metavar": "|".join(allowed.names)}


def of_preset(name):
    """Return what the presets choose, for the help of an option."""
    if name == "workers":
        return "default: auto, which tries what is fastest here and now"
    images, points = (text_of(getattr(PRESETS[preset], name)) for preset in ("default", "points"))
    return f"default: {images}" + (f" ({points} for ring and grid)" if points != images else "")


def text_of(value):
    """Return a choice as it is typed."""
    if isinstance(value, tuple):
        return ",".join(f"{each:g}" for each in value) or "none"
    if value is None or isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


# ---- kinds of values -----------------------------------------------------------------------------


def number(allowed):
    """Return an argparse type: a number in this Range."""

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


def several(allowed):
    """Return an argparse type: numbers in this Range with commas between them, as in 128,128."""

    def parse(text):
        try:
            return tuple(map(number(allowed), text.split(",")))
        except argparse.ArgumentTypeError as error:
            message = f"must be numbers with commas between them, as in 128,128, got {text!r}; each {error}"
            raise argparse.ArgumentTypeError(message) from None

    return parse


def one_of(names):
    """Return an argparse type: one of these names."""

    def parse(text):
        if fault := OneOf(tuple(names)).fault(text):
            raise argparse.ArgumentTypeError(fault + did_you_mean(text, names))
        return text

    return parse


def folder(text):
    """Parse a path; a ~ that no shell has replaced, as in --out=~/run, is the home folder."""
    return Path(os.path.expanduser(text))


def interval(text):
    """Parse a number of steps, or of seconds with an s behind it."""
    try:
        if text.endswith("s"):
            return number(POSITIVE)(text[:-1]), "seconds"
        return number(COUNT)(text), "steps"
    except argparse.ArgumentTypeError:
        message = f"must be steps, as in 100, or seconds, as in 30s, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def coding(text):
    """Parse the targets a, b, c of least squares: a name, or three numbers."""
    if text in LeastSquares.codings:
        return LeastSquares.codings[text]
    try:
        values = tuple(map(float, text.split(",")))
        Config(coding=values)
    except ValueError:
        names = ", ".join(LeastSquares.codings)
        raise argparse.ArgumentTypeError(f"must be {names}, or three numbers A,B,C, got {text!r}") from None
    return values


def missing(text):
    """Parse what is to be hidden: a share of the pixels, as in 50%, or a name, or the path of an array."""
    if text in ("half", "center") or text.endswith(".npy"):
        return text
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = math.nan
    if not (text.endswith("%") and 0 < share < 1):
        wanted = "must be a share between 0% and 100%, as in 50%, or half, or center, or MASK.npy"
        raise argparse.ArgumentTypeError(f"{wanted}, got {text!r}")
    return share


def setting(text):
    """Parse NAME=VALUE or STEP:NAME=VALUE into (step or None, name, text of the value)."""
    match = re.fullmatch(r"(?:(\d{1,12}):)?([a-z_\d]+)=(.*)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"must be a choice, as in lr=0.01 or 500:lr=0.01, got {text!r}")
    return int(match[1]) if match[1] else None, match[2], match[3]


def classes(text):
    """Parse 7, or 0,3,8, or all."""
    return text if text == "all" else several(COUNTED)(text)


def source(text):
    """Parse the name of data, or a folder or .npy file that exists."""
    if text in DATA:
        return text
    path = os.path.expanduser(text)
    if os.path.isdir(path) or (path.endswith(".npy") and os.path.isfile(path)):
        return path
    guess = did_you_mean(text.lower(), DATA)
    guess = guess or f"; name one with MNIST's files or with pictures, or a .npy file, or one of {', '.join(DATA)}"
    raise argparse.ArgumentTypeError(f"no folder {text or repr(text)}{guess}")


# ---- what fits together --------------------------------------------------------------------------


def config_from(args, dataset):
    """Return the preset, changed by what was typed; UsageError if that does not fit together."""
    preset = args.preset or ("default" if dataset.is_image else "points")
    if preset == "points" and dataset.is_image:
        raise UsageError(f"--preset points is for --data ring and grid; {dataset.name} has images: leave it out")
    config = PRESETS[preset].to_dict()
    given = {name: value for name in config if (value := getattr(args, name)) is not None}
    if given.keys() & set(LIMITS):
        config |= dict.fromkeys(LIMITS)
    if args.gamma and config["gamma_end"]:  # it falls by the same factor
        given.setdefault("gamma_end", config["gamma_end"] * args.gamma / config["gamma"])
    try:
        config = Config.from_dict(config | given)
        check_batch(config, dataset)
    except ValueError as error:
        name, _, fault = str(error).partition(": ")
        raise UsageError(f"{option(name)}: {fault}") from None
    if args.coding and config.objective != "least-squares":
        raise UsageError(f"--coding belongs to --objective least-squares, not to {config.objective}")
    if args.code_weight is not None and not (config.codes or config.continuous):
        raise UsageError("--code-weight is the weight of codes, and this run has none; add --codes 10")
    if args.gamma is not None and config.penalty == "none":
        raise UsageError("--gamma is the strength of a penalty, and this run has none; add --penalty r1")
    return config


def check_batch(config, dataset):
    """Raise ValueError for a batch that is larger than the data, and for networks that do not take them."""
    if config.batch > len(dataset.x):
        raise ValueError(f"batch: {config.batch:,} is more than {dataset.name} has, {len(dataset.x):,} examples")
    generator_layers(config, dataset.shape)
    if config.conditional:
        try:
            class_counts(dataset.labels)
        except ValueError as error:
            raise ValueError(f"conditional: {error}") from None


def refuse_changes(args):
    """Raise UsageError if anything was typed beside --resume that the run has settled."""
    free = {"name", "resume", "data", "checkpoint_every", "steps", "workers"}
    typed = [name for name, value in vars(args).items() if value is not None and name not in free]
    if typed:
        raise UsageError(f"--resume continues as the run was begun; leave out {', '.join(map(option, typed))}")


def extended(config, steps, step):
    """Return the Config of a run at ``step`` that goes on to ``steps``; UsageError where that is not possible."""
    if steps <= step:
        raise UsageError(f"--steps {steps:,}: the run is at step {step:,} already; name a later one")
    try:
        return config.extended(steps)
    except ValueError as error:
        raise UsageError(f"--steps: {error}") from None


def redivided(config, workers):
    """Return the Config of a run that goes on with so many workers; UsageError where that is not possible."""
    try:
        return replace(config, workers=workers)
    except ValueError as error:
        raise UsageError(f"--{error}") from None

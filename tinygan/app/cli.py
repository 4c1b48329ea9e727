"""The command line: every command, and what becomes of its errors.

A mistake in what was typed (``arguments``), or in the files that it names, is answered by one line
on standard error and exit code 2.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from tinygan.app import checkpoint
from tinygan.app.album import drawing
from tinygan.app.arguments import parse
from tinygan.app.errors import CheckpointError, UsageError
from tinygan.app.output import aside, indented, say, settle
from tinygan.app.runs import load_generator
from tinygan.app.source import fetch, make_examiner, refuse_other, say_scores
from tinygan.app.train import train_command
from tinygan.conditions import labels_in, with_labels
from tinygan.data import DataError
from tinygan.gan import draw_latents, generate
from tinygan.sharing import WorkerError
from tinygan.training import NumericalError


def main(argv=None):
    """Run one command; return the exit code."""
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
    except DataError as error:
        aside(f"{name}: {error.fault}")
        if error.remedy:
            aside(indented(f"To have MNIST: {error.remedy}"))
        return 2
    except UsageError as error:
        aside(f"{name}: {error}")
        return 2
    except NumericalError as error:
        aside(f"{name}: {error.fault}\n{error.advice}")
        return 1
    except WorkerError as error:
        aside(f"{name}: {error}")
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


def latents(trained, n, seed, classes=None):
    """Return latents for n samples of a ``runs.Trained``; of ``classes``, if given: n of each, with the same z."""
    rng, latent_dim, counts = np.random.default_rng(seed), trained.config.latent_dim, trained.class_counts
    if classes is None:
        return draw_latents(rng, n, latent_dim, counts)
    if not counts:
        raise UsageError("--class: this run knows no classes; train one with --conditional")
    chosen = range(len(counts)) if classes == "all" else classes
    if max(chosen) >= len(counts):
        raise UsageError(f"--class {max(chosen)}: the classes are 0 to {len(counts) - 1}")
    z = np.tile(draw_latents(rng, n, latent_dim), (len(chosen), 1))
    return with_labels(z, np.repeat(chosen, n), len(counts))


def draw(trained, z):
    """Return the samples of a ``runs.Trained``'s generator for these latents."""
    samples = generate(trained.generator, z)
    if not np.isfinite(samples).all():
        raise CheckpointError("the generator's samples are not finite numbers; train again")
    return samples


def sample_command(args):
    """``tinygan sample``: numbers for programs, or a picture."""
    out = args.out or args.run / "sample.png"
    if out.suffix not in (".png", ".npy"):
        raise UsageError(f"--out {out}: the name must end in .png or .npy")
    trained = load_generator(args.run, say)
    count = args.count or (10 if args.classes else 64)
    z = latents(trained, count, args.seed, args.classes)
    samples = draw(trained, z)
    with checkpoint.whole(out) as path:
        if out.suffix == ".npy":
            np.save(path, samples.reshape(-1, *trained.shape))
        else:
            title = f"{trained.name}, step {trained.step:,}, {len(z)} samples, seed {args.seed}"
            drawing().save_samples(path, samples, trained.shape, title, columns=count if args.classes else None)
    say(f"{len(z)} samples of {args.run} at step {trained.step:,} in {out}")
    if trained.class_counts and out.suffix == ".npy":
        with checkpoint.whole(out.with_suffix(".labels.npy")) as path:
            np.save(path, labels_in(z, trained.config.latent_dim))
        say(f"Their labels are in {out.with_suffix('.labels.npy')}")


def score_command(args):
    """``tinygan score``: the whole table for a run."""
    report = aside if args.json else say
    trained = load_generator(args.run, report)
    z = latents(trained, args.count, args.seed)
    samples = draw(trained, z)
    source = args.data or trained.source
    dataset = fetch(source, report)._replace(name=trained.name)
    refuse_other(dataset, args.run, source, trained.sha256)
    examiner = make_examiner(dataset, source, trained.config, report)
    n = examiner.comparable(args.count)
    report(f"Scoring {n:,} samples, which takes {'up to a minute' if examiner.images else 'a second'} ...")
    asked = labels_in(z, trained.config.latent_dim) if trained.class_counts else None
    rows = examiner.scores(samples, full=True, asked=asked)
    if args.json:
        print(json.dumps({row.name: {"value": row.value, "real": row.real} for row in rows}))
        return
    say(f"{trained.name}: {n:,} samples of {args.run} at step {trained.step:,}, beside as many real examples")
    say_scores(examiner, rows, trained.step)
    if examiner.images:
        show_neighbors(args.run, trained, samples[:64], examiner)


def show_neighbors(run, trained, samples, examiner):
    """Draw samples beside their nearest training images."""
    picture = run / "neighbors.png"
    title = f"{trained.name}, step {trained.step:,}: samples, each above its nearest"
    try:
        with checkpoint.whole(picture) as path:
            drawing().save_neighbors(path, samples, examiner.neighbors(samples), trained.shape, title)
        say(f"Samples beside their nearest training images: {picture}")
    except CheckpointError as error:  # the table is what was asked for
        say(f"There is no picture of samples beside their nearest training images: {error}")


def check_command(args):
    """``tinygan check``: gradients, the package's or a learner's."""
    from tinygan.app import check  # only now: nothing else needs it

    return check.main(args.target)


COMMANDS = {"train": train_command, "sample": sample_command, "score": score_command, "check": check_command}

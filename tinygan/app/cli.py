"""The command line: every command, and what becomes of its errors.

A mistake in what was typed (``arguments``), or in the files that it names, is answered by one line
on standard error and exit code 2.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

from tinygan.app import checkpoint, quiz
from tinygan.app.album import drawing
from tinygan.app.arguments import parse
from tinygan.app.errors import CheckpointError, UsageError
from tinygan.app.fill import fill_command
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


def latents(trained, n, seed, classes=None, vary=None):
    """Return latents for n samples of a ``runs.Trained``; of ``classes``, if given: n of each, with the same z.

    With ``vary`` there is one z only, of which the number that is the continuous code ``vary`` goes from -2 to 2.
    """
    rng, latent_dim, counts = np.random.default_rng(seed), trained.config.latent_dim, trained.class_counts
    if classes is None and vary is None:
        return draw_latents(rng, n, latent_dim, counts)
    z = draw_latents(rng, n, latent_dim)
    if vary is not None:
        if vary >= trained.config.continuous:
            known = trained.config.continuous
            whose = f"the continuous codes are 0 to {known - 1}" if known else "this run has none; see --continuous"
            raise UsageError(f"--vary {vary}: {whose}")
        z[:] = z[0]
        z[:, vary] = np.linspace(-2, 2, n)
    if not counts:
        if classes is None:
            return z
        raise UsageError("--class: this run knows no classes; train one with --conditional, or with --codes")
    chosen = range(len(counts)) if classes in (None, "all") else classes
    if max(chosen) >= len(counts):
        raise UsageError(f"--class {max(chosen)}: the classes are 0 to {len(counts) - 1}")
    return with_labels(np.tile(z, (len(chosen), 1)), np.repeat(chosen, n), len(counts))


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
    in_rows = bool(args.classes) or args.vary is not None
    count = args.count or (10 if in_rows else 64)
    z = latents(trained, count, args.seed, args.classes, args.vary)
    samples = draw(trained, z)
    with checkpoint.whole(out) as path:
        if out.suffix == ".npy":
            np.save(path, samples.reshape(-1, *trained.shape))
        else:
            title = f"{trained.name}, step {trained.step:,}, {len(z)} samples, seed {args.seed}"
            drawing().save_samples(path, samples, trained.shape, title, columns=count if in_rows else None)
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
    rows = examiner.scores(samples, full=True, asked=asked, guess=trained.guess)
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


def quiz_command(args):
    """``tinygan quiz``: a page on which somebody says what is real and what was made."""
    trained = load_generator(args.run, say)
    quiz.make(args, trained, draw(trained, latents(trained, args.count, args.seed)))


def check_command(args):
    """``tinygan check``: gradients, the package's or a learner's; or a learner's whole folder."""
    from tinygan.app import check, workshop  # only now: nothing else needs them

    if args.target and os.path.isdir(args.target):
        return workshop.check_folder(Path(args.target), args.watch)
    if args.watch:
        raise UsageError("--watch belongs to a folder: tinygan check FOLDER --watch")
    return check.main(args.target)


def workshop_command(args):
    """``tinygan start``, ``hint``, ``race``: a GAN of the reader's own."""
    from tinygan.app import workshop

    return getattr(workshop, f"{args.name}_command")(args)


def lab_command(args):
    """``tinygan lab``: the lab, in the browser."""
    from tinygan.app import lab  # only now: nothing else needs it

    return lab.lab_command(args)


COMMANDS = {
    "train": train_command,
    "sample": sample_command,
    "score": score_command,
    "quiz": quiz_command,
    "fill": fill_command,
    "lab": lab_command,
    "check": check_command,
    **dict.fromkeys(("start", "hint", "race"), workshop_command),
}

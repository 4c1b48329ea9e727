"""``tinygan check``: find what to check, have it examined, print what was found.

    tinygan check                   everything that the package computes a gradient of
    tinygan check file.py           the layers, losses, optimizers that a learner has written there; it is run
    tinygan check file.py:Name      one of them
    tinygan check book.ipynb        the same in the code of a notebook

Each gets a table, and, where it is wrong, a diagnosis. Nothing else is needed to pose an exercise: it is a file that
says in one line what to write, and has NotImplementedError where that belongs. A loss could be right and another loss
than the one asked for. Its exercise says which it must be with a second function, ``name_by_definition``, of the same
arguments (``by_definition`` for ``__call__``), which gives the value alone. What code takes is guessed from names and
documented shapes, "x: (N, C, H, W)", or seen where the file itself calls it, if only under ``if __name__ ==
"__main__"`` (a second of that is run, and may not write); where that fails, an attribute says it:
``Conv.example = {"x": (2, 3, 6, 6)}``.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np

from tinygan import (
    autoencoder,
    conditions,
    convolution,
    gan,
    gradient_penalty,
    layers,
    losses,
    network,
    normalization,
    objectives,
    optimizers,
    semi_supervised,
)
from tinygan.app.output import aside, say
from tinygan.doctor import RULER, Report, Stopped, Verdict, as_target, examine, load, loops, never_zeroed, targets

MODULES = (
    layers,
    convolution,
    normalization,
    conditions,
    network,
    losses,
    objectives,
    optimizers,
    gan,
    gradient_penalty,
    semi_supervised,
    autoencoder,
)


# Noise hands dout on, and the numbers that it keeps are drawn; the others are made of what is checked.
NOT_ALONE = "Noise", "noisy_layers", "normalized_layers", "FewLabels", "Autoencoder", "VAE"


def main(target=None):
    """Print what the check finds; return 0 if all is right, 1 if something is wrong, 2 if not all could be checked."""
    try:
        things = targets_in(target) if target else own_targets()
        reports = dict(examined(things, told=target is not None))
        if not reports:
            raise Stopped(nothing_in(target.partition(":")[0]))
    except Stopped as error:
        aside(f"tinygan check: {error}")
        return 2
    if target is None:
        say(summary(reports))
    say(RULER)
    count = {verdict: sum(report.verdict is verdict for report in reports.values()) for verdict in Verdict}
    line = f"{count[Verdict.RIGHT]} of {len(reports)} right"
    if count[Verdict.UNCHECKED]:
        line += f", {count[Verdict.UNCHECKED]} could not be checked"
    if count[Verdict.WRONG] > 1:
        line += "; begin with the first that is wrong: what is built on it fails with it"
    say(line)
    return 1 if count[Verdict.WRONG] else 2 if count[Verdict.UNCHECKED] else 0


def examined(things, told):
    """Yield (name, Report) of the things that have a gradient, and print each, or (not ``told``) those that fail."""
    report_on, settling = cache(lambda name: checked(things[name])), {}
    for name in things:
        with progress(f"checking {name} ..."):
            report = report_on(name)
            if report.settled_by_callers:
                users = [other for other in things if other != name and uses(things[other], name, report)]
                if right := next((other for other in users if report_on(other).passed), None):
                    report.settle(right)
            if told and not report.helper and (report.verdict is Verdict.UNCHECKED or report.settled_by_callers):
                around = [loop for loop in loops(report.target.module) if loop.covers(report)]
                if around:
                    settling |= {around[0].target.name: around[0].report}
                    report.settle(around[0].target.name)
            words = [*map(str, report.findings)] or report.pattern
        if report.helper and not report.rows and len(things) == 1:  # there is nothing that it could be a helper of
            if report.target.owner is None:
                raise report.helper
            report.errors.append(report.helper)
            report.unchecked.append(report.target.name)
            report.helper = None
        if report.helper and told:
            say(f"{name}: passed over, for it does not run as a loss ({report.helper})\n")
        if report.empty:
            if report.remarks and told:
                say(f"{name}: {report.remarks[-1]}\n")
            continue
        if told or not report.passed:
            say("\n".join([str(report), *words, ""]))
        yield name, report
    for module in {thing.module: None for thing in things.values()} if told else ():
        settling |= never_zeroed(module) if hasattr(module, "source_text") else {}
    for name in [name for name in settling if name not in things]:
        say("\n".join([str(settling[name]), *map(str, settling[name].findings), ""]))
        yield name, settling[name]


def uses(thing, name, report):
    """Does a Target name another one in its source, or call all its methods that could not be checked?"""
    text, methods = getattr(thing, "text", ""), report.unchecked if report.target.owner is not None else []
    called = methods and all(re.search(rf"\.{re.escape(method)}\(", text) for method in methods)
    return bool(called or re.search(rf"\b{name}\b", text))


def checked(thing):
    """Return the Report on a thing; where our own code cannot cope with what it meets, one that says so."""
    try:
        known = [loop.report for loop in vars(thing.module).get("training_loops", ()) if loop.target is thing]
        report = known[0] if known else examine(thing)
        _ = report.findings
    except Exception as error:
        report = Report(as_target(thing))
        said = Stopped(f"the check itself failed, and not the code ({type(error).__name__}: {error})")
        report.errors.append(error if isinstance(error, Stopped) else said)
        report.unchecked.append(report.target.name)
    return report


# ---- what to check -------------------------------------------------------------------------------


def own_targets():
    """Return {name: Target} of everything in the package that computes a gradient."""
    found = {name: thing for module in MODULES for name, thing in targets(module).items()}
    for name in NOT_ALONE:
        del found[name]
    found |= {type(layer).__name__: as_target(layer) for layer in fed_layers()}
    rng = np.random.default_rng(0)
    generator = network.Network([layers.Dense(3, 4), layers.LeakyReLU(), layers.Dense(4, 7), layers.Tanh()], rng)
    packed = network.Network([layers.Pack(2), *network.mlp((14, 4, 1)), layers.Tanh()], rng)
    game = gan.GAN(generator, packed, objectives.NonSaturating(), None, None, gradient_penalty.R1())
    return found | {"GAN, packed, with R1": as_target(game)}


def fed_layers():
    """Return layers whose constructor or input cannot be guessed, each with an ``example`` of its input."""
    down = convolution.Conv2D((6, 5, 2), 3, kernel=3)
    up = convolution.ConvTranspose2D((3, 2, 2), 3, kernel=4)
    norm, condition = normalization.BatchNorm(2, group=4), conditions.Condition(3)
    condition.labels = np.eye(3, dtype=int)[[0, 2]]  # whole numbers have no gradient
    for layer, shape in ((down, (2, 60)), (up, (2, 12)), (norm, (8, 4)), (condition, (2, 5))):
        layer.example = {"x": shape}
    return down, up, norm, condition


def targets_in(target):
    """Return {name: Target} for "file.py" or "file.py:Name"; Stopped where there is nothing to check."""
    path, name = (target, None) if Path(target).exists() else split(target)
    try:
        module = load(path)
    except OSError as error:
        raise Stopped(f"{path}: {error.strerror}; name a file of Python source, file.py:Name or a folder") from None
    found = targets(module)
    if not name:
        found |= {loop.target.name: loop.target for loop in loops(module) if loop.derives or not found}
    known = ", ".join(found) or "nothing"
    if name and not hasattr(module, name):
        raise Stopped(f"{path} has no {name}; what could be checked there: {known}")
    if name:
        return {name: found[name] if name in found else as_target(getattr(module, name))}
    if not found:
        raise Stopped(module.passed_over[0] if module.passed_over else nothing_in(path))
    return found


def nothing_in(path):
    """Return the sentence that says so."""
    return (
        f"{path} has nothing to check: no class with forward(x) and backward(dout), "
        "and no function that returns (loss, gradient) or has its gradient in another function beside it, "
        "and no loop that computes a loss and steps down it"
    )


def split(target):
    """Return (path, name) of "path:name", (target, None) of anything else."""
    path, colon, name = target.rpartition(":")
    return (path, name) if colon and name.isidentifier() else (target, None)


# ---- what to print -------------------------------------------------------------------------------


@contextmanager
def progress(line):
    """Show a line on a terminal as long as it takes: code with loops may need seconds."""
    terminal = sys.stderr and sys.stderr.isatty()
    write = sys.stderr.write if terminal else len
    with suppress(OSError):
        write(line)
    try:
        yield
    finally:
        with suppress(OSError):
            write(f"\r{' ' * len(line)}\r")


def summary(reports):
    """Return a table with one line for each thing."""
    width = max(map(len, reports))
    lines = [f"{'what':<{width}}  gradients  entries  largest error"]
    for name, report in reports.items():
        entries, error = sum(row.size for row in report.rows), max((row.error for row in report.rows), default=np.nan)
        lines.append(f"{name:<{width}}  {len(report.rows):9d}  {entries:7,d}  {error:13.1e}  {report.verdict.words}")
    return "\n".join([*lines, ""])

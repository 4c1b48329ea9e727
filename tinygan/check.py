"""``tinygan check`` exists so that anybody's derivation can be judged, the package's own first of all.

    tinygan check                   everything that the package computes a gradient of
    tinygan check file.py           the layers, losses, ... that a learner has written there
    tinygan check file.py:Name      one of them

What these must look like stands at the top of ``cases.py``. Each gets a table, and, where it is
wrong, a diagnosis. Nothing else is needed to pose an exercise: it is a file that says in one line
what to write, and has NotImplementedError where that belongs.

    class Dense:
        def backward(self, dout):
            raise NotImplementedError("fill in")

A learner's class keeps its parameters in the attributes W and b, and backward sets their gradients
on self as dW and db (or there are two dictionaries, params and grads). The check overwrites W and b
with random numbers and calls backward several times: it must set gradients, not add to them.

A loss could be right and another loss than the one asked for. Its exercise says which it must be
with a second function, ``name_by_definition``, of the same arguments, which gives the value alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tinygan import gan, gradient_penalty, layers, losses, network, objectives
from tinygan.cases import NotCheckable, Setting, make
from tinygan.diagnosis import diagnose, pattern
from tinygan.gradcheck import check_gradients
from tinygan.learner import TargetError, load, targets

MODULES = (layers, network, losses, objectives, gan, gradient_penalty)


class Unusable(Exception):
    """There is nothing to check; the message is one line that says why."""


def main(target=None):
    """Print what the check finds. Returns 0 where all is right, 1 where not, 2 where nothing could be checked."""
    try:
        things = things_in(target) if target else own_things()
        reports = [check_gradients(thing, definition=definition) for thing, definition in things.values()]
    except (Unusable, TargetError, NotCheckable) as error:
        print(f"tinygan check: {error}", file=sys.stderr)
        return 2
    if target is None:
        print_summary(things, reports)
    for report in reports:
        if target or not report.passed:
            print("\n".join(lines_of(report)), end="\n\n")
    right = sum(report.passed for report in reports)
    hint = "; begin with the first that is wrong: what is built on it fails with it" * (len(reports) - right > 1)
    print(f"{right} of {len(reports)} right{hint}")
    return int(right < len(reports))


# ---- what to check -------------------------------------------------------------------------------


def own_things():
    """{name: (thing, None)} of everything in the package that computes a gradient."""
    things = {name: thing for module in MODULES for name, thing in targets(module).items()}
    packed = make(gan.GAN, Setting())
    rng = np.random.default_rng(0)
    packed.penalty = gradient_penalty.R1()
    packed.discriminator = network.Network([layers.Pack(2), *network.mlp((14, 4, 1)), layers.Tanh()], rng)
    things["GAN, packed, with R1"] = packed
    return {name: (thing, None) for name, thing in things.items()}


def things_in(target):
    """{name: (thing, its definition or None)} for "file.py" or "file.py:Name"."""
    path, name = (target, None) if Path(target).exists() else split(target)
    try:
        module = load(path)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}; name a file of Python source, or file.py:Name") from None
    found = targets(module)
    if name:
        if not hasattr(module, name):
            raise Unusable(f"{path} has no {name}; what could be checked there: {', '.join(found) or 'nothing'}")
        found = {name: getattr(module, name)}
    if not found:
        raise Unusable(
            f"{path} has nothing to check: no class with forward(x) and backward(dout), "
            "and no function that returns (loss, gradient) "
            f"(one that does so in a roundabout way can be named, {path}:name)"
        )
    return {k: (thing, getattr(module, f"{k}_by_definition", None)) for k, thing in found.items()}


def split(target):
    """(path, name) of "path:name", (target, None) of anything else."""
    path, colon, name = target.rpartition(":")
    return (path, name) if colon and name.isidentifier() else (target, None)


# ---- what to print -------------------------------------------------------------------------------


def print_summary(things, reports):
    """One line for each thing."""
    width = max(map(len, things))
    print(f"{'what':<{width}}  gradients  entries  largest error")
    for name, report in zip(things, reports, strict=True):
        entries, error = sum(row.size for row in report.rows), max(row.error for row in report.rows)
        verdict = "right" if report.passed else "WRONG"
        print(f"{name:<{width}}  {len(report.measured):9d}  {entries:7,d}  {error:13.1e}  {verdict}")
    print()


def lines_of(report):
    """The table of one report, and what the doctor says to it."""
    yield str(report)
    if not report.passed:
        findings = diagnose(report)
        yield from map(str, findings)
        if not findings and (unexplained := pattern(report)):
            yield "  no known mistake looks like this:"
            yield from unexplained

"""Ask a project what a step's probe wants to know, and compare the answers with those of the finished one."""

from __future__ import annotations

import contextlib
import io
from functools import cache

import numpy as np

from tinygan.doctor import Stopped
from tinygan.doctor.sandbox import call, sandbox
from tinygan.gradcheck import relative_error
from tinygan.workshop.mistakes import ALSO_RIGHT, MISTAKES
from tinygan.workshop.projects import of_ours
from tinygan.workshop.steps import STEPS

SECONDS = 5  # that a step may take
TOLERANCE = {"add_r1": 1e-6}  # of a step that may be right by a difference; 1e-9 of all others
NOTHING = "nothing (None)"


def answers(step, project, printed=None):
    """Return {what was asked: the answer}, in order, and what stopped it (or None); ``printed`` takes its output."""
    seen = {}

    def see(name, value):
        while name in seen:  # asked before: the first answer that is no longer the same counts
            if not same(seen[name], noted(value)):
                break
            return
        seen[name] = noted(value)

    try:
        with sandbox(), contextlib.redirect_stdout(printed or io.StringIO()):
            call(step.probe, project, see, seconds=SECONDS)
    except Stopped as error:
        return seen, error
    return seen, None


def noted(value):
    """Return a copy of an answer: an array of float64, or what stands in its place, in words."""
    if value is None:
        return NOTHING
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        return f"{type(value).__name__}"


def same(a, b, tolerance=1e-9):
    """Are two answers the same?"""
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str) and a == b
    if a.shape != b.shape:
        return False
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return False
    return relative_error(a[finite], b[finite]) < tolerance


def alike(name, got, theirs):
    """Is an answer the same as another's, or were both never given?"""
    if name not in got or name not in theirs:
        return (name in got) == (name in theirs)
    return same(got[name], theirs[name], 1e-6)


def drawn(step, project, got):
    """Does the same question get another answer?"""
    again, _ = answers(step, project)
    return any(name in again and not same(again[name], got[name], 1e-12) for name in got)


def wider(step, project):
    """Does a layer without parameters, or a loss, turn float32 into float64?"""
    x = np.ones((2, 3), np.float32)
    try:
        with sandbox():
            if step.file == "losses.py":
                return call(getattr(project, step.name), x, 1)[1].dtype != x.dtype
            if step.name in ("LeakyReLU", "Sigmoid"):
                layer = getattr(project, step.name)()
                return call(layer.forward, x).dtype != x.dtype or call(layer.backward, x).dtype != x.dtype
    except (Stopped, AttributeError):
        pass
    return False


@cache
def right_answers(index):
    """Return the finished project's answers, and those of other ways that are as right."""
    step = STEPS[index]
    edits = [(), *ALSO_RIGHT.get(step.name, ())]
    return [answers(step, of_ours(each, step.file.removesuffix(".py")))[0] for each in edits]


@cache
def mistaken_answers(index):
    """Return (answers, what stopped them) of the finished project with each typical mistake in it."""
    step = STEPS[index]
    return [answers(step, of_ours(mistake.edits, step.file.removesuffix(".py"))) for mistake in MISTAKES[step.name]]

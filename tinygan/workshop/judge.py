"""The judge: what does a reader's code answer, is it right, and if not, whose typical mistake answers the same?

The finished project is asked the same (``probes``). Where an answer differs, the finished project is asked once more,
with one typical mistake after the other in it: the one that answers like the reader's is its name. Where none does, the
doctor looks at the layer or the loss; and where it knows none either, the numbers are described.
"""

from __future__ import annotations

import importlib
import sys
import types
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.doctor import Stopped, Unfilled, load, targets
from tinygan.doctor.diagnosis import Finding, diagnose
from tinygan.doctor.examine import examine
from tinygan.doctor.report import format_row
from tinygan.doctor.sandbox import call, sandbox, spot
from tinygan.doctor.words import BROKEN
from tinygan.gradcheck import Row, compare, relative_error
from tinygan.workshop.blanks import finished
from tinygan.workshop.mistakes import ALSO_RIGHT, MISTAKES
from tinygan.workshop.probes import AFTER, SAME
from tinygan.workshop.steps import STEPS

SECONDS = 10  # that a step may take
ORDER = ("layers", "losses", "network", "optimizers", "gan", "penalty", "data", "train")  # each needs those before it
TOLERANCE = {"add_r1": 1e-6}  # of a step that may be right by a difference; 1e-9 of all others
NOTHING = "nothing (None)"


class Verdict(NamedTuple):
    """What a step comes to: "right", "wrong", "blank", "waits" or "stopped"; where, and lines that say why."""

    state: str
    place: str = ""
    lines: tuple = ()


class Project:
    """A project's modules, as one namespace: ``project.Dense``, wherever it is defined."""

    def __init__(self, modules):
        self.modules = modules

    def __getattr__(self, name):
        for module in self.modules:
            if name in vars(module):
                return vars(module)[name]
        raise Stopped(f"there is no {name} in any file of the folder: was it renamed?")


# ---- the two projects ------------------------------------------------------------------------------------------


def of_reader(folder, files):
    """Return the Project in a folder, of these of its files; Stopped where one of them does not run."""
    known = [f"{name}.py" for name in ORDER]
    behind = sorted(files, key=lambda file: known.index(file) if file in known else len(known))
    return Project([imported(file.removesuffix(".py")) for file in behind if Path(folder, file).is_file()])


def imported(name):
    """Return a module of the reader's; Stopped, with its place, where it cannot be imported."""
    try:
        return call(importlib.import_module, name)
    except Stopped as error:
        cause = error.__cause__
        if isinstance(cause, SyntaxError) and cause.lineno:
            said = f"{spot(cause.filename, cause.lineno)}: this is not valid Python: {cause.msg}"
            raise Stopped(said) from cause
        raise


GIVEN = {"data.py", "pictures.py", "digits.py"}


def moved(folder, step, project, missing):
    """Return (Project, which blanks are missing) of all files of the folder: a function may be in another file."""
    try:
        whole = of_reader(folder, {path.name for path in Path(folder).glob("*.py")} - GIVEN)
    except Stopped:
        return project, missing
    return whole, [place for place in step.places if not has(whole, place)]


def needed(step):
    """Return the indices of a step and of all that it is built on."""
    names = [each.name for each in STEPS]
    found = {names.index(step.name)}
    for name in step.needs:
        found |= needed(STEPS[names.index(name)])
    return found


@cache
def texts():
    """Return {module: source} of the finished project."""
    return {name: finished()[f"{name}.py"] for name in ORDER if name != "data"}


def of_ours(edits=(), file=None):
    """Return the finished project, with these edits (old, new, old, new, ...) in one of its files."""
    sources = dict(texts())
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert sources[file].count(old) >= 1, f"{file}: no {old!r}"
        sources[file] = sources[file].replace(old, new)
    hidden = {name: sys.modules.pop(name) for name in (*ORDER, "pictures") if name in sys.modules}
    try:
        sys.modules["data"] = types.SimpleNamespace(draw_batches=None, draw_latents=None, load_images=None)
        for name, source in sources.items():
            module = sys.modules[name] = types.ModuleType(name)
            module.__file__ = f"{name}.py"
            exec(compile(source, f"<{name}.py>", "exec"), module.__dict__)
        return Project([sys.modules[name] for name in sources])
    finally:
        for name in (*ORDER, "pictures"):
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


# ---- asking ------------------------------------------------------------------------------------------------------


def answers(step, project):
    """Return {what was asked: the answer}, in order, and what stopped it (or None)."""
    seen = {}

    def see(name, value):
        while name in seen:  # asked before: the first answer that is no longer the same counts
            if not same(seen[name], noted(value)):
                break
            return
        seen[name] = noted(value)

    try:
        with sandbox():
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


def judge(index, folder):
    """Return the Verdict on a step."""
    step = STEPS[index]
    try:
        with sandbox():
            project = of_reader(folder, {STEPS[i].file for i in needed(step)} | {"layers.py"})
            missing = [place for place in step.places if not has(project, place)]
            if missing:
                project, missing = moved(folder, step, project, missing)
    except Unfilled as error:
        return Verdict("stopped", step.places[0], (f"  {error}: it is called while the file is imported",))
    except Stopped as error:
        return Verdict("stopped", step.places[0], (f"  {error}",))
    if missing:
        said = f"  {step.file} has no {missing[0]}, nor has any other file of the folder: give it its name back"
        return Verdict("stopped", missing[0], (said,))
    got, error = answers(step, project)
    expected, *others = right_answers(index)
    tolerance = TOLERANCE.get(step.name, 1e-9)
    for right in (expected, *others):
        wrong = [name for name in right if not (name in got and same(got[name], right[name], tolerance))]
        if not wrong and not error and not drawn(step, project, got):
            return Verdict("right")
    wrong = [name for name in expected if not (name in got and same(got[name], expected[name], tolerance))]
    if isinstance(error, Unfilled):
        wrong = [name for name in wrong if name in got]
        if not wrong:
            return Verdict("blank", place_in(step, str(error)), (f"  {error}",))
        error = None
    place = place_of_answer(step, wrong, error)
    if drawn(step, project, got):
        return Verdict("wrong", place, (str(Finding(*BROKEN["random"][:3], {"": ""})),))
    return Verdict("wrong", place, tuple(explained(index, folder, got, expected, wrong, error)))


def drawn(step, project, got):
    """Does the same question get another answer?"""
    again, _ = answers(step, project)
    return any(name in again and not same(again[name], got[name], 1e-12) for name in got)


def has(project, place):
    """Is there a function of this name, "Class.method" or "function"?"""
    try:
        thing = project
        for name in place.split("."):
            thing = getattr(thing, name)
    except (AttributeError, Stopped):
        return False
    return callable(thing)


def place_in(step, sentence):
    """Return which of a step's blanks a sentence names, "..., in backward is still ..."."""
    return next((place for place in step.places if f" in {place.split('.')[-1]} " in sentence), step.places[0])


def place_of_answer(step, wrong, error):
    """Return which of a step's blanks gives the first wrong answer."""
    if len(step.places) == 1:
        return step.places[0]
    if error and " in backward" in str(error) or wrong and not wrong[0].startswith(("out", "x")):
        return step.places[1]
    return step.places[0]


# ---- naming ------------------------------------------------------------------------------------------------------


def explained(index, folder, got, expected, wrong, error):
    """Return lines: the answers that are wrong, and the name of the mistake."""
    step = STEPS[index]
    seen = [name for name in wrong if name in got]
    first = {name.split(",")[0]: name for name in reversed(seen)}
    lines = table([name for name in seen if name in first.values()][:4], got, expected)
    if error:
        lines.append(f"  {error}")
    found = named(index, got, wrong, error)
    if not found and not error:
        found = by_doctor(step, folder)
    if not found:
        found = generic(got, expected, seen)
    if not found and not error:
        lines.append("  no known mistake looks like this: compare what came with what was expected, entry by entry")
    return lines + [str(finding) for finding in found]


def table(names, got, expected):
    """Return the lines of a table of answers that are wrong."""
    rows = [row(name, got[name], expected[name]) for name in names]
    if not rows:
        return []
    width = max(len("answer"), *(len(each.name) for each in rows))
    head = f"  {'answer':<{width}}  size    error  worst at  {'got':>14}  {'expected':>14}"
    return [head, *(format_row(each, width) for each in rows)]


def row(name, got, expected):
    """Return a Row for an answer, whatever it is."""
    if isinstance(got, str) or isinstance(expected, str):
        return Row(name, np.size(expected), np.inf, (), np.nan, np.nan, False, note=f"it is {got}")
    if got.shape == expected.shape and not np.isfinite(got).all():
        bad = np.argmax(~np.isfinite(got))
        return Row(name, got.size, np.inf, (), np.nan, np.nan, False, note=f"it is {got.ravel()[bad]} in some places")
    return compare(name, got, expected, 0.0)


def named(index, got, wrong, error):
    """Return the Findings of the typical mistakes that answer the same: one that explains all, or one for each part."""
    known, right, parts = MISTAKES[STEPS[index].name], right_answers(index)[0], []
    for mistake, (theirs, stopped) in zip(known, mistaken_answers(index), strict=True):
        if said(error) == said(stopped) and all(alike(name, got, theirs) for name in {**got, **theirs}):
            return [finding(mistake)]
        theirs_wrong = {name for name in right if not alike(name, right, theirs)}
        if theirs_wrong and all(alike(name, got, theirs) for name in theirs_wrong):
            parts.append((mistake, theirs_wrong))
    found, left = [], set(wrong)
    for mistake, reached in sorted(parts, key=lambda part: -len(part[1])):
        if reached <= left:
            found.append(finding(mistake))
            left -= reached
    return found if wrong and wrong[0] not in left and not error else []


def alike(name, got, theirs):
    """Is an answer the same as another's, or were both never given?"""
    if name not in got or name not in theirs:
        return (name in got) == (name in theirs)
    return same(got[name], theirs[name], 1e-6)


def said(error):
    """Return what an error says, without the place; "" for none."""
    return str(error).split(": ", 1)[-1] if error else ""


def finding(mistake):
    """Return the Finding of a typical mistake."""
    return Finding(mistake.name, mistake.meaning, mistake.look, {"": ""})


def generic(got, expected, wrong):
    """Return a Finding for what can be seen in the numbers themselves."""
    for name in wrong:
        mine, right = got[name], expected[name]
        if isinstance(mine, str) or isinstance(right, str):
            if mine == NOTHING:
                return [Finding("return missing", "nothing came back", "return ...", {name: ""})]
            return [Finding("not a number", f"what came is of the type {mine}", "an array, or a number", {name: ""})]
        if name.split(",")[0] + AFTER == name or AFTER in name:
            return [Finding(*BROKEN["in place"][:3], {name.split(",")[0]: ""})]
        if name.endswith(SAME):
            look = "self.dW[...] = ... changes what is in the array; self.dW = ... is another array"
            return [Finding("replaced instead of filled", "the array is another one than before", look, {name: ""})]
        if mine.shape != right.shape:
            look = "write the shapes beside each line: (N, I), (I, O), (O,)"
            words = f"its shape is {mine.shape}, and must be {right.shape}"
            return [Finding("wrong shape", words, look, {name: ""})]
        if not np.isfinite(mine).all():
            look = "which line divides by 0, or takes the logarithm or the exponential of something large?"
            return [Finding("not finite", "there is nan or inf in it", look, {name: ""})]
        if mine.size > 2 and np.any(mine) and np.any(right):
            ratio = np.sum(mine * right) / np.sum(right * right)
            if relative_error(mine, ratio * right) < 1e-9:
                words = "wrong sign" if np.isclose(ratio, -1) else "constant factor"
                meaning = f"it is the right answer times {ratio:.6g}"
                return [Finding(words, meaning, "N = 5, I = 7, O = 3: which of them is it?", {name: ""})]
    return []


def by_doctor(step, folder):
    """Return what the doctor finds in the layer, the loss or the optimizer of a step; [] where it finds nothing."""
    if step.file not in ("layers.py", "losses.py", "optimizers.py"):
        return []
    try:
        found = targets(load(str(Path(folder, step.file)))).get(step.places[0].split(".")[0])
        return diagnose(examine(found)) if found else []
    except Stopped:
        return []

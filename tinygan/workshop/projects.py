"""The two projects: the reader's, imported from a folder, and the finished one, with whatever is edited in it."""

from __future__ import annotations

import importlib
import sys
import types
from functools import cache
from pathlib import Path

from tinygan.doctor import Stopped
from tinygan.doctor.sandbox import call, spot
from tinygan.workshop.blanks import finished
from tinygan.workshop.steps import STEPS

ORDER = ("layers", "losses", "network", "optimizers", "gan", "penalty", "data", "train")  # each needs those before it
SECONDS = 5  # that the import of a file may take
FAILED = {}  # {module: why it cannot be imported}; it is not tried again, for that may take long
GIVEN = {"data.py", "pictures.py", "digits.py"}


class Project:
    """A project's modules, as one namespace: ``project.Dense``, wherever it is defined."""

    def __init__(self, modules):
        self.modules = modules

    def __getattr__(self, name):
        for module in self.modules:
            if name in vars(module):
                return vars(module)[name]
        raise Stopped(f"there is no {name} in any file of the folder: was it renamed?")


def of_reader(folder, files):
    """Return the Project in a folder, of these of its files; Stopped where one of them does not run."""
    known = [f"{name}.py" for name in ORDER]
    behind = sorted(files, key=lambda file: known.index(file) if file in known else len(known))
    return Project([imported(file.removesuffix(".py")) for file in behind if Path(folder, file).is_file()])


def project_of(folder, step):
    """Return the Project of the files that a step needs; Stopped where one of them does not run."""
    files = {STEPS[i].file for i in needed(step)}
    if step.name != "one_vector":
        return of_reader(folder, files)
    try:
        return of_reader(folder, files | {"layers.py"})
    except Stopped:  # ours have the same arrays
        return Project([*of_reader(folder, files).modules, of_ours().modules[ORDER.index("layers")]])


def imported(name):
    """Return a module of the reader's; Stopped, with its place, where it cannot be imported."""
    if name in FAILED:
        raise FAILED[name]
    try:
        return first_import(name)
    except Stopped as error:
        FAILED[name] = error
        raise


def first_import(name):
    """Return a module that was not asked for before."""
    try:
        return call(importlib.import_module, name, seconds=SECONDS)
    except Stopped as error:
        cause = error.__cause__
        if isinstance(cause, SyntaxError) and cause.lineno:
            said = f"{spot(cause.filename, cause.lineno)}: this is not valid Python: {cause.msg}"
            raise Stopped(said) from cause
        raise


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


def has(project, place):
    """Is there a function of this name, "Class.method" or "function"?"""
    try:
        thing = project
        for name in place.split("."):
            thing = getattr(thing, name)
    except (AttributeError, Stopped):
        return False
    return callable(thing)


@cache
def texts():
    """Return {module: source} of the finished project."""
    return {name: finished()[f"{name}.py"] for name in ORDER if name != "data"}


def of_ours(edits=(), file=None):
    """Return the finished project, with these edits (old, new, old, new, ...) in one of its files."""
    sources = dict(texts())
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        if old not in sources[file]:
            raise ValueError(f"{file}.py has no {old!r}")
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

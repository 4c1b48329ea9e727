"""A learner's own code exists in a file; here it is found, made and run.

Whatever goes wrong in it on the way becomes one sentence that names the file and the line.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import shlex
import sys
import tokenize
import traceback
import types
import warnings
from pathlib import Path

import numpy as np

PACKAGE = Path(__file__).parent


class TargetError(Exception):
    """The thing to be checked cannot be run; the message is one sentence about its source."""


class Unfilled(TargetError):
    """An exercise that nobody has filled in yet."""


# ---- running -------------------------------------------------------------------------------------


def call(function, *args):
    """function(*args), without warnings about nan and inf: those are looked for afterwards."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args)
    except NotImplementedError as error:
        raise Unfilled(f"{place_of(error, function)} is still to be filled in") from error
    except (Exception, SystemExit) as error:
        shapes = " and ".join(str(a.shape) for a in args if isinstance(a, np.ndarray))
        given = f", given an array of shape {shapes}" if shapes else ""
        raise TargetError(f"{place_of(error, function)}{given}: {type(error).__name__}: {error}") from error


def place_of(error, function):
    """ "file.py, line 12, in backward": the last line of the function's own file on the error's way."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == source_file(function)]
    if not own:  # it could not even be called
        return f"{where(function)}, {function.__name__}"
    return f"{short(own[-1].filename)}, line {own[-1].lineno}, in {own[-1].name}"


def finite(value, function, name, **given):
    """The array of finite numbers that ``function`` gave as ``name``, once it is known to be that.

    ``given``: arrays of which it was made; if one entry of it is inf or nan, theirs are named.
    """
    if isinstance(value, tuple):
        several = f"{function.__name__} returns a tuple of {len(value)}, and must return {name} alone"
        beside = "; dW and db are set on self" if name == "dx" else ""
        raise TargetError(f"{where(function)}: {several}{beside}")
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype.kind not in "fc" or array.size == 0:
        wrong = f"{function.__name__} gives {value!r:.60} where {name} is needed"
        raise TargetError(f"{where(function)}: {wrong}")
    if not np.all(np.isfinite(array)):
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        fitting = {k: x[index].real for k, x in given.items() if np.shape(x) == array.shape and index}
        at = ", where " * bool(fitting) + " and ".join(f"{k} is {x:.6g}" for k, x in fitting.items())
        spot = f" at {list(index)}" if index else ""
        value = array[index].real
        raise TargetError(f"{where(function)}: {function.__name__} gives {name} = {value}{spot}{at}")
    return array


def required(function):
    """Names of the arguments without which it cannot be called."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # not written in Python
        return []
    return [p.name for p in parameters if p.kind in kinds and p.default is p.empty]


# ---- naming --------------------------------------------------------------------------------------


def source_file(thing):
    """The file of a class, a function, or an object's class, as it was named when it was read."""
    function = getattr(thing, "__func__", thing)
    if not isinstance(function, (type, types.FunctionType)):
        function = type(function)
    try:
        return inspect.getfile(function)
    except (TypeError, OSError):
        return "?"


def where(thing):
    """ "file.py, line 12": where a class or a function is defined."""
    function = getattr(thing, "__func__", thing)
    try:
        line = inspect.getsourcelines(function)[1]
    except (TypeError, OSError):
        return short(source_file(thing))
    return f"{short(source_file(thing))}, line {line}"


def short(path):
    """The path as one would type it here."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if relative.startswith("..") else relative


def is_ours(thing):
    """Does it come from this package, with all its layers?"""
    kind = thing if isinstance(thing, (type, types.FunctionType)) else type(thing)
    parts = getattr(thing, "layers", [])
    return kind.__module__.startswith("tinygan.") and all(map(is_ours, parts))


def describe(thing):
    """One line that names a target; somebody else's with its place."""
    if not isinstance(thing, (type, types.FunctionType)):
        ours = type(thing).__repr__ is not object.__repr__
        name = repr(thing) if ours else type(thing).__name__
        thing = type(thing)
    else:
        name = thing.__name__
    return name if is_ours(thing) else f"{name} ({where(thing)})"


# ---- finding -------------------------------------------------------------------------------------


def load(path):
    """The module in a file, run as ``import`` would run it; a file of this package is the one that is in use."""
    inside = Path(path).resolve().parent
    if (inside / "gradcheck.py").exists() and (inside / "learner.py").exists():
        if inside != PACKAGE:
            raise TargetError(
                f"{path} is not the tinygan that runs here, which is in {PACKAGE}; "
                f"to have this one run and checked: python -m pip install -e {shlex.quote(short(inside.parent))}"
            )
        return importlib.import_module(f"tinygan.{Path(path).stem}")
    try:
        with tokenize.open(path) as file:
            code = compile(file.read(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise TargetError(f"{path}{line}: this is not valid Python: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise TargetError(f"{path}: this is not Python source that can be read: {error}") from error
    module = types.ModuleType(f"checked_{Path(path).stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where inspect looks for the source of a class
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        exec(code, module.__dict__)
    except (Exception, SystemExit) as error:
        own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        raise TargetError(f"{path}, line {own[-1].lineno}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    return module


def targets(module):
    """{name: class or function} that can be checked, among those which a module defines itself.

    A function counts where its name_by_definition is there too, or where it is one of one or two
    arguments and its source returns several things, or nothing yet; a class where it has one of the
    methods of a layer, an objective, a penalty or a GAN. Left out are names with an underscore, and
    classes that others here build on and that do nothing (NotImplementedError).
    """
    try:
        source = inspect.getsource(module)
    except OSError:  # an empty file
        return {}
    found = {}
    for node in ast.parse(source).body:
        thing = vars(module).get(getattr(node, "name", None))
        if isinstance(node, ast.ClassDef) and isinstance(thing, type):
            counts = has_derivative(thing) and not (is_unfilled(node) and is_base(thing, module))
        elif isinstance(node, ast.FunctionDef) and isinstance(thing, types.FunctionType):
            looks_so = returns_several(node) or is_unfilled(node)
            counts = f"{node.name}_by_definition" in vars(module)
            counts = counts or (looks_so and 1 <= len(required(thing)) <= 2)
        else:
            counts = False
        if counts and not node.name.startswith("_"):
            found[node.name] = thing
    return found


def has_derivative(kind):
    """Is it a class that looks like a layer, an objective, a penalty or a GAN?"""
    methods = ("forward", "backward", "discriminator", "generator", "discriminator_step", "generator_step")
    return any(callable(getattr(kind, name, None)) for name in methods) or is_penalty(kind)


def is_penalty(thing):
    """Can it, or an object of this class, be called with (discriminator, x_real, x_fake)?"""
    if not isinstance(thing, types.FunctionType):
        kind = thing if isinstance(thing, type) else type(thing)
        thing = next((vars(k)["__call__"] for k in kind.__mro__ if "__call__" in vars(k)), None)
    return isinstance(thing, types.FunctionType) and required(thing)[-2:] == ["x_real", "x_fake"]


def is_base(kind, module):
    """Does another class of the module build on it?"""
    return any(isinstance(other, type) and kind in other.__mro__[1:] for other in vars(module).values())


def is_unfilled(node):
    """Does this piece of source speak of NotImplementedError?"""
    return any(isinstance(part, ast.Name) and part.id == "NotImplementedError" for part in ast.walk(node))


def returns_several(function):
    """Does this source return a tuple or a list of several, or a name for one? (Functions inside do not count.)"""

    def several(value):
        return isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) > 1

    parts, returned, names = list(function.body), [], set()
    for part in parts:  # it grows on the way
        if isinstance(part, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        parts += ast.iter_child_nodes(part)
        if isinstance(part, ast.Return):
            returned.append(part.value)
        elif isinstance(part, ast.Assign) and several(part.value):
            names |= {target.id for target in part.targets if isinstance(target, ast.Name)}
    return any(several(value) or getattr(value, "id", None) in names for value in returned)

"""Run code that a learner wrote: quietly, from one seed, within a time limit; what goes wrong becomes one sentence.

A learner's file is run, as ``import`` would run it, but one statement after the other: where one of them fails (a
download, a picture, a training that takes too long), the definitions around it can still be checked. What stands under
``if __name__ == "__main__"`` is run, too, but for a second only, and nothing may be written or started there: it shows
what the functions above it take.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import functools
import importlib
import inspect
import io
import json
import linecache
import operator
import os
import random
import shlex
import signal
import sys
import threading
import time
import tokenize
import traceback
import types
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

try:
    import resource
except ImportError:  # where it does not exist there is no limit of memory
    resource = None

PACKAGE = Path(__file__).resolve().parent.parent
LIBRARIES = (str(PACKAGE), str(Path(np.__file__).parents[1]), str(Path(os.__file__).parent))
SECONDS = 10  # that one call, or one statement of a file, may take
DEMO = 1  # that everything under ``if __name__ == "__main__"`` may take
FUTURE = __future__.annotations.compiler_flag
REFUSED = tuple(f"os.{x}" for x in "remove rename rmdir truncate mkdir system fork exec spawn posix_spawn".split())
REFUSED += "subprocess", "socket.connect", "shutil"
NEVER_NEGATIVE = ("norm", "sqrt", "abs", "square")
WATCHED = []  # [is a demonstration running now?]
ALARMS = []  # what SIGALRM calls, the innermost last; set once for all calls, for that takes longer than a short call
COUNTS = []  # of lines, of whoever asks for them
CELLS = {}  # {path of a notebook: [first line of each cell, in the joined code]}


class Stopped(Exception):
    """Code under check cannot be run: one sentence that names the file and the line."""


class Frame(NamedTuple):
    """A place in a learner's file."""

    filename: str
    lineno: int
    name: str


class Unfilled(Stopped):
    """An exercise that nobody has filled in yet."""


class TimeIsUp(BaseException):
    """A call took too long. No ``except Exception`` on the way may catch it."""


# ---- running ---------------------------------------------------------------------------------------


class SeededRandomState(np.random.RandomState):
    """A RandomState that begins with the seed 0 where none is given."""

    def __init__(self, seed=None):
        super().__init__(0 if seed is None else seed)


@contextlib.contextmanager
def sandbox():
    """Let a learner's code run without a word, and without a draw from a generator that is not seeded."""
    make, old, state = np.random.default_rng, np.random.RandomState, np.random.get_state()
    np.random.default_rng = lambda seed=None: make(0 if seed is None else seed)
    np.random.RandomState = SeededRandomState
    stdin, sys.stdin = sys.stdin, io.StringIO()
    try:
        with alarm(), memory_limit(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
    finally:
        np.random.default_rng, np.random.RandomState, sys.stdin = make, old, stdin
        np.random.set_state(state)


@contextlib.contextmanager
def alarm():
    """Let SIGALRM raise TimeIsUp in here, where the system can (not on Windows, not in a thread); yield whether."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield False
        return

    def ring(*_):
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    ALARMS.append(ring)
    try:
        yield True
    finally:
        ALARMS.pop()
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def memory_limit(more=4 << 30):
    """Let nothing take so many bytes more in here, where the system can say so: numbers in a shape may be huge."""
    if resource is None:
        yield
        return
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        used = 0
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    sizes = [limit for limit in (used + more, soft) if limit != resource.RLIM_INFINITY]
    try:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (min(sizes), hard))
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def time_limit(seconds):
    """Raise TimeIsUp in here after so many seconds, where an alarm can be set."""
    with contextlib.nullcontext(True) if ALARMS else alarm() as rings:
        if not rings or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)  # again and again, should a bare ``except`` swallow it
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def call(function, *args, seconds=SECONDS, **named):
    """Return function(*args, **named), run from one seed; Stopped where it fails or takes too long."""
    np.random.seed(0)
    random.seed(0)
    before = sys.gettrace()
    try:
        with time_limit(seconds):
            if COUNTS:
                sys.settrace(counting(COUNTS[-1]))
            return function(*args, **named)
    except NotImplementedError as error:
        raise Unfilled(f"{place_of(error, function)} is still to be filled in") from error
    except TimeIsUp as error:
        raise Stopped(f"{place_of(error, function)}: no end within {seconds} seconds") from None
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise Stopped(f"{place_of(error, function)}: {said}") from error
    finally:
        if COUNTS:
            sys.settrace(before)


def snapshot(generator):
    """Return the state of a random generator, of the new kind or of the old one."""
    new = isinstance(generator, np.random.Generator)
    return generator.bit_generator.state if new else generator.get_state()


def reset(generator, state):
    """Set a random generator back to a state."""
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


@functools.lru_cache(10_000)
def in_library(path):
    """Is this no learner's file?"""
    return path.startswith((*LIBRARIES, "<"))


def own_frames(error):
    """The frames of an error's way that are in a learner's file."""
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    known = [(code, line) for code, line in frames if not in_library(code.co_filename)]
    return [Frame(code.co_filename, line, code.co_name) for code, line in known if os.path.exists(code.co_filename)]


@contextlib.contextmanager
def counted_lines():
    """Yield a list whose only entry counts the lines of learners' code that ``call`` runs in here: how far it came."""
    COUNTS.append([0])
    try:
        yield COUNTS[-1]
    finally:
        COUNTS.pop()


def counting(count):
    """Return what ``sys.settrace`` takes to add the lines of learners' code to a count."""

    def on_line(frame, event, _):
        count[0] += event == "line"
        return on_line

    return lambda frame, event, _: None if in_library(frame.f_code.co_filename) else on_line


def place_of(error, function):
    """Return "file.py, line 12, in backward": the last line of the learner's own code on the error's way."""
    own = own_frames(error)
    if not own:  # it could not even be called
        return f"{where(function)}, {getattr(function, '__name__', '')}"
    return f"{spot(own[-1].filename, own[-1].lineno)}, in {own[-1].name}"


# ---- naming ----------------------------------------------------------------------------------------


def spot(path, line):
    """Return "file.py, line 12", or "book.ipynb, cell 3, line 2"."""
    starts = [start for start in CELLS.get(str(path), []) if start <= line]
    if starts:
        return f"{short(path)}, cell {len(starts)}, line {line - starts[-1] + 1}"
    return f"{short(path)}, line {line}"


def short(path):
    """Return the path as one would type it here."""
    return short_from(str(path), os.getcwd())


@functools.lru_cache(1000)  # it is asked for by each attempt that fails
def short_from(path, folder):
    """Return the path as one would type it in this folder."""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive
        return str(path)
    return str(path) if relative.startswith("..") else relative


def where(thing):
    """Return the file and the line where a class or a function is defined."""
    thing = inspect.unwrap(getattr(thing, "__func__", thing))
    if not isinstance(thing, (type, types.FunctionType)):
        thing = type(thing)
    try:
        code = getattr(thing, "__code__", None)
        return spot(inspect.getfile(thing), code.co_firstlineno if code else line_of(thing))
    except (TypeError, OSError):
        return getattr(thing, "__name__", "?")


@functools.lru_cache(1000)  # it is asked for by each attempt that fails
def line_of(kind):
    """Return the line in which a class begins."""
    return inspect.getsourcelines(kind)[1]


# ---- loading ---------------------------------------------------------------------------------------


def load(path):
    """Run a file of Python source, or a notebook, and return its module; ``module.passed_over`` says what failed.

    A file of this package is the one that is in use. Stopped where the source cannot be read.
    """
    inside = Path(path).resolve().parent
    if (inside / "gradcheck.py").exists() and (inside / "layers.py").exists() and (inside / "doctor").is_dir():
        if inside != PACKAGE:
            raise Stopped(
                f"{path} is not the tinygan that runs here, which is in {PACKAGE}; "
                f"to have this one run and checked: python -m pip install -e {shlex.quote(short(inside.parent))}"
            )
        return importlib.import_module(f"tinygan.{Path(path).stem}")
    try:
        return run(str(path), text_of(Path(path)))
    except SyntaxError as error:
        place = spot(path, error.lineno) if error.lineno else path
        raise Stopped(f"{place}: this is not valid Python: {error.msg}") from error
    except (
        ValueError,
        RecursionError,
        MemoryError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:  # a strange notebook
        raise Stopped(f"{path}: this is not Python source that can be read: {error}") from error


def text_of(path):
    """Return the source of a file; of a notebook the code of all cells, joined, lines with % or ! left out."""
    if path.suffix != ".ipynb":
        with tokenize.open(path) as file:
            return file.read()
    starts, lines = [], []
    for cell in json.loads(path.read_text(encoding="utf-8")).get("cells", []):
        if cell.get("cell_type") == "code":
            starts.append(len(lines) + 1)
            code = "".join(cell["source"]).splitlines()
            lines += [f"# {line}" if line.lstrip().startswith(("%", "!", "?")) else line for line in code]
    CELLS[str(path)] = starts
    return "\n".join(lines) + "\n"


def run(path, text):
    """Return the module of this source. Statements that fail are passed over, and noted."""
    os.environ.setdefault("MPLBACKEND", "Agg")  # no windows
    tree = Watched().visit(ast.parse(text, path))
    module = types.ModuleType(f"checked_{Path(path).stem}")
    module.__file__, module.source_text, module.passed_over = path, text, []
    module.calls = {}  # {code of a function: {argument: value}}
    module.outcomes = {}  # {(line, comparison): what came of it, of True and False}
    vars(module)["__compare__"] = functools.partial(compare, module.outcomes)
    linecache.cache[path] = (len(text), None, text.splitlines(True), path)
    sys.modules[module.__name__] = module  # where inspect looks for the source of a class
    sys.path.insert(0, str(Path(path).resolve().parent))
    argv, sys.argv = sys.argv, [path]
    try:
        with sandbox():
            np.random.seed(1)  # whose first normal numbers are of both signs, unlike those of 0
            random.seed(1)
            for node in tree.body:
                if not is_demo(node):
                    statement(node, module)
            passed_over, stop = list(module.passed_over), time.monotonic() + DEMO
            with only_reading():
                for part in [part for node in tree.body if is_demo(node) for part in node.body]:
                    if time.monotonic() < stop:
                        statement(part, module, stop - time.monotonic())
            module.passed_over = passed_over
    finally:
        sys.path.pop(0)
        sys.argv = argv
    return module


def is_demo(node):
    """Is it ``if __name__ == "__main__"``?"""
    return isinstance(node, ast.If) and any(getattr(part, "id", "") == "__name__" for part in ast.walk(node.test))


@contextlib.contextmanager
def only_reading():
    """Refuse to write a file, to start a program and to reach the network in here."""
    if not WATCHED:
        sys.addaudithook(refuse)  # for good: Python has no way to take it off again
    WATCHED[:] = [True]
    try:
        yield
    finally:
        WATCHED[:] = [False]


def refuse(event, args):
    """Raise PermissionError for what a demonstration may not do."""
    if WATCHED[0]:
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or event.startswith(REFUSED):
            raise PermissionError("a demonstration is run without writing or starting anything")


@contextlib.contextmanager
def noted_calls(module):
    """Keep in ``module.calls`` what each function of a file was given first, where the file itself calls it."""

    def watch(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename == module.__file__ and code not in module.calls:
            several = bool(code.co_flags & inspect.CO_VARARGS)  # *layers
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + several]
            module.calls[code] = {name: copied(frame.f_locals[name]) for name in names if name in frame.f_locals}

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)


def copied(value):
    """Return a copy of an array, or of a dictionary, list or tuple; anything else as it is."""
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return made_like(value, [copied(part) for part in value])
    return value.copy() if isinstance(value, np.ndarray) else value


def made_like(things, parts):
    """Return a list, a tuple or a named tuple of these parts, as things are one."""
    return things._make(parts) if hasattr(things, "_fields") else type(things)(parts)


class Watched(ast.NodeTransformer):
    """Lets comparisons note what came of them: ``a < b`` becomes ``__compare__((line, "a < b"), a, "Lt", b)``."""

    lengths = frozenset()  # names of what is never below 0, in the function that is visited

    def visit_FunctionDef(self, node):
        before = self.lengths
        calls = [part for part in ast.walk(node) if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call)]
        made = [part.targets[0] for part in calls if getattr(part.value.func, "attr", "") in NEVER_NEGATIVE]
        self.lengths = before | {getattr(target, "id", "") for target in made}
        self.generic_visit(node)
        self.lengths = before
        return node

    def visit_Compare(self, node):
        op = type(node.ops[0]).__name__
        zero = isinstance(node.comparators[0], ast.Constant) and node.comparators[0].value == 0
        guard = zero and getattr(node.left, "id", None) in self.lengths  # norm > 0, before one divides by it
        if len(node.ops) > 1 or op not in ("Lt", "LtE", "Gt", "GtE") or guard:
            return self.generic_visit(node)
        place = ast.Constant((node.lineno, ast.unparse(node)))
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        new = ast.Call(ast.Name("__compare__", ast.Load()), [place, left, ast.Constant(op), right], [])
        return ast.fix_missing_locations(ast.copy_location(new, node))


def compare(outcomes, place, left, op, right):
    """Return ``left < right``, and note what came of it where it compares arrays of data, and is no guard against 0."""
    result = {"Lt": operator.lt, "LtE": operator.le, "Gt": operator.gt, "GtE": operator.ge}[op](left, right)
    floats = any(isinstance(side, np.ndarray) and side.dtype.kind == "f" for side in (left, right))
    if (
        floats
        and np.size(result) > 1
        and not any(np.ndim(side) == 0 and 0 < abs(side) < 1e-3 for side in (left, right))
    ):
        outcomes.setdefault(place, set()).update(np.unique(result).tolist())
    return result


def statement(node, module, seconds=SECONDS):
    """Run one statement of a module."""
    code = compile(ast.Module([node], []), module.__file__, "exec", FUTURE, dont_inherit=True)
    try:
        with time_limit(seconds), noted_calls(module):
            exec(code, module.__dict__)
    except TimeIsUp:
        module.passed_over.append(f"{spot(module.__file__, node.lineno)}: no end within {seconds} seconds")
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in own_frames(error) if frame.filename == module.__file__] or [node.lineno]
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        module.passed_over.append(f"{spot(module.__file__, lines[-1])}: {said}")

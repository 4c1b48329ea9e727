"""Mend a gradient by one small edit of its source: if every gradient is right with it, it says what was wrong.

It is the search of ``tests/mutation.py`` the other way round. One sign, operand, axis, transposition, factor or
statement of the code that computes the gradient is changed at a time; the code runs again on the same numbers, and is
held against the slopes that were measured.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import itertools
import re
import sys
import time
import types
from typing import NamedTuple

import numpy as np

from tinygan.doctor.edits import edits, first_line, with_factor
from tinygan.doctor.names import STEPS_OF_A_RULE
from tinygan.doctor.sandbox import Stopped, TimeIsUp, spot, time_limit
from tinygan.doctor.source import node_of, walk_own
from tinygan.gradcheck import relative_error

SECONDS = (3.0, 6.0)  # that the search may take, at each level
ROUNDING = 1e-13  # of what is zero but for rounding
TO_PLACE = 1.2  # where the mistake has its name already, and only the line is looked for


# of an engine
BACKWARD_FUNCTIONS = ("backward", "backprop", "backpropagate", "gradient", "gradients", "get_gradients", "grad")
FAILS = (
    Stopped,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    KeyError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
)
KINDS = {  # of an edit that mends: (name of the mistake, what it means)
    "sign": ("wrong sign", "a part of it has the wrong sign"),
    "transposed": ("transposed matrix", "in a product a matrix is transposed that must not be, or the other way round"),
    "axes": ("wrong order of axes", "two axes stand in each other's place"),
    "share": ("the other share", "z stands where 1 - z belongs, or the other way round"),
    "flipped": ("turned around", "it runs backwards, and must run forwards, or the other way round"),
    "mean": ("mean for sum", "a mean stands where a sum belongs, or the other way round"),
    "axis": ("summed over the wrong axis", "the sum runs over another index than the one that should be gone"),
    "variable": ("wrong variable", "the right formula, with another array in it"),
    "added": ("overwritten", "each time the new share takes the place of the old ones, and must be added to them"),
    "replaced": ("gradients accumulated", "it is added to what was there before"),
    "exchanged": ("exchanged", "two things stand in each other's place"),
    "moved": (
        "wrong place in an array",
        "an index, or where a slice begins or ends, is another one: one step before, or one part further",
    ),
    "repeated": (
        "repeated index",
        "an index that comes several times in a[index] += ... is counted once; np.add.at counts each",
    ),
    "summed": ("not summed", "a sum over an axis is missing"),
    "upstream": ("upstream gradient ignored", "what comes from above is overwritten there, and must be multiplied"),
    "stale": (
        "stale cache",
        "of two passes forward the layers remember the last one alone, and both come back through it",
    ),
    "order": ("wrong order", "a statement comes after what it needs has been overwritten, or before it is there"),
    "deleted": ("one statement too many", "without it the gradients are right"),
    "too much": ("one factor too many", "something is multiplied in that does not belong there"),
    "factor": ("factor missing", "something must be multiplied in, or divided by, that is not"),
    "term": ("one term too many", "something is added, or subtracted, that does not belong there"),
    "path": ("one path missing", "it reaches the loss on several paths, and what comes along one of them is not added"),
    "softmax": ("diagonal of the Jacobian only", "the outputs of a softmax share a sum, so each feels every input"),
    "comparison": ("comparison the wrong way round", "the mask is that of the other side"),
    "constant": ("wrong constant", "a number in it is another one"),
    "mask": ("mask missing", "where the function is cut off, its slope is zero"),
    "derivative": ("derivative missing", "the slope of an inner function is not multiplied in"),
    "power": ("wrong power", "a square is missing"),
    "copied": (
        "changed in place",
        "it is the array itself, which is changed before it is used here; a copy would stay as it was",
    ),
    "inner": ("function missing", "a function is left out there: of its argument alone it is another derivative"),
    "function": ("one function too many", "a function is applied that does not belong there"),
}


class Repair(NamedTuple):
    """An edit that mends: of which kind, in which line, the statement as it stood, and as it is right."""

    kind: str
    place: str
    before: str
    after: str

    def __str__(self):
        return f"{self.place}: every gradient is right with `{self.after}` in place of `{self.before}`"


def repair(e, report, level, named=False, lines=(), missing=""):
    """Return the Repair that makes all gradients right, of this Evidence's form in all passes, or None.

    level  0 for edits of what is there, 1 for something added, moved or left out
    lines  of the source, if only these are to be edited
    missing  "* p": a factor that is missing, and nothing else
    """
    subject, stop, right = e.subject, time.process_time() + (TO_PLACE if named else SECONDS[level]), judge(e, report)
    names, numbers, gradient = attributes(subject), list(e.scalars), subject.form.gradient
    names += [name for name in numbers if name in vars(subject.target.module)]
    source = getattr(subject.target.module, "source_text", "")
    entries = lists_of(subject) + sorted(
        {f"{name}['{key}']" for name, key in re.findall(r"(\w+)\[['\"](\w+)['\"]\]", source)}
    )
    if gradient is not None and gradient.closure:
        lines = lines or range(gradient.node.lineno, gradient.node.end_lineno + 1)

    def changes(node):
        if missing:
            return with_factor(node, missing)
        return edits(node, level, names, numbers, entries, last_first=subject.form.kind == "both")

    return search(involved(subject), changes, stop, right, lines, mends_of(subject.target.module))


def repair_of_part(e, report):
    """Return the Repair of something else in the file that makes these gradients right, too, or None."""
    right, own = judge(e, report), [node for _, _, node in involved(e.subject)[:1]]
    for holder, name, node, edit in mends_of(e.subject.target.module):
        if node not in own and (mended := tried(holder, name, node, edit, right)):
            return mended
    return None


def mends_of(module):
    """Return [(module or class, name, syntax tree, Edit)] of what has been mended in a module so far."""
    return vars(module).setdefault("mends", [])


def judge(e, report):
    """Return ``right(holder, name, its syntax tree)``: are all gradients right with this function as it is now?"""
    subject = e.subject
    subjects = {m.subject: None for m in report.measured if m.subject.form is subject.form}
    wanted = {
        s: {m.path: (m.sure, slopes(m)[m.sure]) for m in report.measured if m.subject is s}
        for s in {subject: None} | subjects
    }
    outs = {m.subject: (m.out, m.dout) for m in report.measured}
    state = [(leaf, leaf.value, np.array(leaf.value)) for s in wanted for leaf in s.state()]
    lent = [arg for s in wanted for arg in s.args.values() if isinstance(arg, list)]  # of indices, perhaps
    lent += [arg for s in wanted for arg in s.args.values() if isinstance(arg, np.ndarray) and arg.ndim]
    lent += [leaf.holder for leaf, _, _ in state if isinstance(leaf.holder, list)]
    boxes = [(box, copy.copy(box)) for box in {id(box): box for box in lent}.values()]

    def right(holder, name, node):
        try:
            return all(mends(s, holder, name, node, wanted[s], *outs[s]) for s in wanted)
        finally:
            for leaf, value, old in state:
                leaf.put_back(value, old)
            for box, parts in boxes:  # an edit may have written, or appended, to it
                box[:] = parts

    return right


def slopes(m):
    """What a gradient must be: as measured, or, of what is too small to be, as computed."""
    return m.a if m.row.passed and relative_error(m.a, m.n) > 1e-6 else m.n


def repair_rule(rule, again):
    """Return the Repair with which an optimizer follows its ``rules.Rule``, or None; ``again()`` returns its way."""
    owner, module = rule.target.owner, rule.target.module
    names = [name for name in STEPS_OF_A_RULE if hasattr(owner, name)] if owner else [rule.target.thing.__name__]
    places = [(kind, name) for name in names for kind in (owner.__mro__ if owner else [module]) if name in vars(kind)]
    functions = [(kind, name, node) for kind, name in places if (node := node_of(vars(kind)[name])) is not None]

    def right(holder, name, node):
        try:
            with replaced(holder, name, node), time_limit(1):
                return rule.followed(again())
        except (TimeIsUp, StopIteration, *FAILS):
            return False

    return search(functions, lambda node: edits(node, 0, [], []), time.process_time() + SECONDS[1], right)


def search(functions, changes, stop, right, lines=(), mends=None):
    """Return the Repair of one of these functions with which ``right(holder, name, its syntax tree)``, or None.

    changes(tree)  yields Edits
    mends          a list: the one that was found is added to it
    """
    for (holder, name, node), edit in in_turn([(part, changes(part[-1])) for part in functions]):
        if time.process_time() > stop:
            return None
        if lines and edit.statement.lineno not in lines:
            continue
        if mended := tried(holder, name, node, edit, right):
            if mends is not None:
                mends.append((holder, name, node, edit))
            return mended
    return None


def in_turn(functions):
    """Yield (function, Edit) of [(function, its Edits)]: some of each in turn, for one of them may have no end."""
    while functions:
        parts = [(function, edits, list(itertools.islice(edits, 500))) for function, edits in functions]
        yield from ((function, edit) for function, _, part in parts for edit in part)
        functions = [(function, edits) for function, edits, part in parts if part]


def tried(holder, name, node, edit, right):
    """Return the Repair that an Edit is, or None."""
    line, before = edit.statement.lineno, first_line(edit.statement)
    edit.swap()
    try:
        if right(holder, name, node):
            after = first_line(edit.statement if edit.result is None else edit.result)
            return Repair(edit.kind, spot(vars(holder).get("__file__") or file_of(holder), line), before, after)
    finally:
        edit.swap()
    return None


def file_of(kind):
    """The file in which a class is written."""
    return sys.modules[kind.__module__].__file__


def attributes(subject):
    """Return the arrays and numbers of the object, and of dictionaries that are given, as one would write them."""
    entries = [f"{name}[{k!r}]" for name, v in subject.args.items() if isinstance(v, dict) for k in v]
    found = getattr(subject.thing, "__dict__", {})
    known = {k: v for k, v in found.items() if isinstance(v, (np.ndarray, float, int)) and not isinstance(v, bool)}
    return [*entries, *(f"self.{k}" for k in known)]


def lists_of(subject):
    """The lists of arrays of the object, as one would write them."""
    own = getattr(subject.thing, "__dict__", {})
    return [f"self.{k}" for k, v in own.items() if isinstance(v, list) and v and isinstance(v[-1], np.ndarray)]


def mends(subject, holder, name, node, wanted, out, dout):
    """Is every gradient right with the function as it is now in its syntax tree, and the output what it was?"""
    subject.renew()
    try:
        with replaced(holder, name, node), time_limit(1):
            found = subject.gradients(dout)
            right = all(
                found.get(path) is not None
                and found[path].shape == sure.shape
                and (relative_error(found[path][sure], n) < 1e-6 or np.allclose(found[path][sure], n, 0, ROUNDING))
                for path, (sure, n) in wanted.items()
            )
            return right and relative_error(subject.out(), out) < 1e-12
    except (TimeIsUp, *FAILS):
        return False


@contextlib.contextmanager
def replaced(holder, name, node):
    """Let a function of a module or class be what this syntax tree says, in here."""
    made, old = {}, vars(holder)[name]
    plain = ast.FunctionDef(node.name, node.args, node.body, [], None, None, lineno=1, col_offset=0)
    plain.type_params = []
    within = [plain]
    if isinstance(holder, type):  # where self.__forward means what it means in a class
        within = [ast.ClassDef(holder.__name__, [], [], within, [], lineno=1, col_offset=0)]
        within[0].type_params = []
    code = compile(ast.fix_missing_locations(ast.Module(within, [])), "<edited>", "exec")
    exec(code, getattr(old, "__func__", old).__globals__, made)
    function = vars(made[holder.__name__])[name] if isinstance(holder, type) else made[node.name]
    setattr(holder, name, staticmethod(function) if isinstance(old, staticmethod) else function)
    try:
        yield
    finally:
        setattr(holder, name, old)


def involved(subject, forward=False):
    """Return [(module or class, name, syntax tree)] of the functions that compute the gradient, or the value."""
    gradient = subject.form.gradient or subject.value[-1]
    module, owner = subject.target.module, subject.target.owner
    first = [call.name for call in subject.value if call.function is None] if forward else [gradient.name]
    kept = {gradient.name, *(call.name for call in subject.value)} - set(first)
    found, waiting = [], [(owner is not None, name) for name in first]
    while waiting and len(found) < 20:
        method, name = waiting.pop(0)
        if "." in name:  # an operation of an engine, Value.tanh
            kind, name = name.split(".")
            method = getattr(module, kind)
            back = [(method, "backward")] if hasattr(method, "backward") else []
            waiting += back or [(False, name) for name in BACKWARD_FUNCTIONS]
        if isinstance(method, type):
            holder = method
        else:
            kinds = owner.__mro__ if method and owner else [module]
            holder = next((kind for kind in kinds if name in vars(kind)), None)
        function = vars(holder).get(name) if holder is not None else None
        node = node_of(function) if isinstance(getattr(function, "__func__", function), types.FunctionType) else None
        if node is None or any(node is other for _, _, other in found):
            continue
        found.append((holder, name, node))
        for part in walk_own(node):
            if isinstance(part, ast.Call):
                own = isinstance(part.func, ast.Attribute) and getattr(part.func.value, "id", "") in (
                    "self",
                    getattr(owner, "__name__", ""),
                )
                called = part.func.attr if own else getattr(part.func, "id", None)
                if own and re.match(r"__\w*(?<!__)$", called):
                    called = f"_{holder.__name__}{called}"
                if called and called not in kept:
                    waiting.append((own, called))
                elif isinstance(part.func, ast.Attribute):  # of an inner layer
                    kinds = [k for k in vars(module).values() if isinstance(k, type) and part.func.attr in vars(k)]
                    waiting += [(kind, part.func.attr) for kind in kinds if kind.__module__ == module.__name__]
    last = [] if forward else [part for part in found[1:] if re.search("forward|fwd", part[1])]
    return [*(part for part in found if part not in last), *last][:6]

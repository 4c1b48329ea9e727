"""Ask which path of the forward pass a wrong gradient leaves out, or counts with another factor.

One expression of the forward pass is held at a time: it gives again what it gave for the numbers as they are, while an
entry of a parameter is nudged. What the slope loses by that has come through this expression. If what is wrong, a - n,
is a multiple of it, the multiple says what was done: -1 for what was taken as a constant, -2 for a wrong sign. Or it is
made straight: it gives what it gave, and what one of its operands has grown by. If the slopes are then those that were
computed, its own derivative is not multiplied in.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import operator
import re
import time
from itertools import combinations
from typing import NamedTuple

import numpy as np

from tinygan.doctor.arrays import is_number
from tinygan.doctor.edits import expressions
from tinygan.doctor.repair import involved, replaced
from tinygan.doctor.sandbox import Stopped, spot

SECONDS = 3.0  # that it may take
ENTRIES = 6  # of each wrong gradient that are looked at
OPERATIONS = {  # as ``operator`` calls them
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "truediv",
    ast.MatMult: "matmul",
    ast.Pow: "pow",
}
STATISTICS = "sum", "mean", "var", "std", "norm", "max", "min", "einsum"


class Path(NamedTuple):
    """A path that is counted wrongly: as a multiple of what is right, less 1; the Expressions that it leads through.

    factor  the operand whose factor is missing, where one Expression is as if its slope were 1
    """

    multiple: float
    expressions: list
    factor: str = ""

    @property
    def mistake(self):
        """The name of the mistake."""
        first = self.expressions[0]
        if self.factor:
            return "derivative missing" if first.function else "factor missing"
        if np.isclose(self.multiple, -1, rtol=1e-5):
            constant = "statistic taken as a constant" if first.statistic else "product rule" if first.factor else ""
            return "one path missing" if first.term or first.parameter else constant or "one path missing"
        return "path with a wrong sign" if np.isclose(self.multiple, -2, rtol=1e-5) else "path with a wrong factor"

    @property
    def missing(self):
        """What stands beside the operand whose factor is missing, "* p", or ""."""
        return self.expressions[0].others.get(self.factor, "")

    @property
    def is_number(self):
        """Is the factor that is missing a plain number?"""
        return bool(re.fullmatch(r"[*/] [\d.()/* -]+", self.missing))

    def __str__(self):
        what = " and ".join(map(str, self.expressions))
        if self.factor:
            missing = f"`{self.missing}` is missing" if self.missing else "its derivative is not multiplied in"
            return f"{what} hands dout on to `{self.factor}` as it is: {missing}"
        count = 1 + self.multiple
        if abs(count) < 1e-5:
            return f"what comes through {what} is missing: it was taken as a constant"
        return f"what comes through {what} counts {count:.3g} times; the factor {1 / count:.3g} is missing there"


class Holder:
    """Stands around expressions: notes what each gives, and gives that again where it is held, or made straight."""

    def __init__(self):
        self.noted, self.noting, self.held, self.straight, self.count = {}, True, (), (), {}

    def run(self, function, held=(), straight=(), noting=False):
        """Return function(), with these expressions held, or one of them straight in an operand, (key, operand)."""
        self.held, self.straight, self.noting, self.count = held, straight, noting, {}
        return function()

    def value(self, key, value):
        """Return the value that an expression is to have."""
        return self.of(key, lambda: value)

    def binary(self, key, operation, left, right):
        """Return the value of ``left operation right``."""
        return self.of(key, getattr(operator, operation), left, right)

    def call(self, key, function, *arguments):
        """Return the value of ``function(*arguments)``."""
        return self.of(key, function, *arguments)

    def grows_alike(self, key, k):
        """Could one of its operands, by its shape, be added to an expression?"""
        value, operands = self.noted[key, 0]
        return k < len(operands) and is_number(operands[k]) and np.shape(operands[k]) == np.shape(value)

    def of(self, key, function, *operands):
        """Return the value of a function of these operands, held or straight."""
        i = self.count[key] = self.count.get(key, -1) + 1
        if self.noting:
            value = function(*operands)
            self.noted[key, i] = copy.deepcopy((value, operands)) if is_number(value) else (None, ())
            return value
        old, before = self.noted.get((key, i), (None, ()))
        if old is not None and key in self.held:
            return copy.copy(old)
        if old is not None and self.straight and key == self.straight[0]:
            k = self.straight[1]
            value = function(*operands[:k], before[k], *operands[k + 1 :])
            return value + (operands[k] - before[k])
        return function(*operands)


def path_of(wrong):
    """Return the Path that explains all wrong gradients, or None.

    wrong  the Evidence on the wrong gradients of a form
    """
    subject, holder, stop = wrong[0].subject, Holder(), time.process_time() + SECONDS
    if any(e.a.shape != e.n.shape for e in wrong) or not all(e.subject is subject for e in wrong):
        return None
    entries = [(e, i) for e in wrong for i in some_of(e)]
    a, n = (np.array([getattr(e, side)[i] for e, i in entries]) for side in "an")
    lost, parts = a - n, {}

    def slopes(**how):
        return np.array([slope(subject, holder, e, i, how) for e, i in entries])

    def alike(p, q):
        return np.linalg.norm(p - q) < 1e-5 * np.linalg.norm(lost)

    with watched(subject, holder) as known:
        try:
            holder.run(subject.out, noting=True)
        except Stopped:  # what stands in a function may not be written otherwise: super()
            return None
        floats = {key for (key, _), (value, _) in holder.noted.items() if value is not None}
        for key in [key for key in known if key in floats]:
            part = n - slopes(held=(key,))
            if time.process_time() > stop:
                return None
            if np.linalg.norm(part) < 1e-6 * np.linalg.norm(n):
                continue  # nothing comes through it
            if not alike(part, n):
                parts[key], multiple = part, float(part @ lost / (part @ part))
                enough = np.count_nonzero(lost) > 2 or np.isclose(multiple, (-1, -2), rtol=1e-6).any()
                if enough and alike(lost, multiple * part):
                    return Path(multiple, [known[key]])
            for k in range(len(known[key].operands)):
                if holder.grows_alike(key, k) and alike(a, slopes(straight=(key, k))):
                    return Path(0.0, [known[key]], known[key].operands[k])
        several = [key for key in parts if known[key].whole or known[key].statistic][:8]
        for pair in combinations(several, 2):
            if time.process_time() < stop and alike(-lost, n - slopes(held=pair)):
                return Path(-1.0, [known[key] for key in pair])
    return None


def some_of(e):
    """Indices of a few entries of a wrong gradient, those that are wrong first."""
    order = np.argsort(~e.off.ravel(), kind="stable")
    wrong, right = order[: e.off.sum()], order[e.off.sum() :]
    chosen = [*wrong[:: max(1, len(wrong) // ENTRIES)][:ENTRIES], *right[:2]]
    return [np.unravel_index(k, e.off.shape) for k in chosen]


def slope(subject, holder, e, index, how):
    """The slope of Σ dout·out in an entry of an array while expressions are held, or straight."""
    array, old = subject.slots[e.path], float(subject.slots[e.path][index])
    h, values = 1e-5 * max(1.0, abs(old)), []
    try:
        for sign in (1, -1):
            array[index] = old + sign * h
            values.append(np.sum(e.m.dout * holder.run(subject.out, **how)))
    except Stopped:
        return np.nan
    finally:
        array[index] = old
    return (values[0] - values[1]) / (2 * h)


class Expression:
    """A piece of the forward pass: its text and place; is it the ``whole`` of what is assigned, a ``factor``?"""

    def __init__(self, node, parents, statement, path, parameters):
        parent = parents[0]
        self.text, self.place = ast.unparse(node), spot(path, node.lineno)
        self.whole = getattr(statement, "value", None) is node
        self.factor = isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Mult, ast.Div, ast.MatMult))
        softmax = re.match(r"np\.exp\(|.*exp\(.*/.*sum\(", self.text)  # or its numerator: a path of its own
        self.statistic = not softmax and any(f"{word}(" in self.text for word in STATISTICS)  # made of many entries
        self.term = is_term(parents)  # of the result itself
        self.parameter = re.sub(r"self\.|\.T$", "", self.text) in parameters
        self.function = isinstance(node, ast.Call) or isinstance(getattr(node, "op", None), ast.Pow)
        parts = (node.left, node.right) if isinstance(node, ast.BinOp) else getattr(node, "args", ())
        sloped = not isinstance(getattr(node, "op", None), (ast.Add, ast.Sub, ast.MatMult))
        self.operands = [ast.unparse(part) for part in parts] if sloped else []
        self.others = {}  # {operand of a product, or a quotient: what stands beside it, "/ (1 - p)"}
        if isinstance(getattr(node, "op", None), (ast.Mult, ast.Div)):
            product, (left, right) = isinstance(node.op, ast.Mult), self.operands
            self.others = {left: f"{'*' if product else '/'} {atom(node.right)}"}
            self.others |= {right: f"* {atom(node.left)}"} if product else {}

    def __str__(self):
        return f"`{self.text}` ({self.place})"


@contextlib.contextmanager
def watched(subject, holder):
    """Yield {key: Expression} of the functions that compute the value, with the Holder around each in here."""
    module, known = subject.target.module, {}
    parameters = {path[-1] for path in subject.slots if path[0] == "self"}
    vars(module)["__holder__"] = holder
    try:
        with contextlib.ExitStack() as stack:
            for place, name, node in involved(subject, forward=True):
                tree = copy.deepcopy(node)
                parents = {id(child): part for part in ast.walk(tree) for child in ast.iter_child_nodes(part)}
                found = [item for item in expressions(tree) if is_read(item[2], parents[id(item[2])])]
                keys = range(len(known), len(known) + len(found))
                for key, (_, _, part, statement) in zip(keys, found, strict=True):
                    known[key] = Expression(part, upwards(part, parents), statement, module.__file__, parameters)
                for key, (where, field, part, _) in zip(
                    reversed(keys), reversed(found), strict=True
                ):  # inner ones first
                    if isinstance(where, list):
                        where[field] = around(key, part)
                    else:
                        setattr(where, field, around(key, part))
                stack.enter_context(replaced(place, name, ast.fix_missing_locations(tree)))
            yield dict(sorted(known.items(), key=lambda item: -len(item[1].text)))  # outer ones first
    finally:
        del vars(module)["__holder__"]


def upwards(node, parents):
    """Return the nodes that a node is in, the innermost first."""
    found = []
    while id(node) in parents:
        node = parents[id(node)]
        found.append(node)
    return found


def is_term(parents):
    """Is what is in these nodes only added to something, and then returned?"""
    sums = [p for p in parents if not (isinstance(p, ast.BinOp) and isinstance(p.op, (ast.Add, ast.Sub)))]
    inner = next((p for p in sums if not isinstance(p, ast.Tuple)), None)
    return isinstance(inner, ast.Return) and len(sums) < len(parents)


def around(key, node):
    """Return the call of the Holder that stands in the place of an expression."""
    name, given = "value", [node]
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        name, given = "binary", [ast.Constant(OPERATIONS[type(node.op)]), node.left, node.right]
    elif isinstance(node, ast.Call) and is_plain(node):
        name, given = "call", [node.func, *node.args]
    method = ast.Attribute(ast.Name("__holder__", ast.Load()), name, ast.Load())
    return ast.copy_location(ast.Call(method, [ast.Constant(key), *given], []), node)


def atom(node):
    """The text of an expression, in brackets if it is a sum, a product or a quotient."""
    return f"({ast.unparse(node)})" if isinstance(node, ast.BinOp) else ast.unparse(node)


def is_plain(node):
    """Is it a call of one to three arguments in their order, np.maximum(0, x)?"""
    return 0 < len(node.args) < 4 and not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args)


def is_read(node, parent):
    """Is it an expression that gives numbers: no function, no name that is assigned to, no part of one with dots?"""
    kinds = ast.BinOp, ast.Call, ast.Name, ast.Attribute, ast.UnaryOp, ast.Subscript
    stored = isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))
    whole = isinstance(node, (ast.BinOp, ast.Call)) or not isinstance(parent, ast.Attribute)
    return isinstance(node, kinds) and not stored and whole and getattr(parent, "func", None) is not node

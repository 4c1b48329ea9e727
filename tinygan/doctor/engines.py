"""Make functions of a small engine, in which every number knows its own gradient: ``Value(2) * Value(3)``.

Each of its operations, a method, a function ``sin(x)``, or a class with forward and backward, ``Sin()(x)``, is checked
by itself, in a small expression in which what comes from above is not 1, and each operand is used twice, like
y = f(x, other) · c + f(x, other). Karpathy's micrograd, chainer, and the tapes of automatic differentiation are the
models of such engines.
"""

from __future__ import annotations

import functools
import re
import types
from itertools import product
from typing import NamedTuple

import numpy as np

from tinygan.doctor import finding
from tinygan.doctor.calls import Call, Form
from tinygan.doctor.feeding import SURELY_TARGETS
from tinygan.doctor.finding import Target, is_base
from tinygan.doctor.repair import BACKWARD_FUNCTIONS
from tinygan.doctor.sandbox import Stopped, Unfilled, call, only_reading, sandbox
from tinygan.doctor.source import node_of, own_classes, parameters, required, text_about

PRODUCTS = ("matmul", "dot")
BINARY = ("mul", "add", "sub", "div", "truediv", *PRODUCTS)
POWER = "__pow__"
JOINS = {"mul": "mul", "multiply": "mul", "times": "mul", "add": "add", "plus": "add"}  # others are measured with them
MEANT = r"broadcast|(bias|\bself\.b)\s*=\s*\w+\(np\."  # a bias that is an array
GRADIENT = r"_?(grad(ient)?|adj(oint)?|g|d|dv|bar|deriv(ative)?)"  # the attribute of a number
NO_OPERATION = ("backward", "zero_grad", "copy", "detach", "stop_gradient", "clone", "item", "numpy")
CONSTANT = 3  # the plain number that an operation may take, as a power does
OPPOSITE = -0.6  # one number is measured on the other side of zero, too
SEED = 1.75  # a gradient of the output that no engine begins with by itself


class Operation(NamedTuple):
    """An operation: its name in a class or a module, how many operands, and does it take a plain number beside them?"""

    home: object
    name: str
    operands: int
    constant: bool = False

    def __call__(self, *parts):
        thing, more = getattr(self.home, self.name), (CONSTANT,) * self.constant  # an edit may have taken its place
        out = thing(*more)(*parts) if isinstance(thing, type) else thing(*parts, *more)
        return out[0] if isinstance(out, (list, tuple)) and len(out) == 1 else out

    @property
    def plain(self):
        """What it does, by its name: "mul" of __mul__, mul and Mul."""
        return self.name.strip("_").lower()

    def codes(self):
        """Return the functions in which it is written, that of the gradient last."""
        thing = getattr(self.home, self.name)
        return [thing.forward, thing.backward] if isinstance(thing, type) else [thing]


class Engine(NamedTuple):
    """A class of numbers, the names of its value and its gradient, and where all gradients are computed."""

    kind: type
    value: str
    gradient: str
    home: object  # of the function backward: the class, or the module
    back: str
    seeded: bool = False  # does backward begin with the gradient that is there already, and not with 1?

    def number(self, value):
        """Return an object of the class: of one number, or of an array."""
        try:
            return self.kind(np.array(value) if np.ndim(value) else float(value))
        except TypeError:  # an array without an axis is asked for
            return self.kind(np.array(value))

    def inside(self, thing):
        """Return the number, or the array, that an object of the class stands for."""
        return getattr(thing, self.value) if isinstance(thing, self.kind) else thing

    def made(self, op, parts):
        """Return the new number that an operation makes of others, or None."""
        out = op(*parts)
        new = isinstance(out, self.kind) and all(out is not part for part in parts)
        return out if new and np.asarray(self.inside(out)).dtype.kind in "fiu" else None

    def gradients(self, out, parts, seed):
        """Return the gradients of Σ seed·out, or of Σ out if it is not seeded, one of each part."""
        back, method = getattr(self.home, self.back), self.home is self.kind
        plain = len(required(back)) == 1
        if self.seeded and plain and self.gradient:
            setattr(out, self.gradient, seed)
        found = back(out) if plain else back(out, seed if method else list(parts))
        if isinstance(found, dict):
            found = [found[part] for part in parts]
        elif plain or method:
            found = [getattr(part, self.gradient) for part in parts]
        elif not isinstance(found, (list, tuple)):
            found = [back(out, part) for part in parts]
        found = [np.array(0.0 if g is None else self.inside(g), dtype=float) for g in found]
        shapes = [np.shape(self.inside(part)) for part in parts]  # where it begins with a plain 1, they may be plain
        return [np.full(shape, g) if g.ndim == 0 else g for shape, g in zip(shapes, found, strict=True)]

    def slopes(self, op):
        """Return the slopes of an operation at 0.5 and 0.75, and the gradient of its result; (None,) where it fails."""
        try:
            parts = [self.number(value) for value in (0.5, 0.75)[: op.operands]]
            out = op(*parts)
            return *map(float, self.gradients(out, parts, SEED)), self.inside(getattr(out, self.gradient, None))
        except Exception:  # whatever it does with plain numbers
            return (None,)


def targets(module):
    """Return {name: Target} as ``finding.targets`` does, and of an engine's class each of its operations."""
    found = finding.targets(module)
    for engine in filter(None, [engine_of(kind, module) for kind in own_classes(module)]):
        operations = operations_of(engine, module)
        if any(op.home is module or op.plain in BINARY for op in operations):
            beside = (engine.kind.__name__, engine.back)  # which every operation is measured with
            found = {key: target for key, target in found.items() if key not in beside}
            found |= targets_of(engine, operations, module)
    return found


def engine_of(kind, module):
    """Return the Engine whose numbers, or arrays, are objects of this class, or None."""
    places = [(home, name, vars(home).get(name)) for home in (kind, module) for name in BACKWARD_FUNCTIONS]
    places = [p[:2] for p in places if isinstance(p[2], types.FunctionType) and len(required(p[2])) in (1, 2)]
    if not places or len(required(kind)) != 1 or parameters(kind)[0].name not in required(kind):
        return None
    try:
        thing = Engine(kind, "", "", *places[0]).number(0.75)
        known = {name: getattr(thing, name, None) for name in dir(thing) if name[:2] != "__"}
        values = [name for name, value in known.items() if np.size(value) == 1 and np.all(value == 0.75)]
    except Exception:  # whatever a learner's constructor does
        return None
    gradients = [name for name, value in known.items() if re.fullmatch(GRADIENT, name) and not callable(value)]
    fits = values and (gradients or places[0][0] is module)
    return Engine(kind, values[0], (*gradients, "")[0], *places[0]) if fits else None


def operations_of(engine, module):
    """Return the Operations of an engine: classes, functions, methods."""
    kind, found, composed = engine.kind, [], set()
    for k in own_classes(module):
        if hasattr(k, "forward") and hasattr(k, "backward") and k is not kind and not is_base(k, module):
            found += tried(engine, [Operation(module, k.__name__, n, bool(required(k))) for n in (1, 2)])
    functions = {k: f for k, f in vars(module).items() if getattr(f, "__module__", None) == module.__name__}
    functions = [(module, k, f) for k, f in functions.items() if isinstance(f, types.FunctionType)]
    own = {f for _, _, f in functions}  # Variable.__mul__ = mul
    methods = [(kind, k, f) for k, f in vars(kind).items() if isinstance(f, types.FunctionType) and f not in own]
    for home, name, f in functions + methods:
        needs, used, method = len(required(f)), set(f.__code__.co_names), home is kind
        ways = [Operation(home, name, needs), Operation(home, name, 1, True)][:needs]
        if needs not in (1, 2) or name in (*NO_OPERATION, engine.back):
            continue
        others = used & composed.union(op.name for op in found)
        if not used & {engine.value, kind.__name__} and (others or not used and not method):
            composed.add(name)  # square(x), which is Square()(x), has no gradient of its own
        elif method and needs == 2:
            found += [ways[name == POWER]] if name == POWER or ways[0].plain in BINARY else []
        elif not name.startswith("_"):
            found += tried(engine, ways, needs == 1 and (method or engine.home is module and engine.value in used))
    return found


def tried(engine, ways, kept=False):
    """Return the first of these Operations that makes a new number, as a list; ``kept``: also if none can be run."""
    if any(SURELY_TARGETS.fullmatch(p.name) for code in ways[0].codes() for p in parameters(code)):
        return []  # a loss: its target is no operand
    for op, sample in product(ways, (0.5, np.full((2, 2), 0.5))):
        try:
            with sandbox(), only_reading():
                parts = [call(engine.number, sample) for _ in range(op.operands)]
                out = call(engine.made, op, parts, seconds=1)
        except Unfilled:
            return [op]
        except Stopped:
            continue
        if out is not None:
            return [op]
        kept = False
    return ways[:1] if kept else []


def targets_of(engine, operations, module):
    """Return {"Value.tanh": Target} of the Operations of an engine."""
    seeded = engine._replace(seeded=True)
    slopes = [(seeded.slopes(op), engine.slopes(op)) for op in operations]  # with a seed that it keeps, and uses
    engine = seeded if any(np.all(new[-1] == SEED) and new[:-1] != old[:-1] for new, old in slopes) else engine
    joins = {JOINS[op.plain]: op for op in reversed(operations) if op.plain in JOINS and op.operands == 2}
    one, found = SEED if engine.seeded else 1.0, {}
    known = {"add": (one, one), "mul": (0.75 * one, 0.5 * one)}
    right = {name: op for name, op in joins.items() if engine.slopes(op)[:2] == known[name]}
    joins = right if right or engine.seeded else joins  # a mistake in one is no mistake in all others
    for op in operations:
        own = f"{op.home.__name__}.{op.name}" if op.home is engine.kind else op.name
        names, codes = ("x", "other")[: op.operands], op.codes()
        place, text = f"{own}.backward" if len(codes) > 1 else own, text_about(module, map(node_of, codes))
        for row in (False, True) if broadcasts(engine, op, module) else (False,):
            function = functools.wraps(codes[-1])(program(engine, op, joins))
            if row:
                function.example = {"x": (5, 7), "other": (1, 7)}
            measured = Call(place, names, (None, *("d" + n for n in names)), node_of(codes[-1]), function)
            title = f"{own} with a row" if row else own
            found[title] = Target(title, function, None, (Form("both", ((measured,),), None),), module, text)
    return found


def broadcasts(engine, op, module):
    """Is a row, a bias perhaps, added to all rows of a matrix by this operation, and does the file mean it to?"""
    if op.operands != 2 or op.plain in PRODUCTS or not re.search(MEANT, getattr(module, "source_text", "")):
        return False
    try:
        return np.shape(engine.inside(op(*(engine.number(np.ones((n, 3))) for n in (2, 1))))) == (2, 3)
    except Exception:  # whatever it does with arrays
        return False


def program(engine, op, joins):
    """Return the function of x (and other) that runs one operation, and returns its value and its gradients."""
    add, mul = joins.get("add"), joins.get("mul")

    def once(parts):
        if (out := engine.made(op, parts)) is None:
            raise TypeError(f"{op.name} returns no new {engine.kind.__name__}")
        return out

    def weights(out):
        return np.linspace(0.5, 2, np.size(engine.inside(out))).reshape(np.shape(engine.inside(out)))

    def weighted(parts):
        out = once(parts)
        if not engine.seeded:
            out = mul(out, engine.number(weights(out))) if mul else add(out, out)
        return add(out, once(parts)) if add else out

    def run(x, other=None):
        given, value, slopes = (x, other)[: op.operands], 0.0, [0.0, 0.0]
        if len(set(map(np.shape, given))) > 1 and op.plain not in PRODUCTS and not hasattr(run, "example"):
            raise TypeError(f"{op.name}: whether it broadcasts is not asked")
        if not (engine.seeded or joins):
            raise TypeError(f"{op.name}: what comes from above is always 1")
        graphs = [weighted, lambda parts: mul(once(parts), once(parts))][: 1 if add or not mul else 2]
        for graph, scale in product(graphs, (1, OPPOSITE) if not any(map(np.ndim, given)) else (1,)):
            parts = [engine.number(scale * a) for a in given]
            try:
                out = graph(parts)
            except (ValueError, ArithmeticError):  # the logarithm of a number below zero
                if scale == 1:
                    raise
                continue
            seed = weights(out) if engine.seeded else np.ones(np.shape(engine.inside(out)))
            total, found = float(np.sum(seed * engine.inside(out))), engine.gradients(out, parts, seed)
            if scale == 1 or np.isfinite(total):
                value, slopes = value + total, [old + scale * g for old, g in zip(slopes, found, strict=False)]
        return value, *slopes

    return run

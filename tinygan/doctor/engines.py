"""Make functions of a small engine, in which every number knows its own gradient: ``Value(2) * Value(3)``.

Each of its operations is checked by itself, in a small expression: y = f(x, other) · c + f(x, other), so that what
comes from above is not 1, and each operand is used twice. Karpathy's micrograd is the model of such engines.
"""

from __future__ import annotations

import functools
import re
import sys
import types

import numpy as np

from tinygan.doctor import finding
from tinygan.doctor.finding import Call, Form, Target
from tinygan.doctor.repair import WAYS_BACK
from tinygan.doctor.source import node_of, parameters, required, text_about

BINARY = ("__mul__", "__add__", "__sub__", "__truediv__", "__matmul__", "matmul", "dot", "mul", "add", "sub", "div")
MEANT = r"broadcast|(bias|\bself\.b)\s*=\s*\w+\(np\."  # a bias that is an array
PRODUCTS = ("__matmul__", "matmul", "dot")
POWER = "__pow__"
NO_OPERATION = ("backward", "zero_grad", "copy", "detach", "clone", "item", "numpy")


def targets(module):
    """Return {name: Target} as ``finding.targets`` does, and of an engine's class each of its operations."""
    found = finding.targets(module)
    kinds = {name: thing for name, thing in vars(module).items() if isinstance(thing, type)}
    for name in [
        name for name, kind in kinds.items() if kind.__module__ == module.__name__ and is_engine(kind, module)
    ]:
        beside = (name, way_back(kinds[name], module).__name__)  # which every operation is measured with
        found = {key: target for key, target in found.items() if key not in beside} | operations(kinds[name], module)
    return found


def way_back(kind, module):
    """Return what computes all gradients, out.backward() or backward(out), or None."""
    own = vars(kind).get("backward")
    if isinstance(own, types.FunctionType):
        return own if not required(own)[1:] else None
    found = [vars(module).get(name) for name in WAYS_BACK]
    return next((f for f in found if isinstance(f, types.FunctionType) and len(required(f)) == 1), None)


def is_engine(kind, module):
    """Is an object of this class a number, or an array, with a gradient and the way to it?"""
    first, back = parameters(kind)[:1], way_back(kind, module)
    methods = [name for name in ("__mul__", "__add__", "mul", "add", "__matmul__") if name in vars(kind)]
    if not methods or len(required(kind)) != 1 or back is None:
        return False
    try:
        thing = kind(0.5)
    except Exception:  # whatever a learner's constructor does
        return False
    known = hasattr(thing, "grad") or back is not vars(kind).get("backward")
    return bool(first) and known and (hasattr(thing, "data") or hasattr(thing, "value"))


def operations(kind, module):
    """Return {"Value.tanh": Target} of the operations of an engine."""
    found = {}
    back, beside = way_back(kind, module), {}
    if back is not vars(kind).get("backward"):
        beside = {k: f for k, f in vars(module).items() if isinstance(f, types.FunctionType) and f is not back}
    for name, method in {**beside, **vars(kind)}.items():
        needs = required(method)[1:] if isinstance(method, types.FunctionType) and required(method) else None
        public = not name.startswith("_") and name not in NO_OPERATION
        binary = name in BINARY
        if needs is None or not (name in (*BINARY, POWER) and len(needs) == 1 or public and not needs):
            continue
        if not binary and name != POWER and not returns_new(kind, method):
            continue
        names = ("x", "other") if binary else ("x",)
        for row in (False, True) if binary and broadcasts(kind, name, module) else (False,):
            function = functools.wraps(method)(program(kind, name, method, back))
            if row:
                function.example = {"x": (5, 7), "other": (1, 7)}
            own = f"{kind.__name__}.{name}" if name in vars(kind) else name
            call = Call(own, names, (None, *("d" + n for n in names)), node_of(method), function)
            title = f"{own} with a row" if row else own
            form = Form("both", ((call,),), None)
            found[title] = Target(title, function, None, (form,), module, text_about(module, [call.node]))
    return found


def broadcasts(kind, name, module):
    """Is a row, a bias perhaps, added to all rows of a matrix by this operation, and does the file mean it to?"""
    if name in PRODUCTS or not re.search(MEANT, getattr(module, "source_text", "")):
        return False
    try:
        return np.shape(inside(getattr(kind(np.ones((2, 3))), name)(kind(np.ones((1, 3)))))) == (2, 3)
    except Exception:  # whatever it does with arrays
        return False


def returns_new(kind, function):
    """Does a function of one object return another object of its class?"""
    try:
        thing = kind(0.5)
        return isinstance(result := function(thing), kind) and result is not thing
    except Exception:  # whatever it does with one number
        return True


def program(kind, name, function, back):
    """Return the function of x (and other) that runs one operation, and returns its value and its gradients."""
    binary = name in BINARY

    def run(x, other=None):
        if binary and np.shape(x) != np.shape(other) and name not in PRODUCTS and not hasattr(run, "example"):
            raise TypeError(f"{name}: whether it broadcasts is not asked")
        x, other = numbers(kind, x), numbers(kind, other) if binary else None

        def once():
            given = [other] if binary else [3] if name == POWER else []
            return vars(kind).get(name, function)(x, *given)  # an edit may have taken its place

        out = once()
        if out is x or not isinstance(out, kind):
            raise TypeError(f"{name} returns no new {kind.__name__}")
        if hasattr(kind, "__mul__"):
            size, shape = np.size(inside(out)), np.shape(inside(out))
            out = out * numbers(kind, np.linspace(0.5, 2, size).reshape(shape))
        if hasattr(kind, "__add__"):
            out = out + once()
        space, parts = vars(sys.modules[back.__module__]), (x, other) if binary else (x,)
        result = vars(kind).get("backward", space[back.__name__] if back.__name__ in space else back)(out)
        slopes = [np.array(result[part] if isinstance(result, dict) else part.grad, dtype=float) for part in parts]
        whole = [
            np.full(np.shape(inside(part)), slope) if slope.ndim == 0 else slope
            for part, slope in zip(parts, slopes, strict=True)
        ]
        return float(np.sum(inside(out))), *whole  # where backward begins with a plain 1, its gradients may be plain

    return run


def inside(thing):
    """Return the number, or the array, that an object of an engine stands for."""
    return thing.data if hasattr(thing, "data") else thing.value


def numbers(kind, value):
    """Return an object of an engine: of an array, or of one number."""
    return kind(float(value) if np.ndim(value) == 0 else np.array(value))

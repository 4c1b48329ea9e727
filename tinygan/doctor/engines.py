"""Make functions of a small engine, in which every number knows its own gradient: ``Value(2) * Value(3)``.

Each of its operations is checked by itself, in a small expression: y = f(x, other) · c + f(x, other), so that what
comes from above is not 1, and each operand is used twice. Karpathy's micrograd is the model of such engines.
"""

from __future__ import annotations

import functools
import re
import types

import numpy as np

from tinygan.doctor import finding
from tinygan.doctor.finding import Call, Form, Target
from tinygan.doctor.source import node_of, parameters, required, text_about

BINARY = ("__mul__", "__add__", "__sub__", "__truediv__", "__matmul__", "matmul", "dot", "mul", "add", "sub", "div")
PRODUCTS = ("__matmul__", "matmul", "dot")
POWER = "__pow__"
NO_OPERATION = ("backward", "zero_grad", "copy", "detach", "clone", "item", "numpy")


def targets(module):
    """Return {name: Target} as ``finding.targets`` does, and of an engine's class each of its operations."""
    found = finding.targets(module)
    kinds = {name: thing for name, thing in vars(module).items() if isinstance(thing, type)}
    for name in [name for name, kind in kinds.items() if kind.__module__ == module.__name__ and is_engine(kind)]:
        found = {key: target for key, target in found.items() if key != name} | operations(kinds[name], module)
    return found


def is_engine(kind):
    """Is an object of this class a number, or an array, with a gradient and the way to it?"""
    first = parameters(kind)[:1]
    methods = [name for name in ("__mul__", "__add__", "mul", "add", "__matmul__") if name in vars(kind)]
    back = vars(kind).get("backward")
    if not methods or len(required(kind)) != 1 or not isinstance(back, types.FunctionType) or required(back)[1:]:
        return False
    try:
        thing = kind(0.5)
    except Exception:  # whatever a learner's constructor does
        return False
    return bool(first) and hasattr(thing, "grad") and (hasattr(thing, "data") or hasattr(thing, "value"))


def operations(kind, module):
    """Return {"Value.tanh": Target} of the operations of an engine."""
    found = {}
    for name, method in vars(kind).items():
        needs = required(method)[1:] if isinstance(method, types.FunctionType) else None
        public = not name.startswith("_") and name not in NO_OPERATION
        binary = name in BINARY
        if needs is None or not (name in (*BINARY, POWER) and len(needs) == 1 or public and not needs):
            continue
        if not binary and name != POWER and not returns_new(kind, name):
            continue
        names = ("x", "other") if binary else ("x",)
        for row in (False, True) if binary and broadcasts(kind, name, module) else (False,):
            function = functools.wraps(method)(program(kind, name, binary))
            if row:
                function.example = {"x": (5, 7), "other": (1, 7)}
            own = f"{kind.__name__}.{name}"
            call = Call(own, names, (None, *("d" + n for n in names)), node_of(method), function)
            title = f"{own} with a row" if row else own
            form = Form("both", ((call,),), None)
            found[title] = Target(title, function, None, (form,), module, text_about(module, [call.node]))
    return found


def broadcasts(kind, name, module):
    """Is a row, a bias perhaps, added to all rows of a matrix by this operation, and does the file mean it to?"""
    if name in PRODUCTS or not re.search(r"broadcast|bias|\bself\.b\b", getattr(module, "source_text", "")):
        return False
    try:
        return np.shape(inside(getattr(kind(np.ones((2, 3))), name)(kind(np.ones((1, 3)))))) == (2, 3)
    except Exception:  # whatever it does with arrays
        return False


def returns_new(kind, name):
    """Does a method without arguments return another object of its class?"""
    try:
        thing = kind(0.5)
        return isinstance(result := getattr(thing, name)(), kind) and result is not thing
    except Exception:  # whatever it does with one number
        return True


def program(kind, name, binary):
    """Return the function of x (and other) that runs one operation, and returns its value and its gradients."""

    def run(x, other=None):
        if binary and np.shape(x) != np.shape(other) and name not in PRODUCTS and not hasattr(run, "example"):
            raise TypeError(f"{name}: whether it broadcasts is not asked")
        x, other = numbers(kind, x), numbers(kind, other) if binary else None

        def once():
            given = [other] if binary else [3] if name == POWER else []
            return getattr(x, name)(*given)

        out = once()
        if out is x or not isinstance(out, kind):
            raise TypeError(f"{name} returns no new {kind.__name__}")
        if hasattr(kind, "__mul__"):
            size, shape = np.size(inside(out)), np.shape(inside(out))
            out = out * numbers(kind, np.linspace(0.5, 2, size).reshape(shape))
        if hasattr(kind, "__add__"):
            out = out + once()
        out.backward()
        parts = (x, other) if binary else (x,)
        slopes = [np.array(part.grad, dtype=float) for part in parts]
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

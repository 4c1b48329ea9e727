"""Read source: the syntax tree of a function, what it needs, what its return statements name, what is said of it."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import types
from functools import lru_cache


def tree_of(module):
    """Return the syntax tree of a module, parsed once; an empty one where there is no source."""
    if "source_tree" not in vars(module):
        try:
            module.source_tree = ast.parse(getattr(module, "source_text", None) or inspect.getsource(module))
        except (OSError, SyntaxError, TypeError):
            module.source_tree = ast.parse("")
    return module.source_tree


def node_of(function):
    """Return the syntax tree of a function, or None where its source is not known."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    code, module = getattr(function, "__code__", None), sys.modules.get(getattr(function, "__module__", None))
    if not code or not module:
        return None
    if "source_nodes" not in vars(module):
        module.source_nodes = {}
        for node in ast.walk(tree_of(module)):
            for first in [node, *node.decorator_list] if isinstance(node, ast.FunctionDef) else ():
                module.source_nodes[node.name, first.lineno] = node
    return module.source_nodes.get((code.co_name, code.co_firstlineno))


@lru_cache(1000)
def attributes(node, context):
    """The names of the attributes of self that a function reads (ast.Load) or writes (ast.Store)."""
    found = [part for part in ast.walk(node) if isinstance(part, ast.Attribute) and isinstance(part.ctx, context)]
    return {part.attr for part in found if getattr(part.value, "id", "") == "self"}


def text_about(module, nodes):
    """Return the source of these functions or classes, with what is written in it."""
    lines = (getattr(module, "source_text", None) or "").splitlines()
    return "\n".join("\n".join(lines[n.lineno - 1 : n.end_lineno]) for n in nodes if n is not None)


def walk_own(node):
    """Yield all nodes of a function, without those of functions inside, in the order of the text."""
    for part in ast.iter_child_nodes(node):
        if not isinstance(part, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            yield part
            yield from walk_own(part)


def required(function):
    """Return the names of the arguments without which it cannot be called."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return tuple(p.name for p in parameters(function) if p.kind not in kinds and p.default is p.empty)


def parameters(function):
    """Return the parameters of a function, or of a class's constructor; [] of what is not written in Python."""
    try:
        if isinstance(function, types.MethodType) and isinstance(function.__func__, types.FunctionType):
            own = parameters(function.__func__)
            return own[len(own) > 0 and own[0].kind is not inspect.Parameter.VAR_POSITIONAL :]
        plain = type(function) is type and function.__new__ is object.__new__
        if plain and isinstance(function.__init__, types.FunctionType):
            return parameters(function.__init__)[1:]
        if isinstance(function, types.FunctionType):
            return list(signature_of(function, id(function.__defaults__), id(function.__kwdefaults__)))
        return list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        return []


@lru_cache(1000)  # each forward pass asks for it
def signature_of(function, *_):
    """The parameters of a function with these defaults."""
    return tuple(inspect.signature(function).parameters.values())


def returns(node):
    """Return what each return statement of a function names: [("dx", None, "db"), ...], ("out",) for one thing."""
    assigned = {}
    for part in walk_own(node) if node is not None else ():
        if isinstance(part, ast.Assign) and isinstance(part.value, (ast.Tuple, ast.List)):
            assigned |= {t.id: part.value for t in part.targets if isinstance(t, ast.Name)}
    values = [part.value for part in walk_own(node) if isinstance(part, ast.Return) and part.value] if node else []
    known = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)} if node else ()
    return [names_in(assigned.get(getattr(value, "id", None), value), known) for value in values]


SAME = re.compile("squeeze|reshape|ravel|copy|astype|asarray|array")  # what does not change the numbers


REST = "__rest__"  # in the place of the names of a list with a star, (dx, *dWs, db)


def names_in(value, known=()):
    """The names of a tuple's parts, or of one thing: a tuple in it gives a tuple, most expressions None.

    known  arguments: x / 2 is not x
    """
    if isinstance(value, (ast.Tuple, ast.List)):
        nested = [(REST,) if isinstance(part, ast.Starred) else names_in(part, known) for part in value.elts]
        parts = zip(value.elts, nested, strict=True)
        return tuple(n if isinstance(part, (ast.Tuple, ast.List)) else n[0] for part, n in parts)
    whole = value
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add) and isinstance(value.left, ast.Tuple):
        return (*names_in(value.left, known), None)  # (loss,) + gradients
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div):  # dx / N
        value = value.left
    elif isinstance(value, ast.Call) and SAME.fullmatch(getattr(value.func, "attr", "")):  # np.squeeze(loss), dx.copy()
        inner = value.func.value
        value = value.args[0] if getattr(inner, "id", "") == "np" and value.args else inner
    if value is not whole and getattr(value, "id", None) in known:
        return (None,)
    value = value.value if isinstance(value, ast.Subscript) else value
    return (getattr(value, "id", getattr(value, "attr", None)),)


def words(module, name):
    """The words that the source compares a name with, or by which it looks something up."""
    found = []
    for part in ast.walk(tree_of(module)):
        if isinstance(part, ast.Compare) and getattr(part.left, "attr", getattr(part.left, "id", "")) == name:
            found += [c.value for right in part.comparators for c in ast.walk(right) if isinstance(c, ast.Constant)]
        elif isinstance(part, ast.Subscript) and getattr(part.slice, "attr", getattr(part.slice, "id", "")) == name:
            table = vars(module).get(getattr(part.value, "id", ""))
            found += list(table) if isinstance(table, dict) else []
    found = list(dict.fromkeys(word for word in found if isinstance(word, str)))
    return found


def own_classes(module):
    """The classes that a module defines itself."""
    return [k for k in list(vars(module).values()) if isinstance(k, type) and k.__module__ == module.__name__]


@lru_cache(1000)
def einsums(node):
    """Return [(the letters of its operands, their names)] of the einsums of a function, "" for what has none."""
    calls = [part for part in walk_own(node) if isinstance(part, ast.Call)]
    calls = [part for part in calls if getattr(part.func, "attr", "") == "einsum" and part.args]
    return [
        (part.args[0].value.split("->")[0].replace(" ", "").split(","), [getattr(x, "id", "") for x in part.args[1:]])
        for part in calls
        if isinstance(getattr(part.args[0], "value", None), str)
    ]


def flat(names):
    """Return all names of a nested tuple as a list."""
    return [n for name in names for n in (flat(name) if isinstance(name, tuple) else [name])]


def is_unfilled(node):
    """Does this piece of source speak of NotImplementedError?"""
    return any(isinstance(part, ast.Name) and part.id == "NotImplementedError" for part in ast.walk(node))


def is_empty(node):
    """Is there nothing in this function but a docstring, ``pass``, ``...`` or an error?"""
    body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    return all(isinstance(n, (ast.Pass, ast.Raise)) for n in body)

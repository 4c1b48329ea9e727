"""The blanks: what ``tinygan start`` writes is the finished project in ``project/``, with bodies taken out."""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path

from tinygan import synthetic

FINISHED = Path(__file__).parent / "project"
DRAWING = ("digits", "trace", "smooth", "distort", "ink", "balanced_labels")  # functions of ``synthetic``
DIGITS = '''"""The drawn digits (given), for where MNIST cannot be had: strokes, bent and slanted at random."""

from collections import namedtuple

import numpy as np

Dataset = namedtuple("Dataset", "name x labels")


class DataError(Exception):
    """No such number of digits can be drawn."""


'''


def finished():
    """Return {file name: text} of the finished project."""
    names = [path.name for path in sorted(FINISHED.iterdir()) if path.suffix in (".py", ".md")]
    return {name: (FINISHED / name).read_text(encoding="utf-8") for name in names} | {"digits.py": drawn_digits()}


def drawn_digits():
    """Return the source of what draws digits, on its own."""
    names = ("STROKES", "POINTS", "SIDE", "CHUNK")
    text = inspect.getsource(synthetic)
    constants = [
        ast.get_source_segment(text, node)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in names
    ]
    functions = [inspect.getsource(getattr(synthetic, name)) for name in DRAWING]
    return DIGITS + "\n".join(constants) + "\n\n\n" + "\n\n".join(functions)


def blank(text, places):
    """Return a source whose functions of these names, "Class.method" or "function", say what to do, and do nothing."""
    lines = text.splitlines(keepends=True)
    for place in sorted(places, key=lambda place: -node_of(text, place).lineno):
        node = node_of(text, place)
        said, last = node.body[0].end_lineno, node.body[-1].end_lineno
        lines[said:last] = [" " * node.body[0].col_offset + "raise NotImplementedError\n"]
    return "".join(lines)


def node_of(text, place):
    """Return the node of a function in a source; KeyError if it is not there."""
    nodes = ast.parse(text).body
    for name in place.split("."):
        found = [n for n in nodes if isinstance(n, (ast.ClassDef, ast.FunctionDef)) and n.name == name]
        if not found:
            raise KeyError(place)
        nodes = found[-1].body
    return found[-1]


def solution(file, place):
    """Return what belongs into a blank: the lines below its docstring."""
    text = finished()[file]
    node = node_of(text, place)
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    head, said = node.lineno, node.body[0].end_lineno
    return textwrap.dedent("\n".join([lines[0], *lines[said - head + 1 :]]))

"""Find the first wrong line: measure the arrays between input and output, and hold backward's against them.

Behind every assignment stands a hook for a moment. It notes what was assigned, and nudges it when asked, so that the
slope of the output is known for z as it is for x; dz is then right or wrong like dx.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import re
import time

import numpy as np

from tinygan.doctor.arrays import is_gradient_name, is_number, named_after
from tinygan.doctor.repair import involved, replaced
from tinygan.doctor.sandbox import Stopped, spot
from tinygan.doctor.source import walk_own
from tinygan.gradcheck import relative_error

SECONDS = 3.0  # that it may take
ENTRIES = 120  # of an array that is measured


class Hooked(ast.NodeTransformer):
    """Puts ``name = hook("name", line, name)`` behind every assignment, and every np.add.at."""

    def visit_Assign(self, node):
        parts = [part for target in node.targets for part in getattr(target, "elts", [target])]
        names = [ast.unparse(part) for part in parts if isinstance(part, (ast.Name, ast.Attribute, ast.Subscript))]
        hooks = [ast.parse(f"{name} = __hook__({name!r}, {node.lineno}, {name})").body[0] for name in names]
        return [node, *hooks]

    def visit_AugAssign(self, node):
        node.targets = [node.target]
        return self.visit_Assign(node)

    def visit_Expr(self, node):
        if not re.match(r"np\.\w+\.at\(\w", ast.unparse(node)):  # np.add.at(dE, ids, dout)
            return node
        node.targets = node.value.args[:1]
        return self.visit_Assign(node)


class Hook:
    """What has been assigned, in order, as (name, line, array); what one place, or one line, gives may be nudged."""

    def __init__(self):
        self.seen, self.place, self.change, self.line = [], None, 0.0, None

    def __call__(self, name, line, value):
        if not is_number(value) or isinstance(value, (bool, int)):
            return value
        value = value * 1.001 if line == self.line and np.asarray(value).dtype.kind == "f" else value
        if np.ndim(value) == 0:
            return value
        value = value + self.change if len(self.seen) == self.place else value
        self.seen.append(
            (re.sub(r"\[.*|.*\.", "", name), line, value)
        )  # itself: what is done to it later belongs to it
        return value


def first_wrong(e):
    """Return (line, name, names that are right before it, lines between) of the first array of backward that is wrong.

    Only those are known that belong to an array of forward, dz to z. None if none of them is wrong.
    """
    subject, hook = e.subject, Hook()
    stop, right = time.process_time() + SECONDS, []
    with hooked(subject, hook):
        forward = noted(hook, subject.out)
        computed = noted(hook, lambda: subject.gradients(e.m.dout))
        last = {name: line for name, line, _ in computed}
        begin = 0
        for i, (name, line, array) in enumerate(computed):
            if not is_gradient_name(name) or line != last[name] or time.process_time() > stop:
                continue
            places = [
                place
                for place, (other, _, value) in enumerate(forward)
                if named_after(name, other) > 1 and value.shape == array.shape and value.size <= ENTRIES
            ]
            try:
                slopes = [slope(subject, hook, place, array.shape, e.m.dout) for place in places]
            except Stopped:  # beside it, forward does not run
                continue
            if not all(relative_error(array, n) > 1e-6 for n in slopes):
                right, begin = [*right, name], i + 1
            elif slopes:
                return line, name, dict.fromkeys(right), {between for _, between, _ in computed[begin : i + 1]}
    return None


def lines_that_change(e, wrong, right):
    """Return the lines in which a nudge changes all gradients of ``wrong``, none of ``right``, and not the output.

    wrong, right  paths: one mistake is in one of these lines, or in one that returns what it computes
    """
    subject, hook, found, stop = e.subject, Hook(), set(), time.process_time() + SECONDS
    with hooked(subject, hook):
        out, before = subject.out(), subject.gradients(e.m.dout)
        for line in dict.fromkeys(line for _, line, _ in noted(hook, lambda: subject.gradients(e.m.dout))):
            hook.line = line
            with contextlib.suppress(Stopped):
                after = subject.gradients(e.m.dout)
                moved = {path for path in (*wrong, *right) if not alike(before.get(path), after.get(path))}
                if moved == set(wrong) and alike(out, subject.out()):
                    found.add(line)
            if time.process_time() > stop:
                return set()
    nodes = [part for _, _, node in involved(subject) for part in walk_own(node) if isinstance(part, ast.Return)]
    plain = (ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.Dict, type(None))
    return found and found | {node.lineno for node in nodes if not isinstance(node.value, plain)}


def alike(first, second):
    """Are two gradients the same, or both missing?"""
    return np.shape(first) == np.shape(second) and (
        first is None or bool(np.allclose(first, second, rtol=1e-9, atol=0))
    )


def in_words(e, found):
    """Return what ``first_wrong`` has found as a sentence."""
    line, name, right, _ = found
    before = f"; right before it: {', '.join(right)}" if right else ""
    return f"  the first that is wrong on the way is {name} ({spot(e.subject.target.module.__file__, line)}){before}"


def noted(hook, run):
    """Return what is assigned while something runs."""
    hook.seen = []
    with contextlib.suppress(Stopped):
        run()
    return hook.seen


def slope(subject, hook, place, shape, dout):
    """Return the slope of Σ dout·out in every entry of the array that is assigned in this place."""
    found = np.zeros(shape)
    for index in np.ndindex(shape):
        values = []
        for h in (1e-5, -1e-5):
            hook.seen, hook.place, hook.change = [], place, np.zeros(shape)
            hook.change[index] = h
            values.append(np.sum(dout * subject.out()))
        found[index] = (values[0] - values[1]) / 2e-5
    hook.place = None
    return found


@contextlib.contextmanager
def hooked(subject, hook):
    """Let every function that computes the value or the gradient have a hook behind its assignments."""
    module, owner = subject.target.module, subject.target.owner
    functions = {(id(holder), name): (holder, name, node) for holder, name, node in involved(subject)}
    for step in subject.value:
        kinds = owner.__mro__ if owner else [module]
        holder = next((kind for kind in kinds if step.name in vars(kind)), None)
        if holder is not None and step.node is not None and step.function is None:
            functions[id(holder), step.name] = (holder, step.name, step.node)
    vars(module)["__hook__"] = hook
    try:
        with contextlib.ExitStack() as stack:
            for holder, name, node in functions.values():
                tree = Hooked().visit(copy.deepcopy(node))
                stack.enter_context(replaced(holder, name, ast.fix_missing_locations(tree)))
            yield
    finally:
        del vars(module)["__hook__"]

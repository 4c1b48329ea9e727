"""Training loops that are written out, in a script or in ``fit``: run once, such a loop is a step down its own loss.

The file itself says all that is needed: where the loop begins, every name has its value. One pass through it gives the
loss, and moves the parameters: what is another array afterwards, and is felt by the loss.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import re
import sys
import time
import types
from typing import NamedTuple

import numpy as np

from tinygan.doctor.arrays import as_array, generators_of, is_gradient_name, is_number, is_object, leaves
from tinygan.doctor.calls import Call, Form
from tinygan.doctor.examine import examine, explained
from tinygan.doctor.feeding import signed
from tinygan.doctor.finding import Target
from tinygan.doctor.measure import measure
from tinygan.doctor.planning import SENSELESS, plan_for
from tinygan.doctor.report import Report
from tinygan.doctor.sandbox import DEMO, Stopped, call, is_demo, only_reading, reset, sandbox, snapshot
from tinygan.doctor.source import text_about, tree_of, walk_own
from tinygan.doctor.subject import Fact, Setting, display
from tinygan.gradcheck import compare

OTHERS = "(?i)(?!.*(val|test|best|prev|old|acc|last|hist|count|rate))"
LOSSES = OTHERS + r"(.*_)?(loss|cost|nll|mse|bce|objective|j|e_total|error|total)(_.*)?"
ERRORS = OTHERS + r"(.*(error|err|resid\w*|diff)|e|e_?ij)"  # arrays whose squares are the loss
ZEROES = r"(\w*(zero|reset|clear|flush)\w*\(|\.fill\(0|grads?\b[^=\n]*=\s*(0|None|np\.zeros|\{|\[))"
LARGEST = 1_000_000  # numbers that a loop may start from
SECONDS = 0.05  # that one pass may take


class Start(NamedTuple):
    """Where a loop begins: its source, the names that are known there, and what it is a part of."""

    node: ast.AST
    space: dict
    inside: str


def loops(module):
    """Return the Loops of a module, whose steps are all right, or of which it is plain that one is wrong."""
    if "training_loops" not in vars(module):
        module.training_loops = []
        with sandbox(), only_reading():
            for start in starts(module):
                with contextlib.suppress(Stopped, *SENSELESS), contextlib.closing(Pass(start, module)) as one:
                    name = f"the loop in line {start.node.lineno}"
                    module.training_loops += judged(*target_of(name, one, start, module), one)
    return module.training_loops


class Loop(NamedTuple):
    """A training loop that has been measured: its Target, the Report, and the code of all functions that it ran."""

    target: Target
    report: Report
    ran: frozenset

    @property
    def derives(self):
        """Does it compute gradients itself?"""
        return derives(self.target.forms[0].gradient.node)

    def covers(self, report):
        """Is this loop right, and does it run all that could not be checked elsewhere, and move what was not found?"""
        target, moved = report.target, {m.path[-1] for m in self.report.measured}
        space = (
            vars(target.module) if target.owner is None else {k: getattr(target.owner, k) for k in dir(target.owner)}
        )
        wrong = {m.subject.form.name for m in report.measured if not m.row.passed}
        own = {form.name for form in target.forms if form.gradient is not None}
        names = {*report.unchecked, *wrong} - {target.name} | (own if target.name in report.unchecked else set())
        codes = {name: getattr(space.get(name), "__code__", None) for name in names}
        return (
            self.report.passed
            and bool(names)
            and all(code in self.ran or name in moved for name, code in codes.items())
        )


def never_zeroed(module):
    """Return {name: Report} of training loops in which gradients add up: what sets them to zero stands outside."""
    tree, found = tree_of(module), {}
    functions = [part for part in ast.walk(tree) if isinstance(part, ast.FunctionDef)]
    zeroed = re.search(r"\.(\w*(zero|reset|clear)_?grad\w*\(|grad\s*=\s*(0|None))", module.source_text)
    if not zeroed or not re.search(r"self\.(\w*grad\w*|d[A-Z_]\w*)\s*\+=", module.source_text):
        return found
    for loop in [part for part in ast.walk(tree) if isinstance(part, (ast.For, ast.While))]:
        parts, text = [loop], ast.unparse(loop)
        for part in parts:  # and what is called in it
            calls = [call.func for call in ast.walk(part) if isinstance(call, ast.Call)]
            names = {getattr(function, "attr", getattr(function, "id", "")) for function in calls}
            parts += [f for f in functions if f.name in names and f not in parts]
        zero = any(re.search(ZEROES, ast.unparse(part)) for part in parts)
        if not zero and re.search(r"\.backward\(", text) and re.search(r"\.(data|value|[Ww]\w*)\s*-=|\.step\(", text):
            name = f"the loop in line {loop.lineno}"
            place = (lambda: None).__code__.replace(co_filename=module.__file__, co_firstlineno=loop.lineno)
            report = Report(Target(name, types.FunctionType(place, {}), None, (), module, text))
            report.facts.append(Fact("accumulated", ""))
            found[name] = report
    return found


def derives(node):
    """Does a loop compute gradients itself, and not only ask functions for them?"""
    assigned = [
        part for part in walk_own(node) if isinstance(part, ast.Assign) and not isinstance(part.value, ast.Call)
    ]
    return any(is_gradient_name(getattr(target, "id", "")) for part in assigned for target in part.targets)


def without_decay(one, found):
    """Take a decay c · W that a step adds to gradients for meant, if c is a number that the loss does not feel."""
    parts = [(m, np.where(m.a != 0, m.x, 0)) for m in found if np.any(m.n)]  # of an embedding but one row
    m, x = max(parts, key=lambda part: np.count_nonzero(part[0].n), default=(None, None))
    if m is None or np.count_nonzero(m.n) < 2:
        return found, []
    scale, c = np.linalg.lstsq(np.stack([m.n.ravel(), x.ravel()], 1), m.a.ravel(), rcond=None)[0]
    numbers = [(path, leaf.value) for path, leaf in one.leaves.items() if np.ndim(leaf.value) == 0]
    for path, value in [(path, value) for path, value in numbers if np.isclose(value * scale, c) and scale > 0 < c]:
        if one.value({path: 1.5 * value}) == one.value({}):
            ways = [[compare(m.name, m.a / scale, n, 1e-6) for n in (m.n, m.n + value * x)] for m, x in parts]
            if all(any(row.passed for row in rows) for rows in ways):
                rows = [next(row for row in rows if row.passed) for rows in ways]
                said = f"each step adds the decay {display(path)} · W, which the loss has not"
                return [m._replace(row=row) for (m, _), row in zip(parts, rows, strict=True)], [said]
    return found, []


def judged(target, ran, one):
    """Return [the Loop] of a target, or [] if it is neither right nor wrong in a way that is known."""
    attempt = plan_for(target, target.forms[0], Setting())
    if attempt.error is not None:
        return []
    found, report = measure(attempt.subject), Report(target)
    if not all(m.row.passed for m in found):
        found, report.remarks = without_decay(one, found)
    right = [m for m in found if m.row.passed and np.any(m.n)]
    if not any(m.n.size > 1 for m in right) and len(right) < 3:
        return []
    report.measured, report.rows, report.subjects = found, [m.row for m in found], [attempt.subject]
    if all(m.row.passed for m in found):
        return [Loop(target, report, ran)]
    if not derives(target.forms[0].gradient.node):
        return []
    report = examine(target)
    return [Loop(target, report, ran)] * explained(report, [m for m in found if not m.row.passed])


def starts(module):
    """Yield the Starts of all loops with a loss in them: of the script, and of functions that the file itself calls."""
    body = [part for node in tree_of(module).body for part in (node.body if is_demo(node) else [node])]
    yield from (Start(node, dict(vars(module)), "") for node in body if is_training(node))
    for code, given in list(module.calls.items()) if hasattr(module, "calls") else ():
        node = next((n for n in ast.walk(tree_of(module)) if is_definition(n, code)), None)
        own = [part for part in node.body if is_training(part)] if node is not None else []
        for loop in own:
            space = {**vars(module), **{name: copied(value) for name, value in given.items()}}
            before = ast.Module(node.body[: node.body.index(loop)], [])
            with contextlib.suppress(Stopped):
                call(exec, compiled(before, module), space, seconds=DEMO)
                yield Start(loop, space, node.name)


def is_definition(node, code):
    """Is it the definition of a function with this code?"""
    return isinstance(node, ast.FunctionDef) and (node.name, node.lineno) == (code.co_name, code.co_firstlineno)


def copied(value):
    """A deep copy, where there can be one."""
    try:
        return copy.deepcopy(value)
    except Exception:  # a module, a generator: it is only read
        return value


def names_of_losses(node):
    """The names in a loop that may be its loss, the likeliest first."""
    targets = [part.targets for part in walk_own(node) if isinstance(part, ast.Assign)]
    targets += [[part.target] for part in walk_own(node) if isinstance(part, ast.AugAssign)]
    plain = [t for of in targets for t in of for t in (t.elts if isinstance(t, ast.Tuple) else [t])]
    names = dict.fromkeys(t.id for t in plain if isinstance(t, ast.Name))
    last = list(reversed(names))  # the sum of what comes before it
    exact = [name for name in last if re.fullmatch("(?i)loss|cost|j|objective", name)]
    last = differences(node) + last
    likely = [name for pattern in (LOSSES, ERRORS) for name in last if re.fullmatch(pattern, name)]
    calls = [part for part in walk_own(node) if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call)]
    calls = [
        part for part in calls if re.search(r"\b(train_\w+|step|\w*loss\w*)\($", ast.unparse(part.value.func) + "(")
    ]
    steps = [t.id for part in calls for t in part.targets if getattr(t, "id", None) in names]  # l = net.train_batch(x)
    return list(dict.fromkeys(exact + likely + steps))


def differences(node):
    """The names in a loop of what is a difference, e of e = y - out."""
    assigned = [part for part in walk_own(node) if isinstance(part, ast.Assign) and isinstance(part.value, ast.BinOp)]
    made = [part for part in assigned if isinstance(part.value.op, ast.Sub)]
    return [target.id for part in made for target in part.targets if isinstance(target, ast.Name)]


def is_training(node):
    """Is it a loop in which something is called a loss, or an error, and something is moved?"""
    return isinstance(node, (ast.For, ast.While)) and bool(names_of_losses(node))


class Once(ast.NodeTransformer):
    """Lets loops with a loss in them go round once, and nothing leave them by ``return``."""

    def visit_For(self, node):
        self.generic_visit(node)
        if names_of_losses(node):
            node.iter = ast.parse(f"[next(iter({ast.unparse(node.iter)}))]", mode="eval").body
        return node

    def visit_While(self, node):
        self.generic_visit(node)
        if not names_of_losses(node):
            return node
        return ast.For(ast.Name("_", ast.Store()), ast.parse("[0]", mode="eval").body, node.body, node.orelse)

    def visit_Return(self, node):
        return ast.Pass()

    def visit_FunctionDef(self, node):
        return node


def compiled(tree, module):
    """The code of a piece of source, with the lines that it has in its file."""
    tree = ast.Module([Once().visit(copy.deepcopy(part)) for part in tree.body], [])
    for part in ast.walk(tree):
        part.lineno, part.end_lineno = getattr(part, "lineno", 1), getattr(part, "end_lineno", 1)
        part.col_offset, part.end_col_offset = getattr(part, "col_offset", 0), getattr(part, "end_col_offset", 0)
    return compile(tree, module.__file__, "exec")


class Pass:
    """One pass through a loop: what it goes down, and where it leads from given parameters."""

    def __init__(self, start, module):
        self.space, self.code = start.space, compiled(ast.Module([start.node], []), module)
        names = {part.id for part in ast.walk(start.node) if isinstance(part, ast.Name)} | {"self"}
        called = [start.space.get(name) for name in names]
        names |= {n for f in called if isinstance(f, types.FunctionType) for n in f.__code__.co_names}
        kinds = (types.FunctionType, types.ModuleType, type)
        self.known = {k: v for k, v in start.space.items() if k in names and not isinstance(v, kinds)}
        self.floats = [leaf for leaf in leaves(self.known) if not isinstance(leaf.value, np.ndarray)]
        for leaf in self.floats:
            leaf.put(as_array(leaf.value))
        self.space |= self.known
        found = {id(leaf.value): leaf for leaf in reversed(leaves(self.known))}  # each array by its first name
        self.leaves = {leaf.path: leaf for leaf in reversed(found.values())}
        self.generators = [(generator, snapshot(generator)) for generator in generators_of(self.known)]
        self.boxes = [(box, copy.copy(box)) for box in boxes_in(self.known)]
        self.differences = differences(start.node)
        self.loss, self.parameters, self.memory = None, None, ()  # of momentum: it begins with zeros

    def run(self, given):
        """Return (names, {path: array} of all that is another array now) after one pass; nothing of it stays."""
        before, names = {path: np.array(leaf.value) for path, leaf in self.leaves.items()}, dict(self.space)
        if sum(map(np.size, before.values())) > LARGEST:
            raise Stopped("more numbers than can be copied again and again")
        for generator, state in self.generators:
            reset(generator, state)
        try:
            for path in (*given, *self.memory):
                self.leaves[path].value[...] = given.get(path, 0)
            exec(self.code, self.space)
            known = {id(leaf.value): path for path, leaf in self.leaves.items()}
            after = {path: at(self.space, path) for path in self.leaves}
            after = {
                path: np.array(v, float) for path, v in after.items() if known.get(id(v), path) == path and is_number(v)
            }
            return dict(self.space), after
        finally:
            for name in set(self.space) - set(names):
                del self.space[name]
            self.space.update(names)
            for box, old in self.boxes:  # a list of losses does not grow, a neuron has no delta
                box.clear()
                box.extend(old) if isinstance(box, list) else box.update(old)
            for path, leaf in self.leaves.items():
                leaf.put_back(leaf.value, before[path])

    def close(self):
        """Let floats be floats again: others use these objects, too."""
        for leaf in self.floats:
            leaf.put(leaf.value)

    def value(self, given):
        """The loss, from these parameters."""
        loss = self.run(given)[0].get(self.loss)
        if not is_number(loss) and not isinstance(loss, (int, np.integer)):
            raise Stopped(f"{self.loss} is no number")
        error = self.loss in self.differences or np.ndim(loss) and re.fullmatch(ERRORS, self.loss)
        return np.sum(np.square(loss)) / 2 if error else np.sum(loss)


def target_of(name, one, start, module):
    """Return (the Target of a loop, the code that it runs); Stopped where it has no loss that feels what it moves."""
    with codes_run() as ran:
        begin = time.process_time()
        names, after = call(one.run, {})
    if time.process_time() - begin > SECONDS:
        raise Stopped(f"{name} takes too long")
    before = {path: np.array(leaf.value) for path, leaf in one.leaves.items()}
    losses = names_of_losses(start.node)  # an error that adds up is no parameter
    moved = [path for path, old in before.items() if path in after and differs(old, after[path])]
    moved = [path for path in moved if path[0] not in losses]
    for one.loss in [loss for loss in losses if loss in names]:
        one.memory = ()
        with contextlib.suppress(Stopped):
            one.parameters = felt(one, {path: before[path] for path in moved})
            if one.parameters:
                break
    if not one.parameters:
        raise Stopped(f"{name} moves nothing that its loss feels")
    one.memory = set(moved) - set(one.parameters)
    after = call(one.run, {})[1]
    steps = [(old - after[path]).ravel() for path, old in one.parameters.items()]
    large = [np.abs(step[step != 0]) for step in steps if np.count_nonzero(step) > 3]
    if large and all(np.ptp(step) < 1e-2 * step.max() for step in large):
        raise Stopped(f"{name} moves everything by the same length, as Adam does")
    groups = {}  # numbers in one list are one parameter
    for path, array in one.parameters.items():
        single = array.ndim == 0 and isinstance(path[-1], int)
        groups.setdefault(display(path[:-1] if single else path), []).append(path)

    def parts(params):
        split = {
            key: array.reshape(len(groups[key]), *array.shape[len(groups[key]) > 1 :]) for key, array in params.items()
        }
        return {path: part for key in params for path, part in zip(groups[key], split[key], strict=True)}

    def whole(arrays):
        return {
            key: np.array([arrays[path] for path in paths]).squeeze(axis=(0,) * (len(paths) == 1))
            for key, paths in groups.items()
        }

    def loss(params):
        return one.value(parts(params))

    def step(params):
        return whole(one.run(parts(params))[1])

    rng = np.random.default_rng(0)
    step.start = {"params": {key: near(array, rng) for key, array in whole(one.parameters).items()}}
    step.__code__ = step.__code__.replace(co_filename=module.__file__, co_firstlineno=start.node.lineno)
    value = Call(f"{one.loss} of the loop", ("params",), (one.loss,), None, loss)
    form = Form("step", ((value,),), Call(name, ("params",), ("params",), start.node, step))
    about = [
        start.node,
        *(n for n in ast.walk(tree_of(module)) if isinstance(n, ast.FunctionDef) and n.name == start.inside),
    ]
    return Target(name, step, None, (form,), module, text_about(module, about)), frozenset(ran)


@contextlib.contextmanager
def codes_run():
    """Yield the set of the code of all functions that are called in here."""
    ran, before = set(), sys.getprofile()
    sys.setprofile(lambda frame, event, _: ran.add(frame.f_code) if event == "call" else None)
    try:
        yield ran
    finally:
        sys.setprofile(before)


def at(thing, path):
    """What is at a path in nested things, or None."""
    for part in path:
        try:
            thing = thing[part] if isinstance(thing, (dict, list, tuple)) else getattr(thing, part, None)
        except (KeyError, IndexError, TypeError):
            return None
    return thing


def boxes_in(thing):
    """The lists and dictionaries inside a thing, those of objects' attributes among them, each once."""
    found, waiting, seen = [], [thing], set()
    while waiting:
        box = waiting.pop()
        if id(box) not in seen and (isinstance(box, (dict, list, tuple)) or is_object(box)):
            seen.add(id(box))
            inside = getattr(box, "__dict__", {}) if is_object(box) else box
            found += [inside] * isinstance(inside, (dict, list))
            waiting += inside.values() if isinstance(inside, dict) else inside
    return found


def differs(old, new):
    """Has an array other numbers now, and not the same in another order, as shuffled data have?"""
    if old.shape != new.shape or np.array_equal(old, new, equal_nan=True):
        return False
    return not np.array_equal(np.sort(old, axis=None), np.sort(new, axis=None))


def felt(one, moved):
    """Those of these arrays that the loss depends on."""
    base, rng = call(one.value, {}), np.random.default_rng(1)
    nudged = {path: call(one.value, {path: old + signed(rng, old.shape, 0.01, 0.1)}) for path, old in moved.items()}
    return {path: moved[path] for path, value in nudged.items() if value != base}


def near(array, rng):
    """Numbers such as these, but none that hides what happens: no zeros, and not where training has ended."""
    size = max(0.1, float(np.sqrt(np.mean(array**2)))) if array.size else 1.0
    return np.array(array + 0.3 * size * signed(rng, array.shape, 0.3, 1.5))

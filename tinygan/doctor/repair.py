"""Mend a gradient by one small edit of its source: if every gradient is right with it, it says what was wrong.

It is the search of ``tests/mutation.py`` the other way round. One sign, operand, axis, transposition, factor or
statement of the code that computes the gradient is changed at a time; the code runs again on the same numbers, and is
held against the slopes that were measured.
"""

from __future__ import annotations

import ast
import re
import time
from typing import NamedTuple

import numpy as np

from tinygan.doctor.sandbox import Stopped, TimeIsUp, spot, time_limit
from tinygan.doctor.source import node_of, walk_own
from tinygan.gradcheck import relative_error

SECONDS = (2.0, 4.0)  # that the search may take, at each level
TO_PLACE = 0.7  # where the mistake has its name already, and only the line is looked for


KINDS = {  # of an edit that mends: (name of the mistake, what it means)
    "sign": ("wrong sign", "a part of it has the wrong sign"),
    "transposed": ("transposed matrix", "in a product a matrix is transposed that must not be, or the other way round"),
    "flipped": ("turned around", "it runs backwards, and must run forwards, or the other way round"),
    "mean": ("mean for sum", "a mean stands where a sum belongs, or the other way round"),
    "axis": ("summed over the wrong axis", "the sum runs over another index than the one that should be gone"),
    "variable": ("wrong variable", "the right formula, with another array in it"),
    "added": ("overwritten", "each time the new share takes the place of the old ones, and must be added to them"),
    "replaced": ("gradients accumulated", "it is added to what was there before"),
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


def repair(e, report, level, named=False):
    """Return the Repair that makes all gradients right, of this Evidence's form in all passes, or None.

    level  0 for edits of what is there, 1 for something added, moved or left out
    """
    subject, stop = e.subject, time.process_time() + (TO_PLACE if named else SECONDS[level])
    subjects = {m.subject: None for m in report.measured if m.subject.form is subject.form}
    wanted = {s: {m.path: m.n for m in report.measured if m.subject is s} for s in {subject: None} | subjects}
    douts = {m.subject: m.dout for m in report.measured}
    state = [(leaf, leaf.value, np.array(leaf.value)) for s in wanted for leaf in s.state()]
    names, numbers = attributes(subject), list(e.scalars)
    for holder, name, node in involved(subject):
        for edit in edits(node, level, names, numbers):
            if time.process_time() > stop:
                return None
            line, before = edit.statement.lineno, first_line(edit.statement)
            edit.swap()
            try:
                if all(mends(s, holder, name, node, wanted[s], douts[s]) for s in wanted):
                    after = first_line(edit.statement if edit.result is None else edit.result)
                    return Repair(edit.kind, spot(subject.target.module.__file__, line), before, after)
            finally:
                edit.swap()
                for leaf, value, old in state:
                    leaf.put_back(value, old)
    return None


def attributes(subject):
    """Return the arrays and numbers of the object as a method would write them."""
    found = getattr(subject.thing, "__dict__", {})
    return [
        f"self.{k}" for k, v in found.items() if isinstance(v, (np.ndarray, float, int)) and not isinstance(v, bool)
    ]


def mends(subject, holder, name, node, wanted, dout):
    """Is every gradient right with the function as it is now in its syntax tree?"""
    made = {}
    plain = ast.FunctionDef(node.name, node.args, node.body, [], None, None, lineno=1, col_offset=0)
    plain.type_params = []
    module = ast.Module([plain], [])
    old = vars(holder)[name]
    try:
        exec(compile(module, "<edited>", "exec"), getattr(old, "__func__", old).__globals__, made)
        setattr(holder, name, staticmethod(made[node.name]) if isinstance(old, staticmethod) else made[node.name])
        with time_limit(1):
            found = subject.gradients(dout)
    except (Stopped, TimeIsUp, SyntaxError, ValueError, TypeError, AttributeError, IndexError, KeyError, RuntimeError):
        return False
    finally:
        setattr(holder, name, old)
    return all(
        found.get(path) is not None and found[path].shape == n.shape and relative_error(found[path], n) < 1e-6
        for path, n in wanted.items()
    )


def involved(subject):
    """Return [(module or class, name, syntax tree)] of the functions that compute the gradient."""
    gradient = subject.form.gradient or subject.value[-1]
    module, owner = subject.target.module, subject.target.owner
    kept = {call.name for call in subject.value} - {gradient.name}
    found, waiting = [], [(owner is not None, gradient.name)]
    while waiting and len(found) < 6:
        method, name = waiting.pop(0)
        holder = next((k for k in owner.__mro__ if name in vars(k)), None) if method and owner else module
        function = vars(holder).get(name) if holder is not None else None
        node = node_of(function) if callable(getattr(function, "__func__", function)) else None
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
                if called and called not in kept:
                    waiting.append((own, called))
    return found


# ---- edits ---------------------------------------------------------------------------------------------------


class Edit:
    """One change of a syntax tree: ``swap`` makes it, and undoes it; ``result`` is the statement that it leads to."""

    def __init__(self, kind, statement, holder, key, new, result=None):
        self.kind, self.statement, self.holder, self.key, self.new, self.result = (
            kind,
            statement,
            holder,
            key,
            new,
            result,
        )

    def swap(self):
        if isinstance(self.holder, list):
            self.holder[self.key], self.new = self.new, self.holder[self.key]
        else:
            old = getattr(self.holder, self.key)
            setattr(self.holder, self.key, self.new)
            self.new = old


def edits(function, level, attributes, numbers):
    """Yield the Edits of a function, the likelier ones at level 0."""
    names = list(dict.fromkeys([*variables(function), *attributes]))
    numbers = [name for name in names if name.removeprefix("self.") in numbers]
    for part in [function, *walk_own(function)]:
        body = getattr(part, "body", None)
        for i, statement in enumerate(body if isinstance(body, list) else []):
            yield from of_statement(part, body, i, statement, numbers) if level else of_assignment(body, i, statement)
    for holder, key, node, statement in expressions(function):
        for kind, new in of_expression(node, names, numbers, level):
            yield Edit(kind, statement, holder, key, ast.fix_missing_locations(ast.copy_location(new, node)))


def of_assignment(body, i, statement):
    """= for +=, and += for =; another axis for every sum and mean of the statement."""
    text = ast.unparse(statement) if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Return)) else ""
    for axis in re.findall(r"axis=(-?\d)", text)[:1] if text.count("axis=") > 1 else []:
        for other in ("0", "1", "-1"):
            new = ast.parse(text.replace(f"axis={axis}", f"axis={other}").replace("return", "_ =")).body[0]
            if isinstance(statement, ast.Return):
                new = ast.Return(new.value)
            yield Edit("axis", statement, body, i, ast.fix_missing_locations(ast.copy_location(new, statement)), new)
    plain = isinstance(statement, ast.Assign) and isinstance(
        statement.targets[0], (ast.Name, ast.Attribute, ast.Subscript)
    )
    texts = []
    if plain:
        target, value = ast.unparse(statement.targets[0]), ast.unparse(statement.value)
        texts.append(("added", f"{target} += {value}"))
        if isinstance(statement.targets[0], ast.Subscript):
            array, index = ast.unparse(statement.targets[0].value), ast.unparse(statement.targets[0].slice)
            texts.append(("added", f"np.add.at({array}, {index}, {value})"))
    elif isinstance(statement, ast.AugAssign):
        texts.append(("replaced", f"{ast.unparse(statement.target)} = {ast.unparse(statement.value)}"))
    for kind, text in texts:
        try:
            new = ast.parse(text).body[0]
        except SyntaxError:
            continue
        yield Edit(kind, statement, body, i, ast.fix_missing_locations(ast.copy_location(new, statement)), new)


def of_statement(parent, body, i, statement, numbers):
    """A statement moved before or behind one of the next, or left out."""
    for k in range(i + 1, min(i + 4, len(body))):
        for start, end, where in ((i, k, "after"), (k, i, "before")):
            moved = list(body)
            moved.insert(end, moved.pop(start))
            words = Text(f"{first_line(body[start])}` {where} `{first_line(body[end])}")
            yield Edit("order", body[start], parent, "body", moved, words)
    for name in sorted(
        {part.id for part in ast.walk(statement) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
    ):
        for number in numbers if isinstance(statement, (ast.Assign, ast.AugAssign)) else []:
            new = Times(name, number).visit(ast.parse(ast.unparse(statement)).body[0])
            yield Edit("factor", statement, body, i, ast.fix_missing_locations(ast.copy_location(new, statement)), new)
    if isinstance(statement, (ast.Expr, ast.AugAssign, ast.Assign)):
        yield Edit("deleted", statement, body, i, ast.copy_location(ast.Pass(), statement), Text("nothing"))


class Times(ast.NodeTransformer):
    """Multiplies a name by a number wherever it stands."""

    def __init__(self, name, number):
        self.name, self.number = name, number

    def visit_Name(self, node):
        plain = node.id != self.name or not isinstance(node.ctx, ast.Load)
        return node if plain else parse(f"({node.id} * {self.number})")


class Text(str):
    """Words in place of a statement."""


def expressions(function):
    """Yield (holder, key, node, statement) of every expression in a function's body."""

    def walk(parent, statement):
        for field, value in ast.iter_fields(parent):
            unfit = ("annotation", "returns", "decorator_list", "ctx", "op", "ops", "target")
            if field in unfit or (field == "args" and not isinstance(parent, ast.Call)):
                continue
            for key, node in enumerate(value) if isinstance(value, list) else [(field, value)]:
                if isinstance(node, ast.AST):
                    inside = node if isinstance(node, ast.stmt) else statement
                    if isinstance(node, ast.expr) and inside is not None:
                        yield (value if isinstance(value, list) else parent), key, node, inside
                    yield from walk(node, inside)

    for statement in function.body:
        yield from walk(statement, statement)


def variables(function):
    """Return the names that a function can use: its arguments, what it assigns, the attributes that it mentions."""
    for part in ast.walk(function):
        if isinstance(part, ast.arg) and part.arg != "self":
            yield part.arg
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif isinstance(part, ast.Attribute) and getattr(part.value, "id", "") == "self":
            yield ast.unparse(part)


def parse(text):
    """Return the syntax tree of an expression."""
    return ast.parse(text, mode="eval").body


def of_expression(node, names, numbers, level):
    """Yield (kind, new expression)."""
    text = ast.unparse(node)
    if len(text) > 200 or isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
        return
    if level == 0:
        yield from shapes(node, text)
        yield from signs(node, text)
        yield from operands(node)
        yield from calls(node)
        yield from constants(node)
        if isinstance(node, ast.Name) or text.startswith("self.") and isinstance(node, ast.Attribute):
            yield from (("variable", parse(name)) for name in names if name != text)
    else:
        yield from factors(node, text, names, numbers)
        yield from templates(node, text, names)


def signs(node, text):
    """Yield the expression with another sign."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", node.operand
    elif isinstance(node, (ast.BinOp, ast.Call, ast.Name, ast.Attribute, ast.Subscript)):
        yield "sign", ast.UnaryOp(ast.USub(), node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        yield "sign", ast.BinOp(node.left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), node.right)


def shapes(node, text):
    """Yield the expression transposed, or no longer; turned around, or no longer."""
    if isinstance(node, ast.Subscript) and "::-1" in ast.unparse(node.slice):
        yield "flipped", node.value
    elif isinstance(node, ast.Name) and text != "np":
        yield from (
            ("flipped", parse(f"{text}[{turned}]")) for turned in ("::-1", "::-1, ::-1", "..., ::-1", "..., ::-1, ::-1")
        )
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transposed", node.value
    elif isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and text not in ("np", "self"):
        yield "transposed", ast.Attribute(node, "T", ast.Load())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield "transposed", ast.BinOp(node.right, node.op, node.left)
        yield "transposed", parse(f"({ast.unparse(node.left)}).T @ ({ast.unparse(node.right)}).T")


def operands(node):
    """A factor or a term left out, or another operation."""
    if isinstance(node, ast.BinOp):
        kind = "term" if isinstance(node.op, (ast.Add, ast.Sub)) else "too much"
        yield kind, node.left
        if not isinstance(node.op, (ast.Div, ast.Pow)):
            yield kind, node.right
        other = {ast.Mult: ast.Div, ast.Div: ast.Mult}.get(type(node.op))
        if other:
            yield "factor", ast.BinOp(node.left, other(), node.right)
        if isinstance(node.op, ast.Sub):
            yield "sign", ast.BinOp(node.right, ast.Sub(), node.left)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        swap = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}.get(type(node.ops[0]))
        if swap:
            yield "comparison", ast.Compare(node.left, [swap()], node.comparators)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Invert, ast.Not)):
        yield "comparison", node.operand


def calls(node):
    """Sum for mean, other axes, keepdims; a function left out."""
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "attr", "")
    if name in ("sum", "mean"):
        other = "mean" if name == "sum" else "sum"
        yield "mean", ast.Call(ast.Attribute(node.func.value, other, ast.Load()), node.args, node.keywords)
        rest = [k for k in node.keywords if k.arg not in ("axis", "keepdims")]
        array = node.args if getattr(node.func.value, "id", "") == "np" else []
        for axis in ("0", "1", "-1", "(0, 1)", "(0, 2)", "(0, 2, 3)", "None"):
            for keep in ("True", "False"):
                keywords = [ast.keyword("axis", parse(axis)), ast.keyword("keepdims", parse(keep))]
                yield "axis", ast.Call(node.func, array[:1], [*rest, *keywords])
    if len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
        yield "function", node.args[0]
    if name in ("maximum", "minimum"):
        yield (
            "comparison",
            ast.Call(
                ast.Attribute(node.func.value, "minimum" if name == "maximum" else "maximum", ast.Load()),
                node.args,
                node.keywords,
            ),
        )


def constants(node):
    """Yield another number in the place of one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        value = node.value
        yield from (
            ("constant", ast.Constant(v))
            for v in (
                value * 2,
                value / 2,
                value * 3,
                -value,
                value + 1,
                value - 1,
                0.5 * value,
                1 / value if value else 1,
            )
            if v != value
        )


def factors(node, text, names, numbers):
    """A factor that is missing, or a power."""
    if isinstance(node, (ast.Constant, ast.Slice, ast.Tuple, ast.Compare, ast.keyword, ast.Starred)) or text in (
        "np",
        "self",
    ):
        return
    if isinstance(node, ast.Attribute) and not text.startswith("self."):
        return
    simple = [*numbers, *(f"(1 - {n})" for n in numbers), *(f"len({n})" for n in names[:1]), "2", "3"]
    for name in [*simple, *(n for n in names if n not in (text, *numbers))]:
        yield "factor", parse(f"({text}) * {name}")
        yield "factor", parse(f"({text}) / {name}")
    yield "power", parse(f"({text}) ** 2")
    if not isinstance(node, ast.Call):
        for name in names:
            yield "derivative", parse(f"({text}) * (1 - {name})")
            yield "derivative", parse(f"({text}) * (1 - {name} ** 2)")
            yield "mask", parse(f"({text}) * ({name} > 0)")


def templates(node, text, names):
    """What is known to be forgotten: the rectifier of a margin, the sum of a softmax, another variable's share."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        yield "mask", parse(f"np.maximum(0, {text})")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        parts = flattened(node)
        texts = [ast.unparse(part) for part in parts]
        for i, share in enumerate(texts):
            for j, one in enumerate(texts):
                if one.replace(" ", "") in (f"1-{share}", f"1.0-{share}"):
                    rest = " * ".join(f"({t})" for k, t in enumerate(texts) if k not in (i, j)) or "1"
                    for axis in ("-1", "1", "0"):
                        yield (
                            "softmax",
                            parse(f"{share} * ({rest} - ({rest} * {share}).sum(axis={axis}, keepdims=True))"),
                        )
    for name in names:
        if name != text and isinstance(node, (ast.Name, ast.BinOp)):
            yield "path", parse(f"{text} + {name}")
            yield "path", parse(f"{text} - {name}")


def flattened(node):
    """The factors of a product."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return flattened(node.left) + flattened(node.right)
    return [node]


def first_line(statement):
    """The statement in one line."""
    if isinstance(statement, Text):
        return str(statement)
    return ast.unparse(statement).partition("\n")[0]

"""Edits of a syntax tree: one sign, operand, axis, transposition, factor or statement changed at a time."""

from __future__ import annotations

import ast
import operator
import re
from itertools import chain, combinations, permutations, product


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


def edits(function, level, attributes, numbers, entries=(), last_first=False):
    """Yield the Edits of a function, the likelier ones at level 0.

    last_first  where the value is computed first, and its gradient behind it
    entries  of dictionaries, as one would write them, layer['z'], and lists of arrays, self.z
    """
    if level:
        yield from of_all_axes(function)
        yield from of_arguments(function)
        yield from of_stacks(function)
        yield from of_passes(function)
    else:
        yield from of_all_gradients(function)
    names = list(dict.fromkeys([*variables(function), *attributes]))
    numbers = [name for name in names if name.removeprefix("self.") in numbers]
    lengths = [
        name for name in variables(function) if re.search(rf"\b{name}\b[^=\n]*= *[\w.]+\.shape", ast.unparse(function))
    ]
    for part in ast.walk(function):
        body = getattr(part, "body", None)
        for i, statement in enumerate(body if isinstance(body, list) else []):
            yield from (
                of_statement(part, body, i, statement, numbers) if level else of_assignment(body, i, statement, lengths)
            )
    later = {"share": [], "factor": [], "variable": [], "path": []}  # of which there are many
    counts = products(function)
    parts = list(expressions(function))
    for holder, key, node, statement in reversed(parts) if last_first else parts:
        divides = isinstance(holder, ast.BinOp) and isinstance(holder.op, ast.Div) and key == "right"
        counted = counts.get(getattr(node, "id", ""), ()) if divides or isinstance(holder, ast.Assign) else ()
        sure = [("factor", parse(text)) for text in counted]  # m = N * H * W; in a shape it would be without end
        sure = [*sure, *of_entries(node, entries)] if level == 0 else [*times_entries(node, entries)]
        for i, (kind, new) in enumerate(chain(sure, of_expression(node, names, numbers, level))):
            edit = Edit(kind, statement, holder, key, ast.fix_missing_locations(ast.copy_location(new, node)))
            if i >= len(sure) and kind in later and (level or kind != "factor"):
                later[kind].append(edit)
            else:
                yield edit
    yield from chain(*later.values())


def with_factor(function, missing):
    """Yield the Edits that write ``missing``, "* p" or "/ n", behind one of a function's expressions."""
    for holder, key, node, statement in expressions(function):
        if isinstance(node, (ast.BinOp, ast.Name, ast.Call, ast.Subscript)) and not is_stored(node):
            new = parse(f"({ast.unparse(node)}) {missing}")
            yield Edit("factor", statement, holder, key, ast.fix_missing_locations(ast.copy_location(new, node)))


def is_stored(node):
    """Is something assigned to it?"""
    return isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))


def of_all_axes(function):
    """Every sum, and every length, along another axis: the formula of batch normalization in layer normalization."""
    text = "\n".join(ast.unparse(statement) for statement in function.body)
    for old, new in (("0", "1"), ("1", "0"), ("0", "-1"), ("-1", "0")):
        changed = re.sub(rf"(axis=|shape\[){old}(?=[,)\]])", rf"\g<1>{new}", text)
        keeping = re.sub(rf"axis={new}\)", f"axis={new}, keepdims=True)", changed)
        for version in dict.fromkeys((changed, keeping)) if changed != text else ():
            words = Text(f"axis={new}` for every `axis={old}")
            yield Edit("axis", function.body[0], function, "body", numbered(version, function.body[0]), words)


def of_all_gradients(function):
    """Every gradient that is stored is added to what was there."""
    text = "\n".join(ast.unparse(statement) for statement in function.body)
    changed = re.sub(r"^(\s*self\.(?:d|g|grad_?)\w+(?:\[[^\]]*\])?) = ", r"\1 += ", text, flags=re.M)
    if changed.count(" += ") > text.count(" += ") + 1:
        words = Text("+=` for every gradient, `=")
        yield Edit("added", function.body[0], function, "body", numbered(changed, function.body[0]), words)


def of_arguments(function):
    """A copy of an argument made at the beginning, so that whoever lent it finds it as it was."""
    for name in [arg.arg for arg in function.args.args if arg.arg != "self"]:
        first = function.body[0]
        body = [*numbered(f"{name} = {name}.copy()", first), *function.body]
        words = Text(f"{name} = {name}.copy()` before `{first_line(first)}")
        yield Edit("copied", first, function, "body", body, words)


def of_stacks(function):
    """One matrix of each sample, or of each head, transposed in a product, or no longer."""
    for _, _, node, statement in expressions(function):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            for side, matrix in (("left", node.left), ("right", node.right)):
                new = ast.fix_missing_locations(ast.copy_location(turned(matrix), matrix))
                yield Edit("transposed", statement, node, side, new)


def of_passes(function):
    """Each of several passes back through the same layers, right behind a pass forward of its own."""
    text = ast.unparse(function)
    for name in dict.fromkeys(re.findall(r"([\w.]+)\.forward\(", text)):
        ahead = list(dict.fromkeys(re.findall(rf"(?<![\w.]){re.escape(name)}\.forward\([\w.]+\)", text)))
        back = [i for i, part in enumerate(function.body) if f"{name}.backward(" in ast.unparse(part)]
        for passes in (ahead, ahead[::-1]) if 1 < len(ahead) == len(back) else ():
            body = list(function.body)
            for i, again in reversed(list(zip(back, passes, strict=True))):
                body[i:i] = numbered(again, body[i])
            first = function.body[back[0]]
            words = " and ".join(
                f"{again}` before `{first_line(function.body[i])}" for again, i in zip(passes, back, strict=True)
            )
            yield Edit("stale", first, function, "body", body, Text(words.replace(" and ", "` and `")))


def exchanged(text, first, second):
    """Return a text with two names in each other's place."""
    other = {first: second, second: first}
    return re.sub(rf"{re.escape(first)}\b|{re.escape(second)}\b", lambda match: other[match[0]], text)


def numbered(text, like):
    """Return the statements of a text, all in the line of another statement."""
    body = ast.parse(text).body
    for part in (part for statement in body for part in ast.walk(statement)):
        ast.copy_location(part, like)
    return body


def of_assignment(body, i, statement, lengths):
    """= for +=, and += for =; for every sum and mean of the statement another axis, and its length."""
    text = ast.unparse(statement) if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Return)) else ""
    for axis in re.findall(r"axis=(-?\d)", text)[:1] if text.count("axis=") > 1 else []:
        others = ("0", "1", "-1", "0, keepdims=True", "1, keepdims=True")
        for other, (old, new) in product(others, [("", ""), *permutations(lengths, 2)]):
            keeps = "keepdims" in other and "keepdims" in text
            changed = text.replace(f"axis={axis}", f"axis={axis if keeps else other}")
            changed = re.sub(rf"\b{old}\b", new, changed) if old else changed
            new = ast.parse(changed.replace("return", "_ =")).body[0]
            if isinstance(statement, ast.Return):
                new = ast.Return(new.value)
            yield Edit("axis", statement, body, i, ast.fix_missing_locations(ast.copy_location(new, statement)), new)
    plain = isinstance(statement, ast.Assign) and isinstance(
        statement.targets[0], (ast.Name, ast.Attribute, ast.Subscript)
    )
    texts, parts = [], getattr(getattr(statement, "value", None), "elts", [])
    if isinstance(statement, ast.Assign) and parts and all(isinstance(part, ast.Attribute) for part in parts):
        copies = ", ".join(f"{ast.unparse(part)}.copy()" for part in parts)  # U, V = self.U, self.V
        texts.append(("copied", f"{ast.unparse(statement.targets[0])} = {copies}"))
    if plain:
        target, value = ast.unparse(statement.targets[0]), ast.unparse(statement.value)
        texts.append(("added", f"{target} += {value}"))
        if isinstance(statement.value, (ast.Name, ast.Attribute)):
            texts.append(("copied", f"{target} = {value}.copy()"))
        if isinstance(statement.targets[0], ast.Subscript):
            texts.append(("upstream", f"{target} *= {value}"))
            array, index = ast.unparse(statement.targets[0].value), ast.unparse(statement.targets[0].slice)
            texts.append(("added", f"np.add.at({array}, {index}, {value})"))
        if plain and isinstance(statement.targets[0], ast.Subscript) and re.fullmatch(r"-?[\d.]+", value):
            texts += [("summed", f"{target} = {value} * np.sum({array}, axis={axis})") for axis in (1, 0)]
        both = sorted(set(re.findall(r"self\.\w+", value)))
        texts += [("exchanged", f"{target} = {exchanged(value, *pair)}") for pair in combinations(both, 2)]
    elif isinstance(statement, ast.AugAssign):
        texts.append(("replaced", f"{ast.unparse(statement.target)} = {ast.unparse(statement.value)}"))
        if isinstance(statement.target, ast.Subscript) and isinstance(statement.op, ast.Add):
            array, index = ast.unparse(statement.target.value), ast.unparse(statement.target.slice)
            texts.append(("repeated", f"np.add.at({array}, {index}, {ast.unparse(statement.value)})"))
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


WEIGHTS = r"(self\.)?(\w*mask|\w*weights?|valid)"  # a mean of those that count divides by their sum
LISTS = r"(self\.)?(context\w*|window|neigh\w*|words|ids|idx|tokens|members|bag)"  # a mean of these by their number


def expressions(function):
    """Yield (holder, key, node, statement) of every expression in a function's body."""

    def walk(parent, statement):
        for field, value in ast.iter_fields(parent):
            unfit = ("annotation", "returns", "decorator_list", "ctx", "op", "ops", "target")
            added_to = field == "target" and isinstance(parent, ast.AugAssign)
            if field in unfit and not added_to or (field == "args" and not isinstance(parent, ast.Call)):
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


def products(function):
    """Return {a length that is unpacked from a shape: the products of it with the other ones}."""
    found = {}
    for part in ast.walk(function):
        names = [ast.unparse(name) for name in getattr(getattr(part, "targets", [None])[0], "elts", ())]
        if len(names) > 1 and ast.unparse(getattr(part, "value", part)).endswith(".shape"):
            groups = [g for n in range(2, len(names) + 1) for g in reversed([*combinations(names, n)])]  # H, W first
            found |= {name: [f"({' * '.join(group)})" for group in groups if name in group] for name in names}
    return found


def of_expression(node, names, numbers, level):
    """Yield (kind, new expression)."""
    text = ast.unparse(node)
    if len(text) > 200 or is_stored(node):
        if level == 1 and isinstance(node, ast.Subscript):  # dx[-p:] += ...
            yield from moved(node, numbers[:3])
            yield from reindexed(node, names, numbers[:3])
        return
    if level == 0:
        yield from shapes(node, text)
        yield from signs(node, text)
        yield from operands(node)
        yield from calls(node)
        yield from constants(node, numbers)
        if isinstance(node, ast.Name) or text.startswith("self.") and isinstance(node, ast.Attribute):
            yield from (("variable", parse(name)) for name in names if name != text)
            yield "comparison", ast.UnaryOp(ast.Invert(), node)
        if isinstance(node, (ast.List, ast.Tuple)) and 1 < len(node.elts) < 7 and isinstance(node.ctx, ast.Load):
            for i, j in combinations(range(len(node.elts)), 2):
                parts = list(node.elts)
                parts[i], parts[j] = parts[j], parts[i]
                yield "exchanged", type(node)(parts, ast.Load())
        if isinstance(node, ast.Subscript) and getattr(node.value, "attr", "") == "shape":
            yield from (("axis", parse(f"{ast.unparse(node.value)}[{k}]")) for k in (0, 1, -1))
        if isinstance(node, ast.Subscript):
            yield from moved(node, [*numbers, *(name for name in names if name.isidentifier())][:8])
    else:
        if isinstance(node, ast.BinOp):
            yield from (("variable", parse(name)) for name in names)
        if isinstance(node, ast.Subscript):
            yield from strided(node, numbers)
        yield from factors(node, text, names, numbers)
        yield from templates(node, text, names)


def of_entries(node, entries):
    """Yield what else a dictionary holds."""
    if isinstance(node, ast.Subscript) and isinstance(getattr(node.slice, "value", None), str) and not is_stored(node):
        own = [entry for entry in entries if entry.startswith(f"{ast.unparse(node.value)}[")]
        yield from (("variable", parse(entry)) for entry in own if entry != ast.unparse(node))
    elif isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], ast.Subscript):
        index = node.args[0].slice  # f_prime(self.a[i + 1]), which must be f_prime(self.z[i])
        before = index.left if isinstance(index, ast.BinOp) and ast.unparse(index.right) == "1" else index
        for name in [entry for entry in entries if "[" not in entry]:
            for place in dict.fromkeys(map(ast.unparse, (index, before))):
                yield "variable", ast.Call(node.func, [parse(f"{name}[{place}]")], node.keywords)


def times_entries(node, entries):
    """Yield a product with an entry of a dictionary, times another one of its entries: dZ * c["noise"] * c["sigma"]."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.right, ast.Subscript):
        base = f"{ast.unparse(node.right.value)}["
        for entry in [entry for entry in entries if entry.startswith(base) and entry != ast.unparse(node.right)]:
            yield "factor", ast.BinOp(node, ast.Mult(), parse(entry))


def moved(node, numbers):
    """Yield an array with an index one further, or one less, and with a number added to the ends of a slice."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for i, part in enumerate(parts):
        new = []
        if isinstance(part, ast.Slice):
            ends = [(name, getattr(part, name)) for name in ("lower", "upper") if getattr(part, name) is not None]
            for name, end in ends:
                sums = [parse(f"{ast.unparse(end)} {sign} {n}") for n in [*numbers, "1"] for sign in "+-"]
                both = {"lower": part.lower, "upper": part.upper, "step": part.step}
                new += [ast.Slice(**{**both, name: other}) for other in sums]
            if len(ends) == 2:
                starts, stops = ([parse(f"{ast.unparse(end)} + {n}") for n in numbers] for _, end in ends)
                new += [ast.Slice(start, stop, part.step) for start, stop in zip(starts, stops, strict=True)]
            elif ends:  # the other part, x[:, n:] in place of x[:, :n]
                first, last = (ast.unparse(getattr(part, name) or parse("0")) for name in ("lower", "upper"))
                new += [ast.Slice(parse(f"{first} - 1"), parse("-1"))] * first.startswith("-")
                new += [ast.Slice(parse("1"), parse(f"{last} + 1"))] * (not part.lower and not last.startswith("-"))
                others = [end for _, end in ends] + [parse(n) for n in numbers]
                new += [ast.Slice(*((None, n) if part.lower else (n, None)), part.step) for n in others]
        elif isinstance(part, (ast.Name, ast.BinOp)):
            new = [parse(f"{ast.unparse(part)} {sign} 1") for sign in "-+"]
        for other in new:
            whole = [*parts[:i], other, *parts[i + 1 :]]
            index = ast.Tuple(whole, ast.Load()) if len(whole) > 1 else whole[0]
            yield "moved", ast.Subscript(node.value, index, node.ctx)


def reindexed(node, names, numbers):
    """Yield an array with another name, or a multiple of it, wherever a name stands in the index."""
    text = ast.unparse(node)[len(ast.unparse(node.value)) + 1 : -1]
    for old in dict.fromkeys(part.id for part in ast.walk(node.slice) if isinstance(part, ast.Name)):
        new = [name for name in names if name.isidentifier() and name != old][:12]
        for name in [*new, *(f"{old} * {n}" for n in numbers if old not in n)]:
            other = re.sub(rf"(?<![\w.]){old}\b", name, text)
            yield "variable", ast.Subscript(node.value, parse(f"_[{other}]").slice, node.ctx)


def strided(node, numbers):
    """Yield an array whose slices begin at multiples of the two indices, i * s : i * s + k and j * s : j * s + k."""
    parts = [part for part in getattr(node.slice, "elts", ()) if isinstance(part, ast.Slice)]
    begins = {part.lower.id for part in parts if isinstance(part.lower, ast.Name)}
    text = ast.unparse(node)[len(ast.unparse(node.value)) + 1 : -1]
    for n in numbers if len(begins) == 2 else ():
        words = re.sub(r"\b\w+\b", lambda word, n=n: f"{word[0]} * {n}" if word[0] in begins else word[0], text)
        yield "moved", ast.Subscript(node.value, parse(f"_[{words}]").slice, node.ctx)


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
    elif isinstance(node, (ast.Name, ast.Attribute)) and (
        text.startswith("self.") or text.isidentifier() and text != "np"
    ):
        yield from (
            ("flipped", parse(f"{text}[{turned}]"))
            for turned in ("::-1", ":, ::-1", "::-1, ::-1", "..., ::-1", "..., ::-1, ::-1")
        )
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transposed", node.value
    elif isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and text not in ("np", "self"):
        yield "transposed", ast.Attribute(node, "T", ast.Load())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield "transposed", ast.BinOp(node.right, node.op, node.left)
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        yield "transposed", parse(f"({left}).T @ ({right}).T")
        if left.endswith(".T"):
            yield "transposed", parse(f"({right}).T @ {left[:-2]}")


def turned(node):
    """Return the expression with its last two axes exchanged, those of each sample or head; or no longer."""
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("transpose", "swapaxes"):
        return node.args[0] if getattr(node.func.value, "id", "") == "np" else node.func.value
    return parse(f"({ast.unparse(node)}).swapaxes(-1, -2)")


def operands(node):
    """A factor or a term left out, or another operation."""
    if isinstance(node, ast.BinOp):
        kind = "term" if isinstance(node.op, (ast.Add, ast.Sub)) else "too much"
        yield kind, node.left
        if not isinstance(node.op, (ast.Div, ast.Pow)):
            rest = isinstance(node.op, ast.Sub) and getattr(node.left, "value", None) == 1  # z, of 1 - z
            yield "share" if rest else kind, node.right
        for factor, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(node.op, ast.Mult) and isinstance(factor, (ast.Name, ast.Attribute, ast.Subscript)):
                yield "share", ast.BinOp(parse(f"1 - {ast.unparse(factor)}"), node.op, other)
        other = {ast.Mult: ast.Div, ast.Div: ast.Mult}.get(type(node.op))
        if other:
            yield "factor", ast.BinOp(node.left, other(), node.right)
        if isinstance(node.op, ast.Sub):
            yield "sign", ast.BinOp(node.right, ast.Sub(), node.left)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        swap = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}.get(type(node.ops[0]))
        if swap:
            yield "comparison", ast.Compare(node.left, [swap()], node.comparators)
            yield "comparison", ast.Compare(node.left, [swap()], [ast.UnaryOp(ast.USub(), node.comparators[0])])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Invert, ast.Not)):
        yield "comparison", node.operand


def calls(node):
    """Sum for mean, other axes, keepdims; a function left out."""
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "attr", "")
    if name == "reshape" and not isinstance(node.func.value, ast.Call):  # dout.reshape(-1, C), of (N, C, H, W)
        array = ast.unparse(node.func.value)
        for order in ("0, 2, 3, 1", "0, 3, 1, 2", "1, 0, 2, 3", "1, 2, 3, 0", "0, 2, 1"):
            method = ast.Attribute(parse(f"{array}.transpose({order})"), "reshape", ast.Load())
            yield "axes", ast.Call(method, node.args, node.keywords)
    if name == "transpose" and node.args:
        axes = getattr(node.args[-1], "elts", node.args)  # np.transpose(x, (1, 0, 2)) or x.transpose(1, 0, 2)
        orders = sorted(permutations(axes), key=lambda order: sum(map(operator.is_not, order, axes)))
        for order in orders[1:]:  # with two exchanged first
            args = order if axes is node.args else [*node.args[:-1], ast.Tuple(list(order), ast.Load())]
            yield "axes", ast.Call(node.func, list(args), node.keywords)
    if name == "cumsum" and len(node.args) == 1:
        array, rest = ast.unparse(node.args[0]), "".join(f", {ast.unparse(word)}" for word in node.keywords)
        yield "flipped", parse(f"{ast.unparse(node.func)}(({array})[::-1]{rest})[::-1]")
    if name in ("sum", "mean"):
        other = "mean" if name == "sum" else "sum"
        yield "mean", ast.Call(ast.Attribute(node.func.value, other, ast.Load()), node.args, node.keywords)
        rest = [k for k in node.keywords if k.arg not in ("axis", "keepdims")]
        array = node.args if getattr(node.func.value, "id", "") == "np" else []
        for axis in ("0", "1", "-1", "(0, 1)", "(0, 2)", "(0, 2, 3)", "None"):
            for keep in ("True", "False"):
                keywords = [ast.keyword("axis", parse(axis)), ast.keyword("keepdims", parse(keep))]
                yield "axis", ast.Call(node.func, array[:1], [*rest, *keywords])
    if name == "einsum" and node.args and isinstance(getattr(node.args[0], "value", None), str):
        for text in exchanged_letters(node.args[0].value):
            yield "transposed", ast.Call(node.func, [ast.Constant(text), *node.args[1:]], node.keywords)
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


def exchanged_letters(subscripts):
    """Yield the subscripts of an einsum with two letters of one operand, or of the result, exchanged."""
    for part in re.finditer(r"[A-Za-z]+", subscripts):
        for i, j in combinations(range(part.start(), part.end()), 2):
            letters = list(subscripts)
            letters[i], letters[j] = letters[j], letters[i]
            yield "".join(letters)


def constants(node, numbers):
    """Yield another number in the place of one, or the name of one."""
    plain = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    if plain and 4 * node.value == int(4 * node.value):  # three times 0.044715 is a factor that is missing
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
        yield from (("constant", parse(name)) for name in numbers)


def factors(node, text, names, numbers):
    """A factor that is missing, or a power."""
    if isinstance(node, (ast.Constant, ast.Slice, ast.Tuple, ast.Compare, ast.keyword, ast.Starred)) or text in (
        "np",
        "self",
    ):
        return
    if isinstance(node, ast.Attribute) and not text.startswith("self."):
        return
    for axis in ("1", "0", "-1") if not isinstance(node, ast.Call) else ():
        yield "summed", parse(f"np.sum({text}, axis={axis}, keepdims=True)")
    if isinstance(node, (ast.Name, ast.Attribute)):
        yield from (("inner", parse(f"np.{function}({text})")) for function in ("exp", "tanh", "sqrt", "log"))
    for name in [*numbers, *(f"(1 - {n})" for n in numbers)]:
        yield "factor", parse(f"({text}) * {name}")
        yield "factor", parse(f"({text}) / {name}")
    for number in "23":
        yield "factor", parse(f"{number} * ({text})")
        yield "factor", parse(f"({text}) / {number}")
    for name in [*(f"len({n})" for n in names[:1]), *(n for n in names if n not in (text, *numbers))]:
        yield "factor", parse(f"({text}) * {name}")
        yield "factor", parse(f"({text}) / {name}")
    counts = [f"{n}.sum()" for n in names if re.fullmatch(WEIGHTS, n)]
    for count in [*counts, *(f"len({n})" for n in names if re.fullmatch(LISTS, n))]:
        yield "factor", parse(f"({text}) / {count}")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield "variable", ast.BinOp(node.left, ast.Div(), parse(count))
    yield "power", parse(f"({text}) ** 2")
    yield from (("constant", parse(f"({text}) + {name}")) for name in numbers[:4])
    yield "constant", parse(f"({text}) + 1")
    yield "constant", parse(f"({text}) - 1")
    if not isinstance(node, ast.Call):
        for name in names:
            yield "mask", parse(f"({text}) * ({name} > 0)")
            yield "sign", parse(f"({text}) * np.sign({name})")
            yield "derivative", parse(f"({text}) * (1 - {name})")
            yield "derivative", parse(f"({text}) * {name} * (1 - {name})")
            yield "derivative", parse(f"({text}) * (1 - {name} ** 2)")


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
        if name != text and isinstance(node, (ast.Name, ast.BinOp, ast.Attribute)):
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

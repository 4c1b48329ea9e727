"""A function as the doctor sees it: what it needs, what it returns, what it does, by its source."""

from __future__ import annotations

import ast
import re
import sys
from typing import NamedTuple

from tinygan.doctor.arrays import is_gradient_name, named_after
from tinygan.doctor.feeding import CLASSES, TARGETS
from tinygan.doctor.names import CACHE, DOUT, LOSS, NO_LOSS, RATE, is_loss, sides_in
from tinygan.doctor.source import (
    flat,
    is_empty,
    is_unfilled,
    names_in,
    node_of,
    parameters,
    required,
    returns,
    walk_own,
)


class Call(NamedTuple):
    """A function of a namespace: its name, the arguments that it needs, what its last return statement names."""

    name: str
    needs: tuple
    returns: tuple
    node: object
    function: object = None  # where it is none of the namespace's
    flag: str = ""  # an argument that is True if the derivative is wanted
    closure: bool = False  # is it what the value's function returns beside the value?
    part: int = 0  # which of the losses that a step of both players returns it is (-1: the sum of all),
    side: str = ""  # and whose, "D" or "G"
    over: bool = False  # is it given a list of pairs, one pair at a time? The value is the mean
    bound: bool = False  # is ``function`` given the object first?


class Form(NamedTuple):
    """One way to a gradient. ``values``: alternatives, each a tuple of Calls that lead to the value.

    kind  "pair" (a gradient after a value), "both" (in one function), "step" (parameters move), "rule" (an
          optimizer), "penalty", "discriminator" or "generator" (its step)
    """

    kind: str
    values: tuple
    gradient: Call | None

    @property
    def name(self):
        return self.gradient.name if self.gradient else self.values[0][0].name


def call_of(name, function, own=True):
    """Return the Call of a function; ``own``: it is found by its name in the namespace."""
    node, needs = node_of(function), [n for n in required(function) if n not in ("self", "cls")]
    for p in parameters(function):
        rate = p.default is not p.empty and RATE.fullmatch(p.name) and p.name != "alpha"
        classes = is_loss(name) and type(p.default) is int and re.fullmatch(CLASSES, p.name)  # 10: as many as there are
        target = p.default is None and TARGETS.fullmatch(p.name)
        needs += [p.name] * bool(rate or classes or target)  # lr=0.1; loss(X, y=None)
    names = (returns(node) or [()])[-1]
    fields = getattr(vars(sys.modules[function.__module__]).get(made_at_the_end(node)), "_fields", None)
    return Call(name, tuple(needs), fields or in_documented_order(names, node), node, None if own else function)


def in_documented_order(names, node):
    """The names of what is returned, in the order in which the docstring promises them."""
    text = (ast.get_docstring(node) or "" if isinstance(node, ast.FunctionDef) else "").partition("eturn")[2]
    places = [re.search(rf"\b{name}\b", text) if isinstance(name, str) else None for name in names]
    if len(names) < 2 or not all(places) or any(LOSS.fullmatch(str(name)) for name in names):
        return names
    return tuple(sorted(names, key=lambda name: places[names.index(name)].start()))


def made_at_the_end(node):
    """The name of what the last return statement calls, LossOut of ``return LossOut(loss, dx)``."""
    ends = [part.value for part in walk_own(node) if isinstance(part, ast.Return)] if node is not None else []
    return getattr(getattr(ends[-1], "func", None), "id", "") if ends else ""


def closure_of(call):
    """Return the Call of the function that another one makes and returns last, out, backward; None if it does not."""
    if call.node is None or not call.needs:
        return None
    inner = {part.name: part for part in call.node.body if isinstance(part, ast.FunctionDef)}
    for part in [part for part in walk_own(call.node) if isinstance(part, ast.Return)]:
        last = part.value.elts[-1] if isinstance(part.value, ast.Tuple) and len(part.value.elts) == 2 else None
        made = last if isinstance(last, ast.Lambda) else inner.get(getattr(last, "id", None))
        if made is not None:
            args = made.args.args[: len(made.args.args) - len(made.args.defaults)]
            body = returns(made) if isinstance(made, ast.FunctionDef) else [names_in(made.body)]
            return Call(call.name, tuple(arg.arg for arg in args), (body or [()])[-1], made, closure=True)
    return None


def with_optional(call, gradients, functions):
    """The same Call, in need of arguments that have a default, too, if there is a gradient of them."""
    known = parameters(functions[call.name]) if call.name in functions else []
    optional = [p.name for p in known if p.default is None or isinstance(p.default, float)]
    felt = [n for n in optional if any(named_after(g, n) > 1 for g in flat(gradients) if isinstance(g, str))]
    return call._replace(needs=tuple(dict.fromkeys((*call.needs, *felt))))


def with_shared(steps, functions):
    """The same Calls, each in need of those of its arguments, too, that another one cannot do without: keep_prob."""
    needed = {name for step in steps for name in step.needs}
    known = {step.name: parameters(functions[step.name]) for step in steps if step.name in functions}
    shared = {name: [p.name for p in of if p.default is not p.empty and p.name in needed] for name, of in known.items()}
    return [step._replace(needs=tuple(dict.fromkeys((*step.needs, *shared.get(step.name, ()))))) for step in steps]


def stores_gradients(call):
    """Does it leave gradients in its object, or in an inner one, self.D.backward(dout), and return the loss alone?"""
    made = [part for part in walk_own(call.node) if isinstance(part, ast.Assign)] if call.node else []
    sides = [
        (getattr(part.targets[0], "elts", part.targets), getattr(part.value, "elts", [part.value])) for part in made
    ]
    pairs = [pair for left, right in sides for pair in zip(left, right, strict=False)]  # p, g = self.params, self.grads
    aliases = [ast.unparse(left) for left, right in pairs if "grad" in getattr(right, "attr", "")]
    stored = [part for one in made for part in getattr(one.targets[0], "elts", one.targets)]
    places = [part.value if isinstance(part, ast.Subscript) else part for part in stored]
    names = ["grad" * (ast.unparse(part) in aliases) or getattr(part, "attr", "") for part in places]
    inside = call.node is not None and re.search(r"\bself\.\w+\.backward\(", ast.unparse(call.node))
    for name in call.needs if call.node is not None else ():  # loss_and_backprop(enc, x, same)
        inside = inside or re.search(rf"\b{name}\.(backward|backprop|back)\(", ast.unparse(call.node))
    return len(call.returns) == 1 and bool(inside or any("grad" in name for name in names))


def adds(call):
    """Does it take what it returns, dW and db, and add its own share to it?"""
    return len(set(call.needs) & set(call.returns)) > 1


def takes_dout(call):
    """Does it take an upstream gradient? The D of generator_grads(G, D, z) is none."""
    return any(DOUT.fullmatch(name) and name not in ("D", "G") for name in call.needs)


def returns_its_loss(call):
    """Does a gradient compute its loss, too, ``return loss, grads``, or leave the gradients in its object?"""
    first = bool(call.returns) and re.fullmatch("([dg]_)?(loss|cost|J|error)", str(call.returns[0]))
    ends = [part.value for part in walk_own(call.node) if isinstance(part, ast.Return)] if call.node else []
    parts = getattr(ends[-1], "elts", ()) if ends else ()
    made = parts and isinstance(parts[0], ast.Call) and is_loss(getattr(parts[0].func, "id", ""))  # d_loss(p, q), grads
    return bool(made or first and (len(call.returns) > 1 or stores_gradients(call))) and not takes_dout(call)


def is_handed_gradients(step):
    """Does it take a parameter and its gradient, ``update(W, dW)``? Then it computes none."""
    return any(named_after(g, name) == 3 for g in step.needs for name in step.needs if g != name)


def over_pairs(loss, step):
    """The loss as a step sees it that goes over pairs, ``for x, y in mini_batch``: the mean of those of the pairs."""
    meant = step.node is not None and any(map(TARGETS.fullmatch, loss.needs))  # and not total_cost(data, lmbda)
    for part in ast.walk(step.node) if meant else ():
        batch = getattr(part.iter, "id", "") if isinstance(part, ast.For) else None
        if batch in step.needs and isinstance(part.target, ast.Tuple) and len(part.target.elts) == len(loss.needs):
            return loss._replace(needs=(batch,), over=True)
    return loss


def calls_its_argument(call):
    """Does a function call one of its arguments in two places, J(x + h) and J(x - h), and so measure a slope?"""
    parts = [part for part in walk_own(call.node) if isinstance(part, ast.Call)] if call.node else []
    return len([part for part in parts if getattr(part.func, "id", None) in call.needs]) > 1


def names_called(call):
    """The names of the functions that a function calls."""
    functions = [part.func for part in walk_own(call.node) if isinstance(part, ast.Call)] if call.node else []
    return {getattr(function, "attr", getattr(function, "id", "")) for function in functions}


def adds_samples(loss):
    """Does a loss add up over its samples, by its source, and not over the numbers of each, sum(axis=1), alone?"""
    text = "" if loss.node is None else ast.unparse(loss.node)
    rest = re.sub(r"(sum|mean)\([^()]*axis=-?1\)", "", text)
    return loss.node is None or bool(re.search(r"sum\(|mean\(|average|norm|dot|\+=" + "|@" * (rest == text), rest))


def moves_arguments(call):
    """Does it return new values of its arguments, ``return loss, W, b``?"""
    return any(name in call.needs for name in call.returns[1:])


def losses_of_both(call):
    """Return the losses of D and G that a step of both returns, d_loss, g_loss, or [] if it does not say so."""
    sides = [sides_in(name) if isinstance(name, str) else set() for name in call.returns]
    if len(sides) != 2 or {"d", "g"} in sides or not (sides[0] ^ sides[1]):
        return []
    first = "d" if "d" in sides[0] or "g" in sides[1] else "g"
    order = first, {"d": "g", "g": "d"}[first]
    return [call._replace(part=i, side=side.upper()) for i, side in enumerate(order)]


def alike(loss, step):
    """How well the names of a loss and of a step go together: d_loss with d_step."""
    first, second = sides_of(loss), sides_of(step)
    return 5 * bool(first & second) - 5 * bool(first ^ second) - sum(n not in step.needs for n in loss.needs)


def sides_of(call):
    """The players, "d" and "g", that the name of a function speaks of."""
    return sides_in(call.name)


def is_of_a_game(call):
    """Is it the step of a game's world, state, reward = step(state, action), and no training step?"""
    said = {name for name in flat(call.returns) if isinstance(name, str)}
    known = said & set(call.needs) or any(is_gradient_name(name) or LOSS.fullmatch(name) for name in said)
    return call.name == "step" and bool(said) and not known and not any(map(RATE.fullmatch, call.needs))


def gives_both(call, module):
    """Does it return a value and a gradient, by its source, or nothing yet, or what another one returns that does?"""
    if f"{call.name}_by_definition" in vars(module):
        return True
    moves = set(map(str, call.returns)) & set(call.needs)  # theta, c = descend(theta, c)
    if (
        call.node is None
        or NO_LOSS.fullmatch(call.name)
        and not (call.name == "__call__" and any(map(is_gradient_name, call.returns)))
        or re.search("(a|de)scent", call.name)
        or re.search(r"\b(solve|lstsq|pinv)\(", ast.unparse(call.node))
        and not any(map(is_gradient_name, call.returns))
        or re.search(r"_(err|error_rate|acc|accuracy)$", call.name)  # loss_err: two numbers
        or moves
        and not LOSS.fullmatch(call.name)
        or len(call.returns) == 2
        and isinstance(call.returns[1], str)
        and CACHE.fullmatch(call.returns[1])
    ):
        return False
    if is_empty(call.node) and is_unfilled(call.node):
        return 1 <= len(call.needs) <= 2
    handed_on = [
        p.value.func for p in walk_own(call.node) if isinstance(p, ast.Return) and isinstance(p.value, ast.Call)
    ]
    nodes = [call.node, *(node_of(named(part, module)) for part in handed_on)]
    return len(call.returns) > 1 or any(len(n) > 1 for node in nodes if node is not None for n in returns(node))


def is_pure(node):
    """Does a function do nothing but name what it computes, and return it?"""
    plain = (ast.Name, ast.Tuple, ast.Load, ast.Store)
    targets = [t for part in node.body if isinstance(part, ast.Assign) for t in part.targets]
    known = (ast.Assign, ast.Return)
    statements = [part for part in node.body if not isinstance(getattr(part, "value", None), ast.Constant)]
    return all(isinstance(part, known) for part in statements) and all(
        isinstance(part, plain) for target in targets for part in ast.walk(target)
    )


def named(part, module):
    """Return the function that a piece of source names, ``loss`` or ``losses.loss``, or None."""
    space = module
    if isinstance(part, ast.Attribute):
        space, part = vars(module).get(getattr(part.value, "id", None)), ast.Name(part.attr)
    return getattr(space, getattr(part, "id", ""), None)


def gives_output(call, gradient):
    """Is y of f_vjp(v, y) the output of f(x), and no target?"""
    known = {*call.needs, *flat(call.returns)}
    needs = {name for name in gradient.needs if not RATE.fullmatch(name)}
    return len(needs) == 2 and not known & needs and not LOSS.fullmatch(call.name)

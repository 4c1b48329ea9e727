"""Tell a wrong derivative from a guard, log(p + 1e-8) or a clip; hold a value against its definition."""

from __future__ import annotations

import ast
import contextlib
import re
import types
from itertools import product

import numpy as np

from tinygan.doctor.arrays import is_number, named_after
from tinygan.doctor.feeding import TARGETS
from tinygan.doctor.measure import CUT_IN_A_LOOP, TOLERANCE, measure
from tinygan.doctor.sandbox import Stopped, call
from tinygan.doctor.source import flat, node_of, required, text_about, tree_of
from tinygan.doctor.subject import Fact, display
from tinygan.gradcheck import compare, numeric_gradient

TARGETS_OF_A_GAME = {  # what the players of ``objectives.LeastSquares``, and of what builds on it, must pay
    "discriminator": lambda self, real, fake: 0.5 * np.mean((real - self.b) ** 2) + 0.5 * np.mean((fake - self.a) ** 2),
    "generator": lambda self, fake: 0.5 * np.mean((fake - self.c) ** 2),
}


# ---- the value, by definition ------------------------------------------------------------------------------


def definition_of(target, form):
    """Return the function that says what the value must be, ``name_by_definition`` beside ``name``, or None."""
    name = form.values[0][-1].name
    own = "by_definition" if name == "__call__" else f"{name}_by_definition"
    game = TARGETS_OF_A_GAME.get(name) if hasattr(target.owner, "codings") else None
    return getattr(target.owner or target.module, own, game)


def against_definition(subject, definition):
    """Return (Row, [Fact]): the value held against its definition."""
    thing = subject.thing
    if has_targets(thing):
        thing.a, thing.b, thing.c = -1.5, 0.5, 2.0  # so that no two targets are alike
    args = [v.copy() if isinstance(v, np.ndarray) else v for v in subject.args.values()]
    value, wanted = subject.out(), call(definition, *[thing] * (thing is not None), *args)
    label = "" if subject.setting.spread == "near" else f"{subject.setting.spread} "
    row = compare(f"{label}value, by definition", value, np.ravel(wanted), 1e-9, zero=True)
    return row, [] if row.passed else [Fact(why(subject, value[0], np.ravel(wanted)[0]), row.name)]


def has_targets(thing):
    """Is it a game with the targets a, b, c?"""
    return all(hasattr(thing, name) for name in "abc")


def why(subject, value, wanted):
    """In which way a value differs from its definition: the kind of a Fact."""
    sizes = [arg.size for arg in subject.args.values() if isinstance(arg, np.ndarray)]
    near = np.isclose(value, wanted, rtol=0.1)
    if any(np.isclose(value, wanted * size, rtol=1e-9) for size in sizes):
        return "sum"
    if near and re.search(r"log\(.*\+\s*(1e-|eps)", subject.target.text):
        return "epsilon"
    if near and "clip(" in subject.target.text:
        return "clip"
    for order in product("abc", repeat=3) if has_targets(subject.thing) else ():
        game = types.SimpleNamespace(
            **{new: getattr(subject.thing, old) for new, old in zip("abc", order, strict=True)}
        )
        if np.isclose(TARGETS_OF_A_GAME[subject.value[0].name](game, *subject.args.values()), value):
            return "targets"
    return "value"


# ---- guards ------------------------------------------------------------------------------------------------


def takes_large(subject):
    """Is this a loss, of numbers of any size, without parameters of its own?"""
    subject.out()
    own = any(path[0] == "self" or len(path) > 1 for path in subject.slots)
    return subject.is_loss and subject.form.kind != "step" and not own and not subject.single


def excused(m, remarks):
    """At large numbers: is the value flat, or flattened by an epsilon, where the gradient is not? A guard, then."""
    if m.row.passed or m.a.shape != m.n.shape:
        return False
    if m.subject.tiny(m.path):
        remarks.append("at probabilities of 1e-9 value and gradient differ: an epsilon, or a clip, in the logarithm")
        return True
    near, text = m.subject.setting.spread == "near", text_with_helpers(m.subject.target)
    lost = m.subject.is_loss and m.subject.sizes["N"] * np.abs(m.out).max() > -np.log(1e-9)  # of the sum over samples
    if lost and not near and re.search(r"log\(\s*1(\.0*)?\s*-", text):
        remarks.append("where p is nearly 1, too few digits of log(1 - p) are left to measure its slope")
        return True
    large = m.subject.is_loss and m.subject.setting.spread == "large"
    if large and re.search(r"log\((?:[^()]|\([^()]*\))*(eps|1e-|clip)", text):
        remarks.append("at numbers of ±800 value and gradient differ: an epsilon, or a clip, in the logarithm")
        return True
    if not near and m.subject.is_loss and on_guard(m.subject):
        remarks.append("at large numbers the value depends on a small number in the code, log(p + 1e-12): a guard")
        return True
    if not near and is_noise(m):
        remarks.append("at large numbers too few digits of the output are left to measure its slope")
        return True
    off = np.abs(m.a - m.n) > TOLERANCE * np.abs(m.n).max()
    flatter = np.all(m.a[off] * m.n[off] >= 0) and np.all(np.abs(m.n[off]) < np.abs(m.a[off]))
    flat = not np.any(m.n[off]) or flatter and re.search(r"eps|1e-|clip", text)
    if flat:
        said = (
            "changes less than the gradient says"
            if np.any(m.n[off])
            else "no longer changes, and the gradient is not 0"
        )
        remarks.append(f"at numbers of ±30 and ±800 the value {said}: a guard, perhaps")
    return flat


def on_guard(subject):
    """Does a value depend on the small numbers in the code, as where p = 0 in log(p + 1e-12)?"""
    with epsilons(subject, 1e4):
        other = subject.out()
    return not np.allclose(other, subject.out(), rtol=1e-3)


def is_noise(m):
    """Is the slope of a loss what the gradient says with a step so large that rounding is no matter, and only then?"""
    x = m.subject.slots[m.path]
    if not m.subject.is_loss or x.dtype != np.float64 or x.size > 500:
        return False
    with contextlib.suppress(Stopped):
        again = numeric_gradient(m.subject.out, x, step=1e-2, dout=m.dout)
        off = m.a != m.n  # others may have been set aside
        return bool(np.linalg.norm((again - m.a)[off]) < 0.3 * np.linalg.norm((m.n - m.a)[off]))
    return False


def text_with_helpers(target):
    """The source of a target, and of the functions of its file that it calls."""
    named = {name: vars(target.module).get(name) for name in re.findall(r"\b(\w+)\(", target.text)}
    nodes = [node_of(function) for function in named.values() if isinstance(function, types.FunctionType)]
    return f"{target.text}\n{text_about(target.module, nodes)}"


def uncut(m, remarks):
    """Set aside what is cut off at one number, as the code says, ``np.clip(dW, -5, 5)``; near zero that must be all."""
    near, text = m.subject.setting.spread == "near", m.subject.target.text
    if m.row.passed or m.a.shape != m.n.shape or not re.search(CUT_IN_A_LOOP if near else r"clip\(", text):
        return m
    off = np.abs(m.a - m.n) > TOLERANCE * np.abs(m.n).max()
    got, true = m.a[off], m.n[off]
    limit = np.abs(got).max()
    if np.ptp(np.abs(got)) > 0 or limit < np.abs(m.a).max() or np.any(got * true <= 0) or np.any(limit >= np.abs(true)):
        return m
    remarks.append(f"gradients of large numbers are cut off at {limit:.6g}, as it is written")
    n = np.where(off, m.a, m.n)
    return m._replace(n=n, row=compare(m.name, m.a, n, TOLERANCE, off, m.rounding))


def cut_off(m):
    """Is the value cut off by a clip, and the gradient not? Nobody knows which of them is meant."""
    off = m.a.shape == m.n.shape and not m.row.passed and not m.subject.tiny(m.path) and m.a != m.n
    return bool(np.any(off) and not np.any(m.n[off]) and re.search(r"clip\(|minimum\(", m.subject.target.text))


def guarded(subject, found, label, remarks):
    """Measure what is only a little wrong without the small numbers of the code, log(p + 1e-8); return what counts."""
    found = over_all(subject, without_penalty(subject, found, remarks), remarks)
    found = from_logits(subject, found, remarks)
    found = in_logits(subject, without_decay(subject, of_data(subject, found, remarks), remarks), remarks)
    if all(m.row.passed for m in found) or not label and any(m.row.error > 0.05 for m in found):
        return found
    try:
        with epsilons(subject, 0):
            again = measure(subject, label)
    except Stopped:
        return found
    if not all(m.row.passed for m in again):
        return found
    remarks.append("right but for a small number that keeps a logarithm, a root or a quotient finite")
    return again


def without_penalty(subject, found, remarks):
    """Let backward add the gradient of a penalty to that of the output, if kl(), or a number self.kl, says which."""
    wrong = [m for m in found if not m.row.passed]
    if not wrong or any(m.a.shape != m.n.shape for m in wrong) or subject.form.kind != "pair" or subject.thing is None:
        return found
    used = {step.name for step in (*subject.value, subject.form.gradient)}
    methods = {k: f for kind in type(subject.thing).__mro__ for k, f in vars(kind).items() if k[:2] != "__"}
    penalties = [k for k, f in methods.items() if k not in used and callable(f) and len(required(f)) == 1]
    own = {} if subject.is_loss else getattr(subject.thing, "__dict__", {})  # a loss itself is no penalty
    penalties += [k for k, v in own.items() if isinstance(v, np.floating)]
    for name in penalties:

        def value(name=name):
            subject.out()
            own = getattr(subject.thing, name)
            return call(own) if callable(own) else own

        try:
            if not is_number(value()) or np.size(value()) > 1:
                continue
            slopes = [numeric_gradient(value, subject.slots[m.path]) for m in wrong]
        except (Stopped, ValueError):
            continue
        rest = np.concatenate([(m.a - m.n).ravel() for m in wrong])
        slope = np.concatenate([s.ravel() for s in slopes])
        c = (slope @ rest) / max(slope @ slope, 1e-300)
        if c > 0 and np.linalg.norm(rest - c * slope) < 1e-6 * np.linalg.norm(rest):
            remarks.append(f"backward adds the gradient of {name} to that of the output")
            both = {m.path: m.n + c * s for m, s in zip(wrong, slopes, strict=True)}
            return [
                m._replace(n=both[m.path], row=compare(m.name, m.a, both[m.path])) if m.path in both else m
                for m in found
            ]
    return found


def over_all(subject, found, remarks):
    """Let gradients be those of the mean, if the loss is a sum that its caller divides: cost += loss(...); cost / m."""
    wrong, n = [m for m in found if not m.row.passed], subject.sizes["N"]
    if not subject.is_loss or n == 1 or len(wrong) < 2 or any(m.a.shape != m.n.shape for m in wrong):
        return found
    again = {m.path: m._replace(n=m.n / n, row=compare(m.name, m.a, m.n / n, TOLERANCE)) for m in wrong}
    loss, tree = subject.value[-1].name, tree_of(subject.target.module)
    sums = [part for part in ast.walk(tree) if isinstance(part, ast.AugAssign) and isinstance(part.op, ast.Add)]
    sums = {ast.unparse(part.target) for part in sums if re.search(rf"\b{loss}\(", ast.unparse(part.value))}
    divided = [part for part in ast.walk(tree) if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div)]
    if sums.isdisjoint(ast.unparse(part.left) for part in divided) or not all(m.row.passed for m in again.values()):
        return found
    remarks.append(f"{subject.form.name} divides by the number of samples, {loss} leaves that to its caller")
    return [again.get(m.path, m) for m in found]


def unrelated(m):
    """Has what was taken for a gradient a shape that no mistake leads to? It is that of another array, perhaps."""
    mine, own = ({length for length in array.shape if length > 1} for array in (m.a, m.n))
    some = mine and own and (mine <= own or own <= mine)
    return m.a.size not in (1, m.n.size) and m.a.shape != m.n.shape and not some


def of_data(subject, found, remarks):
    """Leave out what a whole network returns that is not the gradient of its data, and is not called so.

    An autoencoder's loss feels x as its target, too; backward ends where the first layer begins.
    """
    wrong, own = [m for m in found if not m.row.passed], [m for m in found if m.path[0] == "self"]
    others = [m for m in found if len(m.path) == 1 and m.a.shape != m.n.shape and (unrelated(m) or m.a.ndim == 0)]
    names = flat((subject.form.gradient or subject.value[-1]).returns)
    named = wrong and any(isinstance(name, str) and named_after(name, wrong[0].path[0]) for name in names)
    function = subject.target.owner is None and not named
    if function and len(wrong) == 1 and len(found) > 2 and len(others) == 1 and others[0] is wrong[0]:
        # of [x, label] as one, or a number beside
        remarks.append(f"what {subject.form.name} returns beside is not the gradient of {wrong[0].name}")
        return [m for m in found if m is not wrong[0]]
    called = any(isinstance(name, str) for name in subject.form.gradient.returns) if subject.form.gradient else True
    data = [m for m in wrong if len(m.path) == 1]
    itself = not any(map(TARGETS.fullmatch, subject.args))  # its target is the input
    if called or not subject.is_loss or len(data) != 1 or len(wrong) > 1 and not itself or len(own) < 3:
        return found
    remarks.append(f"what {subject.form.name} returns is not the gradient of {data[0].name} as a whole")
    return [m for m in found if m is not data[0]]


def without_decay(subject, found, remarks):
    """Let a step shrink each parameter by a multiple of itself, if a number that the loss has not says by which."""
    own = getattr(subject.thing, "__dict__", {}) | subject.args
    loss = text_about(subject.target.module, [step.node for step in subject.value if step.node is not None])
    own = {k: v for k, v in own.items() if re.search("decay|reg|lam|l2|wd", k) and not re.search(rf"\b{k}\b", loss)}
    known = {k: v for k, v in own.items() if is_number(v) and not np.ndim(v)}
    for i, m in enumerate(found if subject.form.kind == "step" else ()):
        if m.row.passed or m.a.shape != m.n.shape or not np.any(m.x):
            continue
        moved = np.where(m.a != 0, m.x, 0)  # of an embedding but a few rows
        c = np.sum((m.a - m.n) * moved) / max(np.sum(moved * moved), 1e-300)
        names = [name for name, value in known.items() if np.isclose([value, 2 * value], c, rtol=1e-4).any()]
        row = compare(m.name, m.a, m.n + c * moved, TOLERANCE)
        if names and row.passed:
            remarks.append(f"the step adds the decay {names[0]} · {display(m.path)}, which the loss has not")
            found = [*found[:i], m._replace(n=m.n + c * moved, row=row), *found[i + 1 :]]
    return found


def from_logits(subject, found, remarks):
    """Take dout for the gradient in the logits s whose sigmoid is the output, where backward calls it so, dlogit."""
    called = [name for name in subject.douts if "logit" in name.lower()]
    wrong = [m for m in found if not m.row.passed]
    said = f"{called[0]} is the gradient before the sigmoid that the output is made by" if called else ""
    saturated = any(np.min(m.out * (1 - m.out)) < 1e-6 for m in wrong)  # p = 1 says nothing of its logit
    if said and saturated and subject.setting.spread != "near":
        return [m for m in found if m.row.passed]
    if not called or not wrong or any(m.out.min() <= 0 or m.out.max() >= 1 or m.a.shape != m.n.shape for m in wrong):
        return found
    slopes = {m.path: (m.J @ (m.dout / (m.out * (1 - m.out)))).reshape(m.n.shape) for m in wrong}
    again = [m._replace(n=n, row=compare(m.name, m.a, n)) for m in wrong for n in [slopes[m.path]]]
    if 2 * sum(m.row.passed for m in again) <= len(again):
        return found
    remarks.append(said)
    return [next((other for other in again if other.path == m.path), m) for m in found]


LOGITS = r"logit|softmax|sigmoid|pre-?activation|input (to|of) the|before"


def in_logits(subject, found, remarks):
    """Take the gradient of a loss in chances p for that in the logits whose softmax, or sigmoid, p is, if it fits.

    dL/ds = p (dL/dp - Σ p dL/dp), or p (1 - p) dL/dp: p - target, of a cross-entropy.
    """
    wrong = [m for m in found if not m.row.passed]
    if not subject.is_loss or len(wrong) != 1 or wrong[0].a.shape != wrong[0].n.shape or len(wrong[0].path) != 1:
        return found
    (m,) = wrong
    if m.x.min() <= 0 or not re.search(LOGITS, text_with_helpers(subject.target), re.I):
        return found
    products = m.x * m.n
    ways = [products * (1 - m.x), *(products - m.x * products.sum(axis=k, keepdims=True) for k in range(m.x.ndim))]
    for n in ways:
        row = compare(m.name, m.a, n, TOLERANCE)
        if row.passed:
            remarks.append(f"it is the gradient in the logits that {m.path[0]} was made of")
            return [m._replace(n=n, row=row) if other is m else other for other in found]
    return found


@contextlib.contextmanager
def epsilons(subject, times):
    """Let every constant below 1e-4 of a learner's code be so many times as large in here, and what 1 - 1e-7 leaves."""

    def plain(value):
        if isinstance(value, (tuple, dict)):
            return tuple(map(plain, value)) if isinstance(value, tuple) else {k: plain(v) for k, v in value.items()}
        small, near_one = (
            isinstance(value, float) and 0 < abs(value) < 1e-4,
            isinstance(value, float) and 0 < 1 - value < 1e-4,
        )
        return max(times * value, 1e-300) if small else 1 - times * (1 - value) if near_one else value

    module = subject.target.module
    spaces = [module, *(k for k in vars(module).values() if isinstance(k, type) and k.__module__ == module.__name__)]
    kept = []
    for space in [*spaces, *[subject.thing] * (subject.thing is not None)]:
        for name, old in list(vars(space).items()):
            function = getattr(old, "__func__", old)
            if isinstance(old, float):
                kept.append((space, name, old, plain(old)))
            elif isinstance(function, types.FunctionType) and function.__module__ == module.__name__:
                code = function.__code__
                kept.append((function, "__code__", code, code.replace(co_consts=plain(code.co_consts))))
                for part in ("__defaults__", "__kwdefaults__"):
                    kept.append((function, part, getattr(function, part), plain(getattr(function, part))))
    try:
        for space, name, _, new in kept:
            setattr(space, name, new)
        yield
    finally:
        for space, name, old, _ in kept:
            setattr(space, name, old)

"""Find what can be checked in a learner's module, and how its functions go together.

forward(x), backward(dout)                a layer, a network; also f(x) and f_prime(x), f(x, deriv=True), ...
loss(out, target), loss_grad(out, target) a value and its gradient in two functions
loss(out, target) -> (loss, gradient)     both in one function
affine(x, W, b) -> (out, back)            a value, and the function that takes dout back
d_loss(x, z), d_step(x, z)                a training step, beside the loss that it goes down
update(params, grads)                     an optimizer, beside its published rule
Value(2) * Value(3), then backward()      an engine, operation by operation: see ``engines``
penalty(discriminator, x_real, x_fake)    and a GAN's two steps, as in ``gan.py``
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import types
from typing import NamedTuple

import numpy as np

from tinygan.doctor.arrays import named_after
from tinygan.doctor.feeding import CLASSES
from tinygan.doctor.feeding import TARGETS as TARGET
from tinygan.doctor.source import (
    flat,
    is_empty,
    is_unfilled,
    names_in,
    node_of,
    parameters,
    required,
    returns,
    text_about,
    tree_of,
    walk_own,
)

# fmt: off
GRADIENT = re.compile(r"(?P<before>.*?)_?(backward(_?pass|_?propagat\w+|_?prop)?|back_?prop\w*|back(?![a-z])|pull(?![a-z])|bprop|bwd|(sub)?gradient(s|en)?|grads?|prime|deriv(ative|ation)?s?(?![a-z])|adjoint|vjp|pullback|bptt|ableitung(en)?|r(ue|ü)ckw(ae|ä)rts)_?(?P<after>.*)", re.I)
FORWARD = r"(forward(_?pass|_?propagat\w+|_?prop)?|fprop|fwd|feed(_?forward)?|vorw(ae|ä)rts|__call__|call|predict|value|loss|cost|comp\w*|calc\w*|func\w*|fn|)"
LOSS = re.compile(r".*(loss|cost|error|objective|criterion|energy|nll|entropy|mse|bce|penalty|divergence|likelihood|elbo|energ\w*|kosten|verlust|fehler).*", re.I)
STEP = re.compile(r"(?!.*(forward|backward|cell))(.*_)?(step|update)(_.*)?|train_?(d|g|disc\w*|gen\w*|critic|on_batch|batch|one(_?\w+)?|one_batch|\w*step)|sgd|learn(_one)?|fit_one", re.I)
RULE = re.compile(r"(?!.*(loss|layer)).*?(sgd|momentum|nesterov|nag|ada_?grad|rms_?prop|ada_?delta|adam\w*|gradient_?descent|optimi[sz]er|nadam)(_?\w*)", re.I)
STEPS_OF_A_RULE = ("step", "update", "apply_gradients", "update_params", "apply", "__call__")
DOUT = re.compile(r"d|g|d[A-Za-z]\w*|d_\w+|\w*grad\w*|g_\w+|up\w*|delta\w*|\w*err(or)?\w*|fehler\w*|back\w*|out_?d\w*", re.I)
RATE = re.compile(r"lr(_\w+)?|\w+_lr|learn\w*_?rate|eta|step_?size|alpha|rate", re.I)
FLAG = re.compile(r"deriv\w*|prime|grad\w*|d|backward", re.I)  # of f(x, deriv=False)
GRADIENTS = {"grads", "gradients", "grad", "g", "dw", "grads_and_vars", "gradient", "dparams", "derivatives"}
CACHE = re.compile(r"\w*cache\w*|ctx|context|saved\w*|memory|tape|mem|aux|residuals?|store", re.I)
NO_LOSS = re.compile(r".*forward.*|(init|_(?!loss|cost)|make|load|split|im2col|param|get_|fit|train|run|main|sample|generate).*|.*(shape|size).*")
COMMON_WORDS = set("""loss cost function fn func nll objective error value compute calc calculate get eval forward backward gradient
gradients grad grads derivative deriv prime d of the""".split())
NO_GRADIENT = re.compile(r"no_?grad|tangent.*|save.*|param\w*_grads?|.*(num|check|test|clip|zero|norm|finite|approx|estimat|reset|flush|apply|plot|print|init|get_|set_|compare|descen[td]|ascent).*", re.I)
LOOP = {"epochs", "n_epochs", "num_epochs", "epoch", "iterations", "n_iter", "num_iterations", "num_iters", "max_iter"}
IMPLIED = {  # what a backward pass may mean that names no loss; the target may be given as classes, too
    "half the sum of squares": lambda out, target: 0.5 * np.sum((out - target) ** 2),
    "half the mean of squares": lambda out, target: 0.5 * np.mean((out - target) ** 2),
    "half the sum of squares over N": lambda out, target: 0.5 * np.sum((out - target) ** 2) / len(out),
    "mean of squares": lambda out, target: np.mean((out - target) ** 2),
    "sum of squares over N": lambda out, target: np.sum((out - target) ** 2) / len(out),
    "sum of squares": lambda out, target: np.sum((out - target) ** 2),
    "cross-entropy": lambda out, target: -np.sum(target * np.log(out) + (1 - target) * np.log(1 - out)),
    "mean cross-entropy": lambda out, target: -np.mean(target * np.log(out) + (1 - target) * np.log(1 - out)),
    "cross-entropy over N": lambda out, target: -np.sum(target * np.log(out)) / len(out),
    "sum of cross-entropies": lambda out, target: -np.sum(target * np.log(out)),
}
# fmt: on


def of_classes(loss):
    """Return the same loss for targets that may be whole numbers as well, (N,), the places of the ones."""

    def of(out, target):
        if np.ndim(target) < np.ndim(out) and np.asarray(target).dtype.kind in "iu":
            out = out.T if len(target) == out.shape[-1] != len(out) else out  # samples in columns
            target = np.eye(out.shape[-1])[target]
        return loss(out, target)

    return of


IMPLIED = {name: of_classes(loss) for name, loss in IMPLIED.items()}
TOTALS = {"sum of the losses": lambda losses: np.sum(losses), "mean of the losses": lambda losses: np.mean(losses)}


class Call(NamedTuple):
    """A function of a namespace: its name, the arguments that it needs, what its last return statement names."""

    name: str
    needs: tuple
    returns: tuple
    node: object
    function: object = None  # where it is none of the namespace's
    flag: str = ""  # an argument that is True if the derivative is wanted
    closure: bool = False  # is it what the value's function returns beside the value?
    part: int = 0  # which of the losses that a step of both players returns it is,
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


class Target(NamedTuple):
    """What is checked as one thing: a class with its forms (``owner``), or functions of a module."""

    name: str
    thing: object
    owner: type | None
    forms: tuple
    module: object
    text: str
    left: tuple = ()  # gradients, by their names, of nothing that could be found


# ---- forms ---------------------------------------------------------------------------------------------


def call_of(name, function, own=True):
    """Return the Call of a function; ``own``: it is found by its name in the namespace."""
    node, needs = node_of(function), [n for n in required(function) if n not in ("self", "cls")]
    for p in parameters(function):
        rate = p.default is not p.empty and RATE.fullmatch(p.name) and p.name != "alpha"
        classes = is_loss(name) and type(p.default) is int and re.fullmatch(CLASSES, p.name)  # 10: as many as there are
        target = p.default is None and TARGET.fullmatch(p.name)
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


def forms(functions, module):
    """Return the Forms of a namespace {name: function}, a gradient's first."""
    calls = {name: call_of(name, function) for name, function in functions.items()}
    gradients = {name: stem for name in calls if (stem := stem_of(name, calls)) is not None}
    stems = set(gradients.values())  # of step_backward
    rest = {n: call for n, call in calls.items() if n not in gradients and (n in stems or not STEP.fullmatch(n))}
    losses = [call for name, call in calls.items() if is_loss(name)]
    around = {k: f for k, f in vars(module).items() if isinstance(f, types.FunctionType) and is_loss(k)}
    losses += [call_of(name, f, False) for name, f in around.items() if name not in calls]
    losses = losses or [call_of(name, f, False) for name, f in IMPLIED.items()]
    found, used = [], set()
    for name, call in calls.items():
        flags = [p.name for p in parameters(functions[name]) if p.default is False and FLAG.fullmatch(p.name)]
        values = ((call,),) if flags else values_for(call, gradients[name], rest, losses) if name in gradients else ()
        values = [v for v in values if not is_of_another(v, gradients.get(name, ""), stems)] or values
        if name == "grad2" and "grad" in calls:  # the derivative of the derivative
            values = [(calls["grad"],)]
        own_loss = (
            len(call.returns) > 1 and re.fullmatch("([dg]_)?(loss|cost|J|error)", str(call.returns[0])) and not flags
        )
        own_loss = own_loss and not any(map(DOUT.fullmatch, call.needs))
        if own_loss and values and not is_loss(values[0][-1].name):
            values = []
        elif name in gradients and not own_loss:
            values = of_player(call, calls, losses) or values
        values = [tuple(with_optional(step, call.returns, functions) for step in value) for value in values]
        if values:
            found.append(Form("pair", tuple(values), call._replace(flag=flags[0]) if flags else call))
            used |= {call.name for call in values[0]}
    for name, call in calls.items():
        both = LOSS.fullmatch(name) and gives_both(call, module)  # loss_and_grads(x)
        done = name in used or any(form.gradient is call for form in found)
        if (
            done
            or not (call.needs or LOSS.fullmatch(name))
            or GRADIENTS.intersection(call.needs)
            or STEP.fullmatch(name)
            and is_handed_gradients(call)
            or name in gradients
            and not both
            and any(map(DOUT.fullmatch, call.needs))
        ):
            continue
        if closure := closure_of(call):
            found.append(Form("pair", ((call,),), closure))
        elif STEP.fullmatch(name) and (moves_arguments(call) or not (gives_both(call, module) and is_pure(call.node))):
            fitting = sorted(
                (loss for loss in rest.values() if LOSS.fullmatch(loss.name)), key=lambda loss: -alike(loss, call)
            )
            sides = {side: loss for loss in fitting for side in sides_of(loss)}
            if not sides_of(call) and len(sides) == 2:  # a step of both players
                found += [Form("step", ((sides[side],),), call) for side in sorted(sides)]
                continue
            adapts = call.node is not None and re.search(r"sqrt\(|momentum|beta_?[12]\b", ast.unparse(call.node))
            if LOOP.intersection(call.needs) or adapts and found:  # an optimizer's step is not along the gradient
                continue
            fitting = [(over_pairs(loss, call),) for loss in fitting if alike(loss, call) > -4]
            if both := losses_of_both(call):
                found += [Form("step", ((loss,),), call) for loss in both]
                continue
            found.append(Form("step", (*fitting[:2], (call,)), call))
        elif gives_both(call, module) or LOSS.fullmatch(name) and stores_gradients(call):
            found.append(Form("both", ((with_optional(call, call.returns, functions),),), None))
    whole = [form for form in found if form.kind != "step" and not (form.gradient and adds(form.gradient))]
    return found if whole else training(calls, losses) or found


PLAY = r"(forward_?)?(g|d|gen(erator|erate)?|disc(riminator|riminate)?|critic)(_?forward)?"
USUAL = {  # what a player may go down, by the probabilities that D gives to real and to generated samples
    "d": {"-log D(x) - log(1 - D(G(z)))": lambda real, fake: -np.log(real) - np.log(1 - fake)},
    "g": {"-log D(G(z))": lambda _, fake: -np.log(fake), "log(1 - D(G(z)))": lambda _, fake: np.log(1 - fake)},
}


def of_player(gradient, calls, losses):
    """The values of the gradient of D, or of G, in a class that runs both, and has no loss; () if it is none.

    What the gradient takes, "a1_fake", is found among what D returns, "a1" or "a1_d", for generated samples.
    """
    sides = sides_of(gradient)
    runs = {side: call for call in calls.values() if re.fullmatch(PLAY, call.name, re.I) for side in sides_of(call)}
    if len(sides) != 1 or set(runs) != {"d", "g"} or any(len(call.needs) != 1 for call in runs.values()):
        return ()
    (side,), own = sides, [loss for loss in losses if loss.function is None and set(loss.needs) <= set(gradient.needs)]
    of = {name: "real" if "real" in name else "fake" for name in gradient.needs if re.search("real|fake|gen", name)}
    bases = {name: re.sub("_?(real|fake|gen)_?", "", name) for name in of}
    outputs = [re.sub("_(d|disc)$", "", str(name)) for name in runs["d"].returns]
    made = {name: outputs.index(base) for name, base in bases.items() if base in outputs}
    data = [name for name in gradient.needs if name not in made and (side == "d" or name not in of)]
    kinds = ["real" if "real" in name else "fake" for name in data]
    if own or side == "d" and sorted(kinds) != ["fake", "real"] or side == "g" and len(data) != 1:
        return ()

    def all_of(result):
        return result if isinstance(result, tuple) else (result,)

    def value(name, loss, total):
        def run(thing, **given):
            x = dict(zip(kinds, given.values(), strict=True))
            if side == "g":
                x = {"fake": all_of(getattr(thing, runs["g"].name)(*given.values()))[-1]}
            out = {kind: all_of(getattr(thing, runs["d"].name)(x[kind])) for kind in sorted(x, reverse=True)}
            losses = loss(out["real"][-1] if "real" in out else None, out["fake"][-1])
            inputs = [x[of[name]] if name not in made else out[of[name]][made[name]] for name in of]
            return total(losses), *inputs

        return Call(f"the loss {total.__name__}({name})", tuple(data), ("loss", *of), None, run, bound=True)

    return [(value(*loss, total),) for loss in USUAL[side].items() for total in (np.mean, np.sum)]


def stores_gradients(call):
    """Does it leave gradients in its object, or in an inner one, ``self.D.backward(dout)``, and return the loss alone?"""
    stored = [part.targets[0] for part in walk_own(call.node) if isinstance(part, ast.Assign)] if call.node else []
    names = [part.attr for part in stored if isinstance(part, ast.Attribute)]
    inside = call.node is not None and re.search(r"\bself\.\w+\.backward\(", ast.unparse(call.node))
    return len(call.returns) == 1 and bool(inside or any("grad" in name for name in names))


def adds(call):
    """Does it take what it returns, dW and db, and add its own share to it?"""
    return len(set(call.needs) & set(call.returns)) > 1


def training(calls, losses):
    """The Form of ``train(x, y)`` that adds up over samples, and has a method move the weights; [] if there is none.

    It goes down a loss beside the class, or a usual one, of what another method makes of x.
    """
    train = calls.get("train")
    own = any(loss.function is None for loss in losses)  # and the class has a loss, which is another matter
    if own or train is None or train.node is None or not any(map(TARGET.fullmatch, train.needs)):
        return []
    beside = [loss for loss in losses if not all(map(TARGET.fullmatch, loss.needs))]  # mse(y, Y) does not say which
    beside = beside or [call_of(name, loss, False) for name, loss in IMPLIED.items()]
    called = {getattr(part.func, "attr", "") for part in walk_own(train.node) if isinstance(part, ast.Call)}
    data = [(name,) for name in train.needs if not TARGET.fullmatch(name)]
    values = [(call, loss) for call in calls.values() if call.needs in data and call.returns for loss in beside]
    moves = any(STEP.fullmatch(name) for name in called & set(calls)) and not LOOP.intersection(train.needs)
    return [Form("step", tuple(values), train)] * bool(moves and values)


def is_handed_gradients(step):
    """Does it take a parameter and its gradient, ``update(W, dW)``? Then it computes none."""
    return any(named_after(g, name) == 3 for g in step.needs for name in step.needs if g != name)


def over_pairs(loss, step):
    """The loss as a step sees it that goes over pairs, ``for x, y in mini_batch``: the mean of those of the pairs."""
    for part in ast.walk(step.node) if step.node is not None else ():
        batch = getattr(part.iter, "id", "") if isinstance(part, ast.For) else None
        if batch in step.needs and isinstance(part.target, ast.Tuple) and len(part.target.elts) == len(loss.needs):
            return loss._replace(needs=(batch,), over=True)
    return loss


def is_loss(name):
    """Is this the name of a loss, and not of its derivative, like cost_derivative?"""
    return bool(LOSS.fullmatch(name)) and not re.search(r"deriv|prime|ableitung", name, re.I)


def with_optional(call, gradients, functions):
    """The same Call, in need of arguments that have a default, too, if there is a gradient of them."""
    known = parameters(functions[call.name]) if call.name in functions else []
    optional = [p.name for p in known if p.default is None or isinstance(p.default, float)]
    felt = [n for n in optional if any(named_after(g, n) > 1 for g in flat(gradients) if isinstance(g, str))]
    return call._replace(needs=tuple(dict.fromkeys((*call.needs, *felt))))


def stem_of(name, calls):
    """What a function's name says that it is the gradient of, "" for backward; None if it is no gradient."""
    if re.match(r"(forward|fwd)_?(and_?)?(backward|bwd|backprop)|(loss|cost)_?and_?grad", name):
        return None  # both in one
    if re.search("descent|ascent", name, re.I):
        return None
    if match := GRADIENT.fullmatch(name):
        rest = match["before"] or match["after"]
        rest = re.sub(r"(_out(put)?)?_to$", "", rest.strip("_"))  # sigmoid_output_to_derivative
        return "" if rest in ("d", "compute", "get", "calc", "calculate", "fn", "func", "pass") else rest
    if re.fullmatch("deltas|score", name) and any(
        is_loss(k) and c.needs == calls[name].needs for k, c in calls.items()
    ):
        return ""
    without = re.sub(r"^[dg]_?", "", name)
    return without if without != name and (without in calls or f"{without}_forward" in calls) else None


def values_for(gradient, stem, rest, losses):
    """Return the alternatives for the value that a gradient belongs to, the likeliest first."""
    known = [n for n in gradient.needs if not CACHE.fullmatch(n) and not RATE.fullmatch(n)]
    ranked, alternatives, low = [], [], stem.lower()
    rest = {name: call for name, call in rest.items() if gradient.name not in names_called(call)}
    for call in rest.values():
        name = call.name.lower()
        exact = is_exact(name, low)
        if stem and (exact or core(call.name) == core(gradient.name) != set()):
            score = (8 if exact else 7) + 3 * is_loss(name)
        elif is_loss(name) and gradient.needs and set(call.needs) >= set(gradient.needs):
            score = 9  # backward_generator(z) of g_loss(z): it takes no dout
        elif stem and len(low) > 3 and name.endswith(low):
            score = 6  # derivatives_from_image of error_from_image
        elif stem and (name.startswith(low) or low.endswith(name)) or not stem and LOSS.fullmatch(name):
            score = 5 if name in ("loss", "cost") else 4
        elif re.fullmatch(FORWARD, name) and (not stem or low in ("batch", "mini_batch")):
            score = 6 if "forward" in name or name == "__call__" else 5
        else:
            continue
        score += 3 * bool(LOSS.fullmatch(name) and not gradient.needs)  # it takes no dout
        sides = sides_in(gradient.name), sides_in(call.name)
        score += 4 * (sides[0] == sides[1]) - 4 if all(sides) else 0
        alias = any(map(TARGET.fullmatch, call.needs))
        own = [n for n in known if n in (*call.needs, *flat(call.returns)) or alias and TARGET.fullmatch(n)]
        targets = [n for n in known if TARGET.fullmatch(n) and n not in own]
        if stem and gives_output(call, gradient):
            targets = []
        unknown = [n for n in known if n not in (*own, *targets) and not DOUT.fullmatch(n) and len(known) > 1]
        score -= 3 * len(unknown) * bool(LOSS.fullmatch(name))
        ranked.append((score + 3 * len(own) - 4 * len(targets), call, targets))
    if not ranked and not stem and any(map(DOUT.fullmatch, known)):  # the only other method that returns something
        fitting = [call for call in rest.values() if call.returns and call.needs]
        ranked = [(0, call, []) for call in fitting if len(fitting) == 1]
    if not ranked and stem and not LOSS.fullmatch(gradient.name):
        # vae_sample_backward(dz, logvar, eps) of vae_forward(mu, logvar, eps)
        own = {n for n in known if not DOUT.fullmatch(n)}
        fitting = [call for call in rest.values() if own and own <= set(call.needs)]
        ranked = [(0, call, []) for call in fitting if len(fitting) == 1 < len(gradient.needs) > len(own)]
    exact = max((score for score, call, _ in ranked if call.name.lower() == low), default=None)
    if stem and exact is not None:  # not the derivative of another loss
        ranked = [item for item in ranked if item[0] >= exact or not is_loss(item[1].name)]
    for _, call, targets in sorted(ranked, key=lambda item: -item[0])[:3]:
        if targets and not LOSS.fullmatch(call.name):
            chained = [loss for loss in losses if loss is not call and any(map(TARGET.fullmatch, loss.needs))]
            alternatives += [(call, loss) for loss in chained]
        unknown = {n for n in known if n not in call.needs and not TARGET.fullmatch(n)}
        if is_loss(call.name) and len(set(call.needs) - set(known)) == 1 and unknown:  # y_hat, of linreg(X, w, b)
            made = [first for first in rest.values() if unknown <= set(first.needs) <= set(known)]
            alternatives += [(first, call) for first in made]
        if is_loss(call.name) and unknown:  # gradients(A, X, y), with A = model(X, w, b) and loss(A, y)
            made = {first.name: first for first in rest.values() if set(flat(first.returns)) & set(known)}
            alternatives += [(first, call) for first in made.values() if unknown <= set(first.needs) - set(call.needs)]
        if is_loss(call.name) and any(map(CACHE.fullmatch, gradient.needs)):  # what forward(params, X) returns
            first = [f for f in rest.values() if re.fullmatch(FORWARD, f.name.lower()) and not is_loss(f.name)]
            alternatives += [(f, call) for f in first if set(f.needs) <= {*known, *call.needs}]
        if is_loss(call.name) and not call.needs and not gradient.needs:  # what it compares is kept in the object
            alternatives += [(first, call) for first in rest.values() if re.fullmatch(FORWARD, first.name.lower())]
        if not targets or len(gradient.needs) == len(call.needs) or any(map(DOUT.fullmatch, known)):
            alternatives.append((call,))
    if not any(
        map(DOUT.fullmatch, set(gradient.needs) - {"y"})
    ):  # of losses, one a sample, it may be that of their sum
        apart = [value for value in alternatives if is_loss(value[-1].name) and not adds_samples(value[-1])]
        alternatives += [(*value, total) for value in apart for total in totals()[:1]]
    if not alternatives and isinstance(ufunc := getattr(np, low, None), np.ufunc) and ufunc.nin == 1:
        alternatives.append((Call(low, ("x",), (None,), None, lambda x: ufunc(x)),))  # tanh_derivative of np.tanh
    return alternatives


def names_called(call):
    """The names of the functions that a function calls."""
    functions = [part.func for part in walk_own(call.node) if isinstance(part, ast.Call)] if call.node else []
    return {getattr(function, "attr", getattr(function, "id", "")) for function in functions}


def adds_samples(loss):
    """Does a loss add up over something, by its source?"""
    return loss.node is None or bool(re.search(r"sum\(|mean\(|average|norm|dot|@|\+=", ast.unparse(loss.node)))


def totals():
    """The Calls that make one number of losses, one a sample: their sum, or their mean."""
    return [Call(name, ("losses",), (None,), None, function) for name, function in TOTALS.items()]


def is_exact(name, stem):
    """Is it what a stem is the gradient of, by its whole name: linear, or linear_forward?"""
    return name == stem or re.fullmatch(rf"{re.escape(stem)}_?{FORWARD}|{FORWARD}_?{re.escape(stem)}", name)


def is_of_another(value, stem, stems):
    """Is linear_activation_forward for linear_backward the value of another gradient, by its whole name?"""
    name, others = value[0].name.lower(), {other.lower() for other in stems if other} - {stem.lower()}
    return len(value) == 1 and bool(stem) and any(is_exact(name, other) for other in others)


def core(name):
    """The words of a name that say what it is about: {"reg"} of gradient_reg and of costFunctionReg."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)
    return {word.lower() for word in words} - COMMON_WORDS


def gives_output(call, gradient):
    """Is y of f_vjp(v, y) the output of f(x), and no target?"""
    known = {*call.needs, *flat(call.returns)}
    return len(gradient.needs) == 2 and not known & set(gradient.needs) and not LOSS.fullmatch(call.name)


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


def sides_in(name):
    """The players, "d" and "g", that a name speaks of."""
    same = {"disc": "d", "critic": "d", "gen": "g"}
    found = re.findall(r"(?:^|_)(?:(disc(?!ount)|critic|gen)[a-z]*(?:_|$)|([dg])(?!rad)(?=_|$|[a-z]*$))", name.lower())
    return {same.get(side, side) for pair in found for side in pair if side}


def gives_both(call, module):
    """Does it return a value and a gradient, by its source, or nothing yet, or what another one returns that does?"""
    if f"{call.name}_by_definition" in vars(module):
        return True
    moves = set(map(str, call.returns)) & set(call.needs)  # theta, c = descend(theta, c)
    if (
        call.node is None
        or NO_LOSS.fullmatch(call.name)
        or re.search("(a|de)scent", call.name)
        or moves
        and not LOSS.fullmatch(call.name)
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


def game(methods):
    """Return the Forms of a penalty, or of a GAN as in ``gan.py``, or []."""
    needs = {name: required(method)[1:] for name, method in methods.items()}
    if needs.get("__call__", ())[-3:] == ("discriminator", "x_real", "x_fake"):
        return [Form("penalty", ((Call("__call__", needs["__call__"], (), None),),), None)]
    if needs.get("discriminator_step") == ("x_real", "x_fake") and needs.get("generator_step") == ("x_fake",):
        return [Form(p, ((Call(f"{p}_step", (), (), None),),), None) for p in ("discriminator", "generator")]
    return []


# ---- targets -------------------------------------------------------------------------------------------


def targets(module):
    """Return {name: Target} of all that can be checked among what a module defines itself."""
    nodes = {n.name: n for n in tree_of(module).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    for n in tree_of(module).body:
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Lambda):
            nodes |= {t.id: n for t in n.targets if isinstance(t, ast.Name)}
    own = {name: vars(module)[name] for name in nodes if name in vars(module)}
    functions = {
        name: f for name, f in own.items() if isinstance(f, types.FunctionType) and not name.endswith("_by_definition")
    }
    rules = {name: f for name, f in functions.items() if is_rule(name, required(f))}
    found = {name: Target(name, f, None, (Form("rule", (), None),), module, "") for name, f in rules.items()}
    for form in forms({name: f for name, f in functions.items() if name not in rules}, module):
        if not form.name.startswith("_") or form.kind == "pair" or LOSS.fullmatch(form.name):
            before = found[form.name].forms if form.name in found else ()  # a step of both players
            new = of_function(form, functions[form.name], module)
            found[form.name] = new._replace(forms=(*before, form))
    for name, thing in own.items():
        if isinstance(thing, type) and not name.startswith("_"):
            target = of_class(thing, module, nodes[name])
            gradients = [form.gradient.node for form in target.forms if form.gradient and form.gradient.node]
            empty = inspect.isabstract(thing) or any(map(is_unfilled, [nodes[name], *gradients]))
            empty = empty or gradients and all(map(is_empty, gradients))
            if target.forms and not (is_base(thing, module) and empty):
                found[name] = target
    return left_over({name: found[name] for name in nodes if name in found}, own, module)


def left_over(found, own, module):
    """Add to {name: Target} the gradients that go with nothing, and are called by nothing that is checked."""
    bodies = {}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef):
            bodies.setdefault(node.name, []).append(node)
    everywhere = names_used([form for target in found.values() for form in target.forms], bodies)
    for name, thing in own.items():
        kind = isinstance(thing, type)
        known = names_used(found[name].forms if name in found else (), bodies) if kind else everywhere
        own_kinds = {form.kind for form in found[name].forms} <= {"pair", "both", "step"} if name in found else True
        methods = {} if is_base(thing, module) or not own_kinds else vars(thing) if kind else {name: thing}
        left = tuple(k for k, f in methods.items() if k not in known and (is_gradient(k, f) or adds_to_gradients(f)))
        if left:
            target = found.get(name, Target(name, thing, thing if kind else None, (), module, ""))
            found[name] = target._replace(left=left)
    return found


def is_base(kind, module):
    """Is it a class on which another one of the module builds?"""
    return any(isinstance(other, type) and kind in other.__mro__[1:] for other in vars(module).values())


def names_used(forms, bodies):
    """All names that the functions of these Forms speak of, and the functions of these names, and so on."""
    calls = [call for form in forms for value in (*form.values, (form.gradient,)) for call in value if call is not None]
    used = {call.name for call in calls}
    waiting = [node for call in calls for node in ([call.node] if call.node else bodies.get(call.name, []))]
    while waiting:
        names = {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(waiting.pop())} - used
        used |= names
        waiting += [body for name in names for body in bodies.get(name, ())]
    return used


def is_gradient(name, function):
    """Is it a function that computes a gradient, by its name, and not by nudging?"""
    node = node_of(function) if isinstance(function, types.FunctionType) else None
    return bool(node and not is_empty(node) and GRADIENT.fullmatch(name) and not NO_GRADIENT.fullmatch(name))


def adds_to_gradients(function):
    """Does it add to what is called a gradient: ``self.param.W_diff += ...``?"""
    node = node_of(function) if isinstance(function, types.FunctionType) else None
    parts = [part.target for part in (walk_own(node) if node else ()) if isinstance(part, ast.AugAssign)]
    names = [getattr(part, "attr", getattr(part, "id", "")) for part in parts]
    return any(re.fullmatch(r"\w+_(diff|grad)", name) for name in names)


def is_rule(name, needs):
    """Is a function with these arguments one step of an optimizer?"""
    given = GRADIENTS.intersection(map(str.lower, needs)) and len(needs) > 1
    given = given and sum(named_after(g, name) == 3 for g in needs for name in needs if g != name) < 2  # W, b, dW, db
    return bool(given and (RULE.fullmatch(name) or "update" in name) and not LOSS.fullmatch(name))


def of_function(form, function, module):
    """Return the Target of one Form among a module's functions."""
    nodes = {call.name: call.node for value in form.values for call in value}
    nodes = ({form.name: form.gradient.node} if form.gradient else {}) | nodes
    return Target(form.name, function, None, (form,), module, text_about(module, nodes.values()))


def of_class(kind, module, node=None):
    """Return the Target of a class."""
    methods = {}
    for base in reversed(kind.__mro__):
        for name, method in vars(base).items():
            method = getattr(method, "__func__", method)
            public = name == "__call__" or not name.startswith(("__", "tangent"))  # tangents: see lesson 13's tests
            if isinstance(method, types.FunctionType) and public:
                methods[name] = method
    if RULE.fullmatch(kind.__name__) and set(STEPS_OF_A_RULE) & set(methods):
        return Target(kind.__name__, kind, kind, (Form("rule", (), None),), module, "")
    found = game(methods) or forms(methods, module)
    return Target(kind.__name__, kind, kind, tuple(found), module, text_about(module, [node]))

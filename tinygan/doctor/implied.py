"""Losses that nobody has written: what a backward pass may mean that names none, what a player usually goes down."""

from __future__ import annotations

import ast
import re

import numpy as np

from tinygan.doctor.calls import Call, Form, call_of, sides_of
from tinygan.doctor.feeding import TARGETS
from tinygan.doctor.names import LOOP, STEP, is_loss
from tinygan.doctor.source import own_classes, required, walk_own

# fmt: off
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


def totals():
    """The Calls that make one number of losses, one a sample: their sum, or their mean."""
    return [Call(name, ("losses",), (None,), None, function) for name, function in TOTALS.items()]


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


def of_activation(gradient, calls, module):
    """The value of ``grad(y, y_pred, z, act_fn)``: the loss of act_fn(z), for an activation of the module; or ()."""
    act = next((name for name in gradient.needs if re.fullmatch(r"act(ivation)?(_?f\w*)?", name)), "")
    losses = [call for name, call in calls.items() if is_loss(name) and len(call.needs) == 2]
    losses = [loss for loss in losses if {*loss.needs, "z", act} == {*gradient.needs}]
    kinds = [kind for kind in own_classes(module) if hasattr(kind, "grad") and not required(kind)]
    kinds = [kind for kind in kinds if {"fn", "__call__"} & {name for base in kind.__mro__ for name in vars(base)}]
    kinds.sort(key=lambda kind: not re.search("tanh|sigmoid", kind.__name__, re.I))  # without corners
    if not act or not losses or not kinds:
        return ()
    out, target = sorted(losses[0].needs, key=lambda name: bool(TARGETS.fullmatch(name)))

    def run(thing, **given):
        made = kinds[0]()
        y_pred = (made.fn if hasattr(made, "fn") else made)(given["z"])
        return getattr(thing, losses[0].name)(**{out: y_pred, target: given[target]}), y_pred, made

    return ((Call(f"loss of {act}(z)", ("z", target), ("loss", out, act), None, run, bound=True),),)


# of policy_backward(eph, epdlogp)
EPISODE = {"states": r"ep_?h\w*|hs", "slopes": r"ep_?d\w*|dlog\w*", "inputs": r"ep_?x\w*|xs"}


def of_policy(gradient, calls, module):
    """The value of the gradient of a policy that is run step by step, and whose gradient is that of a whole episode.

    Forward makes (p, h) of one observation, with p = sigmoid(s); backward takes all h, and the slopes d of the loss in
    the logits s: it is the gradient of Σ_n d_n s_n. () if it is none. The observations may be a global, epx.
    """
    forward = next((call for call in calls.values() if re.fullmatch("policy_?(forward|fwd)", call.name, re.I)), None)
    code = getattr(getattr(module, gradient.name, None), "__code__", None)
    needs = [name for name in (*gradient.needs, *(code.co_names if code else ())) if name not in calls]
    meant = {name: kind for name in needs for kind, pattern in EPISODE.items() if re.fullmatch(pattern, name)}
    if forward is None or len(forward.needs) != 1 or set(meant.values()) != {*EPISODE} or len(meant) != 3:
        return ()

    def run(observations):
        for scale in (1, 0.1, 0.01, 0.001):  # where p is nearly 1, its logit has few digits
            seen = scale * observations
            results = [getattr(module, forward.name)(x) for x in seen]
            p = np.array([np.squeeze(result[0]) for result in results])
            if np.all(np.abs(p - 0.5) < 0.499):
                break
        slopes = np.cos(np.arange(len(p)))
        episode = {"states": np.array([r[1] for r in results]), "slopes": slopes[:, None], "inputs": seen}
        for name in set(meant) - set(gradient.needs):
            setattr(module, name, episode[meant[name]])
        return slopes @ np.log(p / (1 - p)), *(episode[kind] for kind in meant.values())

    run.runs = getattr(module, forward.name)  # whose globals are the parameters
    return ((Call("the episode", ("observations",), ("loss", *meant), None, run),),)


def of_one_sample(loss, function):
    """The value of a gradient of one sample beside a loss of many: of a list of one; () if it takes no lists."""
    parts = [part for part in (ast.walk(loss.node) if loss.node else ()) if isinstance(part, ast.Subscript)]
    indexed = {ast.unparse(part.value) for part in parts if isinstance(part.slice, ast.Name)}  # x[i], y[i]
    if not is_loss(loss.name) or len(loss.needs) < 2 or not set(loss.needs) <= indexed:
        return ()

    def run(thing, **given):
        return function(thing, **{name: [value] for name, value in given.items()})

    return ((Call(f"{loss.name} of one sample", loss.needs, loss.returns, None, run, bound=True),),)


def training(calls, losses):
    """The Form of ``train(x, y)`` that adds up over samples, and has a method move the weights; [] if there is none.

    It goes down a loss beside the class, or a usual one, of what another method makes of x.
    """
    train = calls.get("train")
    same = [call for name, call in calls.items() if train is not None and is_loss(name) and call.needs == train.needs]
    if same:
        return [Form("step", ((same[0],),), train)]
    own = any(loss.function is None for loss in losses)  # and the class has a loss, which is another matter
    if own or train is None or train.node is None or not any(map(TARGETS.fullmatch, train.needs)):
        return []
    beside = [loss for loss in losses if not all(map(TARGETS.fullmatch, loss.needs))]  # mse(y, Y) does not say which
    beside = beside or [call_of(name, loss, False) for name, loss in IMPLIED.items()]
    called = {getattr(part.func, "attr", "") for part in walk_own(train.node) if isinstance(part, ast.Call)}
    data = [(name,) for name in train.needs if not TARGETS.fullmatch(name)]
    values = [(call, loss) for call in calls.values() if call.needs in data and call.returns for loss in beside]
    moves = any(STEP.fullmatch(name) for name in called & set(calls)) and not any(map(LOOP.fullmatch, train.needs))
    return [Form("step", tuple(values), train)] * bool(moves and values)

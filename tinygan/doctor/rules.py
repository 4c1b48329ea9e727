"""Hold an optimizer against its published rule: the same gradients, a few steps, the same parameters.

Each rule is written once here, with what may be chosen about it. What follows none of the choices is WRONG, and is
compared with the rule as it is after each of the usual mistakes. Polyak 1964, Nesterov 1983, Duchi et al. 2011
(AdaGrad), Tieleman and Hinton 2012 (RMSprop), Zeiler 2012 (AdaDelta), Kingma and Ba 2015 (Adam, Adamax), Loshchilov and
Hutter 2019 (AdamW).
"""

from __future__ import annotations

import copy
import inspect
import re
import types
from itertools import product

import numpy as np

from tinygan.doctor import feeding
from tinygan.doctor.arrays import GRADIENTS, fit, is_gradient_name, leaves, named_after
from tinygan.doctor.names import CLIP, RATE, STEPS_OF_A_RULE
from tinygan.doctor.sandbox import Stopped, call, where
from tinygan.doctor.source import node_of, own_classes, required, text_about
from tinygan.doctor.subject import Fact
from tinygan.gradcheck import compare

STEPS, TOLERANCE = 4, 1e-5
CLOCK = r"t|n?_?iter\w*|\w*steps?|count\w*"  # the number of the step
NAMES = ("W1", "b1", "W2", "b2")
NUMBERS = (int, float, dict)
HOLDS = "dict|dict, d|nested|list|array|objects|couples|owned|owned, by name|one by one|pairs|apart|layer|net"
HOLDS = HOLDS.split("|")
# fmt: off
KINDS = {  # what the name says: the rules that it may mean
    r"adam_?w": ["adamw"], r"n_?adam": ["nadam"], r"ada_?max": ["adamax"], r"adam": ["adam", "adamw"],
    r"ada_?delta": ["adadelta"], r"ada_?grad": ["adagrad"], r"rms": ["rmsprop"], r"nesterov|nag": ["nesterov"],
    r"momentum": ["momentum"], r"": ["sgd", "momentum", "nesterov"],
}
MISTAKES = {  # change of a rule: (name, meaning, what to look at)
    "forget": ("memory lost", "every step begins with an empty memory, as if it were the first", "v is made once, before the first step, and kept: v = μ v + g"),
    "stop": ("clock stopped", "the bias correction is that of the same t in every step", "t = 1, 2, 3, ...: count the steps, m̂ = m/(1 - β₁ᵗ), v̂ = v/(1 - β₂ᵗ)"),
    "run": ("clock too fast", "t is counted once for each parameter, and not once for each step", "t += 1 stands before the loop over the parameters"),
    "uncorrected": ("bias correction missing", "the averages begin at zero, and are used as they are", "m̂ = m/(1 - β₁ᵗ), v̂ = v/(1 - β₂ᵗ)"),
    "v uncorrected": ("bias correction missing", "m is corrected, v is not", "v̂ = v/(1 - β₂ᵗ)"),
    "m uncorrected": ("bias correction missing", "v is corrected, m is not", "m̂ = m/(1 - β₁ᵗ)"),
    "power": ("wrong power", "the bias correction is a power of 1 - β, and must be 1 minus a power of β", "m̂ = m/(1 - β₁ᵗ), v̂ = v/(1 - β₂ᵗ); not (1 - β)ᵗ"),
    "v power": ("wrong power", "the bias correction of v is a power of 1 - β₂, and must be 1 minus a power of β₂", "v̂ = v/(1 - β₂ᵗ), not v/(1 - β₂)ᵗ"),
    "m power": ("wrong power", "the bias correction of m is a power of 1 - β₁, and must be 1 minus a power of β₁", "m̂ = m/(1 - β₁ᵗ), not m/(1 - β₁)ᵗ"),
    "no root": ("square root missing", "the step is divided by the mean square itself", "w -= lr · m/(√v + ε)"),
    "β1 for β2": ("wrong decay rate", "the mean of g² decays with β₁, and must with β₂", "v = β₂ v + (1 - β₂) g²"),
    "β2 for β1": ("wrong decay rate", "the mean of g decays with β₂, and must with β₁", "m = β₁ m + (1 - β₁) g"),
    "β1 and β2": ("wrong decay rate", "β₁ and β₂ are exchanged", "m = β₁ m + (1 - β₁) g, v = β₂ v + (1 - β₂) g²"),
    "v̂ by β1": ("wrong decay rate", "the bias correction of v takes β₁, and v decays with β₂", "v̂ = v/(1 - β₂ᵗ)"),
    "m̂ by β2": ("wrong decay rate", "the bias correction of m takes β₂, and m decays with β₁", "m̂ = m/(1 - β₁ᵗ)"),
    "1 - β": ("decay the wrong way round", "the old average has the weight 1 - β, the new gradient β", "v = β v + (1 - β) g²: the old has the large weight"),
    "|g|": ("square missing", "the second average is of |g|, and must be of g²", "v = β₂ v + (1 - β₂) g²"),
    "g": ("square missing", "the second average is of g itself, and must be of g²: where g is negative, it has no root", "v = β₂ v + (1 - β₂) g²"),
    "m²": ("wrong average", "the second average is of m², and must be of g²", "v = β₂ v + (1 - β₂) g²: the square of the gradient, not of its average"),
    "g²": ("wrong average", "the average of the squared steps is fed with the squared gradient", "E[Δ²] = ρ E[Δ²] + (1 - ρ) Δ²: the step that was taken, not g²"),
    "stored": ("corrected average stored", "the corrected average takes the place of the average: the next step corrects it again", "m and v are kept as they are; m̂ = m/(1 - β₁ᵗ) and v̂ = v/(1 - β₂ᵗ) are variables of the step"),
    "late": ("clock too late", "the first step takes t = 0: the bias correction divides by 1 - β⁰ = 0", "t += 1 stands before the correction: t = 1 in the first step"),
    "ahead": ("clock ahead", "the bias correction takes t + 1", "t = 1 in the first step: m̂ = m/(1 - β₁ᵗ), v̂ = v/(1 - β₂ᵗ)"),
    "never forgets": ("decay missing", "the old average is kept whole", "v = ρ v + (1 - ρ) g²: the old one times ρ"),
    "lr twice": ("learning rate twice", "the step is multiplied by the learning rate twice", "v = μ v + g, w -= lr · v; or v = μ v + lr · g, w -= v"),
    "grows": ("wrong sign of the decay", "the weights grow by the decay", "g + λ w, or w -= lr · λ w: both make w smaller"),
    "uphill": ("wrong sign", "the step goes up the loss", "w -= lr · g: against the gradient"),
    "no lr": ("learning rate missing", "the step does not contain the learning rate", "w -= lr · ..."),
    "behind": ("look-ahead missing", "this is plain momentum: the step does not look ahead", "w -= lr · (g + μ v) with v = μ v + g; in the form -μ v_old + (1 + μ) v the old v is that of the step before"),
    "unweighted": ("weight of the new gradient missing", "the new g² is added with the weight 1, and must have 1 - ρ", "v = ρ v + (1 - ρ) g²"),
    "coupled": ("weight decay in the gradient", "the decay goes through the averages, as L2 does in Adam", "AdamW: w -= lr · λ w, apart from the step that Adam makes of g alone"),
    "divided": ("weight decay divided", "the decay is divided by √v̂ + ε like the gradient: it is not decoupled from it", "AdamW: w -= lr · (m̂/(√v̂ + ε) + λ w): the decay is added outside the fraction"),
}
# fmt: on
CHOICES = {
    "mean": (False, True),
    "inside": (False, True),
    "folded": (False, True),
    "times lr": (True, False),
    "l2": (False, True),
    "matrices": (False, True),  # are decayed, and biases are not
}
STYLES = [dict(zip(CHOICES, choice, strict=True)) for choice in product(*CHOICES.values())]


# ---- the rules -------------------------------------------------------------------------------------------


def follow(kind, style, h, start, gradients, mistake=""):
    """Return how far all parameters are from their start after each step, as one vector."""
    ws, path, memory, clock = [w.copy() for w in start], [], [(0.0, 0.0) for _ in start], 0
    for t, gs in enumerate(gradients, 1):
        for i, g in enumerate(gs):
            clock += 1
            wd = h["wd"] * (-1 if mistake == "grows" else 1) * (ws[i].ndim > 1 or not style["matrices"])
            g = g + wd * ws[i] * (style["l2"] or mistake == "coupled")
            m, v = (0.0, 0.0) if mistake == "forget" else memory[i]
            now = {"stop": 1, "run": clock, "late": t - 1, "ahead": t + 1}.get(mistake, t)
            decay = wd * ws[i] * (mistake == "divided")
            step, *memory[i] = one(kind, style, h, g, m, v, now, mistake, decay)
            lr = 1 if mistake == "no lr" or kind == "adadelta" and not style["times lr"] else h["lr"]
            lr *= h["lr"] if mistake == "lr twice" else 1
            if kind == "adamw" and mistake not in ("coupled", "divided"):
                ws[i] = ws[i] - wd * ws[i] * (h["lr"] if style["times lr"] else 1)
            ws[i] = ws[i] + (lr if mistake == "uphill" else -lr) * step
        path.append(list(ws))
    return distances(path, start)


def one(kind, style, h, g, m, v, t, mistake, decay=0.0):
    """Return (what is multiplied by lr and subtracted, the new m, the new v). decay: what Adam adds to its m̂."""
    b1, b2, eps = h["b1"], h["b2"], h["eps"]
    c1, c2 = {"v̂ by β1": (b1, b1), "m̂ by β2": (b2, b2)}.get(mistake, (b1, b2))  # of the bias correction
    b1, b2 = {"β1 for β2": (b1, b1), "β2 for β1": (b2, b2), "β1 and β2": (b2, b1)}.get(mistake, (b1, b2))
    if mistake == "no root":
        root = lambda v: v + eps  # noqa: E731
    else:
        root = (lambda v: np.sqrt(v + eps)) if style["inside"] else (lambda v: np.sqrt(v) + eps)
    if kind == "sgd":
        return g, m, v
    if kind in ("momentum", "nesterov"):
        m = b1 * m + (1 - b1 if style["mean"] else 1) * g
        return (g + b1 * m if kind == "nesterov" and mistake != "behind" else m), m, v
    square = {"|g|": np.abs(g), "g": g}.get(mistake, g * g)
    if kind == "adagrad":
        v = v + square
        return g / root(v), m, v
    weights = {"1 - β": (1 - b2, b2), "unweighted": (b2, 1), "never forgets": (1, 1 - b2)}
    before, (old, new) = v, weights.get(mistake, (b2, 1 - b2))
    if kind in ("adam", "adamw", "adamax", "nadam"):
        m = (1 - b1) * m + b1 * g if mistake == "1 - β" else b1 * m + (1 - b1) * g
    v = old * v + new * (m * m if mistake == "m²" else square)
    if kind == "rmsprop":
        return g / root(v), m, v
    if kind == "adadelta":
        step = np.sqrt(m + eps) / np.sqrt(v + eps) * g
        return step, b2 * m + (1 - b2) * (square if mistake == "g²" else step * step), v
    if kind == "adamax":
        v = np.maximum(b2 * before, np.abs(g))
    first = 1 if mistake in ("uncorrected", "m uncorrected") else 1 - c1**t
    second = 1 if mistake in ("uncorrected", "v uncorrected") else 1 - c2**t
    first = (1 - c1) ** t if mistake in ("power", "m power") else first
    second = (1 - c2) ** t if mistake in ("power", "v power") else second
    if mistake == "stored":
        m, v, first, second = m / first, v / second, 1, 1
    if kind == "adamax":
        return m / first / (v + eps), m, v
    if kind == "nadam":
        ahead = 1 - c1 ** (t + 1) if style["mean"] else first  # of the next m, in Dozat's own
        return (b1 * m / ahead + (1 - b1) * g / first) / root(v / second), m, v
    if style["folded"]:
        return m / first * np.sqrt(second) / (np.sqrt(v) + eps), m, v
    return (m / first + decay) / root(v / second), m, v


def distances(path, start):
    """How far the parameters are from their start after each step, as one vector."""
    return np.concatenate([np.ravel(w) - s.ravel() for ws in path for w, s in zip(ws, start, strict=False)])


# ---- how it is called --------------------------------------------------------------------------------------


WRONG_NORMS = {  # of the norms of all arrays, and the arrays
    "the sum of the norms of the arrays": lambda norms, _: norms.sum(),
    "the sum of the squares, without its root": lambda norms, _: np.sum(norms**2),
    "the largest norm of the arrays": lambda norms, _: norms.max(),
    "the sum of the absolute values": lambda _, arrays: np.abs(joined(arrays)).sum(),
    "the largest entry": lambda _, arrays: np.abs(joined(arrays)).max(),
    "the root of the mean square": lambda norms, arrays: np.sqrt(np.sum(norms**2) / joined(arrays).size),
    "the norm of the last array": lambda norms, _: norms[-1],
}


class Clip:
    """What a function must do that clips gradients by their norm: all by that of all, or each by its own.

    Pascanu, Mikolov and Bengio 2013, algorithm 1: g ← g · c/‖g‖ where ‖g‖ > c.
    """

    def __init__(self, target):
        rng, self.target = np.random.default_rng(3), target
        self.gradients = [feeding.signed(rng, shape, 0.3, 2) for shape in ((3, 2), 2)]

    def nearest(self, got, limit):
        """Return the one of the two ways that is nearer to what was got."""
        norms = np.array([np.linalg.norm(g) for g in self.gradients])
        factors = (np.full(2, np.linalg.norm(norms)), norms)
        both = ([g * min(1, limit / n) for g, n in zip(self.gradients, every, strict=True)] for every in factors)
        return min(map(joined, both), key=lambda way: np.linalg.norm(way - got))

    def run(self):
        """Return [(limit, what becomes of the gradients)] for a limit below their norm, and for one above."""
        found = []
        for limit in (1.0, 100.0):
            for box in (list, lambda gs: dict(zip(NAMES, gs, strict=False))):
                given = box([g.copy() for g in self.gradients])
                try:
                    result = call(self.target.thing, given, limit)
                    parts = result if isinstance(result, tuple) else (result,)
                    kept = next((part for part in parts if isinstance(part, (list, dict))), given)
                    found.append((limit, joined(kept.values() if isinstance(kept, dict) else kept)))
                    break
                except (Stopped, ValueError, TypeError, AttributeError):
                    continue
        return found

    def mistaken(self, found):
        """Return the words on the norm that is taken in place of the right one, or None."""
        norms = np.array([np.linalg.norm(g) for g in self.gradients])
        for text, norm in WRONG_NORMS.items():
            factors = [min(1, c / norm(norms, self.gradients)) for c, _ in found]
            if all(
                np.allclose(got, f * joined(self.gradients), rtol=1e-4)
                for f, (_, got) in zip(factors, found, strict=True)
            ):
                return (
                    "wrong norm",
                    f"it is cut off by {text}",
                    "‖g‖ = √(Σ g²) over all entries of all arrays; g · c/‖g‖",
                )
        return None

    def followed(self, found):
        """Is it one of the two ways, for both limits?"""
        return len(found) == 2 and all(np.allclose(got, self.nearest(got, limit), rtol=1e-4) for limit, got in found)


def joined(arrays):
    """All entries of some arrays, one after the other."""
    return np.concatenate([np.ravel(array) for array in arrays])


def examine_clipping(report, clip):
    """Add to a report what is found about a clipping of gradients."""
    found = clip.run()
    report.rows += [compare(f"with the limit {c:g}", got, clip.nearest(got, c), 1e-4) for c, got in found]
    if len(found) < 2:
        report.unchecked.append(clip.target.name)
        report.errors.append(Stopped(f"{where(clip.target.thing)}: it is not clear what {clip.target.name} takes"))
    elif not clip.followed(found):
        report.optimizers.append((clip.mistaken(found), clip, clip.run))


def step_of(target):
    """The method by which an optimizer takes its steps: of update, which calls step for each parameter, the former."""
    names = [name for name in STEPS_OF_A_RULE if hasattr(target.owner, name)]
    own = {name: [vars(kind)[name] for kind in target.owner.__mro__ if name in vars(kind)] for name in names}
    texts = {name: text_about(target.module, [node_of(f) for f in functions]) for name, functions in own.items()}
    outer = [name for name in names if any(f"self.{other}(" in texts[name] for other in names if other != name)]
    return [*outer, *names][0]


class Parameter:
    """What some optimizers are given: ``data`` (or value), and its ``grad``."""

    def __init__(self, array):
        self.data = self.value = array
        self.grad = np.zeros_like(array)


def run(target, hold, state, start, gradients, hyper):
    """Return (the parameters after each step, {name: number} where the hyperparameters stand); Stopped if it cannot run.

    hold  how parameters and gradients are held: in a "dict" (or the gradients' keys begin with "d"), "nested" in a list
          of [W, b], a "list", as one "array", as "objects" with data and grad or "couples" of both arrays, as arrays
          "owned" by the optimizer (or "by name"), handed over "one by one" or as "pairs" of both, in a "layer" with
          weights, biases, dweights and dbiases, in a "net" of layers with params and grads, or in the states of three
          functions that are "made", init, update and get_params
    """
    known, rate, thing, step = {}, {}, None, target.thing
    params, slopes, own = [w.copy() for w in start], [np.zeros_like(w) for w in start], None
    if target.owner is not None:
        kind = next(
            (k for k in own_classes(target.module) if k.__name__ in ("Parameter", "Param", "Tensor")),
            Parameter,
        )
        objects = [call(kind, w) for w in params]
        for name in [p.name for p in inspect.signature(target.thing).parameters.values() if p.default is p.empty]:
            options = feeding.for_constructor(name, 0)
            known[name] = feeding.realize(options[0], dict(feeding.SIZES), np.random.default_rng(0), "near")
            if re.search(rf"\bself\.{name}\(", getattr(target.module, "source_text", "")):  # a schedule
                number = 0.9 if re.search("momentum|mu", name) else 0.1
                known[name], rate = lambda t=0, number=number: number, rate | {name: number}
            again = name in arguments(getattr(target.thing, step_of(target)))  # __init__(self, P), step(self, P, g)
            if again or re.fullmatch(r"param\w*|weights|model_params|variables|theta", name):
                own = name
                named = dict(zip(NAMES, params, strict=False))
                couples = list(zip(params, slopes, strict=True))
                held_so = {"owned": params, "list": params, "couples": couples}
                held_so |= dict.fromkeys(("owned, by name", "dict", "dict, d"), named)
                known[name] = held_so.get(hold, objects)
        thing = call(target.thing, **{**known, **{k: v for k, v in hyper.items() if k in defaults(target.thing)}})
        step = getattr(thing, step_of(target))
    free = [name for name in required(step)[hold != "objects" :] if is_hyper(name)] if target.owner else []
    rate |= {name: 0.1 for name in free if RATE.fullmatch(name)}
    net = types.SimpleNamespace()
    box = dict.fromkeys(("list", "one by one", "owned", "couples", "pairs", "apart", "net", "made"), list) | {
        "nested": lambda arrays: [list(arrays[i : i + 2]) for i in range(0, len(arrays), 2)],
        "array": lambda arrays: arrays[0],
    }
    box = box.get(hold, lambda arrays: dict(zip(NAMES, arrays, strict=False)))
    params, path = box(params), []
    if hold == "made":
        init, update, get_params = call(target.thing)
        kept = [call(init, w) for w in params]
    layer = types.SimpleNamespace(weights=start[0].copy(), biases=start[1].copy())
    for t, gs in enumerate(gradients, 1):
        gs, beside = [g.copy() for g in gs], {name: 0.1 if RATE.fullmatch(name) else t for name in free}
        if hold == "objects":
            for parameter, g in zip(objects, gs, strict=True):
                parameter.grad = g
            call(step, **beside)
            path.append(
                [np.array(next(getattr(p, n) for n in ("data", "value", "w", "val") if hasattr(p, n))) for p in objects]
            )
        elif hold == "made":
            kept = [call(update, t - 1, g, state) for g, state in zip(gs, kept, strict=True)]
            path.append([np.array(call(get_params, state)) for state in kept])
        elif hold == "couples":
            for slope, g in zip(slopes, gs, strict=True):
                slope[...] = g
            call(step)
            path.append([w.copy() for w in params])
        elif hold == "net":
            net.params, net.grads = dict(zip(NAMES, params, strict=False)), dict(zip(NAMES, gs, strict=False))
            call(step, types.SimpleNamespace(layers=[net], params_and_grads=lambda: zip(params, gs, strict=True)))  # noqa: B023
            path.append([np.array(w) for w in net.params.values()])
        elif hold == "one by one":
            params = [np.array(call(step, name, w, g)) for name, w, g in zip(NAMES, params, gs, strict=False)]
            path.append(params)
        elif hold == "owned, by name":
            call(step, dict(zip(NAMES, gs, strict=False)), **beside)
            path.append([np.array(w) for w in getattr(thing, own or "", known[own]).values()])
        elif hold in ("owned", "pairs"):
            call(step, gs if hold == "owned" else list(zip(params, gs, strict=True)), **beside)
            path.append([np.array(w) for w in getattr(thing, own or "", params)])
        elif hold == "apart":
            names = arguments(step)
            named = [(name, d) for name in names for d in names if name != d and named_after(d, name) == 3]
            given = {name: t for name in names if re.fullmatch(r"t|step|iter\w*|epoch", name)}
            for (name, d), w, g in zip(named, params, gs, strict=True):
                given |= {name: w, d: g}
            params = list(call(step, **given) or params)
            path.append([np.array(w) for w in params])
        elif hold == "layer":
            layer.dweights, layer.dbiases = gs
            for method in ("pre_update_params", step.__name__, "post_update_params"):
                if hasattr(thing, method):
                    call(getattr(thing, method), *[layer] * (method == step.__name__))
            path.append([layer.weights.copy(), layer.biases.copy()])
        else:
            grads = {"d" + name: g for name, g in zip(NAMES, gs, strict=False)} if hold == "dict, d" else box(gs)
            result = call(step, params, grads, **{**state, **({"t": t} if "t" in state else {})})
            first, *rest = result if isinstance(result, tuple) else (result,)
            state = {**state, **dict(zip([n for n in arguments(step)[2:] if not is_hyper(n)], rest, strict=False))}
            params = params if first is None else first
            now = list(params.values()) if isinstance(params, dict) else [params] if hold == "array" else list(params)
            now = [w for pair in now for w in pair] if hold == "nested" else now
            path.append([np.array(w, dtype=float) for w in now])
    if any(np.shape(w) != s.shape for ws in path for w, s in zip(ws, start, strict=False)):
        raise Stopped(f"{where(target.thing)}: the parameters change their shape")
    own = {**defaults(target.thing), **of_class(target), **state, **getattr(thing, "__dict__", {}), **hyper}
    return path, {**of_file(target), **own, **rate}


def in_use(target):
    """Return (function that steps anew, {name: number}, start, gradients) of an optimizer that holds its network.

    It is the one that the file itself has made and stepped, ``SGD(net).step()``, with an empty memory; None if there
    is none.
    """
    name = next((name for name in STEPS_OF_A_RULE if hasattr(target.owner, name)), "")
    given = target.module.calls.get(getattr(getattr(target.owner, name, None), "__code__", None), {})
    pairs = held(given["self"]) if set(given) == {"self"} else []
    if not pairs:
        return None
    rng, start = np.random.default_rng(3), [np.array(p.value) for p, _ in pairs]
    gradients = [[feeding.signed(rng, w.shape, 0.3, 2) for w in start] for _ in range(STEPS)]

    def again():
        thing, path = copy.deepcopy(given["self"]), []
        with_parameters = {p.path[0] for p, _ in held(thing)}
        moved = {id(leaf.value) for pair in held(thing) for leaf in pair}
        for leaf in [leaf for leaf in leaves(thing) if np.ndim(leaf.value) and id(leaf.value) not in moved]:
            if leaf.path[0] not in with_parameters or isinstance(leaf.holder, (list, dict)):
                leaf.value[...] = 0
        for key in [key for key, value in vars(thing).items() if type(value) is int and re.fullmatch(CLOCK, key)]:
            setattr(thing, key, 0)
        for gs in gradients:
            for (_, place), g in zip(held(thing), gs, strict=True):
                place.value[...] = g
            call(getattr(thing, name))
            path.append([np.array(p.value) for p, _ in held(thing)])
        return path

    own = vars(given["self"])
    others = of_file(target) | defaults(target.thing) | of_class(target)
    return again, own | {k: v for k, v in others.items() if k not in own}, start, gradients


def function_in_use(target):
    """As ``in_use``, for a function that the file itself has called with parameters, gradients, and what it keeps."""
    given = target.module.calls.get(getattr(target.thing, "__code__", None), {})
    shapes = {name: [np.shape(leaf.value) for leaf in in_one_order(part)] for name, part in given.items()}
    slopes = next((n for n in given if shapes[n] and (is_gradient_name(n) or n in GRADIENTS)), None)
    params = next((name for name in given if name != slopes and shapes[name] == shapes.get(slopes)), None)
    if params is None:
        return None
    rng, start = np.random.default_rng(3), [np.array(leaf.value, float) for leaf in in_one_order(given[params])]
    gradients = [[feeding.signed(rng, w.shape, 0.3, 2) for w in start] for _ in range(STEPS)]
    clock = [name for name in given if re.fullmatch(CLOCK, name)]

    def again():
        args, path = copy.deepcopy(given), []
        kept = [params, *(name for name in given if name not in (params, slopes) and not is_hyper(name))]
        for t, gs in enumerate(gradients, 1):
            args |= {slopes: copy.deepcopy(given[slopes])} | dict.fromkeys(clock, t)
            for leaf, g in zip(in_one_order(args[slopes]), gs, strict=True):
                leaf.put_back(leaf.value, g)
            result = call(target.thing, **args)
            args |= dict(zip(kept, result if type(result) is tuple else [result] * (result is not None), strict=False))
            path.append([np.array(leaf.value) for leaf in in_one_order(args[params])])
        return path

    memory = [part for name, part in given.items() if isinstance(part, dict) and not shapes[name]]
    numbers = {name: part for name, part in given.items() if isinstance(part, (int, float))}
    return again, of_file(target) | defaults(target.thing) | dict(*memory[:1]) | numbers, start, gradients


def in_one_order(thing):
    """The Leaves of a thing, those of a dictionary by their names: gradients come in another order than parameters."""
    return sorted(leaves([thing]), key=lambda leaf: [(isinstance(part, str), part) for part in leaf.path])


def held(thing):
    """Return [(Leaf of a parameter, Leaf of its gradient)] of what stands side by side in an object's parts."""
    arrays = [leaf for leaf in leaves(thing) if isinstance(leaf.value, np.ndarray)]
    data = r"_?(in|out)(puts?)?_?|[xzah]|y_?hat|pred\w*|logits|cache\w*"  # have gradients, too, and are not moved
    others = [p for p in reversed(arrays) if not any(re.fullmatch(data, str(part), re.I) for part in p.path)]
    parameters = {id(p.value): p for p in others if not any(map(is_gradient_name, p.path))}
    found = []
    for p in reversed(parameters.values()):
        alike = [g for g in arrays if g.value is not p.value and g.value.shape == p.value.shape and fit(g.path, p.path)]
        found += [(p, max(alike, key=lambda g: fit(g.path, p.path)))] if alike else []
    return found


def states(target, start, hold):
    """Yield {argument: first value} for what a function of an optimizer keeps between its steps."""
    if target.owner is not None or hold in ("objects", "owned", "pairs", "layer", "net"):
        yield from [{}] * (target.owner is not None)
        return
    needs = list(inspect.signature(target.thing).parameters.values())[2:]
    own = [p.name for p in needs if p.default is p.empty or p.default is None]
    kept = [name for name in own if not is_hyper(name)]
    known = {
        name: 0.1 if RATE.fullmatch(name) else 1 if name in ("t", "batch_size") else 0.9
        for name in own
        if is_hyper(name)
    }
    nested = [[np.zeros_like(w) for w in start[i : i + 2]] for i in range(0, len(start), 2)]
    box = {"list": list(start), "array": start[0]}.get(hold, dict(zip(NAMES, start, strict=False)))
    for name, maker in vars(target.module).items():
        if isinstance(maker, types.FunctionType) and re.search(r"init|state|create|make", name):
            try:
                made = call(maker, box)
            except Stopped:
                continue
            yield known | dict(zip(kept, made if isinstance(made, tuple) else (made,), strict=False))
    zeros = {"list": [np.zeros_like(w) for w in start], "array": np.zeros_like(start[0]), "nested": nested}
    prefix = "d" if hold == "dict, d" else ""
    zeros = zeros.get(hold, {prefix + name: np.zeros_like(w) for name, w in zip(NAMES, start, strict=False)})
    yield from (known | option for option in ({}, dict.fromkeys(kept, zeros), {name: {} for name in kept}))


def is_hyper(name):
    """Is this the name of a hyperparameter, or of the step's number?"""
    pattern = r"t|step|iter\w*|beta\w*|b[12]|mu|momentum|rho|decay\w*|eps\w*|gamma|lamb?d?a?|weight_decay|wd|batch_size"
    return bool(RATE.fullmatch(name) or re.fullmatch(pattern, name))


def arguments(function):
    """Return the names of all arguments."""
    return list(inspect.signature(function).parameters)


def defaults(function):
    """Return {argument: its default}."""
    return {p.name: p.default for p in inspect.signature(function).parameters.values() if p.default is not p.empty}


def of_class(target, *special):
    """Return {name: value} of what stands in the class of an optimizer, and its bases; special methods if asked for."""
    kinds = [kind for kind in reversed(target.owner.__mro__) if kind is not object] if target.owner else []
    return {n: value for kind in kinds for n, value in vars(kind).items() if n[:2] != "__" or n in special}


def of_file(target):
    """Return {name: value} of the numbers, and dictionaries of them, of the file that an optimizer's code names."""
    functions = [target.thing, *of_class(target, "__init__").values()]
    named = {name for f in functions if hasattr(f, "__code__") for name in f.__code__.co_names}
    return {name: value for name, value in vars(target.module).items() if name in named and type(value) in NUMBERS}


def hyperparameters(found):
    """Return {lr, b1, b2, eps, wd} from all names and numbers that were found."""
    flat = {}
    for name, value in found.items():
        if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, float) for v in value):
            value = {"beta1": value[0], "beta2": value[1]}
        memory = isinstance(value, dict) and not set(NAMES).isdisjoint(value)  # b1 is a bias there
        flat |= {} if memory else value if isinstance(value, dict) else {name: value}
    flat = {k: v for k, v in flat.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}

    def pick(patterns, default):
        named = ((re.fullmatch(p, str(k).lower().strip("_")), v) for p in patterns.split() for k, v in flat.items())
        return next((float(v) for match, v in named if match), default)

    return {
        "lr": pick(r"lr learn\w*rate eta step_?size alpha rate (lr_?)?schedule\w*", 0.01),
        "b1": pick(r"beta_?1|b1 momentum|mu|mom beta|gamma", 0.9),
        "b2": pick(r"beta_?2|b2 rho|decay_?rate decay|alpha|beta|gamma", 0.999),
        "eps": pick(r"eps\w* delta", 1e-8),
        "wd": pick(r"weight_?decay|wd l2\w*|lam\w*" + " decay" * any(k in ("b2", "beta2") for k in flat), 0.0),
    }


# ---- the check -----------------------------------------------------------------------------------------------


def examine(report, target):
    """Add to a report what is found about an optimizer, or a clipping of gradients."""
    if target.owner is None and CLIP.fullmatch(target.name):
        examine_clipping(report, Clip(target))
        return
    rng, optional = np.random.default_rng(3), defaults(target.thing)
    more = bool(re.search(r"""["']d?W2["']""", text_about(target.module, [node_of(target.thing)])))
    start = [rng.normal(size=shape) for shape in ((3, 2), 2, (2, 3), 3)[: 4 if more else 2]]
    gradients = [[feeding.signed(rng, w.shape, 0.3, 2) for w in start] for _ in range(STEPS)]
    switched_off = [name for name, value in optional.items() if value == 0 and value is not False]
    moving = {name: 0.9 for name in switched_off if name in ("momentum", "mu")}
    settings = [{}] + [moving] * bool(moving)
    settings += [{"nesterov": True, **moving}] * (optional.get("nesterov") is False)
    settings += [{name: 0.1} for name in switched_off if name in ("weight_decay", "wd")]
    holds = HOLDS if target.owner or len(optional) < len(arguments(target.thing)) else ["made"]
    for hyper in settings:
        error, runs = None, []
        for hold, state in ((one, state) for one in holds for state in states(target, start, one)):
            try:
                path, found = run(target, hold, state, start, gradients, hyper)
            except (Stopped, StopIteration, TypeError, ValueError, AttributeError) as caught:
                error = error or (caught if isinstance(caught, Stopped) else None)
                continue
            runs.append((hold, state, path, found))
            if not all(map(np.array_equal, path[-1], start)):
                break  # what moves nothing runs so, perhaps, because it sees no parameter
        if runs:
            hold, state, path, found = runs[-1 if not all(map(np.array_equal, runs[-1][2][-1], start)) else 0]
            used = len(path[0])
            kind = "nesterov" if "nesterov" in hyper and not re.search("ada", target.name, re.I) else target.name
            rule = Rule(target, kind, hyperparameters(found), start[:used], [gs[:used] for gs in gradients])
            judge(report, rule, path, lambda: run(target, hold, state, start, gradients, hyper)[0])  # noqa: B023
        elif used := in_use(target) if target.owner else function_in_use(target):
            again, found, begin, slopes = used
            judge(report, Rule(target, target.name, hyperparameters(found), begin, slopes), again(), again)
            return
        else:
            report.errors.append(
                error or Stopped(f"{where(target.thing)}: it is not clear how {target.name} is called")
            )
            report.unchecked.append(target.name)
            return


class Rule:
    """What a name says that a target is, with these hyperparameters, for these parameters and gradients."""

    def __init__(self, target, name, h, start, gradients):
        self.target, self.h, self.start, self.gradients = target, h, start, gradients
        self.ways = {}  # {mistake: every published variant after it}
        self.kinds = next(kinds for pattern, kinds in KINDS.items() if re.search(pattern, name, re.I))
        self.tolerance = max(TOLERANCE, 10 * h["eps"] if h["eps"] < 1e-4 else 0)

    def nearest(self, moved, mistake=""):
        """Return (relative error, the way) of the published variant that is nearest to a way, after a mistake."""
        if mistake not in self.ways:
            with np.errstate(all="ignore"):
                styles = [style for style in STYLES if self.h["wd"] or not (style["l2"] or style["matrices"])]
                ways = [
                    follow(*way, self.h, self.start, self.gradients, mistake) for way in product(self.kinds, styles)
                ]
            self.ways[mistake] = np.array(ways)
        ways = self.ways[mistake]
        off = np.where(np.isnan(ways) & np.isnan(moved), 0, ways - moved)  # a mistake may lead to a root of -1
        errors = np.linalg.norm(off, axis=1) / np.maximum(np.linalg.norm(np.nan_to_num(ways), axis=1), 1e-300)
        best = np.nanargmin(errors) if not np.all(np.isnan(errors)) else 0
        return errors[best], ways[best]

    def followed(self, path):
        """Is this the way of a published variant?"""
        moved = distances(path, self.start)
        return moved.shape == distances(path[:1] * STEPS, self.start).shape and self.nearest(moved)[0] < self.tolerance


def judge(report, rule, path, again):
    """Compare a path with every published variant; where none fits, with their mistakes.

    again  a function that runs the optimizer again
    """
    moved = distances(path, rule.start)
    steps = zip(np.split(moved, STEPS), np.split(rule.nearest(moved)[1], STEPS), strict=True)
    rows = [compare(f"after step {t}", got, expected, rule.tolerance) for t, (got, expected) in enumerate(steps, 1)]
    report.rows += rows
    if (
        all(row.passed for row in rows)
        and rule.target.owner
        and not np.array_equal(moved, distances(again(), rule.start))
    ):
        report.facts.append(Fact("shared", "the memory"))
    if not all(row.passed for row in rows):
        words = next((w for change, w in MISTAKES.items() if rule.nearest(moved, change)[0] < TOLERANCE), None)
        report.optimizers.append((words, rule, again))

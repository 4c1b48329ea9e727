"""Make and feed what is under check, so that every form of it is one thing: named arrays, an output, and gradients.

    subject.slots            {path: array}: what the output may depend on; nudged in place
    subject.out()            the output, one long vector; a loss is a vector of one
    subject.gradients(dout)  {path: what the code computes for Σ dout·out}, by whatever means

Two adapters stand in front: ``Both`` for one call that returns a value and its gradient, and ``pair.Pair`` for a value
and a gradient in two calls (forward and backward, f and f_prime, a loss and a training step that goes down it).
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import inspect
import re
import types
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinygan.doctor.arrays import (
    BOXES,
    GRADIENTS,
    as_array,
    beside,
    generators_of,
    is_gradient_name,
    is_number,
    is_object,
    leaves,
    match,
    named_after,
    parts_of,
    plain,
)
from tinygan.doctor.feeding import (
    GAME,
    ITSELF,
    SIZES,
    STATES,
    TARGETS,
    Descent,
    Draw,
    Size,
    for_constructor,
    length,
    realize,
    roles,
    signed,
)
from tinygan.doctor.names import CACHE, LOSS, RATE, sides_in
from tinygan.doctor.sandbox import Stopped, call, made_like, reset, snapshot, where
from tinygan.doctor.source import attributes, flat, node_of, own_classes, parameters, required
from tinygan.layers import Layer
from tinygan.network import Network

CUT = r"(weight_)?clip(_?(value|weights?|param|limit|c|at|range))?"
MEMORY = r"vel\w*|velocit\w*|momentums|momenta|mom_?buf\w*|buf\w*"  # of a step with momentum
# What an RNN hands on, and is no gradient.
KEPT = r"(h|c|s|state|carry)?_?(last|final|next|new)(_?(h|c|s|state|carry|hidden))?|carry|(new_)?state|hs|cs|states"
STORED = ("output", "out", "outputs", "value", "loss", "y", "a", "A", "z", "Z", "result", "activation", "activations")


class Fact(NamedTuple):
    """A promise that was broken: of which kind, and where."""

    kind: str
    where: str


@dataclass(frozen=True)
class Setting:
    """How a check is set up: the doctor changes one thing at a time, and looks what becomes of the gradients.

    seed      of all data
    spread    of the numbers: "near" zero, "far" (up to ±8), or "large" (up to ±800, for losses)
    sizes     (("N", 11), ...): other lengths than usual
    curved    False: a discriminator that is made for a penalty consists of straight pieces
    rate      the learning rate, where code asks for one
    mode      "train" or so, an argument or an attribute that is False, after one call where it was True
    given     (("stride", 2), ...): arguments that have a default, "init.stride" of the constructor, given otherwise
    """

    seed: int = 0
    spread: str = "near"
    sizes: tuple = ()
    curved: bool = True
    rate: float = 0.1
    mode: str = ""
    given: tuple = ()


@dataclass(frozen=True)
class Plan:
    """How a target is made and run: one of its forms, and what stands for each argument."""

    target: object
    form: object
    value: tuple  # of Calls
    given: dict  # {argument: candidate}; those of the constructor are called "init.name"
    world: object
    choice: int = 0  # of the arguments that gradients without names may belong to
    by_output: bool = False  # a derivative that is given f(x) in place of x
    alone: bool = False  # dout has but one entry that is not 0, as code expects that stops there
    beside: bool = False  # a penalty that is returned beside the output is a part of the loss
    after: bool = False  # a step of both players: this one meets the other as it is after its own update


def object_in_use(target, form):
    """The object of a class with which the file itself calls the gradient of a form, as it is in the end, or None."""
    name = (form.gradient or form.values[0][0]).name
    function = getattr(target.owner, name, None)
    return getattr(target.module, "calls", {}).get(getattr(function, "__code__", None), {}).get("self")


def in_training(thing):
    """The same object, and its parts, in the mode in which they learn: a file ends with ``net.training = False``."""
    waiting, seen = [thing], set()
    while waiting:
        part = waiting.pop()
        parts = part if isinstance(part, (list, tuple)) else part.values() if isinstance(part, dict) else ()
        if is_object(part) and id(part) not in seen:
            parts = list(getattr(part, "__dict__", {}).values())
            for name in [name for name in ("training", "is_training", "train") if getattr(part, name, None) is False]:
                setattr(part, name, True)
        waiting += [other for other in parts if id(other) not in seen]
        seen |= {id(part)}
    return thing


def unshared_defaults(target):
    """Return {argument: a copy of its default} of a constructor, where that is an object, and the file gives others.

    Two layers with ``activation=Sigmoid()`` have one between them; whoever gives each its own has none of that.
    """
    made = getattr(target.owner.__init__, "__code__", None)
    given = getattr(target.module, "calls", {}).get(made, {})
    objects = [
        p for p in parameters(target.owner) if p.name in given and is_object(p.default) and p.default is not p.empty
    ]
    return {p.name: copy.deepcopy(p.default) for p in objects if given[p.name] is not p.default}


def display(path):
    """Return ("self", "layers", 0, "W") as "layers[0].W"."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".").removeprefix("self.")


def main_argument(step, known, made=()):
    """The argument of a loss that takes the output of what comes before it; None if that is among ``made``, by name."""
    if not {*made}.isdisjoint(step.needs):
        return None
    return next((n for n in step.needs if n not in known and not TARGETS.fullmatch(n)), None)


@functools.lru_cache(1000)
def place_of_output(names):
    """The place of the output among what a network returns, by name, a_out of z_h, a_h, z_out, a_out; or None."""
    final = [i for i, name in enumerate(names) if re.search("_out|final|pred|hat|prob", str(name))]
    numbered = [re.fullmatch(r"([azhs])_?(\d+)", str(name), re.I) for name in names]
    if not final and len(names) > 2 and all(numbered):  # a1, z2, a2, z3, a3
        final = sorted(range(len(names)), key=lambda i: (int(numbered[i][2]), numbered[i][1].lower() != "z"))
    return final[-1] if final else None


def speaks_of_gradient(path):
    """Is there a gradient's name in it, or that of a box of gradients?"""
    return any(map(is_gradient_name, path)) or not GRADIENTS.isdisjoint(map(plain, path))


def is_array(value):
    """Is it an array of several numbers?"""
    return isinstance(value, np.ndarray) and value.size > 1


class Subject:
    """Code under check, made and fed as a Plan says."""

    moves = uses_rate = False
    douts = ()  # names of the arguments that backward is given as dout
    counted = ()  # which of several outputs backward takes a dout for, or () for all
    single = False  # does it compute in single precision, and is meant to?

    def __init__(self, plan, setting):
        self.plan, self.setting = plan, setting
        self.target, self.form, self.value = plan.target, plan.form, plan.value
        self.sizes = {**SIZES, **plan.world.sizes, **dict(setting.sizes)}
        self.rng = np.random.default_rng(setting.seed)
        self.current = self.value[-1]  # the one that has run last
        self.generators, self.broken, self.vanishing, self.types = [], [], set(), {}
        self.stage, self.choices, self.told, self.left, self.kept, self.remarks = 0, 1, True, [], {}, []
        self.thing = self.make()
        self.globals = self.globals_of()
        self.args, self.other_args = self.feed(), self.feed()
        self.stage = 1
        self.evaluating, self.felt, self.elsewhere, self.slots, self.converged = False, {}, {}, {}, []
        self.last = None, []  # result, and its arrays
        self.slots = self.find_slots()
        self.values = {path: array.copy() for path, array in self.slots.items()}
        self.converged = self.iterated()
        self.single = self.out_is_single or self.single and any(map(self.rounds, self.slots.values()))
        if setting.mode:
            self.forward(self.other_args)
            self.evaluating = True
            if hasattr(self.thing, setting.mode):
                setattr(self.thing, setting.mode, False)

    # ---- making ----

    def make(self):
        """Return a new object of the target's class, or None if it is a function; every copy from the same seed."""
        kind, rng = self.target.owner, np.random.default_rng([self.setting.seed, 7])
        if kind is None:
            return None
        all_given = {**self.plan.given, **dict(self.setting.given)}
        given = {k[5:]: realize(v, self.sizes, rng, "near") for k, v in all_given.items() if k[:5] == "init."}
        if self.form.kind != "rule":
            given = unshared_defaults(self.target) | given
        if not isinstance(self.target.thing, type):
            thing = call(copy.deepcopy, self.target.thing)
        elif self.plan.world.name == ITSELF:
            thing = in_training(call(copy.deepcopy, object_in_use(self.target, self.form)))
        else:
            thing = container(kind, given.pop("*"), given) if "*" in given else call(kind, **given)
        if isinstance(thing, Network):
            return Network(thing.layers, rng, np.float64)
        if isinstance(thing, Layer):
            Network([thing], rng, np.float64)  # deals out W, b, dW, db
        for name in getattr(thing, "__dataclass_fields__", ()):  # those with a default may stand in the class alone
            getattr(thing, "__dict__", {}).setdefault(name, getattr(thing, name))
        self.complete(thing, rng)
        own = getattr(thing, "__dict__", {}) if self.form.kind == "step" else {}
        for name in [name for name, value in own.items() if re.fullmatch(CUT, name) and isinstance(value, float)]:
            own[name] = 1e9  # a critic's weights are cut off behind its step
        for name in [name for name in rated(own) if isinstance(own[name], float)]:
            own[name] *= self.setting.rate / Setting.rate
        for leaf in leaves(thing):
            array = isinstance(leaf.value, np.ndarray)
            self.single = self.single or array and leaf.value.dtype == np.float32
            if array and leaf.value.dtype != np.float64 or not array and self.has_gradient(leaf.path):
                leaf.put(np.array(leaf.value, np.float64) if array else as_array(leaf.value))
        return thing

    def complete(self, thing, rng):
        """Have an object make what its constructor has not: by ``initialize(optimizer)``, or a step of ``fit``."""
        steps = [step.node for step in (*self.value, self.form.gradient) if step is not None and step.node is not None]
        made = set().union(*(attributes(node, ast.Store) for node in steps))
        used = set().union(*(attributes(node, ast.Load) for node in steps)) - made
        own = getattr(thing, "__dict__", {})
        shape = tuple(length(word, self.sizes) for word in self.plan.world.x.split()[1:])
        if not [name for name in used if name not in dir(thing) or own.get(name, 0) is None]:
            return
        if own.get("input_shape", 0) is None:
            thing.input_shape = shape
        for name in own:
            if re.fullmatch(r"(n_?|num_?|max_?)?(iter\w*|epochs?|steps)", name, re.I):
                own[name] = 1
        optimizer = Descent(getattr(self.target.module, "source_text", ""))
        known = {"input_shape": shape, "optimizer": optimizer, "opt": optimizer, "loss": a_loss(self.target.module)}
        methods = [getattr(thing, name) for name in dir(type(thing)) if name[:2] != "__"]
        for method in filter(callable, methods):
            node, needs = node_of(method), required(method)
            if node is not None and node not in steps and used & attributes(node, ast.Store):
                sizes = {k: offered[0] for k in needs if isinstance((offered := for_constructor(k, 0))[0], Size)}
                drawn = {k: v for k, v in {**sizes, **self.plan.given}.items() if k in needs}
                drawn = {k: realize(v, self.sizes, rng, "near") for k, v in drawn.items()}
                calls = getattr(self.target.module, "calls", {})
                own = calls.get(getattr(method, "__func__", method).__code__, {})
                own = own if self.plan.world.name.startswith("as used") else {}
                given = {k: copy.deepcopy(v) for k, v in {**drawn, **own, **known}.items() if k in needs}
                if len(given) == len(needs):
                    with contextlib.suppress(Stopped):  # it makes nothing, perhaps, but needs what is missing
                        call(method, **given)

    def has_gradient(self, path):
        """Does the code speak of a gradient of this number? Then it is a parameter, like the slope of a PReLU."""
        if len(path) > 1 and path[-2] in ("params", "parameters"):
            return True
        words = set(re.findall(r"\w+", self.target.text)) - {path[-1]}
        name = str(path[-1])
        if len(name) == 1:  # not GS, of s
            words &= {f"d{name}", f"d_{name}", f"g_{name}", f"grad_{name}", f"{name}_grad", f"g{name}"}
        bias = re.fullmatch(r"b|b0|w0|bias|intercept", name)
        if bias and any(named_after(word, path[-1]) for word in words):  # db
            return True
        falls = rf"self\.{name} *(-=|= *self\.{name} *-)[^\n]*\*"  # self.intercept_ -= lr * g
        if not RATE.fullmatch(name) and re.search(falls, self.target.text):
            return True
        keyed = re.search(rf"""grad[\s\S]*["']{path[-1]}["']""", self.target.text)  # {{"w1": ...}}
        return bool(keyed) or any(named_after(word, path[-1]) > 1 for word in words)

    def globals_of(self):
        """The arrays of the module that a function uses, for these are parameters, too."""
        waiting = [self.function(step) for step in self.value] if self.target.owner is None else []
        space, names = vars(self.target.module), set()
        while waiting:
            thing = getattr(waiting[-1], "runs", waiting.pop())
            code = getattr(thing, "__code__", thing if isinstance(thing, types.CodeType) else None)
            new = set(code.co_names if code else ()) - names
            waiting += [part for part in (code.co_consts if code else ()) if isinstance(part, types.CodeType)]
            names |= new
            waiting += [space[name] for name in new if name in space]
        boxes = {k for k in names if self.form.kind == "step" or k in BOXES | {"model", "net", "network"}}
        for name in [name for name in names if isinstance(space.get(name), dict)]:
            values = space[name].values()  # a bias of one number among them
            boxes |= {name} if any(map(is_array, values)) and all(isinstance(v, np.ndarray) for v in values) else set()
        objects = tuple(own_classes(self.target.module)) if self.form.kind == "step" else ()  # D.update()
        kinds = {k: (np.ndarray, dict, list, *objects) if k in boxes else np.ndarray for k in names}
        return {k: v for k, v in space.items() if k in names and isinstance(v, kinds[k])}

    def feed(self):
        """Return {name: what it is given}, drawn anew."""
        given = {k: v for k, v in self.plan.given.items() if k[:5] != "init."}
        near = {
            k for k, role in roles(list(given)).items() if role != "x" and getattr(given[k], "values", "") == "chances"
        }
        spreads = {name: "near" if name in near else self.setting.spread for name in given}
        args = {name: realize(v, self.sizes, self.rng, spreads[name]) for name, v in given.items()}
        for name, value in args.items():  # {"W": array, "c": 0.0}
            if isinstance(value, dict) and any(isinstance(part, np.ndarray) for part in value.values()):
                args[name] = {k: self.lively(k, part) if isinstance(part, float) else part for k, part in value.items()}
            elif isinstance(value, (list, tuple)) and any(isinstance(part, np.ndarray) for part in value):
                args[name] = made_like(value, [as_array(part) if isinstance(part, float) else part for part in value])
        for name in [name for name in args if self.form.kind == "step" and re.fullmatch(MEMORY, name)]:
            for leaf in leaves([args[name]]):
                leaf.put_back(leaf.value, 0 * leaf.value)  # as it is before the first step
        return {name: self.lively(name, v) if isinstance(v, float) else v for name, v in args.items()}

    def lively(self, name, number):
        """Return a number as an array; another than 0, which would hide what it multiplies, if it has a gradient."""
        meant = re.fullmatch("alpha|beta|gamma|scale|gain", name) or self.has_gradient((name,))
        return as_array(0.7 if number == 0 and meant else number)

    def function(self, step):
        """Return the function that a Call names, or that the value has been returned with."""
        if step.closure:
            return self.cache
        if step.bound:
            located = functools.wraps(self.target.owner, assigned=(), updated=())  # where a message says that it stands
            return types.MethodType(located(step.function), self.thing)
        return step.function or getattr(self.thing if self.target.owner else self.target.module, step.name)

    # ---- running ----

    def forward(self, args):
        """Run the value's calls; return (the last result, {name: all that is known by now})."""
        if self.value[-1].name not in [form.name for form in self.target.forms if form.kind == "step"]:
            return self.run(args)
        before = [(leaf, leaf.value, np.array(leaf.value)) for leaf in self.state(args)]
        try:
            return self.run(args)  # a step that returns its own loss
        finally:
            for leaf, value, old in before:
                leaf.put_back(value, old)

    def run(self, args):
        """As ``forward``, and leave what has moved as it is."""
        for generator, state in self.generators:
            reset(generator, state)
        known = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in args.items()}
        known |= {name: copy.deepcopy(value) for name, value in known.items() if is_object(value) and not leaves(value)}
        self.lent, self.cache, result, self.caches = dict(known), None, None, {}
        for i, step in enumerate(self.value):
            main = main_argument(step, known, set(known) - set(args)) if i else None
            known |= {main: self.main} if main else {}
            known |= {name: self.cache for name in step.needs if i and CACHE.fullmatch(name) and name not in known}
            named = {name: self.main if name == main else known.get(name, self.rate_of(name)) for name in step.needs}
            if self.evaluating and self.setting.mode in [p.name for p in parameters(self.function(step))]:
                named[self.setting.mode] = False
            self.current, result = step, self.in_order(self.result_of(step, named))
            if result is None and self.thing is not None:  # it has stored it
                result = next((v for v in (getattr(self.thing, n, None) for n in STORED) if v is not None), None)
            last = i == len(self.value) - 1
            final = place_of_output(step.returns)
            if not last and isinstance(result, tuple) and len(result) == len(step.returns) and final is not None:
                self.main = result[final]
            elif last or not (isinstance(result, dict) or self.hands_on(result, i)):
                self.last = result, self.outputs(result)
                self.main = self.last[1][0]
            if isinstance(result, tuple) or self.cache is None:
                self.cache = result[-1] if isinstance(result, tuple) else result
            parts = zip(step.returns, result if isinstance(result, tuple) else (result,), strict=False)
            for name, part in [(name, part) for name, part in parts if isinstance(name, str)]:
                known |= {name: part} if name not in args else {}
                self.caches |= {name: part} if CACHE.fullmatch(name) else {}
        return result, known

    def hands_on(self, result, i):
        """Does a step return lists that the next one takes by name, the states xs and the outputs us of a loop?"""
        taken = {*self.value[i].returns} & {*self.value[i + 1].needs} if i + 1 < len(self.value) else ()
        return bool(taken) and isinstance(result, tuple) and all(isinstance(part, list) for part in result)

    def result_of(self, step, named):
        """Return what a function returns for these arguments, or the mean of it over pairs."""
        if step.over:
            values = [call(self.function(step), *pair) for pair in named[step.needs[0]]]
            return np.mean(values) if all(map(is_scalar, values)) else values[0]
        return call(self.function(step), **named, **self.extra(step))

    def extra(self, step):
        """Return {argument: value} of those of a function that are given otherwise than by default."""
        if self.form.kind != "step" and not self.setting.given:
            return {}
        names = [p.name for p in parameters(self.function(step))]
        given = [(name, value) for name, value in self.setting.given if name in names]
        if self.form.kind == "step":
            clipped = re.findall(r"clip\([^()]*-\s*(\w+),\s*(\w+)", self.target.text)
            given += [(name, 1e9) for name in names if re.fullmatch(CUT, name) or (name, name) in clipped]
        rng = np.random.default_rng([self.setting.seed, 9]) if given else None
        return {name: realize(value, self.sizes, rng, self.setting.spread) for name, value in given}

    def in_order(self, result):
        """Return what a call has returned with the value in front."""
        return result

    def rate_of(self, name):
        """Return the learning rate for this argument: 0 where it is the other player's, who then stays as it is."""
        side = self.value[-1].side.lower()
        return 0.0 if side and sides_in(name) == {"d": {"g"}, "g": {"d"}}[side] else self.setting.rate

    def outputs(self, result):
        """Return the arrays of floats in a result that are output, not cache; Stopped if there are none."""
        parts, step = self.parts(result), self.value[-1]
        said, loss = "", LOSS.fullmatch(step.name) or self.form.kind == "step"
        alone = not isinstance(result, (tuple, list)) or len(result) < 2
        on_the_way = self.current is not step  # to a loss
        if not parts or any(part.size == 0 for part in parts):
            what = "None" if result is None else f"a {type(result).__name__}"
            said = f"{what}, and must return an array of floats, or a loss"
        elif self.entry_by_entry(result):
            return parts
        elif (
            self.form.kind in ("both", "step") and not on_the_way and (parts[0].size > 1 or parts[0].ndim and not loss)
        ):
            said = f"an array of shape {parts[0].shape} first, and must return (loss, gradient)"
        elif self.form.kind == "both" and not self.target.owner and alone:
            said = "one number, and must return (loss, gradient)"
        if said:
            raise Stopped(f"{where(self.function(step))}: {step.name} returns {said}")
        return parts

    def entry_by_entry(self, result):
        """Is it a function of one array, and its derivative, entry by entry: max(0, -m) and its slope?"""
        parts = [*result, *self.args.values()] if isinstance(result, tuple) and len(result) == 2 else []
        if self.form.kind != "both" or self.thing is not None or len(parts) != 3 or not all(map(is_array, parts)):
            return False
        return len({part.shape for part in parts}) == 1

    def parts(self, result):
        """The arrays of floats in a result, as they are, without a cache at the end."""
        parts, step = list(result) if isinstance(result, (tuple, list)) else [result], self.current
        needs = self.form.gradient.needs if self.form.gradient is not None else ()
        named = [str(name) for name in step.returns[-1:]]
        if len(parts) > 1 and self.form.kind != "both" and any(map(CACHE.fullmatch, [*needs, *named])):
            parts = parts[:-1]
        known = zip(parts[1:], step.returns[1:], strict=False)
        kept = [id(part) for part, name in known if name in needs]  # backward takes it as it is: a cache, too
        parts = [part for part in parts if id(part) not in kept]
        names = [name for name in map(str, step.returns) if not CACHE.fullmatch(name)]
        if len(names) > 1 and set(names) <= set(needs) and len(result) == len(step.returns):
            out = next((name for name in names if re.search("out|final|pred|hat", name)), names[-1])
            parts = [result[step.returns.index(out)]]  # backward takes all activations; this one is the output
        if len(parts) > 1 and self.form.kind == "pair" and self.counted:
            own = [part for i, part in enumerate(parts) if i in self.counted]
            parts = own + [part for part in parts[len(own) :] if self.plan.beside and is_scalar(part)]
        if len(parts) == 1 and self.is_sequence(result):
            parts = result[0]
        last = named and named[0] not in needs and is_scalar(parts[-1]) and not is_scalar(parts[0])
        if self.form.kind == "step" and last:  # W, b, loss
            parts = parts[-1:]
        if self.form.kind in ("both", "step") or len(parts) > 1 and is_number(parts[0]) and np.ndim(parts[0]) == 0:
            numbers = [part for part in parts if is_scalar(part)]
            parts = [sum(numbers)] if step.part < 0 and numbers else parts[step.part : step.part + 1]
        return [np.asarray(part) for part in parts if is_number(part)]

    def is_sequence(self, result):
        """Is it a list of outputs, one a step of time, alone or before a cache? Their gradients are a list, too."""
        several = isinstance(result, tuple) and len(result) == 2 and self.form.kind == "pair"
        first = result[0] if several else result
        return isinstance(first, list) and len(first) > 0 and all(map(is_array, first))

    def iterated(self):
        """Return [(Leaf, its array, a copy)] of what a power iteration has come to after many forward passes.

        One more iteration per forward is right for it to first order, if each begins there (Miyato et al. 2018).
        """
        if self.thing is None or not re.search(r"spectral|power_?it", self.target.text, re.I):
            return []
        for _ in range(300):
            self.forward(self.args)
        own = [leaf for leaf in self.state() if leaf.path[0] == "self" and leaf.path not in self.slots]
        return [(leaf, leaf.value, np.array(leaf.value)) for leaf in own]

    def out(self):
        """Return the output as one vector, a copy."""
        for leaf, value, old in self.converged:
            leaf.put_back(value, old)
        return self.vector(self.forward(self.args)[0])

    def vector(self, result):
        """Return a result as one vector, and note the shapes of its parts."""
        before, parts = self.last
        parts = parts if before is result else self.outputs(result)
        self.out_is_single = any(part.dtype == np.float32 for part in parts)
        self.shapes = [part.shape for part in parts]
        vector = np.concatenate([part.ravel() for part in parts])
        if not np.all(np.isfinite(vector)):
            written = [step for step in self.value if step.function is None or step.bound] or self.value
            function = self.function(written[-1])
            raise Stopped(f"{where(getattr(function, 'runs', function))}: the output is not finite")
        return vector

    def split(self, vector):
        """Cut a vector like ``out()`` into arrays with the shapes of the outputs."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), self.shapes, strict=True)]

    @property
    def is_loss(self):
        """Is the output one number?"""
        return len(self.shapes) == 1 and np.prod(self.shapes[0]) == 1 and len(self.shapes[0]) < 3

    # ---- parameters ----

    def state(self, args=None):
        """Return the Leaves of the object and of what it was given."""
        own, space = self.thing, vars(self.target.module)
        if own is None:
            own = {name: space[name] for name in self.globals}  # as they are now: V = V - lr * dV makes another
        found = leaves({"self": own}) + leaves(self.args if args is None else args)
        return [leaf._replace(holder=space) if leaf.holder is own and self.thing is None else leaf for leaf in found]

    @property
    def adds_up(self):
        """Does it belong to one step of a sequence, by its arguments, h or c? Then gradients add up over the steps."""
        return any(re.fullmatch(STATES, name) for name in self.args)

    def renew(self):
        """Give every parameter its value: those of a module are the same arrays in every pass."""
        for path, value in self.values.items():
            if self.slots[path].flags.writeable:
                self.slots[path][...] = value

    def find_slots(self):
        """Return {path: array} of arguments, and of all arrays of the object that running forward does not change.

        What is the same number everywhere, as zeros and ones at the start, gets numbers that hide nothing.
        """
        self.generators = [(g, snapshot(g)) for g in self.all_generators()]
        self.forward(self.other_args)
        before = {leaf.path: (leaf.value, np.array(leaf.value)) for leaf in self.state()}
        self.zero()  # what grows with every forward would else keep its first entry
        result, _ = self.forward(self.args)
        self.stage = 2
        self.vector(result)
        slots = {}
        for leaf in self.state():
            argument, shared = leaf.holder is self.args, any(np.shares_memory(leaf.value, s) for s in slots.values())
            old, copy_of_old = before.get(leaf.path, (None, None))  # what forward makes anew is no parameter
            kept = argument or leaf.value is old and np.array_equal(leaf.value, copy_of_old) and not shared
            if kept and np.size(leaf.value) and isinstance(leaf.value, np.ndarray):
                window = not argument and not leaf.value.flags.writeable  # on something else
                if not window and not any(isinstance(part, str) and CACHE.fullmatch(part) for part in leaf.path[1:]):
                    slots[leaf.path] = leaf.value
        self.fill([array for path, array in slots.items() if path[0] == "self" and array.flags.writeable])
        filled = {path: array.copy() for path, array in slots.items()}
        self.forward(self.args)  # what was zero because a weight was zero is no longer what it was
        for leaf in self.state():
            if leaf.path in slots and not np.array_equal(leaf.value, filled[leaf.path]):
                del slots[leaf.path]
        names = [path[-1] for path in slots]
        for path, array in [(path, array) for path, array in slots.items() if path[0] == "self"]:
            like = any(map(is_gradient_name, path)) or any(named_after(path[-1], name) > 1 for name in names)
            like = like or not GRADIENTS.isdisjoint(map(plain, path))
            like = like or path[-1] in ("mask", "out", "x") or path[-1] in self.args
            like = like or names.count(path[-1]) > 1 and not np.any(array)  # the memory of an optimizer
            if like and not self.matters(array):
                del slots[path]
            elif array.flags.writeable:
                self.enliven(array)
        return slots

    def all_generators(self):
        """The random generators of the object, of its arguments and of the file."""
        kinds = np.random.Generator, np.random.RandomState
        own = [value for value in vars(self.target.module).values() if isinstance(value, kinds)]
        return generators_of(self.thing, self.args, own)

    def matters(self, array):
        """Does the output change if this array is changed?"""
        old, out = array.copy(), self.out()
        try:
            array += signed(np.random.default_rng(5), array.shape, 0.01, 0.1)
            return not np.array_equal(self.out(), out)
        except Stopped:
            return False
        finally:
            array[...] = old

    def rounds(self, array):
        """Is a change in the tenth digit of this array lost?"""
        old, out = array.copy(), self.out()
        try:
            array *= 1 + 1e-10
            return not np.array_equal(array, old) and np.array_equal(self.out(), out)
        finally:
            array[...] = old

    def main_input(self):
        """Return the argument that is x, if it is an array that may be nudged."""
        names = [name for name, role in roles(list(self.args)).items() if role == "x"]
        return next((self.slots[name,] for name in names if (name,) in self.slots), None)

    def fill(self, arrays):
        """Fill what is zero everywhere with numbers, all at once: behind one zero matrix nothing else would matter."""
        zeros = [array for array in arrays if array.size and not np.any(array)]
        for array in zeros:
            array[...] = signed(self.rng, array.shape, 0.3, 1.2)
        for array in zeros:
            if not self.matters(array):
                array[...] = 0

    def enliven(self, array):
        """Fill a parameter that is one number everywhere, or nearly nothing, with numbers of both signs."""
        same, small = np.ptp(array) == 0, np.abs(array).max() < 0.05
        if (same or small) and self.matters(array):
            drawn = signed(self.rng, array.shape, 0.3, 1.2)
            array[...] = drawn if small else array * (1 + 0.4 * drawn)
        square = array.ndim == 2 and array.shape[0] == array.shape[1] > 1
        if square and np.allclose(array @ array.T, np.eye(len(array))) and self.matters(array):
            array += signed(self.rng, array.shape, 0.1, 0.3)  # its inverse is its transpose, which hides what is which

    def tiny(self, path):
        """Was this drawn so close to 0 that the usual step would leave the domain?"""
        given = self.plan.given.get(path[0])
        return self.setting.spread == "large" and isinstance(given, Draw) and given.values == "chances"

    # ---- gradients ----

    def zero(self):
        """Set gradients to zero, where that can be done."""

    def gradients(self, dout, **how):
        """Return {path: array or None}: what the code computes for d(Σ dout·out)/d(slot)."""
        raise NotImplementedError

    def matched(self, returned, names, changed):
        """Return {path: gradient or None} for what was returned, in which names, and what else was written."""
        state = self.state()
        own = {leaf.path: leaf.value for leaf in state if leaf.path in self.slots and leaf.path[0] == "self"}
        inputs = [array.shape for path, array in self.slots.items() if path not in own]
        whole = (sum(map(np.size, own.values())),)
        if len(returned) == 1 and len(own) > 1 and returned[0][1].shape == whole and whole not in inputs:
            ends = np.cumsum([np.size(value) for value in own.values()])  # all in one vector
            parts = zip(own, np.split(returned[0][1], ends[:-1]), strict=True)
            self.left, self.kept, self.types = [], {}, {}
            return dict.fromkeys(self.slots) | {path: part.reshape(np.shape(own[path])) for path, part in parts}
        parameters_alone = {path: array for path, array in own.items() if isinstance(array, np.ndarray)}
        parts = [*returned, *((leaf.path, leaf.value) for leaf in state if isinstance(leaf.holder, tuple))]
        sure = {path: parts[j][1] for path, j in beside(parameters_alone, parts).items()}
        sure |= self.listed(parameters_alone, returned) | numbered(parameters_alone, returned)
        given = [id(v) for v in sure.values()] + [id(v) for v in parameters_alone.values()]
        rest = {path: array for path, array in self.slots.items() if path not in sure and not self.of_other(path)}
        returned = [part for part in returned if id(part[1]) not in given] if sure else returned
        idle = {leaf.path[-2:]: np.shape(leaf.value) for leaf in state if leaf.path not in self.slots}
        returned = [(path, v) for path, v in returned if len(path) < 2 or idle.get(path[-2:]) != np.shape(v)]
        pairs, self.choices = match(rest, self.args, returned, names, changed, self.plan.choice)
        pairs |= sure
        used, needs = (
            {id(value) for value in pairs.values()},
            [p.name for step in self.value for p in parameters(self.function(step))],
        )
        named = [(names[p[0]] if isinstance(p[0], int) and p[0] < len(names) else None, v) for p, v in returned]
        loose = [name for name, value in named if isinstance(name, str) and id(value) not in used]
        loose = [name for name in loose if not (self.form.kind == "step" and LOSS.fullmatch(name))]
        self.left = [n for n in loose if is_gradient_name(n) or any(named_after(n, name) > 1 for name in needs)]
        self.types = {path: np.asarray(value).dtype for path, value in pairs.items()}
        found = {path: np.array(pairs[path], dtype=float) if path in pairs else None for path in self.slots}
        self.kept = {path: g.shape for path, g in found.items() if g is not None and self.fits(path, g)}
        return found | {path: found[path].reshape(self.slots[path].shape) for path in self.kept}

    def own_list(self):
        """What an object says its parameters are, ``params()`` or ``names = ["W", "b"]``: a list, or ()."""
        for names in [part for part in getattr(self.thing, "__dict__", {}).values() if isinstance(part, (list, tuple))]:
            if names and all(isinstance(name, str) and is_array(getattr(self.thing, name, None)) for name in names):
                return [getattr(self.thing, name) for name in names]
        methods = [getattr(self.thing, name, None) for name in ("params", "parameters", "get_params")]
        method = next((m for m in methods if isinstance(m, types.MethodType) and not required(m)), None)
        arrays = call(method) if method else ()  # or their number
        return arrays if isinstance(arrays, (list, tuple)) else ()

    def listed(self, slots, returned):
        """Return {path: gradient} of what is returned in a list as long as that of ``params()``, in its order."""
        arrays = self.own_list()
        places = [[path for path, own in slots.items() if own is array] for array in arrays]
        lists = {path[:-1] for path, _ in returned if len(path) == 2 and isinstance(path[1], int)}
        for gradients in [[value for path, value in returned if path[:-1] == start] for start in lists]:
            if len(gradients) == len(places) > 1 and all(places):
                return {path: gradient for (path, *_), gradient in zip(places, gradients, strict=True)}
        return {}

    def of_other(self, path):
        """Does an array belong to D, where this is a loss of G, by their names, or the other way round?"""
        mine = sides_in(self.form.name)
        theirs = set().union(*(sides_in(part) for part in path if isinstance(part, str)))
        data = len(path) == 1 and re.fullmatch(GAME, path[0])  # d_fake, of a loss of G
        return not data and self.form.kind in ("both", "pair") and len(mine) == len(theirs) == 1 and mine != theirs

    def fits(self, path, gradient):
        """Has a gradient another shape, but only by axes of length 1 that do no harm, as (1, O) beside (O,)?"""
        shape, other = self.slots[path].shape, gradient.shape
        if shape == other or [n for n in shape if n > 1] != [n for n in other if n > 1]:
            return False
        try:
            return np.prod(np.broadcast_shapes(shape, other), dtype=int) == gradient.size  # of W - lr * dW
        except ValueError:
            return False

    def own_promises(self):
        """Return the Facts that only this kind of subject can break."""
        return []


class Both(Subject):
    """One call returns a value and its gradient, or gradients."""

    def in_order(self, result):
        self.names = self.value[-1].returns
        last = self.names and not is_gradient_name(self.names[-1])
        if last and isinstance(result, tuple) and len(result) == 2 and is_scalar(result[1]) > is_scalar(result[0]):
            self.names = self.names[::-1]
            return result[::-1]
        return result

    def gradients(self, dout, **how):
        result, names = self.forward(self.args)[0], self.names[1:]
        rest = list(result[1:]) if isinstance(result, (tuple, list)) else []
        if len(rest) == 1 and isinstance(rest[0], (tuple, list, dict)):
            rest, names = rest[0], names[0] if names and isinstance(names[0], tuple) else ()
        texts = [str(flat((name,))[0]) for name in names]
        like = [bool(re.match(r"(?!g_loss)(d\w|g|nabla|\w*grad|\w*_d$)", text, re.I)) for text in texts]
        out = [not good and (any(like) or "loss" in text.lower()) for good, text in zip(like, texts, strict=True)]
        out = [drop or bool(re.fullmatch(KEPT, text)) for drop, text in zip(out, texts, strict=True)]
        other = {(i,) for i, name in enumerate(names) if isinstance(name, str) and out[i]}
        for i, (name, part) in enumerate(zip(names, rest, strict=False) if isinstance(rest, list) else ()):
            if not (isinstance(name, str) and is_scalar(part)) or like[i]:
                break
            other.add((i,))  # kl, of rec, kl, {...}
        returned = [part for part in parts_of(rest) if part[0][:1] not in other]  # (loss, dW, db, h): h is no gradient
        left = [leaf for leaf in self.state() if leaf.path not in self.slots and speaks_of_gradient(leaf.path)]
        found = self.matched(returned, names, [] if rest else left)
        if rest and self.thing is not None and any(found[path] is None for path in self.slots if len(path) > 2):
            kept, types = self.kept, self.types  # return loss, dx: those of the layers stand in them
            inside = self.matched([], (), [leaf for leaf in left if len(leaf.path) > 2])
            found |= {path: g for path, g in inside.items() if found[path] is None and len(path) > 2}
            self.kept, self.types = self.kept | kept, self.types | types
        dout = dout.reshape(np.shape(result[0])) if self.entry_by_entry(result) else dout[0]
        return {path: None if g is None else g * dout for path, g in found.items()}


def numbered(slots, returned):
    """Return {path: gradient} of what is returned as W1, b1, W2, b2 where layers in a list have W and b, in order."""
    found, keys = {}, [re.fullmatch(r"(?:d|grad)?_?([A-Za-z]+)_?\d+", str(path[-1])) for path, _ in returned]
    if not keys or not all(keys) or not all(any(isinstance(part, int) for part in path) for path in slots):
        return {}
    for name in {key[1] for key in keys}:
        gradients = [value for key, (_, value) in zip(keys, returned, strict=True) if key[1] == name]
        places = [path for path in slots if path[-1] == name]
        if [np.shape(g) for g in gradients] != [slots[path].shape for path in places]:
            return {}
        found |= dict(zip(places, gradients, strict=True))
    return found


def container(kind, parts, given):
    """Return an object that is made of layers: of a list of them, or of one after the other."""
    known = list(inspect.signature(kind).parameters.values())
    left = [p for p in known if p.name not in given]
    name, how = left[0].name, left[0].kind
    if how is inspect.Parameter.VAR_POSITIONAL:  # which the others stand before
        before = [given.pop(p.name) for p in known[: known.index(left[0])]]
        return call(kind, *before, *parts, **given)
    if not hasattr(kind, "add") or name in required(kind):
        return call(kind, **{**given, name: parts})
    thing = call(kind, **given)
    for part in parts:
        call(thing.add, part)
    return thing


def a_loss(module):
    """Return an object of the first loss class of a module that needs nothing, or None."""
    kinds = [kind for kind in own_classes(module) if LOSS.fullmatch(kind.__name__) and not required(kind)]
    return next((call(kind) for kind in kinds), None)


def is_scalar(value):
    """Is it one number?"""
    return is_number(value) and np.size(value) == 1


def rated(names):
    """Return those of these names that a learning rate has."""
    return [name for name in names if RATE.fullmatch(name)]

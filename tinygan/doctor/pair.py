"""The adapter for a value and a gradient in two calls: forward and backward, f and f_prime, a loss and a step."""

from __future__ import annotations

import ast
import copy
import functools
import re
import types
from itertools import product

import numpy as np

from tinygan.doctor.arrays import fit, is_gradient_name, is_object, named_after, parts_of
from tinygan.doctor.calls import gives_output
from tinygan.doctor.feeding import TARGETS, Descent
from tinygan.doctor.names import CACHE, DOUT, RULE, is_loss
from tinygan.doctor.sandbox import Stopped, call, reset, snapshot, where
from tinygan.doctor.source import REST, flat, own_classes, parameters, required, walk_own
from tinygan.doctor.subject import KEPT, STORED, Fact, Subject, display, is_array, main_argument, rated

OUTPUT = re.compile(r"a|s|y|out\w*|act\w*|activation\w*|sig\w*")  # of d_sigmoid(out)
SETS_TO_ZERO = (  # somewhere in the file; or gradients add up in objects, as they do in torch
    r"def \w*(zero|reset|clear)\w*\(|(?<!self)\.grad\w*(\[[^\]]*\])?\s*=\s*(0|None)\b|\.fill\(0|\[(\.\.\.|:)\]\s*=\s*0"
    r"|\w\.\w+\.grad\s*\+=|self\.(?P<box>g|grads?|gradients?)\s*=\s*\{\}[\s\S]*def [\s\S]*self\.(?P=box)\s*=\s*\{\}"
    r"|(?<!self)\.(d[A-Zbwg]|grad_?|g[A-Z])\w*\s*(,[^=\n]*)?=\s*np\.zeros"  # self.D.dW, self.D.db = np.zeros(...
    r"|self\.(?P<own>\w+_grad)\s*=\s*np\.zeros[\s\S]*self\.(?P=own)\s*\+="  # as they are called there
)
RESETS = r"(zero|reset|clear|flush)_?(?!.*(param|weight|init))\w*"
PLAYERS = {"D": r"(.*_)?(d|disc\w*|critic\w*)(_.*)?", "G": r"(.*_)?(g|gen\w*)(_.*)?"}


def free_arguments(value, gradient, kind):
    """Return the names of the arguments that have to be made up, in order."""
    free, produced = [], []
    for i, step in enumerate(value):
        main = main_argument(step, (*free, *produced), set(produced) - set(free)) if i else None
        rates = rated(step.needs) if kind == "step" else []
        free += [n for n in step.needs if n not in (main, *rates) and not (i and (n in produced or CACHE.fullmatch(n)))]
        produced += flat(step.returns)
    alone = gradient is not None and len(gradient.needs) == len(value[-1].needs) == 1  # d_sigmoid(y)
    alone = alone or gradient is not None and len(value) == 1 and gives_output(value[0], gradient)
    for name in gradient.needs if gradient is not None else ():
        made = name in produced or CACHE.fullmatch(name) or rated([name])
        alias = TARGETS.fullmatch(name) and any(map(TARGETS.fullmatch, free))  # the same under another name
        if not made and not alias and (kind == "step" or TARGETS.fullmatch(name) and not alone):
            free.append(name)
    return list(dict.fromkeys(free))


def made_up(form, value):
    """The arguments of the loss of a step that the step does not take, but makes itself, as noise."""
    names = [name for name in value[-1].needs if name not in form.gradient.needs]
    return names if len(value) == 1 and not rated(names) else []


def resets_of(thing):
    """The methods of an object that set gradients to zero, and ask for nothing."""
    methods = [getattr(thing, name) for name in names_of_resets(type(thing))]
    return [method for method in methods if callable(method) and not required(method)]


@functools.lru_cache(1000)
def names_of_resets(kind):
    """What objects of a class have that is called like such a method."""
    return [name for name in dir(kind) if re.fullmatch(RESETS, name)]


@functools.lru_cache(1000)
def sets_to_zero(source):
    """Does a source set gradients to zero somewhere?"""
    return bool(re.search(SETS_TO_ZERO, source))


def moved_in(node):
    """What is returned of a step, by name: "w" of ``return loss, w - lr * dw``; () if nothing is moved there."""
    ends = [part.value for part in walk_own(node) if isinstance(part, ast.Return)] if node is not None else []
    parts = getattr(ends[-1], "elts", ends[-1:]) if ends else []
    moved = [isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub) for part in parts]
    names = (part.left if move else part for move, part in zip(moved, parts, strict=True))
    return tuple(getattr(name, "id", None) for name in names) if any(moved) else ()


def unstarred(names, back):
    """The names of what was returned, None for each part of a list with a star, (dx, *dWs, db)."""
    stars = [i for i, name in enumerate(names) if name == REST]
    if len(stars) != 1 or not isinstance(back, tuple):
        return tuple(None if i in stars else name for i, name in enumerate(names))
    (i,) = stars
    return (*names[:i], *[None] * (len(back) - len(names) + 1), *names[i + 1 :])


def is_value(part, loss):
    """Is it the loss itself, returned beside its gradients?"""
    return np.size(part) == 1 and float(np.squeeze(part)) == float(np.squeeze(loss))


def times(dout, gradient):
    """A derivative times dout: entry by entry, or, of one output for each sample, sample by sample."""
    if gradient.shape[: dout.ndim] != dout.shape:
        return gradient
    return gradient * dout.reshape(dout.shape + (1,) * (gradient.ndim - dout.ndim))


def player(path):
    """Return "D" or "G", if the names in a path say to which player it belongs, or ""."""
    names = [part for part in path if isinstance(part, str)]
    return next((side for part in names for side, p in PLAYERS.items() if re.fullmatch(p, part, re.I)), "")


class Pair(Subject):
    """A value, then a gradient: what backward returns, what it leaves in the object, or how a step moves parameters."""

    def gradients(self, dout, before=False, between=False, twice=False, fresh=False, kept=False):
        """As ``Subject.gradients``.

        ``fresh`` takes a new object, ``before`` runs forward on other data first, ``between`` another object between
        forward and backward, ``twice`` runs backward twice, ``kept`` sets no gradients to zero.
        """
        if fresh and self.target.owner is not None:
            return self.fresh().gradients(dout)
        for path, old in self.elsewhere.items():
            self.slots[path][...] = old
        if before:
            self.forward(self.other_args)
        if not kept:
            self.zero()
        result, known = self.forward(self.args)
        self.vector(result)
        if between and not hasattr(self.function(self.value[0]), "runs"):  # an episode leaves its epx in the module
            type(self)(self.plan, self.setting).forward(self.other_args)
        douts = [float(d) if not d.shape else d for d in self.split(dout)]
        named = self.bind(known, [douts] if self.is_sequence(result) else douts)
        named |= self.extra(self.form.gradient)
        lent = {**{name: v for name, v in named.items() if isinstance(v, np.ndarray)}, "out": self.parts(result)[0]}
        copies = {name: value.copy() for name, value in lent.items()}
        start = {leaf.path: (leaf.value, np.array(leaf.value)) for leaf in self.state()}
        drawn = [str(snapshot(generator)) for generator, _ in self.generators]
        self.stage = 3
        for generator, state in self.generators if self.form.kind == "step" else ():
            reset(generator, state)  # so that it draws what its loss has drawn
        back = call(self.function(self.form.gradient), **named)
        if twice and any(name[:4] != "zero" for name in names_of_resets(type(self.thing))):
            raise Stopped("what it clears between two passes, the cache perhaps, is its own affair")
        if twice:
            self.zero()
            back = call(self.function(self.form.gradient), **named)
        back = self.over_time(back)
        self.stage = 4
        self.broken = [Fact("in place", n) for n in lent if not np.array_equal(lent[n], copies[n], equal_nan=True)]
        self.broken += [Fact("drawn again", "")] * (drawn != [str(snapshot(g)) for g, _ in self.generators])
        steps = self.moved_in_place(lent, copies) if self.form.kind == "step" else {}
        changed = [leaf for leaf in self.state() if self.is_gradient(leaf, start)]
        returned = [
            (path, value) for path, value in parts_of(back) if not self.is_loss or not is_value(value, self.main)
        ]
        moved = self.moved(start) | steps
        if moved and all(array.size > 1 for path, array in self.slots.items() if path[0] == "self"):  # it is a report
            returned = [part for part in returned if np.size(part[1]) > 1]
        names = unstarred(self.form.gradient.returns, back)
        states = [i for i, name in enumerate(names) if len(names) > 1 and re.fullmatch(KEPT, str(name))]
        returned = [part for part in returned if part[0][0] not in states]
        plain = [i for i, name in enumerate(names) if name in ("grad", "gradient", "grads")]
        if len(plain) == 1 and not any(is_gradient_name(name) for i, name in enumerate(names) if i != plain[0]):
            shapes = [np.shape(value) for value in self.args.values()]  # return dh @ W.T, grads
            returned = [
                (path, value)
                for path, value in returned
                if len(names) == 1 or path[0] in plain or names[path[0]] is None and np.shape(value) in shapes
            ]  # and not the error
        found = self.matched(returned, names, changed)
        found = self.in_lists(found)
        self.broken += self.exchanged(returned, found)
        own = [path for path, g in found.items() if (path[0] == "self" or len(path) > 1) and g is not None]
        losses = is_loss(self.value[-1].name) and not all(map(self.of_samples, filter(is_array, found.values())))
        if (len(own) > 1 or losses) and not self.told and not self.is_loss and self.form.kind == "pair":
            self.stage = 3
            said = f"{self.form.name} takes no dout, and belongs to no loss that is written here"
            raise Stopped(f"{where(self.function(self.form.gradient))}: {said}")
        if not self.told and not self.is_loss:  # a derivative is still to be multiplied by dout
            douts = self.split(dout)[0]
            found = {path: g if g is None else times(douts, g) for path, g in found.items()}
        return self.with_moves(found, moved, back)

    def over_time(self, back):
        """Make one array of each list of gradients, one a step of time, if an argument has the shape of all of them."""
        if not isinstance(back, tuple):
            return back
        shapes = [x.shape for x in self.args.values() if is_array(x)]
        lists = [
            isinstance(part, list) and all(map(is_array, part)) and len({g.shape for g in part}) == 1 for part in back
        ]
        alike = [flat and (len(part), *part[0].shape) in shapes for flat, part in zip(lists, back, strict=True)]
        return tuple(np.array(part) if one else part for one, part in zip(alike, back, strict=True))

    def in_lists(self, found):
        """Return {path: gradient} by the lists ``params`` and ``grads`` of an object: of several shares their sum."""
        for leaf in [leaf for leaf in self.state() if leaf.path in self.slots]:
            for thing in (self.thing, leaf.holder):
                params, grads = (getattr(thing, name, None) for name in ("params", "grads"))
                if isinstance(params, list) and isinstance(grads, list) and len(params) == len(grads):
                    shares = [g for p, g in zip(params, grads, strict=True) if p is leaf.value]
                    needed = len(shares) > 1 or shares and found[leaf.path] is None
                    if needed and all(np.shape(g) == leaf.value.shape for g in shares):
                        found = {**found, leaf.path: sum(np.array(g, float) for g in shares)}
        return found

    def of_samples(self, gradient):
        """Is a gradient one for each output, one a sample?"""
        return gradient.shape[: len(self.shapes[0])] == self.shapes[0]

    @property
    def counted(self):
        """Which of several outputs are named by arguments, y by d_y: the others are beside, and have no part in it."""
        step, needs = self.value[-1], self.form.gradient.needs
        outputs = [name if isinstance(name, str) else "" for name in step.returns]
        named = [i for i, out in enumerate(outputs) for n in needs if named_after(n, out) > 2]
        known = {*outputs, *(name for call in self.value for name in call.needs)}
        free = [n for n in needs if n not in known and not CACHE.fullmatch(n) and not rated([n])]
        if self.thing is None and not free and set(needs) == set(step.needs):
            return (0,)  # of f(x), h: the derivative of f(x)
        if len(free) >= len(outputs):
            return ()
        return tuple(dict.fromkeys(named)) or tuple(range(len(free)))

    @property
    def player(self):
        """The player whose step it is, by the name of the step, or by that of its loss."""
        return self.value[-1].side or player((self.form.gradient.name,)) or player((self.value[-1].name,))

    @property
    def of_both(self):
        """Is it a step of both players, and this the loss of one?"""
        return self.form.kind == "step" and self.player and not player((self.form.gradient.name,))

    @property
    def apart(self):
        """Can one player's learning rate be 0 while the other learns?"""
        return any(self.rate_of(name) == 0 for name in rated(self.form.gradient.needs))

    def exchanged(self, returned, found):
        """Return the Fact that gradients of inputs that are alike come in another order than the inputs."""
        paths = [path for path in self.slots if len(path) == 1 and found.get(path) is not None]
        shapes = {self.slots[path].shape for path in paths}
        keyed = any(isinstance(part, str) for path, _ in returned for part in path)  # {"q": dq}, in any order
        if keyed or len(paths) != len(returned) or len(paths) != len(self.args) or len(shapes) != 1:
            return []
        order = [p for _, value in returned for p in paths if np.array_equal(found[p], value)]
        return [Fact("exchanged", "")] if len(order) == len(paths) and order != paths else []

    def zero(self):
        """Set gradients to zero, where the object can, or somebody else in the file does."""
        if methods := [method for thing in (self.thing, *self.own_parameters()) for method in resets_of(thing)]:
            for method in methods:
                call(method)
        elif self.adds_up or sets_to_zero(getattr(self.target.module, "source_text", "")):
            for leaf in self.state():
                called, array = "grad" in str(leaf.path[-1]), isinstance(leaf.value, np.ndarray)
                if leaf.path in self.slots or not (called or array and any(fit(leaf.path, p) for p in self.slots)):
                    continue
                leaf.put_back(leaf.value, 0) if array else leaf.put(0.0)

    def own_parameters(self):
        """What ``params()`` of the object lists, if these are objects that hold a gradient each."""
        methods = [getattr(self.thing, name, None) for name in ("params", "parameters")]
        method = next((m for m in methods if isinstance(m, types.MethodType) and not required(m)), None)
        listed = call(method) if method else ()
        return [p for p in listed if hasattr(p, "grad")] if isinstance(listed, (list, tuple)) else []

    def fresh(self):
        """The same subject with a new object, whose parameters are the same."""
        other = copy.copy(self)
        other.thing = self.make()
        made = {leaf.path for leaf in other.state()}
        if any(path not in made and not any(isinstance(part, int) for part in path) for path in self.slots):
            other.forward(self.other_args)  # which makes the parameters
        for leaf in other.state():
            if leaf.path in self.slots and isinstance(leaf.value, np.ndarray):
                leaf.value[...] = self.slots[leaf.path]
        states = [state for _, state in self.generators]
        other.generators = list(zip(other.all_generators(), states, strict=False))
        other.converged = other.iterated()
        return other

    # ---- what the gradient is given ----

    def bind(self, known, douts):
        """Return {name: value} for the gradient's arguments; note whether it is told dout."""
        gradient = self.form.gradient
        if gradient.closure:
            self.told = bool(gradient.needs)
            return dict(zip(gradient.needs, douts, strict=False))
        own = [name for step in self.value for name in step.needs if name in self.args]
        targets = [name for name in own if TARGETS.fullmatch(name)]
        named = {name: self.caches.get(name, known[name]) for name in gradient.needs if name in known}
        for name in [name for name in gradient.needs if name not in known]:
            beside = self.thing is None and self.value[-1].returns[1:] == (None,)  # return out, x > 0
            if CACHE.fullmatch(name) or (beside or isinstance(self.cache, (dict, tuple))) and not DOUT.fullmatch(name):
                named[name] = self.cache
            elif rated([name]):
                named[name] = self.rate_of(name)
            elif TARGETS.fullmatch(name) and len(targets) == 1:
                named[name] = known[targets[0]]  # the same under another name
        unknown = [name for name in gradient.needs if name not in named and self.is_loss]
        named |= {name: made for name in unknown if (made := self.made_beside(name, known)) is not None}
        free = [name for name in gradient.needs if name not in named]
        self.told = bool(free) and not gradient.flag
        if gradient.flag:
            given = {name: known[name] for name in own}
            return {**given, **({own[0]: self.main} if self.plan.by_output else {}), gradient.flag: True}
        if self.is_loss and len(free) == len(named) == 1 and targets:  # the prediction, called dvalues
            return {**named, free[0]: self.stored(known[own[0]]) if self.plan.by_output else known[own[0]]}
        if len(gradient.needs) == 1 and self.plan.by_output:
            self.told = False
            return {gradient.needs[0]: self.main}
        backward = self.thing is not None and re.match(r"back|bprop|bwd|vjp|adjoint", gradient.name)
        if free and not named and len(free) == len(own) and not (backward or any(map(DOUT.fullmatch, free))):
            self.told = False  # a derivative: of the same arguments, under other names, or of the output
            out = len(free) == 1 and OUTPUT.fullmatch(free[0])
            return dict(zip(free, [self.main] if out else [known[name] for name in own], strict=False))
        told = [n for n in free if n == self.value[-1].name.strip("_") or any(named_after(d, n) > 1 for d in free)]
        outputs = [n for n in free if OUTPUT.fullmatch(n) or n in told]  # _unit_vjp(d_unit, unit, r)
        sure = [n for n in outputs if re.match("out|y", n)]
        outputs = sure if len(outputs) > len(sure) == 1 else outputs  # square_vjp(g, out, a)
        others = sorted((n for n in free if not DOUT.fullmatch(n)), key=lambda n: n not in outputs)
        for name in others if len(free) > len(douts) else []:
            if len(free) > len(douts):  # relu_backward(dout, z): the input, or the output, under another name
                named[name] = self.main if (name in outputs) != self.plan.by_output else known[own[0]]
                free.remove(name)
        self.douts = tuple(free)
        return named | dict(zip(free, copy.deepcopy([*douts, *douts[-1:] * len(free)]), strict=False))

    def made_beside(self, name, known):
        """What a function that the loss calls makes of the same arguments, of the class that the gradient takes."""
        gradient, space = self.function(self.form.gradient), vars(self.target.module)
        given = getattr(self.target.module, "calls", {}).get(getattr(gradient, "__code__", None), {}).get(name)
        told = [str(p.annotation).rpartition(".")[2] for p in parameters(gradient) if p.name == name]
        kinds = tuple(k for k in own_classes(self.target.module) if k is type(given) or k.__name__ in told)
        called = [self.function(step) for step in self.value if kinds]
        for function in called:
            names = function.__code__.co_names if isinstance(function, types.FunctionType) else ()
            called += [f for n in names if isinstance(f := space.get(n), types.FunctionType) and f not in called]
        for function in called[len(self.value) :]:
            if set(required(function)) <= set(known):
                made = call(function, **{n: known[n] for n in required(function)})
                parts = made if type(made) is tuple else (made,)
                if part := [part for part in parts if isinstance(part, kinds)]:
                    return part[0]
        return None

    def stored(self, x):
        """The output that a loss has made of x and kept, the chances of a softmax; x if it keeps none."""
        kept = (getattr(self.thing, name, None) for name in STORED)
        return next((a.copy() for a in kept if isinstance(a, np.ndarray) and a.shape == np.shape(x)), x)

    # ---- where the gradient is ----

    def is_gradient(self, leaf, start):
        """Did backward put this number where it is, or is it called a gradient?"""
        value, old = start.get(leaf.path, (None, None))
        changed = value is None or value is not leaf.value or not np.array_equal(old, leaf.value)
        called = any(map(is_gradient_name, leaf.path)) or any(fit(leaf.path, path) for path in self.slots)
        if np.ndim(leaf.value) == 0 and not changed:  # self.dt is a step of time
            called = any(fit(leaf.path, path) and array.size == 1 for path, array in self.slots.items())
        kept = any(is_array(x) and np.array_equal(leaf.value, x) for x in self.args.values())  # g_z, of a generator
        return leaf.path not in self.slots and (changed or called) and not kept

    def moved(self, start):
        """Return {path: gradient} of the parameters that a step or an update in backward has moved; put them back."""
        found = {}
        for leaf in self.state():
            value, old = start.get(leaf.path, (None, None))
            if leaf.path in self.slots and (leaf.value is not value or not np.array_equal(leaf.value, old)):
                step, new = (old - leaf.value) / self.rate, np.array(leaf.value)
                leaf.put_back(value, old)
                if self.of_both and self.player != player(leaf.path):
                    if self.plan.after:  # as the other is then
                        self.elsewhere[leaf.path], self.slots[leaf.path][...] = old, new
                    continue
                if leaf.path not in self.felt:
                    self.felt[leaf.path] = self.matters(self.slots[leaf.path])
                if self.felt[leaf.path]:  # and is no running mean
                    found[leaf.path], self.moves = step, True
        return found

    def moved_in_place(self, lent, copies):
        """Return {path: gradient} of the arguments that a step has moved in place; put them back."""
        moved = [n for n in lent if (n,) in self.slots and not np.array_equal(lent[n], copies[n], equal_nan=True)]
        self.broken = [fact for fact in self.broken if fact.kind != "in place" or fact.where not in moved]
        found = {(name,): (copies[name] - lent[name]) / self.rate for name in moved}
        for name in moved:
            lent[name][...] = copies[name]
        return found

    def with_moves(self, found, moved, back):
        """Return the gradients, with those that show in how parameters moved; note what must not move."""
        step = self.form.kind == "step"
        if not step and not self.uses_rate and not self.own_rates and any(found[path] is not None for path in moved):
            self.broken += [Fact("parameters", display(path)) for path in moved]
            return found
        if step:
            found = dict.fromkeys(found) | self.copies(back)
            others = [path for path in moved if {self.player, player(path)} == {"D", "G"}]
            self.broken += [Fact("other player", display(path)) for path in others]
            moved = {path: g for path, g in moved.items() if path not in others}
            found |= {path: None for path in moved if len(path) == 1}
        return {path: moved.get(path, g) for path, g in found.items()}

    def copies(self, back):
        """Return {path: gradient} for a step that returns new parameters and leaves the old ones alone."""
        boxes = [back, *(back if isinstance(back, tuple) else ())]
        for (name, arg), box in product(self.args.items(), boxes):
            old, new = parts_of(arg), parts_of(box)
            if isinstance(arg, (dict, list)) and [path for path, _ in old] == [path for path, _ in new]:
                moved = {(name, *path): (a - b) / self.rate for (path, a), (_, b) in zip(old, new, strict=True)}
                return {path: step for path, step in moved.items() if path in self.slots}
        step = self.form.gradient
        named = zip(moved_in(step.node) or step.returns, back if isinstance(back, tuple) else (back,), strict=False)
        return {(name,): (self.args[name] - new) / self.rate for name, new in named if (name,) in self.slots}

    # ---- the learning rate ----

    @property
    def uses_rate(self):
        """Is it given a learning rate by the call?"""
        return bool(rated(self.form.gradient.needs))

    @property
    def own_rates(self):
        """The learning rates of the object, or of the file that a step names."""
        own = getattr(self.thing, "__dict__", {})
        if self.thing is None and self.form.kind == "step" and self.form.gradient.node is not None:
            names = {part.id for part in ast.walk(self.form.gradient.node) if isinstance(part, ast.Name)}
            own = {name: value for name, value in vars(self.target.module).items() if name in names}
        steps = [1.0 for value in own.values() if isinstance(value, Descent)]
        optimizers = [
            vars(value) for value in own.values() if RULE.fullmatch(type(value).__name__) and is_object(value)
        ]
        boxes = [box for box in (own, *optimizers) if box]
        return steps or [box[name] for box in boxes for name in rated(box) if isinstance(box[name], float)]

    @property
    def rate(self):
        """The learning rate: of the call, or of the object."""
        return self.setting.rate if self.uses_rate else (self.own_rates or [1.0])[0]

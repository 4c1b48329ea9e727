"""Find the numbers inside things, parameters and gradients alike, and which gradient belongs to which parameter.

A leaf is an array, or a float, somewhere in an object: in an attribute, a dictionary, a list, an inner layer. Its
path says where: ("self", "layers", 0, "W"). A gradient is paired with what it is a gradient of by its name (dW,
W_grad, grads["W"], W.grad, ...), or else by its place in a list, or by its shape.
"""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from functools import lru_cache
from itertools import combinations, islice, product
from typing import NamedTuple

import numpy as np

from tinygan.doctor.feeding import roles

BOXES = {"params", "parameters", "param", "p", "weights", "theta", "data", "value", "val", "self", "trainable"}
BOXES |= {"parametres", "parametros", "parameter"}
GRADIENTS = {"grads", "grad", "gradients", "gradient", "g", "d", "dparams", "derivatives", "deltas", "grad_params"}
LIKE = re.compile(r"d[A-Z_].*|d[a-z]{1,2}\d*|(.*_)?(grads?|gradients?)(_.*)?|grad\w*|\w+Grad|nabla.*|delta_?\w+")
INPUT_GRADIENT = re.compile(r"d_?inputs?|dx|input_grad(ient)?|grad_?inputs?|d_?in", re.I)
BEFORE = r"(d|g|grad|grads|grado?f|gradients?|delta|nabla|deriv\w*|partial|d[a-z]d|dlossd|dcostd|errord?)"
AFTER = r"(grad|grads|gradient|gradients|d|delta|error|errors|prime)"


class Number(np.ndarray):
    """A float that can be nudged in place; ``x += 1`` makes a new one, as it does with a float."""

    def __iadd__(self, other):
        return self + other

    def __isub__(self, other):
        return self - other

    def __imul__(self, other):
        return self * other

    def __itruediv__(self, other):
        return self / other


def as_array(value):
    """Return a float as an array of no axes."""
    return np.array(value, np.float64).view(Number)


class Leaf(NamedTuple):
    """An array or a float: ``holder[key]``, or the attribute ``key`` of the holder."""

    path: tuple
    holder: object
    key: object
    value: object

    def put(self, value):
        """Put something else in its place; what is in a tuple stays there."""
        if isinstance(self.holder, (dict, list)):
            self.holder[self.key] = value
        elif is_dataclass(self.holder):
            object.__setattr__(self.holder, self.key, value)  # it may be frozen
        elif not isinstance(self.holder, tuple):
            setattr(self.holder, self.key, value)

    def put_back(self, value, old):
        """Let it be what it was: the same array, with the same numbers."""
        if isinstance(value, np.ndarray) and value.flags.writeable:
            value[...] = old
        self.put(value)  # there may be a new array in its place, by W = W - lr * dW


def is_number(value):
    """Is it a float, or an array of floats?"""
    return isinstance(value, (float, np.floating)) or isinstance(value, np.ndarray) and value.dtype.kind == "f"


def leaves(thing, path=(), seen=None):
    """Return the Leaves inside a thing, as a list, each object once."""
    seen, found = set() if seen is None else seen, []
    for key, value in items(thing):
        here = (*path, key)
        if is_number(value):
            found.append(Leaf(here, thing, key, value))
        elif (isinstance(value, (dict, list, tuple)) or is_object(value)) and id(value) not in seen and len(here) < 8:
            seen.add(id(value))
            found += leaves(value, here, seen)
    return found


def items(thing):
    """The named parts of a dictionary, list, tuple or object; of an object also what its class holds for all."""
    if isinstance(thing, dict):
        return list(thing.items())
    if isinstance(thing, (list, tuple)):
        return list(zip(getattr(thing, "_fields", range(len(thing))), thing, strict=True))
    kinds = [kind for kind in reversed(type(thing).__mro__) if kind is not object]
    shared = {name: value for kind in kinds for name, value in vars(kind).items() if name[:2] != "__"}
    common = {name: value for name, value in shared.items() if isinstance(value, (dict, list, np.ndarray))}
    slots = {k: getattr(thing, k) for k in getattr(type(thing), "__slots__", ()) if hasattr(thing, k)}
    return list({**common, **slots, **getattr(thing, "__dict__", {})}.items())


def is_object(value):
    """Is it something of a learner's, with attributes to look into?"""
    libraries = ("builtins", "numpy", "collections", "random", "functools", "types")
    return type(value).__module__.split(".")[0] not in libraries and not isinstance(value, type)


def generators_of(*roots):
    """Return the random generators inside things."""
    found, waiting, seen = [], list(roots), set()
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, (np.random.Generator, np.random.RandomState)):
            found.append(thing)
        elif id(thing) not in seen and (isinstance(thing, (dict, list, tuple)) or is_object(thing)):
            waiting += [value for _, value in items(thing)]
        seen.add(id(thing))
    return found


def parts_of(thing, path=()):
    """Return [(path, array)] of the arrays and numbers in what was returned."""
    if path and isinstance(thing, list) and len(thing) > 1 and all(isinstance(part, float) for part in thing):
        return [(path, np.array(thing))]
    if isinstance(thing, (dict, list, tuple)) or is_dataclass(thing):
        return [part for key, value in items(thing) for part in parts_of(value, (*path, key))]
    number = isinstance(thing, (np.ndarray, np.number, float, int)) and not isinstance(thing, bool)
    return [(path or (0,), np.asarray(thing))] if number else []


# ---- names -------------------------------------------------------------------------------------------


def plain(part):
    """A name without case and underscores; a number as it is."""
    return part.lower().replace("_", "") if isinstance(part, str) else part


def is_gradient_name(name):
    """Could this be the name of a gradient, whatever of?"""
    return isinstance(name, str) and bool(LIKE.fullmatch(name))


@lru_cache(10_000)
def named_after(gradient, name):
    """How well the name of a gradient fits that of an array: 3, 2 (nearly), 1 (by the first letter alone) or 0."""
    g, n = plain(gradient), plain(name)
    behind = plain(re.sub("^[a-z]_", "", name)) if isinstance(name, str) else ""  # dLogVar of t_log_var
    if not isinstance(g, str) or not isinstance(n, str) or not n:
        return 0

    def called(stem):
        return re.fullmatch(f"{BEFORE}{re.escape(stem)}s?|{re.escape(stem)}s?{AFTER}", g)

    for stem, score in ((n, 3), (n.rstrip("s"), 2), (re.sub("es$", "", n), 2), (behind, 2)):
        if called(stem):
            return score
    if g == f"{n}bar":  # or a mean, or a normalized W
        return 2
    short, words = re.fullmatch(f"{BEFORE}_?([a-z]+)", gradient.lower()), name.lower().split("_")
    first = "".join(word[:1] for word in words)
    if short and len(words) > 1 and short[2] in (words[0], words[-1], first):  # d_log of log_noise, g_ls of log_sigma
        return 2
    return 1 if called(n[0]) else 0


@lru_cache(10_000)
def fit(gradient, path):
    """How well the path of a gradient fits that of an array, 0 if not at all."""
    return max(fit_from_the_end(gradient, path, boxes) for boxes in (BOXES, {"self"}))  # dWeights["a"], weights["a"]


def fit_from_the_end(gradient, path, boxes):
    """As ``fit``: the parts are compared from the end, without the names of boxes."""
    players = {"D", "G"}
    g = [part for part in gradient[:-1] if part in players or plain(part) not in GRADIENTS | {"self"}] + [gradient[-1]]
    n = [part for part in path[:-1] if plain(part) not in boxes] + [path[-1]]
    of_gradients, score = len(g) < len([part for part in gradient if part != "self"]), 0
    if g[-1] in GRADIENTS and len(g) > 1 and g[-1] != n[-1]:  # weight.grad belongs to weight.data
        g, of_gradients = g[:-1], True
    if n[-1] in BOXES and len(n) > 1 and not named_after(g[-1], n[-1]):
        n.pop()
    if isinstance(g[-1], int) and not isinstance(n[-1], int):
        return 0
    for mine, own in zip(reversed(g), reversed(n), strict=False):
        similar, equal = named_after(mine, own), plain(mine) == plain(own)
        if not similar and not equal:
            return 1 if of_gradients and score and max(len(gradient), len(path)) < 4 else 0  # grad["v"] and par["v"]
        of_gradients = of_gradients or (similar and not equal)
        score += 1 + (3 if equal else similar)
    return score if of_gradients else 0


# ---- pairs -------------------------------------------------------------------------------------------


def match(slots, args, returned, names, changed, choice):
    """Return ({path of an array: what is its gradient}, number of choices).

    slots     {path: array}; ``args`` names those that are arguments
    returned  [(path, array)] of what was returned; ``names`` in the return statement
    changed   [Leaf] of what else was written
    choice    which of the likeliest pairs by order to take, where nothing else tells
    """
    named = [rename(path, names, len(returned) == 1) for path, _ in returned] + [leaf.path for leaf in changed]
    values = [value for _, value in returned] + [leaf.value for leaf in changed]
    shapes = {path: array.shape for path, array in slots.items()}
    pairs = by_name(shapes, named, [np.shape(value) for value in values])
    nameless = [np.shape(v) for v, path in zip(values, named, strict=True) if path[0] == "?"]
    for path in [p for p, j in pairs.items() if p[0] in args and j >= len(returned) and shapes[p] in nameless]:
        del pairs[path]  # the object keeps a dx, too, but what it returns is what counts
    keyed = [path[0] == "grads" and len(path) > 1 and isinstance(path[-1], str) for path in named]
    free = [j for j in range(len(returned)) if j not in pairs.values() and not keyed[j]]
    left = {path: shape for path, shape in shapes.items() if path not in pairs}
    first = {path: shape for path, shape in left.items() if path[0] in args}
    elsewhere = sum(np.shape(values[j]) in left.values() for j in free) == len(free)
    several = len(first) < len(free) <= len(left)
    if not first or several or elsewhere and not any(np.shape(values[j]) in first.values() for j in free):
        first = left if len(left) >= len(free) else first
    choices = in_order(first, [np.shape(values[j]) for j in free]) if free else [{}]
    ordered = {path: free[j] for path, j in choices[choice % len(choices)].items()}
    data = [name for name, role in roles(list(args)).items() if role != "target" and isinstance(args[name], np.ndarray)]
    if len(free) < len(data):  # it is not known which of them are meant
        ordered = {path: j for path, j in ordered.items() if np.size(values[j]) == slots[path].size}
    pairs |= ordered
    kept = [id(value) for _, value in returned]  # what is returned, and stands in the object, too
    for j in range(len(returned), len(values)):  # what is left in the state: by its shape, if that is unique
        if id(values[j]) in kept:
            continue
        of_input = bool(INPUT_GRADIENT.fullmatch(str(named[j][-1])))
        alike = [
            p for p, s in shapes.items() if p not in pairs and (p[0] in args) == of_input and s == np.shape(values[j])
        ]
        if j not in pairs.values() and (of_input and alike or len(alike) == 1 and is_gradient_name(named[j][-1])):
            pairs[alike[0]] = j
    return {path: values[j] for path, j in pairs.items()}, len(choices)


def beside(slots, parts):
    """Return {path: index} of gradients that stand behind the array that they belong to, (W, dW), in ``parts``."""
    places, found = {path: j for j, (path, _) in enumerate(parts)}, {}
    for path, array in parts:
        j = places.get((*path[:-1], 1)) if path[-1] == 0 and len(path) > 1 else None
        for slot, own in slots.items() if j is not None else ():
            alike = np.shape(array) == np.shape(parts[j][1]) == own.shape
            if alike and np.shares_memory(array, own) and not np.shares_memory(parts[j][1], own):
                found[slot] = j
    return found


def rename(path, names, alone):
    """The path of something returned, with the name from the return statement for its place in the tuple."""
    if len(names) == 1 and isinstance(names[0], str):
        return (names[0],) if alone else ("grads", *path)
    if not isinstance(path[0], int):
        return ("grads", *path)
    name = names[path[0]] if path[0] < len(names) else None
    if isinstance(name, tuple):
        return rename(path[1:], name, False) if len(path) > 1 else ("?",)
    if name is None:
        return ("grads", *path[1:]) if len(path) > 1 else ("?", *path)
    box = len(path) > 1 and isinstance(path[1], str) and not is_gradient_name(name)  # G["W"]
    return ("grads" if box else name, *path[1:])


def by_name(slots, gradients, shapes):
    """Return {path of an array: index of its gradient}, the best names first, and of equal ones those that fit."""
    named = [(path, own, j, g) for path, own in slots.items() for j, g in enumerate(gradients)]
    scores = [(fit(g, path), own == shapes[j], -j, path) for path, own, j, g in named]
    pairs = {}
    for score, _, j, path in sorted(scores, key=lambda item: item[:3], reverse=True):
        if score and path not in pairs and -j not in pairs.values():
            pairs[path] = -j
    return pairs


def in_order(slots, gradients):
    """Return [{path: index}] for gradients that only their order names: the likeliest choices, all as likely.

    slots      {path: shape}, the arguments first
    gradients  [shape], in the order of their arrays; fewer, perhaps
    """
    best, found = None, [{}]
    role = roles([path[0] for path in slots if len(path) == 1])  # ([(dW, db), ...], dx), or (dx, [dW, db])
    orders = [list(slots), *(sorted(slots, key=lambda path: (len(path) == 1) == last) for last in (True, False))]
    for paths, chosen in product(orders, in_rising_order(len(slots), len(gradients))):
        score = sum(slots[paths[i]] == shape for i, shape in zip(chosen, gradients, strict=False))
        score -= sum(1.5 * (role.get(paths[i][0]) == "target") for i in chosen)
        pairs = {paths[i]: j for j, i in enumerate(chosen)}
        if best is None or score > best:
            best, found = score, [pairs]
        elif score == best and pairs not in found:
            found.append(pairs)
    by_shape = {shape: path for path, shape in slots.items()}
    known = [by_shape.get(shape, ("",)) for shape in gradients]
    inside = all(path[0] == "self" for path in known)  # nobody says in which order the parameters of an object come
    if inside and len(by_shape) == len(slots) and len(set(known)) == len(gradients) and best < len(gradients):
        return [{path: j for j, path in enumerate(known)}]
    return found


def in_rising_order(n, k):
    """All ways to choose k of n numbers, or all of them; of very many the first."""
    return list(islice(combinations(range(n), min(n, k)), 2000))

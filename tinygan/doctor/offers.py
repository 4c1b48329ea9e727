"""Offer candidates for every argument of a form: by documentation, by what the module itself can make, or by name."""

from __future__ import annotations

import ast
import copy
import re
import types
from functools import partial
from itertools import product

import numpy as np

from tinygan.doctor import feeding, shapes
from tinygan.doctor.arrays import leaves, named_after
from tinygan.doctor.feeding import Draw, Make, Several, Size
from tinygan.doctor.finding import of_class
from tinygan.doctor.names import LOSS
from tinygan.doctor.sandbox import Stopped, call
from tinygan.doctor.source import (
    einsums,
    flat,
    node_of,
    own_classes,
    parameters,
    required,
    returns,
    text_about,
    walk_own,
    words,
)
from tinygan.layers import Dense, LeakyReLU, Sigmoid, Tanh
from tinygan.network import Network

PARAMETERS = re.compile(r"p|params?|parameters|weights|theta|phi|model|net")
GENERATORS = r"seed|rng|random_state|generator|rs"
NUMBERS = re.compile(r".*(size|height|width|stride|pad|rate|decay|eps|mode|num|kernel|window|dilat).*|.*_[hw]|f|s")
LAYERS = r"layers|mod(ule)?s|blocks|stages|children|couches|schichten|capas|camadas"
SIZES = re.compile(r".*(in|out|hid|dim|feat|num|size|unit|class|chan|n_).*")


def candidates(target, names, value, gradient, world, example, instance):
    """Return {argument: candidates}: "init.name" of the constructor, "params[W]" of an entry, or a name of ``names``.

    instance(kind, sizes) makes an object of one of the module's classes.
    """
    module, space, nth = target.module, constructing(target, world, instance), feeding.roles(names)
    nodes = [step.node for step in (*value, gradient) if step is not None and step.node is not None]
    inside = {name: inner_names(nodes, name, module) for name in names}
    labels = [label for keys in inside.values() for _, label in keys]
    own = [*names, *labels, *constructor_names(target)]
    found, ours = documented(target, own) if world.name.startswith("as documented") else ({}, {})
    made = {}
    if world.name.startswith("as used"):
        made, own, _, given = used(target, (*value, gradient))
        meant = [name for name in made if feeding.TARGETS.fullmatch(name) and name not in names]
        if value[-1].function is not None and len(meant) == 1:  # the target of an implied loss is the gradient's y
            made, given = ({"target": of[meant[0]]} | of for of in (made, given))
        own = {name: feeding.like(v) if is_own(v, module) else v for name, v in own.items()}  # a copy for each
        kept = [name for name in space if name in own and not re.fullmatch(r"init\.(opt|optim\w*)", name)]
        space |= {name: [own[name], *space[name]] for name in kept}  # of an optimizer a plain one takes the place
        several = [p.name for p in parameters(target.thing) if p.kind is p.VAR_POSITIONAL]
        if "init.*" in space and several and f"init.{several[0]}" in own and not is_container(target.thing):
            space["init.*"].insert(0, feeding.like(own[f"init.{several[0]}"]))
        layers = next((value for key, value in own.items() if re.fullmatch(LAYERS, key[5:])), ())
        if "init.*" in space and is_container(target.thing) and isinstance(layers, (list, tuple)) and layers:
            space["init.*"].insert(0, Make(lambda sizes, rng: copy.deepcopy(list(layers))))
    for name in space:
        if name[5:] in ours:
            space[name] = [Size(ours[name[5:]]), *space[name]]
        elif name[5:] in found:
            space[name] = [found[name[5:]]]
    own = own_lengths(target) if world.name == "rows" else []
    returned = [g for g in flat(gradient.returns) if isinstance(g, str)] if gradient is not None else []
    stateful = any(re.fullmatch(feeding.STATES, name) for name in names)
    for name in names:
        offered = feeding.for_call(name, world, nth[name], target.text)
        if nth[name] == "more":
            offered = [*words(module, name), *feeding.without_batch(name, names, offered)]
        if re.search(rf"\b{name}\[(1:|:-1)\]", getattr(module, "source_text", "")):  # its first, or last, is the bias
            offered = [offered[0], Draw("I+1"), *offered[1:]]
        if {"p", "q"} <= set(names) and name in ("p", "q"):  # two distributions
            offered = [Draw(world.x, "chances"), *offered]
        if re.search(rf"for (\w+), (\w+), \w+ in {name}\b[\s\S]*\[\1\]", target.text):
            offered = [Make(feeding.triples), *offered]
        kinds = dict.fromkeys(c.values for c in offered if isinstance(c, Draw))
        offered += [Draw(f"N {length}", kind) for length in own for kind in kinds]
        offered += [Draw(f"{length} 1") for length in own if re.fullmatch(feeding.STATES, name)]
        keyed = inside[name] and not inside[name][0][0].isdigit()
        if type(made.get(name)) is int and any(named_after(g, name) > 1 for g in returned):  # dapple, of 100
            made[name] = float(made[name])
        if name in made:
            whole = isinstance(made[name], Draw) and made[name].values.startswith("labels")
            numbers = [made[name]._replace(values="real")] if whole else []
            data = nth[name] == "x" and not re.fullmatch(feeding.PLAIN_IDS, name)
            itself = [Make(lambda sizes, rng, value=given[name]: copy.deepcopy(value))]
            others = re.match("neg|noise_|distract", name) and whole  # other words than those beside them
            last = itself if world.name == "as used" or not isinstance(made[name], Draw) else []
            space[name] = [*numbers, made[name], *last] if data else [made[name], *last, *numbers, *offered]
            space[name] = [*itself, *space[name]] if others else space[name]
        elif name in found and not keyed:
            kinds = list(kinds)
            alike = nth[name] == "target" and any(found.get(n) == found[name] for n in names if nth[n] == "x")
            if alike:  # of the shape of the prediction, it is one-hot
                kinds.sort(key=lambda kind: kind[:6] == "labels")
            first = sorted(kinds, key=lambda kind: kind != "labels") if kinds[0] == "labels" else kinds[:3]
            labels = ["labels"] * (
                "labels" in kinds and not alike and len(found[name].shape.split()) < 3 and kinds[0] != "real"
            )
            first = dict.fromkeys((*labels, *first))
            space[name] = [found[name]._replace(values=kind) for kind in first] + offered
        elif makers := (
            initialized(target, name, [key for key, _ in inside[name]] if keyed else ())
            or instances(module, name, instance, target.text)
            or numbered(nodes, name)
        ):
            space[name] = [*makers, *offered]
        elif inside[name]:
            for key, label in inside[name]:
                entries = feeding.recurrent(label, inner(label, world)) if stateful else inner(label, world)
                chance = re.fullmatch(r"\w+_param|config", name) and re.fullmatch("p|prob|rate", label)  # of dropout
                known = [0.5] if chance else [found[label]] if label in found else []
                space[f"{name}[{key}]"] = [*known, *entries]
        else:
            weight = nth[name] == "more" and offered[0] in [Draw(s) for s in (*feeding.WEIGHTS, *feeding.BIASES)]
            space[name] = feeding.recurrent(name, offered) if stateful and weight else offered
    for n, name in enumerate([name for name in names if any(c == 1 and type(c) is int for c in space.get(name, ()))]):
        space[name] = [(1 + n) % 3 if type(c) is int and c == 1 else c for c in space[name]]  # i and j are not the same
    for p in [p for step in value if step.function is None for p in parameters_of(target, step)]:
        if p.name in space and isinstance(p.default, float):
            space[p.name] = [p.default, *space[p.name]]
    for name, draw in by_einsum(nodes, names).items() if world.name == "rows" else ():
        space[name] = [draw, *space.get(name, ())]
    for name in names:
        if re.search(rf"\b{name}\b[^\n]*\b({SYMMETRIC})", target.text, re.I):
            space[name] = list(map(symmetric, space[name]))
    for name, given in (example or {}).items():
        key = name if name in space or f"init.{name}" not in space else f"init.{name}"
        shape = isinstance(given, tuple) and all(isinstance(length, int) for length in given)
        space[key] = [Draw(" ".join(map(str, given)))] if shape and not key.startswith("init.") else [given]
    return space


def by_einsum(nodes, names):
    """Return {name: Draw} of arguments that meet in an einsum; all axes but that of the samples are of one length."""
    found = {}
    for letters, operands in [pair for node in nodes for pair in einsums(node)]:
        if 1 < len(operands) == len(set(operands) & set(names)) and all(map(str.isalpha, letters)):
            axes = [" ".join("N" if letter in "nb" else "I" for letter in word) for word in letters]
            found |= dict(zip(operands, map(Draw, axes), strict=True))
    return found


SYMMETRIC = r"gram|covariance|symmetric|laplacian|adjacency"


def symmetric(candidate):
    """The same candidate, symmetric if it is a square matrix."""
    words = candidate.shape.split() if isinstance(candidate, Draw) else ()
    return candidate._replace(values="symmetric") if len(words) == 2 and words[0] == words[1] else candidate


def parameters_of(target, step):
    """The parameters of the function that a Call names."""
    return parameters(getattr(target.owner or target.module, step.name, None))


def used(target, steps):
    """Return ({argument: candidate}, {"init.name": value}, sizes, {argument: value}): what the file itself gives them.

    The first axis of x, or of the first array, is called N, so that it can be made longer.
    """
    calls = getattr(target.module, "calls", {})
    functions = [getattr(target.owner or target.module, step.name, None) for step in steps if step is not None]
    given = dict(getattr(target.thing, "start", {}))  # of a training loop
    if given:
        return {k: Make(lambda sizes, rng, v=v: copy.deepcopy(v)) for k, v in given.items()}, {}, {}, given
    for function in functions:
        known = calls.get(getattr(function, "__code__", None), {})
        given = {name: value for name, value in known.items() if name != "self"} | given
    arrays = {k: v for k, v in given.items() if isinstance(v, np.ndarray) and v.ndim and v.size}
    main = [name for name, role in feeding.roles(list(arrays)).items() if role == "x"]
    batch = batch_of(arrays, main[0]) if main else None
    init = calls.get(getattr(getattr(target.thing, "__init__", None), "__code__", None), {})
    kinds = (int, float, str, list, tuple, dict, np.ndarray, *own_classes(target.module))
    plain = {f"init.{k}": v for k, v in init.items() if isinstance(v, kinds) or callable(v) and k != "self"}
    return {k: feeding.like(v, batch) for k, v in given.items()}, plain, {"N": batch} if batch else {}, given


def is_own(value, module):
    """Is it an object of one of the module's classes?"""
    return isinstance(value, tuple(own_classes(module)))


def batch_of(arrays, main):
    """How many samples there are, by the arrays that a file gives a function: in rows, or in columns."""
    shape = arrays[main].shape
    data = [name for name in arrays if name != main and not feeding.is_weight(name, list(arrays))]
    others = [
        arrays[name].shape for name in data if arrays[name].ndim == len(shape) == 2 and arrays[name].shape != shape
    ]
    columns = others and all(o[1] == shape[1] for o in others) and not any(o[0] == shape[0] for o in others)
    if not others and len(shape) == 2:  # of one array that is much wider than high
        wide = shape[0] < 8 and shape[1] > 12 or shape[1] > shape[0] and shape[0] * shape[1] > 400
        columns = wide and not any(arrays[name].shape == shape[:1] for name in data)
    return shape[1] if columns else shape[0]


def own_lengths(target):
    """The lengths of the matrices of a function's module, or of an object whose constructor needs none."""
    return list(dict.fromkeys(length for shape in own_shapes(target) if len(shape) == 2 for length in shape))


def own_shapes(target):
    """The shapes of the arrays of a function's module, or of an object whose constructor needs nothing."""
    kind = isinstance(target.thing, type)
    if kind and required(target.thing):
        return []
    try:
        things = call(target.thing) if kind else {k: v for k, v in vars(target.module).items() if k[:2] != "__"}
        return [np.shape(leaf.value) for leaf in leaves(things)]
    except Stopped:
        return []


def documented(target, names):
    """As ``shapes.documented``, for these arguments of a target."""
    text = getattr(target.module, "source_text", "")
    return shapes.documented(names, target.text, constructor_names(target), text)


def constructor_names(target):
    """The arguments that the constructor of a target needs."""
    return required(target.thing) if isinstance(target.thing, type) else ()


# ---- the constructor -------------------------------------------------------------------------------------


def constructing(target, world, instance):
    """Return {"init.name": candidates} for the constructor; arguments whose name says nothing are sizes."""
    if not isinstance(target.thing, type) or world.name == feeding.ITSELF:
        return {}
    space, position, names = {}, 0, list(required(target.thing))
    init = text_about(target.module, [node_of(target.thing.__init__)])
    if issubclass(target.thing, Network) and "layers" in names:
        names.remove("layers")
        space["init.layers"] = [Make(some_layers)]
    elif is_container(target.thing):
        names = [name for name in names if not re.fullmatch(LAYERS, name)]
        space["init.*"] = [Make(lambda sizes, rng: layers_of(target, sizes, instance))]
    drawing = r"\.(normal|standard_normal|randn|rand|random|uniform|integers|randint|choice|permutation)\("
    for name in names:
        offered = feeding.for_constructor("rng" if re.search(rf"\b{name}{drawing}", init) else name, position)
        space[f"init.{name}"] = [*words(target.module, name), *offered]
        if LOSS.fullmatch(target.name) and re.fullmatch(feeding.CLASSES, name):  # as many as x has columns
            space[f"init.{name}"].insert(0, Size("I"))
        if LOSS.fullmatch(target.name) and re.fullmatch(r"(pos_|class_)?weights?|priors?|frequencies|counts", name):
            space[f"init.{name}"].insert(0, Draw("I", "positive"))
        position += isinstance(space[f"init.{name}"][0], Size)
        if parts := re.search(rf"^\s*\(?(\w+(?:, *\w+)+)\)? = {name}$", init, re.M):  # H1, H2 = hidden_sizes
            symbols = "MTVK"[: parts[1].count(",") + 1]
            space[f"init.{name}"] = [Several([Size(symbol) for symbol in symbols]), *space[f"init.{name}"]]
        if re.search(rf"\b{name}\[[^\]]*:", init):  # zip(lengths[:-1], lengths[1:])
            space[f"init.{name}"] = [Several([Size("I"), Size("M"), Size("O")]), *space[f"init.{name}"]]
        if target.owner is None or not issubclass(target.owner, Network):
            space[f"init.{name}"] = [*space[f"init.{name}"], *instances(target.module, name, instance, target.text)]
    plain = [key for key in space if [c for c in space[key] if isinstance(c, Size)] == space[key][:3]]
    if len(plain) == 3:  # the one in the middle is of what is hidden
        for key, first in zip(plain, "IMO", strict=True):
            space[key] = [Size(first), *(c for c in space[key] if c != Size(first))]
    several = [p.name for p in parameters(target.thing) if p.kind is p.VAR_POSITIONAL]
    if several and "init.*" not in space:
        sizes = Several((Size("I"), Size("M"), Size("O")))
        space["init.*"] = [Several((2, 0, 1)) if re.match("ax|perm|order", several[0]) else sizes]
    source = getattr(target.module, "source_text", "")
    for p in parameters(target.thing):
        if re.fullmatch(r"opt|optim\w*", p.name) and p.default in (p.empty, None):
            space[f"init.{p.name}"] = [Make(lambda sizes, rng: feeding.Descent(source))]
        if p.default is None and re.fullmatch(feeding.DATA, p.name):  # of an object that holds its data
            space[f"init.{p.name}"] = [None, Draw(world.x)]
        large = type(p.default) is int and p.default > 70 and not re.search("seed|iter|epoch|step|state", p.name)
        if large or type(p.default) is int and p.default > 1 and SIZES.fullmatch(p.name):
            sizes = [Size(symbol) for symbol in "IMO"]  # of what is large it would take minutes
            space[f"init.{p.name}"] = [*sizes, p.default] if large else [p.default, *sizes]
    return space


def by_position(space):
    """Return {"init.name": place in its candidates} where all numbers of a constructor are sizes, one by one."""
    found, symbols = {}, iter("IOMTVK")
    for name, offered in space.items():
        number = isinstance(offered[0], (int, float, Size, Several, Draw)) and not isinstance(offered[0], bool)
        if name[:5] == "init." and number and not re.fullmatch(r"init\.(.*seed|lr|.*rate|eps\w*|\*)", name):
            space[name] = [*offered, Size(next(symbols, "M"))]
            found[name] = len(offered)
    return found


def some_layers(sizes, rng):
    """One of each kind that the package has."""
    return [Dense(sizes["I"], 5), LeakyReLU(), Dense(5, 4), Sigmoid(), Dense(4, sizes["O"]), Tanh()]


def is_container(kind):
    """Is it made of layers, Sequential(*layers) or Model(layers)?"""
    return any(re.fullmatch(LAYERS, p.name) for p in parameters(kind))


def layers_of(container, sizes, instance):
    """A few layers of the same module, one behind the other: the first with parameters, and what takes its output."""
    found = []
    for kind in own_classes(container.module):
        try:
            layer, plain = instance(kind, sizes) if not is_container(kind) else (None, False)
        except Stopped:
            continue
        if plain and (
            not found or not any(isinstance(v, (list, dict)) or getattr(v, "ndim", 0) for v in vars(layer).values())
        ):
            found.append(layer)
    if not found:
        raise Stopped(f"{container.name}: there are no layers in the file that it could be made of")
    return found


# ---- what the module makes -------------------------------------------------------------------------------


def instances(module, name, instance, text=""):
    """Candidates for an argument that is an object of one of the module's classes: D of Discriminator."""
    low = name.lower().strip("_")
    any_will_do = low in ("model", "net", "network", "layer") or re.search(rf"\b{name}\.(forward|backward)\(", text)
    asked = set(re.findall(rf"\b{name}\.(\w+)\(", text))  # cell.step(x, h)
    if len(low) == 1 and not name.isupper():
        return []
    built_on = {base for k in own_classes(module) for base in k.__mro__[1:]}
    fitting = [k for k in own_classes(module) if k.__name__.lower().startswith(low) or any_will_do]
    fitting = [k for k in fitting if hasattr(k, "forward") or "__call__" in vars(k) or k.__name__.lower() == low]
    fitting += [k for k in own_classes(module) if k not in fitting and asked and all(hasattr(k, m) for m in asked)]
    fitting = [base for base in fitting if base not in built_on] or [
        k for k in own_classes(module) if k not in built_on and any(base in k.__mro__ for base in fitting)
    ]
    if not fitting and re.fullmatch(r"d|disc\w*|critic|g|gen\w*", low):  # one class for both players
        layers = [k for k in own_classes(module) if any(form.kind == "pair" for form in of_class(k, module).forms)]
        lengths = {"I": "M", "O": "I"} if low[0] == "g" else {"I": "I", "O": "1"}

        def make(sizes, rng, kind):
            return instance(kind, {**sizes, **{new: sizes.get(old, 1) for new, old in lengths.items()}})[0]

        return [Make(lambda sizes, rng, kind=kind: make(sizes, rng, kind)) for kind in reversed(layers)]
    return [Make(lambda sizes, rng, kind=kind: instance(kind, sizes)[0]) for kind in reversed(fitting)]


def initialized(target, name, keys):
    """Candidates for parameters that a function of the module makes: init(n_in, n_hidden, n_out), or init([...]).

    keys  under which the code finds them in a dictionary
    """
    found, own = [], {key: getattr(target.owner, key) for key in vars(target.owner or object) if key[:2] != "__"}
    for key, function in [*vars(target.module).items(), *own.items()]:
        makes = isinstance(function, types.FunctionType) and re.match(r"init|create|make|new|build", key)
        makes = makes and not any(
            re.fullmatch(f"{feeding.DATA}|{feeding.TARGETS.pattern}", p) for p in required(function)
        )
        node = node_of(function) if makes else None
        names = (returns(node) or [()])[-1] if makes else ()
        written = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)] if node else []
        part = names.index(name) if len(names) > 1 and name in names else None  # return G, D
        same = keys and set(keys) <= {value for value in written if isinstance(value, str)}
        if makes and (PARAMETERS.fullmatch(name) or part is not None or names == (name,) or same):
            found += [Make(partial(made_by, function, part, order)) for order in orders(function)]
    return found


def orders(function):
    """The sizes that a function may take: "IMO" one after the other, or [*"IMO"] as a list."""
    given = [p for p in parameters(function) if not re.fullmatch(GENERATORS, p.name)]
    needs = [p for p in given if p.default is p.empty] or [p for p in given if isinstance(p.default, int)]
    in_turn = dict.fromkeys(order[: len(needs)] for order in ("IMO", "IOM", "MIO", "OIM", "IIM"))
    return [[*"IMO"], *in_turn] if len(needs) == 1 else in_turn


def made_by(function, part, order, sizes, rng):
    """Return what a function makes of these sizes, or (not None) a part of it."""
    lengths = [sizes[symbol] for symbol in order]
    drawn = {p: rng for p in required(function) if re.fullmatch(GENERATORS, p)}
    result = call(function, lengths, **drawn) if isinstance(order, list) else call(function, *lengths, **drawn)
    return result if part is None else result[part]


def numbered(nodes, name):
    """Candidates for the parameters of three layers that are numbered, ``name["W" + str(l)]``, from 1 or from 0."""
    key = rf"\b{name}\[f?'([a-zA-Z_]+)(?:' \+|{{|%d')"
    stems = sorted({stem for node in nodes for stem in re.findall(key, ast.unparse(node))}, key=str.lower)
    if len(stems) != 2 or not re.fullmatch("b|bias", stems[0], re.I):
        return []
    found = []
    for first, weight, bias in product((1, 0), ("{1} {0}", "{0} {1}"), ("{1} 1", "1 {1}", "{1}")):
        layers = list(enumerate([("I", "T"), ("T", "M"), ("M", "O")], first))
        shapes = zip(stems, (bias, weight), strict=True)
        named = {f"{stem}{i}": text.format(*ends) for stem, text in shapes for i, ends in layers}
        found.append(Make(partial(small, named)))
    return found


def small(shapes, sizes, rng):
    """Arrays of these shapes, of small numbers: behind several layers a sigmoid must not be all 0 or 1."""
    lengths = {key: [feeding.length(word, sizes) for word in shape.split()] for key, shape in shapes.items()}
    return {key: feeding.signed(rng, shape) / 3 for key, shape in lengths.items()}


def inner(label, world):
    """Candidates for an entry of a dictionary or tuple of arguments."""
    sizes = [c for c in feeding.for_constructor(label, 0) if not isinstance(c, (Draw, Make))]
    arrays = [c for c in feeding.for_call(label, world, "more", "") if isinstance(c, (Draw, float))]
    if re.fullmatch(feeding.STATES, label):
        arrays = [Draw(shape) for shape in feeding.BIASES]
    numbers = [2, 1] if NUMBERS.fullmatch(label) and not any(isinstance(c, (int, float)) for c in sizes) else []
    return [*numbers, *sizes, *arrays] if NUMBERS.fullmatch(label) else [*arrays, *sizes]


def inner_names(nodes, name, module, deep=2):
    """Return [(key, name)] of the entries that functions take from an argument: name["W"], or W, b = name."""
    keys, unpacked = {}, []
    for part in (part for node in nodes for part in walk_own(node)):
        if isinstance(part, ast.Subscript) and getattr(part.value, "id", None) == name:
            if isinstance(part.slice, ast.Constant) and isinstance(part.slice.value, str):
                keys[part.slice.value] = part.slice.value
        elif isinstance(part, ast.Assign) and getattr(part.value, "id", None) == name and not unpacked:
            if isinstance(part.targets[0], ast.Tuple):
                unpacked = [(str(i), getattr(t, "id", "_")) for i, t in enumerate(part.targets[0].elts)]
        elif isinstance(part, ast.Call) and deep:  # it is handed on
            given = [getattr(arg, "id", None) for arg in part.args]
            helper = vars(module).get(getattr(part.func, "id", None)) if name in given else None
            node = node_of(helper) if isinstance(helper, types.FunctionType) else None
            known = [arg.arg for arg in node.args.args] if node is not None else []
            if name in given[: len(known)]:
                keys |= dict(inner_names([node], known[given.index(name)], module, deep - 1))
    return list(keys.items()) or unpacked

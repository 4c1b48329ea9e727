"""Try candidates for the arguments until the code runs: one at a time, and kept where it comes farther with them."""

from __future__ import annotations

import ast
import math
import re
import time
from dataclasses import replace
from functools import lru_cache
from itertools import chain, combinations, product

import numpy as np

from tinygan.doctor import feeding
from tinygan.doctor.arrays import is_gradient_name
from tinygan.doctor.calls import names_called
from tinygan.doctor.feeding import TARGETS, Draw, Several, World
from tinygan.doctor.finding import of_class
from tinygan.doctor.games import Penalty, Step
from tinygan.doctor.implied import IMPLIED, TOTALS, totals
from tinygan.doctor.names import LOSS
from tinygan.doctor.offers import (
    by_position,
    candidates,
    constructor_names,
    documented,
    own_shapes,
    parameters_of,
    used,
)
from tinygan.doctor.pair import Pair, free_arguments
from tinygan.doctor.sandbox import Stopped, Unfilled, call, counted_lines, in_library, made_like
from tinygan.doctor.source import einsums, parameters, required, text_about, tree_of
from tinygan.doctor.subject import Both, Plan, Setting, object_in_use

ATTEMPTS = 300  # that the search in one world may make; counted, so that the answer is the same on every machine
SECONDS = 15  # of computing that it may take at most
SENSELESS = ValueError, TypeError, AttributeError, IndexError, KeyError, RecursionError  # of what code returns


def adapter(form):
    """Return the class of Subject for a form."""
    return {"both": Both, "penalty": Penalty, "discriminator": Step, "generator": Step}.get(form.kind, Pair)


class Attempt:
    """What came of one choice: how far it ran, and why no farther.

    progress  (stage, lines run, how far in the last line); stages are 0 constructor, 1 forward, 2 output, 3 backward,
              then 3.5 without any gradient, 4 with gradients of the wrong shape, 5 with gradients; then how many fit
    """

    def __init__(self, plan, setting):
        self.plan, self.error, self.square, self.shrunk, kind = plan, None, False, (), adapter(plan.form)
        self.subject = kind.__new__(kind)
        with counted_lines() as lines:
            try:
                self.subject.__init__(plan, setting)
                gradients = self.subject.gradients(np.ones_like(self.subject.out()))
                shapes = [(g.shape, self.subject.slots[path].shape) for path, g in gradients.items() if g is not None]
                fit, x = shapes and all(g == x for g, x in shapes), self.subject.main_input()
                felt = x is None or self.subject.matters(x)
                n = self.subject.sizes["N"] if "N" in plan.world.x.split() else 1
                few = [shape for shape in self.subject.shapes if 0 < len(shape) < 3]
                squares = [len(shape) == 2 and shape[0] == shape[1] > 1 for shape in few]
                squares += [max(shape) > 1 and all(length % n for length in shape) for shape in few]  # over samples
                self.square = bool(LOSS.fullmatch(plan.value[-1].name)) and any(squares)  # np.dot(Y, np.log(A).T)
                fit = fit and not self.square
                fit = fit and not self.subject.left  # a gradient that belongs to nothing
                fit = fit and not stretched(plan.value, self.subject.args)
                self.progress = (5 if fit and felt else 4 if shapes else 3.5, sum(g == x for g, x in shapes), 0)
                return
            except (Stopped, *SENSELESS) as error:
                self.error = error if isinstance(error, Stopped) else Stopped(f"{plan.target.name}: {error}")
        self.progress = (getattr(self.subject, "stage", 0), lines[0], depth(self.error.__cause__))

    @property
    def done(self):
        return self.progress[0] >= 5


def stretched(value, args):
    """Does an einsum take one entry of an argument for many, "nd,de->ne" of (N, 1) and (D, E)? It is not meant so."""
    for spec, names in chain.from_iterable(einsums(step.node) for step in value if step.node is not None):
        lengths = {}
        for letters, name in zip(spec, names, strict=False):
            array = args.get(name)
            if isinstance(array, np.ndarray) and len(letters) == array.ndim:
                for letter, n in zip(letters, array.shape, strict=True):
                    lengths.setdefault(letter, set()).add(n)
        if any(len(found) > 1 for found in lengths.values()):
            return True
    return False


def depth(error):
    """How far an error is in its line: the place in the byte code of the learner's innermost function."""
    place, trace = 0, getattr(error, "__traceback__", None)
    while trace is not None:
        place = trace.tb_lasti if not in_library(trace.tb_frame.f_code.co_filename) else place
        trace = trace.tb_next
    return place


BATCH = r"\baxis\b|keepdims|mean\(|\bsum\(|batch|/ *[mnN]\b|einsum"  # of code that knows that there are several samples


def plan_for(target, form, setting, example=None, seconds=None):
    """Return the Attempt that came farthest, in so many seconds of computing (SECONDS)."""
    perhaps = form.kind == "both" and not LOSS.fullmatch(form.name)  # it may be a helper, and no loss at all
    stop = time.process_time() + (seconds or SECONDS) / (1 + 3 * perhaps)
    best, ran = None, None  # ``ran``: where forward does first
    meant = [value for value in form.values if value[-1].function in IMPLIED.values()][1:]  # run all alike
    values = [value for value in form.values if value not in meant]
    alternatives = [(value, world) for value in values for world in worlds(target, form, value)]
    for last, pairs in ((0, False), (1, False), (1, True), (2, False), (2, True)):
        if pairs:  # nothing runs: once more, in the world where most of it did
            alternatives.sort(key=lambda a: a != (best.plan.value, best.plan.world))
        for value, world in alternatives[: 1 if pairs else None]:
            runs = best is not None and best.progress[0] >= 3.5 and not best.subject.left
            everything_fits = runs and (world.name.startswith("one") or "one output" in world.name and not best.square)
            if pairs or world.last == last and not everything_fits:
                attempt = search(target, form, value, world, setting, example, stop, pairs)
                farther = best is None or attempt.progress[: 3 if best.progress[0] < 4 else 1] > best.progress
                best = attempt if farther else best
                ran = world if ran is None and attempt.progress[0] >= 2 else ran
                told = world.name.startswith("as documented") and all_documented(target, form, value)
                told = (told or world.name == "as used") and attempt.progress[0] >= 4
                if best.done or isinstance(attempt.error, Unfilled) or told:
                    return attempt if told else best
        if last and best.progress[0] >= 4 and best.plan.world is ran:
            break
    return best


def all_documented(target, form, value):
    """Is the shape of every argument written beside the code? Then what does not fit is wrong."""
    names = free_arguments(value, form.gradient, form.kind)
    return set(names) <= set(documented(target, names)[0])


def worlds(target, form, value):
    """The layouts to be tried: what is documented, then all others. Of a game's scores there is one a sample."""
    names, result = free_arguments(value, form.gradient, form.kind), list(feeding.WORLDS)
    found, _ = documented(target, [*names, *constructor_names(target)])
    if form.kind != "step" and any(re.fullmatch(feeding.GAME, name) for name in names):
        result = with_first(result, "one column")
    places = re.findall(rf"\b{names[0]}\[(\d)\]", target.text) if len(names) == 1 else []
    if max(map(int, places), default=0) > 0:
        result.insert(0, World("as indexed", str(max(map(int, places)) + 1), {}))
    if "xs" in names and re.search(r"for \w+ in xs\b", target.text) and not re.search(r"\b[dg]?xs?\[t\]", target.text):
        result = with_first(result, "sequences")  # of samples in rows, one step after the other
    if any(re.fullmatch(r"\w*([a-z]V|_v)ec(tor)?", name) for name in names):
        result = with_first(result, "one sample")
    if re.search(r"\b(slog)?det\(|\binv\(|solve\(|cholesky\(|\beigh?\(|\btrace\(", target.text):
        result = with_first(result, "square")
    data = [name for name in names if not feeding.is_weight(name, names)]
    if first := next((found[name].shape for name in data if name in found), "N I" if found else None):
        like = next((w.sizes for w in result if len(w.x.split()) == len(first.split()) and not w.last), {})
        all_parameters = [*parameters(target.thing), *(p for step in value for p in parameters_of(target, step))]
        own = [p.default for p in all_parameters if isinstance(p.default, (tuple, list))]
        for length in dict.fromkeys(map(len, own)):  # (N, Q), beside quantiles=(0.1, 0.5, 0.9)
            result.insert(0, World("as documented, as long as a default", first, {**like, "I": length}))
        result.insert(0, World("as documented", first, like))
    filters = [shape for shape in own_shapes(target) if len(shape) == 4] if isinstance(target.thing, type) else []
    if filters:  # as many channels as the first of them takes: (O, I, 3, 3)
        images = next(i for i, w in enumerate(result) if w.name == "images")
        result.insert(images, result[images]._replace(sizes={**result[images].sizes, "I": filters[0][1]}))
    if re.search(BATCH, text_about(target.module, [step.node for step in (*value, form.gradient) if step is not None])):
        result = [w for w in result if w.sizes != {"N": 1}]  # a mistake may be right for one sample
    if one_by_one(target.module, form):
        result = [w._replace(sizes={**w.sizes, "N": 1}) for w in result]
    given, own, sizes, _ = used(target, (*value, form.gradient))
    if given or own:
        first = next((c.shape for c in given.values() if isinstance(c, Draw)), "N I")
        result.insert(0, World("as used", first, sizes))
        if isinstance(target.thing, type) and object_in_use(target, form) is not None:
            result.insert(1, World(feeding.ITSELF, first, {"N": 6} if sizes else {}))
        shapes = [c.shape.split() for c in given.values() if isinstance(c, Draw) and c.shape[:1] == "N"]
        each = max((math.prod(int(word) for word in shape if word.isdigit()) for shape in shapes), default=1)
        enough = max(2, min(6, 2000 // each))
        if sizes and (not 4 < sizes["N"] < 13 or sizes["N"] * each > 3000):  # three see too little, and much takes long
            result.insert(0, World("as used, for other samples", first, {"N": enough}))
    return [w._replace(sizes={**w.sizes, "O": 1}) for w in result] if form.kind == "step" else result


def with_first(result, name):
    """The same layouts, the one of this name first, and no longer among the last."""
    return sorted((w._replace(last=w.last * (w.name != name)) for w in result), key=lambda world: world.name != name)


def one_by_one(module, form):
    """Is the gradient called for one sample after the other, ``for x, y in batch: ... backprop(x, y)``, or meant so?"""
    call = form.gradient or form.values[0][0]
    name = call.name
    if re.search(
        r"\b((of|for) (one|a single) (training )?(example|sample|input)|C_x)\b", text_about(module, [call.node])
    ):
        return True
    for loop in [part for part in ast.walk(tree_of(module)) if isinstance(part, ast.For)]:
        sample = {getattr(n, "id", "") for n in ast.walk(loop.target)}
        for part in [part for part in ast.walk(loop) if isinstance(part, ast.Call)]:
            called = getattr(part.func, "attr", getattr(part.func, "id", ""))
            given = [getattr(arg, "id", None) for arg in part.args]
            if called == name and len(given) > 1 and set(given) <= sample:
                return True
    return False


def search(target, form, value, world, setting, example, stop, pairs=False):
    """Climb: change one argument at a time (or two), keep what runs farther."""
    names = free_arguments(value, form.gradient, form.kind) if adapter(form) in (Both, Pair) else []
    space = candidates(target, names, value, form.gradient, world, example, instance_in(target.module))
    if adapter(form) is Step:
        space = {}

    def attempt(choice):
        given = {name: space[name][i] for name, i in choice.items()}
        return Attempt(Plan(target, form, value, nested(given), world), setting)

    def changes():
        single = [{name: i} for name in reversed(space) for i in range(len(space[name]))]
        yield from single
        yield from together
        yield from ({**p, **q} for p, q in combinations(single if pairs else [], 2))

    choice, stuck, left = dict.fromkeys(space, 0), False, ATTEMPTS * (1 + 5 * pairs)
    best, start = attempt(choice), choice
    known = documented(target, names)[0] if world.name.startswith("as documented") else {}
    together = (
        by_position(space),
        of_one_output(space),
        gated(space, 4),
        gated(space, 3),
        joined(space, ("M I+M", "M 1", "M N")),
        joined(space, ("I+M M", "M", "N M")),
        in_columns(space),
    )
    together = [{name: place for name, place in others.items() if name not in known} for others in together]
    for others in together:
        other = start | others
        if not best.done and other != start and (second := attempt(other)).progress > best.progress:
            best, choice = second, other
    told = world.name.startswith("as documented") and all_documented(target, form, value)
    if (told or world.name.startswith("as used")) and best.progress[0] >= 4:  # that is how it is meant
        return best
    while not (stuck or best.done or isinstance(best.error, Unfilled)):
        start, stuck = choice, True
        for change in changes():
            if change.items() <= start.items():
                continue
            left -= 1
            if not left or time.process_time() > stop:
                return best
            other = attempt({**start, **change})
            if other.progress > best.progress:
                other.shrunk = best.shrunk or shrunk(best, other)
                best, choice, stuck = other, {**start, **change}, False
            if best.done or (pairs and not stuck):
                break
    return best


def shrunk(first, second):
    """The names of arrays that are one number in the second Attempt, and were more in the first; none where O = 1."""
    if first.progress[0] < 4 or second.subject.sizes["O"] == 1:
        return ()
    both = [(path, array, second.subject.slots.get(path)) for path, array in first.subject.slots.items()]
    return tuple(path[-1] for path, array, other in both if other is not None and other.size == 1 < array.size)


def of_one_output(space):
    """Return {name: place in its candidates} for w (I,), a number b, and y (N,)."""
    found = {}
    for name, offered in space.items():
        for pattern, shape in ((r"w|theta|weights|coef", "I"), (r"b|bias", ""), (TARGETS.pattern, "N")):
            shapes = [c.shape if isinstance(c, Draw) else "" if isinstance(c, float) else None for c in offered]
            if re.fullmatch(pattern, name) and shape in shapes:
                found[name] = shapes.index(shape)
    return found if any(re.fullmatch("w|theta|weights|coef", name) for name in found) else {}


def elsewhere(plan, example):
    """Yield Attempts with a layout that was not tried, where the one that was tried first is no more than a guess.

    So that what we feed, and nobody has asked for, is never enough to call code wrong.
    """
    target, form, value = plan.target, plan.form, plan.value
    sure = plan.world.name.startswith("as used") or all_documented(target, form, value)
    if sure or example or form.kind in ("penalty", "discriminator", "generator"):
        return
    stop = time.process_time() + SECONDS / 2
    every = [w for w in worlds(target, form, value) if w.name != plan.world.name and not w.name.startswith("one")]
    text = text_about(target.module, [step.node for step in (*value, form.gradient) if step is not None])
    alone = not re.search(r"shape\[|len\(|size|axis|keepdims|mean\(|sum\(|/ *m\b|batch", text)
    alone = alone or plan.world.last  # nothing else runs
    if plan.world.name == "columns":
        alone = form.gradient and not re.search(BATCH, text_about(target.module, [form.gradient.node]))
    columns = [w for w in worlds(target, form, value) if w.name == "columns" and alone]
    every += [w._replace(sizes={"N": 1}, name="one sample") for w in columns]
    for world in every:
        if world.name != "square":
            attempt = search(target, form, value, world, Setting(), None, stop)
            if attempt.progress[0] >= 4:
                yield attempt


def gated(space, gates):
    """Return {name: place in its candidates} for weights of an LSTM, (I, 4*M), or a GRU, all at once."""
    shapes = {name: [c.shape if isinstance(c, Draw) else "" for c in of] for name, of in space.items()}
    wide = {name: next((i for i, s in enumerate(of) if s.endswith(f"{gates}*M")), None) for name, of in shapes.items()}
    found = {name: i for name, i in wide.items() if i is not None}
    return found if len(found) > 1 else {}


def joined(space, shapes):
    """Return {name: place in its candidates} for the weights, biases and states of gates over [x, h] as one vector."""
    found = {}
    for name, of in space.items():
        own = [c.shape if isinstance(c, Draw) else None for c in of]
        state, weight = re.fullmatch(feeding.STATES, name), any(shape and "+" in shape for shape in own)
        shape = shapes[2] if state else shapes[0] if weight else shapes[1]
        if name != next(iter(space)) and shape in own:
            found[name] = own.index(shape)
    return found if any("+" in space[name][i].shape for name, i in found.items()) else {}


def in_columns(space):
    """Return {name: place in its candidates} for a cell whose samples stand in columns: W is (M, I) there."""
    turned, found = {"I M": "M I", "M M": "M M", "M": "M 1", "N M": "M N"}, {}
    for name, of in space.items():
        own = [c.shape if isinstance(c, Draw) else None for c in of]
        if own[0] in turned and turned[own[0]] in own:
            found[name] = own.index(turned[own[0]])
    return found if any(re.fullmatch(feeding.STATES, name) for name in found) else {}


def readings(plan, found):
    """Yield Plans in which something is meant otherwise: the function, the shape of an argument, the kind of data.

    found  {argument: what was computed as its gradient}
    """
    for value in plan.form.values:
        functions = plan.target.owner is None and len(value) == len(plan.value) == 1 and plan.form.kind == "pair"
        if functions and value != plan.value and not LOSS.fullmatch(value[0].name):
            yield plan_for(plan.target, plan.form._replace(values=(value,)), Setting()).plan
    last = plan.value[-1].name
    whole = [value for value in plan.form.values if LOSS.fullmatch(last) and last in names_called(value[-1])]
    yield from (replace(plan, value=value) for value in whole)  # the loss with its penalty, not the one without
    if (
        plan.form.kind == "both"
        and sum(isinstance(name, str) and not is_gradient_name(name) for name in plan.value[-1].returns) > 1
    ):
        yield replace(plan, value=(plan.value[-1]._replace(part=-1),))  # of rec + kl, of rec, kl, grads
    others = [name for name in map(str, plan.value[-1].returns[1:]) if re.search("loss|penalty|kl|reg|cost", name)]
    if plan.form.kind == "pair" and len(others) == 1:
        yield replace(plan, beside=True)
    if plan.value[-1].bound:  # another loss of a player
        yield from (replace(plan, value=value) for value in plan.form.values if value != plan.value)
    if plan.value[-1].function in TOTALS.values():  # the mean in place of the sum
        yield replace(plan, value=(*plan.value[:-1], totals()[1]))
    if plan.form.kind == "pair" and plan.target.owner is None and LOSS.fullmatch(plan.value[-1].name):
        yield from (replace(plan, value=(*plan.value, total)) for total in totals())  # of losses, one a sample
    yield from reshaped(plan, found)
    labels = [name for name, given in plan.given.items() if isinstance(given, Draw) and given == Draw("N", "labels")]
    words = [name for name in labels if not TARGETS.fullmatch(name)]
    for name in words:  # sentences, perhaps
        masks = {other: Draw("N T", "mask") for other in plan.given if "mask" in other}
        yield replace(plan, given={**plan.given, **masks, name: Draw("N T", "labels")})
    for name, role in feeding.roles([name for name in plan.given if name[:5] != "init."]).items():
        now = plan.given[name]
        data = role != "x" and name not in found and not plan.world.name.startswith("as used")
        if (
            data
            and isinstance(now, (Draw, float))
            and getattr(now, "values", "real")[:5] not in ("signs", "label", "boole")
        ):
            shapes = [now.shape] if isinstance(now, Draw) else [plan.world.x, "N O", "N"]
            for shape, kind in product(shapes, ("chances", "one-hot")):
                if (shape, kind) != tuple(now if isinstance(now, Draw) else ()):
                    yield replace(plan, given=plan.given | {name: Draw(shape, kind)})


def reshaped(plan, found):
    """Yield Plans in which an argument whose shape was only guessed has that of its gradient, or but one axis."""
    given = {name: c for name, c in plan.given.items() if name[:5] != "init." and isinstance(c, (Draw, float))}
    numbers = {name for name, c in given.items() if isinstance(c, float)}
    sure = {*documented(plan.target, list(given))[0], *(given if plan.world.name.startswith("as used") else ())}
    words = [
        word
        for name, c in given.items()
        if name not in numbers
        for word in c.shape.split()
        if word[-1].isalpha() and word != "N"
    ]
    guessed = [n for n, role in feeding.roles(list(given)).items() if role == "more" and n not in sure and n in found]
    own = {name: Draw(" ".join(map(str, found[name].shape))) for name in guessed}
    batch = {**feeding.SIZES, **plan.world.sizes}["N"]
    for name in [name for name in guessed if feeding.is_weight(name, list(given)) and batch in found[name].shape]:
        own[name] = given[name]  # a gradient for each sample, perhaps: what is missing then is a sum
    yield replace(plan, given=plan.given | own)
    for name, parts in plan.given.items():  # an entry of params, which was stretched
        if isinstance(parts, Several) and isinstance(found.get(name), dict):
            keyed = parts.parts.items() if isinstance(parts.parts, dict) else enumerate(parts.parts)
            new = {
                k: part if k not in found[name] else Draw(" ".join(map(str, found[name][k].shape))) for k, part in keyed
            }
            whole = new if isinstance(parts.parts, dict) else made_like(parts.parts, list(new.values()))
            yield replace(plan, given=plan.given | {name: Several(whole)})
    for name, role in feeding.roles(list(given)).items():  # two columns, a mean and a variance; not one: a sum
        shape = np.shape(found.get(name))
        axes = given[name].shape.split() if isinstance(given[name], Draw) else []
        alike = 1 not in shape and len(shape) == len(axes) > 1
        if role == "x" and name not in sure and alike:
            yield replace(plan, given=plan.given | {name: Draw(" ".join(map(str, shape)), given[name].values)})
    for name in guessed:
        new = [own[name], *map(Draw, dict.fromkeys(words))]
        for candidate in feeding.without_batch(name, list(given), new):
            yield replace(plan, given=plan.given | {name: candidate})


def nested(given):
    """{"params[W]": ...} as {"params": Several({"W": ...})}."""
    found = {}
    for name, candidate in given.items():
        outer, _, key = name.rstrip("]").partition("[")
        if key:
            found.setdefault(outer, {})[key] = candidate
        else:
            found[name] = candidate
    for name, parts in found.items():
        if isinstance(parts, dict) and f"{name}[{next(iter(parts), '')}]" in given:
            numbered = all(key.isdigit() for key in parts)
            found[name] = Several(tuple(parts.values()) if numbered else parts)
    return found


@lru_cache(100)
def instance_in(module):
    """Return a function of (class of the module, sizes) that returns (an object, made as the class alone would be; is
    it a plain layer of rows?)."""

    under_way = set()

    @lru_cache(100)
    def planned(kind, sizes):
        pairs = [form for form in of_class(kind, module).forms if form.kind == "pair"]
        if not pairs:
            raise Stopped(f"{kind.__name__} has no forward and backward")
        if kind in under_way:
            raise Stopped(f"{kind.__name__} cannot be made of itself")
        under_way.add(kind)
        try:
            attempt = plan_for(of_class(kind, module), pairs[0], Setting(sizes=sizes))
        finally:
            under_way.discard(kind)
        if attempt.error is not None:
            raise attempt.error
        return attempt

    @lru_cache(100)
    def is_alone(kind):  # neither forward nor backward, and nothing is asked for
        return not any(form.kind == "pair" for form in of_class(kind, module).forms) and not required(kind)

    def instance(kind, sizes):
        if is_alone(kind):
            return call(kind), False
        attempt = planned(kind, tuple(sizes.items()))
        plain = attempt.done and attempt.plan.world.x == "N I" and len(attempt.subject.args) == 1
        return attempt.subject.make(), plain

    return instance

"""Vary what the first measurement took as given: what is right with the defaults may be wrong with other settings.

Another stride, another activation by name, an optional mask, numbers that need not be probabilities: each is measured
where the code runs with it, and is no matter where it does not.
"""

from __future__ import annotations

import re
from dataclasses import replace

from tinygan.doctor import feeding
from tinygan.doctor.feeding import TARGETS, Draw
from tinygan.doctor.offers import documented, used
from tinygan.doctor.source import own_classes, parameters, words

# fmt: off
LEFT_ALONE = re.compile(
    r".*(seed|rng|random|retain|keep_grad|save|store|eps|verbose|debug|inplace|copy|check|dtype|name|iter|steps|epoch|train|lr|learn|momentum|path|n_?class|num_?class|vocab).*"
    r"|mode|tol|cache|out|training|deriv\w*|prime|grad\w*|backward|d", re.I)
# fmt: on
STRIDES = "dilat|stride|pad"  # are varied wherever they come from


def variations(subject):
    """Yield (label, Plan, Setting) of what else the code may be given."""
    plan, setting = subject.plan, subject.setting
    main = [k for k, role in feeding.roles([*subject.args]).items() if role == "x"]
    guessed = {k: plan.given[k] for k in main if getattr(plan.given[k], "values", "") in ("chances", "positive")}
    if guessed:
        real = replace(plan, given=plan.given | {k: c._replace(values="real") for k, c in guessed.items()})
        for label, spread in (("", "near"), (", far", "far"), (", large", "large")):
            yield f"any number{label} ", real, replace(setting, spread=spread)
    for name, c in plan.given.items():
        if isinstance(c, Draw) and c.values == "chances" and name not in main:
            yield f"{name} one-hot ", replace(plan, given=plan.given | {name: c._replace(values="one-hot")}), setting
    for name, word in [(name, c) for name, c in plan.given.items() if isinstance(c, str)]:
        for other in alternatives(subject, name.removeprefix("init."), word):
            yield f"{name.removeprefix('init.')}={other} ", replace(plan, given=plan.given | {name: other}), setting
    given, own, *_ = used(subject.target, (*subject.value, subject.form.gradient))
    for name, value in defaults(subject):
        theirs = [c for c in [(own | given).get(name)] if isinstance(c, (bool, int, float, str, Draw)) and c != value]
        known = any(isinstance(c, Draw) for c in theirs)  # a mask, as the file itself gives it
        for other in theirs if known else [*theirs, *alternatives(subject, name.removeprefix("init."), value)]:
            shown = "given" if isinstance(other, Draw) else getattr(other, "__name__", other)
            label = f"{name.removeprefix('init.')}={shown} "
            if name in plan.given and name in subject.args:
                yield label, replace(plan, given=plan.given | {name: other}), setting
            else:
                yield label, plan, replace(setting, given=((name, other),))


def defaults(subject):
    """Return [(argument, "init.argument" of the constructor; what it is by default, or was given)]."""
    found, thing = {}, subject.target.thing
    if isinstance(thing, type):
        found = {f"init.{p.name}": p.default for p in parameters(thing)}
        found |= {k: v for k, v in subject.plan.given.items() if k in found}
    steps = [step for step in subject.value if step.function is None]
    gradient = subject.form.gradient
    known = {p.name for p in parameters(subject.function(gradient))} if gradient and subject.thing is None else None
    for step in steps:
        needs = parameters(subject.function(step))
        own = {p.name: p.default for p in needs if p.default is not p.empty}
        given = {p.name: subject.plan.given.get(p.name) for p in needs}
        own |= {k: v for k, v in given.items() if re.match(STRIDES, k) or type(v) is float and v == 0}
        remembers = known is None or subject.told and len(step.returns) > 1  # in the object, or in a cache
        found |= {name: value for name, value in own.items() if remembers or name in known}
    plain = (bool, int, float, str, type(None), type)
    return [
        (k, v)
        for k, v in found.items()
        if isinstance(v, plain)
        and not LEFT_ALONE.fullmatch(k.removeprefix("init."))
        and (k not in subject.args or re.match(STRIDES, k) or type(v) is float and v == 0)
    ]


def alternatives(subject, name, value):
    """Return other values for an argument."""
    if value is None:
        return optional(subject, name)
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, type):  # cost=CrossEntropyCost: what else has the same methods
        same = public(value)
        return [kind for kind in own_classes(subject.target.module) if kind is not value and public(kind) == same]
    if isinstance(value, str):
        known = words(subject.target.module, name)
        return [word for word in [*known, *["another"] * bool(known)] if word != value]
    if isinstance(value, int):
        return [value + 1, value - 1] if value > 1 else [value + 1]
    return [0.3 * value or 0.3] if value == 0 or abs(value) > 1e-3 else []


def public(kind):
    """The names of what a class has itself, but for what Python adds."""
    return {name for name in vars(kind) if name[:2] != "__"}


def optional(subject, name):
    """Candidates for an array that is None by default."""
    if TARGETS.fullmatch(name):
        return []
    kind = "mask" if "mask" in name.lower() else "positive"
    offered = [
        c for c in feeding.for_call(name, subject.plan.world, "more", subject.target.text) if isinstance(c, Draw)
    ]
    shapes = dict.fromkeys([subject.plan.world.x, "N 1", "N", *(c.shape for c in offered)])
    told = [c.shape for c in [documented(subject.target, [name])[0].get(name)] if isinstance(c, Draw)]
    return [Draw(shape, kind) for shape in told or shapes][:5]


def unreached(subject):
    """Return what comparisons of data had the same outcome every time: their other side was never measured."""
    steps = [step for step in (*subject.value, subject.form.gradient) if step is not None and step.node is not None]
    lines = [range(step.node.lineno, step.node.end_lineno + 1) for step in steps]
    return [
        f"line {line}, where `{text}` was {'always' if True in found else 'never'} true"
        for (line, text), found in vars(subject.target.module).get("outcomes", {}).items()
        if len(found) == 1 and any(line in part for part in lines)
    ]

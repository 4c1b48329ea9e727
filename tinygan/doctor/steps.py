"""Watch a training step that cannot be measured, as it draws its own noise: does it step against right gradients?"""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np

from tinygan.doctor.arrays import leaves, parts_of
from tinygan.doctor.measure import upstream
from tinygan.doctor.planning import SENSELESS, Attempt, plan_for
from tinygan.doctor.sandbox import Stopped, call
from tinygan.doctor.subject import Setting
from tinygan.gradcheck import relative_error


def descends(target, form, subjects):
    """What a step does with right gradients, in words: moves all parameters against them, or nothing; "" if neither.

    Every parameter must fall by a positive multiple of its gradient, one multiple for all that come together.

    subjects  what the step may call for gradients, each measured and right
    """

    def run(thing, **given):  # it need not return anything
        result = getattr(thing, form.name)(**given)
        return result if result is not None else float(sum(np.sum(leaf.value**2) for leaf in leaves(thing)))

    if not subjects:
        return ""
    runs = form.gradient if target.owner is None else form.gradient._replace(function=run, bound=True)
    attempt = plan_for(target, form._replace(values=((runs,),)), Setting(), seconds=2)
    known = {name: given for subject in subjects for name, given in subject.plan.given.items()}
    given = {name: known.get(name, guess) for name, guess in attempt.plan.given.items()}
    for subject in subjects[:1] if attempt.progress[0] < 2 else ():  # it takes what its gradients take
        attempt = Attempt(replace(attempt.plan, given=given, world=subject.plan.world), Setting())
    if attempt.progress[0] < 2:
        return ""
    try:
        found = {name_of(subject): places_of_gradients(subject) for subject in subjects}
        places = {name: at for name, at in found.items() if at}  # not those of a rectifier, without parameters
        moved, calls = watched(attempt.subject, places)
    except (Stopped, *SENSELESS):
        return ""
    called = {name for name, _ in calls}
    fitting = {name for name, gradients in calls if along(moved, {p: gradients[at] for p, at in places[name].items()})}
    parameters = {path for path in moved if any(path in subject.slots for subject in subjects)}
    if called and not moved and target.owner is not None:
        return "calls gradients that are right, and moves nothing"
    against = called and fitting == called and parameters == set().union(*(places[name] for name in called))
    return "moves all parameters against gradients that are right" if against else ""


def along(moved, gradients):
    """Are these gradients what the parameters were moved against?"""
    if not gradients or not set(gradients) <= set(moved):
        return False
    step, gradient = (np.concatenate([np.ravel(of[path]) for path in gradients]) for of in (moved, gradients))
    c = (step @ gradient) / (gradient @ gradient)
    return c > 0 and relative_error(step, c * gradient) < 1e-6


def is_parameter(path):
    """Is it in an object, its own or one that it is given, ``D.W``?"""
    return path[0] == "self" or len(path) > 1


def name_of(subject):
    """The name of the function that computes the gradients of a subject."""
    return (subject.form.gradient or subject.value[0]).name


def places_of_gradients(subject):
    """Return {path of a parameter: where its gradient is after a call}: in what is returned, or in the object."""
    with recorded(subject, [name_of(subject)]) as calls:
        gradients = subject.gradients(upstream(subject, subject.out()))
    _, arrays = calls[-1]
    found = {}
    for path, g in gradients.items():
        if is_parameter(path) and g is not None:
            at = [place for place, a in arrays.items() if a.size == g.size and np.array_equal(a.ravel(), g.ravel())]
            found |= {path: at[0]} if at else {}
    return found


def watched(subject, names):
    """Return ({path: how far a parameter fell}, what was recorded) of one step of a subject.

    names  {function: {path of a parameter: where its gradient is}}
    """
    before = [(leaf, leaf.value, np.array(leaf.value)) for leaf in subject.state()]
    step = subject.form.gradient
    named = {name: subject.args.get(name, subject.rate_of(name)) for name in step.needs}
    try:
        with recorded(subject, names) as calls:
            call(subject.function(step), **named, **subject.extra(step))
        after = {leaf.path: np.array(leaf.value) for leaf in subject.state()}
        known = {*subject.slots, *(path for places in names.values() for path in places)}
        own = [(leaf.path, old) for leaf, _, old in before if leaf.path in known and is_parameter(leaf.path)]
        return {path: old - after[path] for path, old in own if not np.array_equal(old, after[path])}, calls
    finally:
        for leaf, value, old in before:
            leaf.put_back(value, old)


@contextlib.contextmanager
def recorded(subject, names):
    """Yield a list that gets (name, {place: array}) of each call of these functions in here."""
    space, calls = subject.target.module if subject.thing is None else subject.thing, []
    kept, own = {name: getattr(space, name) for name in names}, dict(vars(space))

    def watch(name):
        def run(*args, **named):
            back = kept[name](*args, **named)
            arrays = {("back", *path): np.array(part) for path, part in parts_of(back)}
            calls.append((name, arrays | {leaf.path: np.array(leaf.value) for leaf in subject.state()}))
            return back

        return run

    try:
        for name in names:
            setattr(space, name, watch(name))
        yield calls
    finally:
        for name in names:  # a method that was the class's is so again
            setattr(space, name, own[name]) if name in own else delattr(space, name)

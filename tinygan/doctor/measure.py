"""Measure: the gradients that code computes against slopes of its output, and the promises that it has to keep.

The ruler is ``gradcheck.py``'s: central differences with the step 1e-5·max(1, |x|), which are right to some ten
digits. An entry fails at once whichever way the code under check is written; who made and fed it is ``subject.py``.
"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

import numpy as np

from tinygan.doctor.arrays import is_gradient_name, leaves
from tinygan.doctor.feeding import signed
from tinygan.doctor.sandbox import Stopped, where
from tinygan.doctor.subject import Fact, display
from tinygan.gradcheck import compare, nudged, relative_error, remeasure

STEP, TOLERANCE = 1e-5, 1e-7
IN_SINGLE = 1e-2, 1e-3  # the same for code that computes in single precision
ENOUGH = 8  # entries that are looked at a second time, where all of them are wrong by far
LARGEST = 10_000_000  # entries of a Jacobian: 80 MB
# Of all gradients alike, in a loop or a comprehension: for d in (dW, db): np.clip(d, -5, 5, out=d).
CUT_IN_A_LOOP = r"for [^\n]*:[^\n]*\n(\s*#[^\n]*\n)*\s+(\w+(\[\w+\])?\s*=\s*)?np\.clip\(|np\.clip\([^()]*\) for "
TIES = r"(?<!soft)(?<!arg)max|\bmin\(|minimum|sort"  # argmax takes one of them
SECONDS = 2.0  # for the nudges of one pass; where they would take longer, entries are sampled


class Measured(NamedTuple):
    """One gradient in one pass: ``a`` computed, ``n`` measured, both of the shape of ``x``.

    J is the whole Jacobian, d(out)/dx, (entries of x, entries of out), so that n = J dout, and what the gradient
    would be for any other dout is known as well. Entries without evidence (kinks, not sampled) have n = a; ``sure``
    says which have it.
    """

    name: str
    path: tuple
    a: np.ndarray
    n: np.ndarray
    J: np.ndarray
    x: np.ndarray
    out: np.ndarray
    dout: np.ndarray
    subject: object
    row: object
    rounding: float
    sure: np.ndarray


def names_of(paths):
    """Return {path: short name}: the last parts that tell it from all others."""
    names = {}
    for path in paths:
        for k in range(1, len(path) + 1):
            short = display(path[-k:])
            if not isinstance(path[-k], int) and sum(display(p[-k:]) == short for p in paths) == 1:
                break
        names[path] = short
    return names


def upstream(subject, out):
    """Return dout: 1 for a loss; else random and of both signs, for ones would hide a backward that ignores it."""
    if subject.is_loss:
        return np.ones(out.shape)
    rng = np.random.default_rng([subject.setting.seed, 1])
    if subject.plan.alone:
        return np.where(np.arange(out.size) == out.size // 2, 1.7, 0.0)
    small = 1e-3 if re.search(CUT_IN_A_LOOP, subject.target.text) else 1  # so that no gradient is cut off
    dout = small * rng.permutation(np.resize([1.0, -1.0], out.size)) * rng.uniform(0.1, 2, out.size)
    dout[out.size - subject.plan.beside :] = 1
    return dout


def measure(subject, label=""):
    """Return the list of Measured of one pass; Stopped where the code does not run."""
    subject.renew()
    seconds = min(timed(subject) for _ in range(3))
    out = subject.out()
    dout = upstream(subject, out)
    gradients = summed(subject, subject.gradients(dout))
    for path, a in gradients.items():
        if a is not None and subject.setting.spread != "near" and not np.all(np.isfinite(a)):
            raise Stopped(f"{where(subject.target.thing)}: the gradient of {display(path)} is not finite")
    names = names_of(list(subject.slots))
    wanted = [path for path, a in gradients.items() if a is not None]
    entries = sum(subject.slots[path].size for path in wanted)
    share = min(1.0, SECONDS / max(2 * seconds * entries, 1e-9))
    rng, found = np.random.default_rng(0), []
    for path in wanted:
        x = subject.slots[path]
        chosen = np.sort(rng.permutation(x.size)[: max(int(share * x.size), min(x.size, 8))])
        found.append(compared(subject, label + names[path], path, gradients[path], x, out, dout, chosen))

    def anew(path, a):
        x = subject.slots[path]
        return compared(subject, label + names[path], path, a, x, out, dout, np.arange(x.size))

    if subject.form.kind == "step" or subject.moves:
        found = rescaled(found, lambda m, a: anew(m.path, a))
    scale = max((np.linalg.norm(m.n) for m in found), default=0)
    found = [m._replace(row=told_of_rounding(m, scale)) for m in found]
    asked = [m for m in found if m.row.passed or m.path not in both_ways(subject)]
    return asked if any(m.path[0] == "self" for m in asked) else found


def both_ways(subject):
    """The inputs that the loss compares the output with, too: as a target, x of an autoencoder is no variable."""
    first, last = subject.value[0], subject.value[-1]
    twice = {*first.needs} & {*last.needs} if subject.thing is not None and first is not last else ()
    return {(name,) for name in twice}


def summed(subject, gradients):
    """Return gradients of the sum, or the mean, of losses whose own gradients were returned, one for each sample."""
    known = {path: a for path, a in gradients.items() if a is not None and len(path) > 1}
    many = {a.shape[0] for path, a in known.items() if a.ndim and a.shape[1:] == subject.slots[path].shape}
    each = all(a.ndim > subject.slots[path].ndim for path, a in known.items())
    total = re.fullmatch("(sum|mean) of the losses", subject.value[-1].name)
    if not total or not each or len(many) != 1:
        return gradients
    return gradients | {path: getattr(np, total[1])(a, axis=0) for path, a in known.items()}


def told_of_rounding(m, scale):
    """Return the Row of one gradient: what is smaller than rounding says nothing, unless others are far larger."""
    of_a_line = m.subject.form.name == "grad2"  # the second derivative of a line is zero
    if (
        m.row.note.startswith("zero against zero")
        and (scale or of_a_line)
        and np.abs(m.J).max(initial=0) <= 1e-8 * scale
    ):
        return m.row._replace(passed=True, note="zero, as measured")
    if not m.row.passed or m.row.error < 0.1:
        return m.row
    if m.rounding < 1e-5 * scale:
        return m.row._replace(error=0.0, note="zero but for rounding")
    return m.row._replace(passed=False, note="smaller than rounding: nothing was measured")


def timed(subject):
    """Seconds of one forward pass."""
    start = time.process_time()
    subject.out()
    return time.process_time() - start


def compared(subject, name, path, a, x, out, dout, chosen):
    """Return the Measured of one array."""
    step, tolerance = IN_SINGLE if subject.single else (STEP, TOLERANCE)
    scale = 1 if subject.single else np.maximum(1, np.abs(x))
    steps = step * (x if subject.tiny(path) else scale * np.ones(x.shape))
    if x.size * out.size > LARGEST:
        said = f"{name} has {x.size:,} entries and the output {out.size:,}: more than can be measured"
        raise Stopped(f"{where(subject.target.thing)}: {said}; make it smaller by an example")
    J = np.zeros((x.size, out.size))
    for i in chosen:
        index = np.unravel_index(i, x.shape)
        J[i] = (nudged(subject.out, x, index, steps[index]) - nudged(subject.out, x, index, -steps[index])) / (
            2 * steps[index]
        )
    n, aside, not_yet = (J @ dout).reshape(x.shape), np.ones(x.shape, bool), False
    aside.ravel()[chosen] = False
    size = np.abs(out) if subject.setting.spread == "near" else np.maximum(np.abs(out), 1)  # log(1 - p) has that of 1
    rounding = 4 * np.finfo(float).eps * np.sum(np.abs(dout) * size) / steps
    n = np.where(np.abs(n) > rounding, n, 0.0)
    if subject.setting.spread == "large" and a.shape == n.shape:
        # With such a slope one step would move the output by a thousand times what it is: no step is small enough.
        aside |= np.abs(a) * steps > 1e3 * (1 + np.sum(np.abs(dout * out)))
    if a.shape == n.shape and subject.single:  # where two steps disagree there is a kink between
        _, doubt = finer(subject, x, n, np.abs(a - n) > 0.1 * tolerance * np.abs(n).max(), steps, dout)
        aside |= (doubt > tolerance * np.abs(n).max()) & (np.abs(a - n) < 4 * doubt)
        n = np.where(aside, a, n)
    elif a.shape == n.shape:
        suspicious = ~aside & (np.abs(a - n) > 0.1 * TOLERANCE * np.abs(n).max())
        large = suspicious & (np.abs(a - n) > gross(n))
        some = large & (np.cumsum(large).reshape(a.shape) <= ENOUGH)
        for part in (suspicious & ~large | some, large & ~some):
            if not np.any(part):
                break
            n, doubt = finer(subject, x, n, part, steps, dout)
            rounding = np.maximum(rounding, 4 * np.minimum(doubt, 1e4 * rounding))
            unknown = (np.abs(a - n) > rounding) & (np.abs(a - n) <= 4 * doubt) & (subject.setting.spread != "near")
            aside, looked_at = aside | unknown, part & ~unknown & (np.abs(a - n) > rounding)
            n, kinks = remeasure(subject.out, x, n, looked_at, steps / np.maximum(1, np.abs(x)), dout)
            aside |= kinks
            if np.all((~aside & (np.abs(a - n) > gross(n)))[some]):  # so the others are wrong, too
                not_yet = large & ~some
                break
        n = np.where(aside, a, n)
    rounding = np.linalg.norm(rounding)
    row = compare(name, a, n, tolerance, aside, rounding, path in subject.vanishing)
    if not np.all(np.isfinite(a)):
        row = row._replace(passed=False, note="it is not finite")
    if len(chosen) < x.size:
        row = row._replace(aside=0, note=f"{row.note}{', ' * bool(row.note)}{len(chosen)} entries, sampled")
    return Measured(name, path, a, n, J, x.copy(), out, dout, subject, row, rounding, ~(aside | not_yet))


def gross(n):
    """A difference from the slope that no curvature explains."""
    return 1e-2 * np.abs(n).max()


def finer(subject, x, n, suspicious, steps, dout):
    """Take out the error h² of suspicious entries by a second step (Richardson), where both agree but for that.

    Return (the slopes, by how much three steps differ: code that rounds on the way is right to no more than that).
    """
    n, doubt = n.copy(), np.zeros(x.shape)
    for index in map(tuple, np.argwhere(suspicious)):
        twice, far = (
            np.sum(dout * (nudged(subject.out, x, index, h) - nudged(subject.out, x, index, -h))) / (2 * h)
            for h in (2 * steps[index], 30 * steps[index])
        )
        doubt[index] = max(abs(twice - n[index]), abs(far - n[index]))
        if abs(twice - n[index]) < 1e-2 * abs(n[index]):
            n[index] = (4 * n[index] - twice) / 3
    return n, doubt


def rescaled(found, compared):
    """Forgive a training step one positive factor that its arrays share: it belongs to the learning rate.

    Where one of them is wrong otherwise, it is the factor of the others.
    """
    pairs = [(m.a.ravel(), m.J @ m.dout) for m in found if m.a.shape == m.n.shape]
    top, bottom = sum(a @ n for a, n in pairs), sum(n @ n for _, n in pairs)
    c = top / bottom if bottom else 1.0
    if all(m.row.passed for m in found) or not c > 0:
        return found

    def divided(factor):
        again = [compared(m, m.a / factor) for m in found]
        return [m._replace(row=compare(m.name, m.a, m.n, 1e-6, rounding=m.rounding)) for m in again]

    again = divided(c)
    if all(m.row.passed for m in again):
        return again
    ratios = [float(a @ n / (n @ n)) for a, n in pairs if np.any(n)]
    fitting = [r for r, (a, n) in zip(ratios, pairs, strict=False) if r > 0 and relative_error(a, r * n) < 1e-6]
    some = [divided(r) for r in fitting] if not any(m.row.passed for m in found) and len(found) > len(fitting) else []
    return max(some, key=lambda again: sum(m.row.passed for m in again), default=found)


# ---- promises ----------------------------------------------------------------------------------------------


def same(p, q, rtol=1e-12):
    """Are two results of ``gradients`` the same, but for the order of sums, which depends on where arrays lie?"""

    def alike(a, b):
        return a.shape == b.shape and np.allclose(a, b, rtol, rtol / 10 * np.abs(b).max(initial=0), equal_nan=True)

    return all((p[k] is None) == (q[k] is None) and (p[k] is None or alike(p[k], q[k])) for k in p)


def broken_promises(subject):
    """Return the Facts: what running the code changes that it should not, what it remembers, what it shares."""
    out = subject.out()
    dout = upstream(subject, out)
    if any(not np.array_equal(subject.out(), out) for _ in range(3)):
        drawn = subject.generators or re.search(r"random|rng", subject.target.text)
        return [Fact("random" if drawn else "carried", "")]
    found = [
        Fact("in place", name)
        for name, before in subject.args.items()
        if changed(getattr(subject, "lent", {}).get(name), before)
    ]
    found += [
        Fact("in place", display(path))
        for path in subject.slots
        if path[0] == "self" and moved_by_forward(subject, path)
    ]
    if subject.form.kind not in ("pair", "step"):
        subject.gradients(dout)
        return found + subject.broken + subject.own_promises()
    state = {leaf.path: np.array(leaf.value) for leaf in subject.state()}
    lent, first = dout.copy(), subject.gradients(dout)
    found += subject.broken
    if not np.array_equal(lent, dout):
        found.append(Fact("in place", "dout"))
    for leaf in subject.state():
        moved = not np.array_equal(leaf.value, state.get(leaf.path, leaf.value))
        if leaf.path in subject.slots and moved and subject.matters(subject.slots[leaf.path]):
            found.append(Fact("parameters", display(leaf.path)))
    if subject.form.kind == "step" and hasattr(subject.thing, "zero_grad") and not found:
        return [] if same(subject.gradients(dout, kept=True), first) else [Fact("accumulated", "")]
    if subject.form.kind == "step" or found:
        return found
    ways = [
        ("accumulated", {}),
        ("stale", {"fresh": True}),
        ("stale", {"before": True}),
        *[("neighbor", {"between": True})] * (subject.thing is not None),
    ]
    if not subject.moves:
        ways.insert(1, ("second backward", {"twice": True}))
    for kind, how in ways:
        try:
            if "fresh" in how and subject.thing is not None and not np.allclose(subject.fresh().out(), subject.out()):
                continue  # it makes its parameters of the first data that it sees
            again = subject.gradients(dout, **how)
        except Stopped:
            continue  # a second backward need not run
        if not same(first, again, 1e-5):  # what converges, as a power iteration, moves a little with each forward
            return [*found, Fact(kind, "")]
    return found


def moved_by_forward(subject, path):
    """Does forward change a parameter that is another than the last time?"""
    array = subject.slots[path]
    old = array.copy()
    try:
        array += signed(np.random.default_rng(6), array.shape, 0.01, 0.1)
        lent = array.copy()
        subject.out()
        return not np.array_equal(lent, array, equal_nan=True)
    except Stopped:
        return False
    finally:
        array[...] = old


def of_ties(subject):
    """Where maxima are tied, do the shares of their gradient add up? Return [what is to be said of it], if not.

    On a tie f has no gradient; but if all of x moves by h it may have a slope, and that is what all shares add up to.
    """
    x = subject.main_input()
    if x is None or not re.search(TIES, subject.target.text):
        return []
    old, h = x.copy(), 1e-5
    try:
        x[...] = np.where(old > 0, 1.5, 0.5)
        values, dout = [], upstream(subject, subject.out())
        for step in (-h, 0, h):
            x += step
            values.append(np.sum(dout * subject.out()))
            x -= step
        before, after = np.diff(values) / h
        given = [g for path, g in subject.gradients(dout).items() if subject.slots[path] is x and g is not None]
        size = np.abs(dout).sum()
        kink = abs(after - before) > 1e-3 * size
        apart = given and given[0].shape == x.shape and abs(given[0].sum() - (before + after) / 2) > 1e-3 * size
        said = "where maxima are tied, each gets the whole of dout: what all get must add up to dout"
        return [said] * bool(apart and not kink)
    except Stopped:
        return []
    finally:
        x[...] = old


def changed(after, before):
    """Is an array that was lent another one now?"""
    return isinstance(after, np.ndarray) and not np.array_equal(after, before, equal_nan=True)


def shared(subject):
    """Return the names of arrays, parameters or gradients, that two objects of a class have in common."""
    if subject.target.owner is None or not isinstance(subject.target.thing, type):
        return []
    other = subject.make()  # which may write into what they share
    common = {id(value) for value in vars(subject.target.module).values()}  # of the file, and meant
    own = [leaf for leaf in leaves({"self": subject.thing}) if isinstance(leaf.value, np.ndarray)]
    own = [leaf for leaf in own if id(leaf.value) not in common]
    mine = [leaf for leaf in own if leaf.path in subject.slots or any(map(is_gradient_name, leaf.path))]
    theirs = [leaf.value for leaf in leaves(other) if isinstance(leaf.value, np.ndarray)]
    return [display(leaf.path) for leaf in mine if any(np.shares_memory(leaf.value, array) for array in theirs)]

"""The catalogue: the well-known ways in which a derivative is wrong, and how each gives itself away.

``words`` says what each is called, what it means, and which line of mathematics to look at. Every one here has a
function of the Evidence e about one wrong gradient, whose value is whether the evidence fits, or, if it does, what
was seen: "×3 = O". They are asked in turn; the first that
fits is named. Those in MAYBE fit what is missing; an edit of the source that mends is asked before them.

a is the computed gradient, n the measured one, J the Jacobian, n = J dout; N batch, I inputs, O outputs.
"""

from __future__ import annotations

import re

import numpy as np

from tinygan.doctor.evidence import same
from tinygan.doctor.subject import display
from tinygan.doctor.words import WORDS, Mistake
from tinygan.losses import sigmoid

CATALOGUE, MAYBE = [], []


def mistake(name, catalogue=CATALOGUE):
    """Put the function below into a catalogue, as the way to tell this mistake."""

    def add(function):
        catalogue.append(Mistake(name, *WORDS[name], function))
        return function

    return add


# ---- players, far away, precision ---------------------------------------------------------------------


@mistake("one half of the batch lost")
def _(e):
    return e.subject.form.kind == "discriminator" and any(same(e.a, half[e.path]) for half in e.subject.halves()[0])


@mistake("stale cache")
def _(e):
    return e.subject.form.kind == "discriminator" and any(same(e.a, half[e.path]) for half in e.subject.halves()[1])


@mistake("saturated by clipping or epsilon")
def _(e):
    nearby = [m for m in e.report.measured if m.path == e.path and m.subject.setting.spread != "large"]
    far = e.subject.setting.spread == "large" and all(m.row.passed for m in nearby)
    a, n = np.abs(e.a[e.off]), np.abs(e.n[e.off])
    return far and (np.all(a < 0.5 * n) or np.all(n < 0.5 * a))


@mistake("precision lost")
def _(e):
    usable = np.any(e.n) and np.all(np.isfinite(e.a)) and e.subject.setting.spread != "large"
    return usable and e.blind_to_rounding(alone=e.m.row.error > 1e-2)


@mistake("upstream gradient ignored")
def _(e):
    ones = e.by(np.ones(e.m.out.shape))
    nothing = 1e-9 * np.abs(e.n).max(initial=0)  # that of ones may be zero, and is then left as rounding
    vanishes = e.a.shape == ones.shape and np.any(e.a) and np.abs(e.a).max() < nothing > np.abs(ones).max() / 100
    return not e.is_loss and (same(e.a, ones) or vanishes)


# ---- shapes -------------------------------------------------------------------------------------------


@mistake("integers")
def _(e):
    return e.path in e.subject.types and e.subject.types[e.path].kind in "iub" and np.any(e.off)


@mistake("curvature missing")
def _(e):
    a_bias_may_vanish = e.n.ndim == 2 or not np.any(e.a)  # without curvature its gradient is zero, right or wrong
    return e.subject.form.kind == "penalty" and a_bias_may_vanish and e.again(curved=False).right


@mistake("clipped")
def _(e):
    got, true = e.a[e.off], e.n[e.off]
    cut = got.size > 1 and not e.is_loss and np.ptp(np.abs(got)) == 0 < np.abs(got[0]) == np.abs(e.a).max()
    return cut and np.all(got * true > 0) and np.all(np.abs(got) < np.abs(true)) and f"at {abs(got[0]):.6g}"


@mistake("disconnected")
def _(e):
    return e.a.size > 0 and not np.any(e.a) and np.any(e.n)


@mistake("gradients exchanged")
def _(e):
    others = [m for m in e.report.measured if m.subject is e.subject and m.path != e.path and not m.row.passed]
    return next((f"this is that of {m.name}" for m in others if same(e.a, m.n) and same(m.a, e.n)), False)


@mistake("transposed result")
def _(e):
    symmetric = e.n.ndim != 2 or e.n.shape[0] == e.n.shape[1] and np.allclose(e.n, e.n.T)
    return not symmetric and same(e.a, e.n.T) and (e.shapes if e.a.shape != e.n.shape else True)


@mistake("keepdims")
def _(e):
    if e.a.shape == e.n.shape or not same(e.a.ravel(), e.n.ravel()):
        return False
    longer = e.a.ndim > e.n.ndim
    return f"{e.shapes}; {'without keepdims=True or [:, None]' if longer else 'sum with keepdims=True, or reshape'}"


@mistake("not summed over the batch")
def _(e):
    return e.a.ndim > e.n.ndim and any(same(e.a.sum(axis=k), e.n) for k in range(e.a.ndim)) and e.shapes


@mistake("summed over everything")
def _(e):
    if e.a.size == 1 < e.n.size:
        sums = e.n.sum(), e.n.mean(), e.n.size * e.n.mean() / len(np.atleast_1d(e.n))
        return any(abs(e.a.ravel()[0] - number) < 1e-6 * np.abs(e.n).max() for number in sums) and e.shapes
    uneven = e.n.size > 1 and np.ptp(e.n) > 1e-6 * np.abs(e.n).max()
    return uneven and any(same(e.a, np.full(e.a.shape, number)) for number in (e.n.sum(), e.n.mean()))


@mistake("summed over the wrong axis")
def _(e):
    if e.a.shape != e.n.shape and any(same(e.a.ravel(), e.n.sum(axis=axis).ravel()) for axis in range(e.n.ndim)):
        return e.shapes
    terms = [t for t in e.ingredients.values() if t.ndim == 2]
    terms += [p * q for i, p in enumerate(terms) for q in terms[:i] if p.shape == q.shape]
    for axis in (0, 1) if e.is_parameter else ():
        if any(same(e.n.ravel(), t.sum(axis=axis)) and same(e.a.ravel(), t.sum(axis=1 - axis)) for t in terms):
            return f"axis={axis} is right here, axis={1 - axis} is not"
    return False


@mistake("silent broadcast")
def _(e):
    def copies(array):
        axes = [axis for axis in (0, 1) if array.ndim == 2 and array.shape[axis] > 1]
        return any(same(array, np.broadcast_to(array.take([-1], axis), array.shape)) for axis in axes)

    if e.a.shape != e.n.shape:
        squares = [2 * (size,) for size in e.n.shape]
        return e.is_loss and e.a.shape in squares and e.shapes
    return np.ptp(e.a) > 0 and copies(e.a) and not copies(e.n)


@mistake("wrong shape")
def _(e):
    return e.a.shape != e.n.shape and e.shapes


@mistake("one object for two places")
def _(e):
    return e.with_own_caches()


@mistake("factor in front of a sum")
def _(e):
    if e.is_loss or e.x.shape != e.out.shape:
        return False
    others = {path: p for path, p in e.subject.slots.items() if path != e.path and p.ndim and np.all(p) and np.ptp(p)}
    for path, p in others.items():
        if all(n in (1, own) for n, own in zip(p.shape[::-1], e.out.shape[::-1], strict=False)) and p.size < e.out.size:
            if p.ndim <= e.out.ndim and same(e.n, e.computed((e.dout * p).ravel()).reshape(e.x.shape) / p):
                return f"{display(path)}, which is another number for each term of it"
    return False


# ---- factors ------------------------------------------------------------------------------------------


@mistake("wrong sign")
def _(e):
    negative = e.ratio < 0 and e.again(seed=e.subject.setting.seed + 1).ratio < 0
    return negative and ("" if np.isclose(e.ratio, -1) else e.factor) or negative


@mistake("updated too early")
def _(e):
    rates = e.subject.uses_rate or e.subject.form.kind == "step" and e.subject.own_rates
    return rates and e.again(rate=1e-4).m.row.error < 0.01 * e.m.row.error


@mistake("missing 1/N")
def _(e):
    return e.grows_with_batch(1) and not e.fixed_batch and e.factor


@mistake("batch size written down")
def _(e):
    return e.fixed_batch and e.factor


@mistake("1/N divided twice")
def _(e):
    return e.grows_with_batch(-1) and e.factor


@mistake("outer derivative missing")
def _(e):
    other = e.again(seed=e.subject.setting.seed + 1)
    if any(not np.isclose(ratio, e.ratio, rtol=1e-5) for ratio in e.ratios):  # of all that is wrong
        return False
    if not e.is_loss or e.n.size == 1 or np.isnan(e.ratio + other.ratio) or np.isclose(e.ratio, other.ratio, rtol=1e-5):
        return False
    known = {"the loss": lambda v: v, "twice the loss": lambda v: 2 * v, "1/loss": lambda v: 1 / v, "exp(loss)": np.exp}
    values = [(x.ratio, float(np.ravel(x.m.out)[0])) for x in (e, other)]
    text = next((f": {k}" for k, f in known.items() if all(np.isclose(c, f(v), rtol=1e-5) for c, v in values)), "")
    return f"×{e.ratio:.4g}, and ×{other.ratio:.4g} for other numbers{text}"


@mistake("penalty on what the loss leaves out")
def _(e):
    part, x = -e.rest[e.off], e.x[e.off]
    some = e.is_loss and 0 < 2 * e.off.sum() <= e.off.size and np.any(x) and part @ x > 0
    return some and same(part, (part @ x) / (x @ x) * x) and (len(x) > 1 or same_again(e))


def same_again(e):
    """Is the one wrong entry off by the same multiple of itself for other numbers?"""
    other = e.again(seed=e.subject.setting.seed + 1)
    ratios = [np.ravel(one.rest[one.off] / one.x[one.off]) for one in (e, other)]
    return len(ratios[1]) == 1 and bool(np.isclose(*ratios, rtol=1e-5)[0])


@mistake("constant factor")
def _(e):
    return not np.isclose(abs(e.ratio), 1, rtol=1e-6) and e.grows_with_batch(0) and e.factor


# ---- which entries, which outputs -----------------------------------------------------------------------


@mistake("not every sample counted")
def _(e):
    if e.is_loss:
        unit = e.a / max(np.linalg.norm(e.a), 1e-300) if e.a.size > 1 else np.zeros(0)
        parts = ((which, e.of_sample(which)) for which in ("last", "first"))
        return next(
            (f"only the {which} sample" for which, n in parts if np.any(n) and same(unit, n / np.linalg.norm(n))), False
        )
    for axis, what in enumerate(("sample", "entry of axis 1")[: e.out.ndim]):
        places = np.indices(e.out.shape)[axis]
        for place, which in ((0, "first"), (e.out.shape[axis] - 1, "last")):
            alone = e.by(np.where(places == place, e.dout, 0))
            if e.out.shape[axis] > 2 and (same(e.a, alone) or same(e.a, e.n - alone)):
                return f"{'only' if same(e.a, alone) else 'all but'} the {which} {what}"
    return False


@mistake("own sample only")
def _(e):
    if e.is_loss or e.is_parameter or not e.x.ndim or not e.out.ndim or not 1 < len(e.x) == len(e.out):
        return False
    own = np.indices(e.x.shape)[0].reshape(-1, 1) == np.indices(e.out.shape)[0].reshape(1, -1)
    return e.masked(own)


@mistake("diagonal of the Jacobian only")
def _(e):
    return not e.is_loss and not e.is_parameter and e.x.size == e.m.out.size and e.masked(np.eye(e.x.size))


@mistake("one output forgotten")
def _(e):
    parts = e.subject.split(np.arange(e.m.out.size))
    for k, part in enumerate(parts if len(parts) > 1 else []):
        if e.masked(~np.isin(np.arange(e.m.out.size), part)):
            return f"what comes through output {k + 1} of {len(parts)} is missing"
    return False


@mistake("only a part of the outputs counted")
def _(e):
    if e.is_loss or e.m.out.size > 1000 or np.all(np.count_nonzero(e.J, axis=1) < 2):
        return False
    A = np.stack([e.computed(unit) for unit in np.eye(e.m.out.size)], axis=1)
    zero = ~np.any(A, axis=0) & np.any(e.J, axis=0)
    kept = np.all(np.abs(A - e.J) < 1e-6 * np.abs(e.J).max(), axis=0)
    return np.any(zero) and np.all(zero | kept) and f"{zero.sum()} of {zero.size} entries of dout have no effect"


@mistake("derivative where the function is flat")
def _(e):
    flat = np.any(e.off) and not np.any(e.n[e.off]) and np.any(e.n)
    return flat and (e.side or "in some places")


@mistake("one part disconnected")
def _(e):
    if not np.any(e.off) or e.off.all() or np.any(e.a[e.off]) or e.entrywise:
        return False
    for axis in range(e.x.ndim):
        where = [i for i, part in enumerate(np.moveaxis(e.off, axis, 0)) if np.all(part)]
        if len(where) * e.off.size == e.off.sum() * e.off.shape[axis]:
            return f"entries {where[0]} to {where[-1]} of axis {axis}"
    return True


@mistake("penalty's share wrong")
def _(e):
    part, x = e.rest[e.off], e.x[e.off]
    if not e.is_loss or part.size < 3 or not np.any(e.a) or not np.isnan(e.ratio):
        return False
    absolute = re.search(r"abs\(|sign\(|l1|lasso", e.subject.target.text, re.I)
    for text, basis in ((e.name, x), *[(f"sign({e.name})", np.sign(x))] * bool(absolute)):
        c = np.sum(part * basis) / max(np.sum(basis * basis), 1e-300)
        if same(part, c * basis):
            known = [name for name, s in e.scalars.items() for k in (1, 2) if np.isclose(abs(c), k * abs(s), rtol=1e-6)]
            if known or np.count_nonzero(x) == np.count_nonzero(e.x):  # and not of one row alone
                return f"{c:+.4g} · {text} is missing" + "".join(f", with {name}" for name in known[:1])
    return False


# ---- which function -------------------------------------------------------------------------------------


@mistake("activation mask missing")
def _(e):
    if e.entrywise:
        used, true = e.slopes
        return not np.ptp(np.round(used, 6)) and len(np.unique(np.round(true, 6))) < 4
    positive = np.where(e.out > 0, e.dout, 0)
    dead = not e.is_loss and np.any(e.out == 0) and not np.any(e.by(e.dout - positive))
    return dead and same(e.computed(positive.ravel()), e.by(positive).ravel())


@mistake("activation mask inverted")
def _(e):
    used, true = (np.round(s, 6) for s in e.slopes)
    low, high = true.min(), true.max()
    return e.entrywise and low < high and same(used, np.where(true == low, high, np.where(true == high, low, np.nan)))


@mistake("derivative at the wrong variable")
def _(e):
    used, true = e.slopes
    places = {"out": e.out, "dout": e.m.dout} if e.entrywise else {}
    at = next((f"taken at {k}" for k, x in places.items() if same(used, e.slope_at(x.reshape(e.x.shape)))), "")
    y = {k: f for k, f in SLOPES.items() if "y" in k and e.entrywise}
    return at or next(
        (
            f"{k.replace('y', 'x')}, with y = out it is right"
            for k, f in y.items()
            if same(true, f(e.x, e.out)) and same(used, f(e.x, e.x))
        ),
        False,
    )


@mistake("wrong slope on one side")
def _(e):
    if e.is_parameter or not e.slopes or not e.side:
        return False
    other = e.again(seed=e.subject.setting.seed + 1)  # a few entries may be sorted by chance
    return (e.off.size > 20 or other.side.split()[:3] == e.side.split()[:3]) and e.side


SLOPES = {  # of the functions that one meets, and what one writes instead; y is out
    "y(1 - y)": lambda x, y: y * (1 - y),
    "1 - y²": lambda x, y: 1 - y**2,
    "y": lambda x, y: y,
    "1 - y": lambda x, y: 1 - y,
    "1 + y": lambda x, y: 1 + y,
    "y²": lambda x, y: y**2,
    "x": lambda x, y: x,
    "σ(x)": lambda x, y: sigmoid(x),
    "σ'(x)": lambda x, y: sigmoid(x) * (1 - sigmoid(x)),
    "x σ'(x)": lambda x, y: x * sigmoid(x) * (1 - sigmoid(x)),
    "σ(x) + x σ'(x)": lambda x, y: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
}


def bend(e):
    """The true slope of an activation, or, of a loss, σ'(s) at its logits s."""
    if e.is_loss and e.a.shape == e.n.shape and not e.is_parameter:
        return sigmoid(e.x) * (1 - sigmoid(e.x))
    return e.slopes[1]


@mistake("derivative missing")
def _(e):
    return same(e.a * bend(e), e.n)


@mistake("derivative twice")
def _(e):
    return same(e.a, e.n * bend(e))


@mistake("product rule")
def _(e):
    if not e.entrywise:
        return False
    (used, true), g = e.slopes, e.out / e.x  # f(x) = x g(x)
    if same(used, g):
        return "yours is g(x) = f(x)/x; x g'(x) is missing"
    return same(true - used, g) and "yours is x g'(x); g(x) = f(x)/x is missing"


@mistake("derivative of the derivative")
def _(e):
    if e.is_loss:
        return not e.is_parameter and same(e.a, e.second_difference(1e-4), 1e-4)
    return e.entrywise and same(e.slopes[0], (e.slope_at(e.x + 1e-4) - e.slope_at(e.x - 1e-4)) / 2e-4, 1e-4)


@mistake("wrong slope")
def _(e):
    if not e.entrywise:
        return False
    known = {name: slope(e.x, e.out) for name, slope in SLOPES.items()}
    yours, right = (next((k for k, v in known.items() if same(array, v)), "") for array in e.slopes)
    must = f", and must be {right}" if right else ""
    return yours and f"it looks like {yours}{must}{'; y is out' if 'y' in yours else ''}"


@mistake("shifted")
def _(e):
    if e.a.shape != e.n.shape or e.n.ndim < 3:
        return False
    for axes in [(i,) for i in range(e.n.ndim)] + [(i, j) for i in range(e.n.ndim) for j in range(i)]:
        inner = tuple(
            slice(2, -2) if i in axes and e.n.shape[i] > 5 else slice(1, -1) if i in axes else slice(None)
            for i in range(e.n.ndim)
        )
        for k in (1, -1, 2, -2):
            if e.a[inner].size > 3 and same(e.a[inner], np.roll(e.n, (k,) * len(axes), axes)[inner]):
                return f"by {k} along axis {' and '.join(map(str, sorted(axes)))}"
    return False


# ---- what may be missing --------------------------------------------------------------------------------


@mistake("statistic taken as a constant", MAYBE)
def _(e):
    def even(array):
        for axes in (0, 1, -1, tuple(range(array.ndim)), tuple(range(1, array.ndim)), (0, *range(2, array.ndim))):
            if max(np.atleast_1d(axes), default=9) < array.ndim and np.size(np.take(array, [], 0)) < array.size > 1:
                if np.all(np.ptp(array, axis=axes) < 1e-6 * np.abs(array).max()):
                    return f"along axis {axes}"
        return ""

    return np.any(e.a) and not even(e.n) and not (e.is_loss and np.ptp(e.rest) < 1e-6) and even(e.rest)


@mistake("sum over the others missing")
def _(e):
    if e.is_loss or e.x.shape != e.out.shape or e.is_parameter:
        return False
    axes = [k for k in range(e.x.ndim) if e.x.shape[k] > 1]
    return next((f"along axis {k}" for k in axes if e.multiple(e.rest, e.out, k)), False)


@mistake("one kind of target wrong", MAYBE)
def _(e):
    arrays = {name: value for name, value in e.subject.args.items() if isinstance(value, np.ndarray)}
    for name, value in arrays.items() if e.is_loss and not e.is_parameter else ():
        places = value if np.shape(value) == e.x.shape else None
        if np.ndim(value) == 1 < e.x.ndim and np.asarray(value).dtype.kind in "iu" and np.max(value) < e.x.shape[-1]:
            places = np.eye(e.x.shape[-1])[value]  # classes
        kinds = np.unique(places) if places is not None and places is not e.x else ()
        for kind in kinds if 1 < len(kinds) < 4 else ():
            inside = places.shape == e.off.shape and not np.any(e.off & (places != kind))
            if inside and (np.array_equal(e.off, places == kind) or places is not value and e.off.sum() > 1):
                return (
                    f"wrong where {name} is {kind:g}" if places is value else f"wrong for the class that {name} names"
                )
    return False


@mistake("silent broadcast", MAYBE)
def _(e):
    n = e.subject.sizes["N"]
    known = {array.shape for array in e.subject.slots.values()}
    own = [array.shape for path, array in e.subject.slots.items() if path[0] == "self" or len(path) > 1]
    if any(n in shape for shape in own):  # as many hidden units as samples
        return False
    squares = [name for name, array in e.ingredients.items() if array.shape == (n, n) not in known]
    return e.is_loss and n > 1 and n not in e.x.shape[1:] and squares and f"{squares[0]} is {n} by {n}"


@mistake("one path missing", MAYBE)
def _(e):
    text = np.any(e.a) and e.product(e.rest)
    return text and f"{text} is missing"


@mistake("transposed matrix", MAYBE)
def _(e):
    yours, right = e.product(e.a), e.product(e.n)
    return (
        yours != right and yours.replace(".T", "") == right.replace(".T", "") and f"yours is {yours}; right is {right}"
    )


@mistake("matrix taken as symmetric", MAYBE)
def _(e):
    return e.if_symmetric().right


@mistake("wrong product", MAYBE)
def _(e):
    yours, right = e.product(e.a), e.product(e.n)
    return bool(yours and right and yours != right) and f"yours is {yours}; right is {right}"

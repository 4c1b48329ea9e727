"""A list of mistakes exists because a wrong derivative is wrong in one of a few well-known ways.

Each is a hypothesis, a function: its docstring says what the doctor says, the mistake's name, what
it means and the line of mathematics to look at; its value is whether the evidence fits, or, if it
does, what was seen: "×3 = O". They are asked in turn about a failed check (``diagnosis.py``), first
those about the whole report ``r``, then those about each wrong gradient ``e``. They may have the
check repeated with one thing changed: at another batch size, with another upstream, at another x,
after other data.

a is the computed gradient, n the measured one; N batch, I inputs, O outputs.
"""

from __future__ import annotations

import inspect
from itertools import permutations
from typing import NamedTuple

import numpy as np

from tinygan.cases import LayerCase, LossCase, PenaltyCase, StepCase
from tinygan.evidence import gradients, same, wrong_gradients
from tinygan.losses import sigmoid


class Hypothesis(NamedTuple):
    """A mistake that is known, and how to tell that it was made."""

    name: str
    meaning: str
    look: str
    holds: object  # of a Report, or of an Evidence


ABOUT_THE_REPORT, ABOUT_A_GRADIENT = [], []


def listed(hypotheses):
    """Puts the function below it on this list, with the words of its docstring."""

    def add(function):
        words, look = inspect.cleandoc(function.__doc__).split("\nlook at: ")
        name, meaning = words.split(": ", 1)
        hypotheses.append(Hypothesis(name, meaning, look, function))
        return function

    return add


# ---- hypotheses about the whole report -----------------------------------------------------------


@listed(ABOUT_THE_REPORT)
def random_output(r):
    """not deterministic: the same input, run twice, gives two outputs
    look at: f(x + h) - f(x - h) is a slope only of a function: seed the generator anew each time"""
    return "random" in r.broken


@listed(ABOUT_THE_REPORT)
def changed_in_place(r):
    """changed in place: an array that was only lent is not what it was, and somebody else still needs it
    look at: operations like x *= ..., x[mask] = ..., out=x; write x = x * ... instead, or copy first"""
    return "in place" in r.broken


@listed(ABOUT_THE_REPORT)
def other_player_touched(r):
    """other player's parameters touched: a player's step changed numbers of the other player
    look at: θ_D -= lr ∂L_D/∂θ_D, θ_G -= lr ∂L_G/∂θ_G; through the other, param_grads=False"""
    return "other player" in r.broken


@listed(ABOUT_THE_REPORT)
def targets_swapped(r):
    """targets a, b, c swapped: a player is drawn to another target than its own
    look at: L_D = ½ E (D(x) - b)² + ½ E (D(G(z)) - a)²,  L_G = ½ E (D(G(z)) - c)²"""
    return "targets" in r.broken


@listed(ABOUT_THE_REPORT)
def loss_is_a_sum(r):
    """loss is a sum: twice the batch gives twice the loss, so the right learning rate depends on the batch
    look at: L = (1/N) Σ_n L_n, a mean over all entries, in the loss and in its gradient"""
    return "sum" in r.broken


@listed(ABOUT_THE_REPORT)
def wrong_lazy_strength(r):
    """lazy penalty of the wrong strength: computed on every k-th step only, it must count k-fold there
    look at: k · (R + 0 + ... + 0)/k = R: value and gradient both times k"""
    return "every" in r.broken


@listed(ABOUT_THE_REPORT)
def overflow(r):
    """overflow: right at ordinary numbers; at large ones an exp is inf, or a p is rounded to 0 or 1
    look at: log(σ(s)) = -log(1 + exp(-s)),  log(1 + exp(s)) = max(s, 0) + log(1 + exp(-|s|))"""
    return bool(r.error) and "large " in r.stopped_in and all(row.passed or "large " in row.name for row in r.rows)


@listed(ABOUT_THE_REPORT)
def epsilon_in_the_logarithm(r):
    """epsilon in the logarithm: a small number beside p makes it another loss, with another gradient
    look at: d log(p + ε)/dp = 1/(p + ε), nearly 0 where p is; from the logits s, log(p) = -log(1 + exp(-s))"""
    kind, size = guard(r)
    return kind == "log(p + ε)" and f"it looks like log(p + {size:.0e})"


def guard(r):
    """How, and how much, p is kept away from 0 and 1 in the logarithms of a cross-entropy, ("", 0) if it is not.

    At large logits p is 0 or 1, and all that is left of the loss is log(ε).
    """
    ordinary = [row for row in r.rows if "large " not in row.name]
    cases = [e.case for e in gradients(r) if "large " in e.name]
    if not cases or any(row.error > 0.01 for row in ordinary):
        return "", 0
    (x, *more), targets, found = cases[0].arrays.values(), cases[0].targets, abs(cases[0].out())
    if any(np.shape(target) not in ((), np.shape(x)) for target in targets):
        return "", 0
    p = x if np.all((x > 0) & (x < 1)) else sigmoid(x)
    errors = {}
    for size in 10.0 ** -np.arange(4, 17) if not more else ():
        clip = np.clip(p, size, 1 - size)
        for kind, p_1, p_0 in (("log(p + ε)", p + size, 1 - p + size), ("clip", clip, 1 - clip)):
            for target in targets[:1] or (0, 1):
                loss = -np.mean(target * np.log(p_1) + (1 - target) * np.log(p_0))
                errors[kind, size] = min(abs(found / loss - 1), errors.get((kind, size), 1))
    best = min(errors, key=errors.get, default=None)
    return best if best and errors[best] < 1e-5 else ("", 0)


@listed(ABOUT_THE_REPORT)
def another_loss(r):
    """another loss: the loss itself, its value, is not the one that was asked for
    look at: the definition; mend the loss first: the gradients were measured on yours, right or wrong"""
    gradients_right = all(row.passed for row in r.rows if row.name in r.measured)
    return "value" in r.broken and (is_loss(r) or gradients_right)


def is_loss(r):
    """Is it a loss, which can be wrong apart from its gradient?"""
    return any(isinstance(e.case, LossCase) for e in gradients(r))


@listed(ABOUT_THE_REPORT)
def single_precision(r):
    """float32 noise: numbers pass through single precision, which is right to seven digits only
    look at: astype(np.float32), np.float32(...), dtype=...: take the dtype from x"""
    wrong = [e for e in wrong_gradients(r) if np.any(e.n)]
    return "float32" in r.broken or any(is_single(e.out) or blind_to_rounding(e) for e in wrong)


def is_single(array):
    """Fractions that all survive float32 unchanged."""
    return np.any(array != np.round(array)) and np.array_equal(array, array.astype(np.float32))


def blind_to_rounding(e):
    """Does out stay the same, to the bit, if the argument is rounded to float32?"""
    x, out = e.case.arrays[e.name.removeprefix(e.case.prefix)], e.case.out()
    old = x.copy()
    x[...] = x.astype(np.float32)
    changed, rounded = not np.array_equal(x, old), e.case.out()
    x[...] = old
    return changed and np.array_equal(out, rounded)


@listed(ABOUT_THE_REPORT)
def all_on_kinks(r):
    """kink: not your derivation: x sits where the function has a corner, and no derivative
    look at: the slopes from the left and from the right differ; check at another x"""
    wrong = [row for row in r.rows if not row.passed]
    return bool(wrong) and all(row.aside == row.size for row in wrong)


@listed(ABOUT_THE_REPORT)
def accumulated(r):
    """gradients accumulated: each backward adds to what the one before has left: 1×, 2×, 3×
    look at: dW = xᵀ dout, not dW += xᵀ dout; or set the gradients to zero first"""
    runs = [[e.again(warm=k).a for k in (1, 2, 3)] for e in gradients(r)]
    return any(same(second - first, third - second) for first, second, third in runs)


@listed(ABOUT_THE_REPORT)
def stale_cache(r):
    """stale cache: backward looks at another forward than its own: right alone, wrong beside other data
    look at: every forward stores its x in self; the way back of real comes before the next way forward"""
    other_after_other_data = any(not np.array_equal(e.a, e.again(warm=0).a) for e in gradients(r))
    wrong_way_back = any(same(e.a, mixed) for e in wrong_gradients(r) for mixed in through_one_half(e)[0])
    return other_after_other_data or wrong_way_back


@listed(ABOUT_THE_REPORT)
def saturated(r):
    """saturated by clipping or epsilon: right at ordinary numbers, wrong at the far ends of the scale
    look at: log(σ(s)) = -log(1 + exp(-s)), computed from the logits s: no clip and no + 1e-8"""
    kind, size = guard(r)
    wrong = [row.name for row in r.rows if not row.passed]
    saturated = bool(wrong) and not r.error and all("large " in name for name in wrong)
    return f"it looks like p clipped at {size:.0e}" if saturated and kind == "clip" else saturated


@listed(ABOUT_THE_REPORT)
def curvature_missing(r):
    """curvature missing: right in a network of straight pieces, wrong where an activation is curved
    look at: ∂/∂θ [σ'(s) u] = σ'(s) ∂u/∂θ + σ''(s) u ∂s/∂θ: the slope that v meets depends on θ too"""
    weight = any(isinstance(e.case, PenaltyCase) and e.n.ndim == 2 for e in wrong_gradients(r))
    return weight and r.again(curved=False).passed


# ---- hypotheses about one gradient ---------------------------------------------------------------


@listed(ABOUT_A_GRADIENT)
def nothing_measured(e):
    """nothing measured: computed and measured are both zero, and zero against zero proves nothing
    look at: ∂L/∂x = 0: an input that forward does not use, a rounding, a rectifier that is always off"""
    return not np.any(e.a) and not np.any(e.n)


@listed(ABOUT_A_GRADIENT)
def disconnected(e):
    """disconnected: it is exactly zero: nothing of what comes from above arrives here
    look at: ∂L/∂x = ∂L/∂out · ∂out/∂x: is backward of every part called, and what it returns used?"""
    return not np.any(e.a)


@listed(ABOUT_A_GRADIENT)
def half_lost(e):
    """one half of the batch lost: the gradient of the real, or of the fake half alone
    look at: ∂L_D/∂θ = ∂L_real/∂θ + ∂L_fake/∂θ: does the second backward overwrite the first?"""
    return any(same(e.a, back) for back in through_one_half(e)[1])


def through_one_half(e):
    """What comes of a discriminator's step where (the cache, the gradients) of one half only is left."""
    if not isinstance(e.case, StepCase) or e.case.player == "generator":
        return [], []
    case, d = e.case, e.case.gan.discriminator
    x_fake = case.gan.generator.forward(case.z).copy()
    _, dreal, dfake = case.gan.objective.discriminator(case.judge(case.x_real), case.judge(x_fake))

    def back(x, dlogits):
        case.judge(x)
        d.backward(dlogits)
        return d.views()[e.name.removeprefix(case.prefix)][1].copy()

    real, fake = (case.x_real, dreal), (x_fake, dfake)
    mixed = [back(x_fake, dreal) + back(*fake), back(*real) + back(case.x_real, dfake)]
    return mixed, [back(*real), back(*fake)]


@listed(ABOUT_A_GRADIENT)
def wrong_sign(e):
    """wrong sign: it is the measured gradient times -1 (and perhaps more)
    look at: d(-x)/dx = -1, d(log(1 - p))/dp = -1/(1 - p): count the minus signs"""
    return e.ratio < 0 and e.again(seed=e.report.setting.seed + 1).ratio < 0


@listed(ABOUT_A_GRADIENT)
def missing_batch_size(e):
    """missing 1/N: it is too large by a factor that grows with the batch: the loss is a mean, this is a sum
    look at: L = (1/N) Σ_n L_n, so ∂L/∂s_n = (1/N) ∂L_n/∂s_n"""
    return e.ratio_grows_as_batch_to_the(1) and e.factor


@listed(ABOUT_A_GRADIENT)
def bias_averaged(e):
    """bias averaged: the bias gradient is a mean over the batch, and must be a sum
    look at: b_o is felt by every sample: ∂L/∂b_o = Σ_n dout[n, o]; the 1/N is in dout already"""
    others_right = all(row.passed for row in e.report.rows if row.name != e.name)
    return e.is_bias and others_right and e.ratio_grows_as_batch_to_the(-1) and e.factor


@listed(ABOUT_A_GRADIENT)
def batch_size_twice(e):
    """1/N divided twice: this is divided by N, and the mean in the loss has done that already
    look at: ∂L/∂s_n = (1/N) ∂L_n/∂s_n, once, in the loss: its 1/N is in dout, and dx, dW, db only inherit it"""
    return e.ratio_grows_as_batch_to_the(-1) and e.factor


@listed(ABOUT_A_GRADIENT)
def constant_factor(e):
    """constant factor: it is the measured gradient times a number, the same number for every batch size
    look at: d(x²)/dx = 2x, d(½x²)/dx = x; the mean of N·O entries divides by .size, and len() is only N"""
    return not np.isclose(abs(e.ratio), 1, rtol=1e-6) and e.ratio_grows_as_batch_to_the(0) and e.factor


@listed(ABOUT_A_GRADIENT)
def upstream_ignored(e):
    """upstream gradient ignored: the same whatever comes from above: right for ones, wrong for all else
    look at: ∂L/∂x = dout · ∂out/∂x: every line of backward has dout in it"""
    return isinstance(e.case, LayerCase) and same(e.a, e.again(upstream="ones").a)


@listed(ABOUT_A_GRADIENT)
def transposed_weight(e):
    """transposed weight: it is right with W exchanged for Wᵀ
    look at: out = x W, so dx = dout Wᵀ, which is (N, O)(O, I)"""
    return e.again(transpose=True).right


@listed(ABOUT_A_GRADIENT)
def transposed_result(e):
    """transposed result: rows and columns of the right gradient are exchanged
    look at: (A B)ᵀ = Bᵀ Aᵀ: doutᵀ x is the transpose of dW = xᵀ dout, and W doutᵀ that of dx = dout Wᵀ"""
    return e.n.ndim == 2 and same(e.a, e.n.T) and (your_product(e) or True)


@listed(ABOUT_A_GRADIENT)
def samples_lost(e):
    """not every sample counted: it is the right gradient of a part of the batch
    look at: dW = Σ_n dW_n, n = 0 ... N-1: in a loop over the samples += adds, and = keeps only the last"""
    for which in ("first", "last"):
        alone = e.again(upstream=which).n
        if same(e.a, alone) or same(e.a, e.n - alone):
            return f"{'only' if same(e.a, alone) else 'all but'} the {which}"
    return False


@listed(ABOUT_A_GRADIENT)
def keepdims(e):
    """keepdims: the right numbers, in an array of another shape
    look at: a gradient has the shape of what it belongs to: no keepdims=True, no [:, None]"""
    return e.a.shape != e.n.shape and same(e.a.ravel(), e.n.ravel()) and e.shapes


@listed(ABOUT_A_GRADIENT)
def not_summed(e):
    """not summed over the batch: one gradient for each sample, side by side
    look at: a parameter is felt by every sample: ∂L/∂b_o = Σ_n dout[n, o], axis=0"""
    return e.is_parameter and e.a.ndim == e.n.ndim + 1 and same(e.a.sum(axis=0), e.n) and e.shapes


@listed(ABOUT_A_GRADIENT)
def summed_over_everything(e):
    """summed over everything: one number, where every entry has its own
    look at: ∂L/∂b_o = Σ_n dout[n, o], one sum for each o: axis=0; only the loss itself is one number"""
    if e.a.size == 1 < e.n.size:
        return e.shapes
    return any(same(e.a, np.full(e.a.shape, number)) for number in (e.n.sum(), e.n.mean()))


@listed(ABOUT_A_GRADIENT)
def summed_over_the_wrong_axis(e):
    """summed over the wrong axis: the sum runs over another index than the one that should be gone
    look at: ∂L/∂b_o = Σ_n dout[n, o]: axis=0, not axis=1; and dx has an entry for every n and i: no sum at all"""
    if e.a.shape != e.n.shape and any(same(e.a, e.n.sum(axis=axis)) for axis in range(e.n.ndim)):
        return e.shapes
    if not e.is_parameter or e.n.ndim != 1 or e.dout.ndim != 2:
        return False
    x = e.case.arrays["x"]
    terms = [e.dout, x * e.dout] if x.shape == e.dout.shape else [e.dout]
    return any(same(e.a.ravel(), term.sum(axis=1)) for term in terms)


@listed(ABOUT_A_GRADIENT)
def wrong_product(e):
    """wrong product: another product of x, W and dout than the right one
    look at: with x (N, I), W (I, O), dout (N, O): dW = xᵀ dout has shape (I, O), dx = dout Wᵀ has (N, I)"""
    return your_product(e)


def your_product(e):
    """ "yours is x dout, right is xᵀ dout", where both are made of one or two of x, W and dout, or ""."""
    if not isinstance(e.case, LayerCase):
        return ""
    x, W = e.case.arrays["x"], e.case.arrays.get("W", np.zeros(0))
    arrays = {"x": x, "xᵀ": x.T, "W": W, "Wᵀ": W.T, "dout": e.dout, "doutᵀ": e.dout.T}
    arrays = {name: array for name, array in arrays.items() if array.ndim in (1, 2)}
    products = dict(arrays)
    for (p, left), (q, right) in permutations(arrays.items(), 2):
        if left.ndim == 2 and left.shape[1] == len(right):
            products[f"{p} {q}"] = left @ right
        if left.ndim == 2 and right.shape in (left.shape, left.shape[1:]):
            products[f"{p} · {q}, entry by entry"] = left * right
    products |= {f"Σ_n {name}": array.sum(axis=0) for name, array in products.items() if array.ndim == 2}
    yours, right = (next((k for k, v in products.items() if same(array, v)), "") for array in (e.a, e.n))
    return f"yours is {yours}; right is {right}" if yours and right else ""


@listed(ABOUT_A_GRADIENT)
def mask_missing(e):
    """activation mask missing: the same slope for all, as if the function had no corner
    look at: out = x where x > 0, α x elsewhere: dx = dout · (1 where x > 0, α elsewhere)"""
    if e.is_activation:
        used, true = e.slopes
        return not np.ptp(used) and len(np.unique(true)) < 4
    return e.again(upstream="positive").right and not np.any(e.again(upstream="negative").n)


@listed(ABOUT_A_GRADIENT)
def mask_inverted(e):
    """activation mask inverted: each side of the corner has the slope of the other
    look at: out = x where x > 0, α x elsewhere: slope 1 belongs to x > 0"""
    used, true = e.slopes
    low, high = true.min(), true.max()
    return low < high and same(used, np.where(true == low, high, np.where(true == high, low, np.nan)))


@listed(ABOUT_A_GRADIENT)
def one_side_wrong(e):
    """wrong slope on one side: right on the one side of the corner, wrong on the other
    look at: out = x where x > 0, α x elsewhere: slope 1 on the right, α on the left"""
    seeds = e.report.setting.seed, e.report.setting.seed + 1
    sides = ("positive", "negative")
    return any(all(e.again(upstream=side, seed=seed).right for seed in seeds) for side in sides)


@listed(ABOUT_A_GRADIENT)
def wrong_variable(e):
    """derivative at the wrong variable: it is the right derivative, taken at another place than x
    look at: σ'(x) = σ(x)(1 - σ(x)) = out(1 - out); not σ(out)(1 - σ(out)), and not x(1 - x)"""
    used, true = e.slopes
    at_out, at_dout = e.again(at="out"), e.again(at="dout")
    return same(used, at_out.slopes[1]) or same(at_out.slopes[0], true) or same(used, at_dout.slopes[1])


@listed(ABOUT_A_GRADIENT)
def derivative_missing(e):
    """derivative missing: what comes from above went through the activation without its slope
    look at: ∂L/∂x = dout · f'(x);  ∂L/∂s = ∂L/∂p · σ'(s), with p = σ(s) and σ'(s) = p(1 - p)"""
    return same(e.a * e.bend, e.n)


@listed(ABOUT_A_GRADIENT)
def derivative_twice(e):
    """derivative twice: the slope of the activation is multiplied in once too often
    look at: ∂L/∂x = dout · f'(x), once;  for cross-entropy ∂L/∂s = p - target has its σ'(s) in it already"""
    return same(e.a, e.n * e.bend)


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


@listed(ABOUT_A_GRADIENT)
def wrong_slope(e):
    """wrong slope: dout is multiplied by another function than the derivative
    look at: σ' = σ(1 - σ), tanh' = 1 - tanh², (x σ(x))' = σ(x) + x σ'(x)"""
    if not e.is_activation:
        return False
    known = {name: e.dout * slope(e.case.arrays["x"], e.out) for name, slope in SLOPES.items()}
    yours, right = (next((k for k, v in known.items() if same(array, v)), "") for array in (e.a, e.n))
    return yours and f"it looks like {yours}{', and must be ' * bool(right)}{right}{'; y is out' * ('y' in yours)}"


@listed(ABOUT_A_GRADIENT)
def clipped(e):
    """clipped: the largest entries were all cut to the same size
    look at: np.clip(gradient, -c, c) has no place in a derivative; clip the step, if you must"""
    cut = np.abs(e.a[e.wrong_entries])
    all_as_large = same(cut, np.full_like(cut, np.abs(e.a).max()))
    return 1 < len(cut) < e.a.size and all_as_large and np.all(cut < np.abs(e.n[e.wrong_entries]))


@listed(ABOUT_A_GRADIENT)
def broadcast(e):
    """silent broadcast: NumPy stretched a shape: rows or columns are copies of each other
    look at: shapes: (N,) - (N, 1) is (N, N), and dW[...] = (I, 1) fills every column alike"""
    if isinstance(e.case, LossCase) and e.a.shape == 2 * e.n.shape[:1] != e.n.shape:
        return copies(e.a - e.a[:1]) and e.shapes  # a column and a row of numbers, added up
    return e.a.shape == e.n.shape and copies(e.a) and not copies(e.n)


def copies(array):
    """Are all rows equal, or all columns?"""
    axes = [axis for axis in (0, 1) if array.ndim == 2 and array.shape[axis] > 1]
    return any(same(array, np.broadcast_to(array.take([-1], axis), array.shape)) for axis in axes)


@listed(ABOUT_A_GRADIENT)
def wrong_shape(e):
    """wrong shape: a gradient has the shape of what it belongs to
    look at: ∂L/∂W has an entry for each entry of W: over which index must be summed, over which not?"""
    return e.a.shape != e.n.shape and e.shapes

"""A doctor exists because a wrong derivative is wrong in one of a few well-known ways.

Most of this file is a list of hypotheses. Each is a function: its docstring says what the doctor
says, the mistake's name, what it means and the line of mathematics to look at; its value is whether
the evidence fits. They are asked in turn about a failed check, first those about the whole report
``r``, then those about each wrong gradient ``e``. They may have the check repeated with one thing
changed: at another batch size, with another upstream, at another x, after other data.

a is the computed gradient, n the measured one; N batch, I inputs, O outputs.
"""

from __future__ import annotations

import inspect
from typing import NamedTuple

import numpy as np

from tinygan.cases import LayerCase, PenaltyCase, StepCase
from tinygan.gradcheck import relative_error
from tinygan.learner import TargetError


class NoEvidence(Exception):
    """The check cannot be repeated that way."""


class Evidence:
    """One gradient of a report, and whatever else one may want to know about it."""

    def __init__(self, report, name):
        if name not in report.measured:
            raise NoEvidence
        self.report, self.name = report, name
        self.case, self.a, self.n, self.out, self.dout = report.measured[name]

    def again(self, **changes):
        """The same gradient when the check is repeated in another setting."""
        return Evidence(self.report.again(**changes), self.name)

    @property
    def right(self):
        return any(row.passed for row in self.report.rows if row.name == self.name)

    @property
    def wrong_entries(self):
        if self.a.shape != self.n.shape:
            raise NoEvidence
        return np.abs(self.a - self.n) > 1e-6 * np.abs(self.n).max()

    @property
    def ratio(self):
        """c where a = c n, otherwise nan."""
        if self.a.shape != self.n.shape:
            raise NoEvidence
        c = np.sum(self.a * self.n) / np.sum(self.n * self.n)
        return c if same(self.a, c * self.n) else np.nan

    def ratio_grows_as_batch_to_the(self, power):
        n = self.report.setting.n
        larger = self.again(n=2 * n + 1)
        return np.isclose(larger.ratio / self.ratio, ((2 * n + 1) / n) ** power, rtol=1e-5)

    @property
    def is_bias(self):
        named_so = self.name.split(".")[-1].startswith("b")
        return named_so and isinstance(self.case, LayerCase) and self.n.ndim == 1 and self.dout.ndim == 2

    @property
    def is_activation(self):
        alone = isinstance(self.case, LayerCase) and list(self.case.arrays) == ["x"]
        return alone and self.a.shape == self.n.shape == self.dout.shape

    @property
    def slopes(self):
        """(a/dout, n/dout) of an activation: the slopes that were used, and the true ones."""
        if not self.is_activation:
            raise NoEvidence
        return np.round(self.a / self.dout, 6), np.round(self.n / self.dout, 6)


def same(p, q):
    """Equal but for the error of measuring, and not because both are zero."""
    return np.shape(p) == np.shape(q) and bool(np.any(q)) and relative_error(p, q) < 1e-6


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
def another_loss(r):
    """another loss: the loss that is returned is not the one that was asked for
    look at: the definition of the loss"""
    return "value" in r.broken and all(row.passed for row in r.rows if row.name in r.measured)


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
    look at: log(σ(s)) = -log(1 + exp(-s)), computed from the logits s: no clip, no + 1e-8 and no overflow"""
    wrong = [row.name for row in r.rows if not row.passed] + [r.stopped_in] * bool(r.error)
    return bool(wrong) and all("large " in name for name in wrong)


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
    return e.ratio_grows_as_batch_to_the(1)


@listed(ABOUT_A_GRADIENT)
def bias_averaged(e):
    """bias averaged: the bias gradient is a mean over the batch, and must be a sum
    look at: b_o is felt by every sample: ∂L/∂b_o = Σ_n dout[n, o]; the 1/N is in dout already"""
    others_right = all(row.passed for row in e.report.rows if row.name != e.name)
    return e.is_bias and others_right and e.ratio_grows_as_batch_to_the(-1)


@listed(ABOUT_A_GRADIENT)
def batch_size_twice(e):
    """1/N divided twice: it is too small by a factor that grows with the batch
    look at: the loss divides by N, once; every layer before it only sums, dW = xᵀ dout"""
    return e.ratio_grows_as_batch_to_the(-1)


@listed(ABOUT_A_GRADIENT)
def constant_factor(e):
    """constant factor: it is the measured gradient times a number, the same number for every batch size
    look at: d(x²)/dx = 2x, d(½x²)/dx = x; a factor I or O tells of a mean over the wrong axis"""
    return not np.isclose(abs(e.ratio), 1, rtol=1e-6) and e.ratio_grows_as_batch_to_the(0)


@listed(ABOUT_A_GRADIENT)
def upstream_ignored(e):
    """upstream gradient ignored: the same whatever comes from above: right for ones, wrong for all else
    look at: ∂L/∂x = dout · ∂out/∂x: every line of backward has dout in it"""
    return isinstance(e.case, LayerCase) and same(e.a, e.again(upstream="ones").a)


@listed(ABOUT_A_GRADIENT)
def transposed(e):
    """transposed weight: it is right with W exchanged for Wᵀ
    look at: out = x W, so dx = dout Wᵀ, which is (N, O)(O, I), and dW = xᵀ dout, which is (I, N)(N, O)"""
    return (e.name != "x" and same(e.a, e.n.T)) or e.again(transpose=True).right


@listed(ABOUT_A_GRADIENT)
def bias_not_summed(e):
    """bias not summed: the bias gradient is that of single samples
    look at: b_o is felt by every sample: ∂L/∂b_o = Σ_n dout[n, o]"""
    per_sample = e.a.ndim == 2 and same(e.a.sum(axis=0), e.n)
    return e.is_bias and (per_sample or any(same(e.a, row) for row in e.dout))


@listed(ABOUT_A_GRADIENT)
def bias_summed_over_everything(e):
    """bias summed over everything: every entry is the sum over samples and outputs
    look at: ∂L/∂b_o = Σ_n dout[n, o], with one sum for each o: axis=0"""
    return e.is_bias and same(e.a, np.full(e.a.shape, e.n.sum()))


@listed(ABOUT_A_GRADIENT)
def bias_summed_over_outputs(e):
    """bias summed over the wrong axis: a sum over outputs, where one over samples is needed
    look at: ∂L/∂b_o = Σ_n dout[n, o]: axis=0, not axis=1"""
    return e.is_bias and same(e.a.ravel(), e.dout.sum(axis=1))


@listed(ABOUT_A_GRADIENT)
def mask_missing(e):
    """activation mask missing: the same slope for all, as if the function had no corner
    look at: out = x where x > 0, α x elsewhere: dx = dout · (1 where x > 0, α elsewhere)"""
    if e.is_activation:
        return not np.ptp(e.slopes[0])
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
    return any(e.again(upstream=side).right for side in ("positive", "negative"))


@listed(ABOUT_A_GRADIENT)
def wrong_variable(e):
    """derivative at the wrong variable: it is the right derivative, taken at another place than x
    look at: σ'(x) = σ(x)(1 - σ(x)) = out(1 - out); not σ(out)(1 - σ(out)), and not x(1 - x)"""
    used, true = e.slopes
    at_out, at_dout = e.again(at="out"), e.again(at="dout")
    return same(used, at_out.slopes[1]) or same(at_out.slopes[0], true) or same(used, at_dout.slopes[1])


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
    if e.a.shape != e.n.shape:
        return e.a.shape == 2 * e.n.shape[:1] or stretches(e.a, e.n)
    axes = [axis for axis in (0, 1) if e.a.ndim == 2 and e.a.shape[axis] > 1]
    return any(same(e.a, np.broadcast_to(e.a.take([0], axis), e.a.shape)) for axis in axes)


def stretches(p, q):
    """Do the two shapes fit, in NumPy's way?"""
    try:
        return bool(np.broadcast_shapes(p.shape, q.shape))
    except ValueError:
        return False


# ---- the doctor ----------------------------------------------------------------------------------


class Finding(NamedTuple):
    """A mistake that was recognised, and the gradients in which it was (none where it is of the whole)."""

    name: str
    meaning: str
    look: str
    places: tuple[str, ...] = ()

    def __str__(self):
        places = f", in {', '.join(self.places)}" if self.places else ""
        return f"  {self.name}{places}: {self.meaning}\n    look at: {self.look}"


def diagnose(report):
    """The known mistakes that explain a failed Report, as a list of Findings; empty where none does.

    A mistake of the whole is named alone, for it may be the cause of everything else.
    """
    if report.passed:
        return []
    if report.error and not report.rows:  # some product of sizes does not fit; equal sizes always do
        report = report.again(n_in=report.setting.n, n_out=report.setting.n)
    for h in ABOUT_THE_REPORT if report.rows else ():
        if fits(h, report):
            return [Finding(*h[:3])]
    places = {}
    for e in wrong_gradients(report):
        for h in names_of(e):
            places.setdefault(h, []).append(e.name)
    return [Finding(*h[:3], tuple(names)) for h, names in places.items()]


def names_of(e):
    """The first hypothesis that fits; but a wrong sign may have a second one behind it."""
    for h in ABOUT_A_GRADIENT:
        if fits(h, e):
            yield h
            if h.name != "wrong sign" or np.isclose(e.ratio, -1, rtol=1e-6):
                return


def fits(hypothesis, subject):
    """Does it hold of this Report, or Evidence? Not where it cannot be told."""
    try:
        with np.errstate(all="ignore"):
            return bool(hypothesis.holds(subject))
    except (NoEvidence, TargetError):
        return False


def gradients(report):
    """The Evidence about every gradient."""
    return [Evidence(report, name) for name in report.measured]


def wrong_gradients(report):
    """The Evidence about those that did not pass."""
    return [e for e in gradients(report) if not e.right]


def pattern(report):
    """What can be said about wrong gradients even without a name: one line for each."""
    lines = []
    for e in wrong_gradients(report):
        if e.a.shape == e.n.shape and np.any(e.a) and np.any(e.n):
            cosine = np.sum(e.a * e.n) / (np.linalg.norm(e.a) * np.linalg.norm(e.n))
            length = np.linalg.norm(e.a) / np.linalg.norm(e.n)
            lines.append(
                f"  {e.name}: {e.wrong_entries.sum()} of {e.n.size} entries are wrong; its length is "
                f"{length:.3g} times the measured one's, its cosine with it {cosine:.3g}"
            )
    return lines

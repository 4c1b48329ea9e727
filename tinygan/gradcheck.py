"""The checker exists because a derivative can be measured: nudge one number, watch the loss.

    central        f'(x) ≈ (f(x + h) - f(x - h)) / 2h   error h² f'''/6 and, of rounding, ε f / h
    complex step   f'(x) ≈ Im f(x + ih) / h             error h² f'''/6 alone, so h can be 1e-30

Nothing is subtracted in the second (Squire and Trapp 1998), but every operation of f must accept
complex numbers: ours do. Everything here runs in float64 (lesson 01).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tinygan.cases import Case, Fact, Setting, cases
from tinygan.learner import TargetError, Unfilled, describe, is_ours

# ---- measuring -----------------------------------------------------------------------------------


def numeric_gradient(f, x, step=1e-5, method="central", dout=1.0):
    """d(Σ dout·f())/dx: ``f`` takes nothing and reads x, whose entries are nudged one by one, in place.

    x float64 of any shape (complex128 for method="complex"); h is ``step``·max(1, |x|) for each
    entry, ``step`` a number or an array like x. f() is a number or an array. Returns float64 like x.
    """
    if method not in ("central", "complex"):
        raise ValueError(f"method must be 'central' or 'complex', not {method!r}")
    wanted = np.complex128 if method == "complex" else np.float64
    if x.dtype != wanted:
        raise ValueError(f"numeric_gradient, {method}: x must be {wanted.__name__}, not {x.dtype}")
    gradient = np.zeros(x.shape)
    for index, h in np.ndenumerate(step * np.maximum(1, np.abs(x))):
        if method == "complex":
            slope = nudged(f, x, index, 1e-30j).imag / 1e-30
        else:
            slope = (nudged(f, x, index, h) - nudged(f, x, index, -h)) / (2 * h)
        gradient[index] = np.sum(dout * slope)
    return gradient


def nudged(f, x, index, change):
    """A copy of f() while x[index] is changed by so much."""
    old = x[index]
    try:
        x[index] = old + change
        return np.array(f())
    finally:
        x[index] = old


def remeasure(f, x, measured, suspicious, step=1e-5, dout=1.0):
    """A nudge may straddle a kink. Look closer where the mask ``suspicious`` says so.

    There the slopes to the left and to the right are taken with a step a hundred times smaller. If
    they agree, but not with what was measured, they replace it. If they disagree, and with the
    usual step no less, x sits on the kink and has no derivative: the entry is set aside. (Rounding
    makes them disagree, too, but the less the larger the step.)
    Returns (measured anew, mask of the entries set aside), both like x.
    """
    measured, aside = measured.copy(), np.zeros(x.shape, bool)
    differs = 1e-4 * np.abs(measured).max()
    steps = step * np.maximum(1, np.abs(x))

    def slopes(index, h):
        """To the left and to the right."""
        left, here, right = (nudged(f, x, index, change) for change in (-h, 0.0, h))
        return np.sum(dout * (here - left)) / h, np.sum(dout * (right - here)) / h

    for index in map(tuple, np.argwhere(suspicious)):
        left, right = slopes(index, 0.01 * steps[index])
        if abs(right - left) > differs:
            far_left, far_right = slopes(index, steps[index])
            aside[index] = (far_right - far_left) / (right - left) > 0.9
        elif abs((left + right) / 2 - measured[index]) > differs:
            measured[index] = (left + right) / 2
    return measured, aside


# ---- comparing -----------------------------------------------------------------------------------


def relative_error(got, expected):
    """‖got - expected‖ / max(‖got‖, ‖expected‖); 0 where both vanish."""
    scale = max(np.linalg.norm(got), np.linalg.norm(expected))
    return float(np.linalg.norm(got - expected) / scale) if scale else 0.0


class Row(NamedTuple):
    """One line of a report: what was compared, and where it was worst.

    size    entries, ``aside`` of them without a derivative (kinks), which were not compared
    error   norm-relative, of the whole
    note    why it cannot pass, where this is not a matter of size
    """

    name: str
    size: int
    error: float
    index: tuple[int, ...]
    got: float
    expected: float
    passed: bool
    aside: int = 0
    note: str = ""


def compare(name, got, expected, tolerance=1e-7, aside=None, rounding=0.0, zero=False):
    """Row for an analytic gradient ``got`` against a measured one, without the entries ``aside``.

    ``rounding`` is the norm of what rounding does to the measured one, a difference that is allowed
    besides. Zero against zero does not pass, for nothing was measured; unless ``zero`` says that
    the derivative is known to vanish.
    """
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        note = f"its shape is {got.shape}, and must be {expected.shape}"
        return Row(name, expected.size, np.inf, (), np.nan, np.nan, False, note=note)
    counted = np.ones(got.shape, bool) if aside is None else ~aside
    error = relative_error(got[counted], expected[counted])
    off = np.where(counted, np.abs(got - expected), -1)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(off), off.shape))
    passed, note = error < tolerance, ""
    if not np.any(counted):
        passed, note = False, "every entry sits on a kink: nothing was measured"
    elif not np.any(got[counted]) and not np.any(expected[counted]):
        passed, note = (True, "") if zero else (False, "zero against zero: nothing was measured")
    elif not passed and np.linalg.norm((got - expected)[counted]) <= rounding:
        passed, note = True, "too small to be measured"
    elif not np.any(expected[counted]):
        note = "the output does not depend on it"
    n_aside = got.size - int(counted.sum())
    return Row(name, got.size, error, index, float(got[index]), float(expected[index]), bool(passed), n_aside, note)


# ---- reporting -----------------------------------------------------------------------------------


class Measured(NamedTuple):
    """One gradient: ``a`` computed, ``n`` measured; in which case, at which out, for which dout."""

    case: Case
    a: np.ndarray
    n: np.ndarray
    out: np.ndarray
    dout: np.ndarray


class Report:
    """What a check found. ``str(report)`` is the table; ``passed`` is the verdict.

    rows      of gradients, and of broken promises (an input changed, ...)
    measured  {name of a gradient's row: Measured}, for the doctor
    broken    kinds of promises broken, see ``cases.Fact``
    unchecked names of a learner's arrays that may be parameters, but were not looked at
    error     TargetError, one sentence about the target's code, where it could not be run; that
              was in the case with the prefix ``stopped_in``
    """

    def __init__(self, target, setting, **options):
        self.target, self.setting, self.options = target, setting, options
        self.rows, self.measured, self.broken, self.unchecked = [], {}, set(), []
        self.error, self.stopped_in = None, ""
        self._others = {}

    @property
    def passed(self):
        return not self.error and bool(self.rows) and all(row.passed for row in self.rows)

    def again(self, **changes):
        """The same check in another setting."""
        setting = replace(self.setting, **changes)
        if setting not in self._others:
            self._others[setting] = check_gradients(self.target, setting=setting, **self.options)
        return self._others[setting]

    def __str__(self):
        empty = "not filled in yet" if isinstance(self.error, Unfilled) else "WRONG"
        lines = [f"{describe(self.target)}: {'right' if self.passed else empty}"]
        if self.rows:
            width = max(len("argument"), *(len(row.name) for row in self.rows))
            lines.append(f"  {'argument':<{width}}  size    error  worst at  {'got':>14}  {'expected':>14}")
            lines += [format_row(row, width) for row in self.rows]
        if self.unchecked:
            lines.append(f"  not checked: {', '.join(self.unchecked)} (parameters are W and b, or in params and grads)")
        return "\n".join(lines + [f"  {self.error}"] * bool(self.error))


def format_row(row, width):
    """A Row as a line of the table, its name in so many columns."""
    place = ",".join(map(str, row.index))
    line = f"  {row.name:<{width}}  {row.size:4d}  "
    if np.isfinite(row.error):
        got, expected = numbers(row.got, row.expected, row.passed)
        line += f"{row.error:7.1e}  {place:<8}  {got:>14}  {expected:>14}"
    aside = f"{row.aside} on a kink, set aside" if row.aside else ""
    return "  ".join(filter(None, [line, "" if row.passed else "WRONG", aside, row.note])).rstrip()


def numbers(got, expected, alike):
    """Both as text: seven digits, or as many as it takes to see that they are not alike."""
    digits = [7] if alike or got == expected else range(7, 18)
    texts = [(f"{got:.{d}g}", f"{expected:.{d}g}") for d in digits]
    return next((pair for pair in texts if pair[0] != pair[1]), texts[0])


# ---- checking ------------------------------------------------------------------------------------


def check_gradients(target, tolerance=1e-7, method=None, x=None, definition=None, setting=None, **changes):
    """Compare every gradient that ``target`` computes with the measured one; returns a Report.

    target   a layer, Network, loss, objective, penalty or GAN, or a learner's own: ``cases.py`` says
             what it must look like. A class is made first, in the sizes of the setting.
    method   "complex" or "central"; by default the first for the package's own code, which takes
             complex numbers, and the second for everybody else's
    x        input for a layer instead of a random one, (N, I)
    definition  a function of the same arguments as a loss, which must give the same value
    changes  n=, n_in=, n_out=, seed=, ...: see ``cases.Setting``
    """
    setting = replace(setting or Setting(), **changes)
    report = Report(target, setting, tolerance=tolerance, method=method, x=x, definition=definition)
    method = method or ("complex" if is_ours(target) else "central")
    dtype = np.complex128 if method == "complex" else np.float64
    try:
        pair = (cases(target, setting, kind, x, definition) for kind in (np.float64, dtype))
        for case, twin in zip(*pair, strict=True):
            report.stopped_in = case.prefix
            check_case(report, case, twin, method, tolerance)
    except TargetError as error:
        report.error = error
    return report


def check_case(report, case, twin, method, tolerance):
    """Add the rows of one case: its gradients against slopes of the twin, and the promises it broke."""
    out = case.out()
    dout = case.upstream(out)
    gradients = case.gradients(dout)
    report.unchecked += case.unchecked
    for name, array in {"out": out, **gradients}.items():
        if array.dtype.kind == "c":
            raise TargetError(f"{describe(report.target)}: {case.prefix}{name} is made of complex numbers")
    for name, a in gradients.items():
        x, step = twin.arrays[name], case.steps.get(name, 1e-5)
        n, aside, rounding = numeric_gradient(twin.out, x, step, method, dout), np.zeros(x.shape, bool), 0.0
        if method == "central":
            rounding = 4 * np.finfo(float).eps * np.sum(np.abs(dout * out)) / (step * np.maximum(1, np.abs(x)))
            n = np.where(np.abs(n) > rounding, n, 0.0)
        if method == "central" and a.shape == n.shape:
            suspicious = np.abs(a - n) > tolerance * np.abs(n).max()
            n, aside = remeasure(twin.out, x, n, suspicious, step, dout)
        label, zero = case.prefix + name, name in case.vanishing
        report.rows.append(compare(label, a, n, tolerance, aside, np.linalg.norm(rounding), zero))
        if aside.any():
            n = np.where(aside, a, n)  # no evidence of anything
        report.measured[label] = Measured(case, a, n, out, dout)
    precision = [
        Fact("float32", f"{name}, bits of a number", min(8 * array.dtype.itemsize, 64), 64)
        for name, array in {"out": out, **gradients}.items()
    ]
    for fact in [*precision, *case.facts()]:
        row = compare(case.prefix + fact.name, fact.got, fact.expected, 1e-12, zero=True)
        if not row.passed:
            report.rows.append(row)
            report.broken.add(fact.kind)

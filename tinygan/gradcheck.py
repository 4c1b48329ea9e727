"""The checker exists because a derivative can be measured: nudge one number, watch the loss.

    central        f'(x) ≈ (f(x + h) - f(x - h)) / 2h   error h² f'''/6 and, of rounding, ε f / h
    complex step   f'(x) ≈ Im f(x + ih) / h             error h² f'''/6 alone, so h can be 1e-30

Nothing is subtracted in the second (Squire and Trapp 1998), but every operation of f must accept
complex numbers: ours do. Everything here runs in float64 (lesson 01).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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

"""The checker exists because a derivative can be measured: nudge one number, watch the loss.

    f'(x) ≈ (f(x + h) - f(x - h)) / 2h,  with an error of h² f'''/6 and of rounding ε f / h,

which is smallest near h = ε^(1/3) (lesson 01). Everything here runs in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def numeric_gradient(f, x, step=1e-5):
    """d f()/dx by central differences: ``f`` takes nothing and reads x, which is nudged in place.

    x float64 of any shape; h is ``step``·max(1, |x|) for each entry. Returns an array like x.
    """
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        old = x[index]
        h = step * max(1.0, abs(old))
        x[index] = old + h
        up = f()
        x[index] = old - h
        down = f()
        x[index] = old
        gradient[index] = (up - down) / (2 * h)
    return gradient


def relative_error(got, expected):
    """‖got - expected‖ / max(‖got‖, ‖expected‖); 0 where both vanish."""
    scale = max(np.linalg.norm(got), np.linalg.norm(expected))
    return float(np.linalg.norm(got - expected) / scale) if scale else 0.0


class Row(NamedTuple):
    """One tensor of a report: what was compared, and where it was worst."""

    name: str
    size: int
    error: float
    index: tuple[int, ...]
    got: float
    expected: float
    passed: bool


def compare(name, got, expected, tolerance=1e-7):
    """Row for an analytic gradient ``got`` against a measured one. Zero against zero does not pass."""
    got, expected = np.asarray(got), np.asarray(expected)
    error = relative_error(got, expected)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(got - expected)), got.shape))
    passed = bool(error < tolerance and np.any(expected))
    return Row(name, got.size, error, index, float(got[index]), float(expected[index]), passed)

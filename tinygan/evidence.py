"""Evidence exists because a wrong gradient can be questioned: by what factor, in what shape, and in another setting?

a is the computed gradient, n the measured one; N batch, I inputs, O outputs.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tinygan.cases import LayerCase, LossCase
from tinygan.gradcheck import relative_error
from tinygan.losses import sigmoid


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
    def factor(self):
        """ "×0.2 = 1/N": the ratio, and what it is in other sizes, too."""
        s, c = self.report.setting, self.ratio
        try:
            other = self.again(n=11, n_in=13, n_out=17)
            c_other, s_other = other.ratio, other.report.setting
        except NoEvidence:
            return f"×{c:.6g}"
        return f"×{c:.6g}{equals(c, s, c_other, s_other)}"

    @property
    def shapes(self):
        """ "shape (1, O) where b has (O,)": in letters where no two sizes are alike."""
        letters = {}
        if isinstance(self.case, LossCase):
            letters = dict(zip(self.n.shape, "NO", strict=False))
        elif isinstance(self.case, LayerCase) and self.dout.ndim:
            letters = {self.dout.shape[-1]: "O", self.case.arrays["x"].shape[-1]: "I", len(self.dout): "N"}
        if len(set(self.n.shape)) < self.n.ndim or len(letters) < 2:
            letters = {}
        a, n = (", ".join(str(letters.get(k, k)) for k in array.shape) for array in (self.a, self.n))
        a, n = (f"({text}{',' * (array.ndim == 1)})" for text, array in ((a, self.a), (n, self.n)))
        return f"shape {a} where {self.name.removeprefix(self.case.prefix)} has {n}"

    @property
    def is_parameter(self):
        """Of a layer, or of a network."""
        return isinstance(self.case, LayerCase) and self.name != "x"

    @property
    def is_bias(self):
        named_so = self.name.split(".")[-1].startswith("b")
        return named_so and self.is_parameter and self.n.ndim == 1 and self.dout.ndim == 2

    @property
    def is_activation(self):
        alone = isinstance(self.case, LayerCase) and list(self.case.arrays) == ["x"]
        return alone and self.a.shape == self.n.shape == self.dout.shape

    @property
    def bend(self):
        """The true slope of an activation, or, of a loss, σ'(s) at its logits s."""
        if isinstance(self.case, LossCase) and self.a.shape == self.n.shape:
            p = sigmoid(self.case.arrays[self.name.removeprefix(self.case.prefix)])
            return p * (1 - p)
        if not self.is_activation:
            raise NoEvidence
        return self.n / self.dout

    @property
    def slopes(self):
        """(a/dout, n/dout) of an activation: the slopes that were used, and the true ones."""
        if not self.is_activation:
            raise NoEvidence
        return np.round(self.a / self.dout, 6), np.round(self.n / self.dout, 6)


def same(p, q):
    """Equal but for the error of measuring, and not because both are zero."""
    return np.shape(p) == np.shape(q) and bool(np.any(q)) and relative_error(p, q) < 1e-6


def sizes(s):
    """{letter: size} of a setting, and what one divides by."""
    return {"N": s.n, "O": s.n_out, "I": s.n_in, "N·O": s.n * s.n_out, "N·I": s.n * s.n_in}


def equals(c, s, c_other, s_other):
    """ " = 1/N" where the factor is that in both settings, " = 1/2" where it is a simple fraction, or ""."""
    factors, sign = np.abs([c, c_other]), "-" if c < 0 else ""
    for name, size, other in zip(sizes(s), sizes(s).values(), sizes(s_other).values(), strict=True):
        if np.allclose(factors, [size, other], rtol=1e-5):
            return f" = {sign}{name}"
        if np.allclose(factors, [1 / size, 1 / other], rtol=1e-5):
            return f" = {sign}1/({name})" if "·" in name else f" = {sign}1/{name}"
    simple = Fraction(c).limit_denominator(12)
    return f" = {simple}" if simple.denominator > 1 and np.isclose(c, float(simple), rtol=1e-6) else ""


def gradients(report):
    """The Evidence about every gradient."""
    return [Evidence(report, name) for name in report.measured]


def wrong_gradients(report):
    """The Evidence about those that did not pass."""
    return [e for e in gradients(report) if not e.right]

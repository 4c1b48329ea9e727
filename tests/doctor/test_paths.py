"""Which path of the forward pass a wrong gradient leaves out, or counts with another sign or factor, is said."""

from __future__ import annotations

import pytest
from planted_mistakes import HEAD, run

from tinygan.doctor import Verdict, examine, targets
from tinygan.doctor.evidence import Evidence
from tinygan.doctor.paths import path_of
from tinygan.doctor.sandbox import sandbox

NET = """
class Net:
    def __init__(self, n_in, n_out):
        self.W1, self.W2 = np.random.randn(n_in, 4), np.random.randn(4, n_out)

    def forward(self, x):
        self.x = x
        self.z = x @ self.W1
        self.h = np.arctan(self.z)
        return self.h @ self.W2

    def backward(self, dout):
        dz = dout @ self.W2.T / (1 + self.z**2)
        self.dW2 = self.h.T @ dout
        self.dW1 = self.x.T @ dz
        return dz @ self.W1.T
"""
GATED = """
class Gated:
    def __init__(self, n_in, n_out):
        self.U, self.V = np.random.randn(n_in, n_out), np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        self.r, self.h = np.cosh(x @ self.U), np.tanh(x @ self.V)
        return self.r * self.h

    def backward(self, dout):
        dr = dout * self.h
        dh = dout * self.r
        da, db = dr * np.sinh(self.x @ self.U), dh * (1 - self.h**2)
        self.dU, self.dV = self.x.T @ da, self.x.T @ db
        return da @ self.U.T + db @ self.V.T
"""
RECURRENT = """
class RNN:
    def __init__(self, n_in, n_hidden):
        self.W, self.U = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_hidden)

    def forward(self, x):
        self.x, h = x, np.zeros((x.shape[0], len(self.U)))
        self.hs, self.zs = [h], []
        for t in range(x.shape[1]):
            z = x[:, t] @ self.W + h @ self.U
            h = h * np.cos(h) + np.tanh(z)
            self.hs.append(h)
            self.zs.append(z)
        return h

    def backward(self, dout):
        self.dW, self.dU = np.zeros_like(self.W), np.zeros_like(self.U)
        dx, dh = np.zeros_like(self.x), dout
        for t in reversed(range(self.x.shape[1])):
            h = self.hs[t]
            dz = dh * (1 - np.tanh(self.zs[t]) ** 2)
            self.dW += self.x[:, t].T @ dz
            self.dU += h.T @ dz
            dx[:, t] = dz @ self.W.T
            dh = dz @ self.U.T + dh * (np.cos(h) - h * np.sin(h))
        return dx
"""
RIGHT = {
    "a statistic": """
class Center:
    def __init__(self, n_in):
        self.W = np.random.randn(n_in)

    def forward(self, x):
        self.x = x
        self.c = np.mean(x * x, axis=1, keepdims=True)
        return np.tanh(x) * self.W + np.sin(self.c) * x

    def backward(self, dout):
        self.dW = np.sum(dout * np.tanh(self.x), axis=0)
        dc = np.sum(dout * self.x, axis=1, keepdims=True) * np.cos(self.c)
        return dout * ((1 - np.tanh(self.x) ** 2) * self.W + np.sin(self.c)) + dc * 2 * self.x / self.x.shape[1]
""",
    "two statistics": """
class Norm:
    def forward(self, x):
        self.mu = x.mean(axis=0)
        self.s = np.sqrt(x.var(axis=0) + 0.1)
        self.y = (x - self.mu) / self.s
        return np.tanh(self.y)

    def backward(self, dout):
        dy = dout * (1 - np.tanh(self.y) ** 2)
        return (dy - dy.mean(axis=0) - self.y * (dy * self.y).mean(axis=0)) / self.s
""",
    "a product": """
class Bump:
    def forward(self, x):
        self.x = x
        return np.tanh(x) * np.exp(-(x**2))

    def backward(self, dout):
        slope = 1 - np.tanh(self.x) ** 2 - 2 * self.x * np.tanh(self.x)
        return dout * slope * np.exp(-(self.x**2))
""",
    "a parameter twice": """
class Tied:
    def __init__(self, n_in, n_hidden):
        self.W = np.random.randn(n_in, n_hidden)

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W)
        return self.h @ self.W.T

    def backward(self, dout):
        dz = dout @ self.W * (1 - self.h**2)
        self.dW = self.x.T @ dz + dout.T @ self.h
        return dz @ self.W.T
""",
    "a loss of two terms": """
def loss(out, target):
    return np.mean((out - target) ** 2) + 0.3 * np.sum(out**4) / len(out)


def loss_gradient(out, target):
    return 2 * (out - target) / out.size + 1.2 * out**3 / len(out)
""",
    "a difference": """
class Gap:
    def __init__(self, n_in, n_out):
        self.A, self.B = np.random.randn(n_in, n_out), np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x, self.p, self.q = x, np.tanh(x @ self.A), np.sin(x @ self.B)
        return self.p - self.q * self.p

    def backward(self, dout):
        dp, dq = dout * (1 - self.q), -dout * self.p
        da, db = dp * (1 - self.p**2), dq * np.cos(self.x @ self.B)
        self.dA, self.dB = self.x.T @ da, self.x.T @ db
        return da @ self.A.T + db @ self.B.T
""",
    "a sum": """
def energy(x):
    return np.sum(np.sin(x) + 1.7 * np.cosh(x) * x)


def energy_gradient(x):
    return np.cos(x) + 1.7 * np.cosh(x) + 1.7 * np.sinh(x) * x
""",
    "an activation": NET,
    "a gate": GATED,
    "a recurrent network": RECURRENT,
    "a helper function": """
def spread(z):
    return z / (1 + np.sum(np.abs(z) ** 3, axis=1, keepdims=True))


def spread_back(g, z):
    s = 1 + np.sum(np.abs(z) ** 3, axis=1, keepdims=True)
    return g / s - np.sum(g * z, axis=1, keepdims=True) * 3 * z * np.abs(z) / s**2


class Two:
    def __init__(self, n_in, n_out):
        self.A, self.B = np.random.randn(n_in, n_out), np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x, self.a, self.b = x, x @ self.A, x @ self.B
        return spread(self.a) * spread(self.b)

    def backward(self, dout):
        da = spread_back(dout * spread(self.b), self.a)
        db = spread_back(dout * spread(self.a), self.b)
        self.dA, self.dB = self.x.T @ da, self.x.T @ db
        return da @ self.A.T + db @ self.B.T
""",
}
WRONG = [  # (right code, what is replaced, by what, the name of the mistake, what must be said of the path)
    ("a statistic", " + dc * 2 * self.x / self.x.shape[1]", "", "statistic taken as a constant", "`np.mean(x * x"),
    (
        "two statistics",
        "(dy - dy.mean(axis=0) - self.y * (dy * self.y).mean(axis=0))",
        "dy",
        "statistic taken as a constant",
        " and `x.mean(axis=0)`",
    ),
    ("a product", " - 2 * self.x * np.tanh(self.x)", "", "product rule", "`np.exp(-x ** 2)`"),
    ("a parameter twice", " + dout.T @ self.h", "", "one path missing", "`self.W.T`"),
    ("a loss of two terms", " + 1.2 * out**3 / len(out)", "", "one path missing", "`0.3 * np.sum(out ** 4)"),
    ("a difference", "da @ self.A.T + db", "da @ self.A.T - db", "path with a wrong sign", "counts -1 times"),
    ("a sum", "1.7 * np.sinh", "0.85 * np.sinh", "path with a wrong factor", "the factor 2 is missing there"),
    ("a sum", "1.7 * np.sinh", "5.1 * np.sinh", "path with a wrong factor", "counts 3 times"),
    ("an activation", " / (1 + self.z**2)", "", "derivative missing", "`np.arctan(self.z)`"),
    ("a gate", "dh = dout * self.r", "dh = dout", "factor missing", "hands dout on to `self.h`"),
    ("a recurrent network", " - h * np.sin(h)", "", "product rule", "`np.cos(h)` (mine.py, line 14)"),
    (
        "a helper function",
        " - np.sum(g * z, axis=1, keepdims=True) * 3 * z * np.abs(z) / s**2",
        "",
        "statistic taken as a constant",
        "`1 + np.sum(np.abs(z) ** 3, axis=1, keepdims=True)`",
    ),
]


def report_on(source):
    """Return the Report on what stands last in a source."""
    *_, last = targets(run("mine.py", HEAD + source)).values()
    return examine(last)


@pytest.mark.parametrize("what, old, new, name, fact", WRONG)
def test_the_path_that_is_counted_wrongly_is_said(what, old, new, name, fact):
    assert RIGHT[what].count(old) == 1
    report = report_on(RIGHT[what].replace(old, new))
    assert report.verdict is Verdict.WRONG
    assert [finding.name for finding in report.findings] == [name]
    assert fact in str(report.findings[0])


@pytest.mark.parametrize("what", RIGHT)
def test_no_path_of_a_right_gradient_is_said(what):
    report = report_on(RIGHT[what])
    near = [m for m in report.measured if m.subject is report.subjects[0]]
    assert report.verdict is Verdict.RIGHT and near
    with sandbox():
        assert path_of([Evidence(report, m) for m in near]) is None


def test_a_path_is_not_said_of_what_is_wrong_in_another_way():
    report = report_on(NET.replace("/ (1 + self.z**2)", "* np.sinh(self.z)"))
    assert report.verdict is Verdict.WRONG and "comes through" not in str(report)


def test_an_expression_in_a_loop_is_held_at_what_it_was_in_each_step():
    """The step before is taken as a constant: it is `h` that is left out, and not what is added to it."""
    source = RECURRENT.replace("h = h * np.cos(h) + ", "h = ").replace(" + dh * (np.cos(h) - h * np.sin(h))", "")
    assert report_on(source).verdict is Verdict.RIGHT
    report = report_on(source.replace("dh = dz @ self.U.T", "dh = 0 * dh"))
    assert report.verdict is Verdict.WRONG
    assert "what comes through `h` (mine.py, line 13) is missing" in "".join(map(str, report.findings))

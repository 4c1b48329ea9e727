"""A training loop that is written out is a step down the loss that it computes; what runs in a right one is right."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from planted_mistakes import HEAD, run

from tinygan.app import check
from tinygan.doctor import Verdict, loops, planning

SCRIPT = """
np.random.seed(1)
X = np.random.randn(12, 3)
y = (X[:, :1] > X[:, 1:2]) * 1.0
W1, b1 = np.random.randn(3, 4), np.zeros(4)
W2 = np.random.randn(4, 1)
lr, velocity = 0.5, np.zeros((4, 1))
history = []
for epoch in range(20):
    order = np.random.permutation(len(X))
    X, y = X[order], y[order]
    h = np.tanh(X @ W1 + b1)
    out = 1 / (1 + np.exp(-(h @ W2)))
    loss = -np.mean(y * np.log(out) + (1 - y) * np.log(1 - out))
    history.append(loss)
    dz = (out - y) / len(X)
    dW2 = h.T @ dz
    dh = dz @ W2.T * (1 - h**2)
    dW1, db1 = X.T @ dh, dh.sum(axis=0)
    velocity = 0.9 * velocity - lr * dW2
    W2 = W2 + velocity
    W1 -= lr * dW1
    b1 -= lr * db1
"""

ERRORS = """
def nonlin(x, deriv=False):
    return x * (1 - x) if deriv else 1 / (1 + np.exp(-x))

X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
y = np.array([[0], [1], [1], [0]])
np.random.seed(1)
syn0, syn1 = 2 * np.random.random((3, 4)) - 1, 2 * np.random.random((4, 1)) - 1
for j in range(500):
    l1 = nonlin(np.dot(X, syn0))
    l2 = nonlin(np.dot(l1, syn1))
    l2_error = y - l2
    l2_delta = l2_error * nonlin(l2, deriv=True)
    l1_error = l2_delta.dot(syn1.T)
    l1_delta = l1_error * nonlin(l1, deriv=True)
    syn1 += l1.T.dot(l2_delta)
    syn0 += X.T.dot(l1_delta)
"""

BY_NAME = """
import math
x, target, w, b, v, eta = 0.5, 0.8, 0.3, 0.1, -0.7, 0.5
for step in range(10):
    h = math.tanh(w * x + b)
    out = v * h
    E_total = 0.5 * (target - out) ** 2
    dE_dout = out - target
    dE_dv = dE_dout * h
    dE_dh = dE_dout * v * (1 - h * h)
    v -= eta * dE_dv
    w -= eta * dE_dh * x
    b -= eta * dE_dh
"""

FIT = """
class MLP:
    def __init__(self, n_in, n_hidden, lr=0.1):
        rng = np.random.RandomState(0)
        self.w1, self.w2, self.lr = rng.randn(n_in, n_hidden), rng.randn(n_hidden, 1), lr

    def fit(self, X, y, epochs):
        X = np.hstack([X, np.ones((len(X), 1))])
        for _ in range(epochs):
            h = 1 / (1 + np.exp(-X.dot(self.w1)))
            error = h.dot(self.w2) - y
            cost = np.mean(error**2)
            grad2 = h.T.dot(error)
            grad1 = X.T.dot(error.dot(self.w2.T) * h * (1 - h))
            self.w2 -= self.lr * grad2 / len(X)
            self.w1 -= self.lr * grad1 / len(X)
            if cost < 1e-9:
                return self
        return self

data = np.random.RandomState(1)
MLP(3, 5).fit(data.randn(7, 2), data.randn(7, 1), 3)
"""

NEURONS = """
from math import exp
network = [[{"weights": [0.1, -0.4, 0.3]}, {"weights": [0.5, 0.2, -0.6]}], [{"weights": [0.7, -0.2, 0.1]}]]

def forward_propagate(network, row):
    inputs = row
    for layer in network:
        new = []
        for neuron in layer:
            w = neuron["weights"]
            neuron["output"] = 1 / (1 + exp(-(w[-1] + sum(w[i] * inputs[i] for i in range(len(w) - 1)))))
            new.append(neuron["output"])
        inputs = new
    return inputs

def backward_propagate_error(network, expected):
    for i in reversed(range(len(network))):
        for j, neuron in enumerate(network[i]):
            if i == len(network) - 1:
                error = neuron["output"] - expected[j]
            else:
                error = sum(other["weights"][j] * other["delta"] for other in network[i + 1])
            neuron["delta"] = error * neuron["output"] * (1 - neuron["output"])

def update_weights(network, row, l_rate):
    for i in range(len(network)):
        inputs = row[:-1] if i == 0 else [neuron["output"] for neuron in network[i - 1]]
        for neuron in network[i]:
            for j in range(len(inputs)):
                neuron["weights"][j] -= l_rate * neuron["delta"] * inputs[j]
            neuron["weights"][-1] -= l_rate * neuron["delta"]

def train_network(network, train, l_rate, n_epoch):
    for epoch in range(n_epoch):
        sum_error = 0
        for row in train:
            outputs = forward_propagate(network, row)
            sum_error += (row[-1] - outputs[0]) ** 2
            backward_propagate_error(network, [row[-1]])
            update_weights(network, row, l_rate)

train_network(network, [[2.7, 2.5, 0], [7.6, 2.7, 1]], 0.5, 3)
"""

DERIVED = {"SCRIPT": SCRIPT, "ERRORS": ERRORS, "BY_NAME": BY_NAME, "FIT": FIT}


@pytest.fixture
def checked(tmp_path, capsys, monkeypatch):
    """A function of a source: (exit code, what is printed) of ``tinygan check`` on it, without a long search."""
    monkeypatch.setattr(planning, "SECONDS", 1)

    def checked(source):
        (tmp_path / "mine.py").write_text(HEAD + source, encoding="utf-8")
        code = check.main(str(tmp_path / "mine.py"))
        return code, capsys.readouterr().out

    return checked


@pytest.mark.parametrize("name", DERIVED)
def test_a_loop_that_goes_down_its_loss_is_right(name):
    (loop,) = loops(run("mine.py", HEAD + DERIVED[name]))
    assert loop.report.verdict is Verdict.RIGHT
    assert len(loop.report.measured) == {"SCRIPT": 3, "ERRORS": 2, "BY_NAME": 3, "FIT": 2}[name]


@pytest.mark.parametrize(
    "name, old, new, said",
    [
        ("SCRIPT", "dz @ W2.T * (1 - h**2)", "dz @ W2.T * (1 - h)", "W1, b1"),
        ("SCRIPT", "dz @ W2.T * (1 - h**2)", "dz @ W2.T", "W1, b1"),
        ("ERRORS", "l1_error * nonlin(l1, deriv=True)", "l1_error", "syn0"),
        ("BY_NAME", "dE_dout * v * (1 - h * h)", "dE_dout * v", "b"),
    ],
)
def test_a_loop_with_a_mistake_is_wrong_where_the_mistake_is_known_and_else_is_not_called_right(name, old, new, said):
    assert DERIVED[name].count(old) == 1
    found = loops(run("mine.py", HEAD + DERIVED[name].replace(old, new)))
    assert all(loop.report.verdict is Verdict.WRONG for loop in found)
    wrong = {row.name for loop in found for row in loop.report.rows if not row.passed}
    assert not found or set(said.split(", ")) <= wrong


def test_nothing_of_a_loop_that_is_measured_stays():
    module = run("mine.py", HEAD + SCRIPT)
    before = copy.deepcopy(
        {name: value for name, value in vars(module).items() if isinstance(value, (np.ndarray, list))}
    )
    loops(module)
    assert len(module.history) == 20 and all(type(loss) is np.float64 for loss in module.history)
    for name, value in before.items():
        assert np.array_equal(vars(module)[name], value), name


def test_a_loop_that_moves_everything_by_the_same_length_is_no_step_down_a_gradient():
    adam = "velocity = 0.9 * velocity - lr * dW2\n    W2 = W2 + velocity\n    W1 -= lr * dW1\n    b1 -= lr * db1"
    signs = "W2 -= lr * np.sign(dW2)\n    W1 -= lr * np.sign(dW1)\n    b1 -= lr * np.sign(db1)"
    assert SCRIPT.count(adam) == 1
    assert loops(run("mine.py", HEAD + SCRIPT.replace(adam, signs))) == []


def test_a_script_without_functions_is_checked_and_its_loop_is_named(checked):
    code, text = checked(SCRIPT)
    assert code == 0 and "the loop in line" in text and "1 of 1 right" in text


def test_what_cannot_be_checked_alone_is_settled_by_a_right_loop_that_runs_it(checked):
    code, text = checked(NEURONS)
    assert code == 0 and "backward_propagate_error: measured as a part of the loop in line" in text


@pytest.mark.breadth
@pytest.mark.parametrize(
    "old, new",
    [
        ('neuron["delta"] = error * neuron["output"] * (1 - neuron["output"])', 'neuron["delta"] = error'),
        ('other["weights"][j] * other["delta"]', 'other["weights"][i] * other["delta"]'),
        ('neuron["weights"][-1] -= l_rate * neuron["delta"]', 'neuron["weights"][-1] += l_rate * neuron["delta"]'),
    ],
)
def test_a_wrong_loop_settles_nothing(checked, old, new):
    assert NEURONS.count(old) == 1
    code, text = checked(NEURONS.replace(old, new))
    assert code != 0 and "measured as a part of the loop" not in text


def test_objects_that_a_loop_uses_are_afterwards_what_they_were():
    held = SCRIPT.replace("lr, velocity = 0.5,", "class SGD:\n    lr = 0.5\n\nopt = SGD()\nopt.lr = 0.5\nvelocity =")
    held = held.replace("lr * d", "opt.lr * d")
    module = run("mine.py", HEAD + held)
    (loop,) = loops(module)
    assert loop.report.passed and type(module.opt.lr) is float


def test_a_loop_that_is_run_again_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = SCRIPT.replace("    history.append(loss)", '    np.save("weights.npy", W1)')
    module = run("mine.py", HEAD + kept)
    (tmp_path / "weights.npy").unlink()
    assert loops(module) == [] and not list(tmp_path.iterdir())


FACTORS = """
class MF:
    def __init__(self, R, K, alpha, beta):
        rng = np.random.RandomState(0)
        self.P, self.Q, self.b = rng.randn(4, K), rng.randn(5, K), np.zeros(4)
        self.R, self.alpha, self.beta = R, alpha, beta

    def sgd(self):
        for i, j in [(1, 2), (0, 3)]:
            e = self.R[i, j] - self.b[i] - self.P[i] @ self.Q[j]
            old = self.P[i].copy()
            self.b[i] += self.alpha * (e - self.beta * self.b[i])
            self.P[i] += self.alpha * (e * self.Q[j] - self.beta * self.P[i])
            self.Q[j] += self.alpha * (e * old - self.beta * self.Q[j])

MF(np.random.RandomState(1).rand(4, 5), 3, 0.1, 0.02).sgd()
"""


@pytest.mark.parametrize(
    "old, new, right",
    [
        ("", "", True),
        ("e * self.Q[j] - self.beta", "e * self.Q[j] - 2 * self.beta", False),
        ("(e * old", "(2 * e * old", False),
    ],
)
def test_a_decay_that_the_loss_has_not_is_one_number_of_the_file_and_for_all_alike(old, new, right):
    assert FACTORS.count(old) == 1 or not old
    found = loops(run("mine.py", HEAD + (FACTORS.replace(old, new) if old else FACTORS)))
    assert [loop.report.passed for loop in found] == [True] * right


TAPE = """
class Value:
    def __init__(self, data, prev=()):
        self.data, self.grad, self.prev, self._backward = float(data), 0.0, prev, lambda: None

    def __add__(self, other):
        out = Value(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        out = Value(self.data * other.data, (self, other))

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if v not in seen:
                seen.add(v)
                for u in v.prev:
                    visit(u)
                order.append(v)

        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            v._backward()


def zero_grad(parameters):
    for p in parameters:
        p.grad = 0.0


def train(w, b, steps=5):
    for _ in range(steps):
        FIRST
        loss = w * w + b * w
        loss.backward()
        for p in (w, b):
            p.data -= 0.1 * p.grad
        LAST


train(Value(1.5), Value(-0.5))
"""


@pytest.mark.parametrize(
    "first, last, code",
    [("zero_grad([w, b])", "", 0), ("", "w.grad = b.grad = 0.0", 0), ("pass", "", 1)],
)
def test_gradients_that_are_set_to_zero_in_front_of_the_loop_alone_add_up(tmp_path, capsys, first, last, code):
    source = TAPE.replace("FIRST", first).replace("LAST", last)
    before = "    zero_grad([w, b])\n    for _ in range(steps)" if code else "    for _ in range(steps)"
    path = tmp_path / "mine.py"
    path.write_text(source.replace("    for _ in range(steps)", before))
    assert check.main(str(path)) == code
    out = capsys.readouterr().out
    assert ("gradients accumulated" in out) == bool(code) and "Value.__mul__" in out

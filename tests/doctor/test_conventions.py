"""What is a matter of convention, or was only guessed, is neither right nor WRONG, unless the file settles it."""

from __future__ import annotations

import pytest
from planted_mistakes import HEAD, run

from tinygan.doctor import Verdict, examine, targets

RIGHT, WRONG, UNCHECKED = Verdict.RIGHT, Verdict.WRONG, Verdict.UNCHECKED


def verdicts(source):
    """Return ({name of a thing: Verdict}, everything that is printed) of what stands in a source."""
    found = {name: examine(target) for name, target in targets(run("mine.py", HEAD + source)).items()}
    return {name: report.verdict for name, report in found.items()}, "\n".join(map(str, found.values()))


def mistakes(source):
    """Return the names of what is wrong in a source."""
    reports = map(examine, targets(run("mine.py", HEAD + source)).values())
    return [finding.name for report in reports for finding in report.findings]


# ---- the 1/N of a loss -----------------------------------------------------------------------------

AVERAGED = """
def linear(x, W, b):
    return x @ W + b


def linear_backward(dout, x, W, b):
    return dout @ W.T, x.T @ dout / len(x), dout.sum(axis=0) / len(x)
"""
ERROR = """

def error(x, y, W, b):
    return 0.5 * np.sum((linear(x, W, b) - y) ** 2) / len(x)


def error_gradient(x, y, W, b):
    _, dW, db = linear_backward(linear(x, W, b) - y, x, W, b)
    return dW, db
"""


def test_gradients_of_all_parameters_over_n_are_neither_right_nor_wrong():
    found, text = verdicts(AVERAGED)
    assert found == {"linear_backward": UNCHECKED} and "W, b" in text.split("NOT CHECKED")[1]


def test_gradients_over_n_are_right_where_the_loss_that_calls_them_is_right():
    assert verdicts(AVERAGED + ERROR)[0] == {"linear_backward": RIGHT, "error_gradient": RIGHT}


@pytest.mark.breadth
def test_gradients_over_n_are_not_right_where_the_loss_that_calls_them_is_a_sum():
    source = AVERAGED + ERROR.replace("** 2) / len(x)", "** 2)")
    assert verdicts(source)[0] == {"linear_backward": UNCHECKED, "error_gradient": WRONG}
    assert "1/N divided twice" in mistakes(source)


@pytest.mark.parametrize("old", ["x.T @ dout / len(x)", "dout.sum(axis=0) / len(x)"])
def test_the_gradient_of_one_parameter_alone_over_n_is_wrong(old):
    source = AVERAGED.replace(old, old.removesuffix(" / len(x)"))
    assert verdicts(source)[0] == {"linear_backward": WRONG} and "1/N divided twice" in mistakes(source)


def test_the_gradients_of_two_of_three_parameters_over_n_are_wrong():
    """Nobody divides only some of them by N on purpose."""
    source = AVERAGED.replace("W, b", "W, V, b").replace("x @ W + b", "x @ W + np.sin(x) @ V + b")
    source = source.replace("dout @ W.T", "dout @ W.T + dout @ V.T * np.cos(x)")
    three = source.replace("x.T @ dout / len(x)", "x.T @ dout / len(x), np.sin(x).T @ dout / len(x)")
    assert verdicts(three)[0] == {"linear_backward": UNCHECKED}
    assert verdicts(three.replace("np.sin(x).T @ dout / len(x)", "np.sin(x).T @ dout"))[0] == {"linear_backward": WRONG}


def test_the_gradient_of_the_input_over_n_is_wrong():
    assert verdicts(AVERAGED.replace("dout @ W.T", "dout @ W.T / len(x)"))[0] == {"linear_backward": WRONG}


# ---- what a caller may care about, or not -------------------------------------------------------------

RELU = """
class ReLU:
    def forward(self, x):
        self.x = x
        return np.maximum(0, x)

    def backward(self, dout):
        dout[self.x <= 0] = 0
        return dout
"""
POOL = """
class MaxPool:
    def forward(self, x):
        self.x = x
        self.out = x.max(axis=1, keepdims=True)
        return self.out

    def backward(self, dout):
        return dout * (self.x == self.out)
"""


def test_a_dout_that_is_overwritten_is_right_with_a_note():
    found, text = verdicts(RELU)
    assert found == {"ReLU": RIGHT} and "note: backward overwrites dout" in text
    copied = RELU.replace("        dout[", "        dout = dout.copy()\n        dout[")
    found, text = verdicts(copied)
    assert found == {"ReLU": RIGHT} and "note" not in text
    assert verdicts(RELU.replace("= 0\n", "= 1\n"))[0] == {"ReLU": WRONG}


def test_tied_maxima_that_all_get_the_whole_gradient_are_right_with_a_note():
    found, text = verdicts(POOL)
    assert found == {"MaxPool": RIGHT} and "note: where maxima are tied" in text
    shared = POOL.replace("dout * (self.x == self.out)", "dout * self.on / self.on.sum(axis=1, keepdims=True)")
    shared = shared.replace("        return self.out\n", "        self.on = x == self.out\n        return self.out\n")
    found, text = verdicts(shared)
    assert found == {"MaxPool": RIGHT} and "note" not in text


def test_the_strength_of_a_penalty_that_only_backward_knows_is_no_mistake():
    source = """
class Ridge:
    def __init__(self, n_in, n_out, l2=0.0):
        self.W, self.l2 = np.random.randn(n_in, n_out), l2

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout + self.l2 * self.W
        return dout @ self.W.T
"""
    found, text = verdicts(source)
    assert found == {"Ridge": RIGHT} and "l2=0.3" in text
    assert verdicts(source.replace("self.x.T @ dout", "2 * self.x.T @ dout"))[0] == {"Ridge": WRONG}
    told = source.replace("x @ self.W\n", "x @ self.W + self.l2 * x.sum()\n")  # the output has it, too
    assert verdicts(told)[0] == {"Ridge": WRONG}


# ---- a derivative of the output -------------------------------------------------------------------------

PRIME = """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_prime(z):
    return z * (1 - z)


def train(x):
    a = sigmoid(x)
    return sigmoid_prime({})
"""
FLAG = """
def sigmoid(x, deriv=False):
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


def train(x):
    a = sigmoid(x)
    return sigmoid({}, deriv=True)
"""


@pytest.mark.parametrize("source, name", [(PRIME, "sigmoid_prime"), (FLAG, "sigmoid")], ids=["function", "flag"])
def test_a_derivative_that_takes_the_output_is_right_only_where_the_file_gives_it_the_output(source, name):
    assert verdicts(source.format("a"))[0][name] is RIGHT
    assert verdicts(source.format("sigmoid(x)"))[0][name] is RIGHT
    assert verdicts(source.format("x"))[0][name] is UNCHECKED
    assert verdicts(source.format("a").replace("(1 - ", "(2 - "))[0][name] is WRONG


# ---- what backward takes, and a step returns -------------------------------------------------------------

OUTPUTS = """
class Cell:
    def forward(self, x, c):
        self.x = x
        self.c_next = np.tanh(c + x)
        h_next = x * self.c_next
        return h_next, self.c_next

    def backward(self, dh_next, dc_next):
        dc = (dc_next + dh_next * self.x) * (1 - self.c_next**2)
        return dh_next * self.c_next + dc, dc
"""
ONE_OF_TWO = """
def cell(x, h, W):
    y = np.tanh(x @ W + h)
    scores = np.exp(y)
    return y, scores


def cell_backward(dy, x, h, W):
    d = dy * (1 - np.tanh(x @ W + h) ** 2)
    return d @ W.T, d, x.T @ d
"""
NEW = """
def train_step(x, y, W, b, lr):
    r = x @ W + b - y
    loss = np.mean(r**2)
    d = 2 * r / y.size
    W = W - lr * x.T @ d
    b = b - lr * d.sum(axis=0)
    return loss, W, b
"""
BOTH = """
class GAN:
    def __init__(self, n_z, n_x):
        self.G, self.D = np.random.randn(n_z, n_x), np.random.randn(n_x, 1)

    def train_step(self, x, z, lr_d, lr_g):
        fake = z @ self.G
        loss_d = np.mean((x @ self.D - 1) ** 2) + np.mean((fake @ self.D) ** 2)
        self.D = self.D - lr_d * (2 * x.T @ (x @ self.D - 1) / len(x) + 2 * fake.T @ (fake @ self.D) / len(z))
        loss_g = np.mean((fake @ self.D - 1) ** 2)
        self.G = self.G - lr_g * z.T @ (2 * (fake @ self.D - 1) / len(z) @ self.D.T)
        return loss_d, loss_g


GAN(3, 2).train_step(np.random.randn(5, 2), np.random.randn(5, 3), 0.1, 0.1)
"""
ONE_RATE = BOTH.replace("lr_d", "lr").replace(", lr_g", "").replace("lr_g", "lr").replace("0.1, 0.1", "0.1")
TAKEN = [
    ("a backward pass for both of two outputs", OUTPUTS, "dc_next + dh_next * self.x", "dc_next + dh_next"),
    (
        "a backward pass for both of two outputs, one of which has no name",
        OUTPUTS.replace("        h_next = x * self.c_next\n", "").replace("return h_next,", "return x * self.c_next,"),
        "dc_next + dh_next * self.x",
        "dc_next + dh_next",
    ),
    (
        "a backward pass for one of two outputs",
        ONE_OF_TWO,
        "(1 - np.tanh(x @ W + h) ** 2)",
        "(1 - np.tanh(x @ W) ** 2)",
    ),
    ("a step that returns new parameters", NEW, "d.sum(axis=0)", "d.mean(axis=0)"),
    (
        "a step with a loss in its name that returns new parameters",
        NEW.replace("train_step", "loss_and_update"),
        "d.sum(axis=0)",
        "d.mean(axis=0)",
    ),
    ("a step of both players with a rate for each", BOTH, "2 * (fake @ self.D - 1)", "2 * (fake @ self.D)"),
    (
        "a step of both players that returns d_loss and g_loss",
        BOTH.replace("loss_d", "d_loss").replace("loss_g", "g_loss"),
        "2 * (fake @ self.D - 1)",
        "2 * (fake @ self.D)",
    ),
]


@pytest.mark.parametrize("source, old, new", [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_what_backward_takes_and_a_step_returns_is_understood(source, old, new):
    assert source.count(old) == 1
    found, text = verdicts(source)
    assert set(found.values()) == {RIGHT}, text
    found, text = verdicts(source.replace(old, new))
    assert set(found.values()) == {WRONG}, text


def test_a_step_of_both_players_with_one_rate_is_not_wrong():
    """The loss of G is taken after D has moved: how it depends on the parameters cannot be told from outside."""
    found, text = verdicts(ONE_RATE)
    assert found == {"GAN": UNCHECKED} and "after the other has moved" in text


# ---- what was only guessed -------------------------------------------------------------------------------

GUESSED = """
def mix(p, q):
    return (p * q).sum() + 0.5 * (q**2).sum()


def mix_backward(dout, p, q):
    return (dout * q).mean(axis=0), (dout * (p + q)).mean(axis=0)
"""


def test_gradients_of_other_shapes_are_not_wrong_where_the_arguments_were_guessed():
    found, text = verdicts(GUESSED)
    assert found == {"mix_backward": UNCHECKED} and "p (5, 7), q (5, 7)" in text
    assert "NOT CHECKED: mix_backward" in text


@pytest.mark.parametrize(
    "told",
    [
        "\n\nmix_backward.example = {'p': (4, 3), 'q': (4, 3)}\n",
        "\n\nmix(np.random.randn(4, 3), np.random.randn(4, 3))\n",
    ],
    ids=["an example", "a call"],
)
def test_gradients_of_other_shapes_are_wrong_where_the_file_says_what_it_takes(told):
    assert verdicts(GUESSED + told)[0] == {"mix_backward": WRONG}


def test_one_gradient_of_another_shape_is_wrong_where_the_others_are_right():
    """That x and b are right shows that what it was given is what it takes."""
    source = AVERAGED.replace("x.T @ dout / len(x)", "(x.T @ dout).ravel()").replace("axis=0) / len(x)", "axis=0)")
    assert verdicts(source)[0] == {"linear_backward": WRONG}


CLIPPED = """
class CrossEntropy:
    def loss(self, y, p):
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return -y * np.log(p) - (1 - y) * np.log(1 - p)

    def acc(self, y, p):
        return np.mean(np.argmax(y, axis=1) == np.argmax(p, axis=1))

    def gradient(self, y, p):
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return -(y / p) + (1 - y) / (1 - p)
"""


def test_maxima_are_not_tied_where_only_the_place_of_one_is_asked_for():
    assert verdicts(CLIPPED)[0] == {"CrossEntropy": RIGHT}
    assert verdicts(CLIPPED.replace("(1 - y) / (1 - p)", "(1 - y) * (1 - p)"))[0] == {"CrossEntropy": WRONG}


# ---- no argument is given the shape that makes a wrong gradient right -----------------------------------------

AFFINE = """
def affine_forward(x, W, b):
    return x @ W + b, (x, W, b)


def affine_backward(dout, cache):
    x, W, b = cache
    return dout @ W.T, x.T @ dout, dout.sum(axis=0)
"""
SCALED = """
def scale_forward(x, gamma):
    return x * gamma, (x, gamma)


def scale_backward(dout, cache):
    x, gamma = cache
    return dout * gamma, np.sum(dout * x, axis=0)
"""
SQUARED = """
class Square:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return 2 * self.x * dout
"""


@pytest.mark.parametrize(
    ("source", "old", "new", "verdict"),
    [
        (AFFINE, "dout.sum(axis=0)", "dout", WRONG),  # as if there were a b for each sample
        (SCALED, "np.sum(dout * x, axis=0)", "np.sum(dout * x)", UNCHECKED),  # gamma may be one number
        (SQUARED, "2 * self.x * dout", "np.sum(2 * self.x * dout, axis=0, keepdims=True)", WRONG),  # a batch of one
    ],
    ids=["a bias for each sample", "one gamma for all", "a batch of one"],
)
def test_no_argument_is_given_the_shape_that_makes_a_wrong_gradient_right(source, old, new, verdict):
    assert set(verdicts(source)[0].values()) == {RIGHT}
    assert set(verdicts(source.replace(old, new))[0].values()) == {verdict}

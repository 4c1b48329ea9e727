"""What code takes is found: contexts, gates at once, objects, words, indices, samples in columns, generators."""

from __future__ import annotations

import pytest
from planted_mistakes import HEAD, run

from tinygan.doctor import Verdict, examine, targets

TAKES = {  # what it takes: (right code, what is replaced, by what, so that it is wrong)
    "a context that saves": (
        """
class Tanh:
    @staticmethod
    def forward(ctx, x):
        out = np.tanh(x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, grad_output):
        (out,) = ctx.saved_tensors
        return grad_output * (1 - out**2)
""",
        "(1 - out**2)",
        "(1 - out)",
    ),
    "a context that saves two arrays": (
        """
class Mul:
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return np.sin(x) * y

    @staticmethod
    def backward(ctx, grad_output):
        x, y = ctx.saved_tensors
        return grad_output * np.cos(x) * y, grad_output * np.sin(x)
""",
        "np.cos(x) * y",
        "np.cos(x)",
    ),
    "an LSTM, all gates at once": (
        """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - t**2)
    gates = dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g**2)
    da = np.concatenate(gates, axis=1)
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)
""",
        "dc * f, x.T",
        "dc * o, x.T",
    ),
    "a GRU, all gates at once": (
        """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gru_forward(x, h, Wx, Wh, b):
    D = h.shape[1]
    xz, xr, xn = np.split(x @ Wx + b, 3, axis=1)
    hz, hr, hn = np.split(h @ Wh, 3, axis=1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    n = np.tanh(xn + r * hn)
    return (1 - z) * n + z * h, (x, h, Wx, Wh, z, r, n, hn)


def gru_backward(dout, cache):
    x, h, Wx, Wh, z, r, n, hn = cache
    dn = dout * (1 - z) * (1 - n**2)
    dz = dout * (h - n) * z * (1 - z)
    dr = dn * hn * r * (1 - r)
    da = np.concatenate([dz, dr, dn], axis=1)
    dm = np.concatenate([dz, dr, dn * r], axis=1)
    return da @ Wx.T, dout * z + dm @ Wh.T, x.T @ da, h.T @ dm, da.sum(axis=0)
""",
        "dout * z + dm",
        "dout * (1 - z) + dm",
    ),
    "objects for a constructor's G and D": (
        """
class Discriminator:
    def __init__(self, n_in):
        self.w = np.random.randn(n_in, 1)

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, dout):
        self.dw = self.x.T @ dout
        return dout @ self.w.T


class Generator:
    def __init__(self, n_latent, n_out):
        self.W = np.random.randn(n_latent, n_out)

    def forward(self, z):
        self.z = z
        return z @ self.W

    def backward(self, dout):
        self.dW = self.z.T @ dout
        return dout @ self.W.T


class GAN:
    def __init__(self, G, D):
        self.G, self.D = G, D

    def generator_loss(self, z):
        self.s = self.D.forward(self.G.forward(z))
        return np.mean((self.s - 1) ** 2)

    def generator_backward(self, z):
        self.generator_loss(z)
        return self.G.backward(self.D.backward(2 * (self.s - 1) / self.s.size))
""",
        "2 * (self.s - 1)",
        "2 * self.s",
    ),
    "objects of one class for a constructor's D and G": (
        """
class Net:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class GAN:
    def __init__(self, D, G):
        self.D, self.G = D, G

    def loss(self, z):
        self.s = self.D.forward(self.G.forward(z))
        return np.mean((self.s - 1) ** 2)

    def backward(self, z):
        self.loss(z)
        return self.G.backward(self.D.backward(2 * (self.s - 1) / self.s.size))
""",
        "2 * (self.s - 1)",
        "2 * self.s",
    ),
    "an argument that is used as an index": (
        """
def pick(table, place):
    return np.tanh(table)[place]


def pick_backward(dout, table, place):
    d = np.zeros_like(table)
    np.add.at(d, place, dout)
    return d * (1 - np.tanh(table) ** 2)
""",
        "np.add.at(d, place, dout)",
        "d[place] += dout",
    ),
    "a word that says which": (
        """
def activate(x, kind):
    if kind == "cube":
        return x**3
    if kind == "sine":
        return np.sin(x)
    raise ValueError(kind)


def activate_backward(dout, x, kind):
    return dout * (3 * x**2 if kind == "cube" else np.cos(x))
""",
        "3 * x**2 if",
        "2 * x**2 if",
    ),
    "a layer that is told the shape of its input": (
        """
class Dense:
    def __init__(self, n_units):
        self.n_units = n_units

    def initialize(self, input_shape):
        self.W = np.random.randn(input_shape[0], self.n_units)
        self.b = np.zeros(self.n_units)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T
""",
        "dout.sum(axis=0)",
        "dout.mean(axis=0)",
    ),
    "samples in columns, which nothing says": (
        """
def network(X, W, b):
    return np.tanh(W @ X + b)


def network_backward(dA, X, W, b):
    dZ = dA * (1 - np.tanh(W @ X + b) ** 2)
    return W.T @ dZ, dZ @ X.T, np.sum(dZ, axis=1, keepdims=True)
""",
        "dZ, axis=1, keepdims=True",
        "dZ / dZ.shape[1], axis=1, keepdims=True",
    ),
    "a loss of samples in columns": (
        """
def propagate(w, b, X, Y):
    m = X.shape[1]
    A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    dw = np.dot(X, (A - Y).T) / m
    db = np.sum(A - Y) / m
    return cost, dw, db
""",
        "np.sum(A - Y) / m",
        "np.sum(A - Y)",
    ),
    "three arguments of one shape": (
        """
def triplet_loss(anchor, positive, negative, margin=0.5):
    p = np.sum((anchor - positive) ** 2, axis=1)
    n = np.sum((anchor - negative) ** 2, axis=1)
    return np.mean(np.maximum(0, p - n + margin))


def triplet_loss_grad(anchor, positive, negative, margin=0.5):
    p = np.sum((anchor - positive) ** 2, axis=1)
    n = np.sum((anchor - negative) ** 2, axis=1)
    on = (p - n + margin > 0)[:, None] * 2 / len(anchor)
    return on * (negative - positive), on * (positive - anchor), on * (anchor - negative)
""",
        "on * (positive - anchor)",
        "on * (anchor - positive)",
    ),
    "a generator without a seed": (
        """
class Dropout:
    def __init__(self, p=0.5):
        self.p, self.rng = p, np.random.RandomState()

    def forward(self, x):
        self.mask = self.rng.uniform(size=x.shape) > self.p
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
""",
        "dout * self.mask",
        "dout * self.mask / self.p",
    ),
    "a generator that is made on the way, without a seed": (
        """
class Dropout:
    def __init__(self, p=0.5):
        self.p = p

    def forward(self, x):
        self.mask = np.random.RandomState().uniform(size=x.shape) > self.p
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
""",
        "dout * self.mask",
        "dout * self.mask / self.p",
    ),
    "an LSTM whose constructor is given the weights": (
        """
class LSTM:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h, c):
        n = h.shape[1]
        a = x @ self.Wx + h @ self.Wh + self.b
        s = 1 / (1 + np.exp(-a))
        f, g, i, o = s[:, :n], np.tanh(a[:, n : 2 * n]), s[:, 2 * n : 3 * n], s[:, 3 * n :]
        c_next = f * c + i * g
        h_next = o * np.tanh(c_next)
        self.cache = x, h, c, f, g, i, o, c_next
        return h_next, c_next

    def backward(self, dh_next, dc_next):
        x, h, c, f, g, i, o, c_next = self.cache
        t = np.tanh(c_next)
        dc = dc_next + dh_next * o * (1 - t**2)
        df, dg = dc * c * f * (1 - f), dc * i * (1 - g**2)
        di, do = dc * g * i * (1 - i), dh_next * t * o * (1 - o)
        da = np.hstack([df, dg, di, do])
        self.dWx, self.dWh, self.db = x.T @ da, h.T @ da, da.sum(axis=0)
        return da @ self.Wx.T, da @ self.Wh.T, dc * f
""",
        "return da @ self.Wx.T, da @ self.Wh.T, dc * f",
        "return da @ self.Wx.T, da @ self.Wh.T, dc * i",
    ),
    "a GRU whose constructor is given the weights": (
        """
class GRU:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h):
        n = h.shape[1]
        a, c = x @ self.Wx + self.b, h @ self.Wh
        z, r = (1 / (1 + np.exp(-a[:, k * n : k * n + n] - c[:, k * n : k * n + n])) for k in (0, 1))
        m = np.tanh(a[:, 2 * n :] + r * c[:, 2 * n :])
        self.cache = x, h, z, r, m, c[:, 2 * n :]
        return (1 - z) * m + z * h

    def backward(self, dout):
        x, h, z, r, m, c = self.cache
        dm = dout * (1 - z) * (1 - m**2)
        dz, dr = dout * (h - m) * z * (1 - z), dm * c * r * (1 - r)
        da, dc = np.hstack([dz, dr, dm]), np.hstack([dz, dr, dm * r])
        self.dWx, self.dWh, self.db = x.T @ da, h.T @ dc, da.sum(axis=0)
        return da @ self.Wx.T, dout * z + dc @ self.Wh.T
""",
        "dout * z + dc",
        "dout * (1 - z) + dc",
    ),
    "an index as the first argument": (
        """
def embed(places, table):
    return np.tanh(table[places])


def embed_backward(dout, places, table):
    d = np.zeros_like(table)
    np.add.at(d, places, dout)
    return d * (1 - np.tanh(table) ** 2)
""",
        "np.add.at(d, places, dout)",
        "d[places] += dout",
    ),
}


def verdict(source):
    """Return (the Verdict on what stands last in a source, everything that is printed)."""
    *_, last = targets(run("mine.py", HEAD + source)).values()
    report = examine(last)
    return report.verdict, str(report)


@pytest.mark.parametrize("what", TAKES)
def test_right_code_that_takes_this_is_right(what):
    found, text = verdict(TAKES[what][0])
    assert found is Verdict.RIGHT, text


@pytest.mark.parametrize("what", TAKES)
def test_a_mistake_in_code_that_takes_this_is_seen(what):
    source, old, new = TAKES[what]
    assert source.count(old) == 1
    found, text = verdict(source.replace(old, new))
    assert found is Verdict.WRONG, text


DROPOUT = TAKES["a generator without a seed"][0]


def test_a_mistake_that_only_another_word_meets_is_not_called_right():
    source = TAKES["a word that says which"][0]
    assert verdict(source.replace("np.cos(x))", "np.sin(x))"))[0] is not Verdict.RIGHT


def test_a_generator_that_is_drawn_from_once_is_right_and_one_that_is_drawn_from_again_is_wrong():
    same = DROPOUT.replace("np.random.RandomState()", "np.random.RandomState(3)")
    assert verdict(same)[0] is Verdict.RIGHT
    again = "        mask = self.rng.uniform(size=dout.shape) > self.p\n        return dout * mask\n"
    assert verdict(DROPOUT.replace("        return dout * self.mask\n", again))[0] is Verdict.WRONG


@pytest.mark.parametrize("what", [what for what in TAKES if "LSTM" in what or "GRU" in what])
def test_the_shapes_of_all_gates_are_found_at_once(what, monkeypatch):
    monkeypatch.setattr("tinygan.doctor.planning.ATTEMPTS", 60)  # one argument after the other takes more
    assert verdict(TAKES[what][0])[0] is Verdict.RIGHT

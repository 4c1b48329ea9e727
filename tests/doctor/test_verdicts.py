"""Three verdicts: right only for what was measured, WRONG only for what ran, else "could not be checked"."""

from __future__ import annotations

import json

import planted_mistakes
import pytest
from planted_mistakes import HEAD, RIGHT, module_of

from tinygan.doctor import Stopped, Verdict, examine, load, sandbox, targets


def verdict(source, **options):
    """Return (the worst verdict on all that stands in a source, everything that is printed)."""
    module = sandbox.run("mine.py", HEAD + source)
    reports = [examine(target, **options) for target in targets(module).values()]
    return max((r.verdict for r in reports), key=rank), "\n".join(map(str, reports))


def rank(verdict):
    """WRONG before unchecked before right."""
    return {Verdict.RIGHT: 0, Verdict.UNCHECKED: 1, Verdict.WRONG: 2}[verdict]


# ---- promises ------------------------------------------------------------------------------------

BROKEN = {
    "parameters": ("Dense", "self.db = dout.sum(axis=0)", "self.db = dout.sum(axis=0)\n        self.b += 0.1"),
    "in place": ("Tanh", "return dout * (1 - self.out**2)", "self.out *= self.out; return dout * (1 - self.out)"),
    "stale": ("Dense", "self.x = x\n", "self.xs = [*getattr(self, 'xs', []), x]; self.x = self.xs[0]\n"),
    "accumulated": ("Gain", "self.db = dout.sum(axis=0)", "self.db = getattr(self, 'db', 0) + dout.sum(axis=0)"),
    "shared": (
        "Dense",
        "    def __init__(self, n_in, n_out):\n        self.W,",
        "    W = np.ones((7, 3))\n\n    def __init__(self, n_in, n_out):\n        _,",
    ),  # noqa: E501
    "drawn again": (
        "Dropout",
        "return dout * self.mask",
        "return dout * (self.rng.random(dout.shape) >= self.p) / (1 - self.p)",
    ),  # noqa: E501
}


SHARED = {
    "of the class": "class Mine:\n    {box} = {{}}\n",
    "of its base": "class Base:\n    {box} = {{}}\n\n\nclass Mine(Base):\n",
}
METHODS = """
    def __init__(self, n_in, n_out):
        {own}self.params["W"] = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.params["W"]

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        return dout @ self.params["W"].T
"""


@pytest.mark.parametrize("box, other", [("grads", "params"), ("params", "grads")])
@pytest.mark.parametrize("whose", SHARED)
def test_a_dictionary_that_all_objects_share_is_wrong(whose, box, other):
    head = SHARED[whose]
    own = f"self.{other} = {{}}\n        "
    found, text = verdict(head.format(box=box) + METHODS.format(own=own))
    assert found is Verdict.WRONG, text
    found, text = verdict(head.format(box=box) + METHODS.format(own=own + f"self.{box} = {{}}\n        "))
    assert found is Verdict.RIGHT, text


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_promise_is_wrong_even_where_every_gradient_is_right(kind):
    name, old, new = BROKEN[kind]
    report = examine(vars(module_of(name, old, new))[name])
    assert report.verdict is Verdict.WRONG and kind in {fact.kind for fact in report.facts}


def test_a_second_forward_without_a_backward_between_changes_nothing():
    """A stack of caches from which the oldest is taken first is right as long as each forward has its backward."""
    queue = ("self.x = x\n", "self.__dict__.setdefault('xs', []).append(x)\n"), ("self.x.T", "self.xs.pop(0).T")
    source = RIGHT["Dense"]
    for old, new in queue:
        source = source.replace(old, new)
    assert verdict(source)[0] is Verdict.WRONG
    assert verdict(source.replace("pop(0)", "pop()"))[0] is Verdict.RIGHT


# ---- never right for what was not measured --------------------------------------------------------

LEARNERS = {  # a right one, and what makes it wrong in a place that is easily overlooked
    "other names": (RIGHT["Linear"], "grad_out.T @ self.x", "17 * grad_out.T @ self.x"),
    "a number as a parameter": (
        """
class PReLU:
    def __init__(self):
        self.a = 0.25

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a * x)

    def backward(self, dout):
        self.da = np.sum(dout * self.x * (self.x < 0))
        return dout * np.where(self.x > 0, 1, self.a)
""",
        "self.da = ",
        "self.da = 3 * ",
    ),
    "what is returned, not what is kept": (
        "from tinygan.layers import Dense\n\nclass Mine(Dense):\n"
        "    def backward(self, dout, **how):\n        return super().backward(dout, **how)\n",
        "return super()",
        "return 2 * super()",
    ),
    "a whole network": (
        """
class Network:
    def __init__(self, n_in, n_hidden, n_out):
        self.params = {"W1": np.random.randn(n_in, n_hidden), "b1": np.zeros(n_hidden)}
        self.params |= {"W2": np.random.randn(n_hidden, n_out), "b2": np.zeros(n_out)}

    def loss(self, X, y):
        self.h = np.tanh(X @ self.params["W1"] + self.params["b1"])
        self.d = self.h @ self.params["W2"] + self.params["b2"] - y
        return np.sum(self.d**2) / len(X)

    def backward(self, X, y):
        self.loss(X, y)
        d = 2 * self.d / len(X)
        dh = d @ self.params["W2"].T * (1 - self.h**2)
        return {"W1": X.T @ dh, "b1": dh.sum(0), "W2": self.h.T @ d, "b2": d.sum(0)}
""",
        '"W1": X.T @ dh',
        '"W1": X.T @ dh * 1.01',
    ),
    "layers inside a list": (
        RIGHT["Dense"]
        + """
class Pair:
    def __init__(self, n_in, n_out):
        self.layers = [Dense(n_in, 4), Dense(4, n_out)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout
""",
        "            dout = layer.backward(dout)\n",
        "            dout = layer.backward(dout)\n            layer.db = layer.db * 2\n",
    ),
    "a bend far away": (
        """
class ReLU6:
    def forward(self, x):
        self.x = x
        return np.clip(x, 0, 6)

    def backward(self, dout):
        return dout * ((self.x > 0) & (self.x < 6))
""",
        " & (self.x < 6)",
        "",
    ),
    "labels and one-hot rows": (
        """
def softmax_loss(scores, y):
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(len(y)), y]))
    dscores = p.copy()
    dscores[np.arange(len(y)), y] -= 1
    return loss, dscores / len(y)
""",
        "dscores / len(y)",
        "dscores",
    ),
    "hinge with targets of both signs": (
        RIGHT["hinge"],
        "-y * (y * scores < 1) / y.size",
        "-y * (y * scores < 1) * (y > 0) / y.size",
    ),
    "out and cache": (
        """
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)
""",
        "dout.sum(axis=0)",
        "dout.mean(axis=0)",
    ),
    "a function and its derivative": (
        "def swish(x):\n    return x / (1 + np.exp(-x))\n\n\n"
        "def swish_prime(x):\n    s = 1 / (1 + np.exp(-x))\n    return s + x * s * (1 - s)\n",
        "x * s * (1 - s)",
        "s * (1 - s)",
    ),
    "images": (RIGHT["Conv"], "j : j + w] +=", "j : j + w] ="),
    "indices": (
        """
class Embedding:
    def __init__(self, vocab_size, dim):
        self.W = np.random.randn(vocab_size, dim)

    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.idx, dout)
""",
        "np.add.at(self.dW, self.idx, dout)",
        "self.dW[self.idx] = dout",
    ),
    "columns as samples": (
        """
def forward(X, W, b):
    \"\"\"X: (n, m), one sample a column; W: (k, n), b: (k, 1)\"\"\"
    return np.tanh(W @ X + b)


def backward(dA, X, W, b):
    dZ = dA * (1 - np.tanh(W @ X + b) ** 2)
    return W.T @ dZ, dZ @ X.T, dZ.sum(axis=1, keepdims=True)
""",
        "dZ.sum(axis=1, keepdims=True)",
        "dZ.sum(axis=1, keepdims=True) / X.shape[1]",
    ),
    "keyword-only arguments": (
        "def quantile_loss(pred, target, *, q):\n    d = target - pred\n"
        "    return np.mean(np.maximum(q * d, (q - 1) * d)), np.where(d > 0, -q, 1 - q) / d.size\n",
        "1 - q)",
        "q)",
    ),
    "a training step": (RIGHT["Player"], "2 * (fake - 1)", "2 * fake"),
    "padding, where there is none by default": (
        """
class Neighbors:
    def __init__(self, pad=0):
        self.pad = pad

    def forward(self, x):
        self.n = x.shape[1]
        self.p = np.pad(x, ((0, 0), (self.pad, self.pad)))
        return self.p[:, 1:] * self.p[:, :-1]

    def backward(self, dout):
        dp = np.zeros_like(self.p)
        dp[:, 1:] += dout * self.p[:, :-1]
        dp[:, :-1] += dout * self.p[:, 1:]
        return dp[:, self.pad : self.pad + self.n]
""",
        "self.pad : self.pad + self.n",
        ": self.n",
    ),
    "an activation chosen by a word": (
        """
class Activation:
    def __init__(self, kind="tanh"):
        self.kind = kind

    def forward(self, x):
        self.out = np.tanh(x) if self.kind == "tanh" else 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        if self.kind == "tanh":
            return dout * (1 - self.out**2)
        return dout * self.out * (1 - self.out)
""",
        "self.out * (1 - self.out)",
        "self.out",
    ),
    "an optional weight": (
        """
def weighted(out, target, weight=None):
    weight = 1.0 if weight is None else weight
    return np.mean(weight * (out - target) ** 2)


def weighted_grad(out, target, weight=None):
    weight = 1.0 if weight is None else weight
    return 2 * weight * (out - target) / out.size
""",
        "2 * weight * (out",
        "2 * (out",
    ),
    "numbers that need not be probabilities": (
        """
def huber(p, t):
    r = p - t
    return np.mean(np.where(np.abs(r) <= 2, 0.5 * r**2, 2 * (np.abs(r) - 1)))


def huber_gradient(p, t):
    r = p - t
    return np.where(np.abs(r) <= 2, r, 2 * np.sign(r)) / r.size
""",
        "2 * np.sign(r)",
        "np.sign(r)",
    ),
    "rows of a target that sum to 1": (
        """
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def divergence(z, p):
    return np.sum(p * (np.log(p) - np.log(softmax(z)))) / len(z)


def divergence_gradient(z, p):
    return (softmax(z) - p) / len(z)
""",
        "(softmax(z) - p) / len(z)",
        "(softmax(z) - p)",
    ),
    "pairs of a parameter and its gradient": (
        """
class Affine:
    def __init__(self, n, m):
        self.w, self.b, self.updates = np.random.randn(n, m), np.random.randn(1, m), []

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, d):
        self.updates = [(self.w, self.x.T @ d), (self.b, d.sum(axis=0, keepdims=True))]
        return d @ self.w.T
""",
        "self.x.T @ d)",
        "self.x.T @ d / 2)",
    ),
    "sizes with short names, samples in columns": (
        """
class LowRank:
    def __init__(self, p, q, r=2, seed=0):
        rng = np.random.default_rng(seed)
        self.A, self.B = rng.standard_normal((q, r)), rng.standard_normal((r, p))

    def forward(self, x):
        self.x = x
        return self.A @ (self.B @ x)

    def backward(self, dy):
        self.dA = dy @ (self.B @ self.x).T
        self.dB = self.A.T @ dy @ self.x.T
        return self.B.T @ (self.A.T @ dy)
""",
        "self.A.T @ dy @ self.x.T",
        "2 * self.A.T @ dy @ self.x.T",
    ),
    "any number of sizes": (
        """
class Net:
    def __init__(self, *sizes):
        rng = np.random.default_rng(0)
        self.W = [rng.normal(size=(n, m)) for n, m in zip(sizes, sizes[1:])]

    def forward(self, x):
        self.a = [x]
        for W in self.W:
            self.a.append(np.tanh(self.a[-1] @ W))
        return self.a[-1]

    def backward(self, delta):
        dW = [None] * len(self.W)
        for i in reversed(range(len(self.W))):
            delta = delta * (1 - self.a[i + 1] ** 2)
            dW[i] = self.a[i].T @ delta
            delta = delta @ self.W[i].T
        return dW
""",
        "self.a = [x]",
        "self.a = getattr(self, 'a', []) + [x]",
    ),
    "a penalty that backward adds": (
        """
class Ridge:
    def __init__(self, n_in, n_out, l2=0.3):
        self.W, self.l2 = np.random.randn(n_in, n_out), l2

    def forward(self, x):
        self.x = x
        return x @ self.W

    def penalty(self):
        return 0.5 * self.l2 * np.sum(self.W**2)

    def backward(self, dout):
        self.dW = self.x.T @ dout + self.l2 * self.W
        return dout @ self.W.T
""",
        "+ self.l2 * self.W",
        "+ self.l2 * np.sign(self.W)",
    ),
    "single precision": (
        """
class Single:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out).astype(np.float32)

    def forward(self, x):
        self.x = np.asarray(x, np.float32)
        return self.x @ self.W.astype(np.float32)

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
""",
        "self.x.T @ dout",
        "self.x.T @ dout * 1.01",
    ),
    "what the file itself gives it": (
        """
class Patches:
    def __init__(self, places):
        self.places = places

    def forward(self, x):
        assert x.shape == (2, 9, 25)
        self.x = x
        return x[:, self.places] ** 2

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        np.add.at(dx, (slice(None), self.places), 2 * self.x[:, self.places] * dout)
        return dx


Patches(np.array([0, 3, 3, 8])).forward(np.ones((2, 9, 25)))
""",
        "np.add.at(dx, (slice(None), self.places), 2 * self.x[:, self.places] * dout)",
        "dx[:, self.places] += 2 * self.x[:, self.places] * dout",
    ),
    "a product with the Jacobian, of the output": (
        """
def log_softmax(z):
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def log_softmax_vjp(v, y):
    return v - np.exp(y) * v.sum(axis=1, keepdims=True)
""",
        "v.sum(axis=1, keepdims=True)",
        "v.sum()",
    ),
    "a step of both players": (
        """
class Game:
    def __init__(self, n_z, n_x, lr=0.1):
        rng = np.random.default_rng(0)
        self.lr, self.G, self.D = lr, rng.normal(size=(n_z, n_x)), rng.normal(size=(n_x, 1))

    def d_loss(self, x, z):
        return np.mean((x @ self.D - 1) ** 2) + np.mean((z @ self.G @ self.D) ** 2)

    def g_loss(self, z):
        return np.mean((z @ self.G @ self.D - 1) ** 2)

    def train_step(self, x, z):
        fake = z @ self.G
        dD = 2 * x.T @ (x @ self.D - 1) / len(x) + 2 * fake.T @ (fake @ self.D) / len(z)
        self.D = self.D - self.lr * dD
        d = 2 * (z @ self.G @ self.D - 1) / len(z)
        self.G = self.G - self.lr * z.T @ (d @ self.D.T)
""",
        "(d @ self.D.T)",
        "(d @ np.abs(self.D.T))",
    ),
    "a demonstration that says what it takes": (
        """
def forward(X, params):
    A = X
    for i in range(1, len(params) // 2 + 1):
        A = np.tanh(params[f"W{i}"] @ A + params[f"b{i}"])
    return A


def cost(A, Y):
    return 0.5 * np.sum((A - Y) ** 2) / Y.shape[1]


def backward(X, Y, params):
    As = [X]
    for i in range(1, len(params) // 2 + 1):
        As.append(np.tanh(params[f"W{i}"] @ As[-1] + params[f"b{i}"]))
    d, grads = (As[-1] - Y) / Y.shape[1], {}
    for i in range(len(params) // 2, 0, -1):
        d = d * (1 - As[i] ** 2)
        grads[f"dW{i}"], grads[f"db{i}"] = d @ As[i - 1].T, d.sum(axis=1, keepdims=True)
        d = params[f"W{i}"].T @ d
    return grads


if __name__ == "__main__":
    shapes = {"W1": (4, 2), "b1": (4, 1), "W2": (3, 4), "b2": (3, 1)}
    params = {name: np.random.randn(*shape) for name, shape in shapes.items()}
    X, Y = np.random.randn(2, 6), np.random.randn(3, 6)
    print(cost(forward(X, params), Y), backward(X, Y, params))
""",
        "d @ As[i - 1].T,",
        "d @ As[i - 1].T / 2,",
    ),
    "a function that returns its backward pass": (
        """
def affine(x, W, b):
    def back(g):
        return g @ W.T, x.T @ g, g.sum(axis=0)

    return x @ W + b, back


def tanh(x):
    y = np.tanh(x)
    return y, lambda g: g * (1 - y**2)
""",
        "lambda g: g * (1 - y**2)",
        "lambda g: g * (1 - y)",
    ),
    "a named tuple": (
        """
from typing import NamedTuple


class Result(NamedTuple):
    value: float
    d_scores: np.ndarray
    d_scale: float


def ranking_loss(scores, *, scale=1.5):
    value, slope = np.sum(np.sin(scale * scores)), np.cos(scale * scores)
    return Result(value, slope * scale, np.sum(slope * scores))
""",
        "np.sum(slope * scores)",
        "np.sum(slope)",
    ),
    "axes of length 1 are kept": (
        RIGHT["Dense"].replace("dout.sum(axis=0)", "dout.sum(axis=0, keepdims=True)"),
        "dout.sum(axis=0, keepdims=True)",
        "dout.mean(axis=0, keepdims=True)",
    ),
    "gradients add up until somebody else sets them to zero": (
        """
class Param:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class Linear:
    def __init__(self, n_in, n_out):
        self.W = Param(np.random.randn(n_in, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W.data

    def backward(self, g):
        self.W.grad += self.x.T @ g
        return g @ self.W.data.T


def zero_grad(layers):
    for layer in layers:
        layer.W.grad[...] = 0
""",
        "self.x.T @ g",
        "2 * self.x.T @ g",
    ),
    "gradients first, then the loss": (
        """
def propagate(w, b, X, Y):
    A = 1 / (1 + np.exp(-(w.T @ X + b)))
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / X.shape[1]
    dw, db = X @ (A - Y).T / X.shape[1], np.sum(A - Y) / X.shape[1]
    return {"dw": dw, "db": db}, np.squeeze(cost)


propagate(np.array([[1.0], [2.0]]), 1.5, np.array([[1.0, -2.0, -1.0], [3.0, 0.5, -3.2]]), np.array([[1, 1, 0]]))
""",
        "np.sum(A - Y) / X.shape[1]",
        "np.sum(A - Y)",
    ),
    "numbers as parameters, named by the keys of their gradients": (
        """
class Neuron:
    def __init__(self):
        self.w1, self.w2, self.b = 0.4, -0.7, 0.1

    def loss(self, x, y):
        return (np.tanh(self.w1 * x[0] + self.w2 * x[1] + self.b) - y) ** 2

    def gradients(self, x, y):
        a = np.tanh(self.w1 * x[0] + self.w2 * x[1] + self.b)
        d = 2 * (a - y) * (1 - a**2)
        return {"w1": d * x[0], "w2": d * x[1], "b": d}


neuron = Neuron()
for x, y in zip(np.array([[0.2, 1.0], [-1.0, 0.5]]), np.array([0, 1])):
    print(neuron.loss(x, y), neuron.gradients(x, y))
""",
        '"w2": d * x[1]',
        '"w2": d * x[0]',
    ),
    "a penalty that only the file's own call switches on": (
        """
def ridge_loss(w, X, y, reg=0.0):
    r = X @ w - y
    return np.mean(r**2) + reg * w @ w, 2 * X.T @ r / len(y) + 2 * reg * w


ridge_loss(np.ones(3), np.random.randn(6, 3), np.random.randn(6), reg=0.05)
""",
        "2 * reg * w",
        "reg * w",
    ),
    "an index that comes twice": (
        """
class Lookup:
    def __init__(self, W):
        self.W = W

    def forward(self, ids):
        self.ids = ids
        return self.W[ids]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.ids, dout)


if __name__ == "__main__":
    Lookup(np.random.randn(9, 4)).forward(np.array([1, 3, 0]))
""",
        "np.add.at(self.dW, self.ids, dout)",
        "self.dW[self.ids] += dout",
    ),
    "a margin that only near pairs reach": (
        """
def pair_loss(a, b):
    diff = a - b
    d = np.sqrt(np.sum(diff**2, axis=1))
    gap = np.maximum(0, 0.6 - d)
    return np.mean(d + gap**2), ((1 - 2 * gap) / d / len(d))[:, None] * diff
""",
        "1 - 2 * gap",
        "1 + 2 * gap",
    ),
    "what backward is given by name is no output": (
        """
class Critic:
    def __init__(self, n_in, n_hidden):
        self.W, self.v = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden)

    def critic(self, x):
        h = np.tanh(x @ self.W)
        return h @ self.v, h

    def critic_grads(self, x, h, ds):
        da = np.outer(ds, self.v) * (1 - h**2)
        return {"W": x.T @ da, "v": h.T @ ds}
""",
        "(1 - h**2)",
        "(1 - h)",
    ),
    "an adjoint whose argument is called a": (
        """
class Steps:
    def forward(self, x):
        self.f = np.tanh(x)
        return x + 0.3 * self.f

    def backward(self, a):
        return a + 0.3 * a * (1 - self.f**2)
""",
        "(1 - self.f**2)",
        "(1 - self.f)",
    ),
    "a matrix must be square": (
        "def logdet(A):\n    return np.linalg.slogdet(A)[1]\n\n\ndef logdet_grad(A):\n    return np.linalg.inv(A).T\n",
        "np.linalg.inv(A).T",
        "np.linalg.inv(A)",
    ),
    "another function of the same name": (
        """
def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def softmax_rows(z):
    return np.apply_along_axis(softmax, 1, z)


def softmax_backward(dout, z):
    p = softmax_rows(z)
    return p * (dout - (dout * p).sum(axis=1, keepdims=True))
""",
        "(dout * p).sum(axis=1, keepdims=True)",
        "dout * p",
    ),
    "a shape that was guessed wrongly": (
        """
def mixture_loss(X, mu, logits):
    log_w = logits - np.log(np.exp(logits).sum())
    lp = log_w - 0.5 * ((X[:, None] - mu[None]) ** 2).sum(axis=2)
    ll = np.log(np.exp(lp).sum(axis=1))
    r = np.exp(lp - ll[:, None])
    dmu = -np.einsum("nk,nkd->kd", r, X[:, None] - mu[None]) / len(X)
    return -ll.mean(), {"mu": dmu, "logits": np.exp(log_w) - r.mean(axis=0)}
""",
        "r.mean(axis=0)",
        "r.sum(axis=0)",
    ),
    "an activation that is handed over": (
        """
class Activation:
    def __init__(self, activation, activation_prime):
        self.activation, self.activation_prime = activation, activation_prime

    def forward(self, x):
        self.x = x
        return self.activation(x)

    def backward(self, dout, learning_rate):
        return self.activation_prime(self.x) * dout
""",
        "self.activation_prime(self.x) * dout",
        "self.activation(self.x) * dout",
    ),
    "a loss whose name begins with an underscore": (
        """
class Regressor:
    def __init__(self, n_features):
        self.coefs_ = [np.random.randn(n_features, 3), np.random.randn(3, 1)]

    def _loss_grad(self, X, y):
        h = np.tanh(X @ self.coefs_[0])
        d = (h @ self.coefs_[1] - y) / len(X)
        coef_grads = [X.T @ (d @ self.coefs_[1].T * (1 - h**2)), h.T @ d]
        return 0.5 * np.mean((h @ self.coefs_[1] - y) ** 2), coef_grads


Regressor(2)._loss_grad(np.random.randn(6, 2), np.random.randn(6, 1))
""",
        "h.T @ d]",
        "2 * h.T @ d]",
    ),
    "a demonstration of three numbers": (
        """
class Threshold:
    def forward(self, x):
        self.on = x > 0.6
        return np.where(self.on, x, 0.3 * x)

    def backward(self, dout):
        return np.where(self.on, dout, 0.3 * dout)


Threshold().forward(np.array([-2.0, 0.3, 1.5]))
""",
        "0.3 * dout)",
        "0.2 * dout)",
    ),
    "a product that has the name of a gradient in it": (
        """
class Projection:
    def __init__(self, n):
        self.params, self.grads = {"qkv": np.random.randn(n, 3 * n)}, {}

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.params["qkv"])

    def backward(self, dout):
        dqkv = dout * (1 - np.tanh(self.x @ self.params["qkv"]) ** 2)
        self.grads["qkv"] = self.x.T @ dqkv
        return dqkv @ self.params["qkv"].T
""",
        "return dqkv @",
        "return dout @",
    ),
    "all gradients in one vector": (
        """
def cost_and_grad(theta, X, Y):
    W, V = theta[:8].reshape(2, 4), theta[8:].reshape(4, 1)
    H = np.tanh(X @ W)
    D = (H @ V - Y) / len(X)
    grads = [X.T @ (D @ V.T * (1 - H**2)), H.T @ D]
    return 0.5 * np.sum((H @ V - Y) ** 2) / len(X), np.concatenate([g.ravel() for g in grads])


cost_and_grad(np.linspace(-1, 1, 12), np.random.randn(5, 2), np.random.randn(5, 1))
""",
        "(1 - H**2)",
        "(1 - H)",
    ),
    "single precision inside": (
        """
def softmax_loss(logits, labels):
    z = logits.astype(np.float32)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    i = np.arange(len(labels))
    loss, grad = -np.log(p[i, labels]).mean(), p.copy()
    grad[i, labels] -= np.float32(1)
    return loss, grad / np.float32(len(labels))


softmax_loss(np.array([[1.0, 2.0], [0.0, 3.0]]), np.array([0, 1]))
""",
        "grad / np.float32(len(labels))",
        "grad",
    ),
    "a kernel that vanishes far away": (
        """
def gram(X, gamma):
    sq = (X * X).sum(1)
    return np.exp(-gamma * (sq[:, None] + sq[None, :] - 2 * X @ X.T))


def gram_backward(dK, X, gamma):
    G = -gamma * dK * gram(X, gamma)
    sq = (X * X).sum(1)
    D = sq[:, None] + sq[None, :] - 2 * X @ X.T
    return 2 * ((G + G.T).sum(1)[:, None] * X - (G + G.T) @ X), -np.sum(dK * gram(X, gamma) * D)
""",
        "(G + G.T) @ X",
        "G @ X",
    ),
}


@pytest.mark.parametrize("style", LEARNERS)
def test_right_code_in_this_style_is_right(style):
    found, text = verdict(LEARNERS[style][0])
    assert found is Verdict.RIGHT, text


@pytest.mark.parametrize("style", LEARNERS)
def test_a_mistake_in_this_style_is_seen(style):
    source, old, new = LEARNERS[style]
    assert source.count(old) == 1
    found, text = verdict(source.replace(old, new))
    assert found is Verdict.WRONG, text


def test_a_side_of_a_comparison_that_no_number_reached_is_said():
    source = """
def loss(x):
    far = x > 5000
    return np.sum(np.where(far, 5000, x)), np.where(far, 0.0, 1.0) * np.ones_like(x)
"""
    found, text = verdict(source)
    assert found is Verdict.UNCHECKED and "where `x > 5000` was never true" in text


def test_a_gradient_of_what_is_not_in_the_file_is_said():
    found, text = verdict(RIGHT["Tanh"] + "\n\ndef swish_grad(x):\n    return np.exp(x)\n")
    assert found is Verdict.UNCHECKED and "NOT CHECKED: swish_grad" in text


def test_a_gradient_that_belongs_to_nothing_is_said():
    source = "def double(x, scale=2.0):\n    return scale * x\n\n\ndef double_backward(dout, x, scale=2.0):\n"
    found, text = verdict(source + "    dx, d_shift = scale * dout, 7.0\n    return dx, d_shift\n")
    assert found is Verdict.UNCHECKED and "NOT CHECKED: d_shift" in text


def test_a_normalization_that_has_no_backward_pass_in_use_is_right():
    source = """
class Norm:
    def __init__(self, n):
        self.mean, self.train = np.full(n, 0.5), True

    def forward(self, x):
        if self.train:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        self.scale = 1 if self.train else 2
        return (x - (x.mean(axis=0) if self.train else self.mean)) * self.scale

    def backward(self, dout):
        return dout - dout.mean(axis=0)
"""
    found, text = verdict(source)
    assert found is Verdict.RIGHT and "with train=False the gradient is not that of the output" in text


def test_the_order_that_a_docstring_promises_counts():
    source = """
def scale_forward(x, gamma, beta):
    return x * gamma + beta, (x, gamma)


def scale_backward(dout, cache):
    '''Return dx, dgamma, dbeta.'''
    x, gamma = cache
    dgamma, dbeta = (dout * x).sum(axis=0), dout.sum(axis=0)
    return dout * gamma, dgamma, dbeta
"""
    dx = source.replace("return dout * gamma,", "dx = dout * gamma\n    return dx,")
    assert verdict(dx)[0] is Verdict.RIGHT
    assert verdict(dx.replace("return dx, dgamma, dbeta", "return dx, dbeta, dgamma"))[0] is Verdict.WRONG


# ---- never WRONG for what could not be run ---------------------------------------------------------

CANNOT = {
    "needs a file": "def loss(x):\n    x = x + np.load('nowhere.npy')\n    return x.sum(), np.ones_like(x)\n",
    "needs more than can be guessed": "class Odd:\n    def forward(self, x):\n        self.x = x\n"
    "        return x['pixels'].real.reshape(3, 11, 17)\n\n    def backward(self, dout):\n        return dout\n",
    "is not filled in": "class Todo:\n    def forward(self, x):\n        return 2 * x\n\n"
    "    def backward(self, dout):\n        raise NotImplementedError\n",
}


@pytest.mark.parametrize("why", CANNOT)
def test_what_cannot_be_run_is_not_wrong_and_the_place_is_said(why):
    found, text = verdict(CANNOT[why])
    assert found is Verdict.UNCHECKED and "mine.py, line " in text and "WRONG" not in text


def test_what_is_returned_and_belongs_to_nothing_is_not_wrong():
    source = "def waves(x, u):\n    return np.sin(x) * np.cos(u)\n\n\n"
    found, text = verdict(source + "def waves_backward(dout, x, u):\n    return np.zeros((11, 13))\n")
    assert found is Verdict.UNCHECKED and "waves_backward gives no gradient" in text


def test_a_demonstration_can_neither_write_nor_start_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.npy").write_bytes(b"hours of work")
    demo = [
        "np.save('weights.npy', np.zeros(3))",
        "import os; os.remove('weights.npy')",
        "import subprocess; subprocess.run(['touch', 'new'])",
        "loss(np.ones((4, 2)))",
    ]
    source = "\ndef loss(x):\n    return np.sum(x.reshape(4, 2) ** 2), 2 * x\n\n\nif __name__ == '__main__':\n"
    assert verdict(source + "".join(f"    {line}\n" for line in demo))[0] is Verdict.RIGHT
    assert [path.name for path in tmp_path.iterdir()] == ["weights.npy"]
    assert (tmp_path / "weights.npy").read_bytes() == b"hours of work"


def test_an_example_says_what_cannot_be_guessed():
    source = """
class Patches:
    def forward(self, x):
        if x.shape != (2, 9, 25):
            raise ValueError("patches are wanted")
        self.x = x
        return x**2

    def backward(self, dout):
        return 2 * self.x * dout
"""
    assert verdict(source)[0] is Verdict.UNCHECKED
    assert verdict(source + "\nPatches.example = {'x': (2, 9, 25)}\n")[0] is Verdict.RIGHT
    assert verdict(source + "\nPatches.example = lambda: {'x': np.ones((2, 9, 25))}\n")[0] is Verdict.RIGHT


# ---- files ---------------------------------------------------------------------------------------------


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})


def test_a_notebook_is_checked_like_a_file_and_places_are_cells(tmp_path):
    path = tmp_path / "book.ipynb"
    wrong = RIGHT["Tanh"].strip().replace("1 - self.out**2", "1 - self.out")
    path.write_text(notebook("%matplotlib inline\nimport numpy as np", wrong, "1 / 0\nprint('never')"))
    (report,) = [examine(target) for target in targets(load(path)).values()]
    assert report.verdict is Verdict.WRONG and "book.ipynb, cell 2, line 1" in str(report)


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": [{"cell_type": "code"}]}', '{"cells": 3}', "\x00"])
def test_what_is_no_notebook_is_stopped_with_one_line(tmp_path, text):
    (tmp_path / "book.ipynb").write_text(text)
    with pytest.raises(Stopped, match=r"^[^\n]*book.ipynb[^\n]*$"):
        load(tmp_path / "book.ipynb")


def test_a_statement_that_fails_does_not_keep_the_rest_from_being_checked():
    source = "import not_there\n" + RIGHT["Tanh"] + "\nopen('nowhere.csv')\n"
    assert verdict(source)[0] is Verdict.RIGHT


def test_slow_code_is_sampled_and_says_so(monkeypatch):
    monkeypatch.setattr("tinygan.doctor.measure.SECONDS", 1e-3)
    source = RIGHT["Tanh"].replace("return self.out", "sum(range(100_000)); return self.out")
    report = examine(planted_mistakes.run("mine.py", HEAD + source).Tanh)
    assert report.verdict is Verdict.RIGHT and all("sampled" in row.note for row in report.rows)


LABEL_SMOOTHING = """
import numpy as np


class LabelSmoothing:
    def forward(self, logits, labels):
        n, k = logits.shape
        shifted = logits - logits.max(axis=1, keepdims=True)
        self.logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.target = np.full((n, k), 0.1 / k)
        self.target[np.arange(n), labels] += 0.9
        return -(self.target * self.logp).sum() / n

    def backward(self):
        return (np.exp(self.logp) - self.target) / len(self.logp)
"""


def test_an_argument_called_like_the_class_is_not_made_of_the_class_itself():
    assert verdict(LABEL_SMOOTHING)[0] is Verdict.RIGHT
    assert verdict(LABEL_SMOOTHING.replace("- self.target)", "- 1.1 * self.target)"))[0] is Verdict.WRONG


@pytest.mark.breadth
def test_what_returns_gradients_is_not_passed_over_where_it_cannot_be_run():
    source = """
def sigmoid_prime(x):
    return np.cosh(x / 2) ** -2 / 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def learn(a, W):
    value, W_update = 0, np.zeros_like(W)
    for pair in a.pairs():
        value, W_update = value + pair.left, W_update + pair.right
    return value, W_update
"""
    found = targets(planted_mistakes.run("mine.py", HEAD + source))
    assert examine(found["sigmoid_prime"]).verdict is Verdict.RIGHT
    for gradient in ("W_update", "dW"):
        found = targets(planted_mistakes.run("mine.py", HEAD + source.replace("W_update", gradient)))
        assert examine(found["learn"]).verdict is Verdict.UNCHECKED and examine(found["learn"]).helper is None
        found = targets(planted_mistakes.run("mine.py", HEAD + source.replace("W_update", "speed")))
        assert examine(found["learn"]).helper is not None


def test_a_cost_that_may_be_given_in_place_of_the_default_is_not_called_right_unseen():
    source = """
class CrossEntropyCost:
    @staticmethod
    def delta(z, a, y):
        return a - y


class QuadraticCost:
    @staticmethod
    def delta(z, a, y):
        return (a - y) * a * (1 - a)


class Network:
    def __init__(self, n_in, n_out, cost=CrossEntropyCost):
        self.W, self.cost = np.random.randn(n_out, n_in), cost

    def feedforward(self, x):
        return 1 / (1 + np.exp(-(self.W @ x)))

    def backprop(self, x, y):
        a = self.feedforward(x)
        return self.cost.delta(self.W @ x, a, y) @ x.T
"""
    for old, new, expected in (("", "", Verdict.RIGHT), ("a * (1 - a)", "a * (2 - a)", Verdict.UNCHECKED)):
        report = examine(targets(planted_mistakes.run("mine.py", HEAD + source.replace(old, new)))["Network"])
        assert report.verdict is expected, str(report)
    assert "cost=QuadraticCost" in str(report)


def test_what_adds_to_gradients_is_not_passed_over_where_it_cannot_be_run():
    source = """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_prime(x):
    return sigmoid(x) * (1 - sigmoid(x))


class Node:
    def __init__(self, param):
        self.param = param

    def bottom_data_is(self, x):
        self.x = x
        return sigmoid(self.param.w @ x), self.param.size()

    def top_diff_is(self, diff):
        self.param.w_diff += np.outer(diff * sigmoid_prime(self.param.w @ self.x), self.x)
        return self.param.w.T @ diff, self.param.size()
"""
    found = targets(planted_mistakes.run("mine.py", HEAD + source))
    assert examine(found["Node"]).verdict is Verdict.UNCHECKED and examine(found["Node"]).unchecked

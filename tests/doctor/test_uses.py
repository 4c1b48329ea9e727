"""A file is checked as it uses its own things: with its arguments, its objects, its optimizers and its names."""

from __future__ import annotations

import pytest
from planted_mistakes import HEAD, run

from tinygan.doctor import Verdict, examine, targets

RIGHT, WRONG, UNCHECKED = Verdict.RIGHT, Verdict.WRONG, Verdict.UNCHECKED


def verdicts(source):
    """Return ({name of a thing: Verdict}, everything that is printed) of what stands in a source."""
    found = {name: examine(target) for name, target in targets(run("mine.py", HEAD + source)).items()}
    return {name: report.verdict for name, report in found.items()}, "\n".join(map(str, found.values()))


# ---- what an optimizer holds ---------------------------------------------------------------------------

HELD = """
class Linear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class SGD:
    def __init__(self, layers, lr=0.1, momentum=0.9):
        self.layers, self.lr, self.mu = layers, lr, momentum
        self.v = [(np.zeros_like(layer.W), np.zeros_like(layer.b)) for layer in layers]

    def step(self):
        for layer, (vW, vb) in zip(self.layers, self.v):
            vW[...] = self.mu * vW + layer.dW
            vb[...] = self.mu * vb + layer.db
            layer.W = layer.W - self.lr * vW
            layer.b = layer.b - self.lr * vb


layers = [Linear(3, 4), Linear(4, 2)]
optimizer = SGD(layers)
for _ in range(3):
    x = np.random.randn(5, 3)
    out = layers[1].forward(layers[0].forward(x))
    layers[0].backward(layers[1].backward(out))
    optimizer.step()
"""


@pytest.mark.parametrize(
    "old, new, verdict",
    [
        ("", "", RIGHT),
        ("self.mu * vb + layer.db", "self.mu * vb - layer.db", WRONG),
        ("self.mu * vW + layer.dW", "layer.dW", WRONG),
    ],
)
def test_an_optimizer_that_holds_its_layers_is_stepped_as_the_file_has_made_it(old, new, verdict):
    found, _ = verdicts(HELD.replace(old, new) if old else HELD)
    assert found == {"Linear": RIGHT, "SGD": verdict}


CLASS_WIDE = """
class AdamW:
    b1, b2, eps, lr, wd = 0.9, 0.99, 1e-8, 0.01, 0.1

    def __init__(self):
        self.t, self.m, self.v = 0, {}, {}

    def step(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            m = self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * g
            v = self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * g**2
            m, v = m / (1 - self.b1**self.t), v / (1 - self.b2**self.t)
            decay = self.wd if params[k].ndim > 1 else 0.0
            params[k] -= self.lr * (m / (np.sqrt(v) + self.eps) + decay * params[k])
"""


@pytest.mark.parametrize(
    "old, new, verdict",
    [("", "", RIGHT), ("ndim > 1", "ndim < 2", WRONG), ("decay = self.wd", "decay = self.wd / 2", WRONG)],
)
def test_hyperparameters_may_stand_in_the_class_and_matrices_alone_may_be_decayed(old, new, verdict):
    assert verdicts(CLASS_WIDE.replace(old, new) if old else CLASS_WIDE)[0] == {"AdamW": verdict}


SLOTS = (
    HELD.replace(
        "self.v = [(np.zeros_like(layer.W), np.zeros_like(layer.b)) for layer in layers]",
        "self.slots = [[layer, k, np.zeros_like(getattr(layer, k))] for layer in layers for k in ('W', 'b')]",
    ).split("        for layer, (vW")[0]
    + """
        for slot in self.slots:
            layer, k, v = slot
            slot[2] = self.mu * v + getattr(layer, "d" + k)
            setattr(layer, k, getattr(layer, k) - self.lr * slot[2])


layers = """
    + HELD.split("layers = ")[-1]
)


@pytest.mark.parametrize("old, new, verdict", [("", "", RIGHT), ("self.mu * v +", "v +", WRONG)])
def test_an_optimizer_may_keep_its_memory_beside_the_layer_it_belongs_to(old, new, verdict):
    assert verdicts(SLOTS.replace(old, new))[0]["SGD"] is verdict


# ---- pure functions ------------------------------------------------------------------------------------

PURE = """
import dataclasses
from typing import NamedTuple


@dataclasses.dataclass(frozen=True)
class Layer:
    g: np.ndarray
    W: np.ndarray


class Net(NamedTuple):
    a: Layer
    b: Layer


class Acts(NamedTuple):
    x: np.ndarray
    z: np.ndarray
    h: np.ndarray
    p: np.ndarray


class State(NamedTuple):
    t: int
    m: Net
    v: Net


def tmap(f, *nets):
    def layer(*parts):
        return Layer(f(*(part.g for part in parts)), f(*(part.W for part in parts)))

    return Net(*(layer(*parts) for parts in zip(*nets)))


def forward(net, x):
    z = x @ net.a.W
    h = np.tanh(z) * net.a.g
    s = h @ net.b.W * net.b.g
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return Acts(x, z, h, e / e.sum(axis=1, keepdims=True))


def each_loss(net, x, labels):
    return -np.log(forward(net, x).p[np.arange(len(labels)), labels])


def nll(net, x, labels):
    return each_loss(net, x, labels).mean()


def backward(net: Net, acts: Acts, labels) -> Net:
    d = acts.p.copy()
    d[np.arange(len(labels)), labels] -= 1
    d /= len(labels)
    dh = d * net.b.g @ net.b.W.T
    own = Layer(np.sum(dh * np.tanh(acts.z), axis=0), acts.x.T @ (dh * net.a.g * (1 - np.tanh(acts.z) ** 2)))
    return Net(own, Layer(np.sum(d * (acts.h @ net.b.W), axis=0), acts.h.T @ (d * net.b.g)))


def each_grad(net, x, labels):
    acts = forward(net, x)
    d = acts.p.copy()
    d[np.arange(len(labels)), labels] -= 1
    dh = d * net.b.g @ net.b.W.T
    dz = dh * net.a.g * (1 - np.tanh(acts.z) ** 2)
    first = Layer(dh * np.tanh(acts.z), np.einsum("ni,nh->nih", x, dz))
    return Net(first, Layer(d * (acts.h @ net.b.W), np.einsum("nh,nk->nhk", acts.h, d * net.b.g)))


def adam(net, grads, state, lr=0.01, b1=0.9, b2=0.999, eps=1e-8):
    t = state.t + 1
    m = tmap(lambda m, g: b1 * m + (1 - b1) * g, state.m, grads)
    v = tmap(lambda v, g: b2 * v + (1 - b2) * g**2, state.v, grads)
    m_hat, v_hat = tmap(lambda m: m / (1 - b1**t), m), tmap(lambda v: v / (1 - b2**t), v)
    return tmap(lambda w, m, v: w - lr * m / (np.sqrt(v) + eps), net, m_hat, v_hat), State(t, m, v)


rng = np.random.default_rng(1)
net = Net(Layer(np.ones(5), rng.normal(size=(3, 5))), Layer(np.ones(4), rng.normal(size=(5, 4))))
x, labels = rng.normal(size=(8, 3)), np.arange(8) % 4
state = State(0, tmap(np.zeros_like, net), tmap(np.zeros_like, net))
net, state = adam(net, backward(net, forward(net, x), labels), state)
print(nll(net, x, labels), each_grad(net, x, labels).a.g.shape)
"""


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("backward", "    d /= len(labels)\n", ""),
        ("backward", "Layer(np.sum(dh * np.tanh(acts.z), axis=0)", "Layer(np.sum(dh * acts.z, axis=0)"),
        ("each_grad", "Layer(dh * np.tanh(acts.z),", "Layer(dh,"),
        ("adam", "State(t, m, v)\n\n", "State(t, m_hat, v_hat)\n\n"),
        ("adam", "t = state.t + 1", "t = state.t + 2"),
    ],
)
def test_functions_of_named_tuples_and_dataclasses_are_measured_as_the_file_calls_them(name, old, new):
    """What backward takes beside the network is what the function makes that the loss calls."""
    right, text = verdicts(PURE)
    assert {right[key] for key in ("backward", "each_grad", "adam")} == {RIGHT}, text
    assert PURE.count(old) == 1 and verdicts(PURE.replace(old, new))[0][name] is WRONG


CHUNK = """
def chunk_forward(W, h0, xs):
    hs = [h0]
    for x in xs:
        hs.append(np.tanh(x + hs[-1] @ W))
    return hs


def chunk_loss(W, h0, xs):
    return sum(np.sum(h**2) for h in chunk_forward(W, h0, xs)[1:])


def chunk_grad(W, h0, xs):
    hs = chunk_forward(W, h0, xs)
    dW, dh = np.zeros_like(W), 0
    for t in range(len(xs), 0, -1):
        dz = (2 * hs[t] + dh) * (1 - hs[t] ** 2)
        dW += hs[t - 1].T @ dz
        dh = dz @ W.T
    last = hs[-1]
    return sum(np.sum(h**2) for h in hs[1:]), dW, last


chunk_grad(np.random.randn(4, 4), np.random.randn(5, 4), np.random.randn(3, 5, 4))
"""
LOOK_AHEAD = """
def loss(params, x, y):
    W, b = params
    return 0.5 * np.sum((np.tanh(x @ W) + b - y) ** 2)


def grad(params, x, y):
    W, b = params
    h = np.tanh(x @ W)
    e = h + b - y
    return x.T @ (e * (1 - h**2)), e.sum(axis=0)


def nag_step(params, velocity, x, y, lr, mu, clip=0.5):
    ahead = [w + mu * v for w, v in zip(params, velocity)]
    gradients = [np.clip(g, -clip, clip) for g in grad(ahead, x, y)]
    velocity = [mu * v - lr * g for v, g in zip(velocity, gradients)]
    return [w + v for w, v in zip(params, velocity)], velocity


rng = np.random.default_rng(1)
params, velocity = [rng.normal(size=(3, 2)), np.zeros(2)], [np.ones((3, 2)), np.ones(2)]
nag_step(params, velocity, rng.normal(size=(6, 3)), rng.normal(size=(6, 2)), 0.1, 0.9)
"""


@pytest.mark.parametrize(
    "source, old, new",
    [
        (CHUNK, "dW += hs[t - 1].T", "dW += hs[t].T"),
        (
            CHUNK.replace("    last = hs[-1]\n", "").replace("dW, last", "dW, hs[len(xs)]"),
            "dW += hs[t - 1].T",
            "dW += hs[t].T",
        ),
        (LOOK_AHEAD, "mu * v - lr * g", "mu * v + lr * g"),
    ],
    ids=["chunk", "last of a list", "nesterov"],
)
def test_the_state_that_is_handed_on_is_no_gradient(source, old, new):
    """Neither the last h, nor a velocity, which is zero before the first step."""
    found, text = verdicts(source)
    assert set(found.values()) == {RIGHT}, text
    assert WRONG in verdicts(source.replace(old, new))[0].values()


def test_an_optimizer_whose_steps_have_another_name_is_not_passed_over():
    found, text = verdicts(CLASS_WIDE.replace("def step", "def compute_step"))
    assert found == {"AdamW": UNCHECKED} and "compute_step" in text


def test_an_optimizer_may_be_a_function_of_x_and_dx():
    source = """
def rmsprop(x, dx, config=None):
    config = config or {}
    config.setdefault("decay_rate", 0.99)
    config.setdefault("cache", np.zeros_like(x))
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dx**2
    return x - 1e-2 * dx / (np.sqrt(config["cache"]) + 1e-8), config
"""
    assert verdicts(source)[0] == {"rmsprop": RIGHT}
    assert verdicts(source.replace("np.sqrt(config", "(config"))[0] == {"rmsprop": WRONG}


NADAM = """
class Nadam:
    def __init__(self, lr=0.01, b1=0.9, b2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps, self.t, self.m, self.v = lr, b1, b2, eps, 0, {}, {}

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            m = self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * g
            v = self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * g**2
            m = self.b1 * m / (1 - self.b1 ** (self.t + 1)) + (1 - self.b1) * g / (1 - self.b1**self.t)
            params[k] -= self.lr * m / (np.sqrt(v / (1 - self.b2**self.t)) + self.eps)
"""


@pytest.mark.parametrize(
    "old, new, verdict",
    [("", "", RIGHT), ("self.t + 1)) +", "self.t)) +", RIGHT), ("+ (1 - self.b1) * g /", "+ g /", WRONG)],
)
def test_nadam_may_correct_the_next_average_by_its_own_clock(old, new, verdict):
    assert verdicts(NADAM.replace(old, new) if old else NADAM)[0] == {"Nadam": verdict}


# ---- steps that hand gradients on ----------------------------------------------------------------------

HANDED = """
def loss_and_grads(P, x, t):
    z = x @ P["w"]
    dz = 1 / (1 + np.exp(-z)) - t
    return np.mean(np.logaddexp(0, z) - t * z), {"w": x.T @ dz / len(t)}


class Adam:
    def __init__(self, lr=0.01, b1=0.9, b2=0.999):
        self.lr, self.b1, self.b2, self.t, self.m, self.v = lr, b1, b2, 0, {}, {}

    def step(self, P, G):
        self.t += 1
        for k in P:
            m = self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * G[k]
            v = self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * G[k] ** 2
            P[k] = P[k] - self.lr * m / (1 - self.b1**self.t) / (np.sqrt(v / (1 - self.b2**self.t)) + 1e-8)


def train_step(P, opt, x, t):
    loss, G = loss_and_grads(P, x, t)
    opt.step(P, G)
    return loss


P, opt = {"w": np.zeros(3)}, Adam()
for _ in range(3):
    train_step(P, opt, np.random.randn(6, 3), np.array([0.0, 1, 1, 0, 1, 0]))
"""


def test_a_step_that_hands_right_gradients_to_an_optimizer_is_none_of_its_own():
    found, text = verdicts(HANDED)
    assert found["loss_and_grads"] is found["Adam"] is RIGHT and WRONG not in found.values()
    assert "train_step hands gradients that are right to an optimizer" in text
    found, text = verdicts(HANDED.replace("opt.step(P, G)", "opt.step(P, {k: -g for k, g in G.items()})"))
    assert "hands gradients" not in text and found["train_step"] not in (None, RIGHT)


def test_a_step_that_hands_wrong_gradients_to_an_optimizer_is_not_called_right():
    found, text = verdicts(HANDED.replace("x.T @ dz / len(t)", "x.T @ dz"))
    assert found["loss_and_grads"] is WRONG and "built on gradients that are wrong" in text


# ---- the arguments and the objects of the file ------------------------------------------------------------

COLUMNS = """
def linear(A, W, b):
    return W @ A + b


def linear_backward(dZ, A, W, b):
    m = A.shape[1]
    return W.T @ dZ, dZ @ A.T / m, dZ.sum(axis=1, keepdims=True) / m


def cost(X, Y, W, b):
    return np.sum((linear(X, W, b) - Y) ** 2) / 2 / X.shape[1]


def gradients(X, Y, W, b):
    _, dW, db = linear_backward(linear(X, W, b) - Y, X, W, b)
    return dW, db


X = np.random.randn(2, 50)
print(cost(X, np.random.randn(1, 50), np.ones((1, 2)), np.zeros((1, 1))))
print(gradients(X, np.random.randn(1, 50), np.ones((1, 2)), np.zeros((1, 1))))
"""


def test_samples_that_stand_in_columns_are_told_by_what_the_file_gives():
    assert verdicts(COLUMNS)[0] == {"linear_backward": RIGHT, "gradients": RIGHT}
    assert verdicts(COLUMNS.replace("A.T / m", "A.T"))[0]["gradients"] is WRONG


CONTAINER = """
class Scale:
    def __init__(self, n):
        self.g = np.ones(n)

    def fwd(self, x):
        self.x = x
        return x * self.g

    def bwd(self, d):
        self.dg = (d * self.x).sum(axis=0)
        return d * self.g


class Chain:
    def __init__(self, *kids):
        self.kids = kids

    def fwd(self, x):
        for kid in self.kids:
            x = kid.fwd(x)
        return x

    def bwd(self, d):
        for kid in self.kids[::-1]:
            d = kid.bwd(d)
        return d


net = Chain(Scale(3), Scale(3))
net.bwd(net.fwd(np.random.randn(5, 3)))
"""


def test_a_container_is_filled_as_the_file_fills_it():
    assert verdicts(CONTAINER)[0] == {"Scale": RIGHT, "Chain": RIGHT}
    assert verdicts(CONTAINER.replace("self.kids[::-1]", "self.kids[::-1][:1]"))[0] == {"Scale": RIGHT, "Chain": WRONG}


def test_a_layer_that_is_handed_the_optimizer_of_the_file_is_measured_with_a_plain_one():
    source = """
class Adam:
    def __init__(self, learning_rate=0.001, b1=0.9, b2=0.999):
        self.learning_rate, self.b1, self.b2, self.m, self.v, self.t = learning_rate, b1, b2, 0, 0, 0

    def update(self, w, grad_wrt_w):
        self.t += 1
        self.m = self.b1 * self.m + (1 - self.b1) * grad_wrt_w
        self.v = self.b2 * self.v + (1 - self.b2) * grad_wrt_w**2
        m, v = self.m / (1 - self.b1**self.t), self.v / (1 - self.b2**self.t)
        return w - self.learning_rate * m / (np.sqrt(v) + 1e-8)


class Dense:
    def __init__(self, n_units, input_shape):
        self.n_units, self.input_shape = n_units, input_shape

    def initialize(self, optimizer):
        self.W, self.W_opt = np.random.randn(self.input_shape[0], self.n_units), optimizer

    def forward_pass(self, X):
        self.layer_input = X
        return X @ self.W

    def backward_pass(self, accum_grad):
        W = self.W
        self.W = self.W_opt.update(self.W, self.layer_input.T @ accum_grad)
        return accum_grad @ W.T


layer = Dense(2, (3,))
layer.initialize(Adam())
layer.backward_pass(layer.forward_pass(np.random.randn(6, 3)))
"""
    assert verdicts(source)[0]["Dense"] is RIGHT
    assert verdicts(source.replace("self.layer_input.T @ acc", "2 * self.layer_input.T @ acc"))[0]["Dense"] is WRONG


def test_a_number_of_a_dictionary_of_parameters_is_one_of_them():
    source = """
def forward(p, x):
    return x @ p["v"] + p["c"]


def forward_backward(p, x, dout):
    return {"v": x.T @ dout, "c": dout.sum()}


def critic(p, x):
    return forward(p, x)


def critic_backward(p, x, dout):
    grads = dict(v=x.T @ dout, c=dout.sum())
    return grads, np.outer(dout, p["v"])


print(critic_backward({"v": np.ones(3), "c": 0.0}, np.random.randn(5, 3), np.ones(5)))
print(critic({"v": np.ones(3), "c": 0.0}, np.random.randn(5, 3)))
"""
    assert verdicts(source)[0]["critic_backward"] is RIGHT
    assert verdicts(source.replace("c=dout.sum()", "c=dout.mean()"))[0]["critic_backward"] is WRONG


def test_a_number_that_is_added_to_in_a_loop_stays_what_it_is():
    source = """
class Line:
    def __init__(self):
        self.w0, self.w = 0.5, np.ones(3)

    def predict(self, x):
        total = self.w0
        for i in range(3):
            total += self.w[i] * x[:, i]
        return total

    def loss(self, x, y):
        return np.mean((self.predict(x) - y) ** 2)

    def gradients(self, x, y):
        e = 2 * (self.predict(x) - y) / len(y)
        dw0, dw = e.sum(), x.T @ e
        return dw0, dw


line = Line()
print(line.loss(np.random.randn(5, 3), np.ones(5)), line.gradients(np.random.randn(5, 3), np.ones(5)))
"""
    assert verdicts(source)[0] == {"Line": RIGHT}


TIED = """
class Embed:
    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0]

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        return dout @ self.params[0].T


class Twice:
    def __init__(self, n):
        W = np.random.randn(n, n)
        self.layers = [Embed(W), Embed(W)]
        self.params = [layer.params[0] for layer in self.layers]
        self.grads = [layer.grads[0] for layer in self.layers]

    def forward(self, x):
        return self.layers[1].forward(self.layers[0].forward(x))

    def backward(self, dout):
        return self.layers[0].backward(self.layers[1].backward(dout))
"""


def test_an_array_that_is_listed_twice_gets_the_sum_of_its_gradients():
    assert verdicts(TIED)[0]["Twice"] is RIGHT
    assert verdicts(TIED.replace("layers[1].backward(dout))", "layers[1].backward(2 * dout))"))[0]["Twice"] is WRONG


POLICY = """
model = {"W1": np.random.randn(4, 3), "W2": np.random.randn(4)}


def policy_forward(x):
    h = model["W1"] @ x
    h[h < 0] = 0
    return 1 / (1 + np.exp(-model["W2"] @ h)), h


def policy_backward(eph, epdlogp):
    dW2 = np.dot(eph.T, epdlogp).ravel()
    dh = np.outer(epdlogp, model["W2"])
    dh[eph <= 0] = 0
    return {"W1": dh.T @ epx, "W2": dW2}
"""


@pytest.mark.parametrize("old, new", [("", ""), ("eph, epdlogp)", "eph, epdlogp, epx)")])
def test_the_gradient_of_a_policy_is_that_of_a_whole_episode(old, new):
    source = POLICY.replace(old, new) if old else POLICY
    assert verdicts(source)[0] == {"policy_backward": RIGHT}
    assert verdicts(source.replace("    dh[eph <= 0] = 0\n", ""))[0] == {"policy_backward": WRONG}


def test_the_gradient_of_a_loss_in_what_stands_before_an_activation_is_measured_through_one_of_the_file():
    source = """
class Tanh:
    def fn(self, z):
        return np.tanh(z)

    def grad(self, z):
        return 1 - np.tanh(z) ** 2


class SquaredError:
    @staticmethod
    def loss(y, y_pred):
        return 0.5 * np.sum((y_pred - y) ** 2)

    @staticmethod
    def grad(y, y_pred, z, act_fn):
        return (y_pred - y) * act_fn.grad(z)
"""
    assert verdicts(source)[0] == {"Tanh": RIGHT, "SquaredError": RIGHT}
    assert verdicts(source.replace("act_fn.grad(z)", "act_fn.grad(y_pred)"))[0]["SquaredError"] is WRONG


# ---- names -------------------------------------------------------------------------------------------------


def test_a_loop_of_training_and_a_step_of_a_game_are_no_values_with_gradients():
    source = """
def step(s, a):
    s2 = s + 0.1 * a
    return s2, -np.sum(s2**2)


def mse(w, x, y):
    return 0.5 * np.mean((x @ w - y) ** 2)


def mse_gradient(w, x, y):
    return x.T @ (x @ w - y) / len(y)


def least_squares(y, x, initial_w, max_iters, gamma):
    w = initial_w
    for _ in range(max_iters):
        w = w - gamma * mse_gradient(w, x, y)
    return w, mse(w, x, y)


print(least_squares(np.ones(5), np.random.randn(5, 3), np.zeros(3), 4, 0.1), step(np.ones(2), np.ones(2)))
"""
    assert verdicts(source)[0] == {"mse_gradient": RIGHT}


def test_another_number_of_classes_than_the_scores_have_is_not_tried():
    source = """
class SmoothedCrossEntropy:
    def __init__(self, n_classes=3, smoothing=0.1):
        self.k, self.smoothing = n_classes, smoothing

    def forward(self, logits, target):
        z = logits - logits.max(axis=1, keepdims=True)
        self.logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.t = np.full(logits.shape, self.smoothing / self.k)
        self.t[np.arange(len(target)), target] += 1 - self.smoothing
        return -(self.t * self.logp).sum() / len(target)

    def backward(self):
        return (np.exp(self.logp) - self.t) / len(self.t)


loss = SmoothedCrossEntropy(3)
print(loss.forward(np.random.randn(6, 3), np.array([0, 1, 2, 1, 0, 2])), loss.backward())
"""
    assert verdicts(source)[0] == {"SmoothedCrossEntropy": RIGHT}


def test_gelu_is_not_the_gradient_of_elu():
    source = """
def elu(x):
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


def d_elu(x):
    return np.where(x > 0, 1.0, np.exp(np.minimum(x, 0)))


def gelu(x):
    return x / (1 + np.exp(-1.702 * x))
"""
    assert verdicts(source)[0] == {"d_elu": RIGHT}


@pytest.mark.parametrize("name", ["_logistic_loss_and_grad", "forward_backward_prop", "value_and_grad"])
def test_a_value_and_its_gradient_in_one_function_are_told_by_its_name(name):
    source = f"""
def {name}(w, X, y):
    z = X @ w * y
    return np.logaddexp(0, -z).sum(), X.T @ (-y / (1 + np.exp(z)))


print({name}(np.zeros(3), np.random.randn(6, 3), np.array([1.0, -1, 1, 1, -1, 1])))
"""
    assert verdicts(source)[0] == {name: RIGHT}
    assert verdicts(source.replace("(-y /", "(y /"))[0] == {name: WRONG}


def test_a_function_and_its_slope_entry_by_entry_come_together():
    source = (
        "\n\ndef hinge(m):\n    return np.maximum(0, 1 - m), np.where(m < 1, -1.0, 0.0)\n\n\nprint(hinge(np.ones(3)))\n"
    )
    assert verdicts(source)[0] == {"hinge": RIGHT}
    assert RIGHT not in verdicts(source.replace("-1.0", "1.0"))[0].values()


def test_the_score_of_a_log_likelihood_is_its_gradient_and_a_loop_that_fits_it_is_none():
    source = """
def poisson_loglik(w, X, y):
    return np.sum(y * (X @ w) - np.exp(X @ w))


def poisson_score(w, X, y):
    return X.T @ (y - np.exp(X @ w))


def fit_gradient(X, y, lr=0.01, n_iter=5):
    w = np.zeros(X.shape[1])
    for _ in range(n_iter):
        w += lr * poisson_score(w, X, y)
    return w
"""
    assert verdicts(source)[0] == {"poisson_score": RIGHT}
    assert verdicts(source.replace("(y - np", "(y + np"))[0] == {"poisson_score": WRONG}


def test_a_slope_that_is_measured_by_nudging_is_no_gradient_to_be_checked():
    source = """
def compute_gradient(J, theta):
    e = 1e-4
    return np.array([(J(theta + e * d) - J(theta - e * d)) / (2 * e) for d in np.eye(len(theta))])


def cost(w, X, y):
    return 0.5 * np.sum((X @ w - y) ** 2)


def cost_grad(w, X, y):
    return X.T @ (X @ w - y)
"""
    assert verdicts(source)[0] == {"cost_grad": RIGHT}


def test_a_cost_of_all_data_is_not_that_of_a_gradient_of_one_sample():
    source = """
class Network:
    def __init__(self, n):
        self.w = np.random.randn(2, n)

    def feedforward(self, a):
        return 1 / (1 + np.exp(-self.w @ a))

    def backprop(self, x, y):
        a = self.feedforward(x)
        return (a - y) * a * (1 - a) @ x.T

    def total_cost(self, data, lmbda):
        return sum(0.5 * np.sum((self.feedforward(x) - y) ** 2) for x, y in data) + lmbda * np.sum(self.w**2)
"""
    found, text = verdicts(source)
    assert found == {"Network": RIGHT}, text


def test_as_many_hidden_units_as_samples_are_no_broadcast():
    source = """
class Net:
    def __init__(self, n_in):
        self.W1, self.W2, self.W3 = np.random.randn(n_in, 8), np.random.randn(8, 6), np.random.randn(6, 1)

    def loss(self, x, y):
        self.x, self.h = x, np.tanh(x @ self.W1)
        self.g = np.tanh(self.h @ self.W2)
        self.d = (self.g @ self.W3 - y) / len(x)
        return 0.5 * np.sum(self.d**2) * len(x)

    def backward(self):
        dg = self.d @ self.W3.T * (1 - self.g**2)
        self.dW2, self.dW3 = self.h.T @ dg, self.g.T @ self.d
        self.dW1 = self.x.T @ (dg @ self.W2.T * np.cos(3 * self.h))


net = Net(3)
net.loss(np.random.randn(6, 3), np.random.randn(6, 1))
net.backward()
"""
    found, text = verdicts(source)
    assert found == {"Net": WRONG} and "W1" in text and "broadcast" not in text


# ---- conventions ---------------------------------------------------------------------------------------------

IN_LOGITS = '''
class CrossEntropy:
    def loss(self, y, p):
        return -np.sum(y * np.log(p))

    def grad(self, y, p):
        """In the logits whose softmax is p."""
        return p - y


t = np.eye(3)[[0, 2, 1, 1]]
print(CrossEntropy().loss(t, np.full((4, 3), 1 / 3)), CrossEntropy().grad(t, np.full((4, 3), 1 / 3)))
'''


def test_a_loss_of_chances_may_have_its_gradient_in_the_logits_where_the_file_says_so():
    found, text = verdicts(IN_LOGITS)
    assert found == {"CrossEntropy": RIGHT} and "in the logits that p was made of" in text
    assert RIGHT not in verdicts(IN_LOGITS.replace("In the logits whose softmax is p.", "It is short."))[0].values()
    assert RIGHT not in verdicts(IN_LOGITS.replace("return p - y", "return y - p"))[0].values()


def test_a_backward_that_calls_its_argument_dlogit_begins_before_the_sigmoid():
    source = """
class Discriminator:
    def __init__(self, n):
        self.w, self.b = np.random.randn(n, 1), np.zeros(1)

    def forward(self, x):
        self.x, self.p = x, 1 / (1 + np.exp(-(x @ self.w + self.b)))
        return self.p

    def backward(self, dlogit):
        self.dw, self.db = self.x.T @ dlogit, dlogit.sum(axis=0)
        return dlogit @ self.w.T
"""
    found, text = verdicts(source)
    assert found == {"Discriminator": RIGHT} and "dlogit is the gradient before the sigmoid" in text
    assert RIGHT not in verdicts(source.replace("dlogit", "dout"))[0].values()
    assert verdicts(source.replace("dlogit.sum(axis=0)", "dlogit.mean(axis=0)"))[0] == {"Discriminator": WRONG}


def test_the_error_that_is_returned_beside_the_gradient_is_none():
    source = """
def cost(y, tx, w):
    return 0.5 * np.mean((y - tx @ w) ** 2)


def cost_gradient(y, tx, w):
    err = y - tx @ w
    grad = -tx.T @ err / len(err)
    return grad, err
"""
    assert verdicts(source)[0] == {"cost_gradient": RIGHT}
    assert verdicts(source.replace("-tx.T", "tx.T"))[0] == {"cost_gradient": WRONG}


def test_what_an_activation_hands_on_as_it_is_may_be_meant_for_a_loss_behind_it():
    source = """
class SoftMax:
    def forward(self, Z):
        E = np.exp(Z - Z.max(axis=0))
        return E / E.sum(axis=0)

    def backward(self, dLdZ):
        return dLdZ
"""
    assert verdicts(source)[0] == {"SoftMax": UNCHECKED}


def test_a_value_that_is_returned_by_what_moves_the_weights_is_no_gradient():
    source = """
class Perceptron:
    def __init__(self, n_in, n_out):
        self.weights = np.random.randn(n_in, n_out)

    def propagate_forward(self, data):
        self.x, self.out = data, np.tanh(data @ self.weights)
        return self.out

    def propagate_backward(self, target, lrate=0.1):
        error = target - self.out
        self.weights += lrate * np.outer(self.x, error * (1 - self.out**2))
        return (error**2).sum()


net = Perceptron(3, 2)
for _ in range(3):
    net.propagate_forward(np.random.randn(3))
    net.propagate_backward(np.array([0.5, -0.5]))
"""
    assert verdicts(source)[0] == {"Perceptron": RIGHT}
    assert RIGHT not in verdicts(source.replace("(1 - self.out**2)", "(1 + self.out**2)"))[0].values()


def test_a_step_may_add_a_decay_by_its_name():
    source = """
class Ridge:
    def __init__(self, n, lr=0.05, reg=0.02):
        self.w, self.lr, self.reg = np.random.randn(n), lr, reg

    def loss(self, x, y):
        return 0.5 * np.sum((x @ self.w - y) ** 2)

    def sgd_step(self, x, y):
        self.w -= self.lr * (x.T @ (x @ self.w - y) + self.reg * self.w)
"""
    found, text = verdicts(source)
    assert found == {"Ridge": RIGHT} and "the decay reg · w" in text
    assert verdicts(source.replace("+ self.reg", "- self.reg"))[0] == {"Ridge": WRONG}
    penalized = source.replace("- y) ** 2)\n", "- y) ** 2) + 0.5 * self.reg * np.sum(self.w**2)\n")
    assert verdicts(penalized)[0] == {"Ridge": RIGHT}
    assert verdicts(penalized.replace("+ self.reg * self.w)", "+ 2 * self.reg * self.w)"))[0] == {"Ridge": WRONG}


def test_what_a_whole_network_returns_beside_right_gradients_is_not_the_gradient_of_its_target():
    source = """
class Autoencoder:
    def __init__(self, n=4, h=3):
        self.W1, self.b1, self.W2 = np.random.randn(n, h), np.zeros(h), np.random.randn(h, n)

    def loss(self, x):
        self.x, self.h = x, np.tanh(x @ self.W1 + self.b1)
        self.out = self.h @ self.W2
        return 0.5 * np.sum((self.out - x) ** 2)

    def backward(self):
        d = self.out - self.x
        self.dW2 = self.h.T @ d
        d = d @ self.W2.T * (1 - self.h**2)
        self.dW1, self.db1 = self.x.T @ d, d.sum(axis=0)
        return d @ self.W1.T
"""
    found, text = verdicts(source)
    assert found == {"Autoencoder": RIGHT} and "not the gradient of x as a whole" in text
    assert verdicts(source.replace("self.h.T @ d", "2 * self.h.T @ d"))[0] == {"Autoencoder": WRONG}


# ---- a whole network in functions ----------------------------------------------------------------------

DROPOUT = """
def forward(X, parameters, keep_prob=0.5):
    rng = np.random.RandomState(1)
    A1 = np.maximum(0, parameters["W1"] @ X + parameters["b1"])
    D1 = (rng.rand(*A1.shape) < keep_prob) / keep_prob
    A1 = A1 * D1
    A2 = 1 / (1 + np.exp(-(parameters["W2"] @ A1 + parameters["b2"])))
    return A2, (A1, D1, A2, parameters["W2"])


def compute_cost(A2, Y, parameters, lambd):
    m = Y.shape[1]
    penalty = lambd / (2 * m) * (np.sum(parameters["W1"] ** 2) + np.sum(parameters["W2"] ** 2))
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m + penalty


def backward(X, Y, parameters, cache, keep_prob, lambd=0.0):
    m = X.shape[1]
    A1, D1, A2, W2 = cache
    dZ2 = (A2 - Y) / m
    dA1 = W2.T @ dZ2 * D1
    dZ1 = dA1 * (A1 > 0)
    return {
        "dW2": dZ2 @ A1.T + lambd / m * W2, "db2": dZ2.sum(axis=1, keepdims=True),
        "dW1": dZ1 @ X.T + lambd / m * parameters["W1"], "db1": dZ1.sum(axis=1, keepdims=True),
    }


rng = np.random.RandomState(0)
X, Y = rng.randn(2, 9), (rng.rand(1, 9) < 0.5) * 1
parameters = {"W1": rng.randn(5, 2), "b1": np.zeros((5, 1)), "W2": rng.randn(1, 5), "b2": np.zeros((1, 1))}
A2, cache = forward(X, parameters, 0.8)
print(compute_cost(A2, Y, parameters, 0.1), backward(X, Y, parameters, cache, 0.8, 0.1))
"""


@pytest.mark.parametrize(
    "old, new, verdict",
    [("", "", RIGHT), ("W2.T @ dZ2 * D1", "W2.T @ dZ2", WRONG), ("+ lambd / m * W2", "+ lambd * W2", WRONG)],
)
def test_an_argument_that_has_a_default_in_one_function_is_the_one_that_another_needs(old, new, verdict):
    assert DROPOUT.count(old) == 1 or not old
    found, text = verdicts(DROPOUT.replace(old, new) if old else DROPOUT)
    assert found["backward"] is verdict, text


SUMMED = DROPOUT
for term in ("/ m + penalty", "+ lambd / m * W2", '+ lambd / m * parameters["W1"]'):
    SUMMED = SUMMED.replace(term, "")
TOTAL = "\ncost_total = 0\ncost_total += compute_cost(A2, Y, parameters, 0.1)\nprint(cost_total / 9)\n"


@pytest.mark.breadth
@pytest.mark.parametrize(
    "source, verdict",
    [(SUMMED + TOTAL, RIGHT), (SUMMED, WRONG), ((SUMMED + TOTAL).replace("(A2 - Y) / m", "(A2 - Y) / m / m"), WRONG)],
)
def test_the_mean_of_a_sum_that_its_caller_divides_is_right_and_only_there(source, verdict):
    found, text = verdicts(source)
    assert found["backward"] is verdict, text


STEPS = """
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        rng = np.random.RandomState(0)
        self.w1, self.w2 = rng.randn(n_hidden, n_in), rng.randn(n_out, n_hidden)

    def _feedforward(self, X, w1, w2):
        a1 = X
        z2 = w1.dot(a1.T)
        a2 = 1 / (1 + np.exp(-z2))
        z3 = w2.dot(a2)
        a3 = 1 / (1 + np.exp(-z3))
        return a1, z2, a2, z3, a3

    def _get_cost(self, y_enc, output, w1, w2):
        return -np.sum(y_enc * np.log(output) + (1 - y_enc) * np.log(1 - output))

    def _get_gradient(self, a1, a2, a3, z2, y_enc, w1, w2):
        sigma3 = a3 - y_enc
        sigma2 = w2.T.dot(sigma3) * a2 * (1 - a2)
        return sigma2.dot(a1), sigma3.dot(a2.T)

    def fit(self, X, y_enc):
        a1, z2, a2, z3, a3 = self._feedforward(X, self.w1, self.w2)
        self._get_cost(y_enc, a3, self.w1, self.w2)
        return self._get_gradient(a1, a2, a3, z2, y_enc, self.w1, self.w2)


data = np.random.RandomState(2)
Net(4, 5, 3).fit(data.randn(8, 4), np.eye(3)[data.randint(0, 3, 8)].T)
"""


@pytest.mark.parametrize("old, new, verdict", [("", "", RIGHT), ("* a2 * (1 - a2)", "* (1 - a2)", WRONG)])
def test_of_all_activations_that_a_network_returns_the_last_is_its_output(old, new, verdict):
    found, text = verdicts(STEPS.replace(old, new) if old else STEPS)
    assert found["Net"] is verdict, text


OBJECTIVE = """
class Poisson:
    def __init__(self, n):
        self.coef, self.tau = np.zeros(n), 3.0

    def loglik(self, X, counts):
        eta = X.dot(self.coef)
        return np.sum(counts * eta - np.exp(eta))

    def objective(self, X, counts):
        return self.loglik(X, counts) - np.sum(self.coef**2) / (2 * self.tau**2)

    def score(self, X, counts):
        return X.T.dot(counts - np.exp(X.dot(self.coef))) - self.coef / self.tau**2
"""


@pytest.mark.parametrize(
    "old, new, verdict", [("", "", RIGHT), ("- self.coef / self", "- 2 * self.coef / self", WRONG)]
)
def test_a_score_may_be_that_of_the_whole_objective(old, new, verdict):
    found, text = verdicts(OBJECTIVE.replace(old, new) if old else OBJECTIVE)
    assert found["Poisson"] is verdict, text


BESIDE = """
def disc(W, v, x, label):
    h = np.tanh(np.hstack([x, label]) @ W)
    return h @ v, (np.hstack([x, label]), h)


def disc_back(W, v, cache, dout):
    a, h = cache
    ds = np.outer(dout, v) * (1 - h**2)
    return a.T @ ds, h.T @ dout, ds @ W.T


data = np.random.RandomState(0)
W, v, x, label = data.randn(5, 4), data.randn(4), data.randn(6, 2), np.eye(3)[[0, 1, 2, 0, 1, 2]]
out, cache = disc(W, v, x, label)
disc_back(W, v, cache, np.ones(6))
"""


@pytest.mark.parametrize("old, new, verdict", [("", "", RIGHT), ("(1 - h**2)", "(1 - h)", WRONG)])
def test_the_gradient_of_an_input_that_was_put_together_is_not_that_of_a_part(old, new, verdict):
    found, text = verdicts(BESIDE.replace(old, new) if old else BESIDE)
    assert found["disc_back"] is verdict, text


PARTS = """
class Code:
    def __init__(self):
        rng = np.random.RandomState(0)
        self.W, self.V = rng.randn(4, 2) * 0.5, rng.randn(2, 4) * 0.5

    def elbo_loss(self, x):
        m = x @ self.W
        e = m @ self.V - x
        rec, kl = 0.5 * np.sum(e**2) / len(x), 0.5 * np.sum(m**2) / len(x)
        dm = (e @ self.V.T + m) / len(x)
        return rec, kl, {"W": x.T @ dm, "V": m.T @ e / len(x)}


Code().elbo_loss(np.random.RandomState(1).randn(6, 4))
"""


@pytest.mark.parametrize("old, new, verdict", [("", "", RIGHT), ("self.V.T + m)", "self.V.T + 2 * m)", WRONG)])
def test_gradients_of_the_sum_of_two_losses_that_are_returned_apart_are_right(old, new, verdict):
    found, text = verdicts(PARTS.replace(old, new) if old else PARTS)
    assert found["Code"] is verdict, text


KERNEL = """
def kernel_loss(a, K, y):
    return 0.1 * a @ K @ a + np.mean((K @ a - y) ** 2)


def kernel_gradient(a, K, y):
    f = K @ a
    return K @ (0.2 * a + 2 * (f - y) / len(y))


X = np.random.RandomState(0).randn(7, 2)
K, y, a = np.exp(-((X[:, None] - X) ** 2).sum(2)), np.sign(X[:, 0]), np.zeros(7)
print(kernel_loss(a, K, y), kernel_gradient(a, K, y))
"""


@pytest.mark.parametrize("old, new, verdict", [("", "", RIGHT), ("(0.2 * a", "(0.1 * a", WRONG)])
def test_a_matrix_that_is_symmetric_in_the_file_is_drawn_so(old, new, verdict):
    found, text = verdicts(KERNEL.replace(old, new) if old else KERNEL)
    assert found["kernel_gradient"] is verdict, text


DEFAULT = """
class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)


class Dense:
    def __init__(self, n_in, n_out, activation=Sigmoid()):
        self.W, self.activation = np.random.randn(n_in, n_out), activation

    def forward(self, x):
        self.x = x
        return self.activation.forward(x @ self.W)

    def backward(self, dout):
        ds = self.activation.backward(dout)
        self.dW = self.x.T @ ds
        return ds @ self.W.T


class Squares:
    def forward(self, prediction, target):
        self.prediction, self.target = prediction, target
        return np.sum((prediction - target) ** 2) / len(target)

    def backward(self):
        self.input_grad = 2.0 * (self.prediction - self.target) / len(self.target)
        return self.input_grad


layer = Dense(3, 2, Sigmoid())
layer.backward(layer.forward(np.random.randn(5, 3)))
"""


def test_a_default_that_all_objects_share_is_wrong_only_where_the_file_relies_on_it():
    found, text = verdicts(DEFAULT)
    assert found == {"Sigmoid": RIGHT, "Dense": RIGHT, "Squares": RIGHT}, text
    assert verdicts(DEFAULT.replace("Dense(3, 2, Sigmoid())", "Dense(3, 2)"))[0]["Dense"] is WRONG


GAIN = """
def cost_and_gradient(v, g, X, y):
    norm = np.sqrt(np.sum(v**2))
    e = X @ (g * v / norm) - y
    dw = X.T @ e / len(y)
    dg = dw @ v / norm
    return 0.5 * np.mean(e**2), g / norm * dw - g * dg / norm**2 * v, dg


print(cost_and_gradient(np.ones(3), 1.3, np.random.randn(7, 3), np.random.randn(7)))
"""


@pytest.mark.parametrize("old, new, verdict", [("", "", RIGHT), (" - g * dg / norm**2 * v", "", WRONG)])
def test_a_gain_that_is_called_g_is_no_gradient(old, new, verdict):
    found, text = verdicts(GAIN.replace(old, new) if old else GAIN)
    assert found["cost_and_gradient"] is verdict, text


TARGET_NET = """
class Net:
    def __init__(self, seed):
        self.W = np.random.RandomState(seed).randn(3, 2)

    def forward(self, x):
        return x @ self.W


class Agent:
    def __init__(self):
        self.net, self.target_net = Net(0), Net(1)

    def td_loss(self, x, y):
        return np.mean((self.net.forward(x) - 0.9 * self.target_net.forward(y)) ** 2)

    def td_gradient(self, x, y):
        return {"W": x.T @ (self.net.forward(x) - 0.9 * self.target_net.forward(y)) / len(x)}


Agent().td_gradient(np.random.randn(5, 3), np.random.randn(5, 3))
"""


def test_a_target_network_is_meant_to_have_no_gradient():
    found, text = verdicts(TARGET_NET)
    assert found["Agent"] is RIGHT and "target_net" not in text.partition("NOT CHECKED")[2], text
    assert verdicts(TARGET_NET.replace("target_net", "second"))[0]["Agent"] is UNCHECKED


def test_the_policy_of_an_episode_may_be_nearly_sure():
    source = """
model = {"W1": 9 * np.random.randn(6, 4), "W2": 9 * np.random.randn(6)}


def policy_forward(x):
    h = np.maximum(0, model["W1"] @ x)
    return 1 / (1 + np.exp(-model["W2"] @ h)), h


def policy_backward(epx, eph, epdlogp):
    dh = np.outer(epdlogp, model["W2"])
    dh[eph <= 0] = 0
    return {"W1": dh.T @ epx, "W2": (eph.T @ epdlogp).ravel()}


xs = np.random.randn(5, 4)
ps, hs = zip(*map(policy_forward, xs))
policy_backward(xs, np.array(hs), 1 - np.array(ps)[:, None])
"""
    assert verdicts(source)[0]["policy_backward"] is RIGHT
    assert verdicts(source.replace("dh[eph <= 0] = 0", "dh[eph < 0] = 0"))[0]["policy_backward"] is not RIGHT


# ---- words ----------------------------------------------------------------------------------------------

COUNTS = """
class GloVe:
    def __init__(self, dim=3, lr=0.1):
        self.dim, self.lr = dim, lr

    def prepare(self, pairs, x):
        self.row, self.col = pairs.T
        self.logx, self.weight = np.log(x), np.minimum(1, x / 3)
        self.W, self.C = np.random.randn(5, self.dim), np.random.randn(5, self.dim)

    def parameters(self):
        return [self.W, self.C]

    def residual(self):
        return np.sum(self.W[self.row] * self.C[self.col], axis=1) - self.logx

    def cost(self):
        return 0.5 * np.sum(self.weight * self.residual() ** 2)

    def grad(self):
        e = self.weight * self.residual()
        dW, dC = np.zeros_like(self.W), np.zeros_like(self.C)
        np.add.at(dW, self.row, e[:, None] * self.C[self.col])
        np.add.at(dC, self.col, e[:, None] * self.W[self.row])
        return [dW, dC]

    def fit(self, pairs, x):
        self.prepare(pairs, x)
        self.cost()
        for p, g in zip(self.parameters(), self.grad()):
            p -= self.lr * g


GloVe().fit(np.array([[0, 1], [0, 2], [3, 4], [1, 0], [4, 4]]), np.array([1.0, 2.0, 5.0, 3.0, 0.5]))
"""
SKIP_GRAM = """
class SkipGram:
    def __init__(self, n_words, dim=4, lr=0.1):
        self.W_in, self.W_out, self.lr = np.random.randn(n_words, dim), np.random.randn(n_words, dim), lr

    def loss(self, center, context, negatives):
        v = self.W_in[center]
        positive = 1 / (1 + np.exp(-self.W_out[context] @ v))
        return -np.log(positive) - np.sum(np.log(1 / (1 + np.exp(self.W_out[negatives] @ v))))

    def train_pair(self, center, context, negatives):
        words = np.array([context, *negatives])
        v, u = self.W_in[center], self.W_out[words]
        g = 1 / (1 + np.exp(-u @ v)) - (words == context)
        self.W_out[words] -= self.lr * np.outer(g, v)
        self.W_in[center] -= self.lr * (g @ u)


model = SkipGram(9)
model.loss(3, 5, np.array([1, 7, 2]))
model.train_pair(3, 5, np.array([1, 7, 2]))
"""


def test_what_an_object_does_not_list_among_its_parameters_needs_no_gradient():
    found, text = verdicts(COUNTS)
    assert found["GloVe"] is RIGHT, text
    assert verdicts(COUNTS.replace("[self.W, self.C]", "[self.W, self.C, self.logx]"))[0]["GloVe"] is UNCHECKED
    assert verdicts(COUNTS.replace("np.add.at(dC, self.col, e", "np.add.at(dC, self.row, e"))[0]["GloVe"] is WRONG


def test_negative_samples_are_those_of_the_file_and_a_row_that_is_used_after_its_update_is_named():
    """Others could be the context itself, which is none of them."""
    found, text = verdicts(SKIP_GRAM)
    assert found["SkipGram"] is RIGHT, text
    source = SKIP_GRAM.replace("(g @ u)", "(g @ self.W_out[words])")
    (report,) = [examine(target) for target in targets(run("mine.py", HEAD + source)).values()]
    assert report.verdict is WRONG
    assert [finding.name for finding in report.findings] == ["updated too early"]

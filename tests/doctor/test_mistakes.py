"""The doctor names every planted mistake rightly, and gives no name to what is right, or what nobody knows."""

from __future__ import annotations

import numpy as np
import planted_mistakes
import pytest
from planted_mistakes import PLANTED, RIGHT, check, module_of

from tinygan.doctor import Verdict, examine, repair, sandbox, targets
from tinygan.doctor.mistakes import CATALOGUE, MAYBE
from tinygan.doctor.repair import KINDS
from tinygan.doctor.rules import MISTAKES
from tinygan.doctor.words import BROKEN

ALL = [*BROKEN.values(), *CATALOGUE, *MAYBE]


@pytest.fixture
def hurry(monkeypatch):
    """Little time to look for the line of what has its name already."""
    monkeypatch.setattr(repair, "TO_PLACE", 0.3)


@pytest.mark.parametrize("name, old, new, names", [(*row[:3], row[3:]) for row in PLANTED])
def test_a_planted_mistake_is_wrong_and_gets_its_name_and_no_other(name, old, new, names, hurry):
    reports, found = check(name, old, new)
    assert Verdict.WRONG in {report.verdict for report in reports}
    assert sorted(found) == sorted(names), "\n".join(map(str, reports))


@pytest.mark.parametrize("row", PLANTED[::8], ids=lambda row: row[0])
def test_the_name_does_not_depend_on_the_random_numbers(row, hurry):
    assert sorted(check(*row[:3], seed=3)[1]) == sorted(row[3:])


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("seed", [0, 4])
def test_what_is_right_is_right_and_gets_no_name(name, seed):
    reports, found = check(name, seed=seed)
    assert reports and found == []
    assert all(report.verdict is Verdict.RIGHT for report in reports), "\n".join(map(str, reports))


def test_every_name_has_a_planted_mistake():
    planted = {name for row in PLANTED for name in row[3:]}
    known = {mistake.name for mistake in ALL} | {words[0] for words in MISTAKES.values()}
    assert planted <= known | {name for name, _ in KINDS.values()}
    assert known - planted == set()


def test_every_name_explains_itself_in_one_line():
    assert all(mistake.meaning and mistake.look and "\n" not in mistake.meaning + mistake.look for mistake in ALL)


def test_a_finding_says_where_what_it_means_and_where_to_look():
    source = planted_mistakes.HEAD + RIGHT["Dense"].replace("dout.sum(axis=0)", "-dout.sum(axis=0)")
    report = examine(planted_mistakes.run("mine.py", source).Dense)
    (finding,) = report.findings
    text = str(finding)
    assert (
        text.startswith("  wrong sign, in b: ") and "\n    look at: " in text and "self.db = -dout.sum(axis=0)" in text
    )


def test_two_mistakes_in_two_places_get_both_names():
    source = RIGHT["Dense"].replace("self.x.T @ dout", "-self.x.T @ dout").replace("sum(axis=0)", "mean(axis=0)")
    report = examine(planted_mistakes.run("mine.py", planted_mistakes.HEAD + source).Dense)
    assert {f.name: [*f.seen] for f in report.findings} == {"wrong sign": ["W"], "1/N divided twice": ["b"]}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "name, old, new",
    [
        ("Dense", "dout @ self.W.T", "np.sinh(dout) @ np.abs(self.W).T"),
        ("Tanh", "dout * (1 - self.out**2)", "np.cosh(dout) + np.sin(9 * self.x)"),
    ],
)
def test_what_nobody_knows_gets_no_name_but_a_description(name, old, new, seed):
    reports, found = check(name, old, new, seed=seed)
    assert found == [] and reports[0].verdict is Verdict.WRONG
    first, line, *_ = reports[0].pattern
    assert "no known mistake" in first and line.startswith("  x: ") and "entries are wrong" in line


@pytest.mark.breadth
def test_where_nothing_fits_the_first_wrong_array_on_the_way_is_said():
    source = """
class Net:
    def __init__(self, n_in, n_out):
        self.W1, self.W2 = np.random.randn(n_in, 4), np.random.randn(4, n_out)

    def forward(self, x):
        self.x = x
        self.z = x @ self.W1
        self.h = np.tanh(self.z)
        return self.h @ self.W2

    def backward(self, dout):
        dh = dout @ self.W2.T
        dz = np.sinh(dh) * (1 - self.h**2) + np.cos(self.z)
        self.dW2 = self.h.T @ dout
        self.dW1 = self.x.T @ dz
        return dz @ self.W1.T
"""
    report = examine(planted_mistakes.run("mine.py", planted_mistakes.HEAD + source).Net)
    assert report.findings == [] and "dz (mine.py, line 17); right before it: dh" in report.pattern[-1]


MENDED = {
    "np.concatenate([da, db], axis=1)": """
class Gate:
    def forward(self, x):
        self.a, self.b = np.split(x, 2, axis=1)
        return self.a * np.tanh(self.b)

    def backward(self, dout):
        da = dout * np.tanh(self.b)
        db = dout * self.a * (1 - np.tanh(self.b) ** 2)
        return np.concatenate([db, da], axis=1)
""",
    "c * np.sign(x)": """
def huber(x, target, c=1.5):
    d = x - target
    return np.sum(np.where(np.abs(d) <= c, 0.5 * d**2, c * (np.abs(d) - 0.5 * c)))


def huber_gradient(x, target, c=1.5):
    d = x - target
    return np.where(np.abs(d) <= c, d, c)
""",
    "keepdims=True) * y": """
def norm_forward(x):
    r = np.sqrt((x**2).sum(axis=1, keepdims=True))
    return x / r, (x / r, r)


def norm_backward(dout, cache):
    y, r = cache
    return (dout - (dout * y).sum(axis=0) * y) / r
""",
    "forward(z, g, d) * d['w']": """
def forward(z, g, d):
    return np.tanh(z * g["a"]) * d["w"]


def loss(z, g, d):
    return np.sum(forward(z, g, d) ** 2)


def loss_gradient(z, g, d):
    dfake = 2 * forward(z, g, d)
    return {"a": np.sum(dfake * (1 - np.tanh(z * g["a"]) ** 2) * z, axis=0)}


loss(np.ones((6, 2)), {"a": np.array([0.3, -0.8])}, {"w": np.array([1.5, -0.7])})
loss_gradient(np.ones((6, 2)), {"a": np.array([0.3, -0.8])}, {"w": np.array([1.5, -0.7])})
""",
    "(1 - self.u) * dout": """
class Blend:
    def __init__(self, n):
        self.U, self.V = np.random.randn(n, n), np.random.randn(n, n)

    def forward(self, x):
        self.x = x
        self.u = 1 / (1 + np.exp(-x @ self.U))
        self.c = np.tanh(x @ self.V)
        return self.u * x + (1 - self.u) * self.c

    def backward(self, dout):
        da = self.u * dout * (1 - self.c**2)
        dz = dout * (self.x - self.c) * self.u * (1 - self.u)
        self.dU, self.dV = self.x.T @ dz, self.x.T @ da
        return dout * self.u + dz @ self.U.T + da @ self.V.T
""",
    "transpose(2, 0, 1)": """
class Turn:
    def forward(self, x):
        self.y = np.tanh(x.transpose(1, 2, 0))
        return self.y

    def backward(self, dout):
        return (dout * (1 - self.y**2)).transpose(1, 2, 0)


Turn().forward(np.random.randn(4, 4, 4))
""",
    "x > -bound": """
class Clamp:
    def forward(self, x, bound=1.5):
        self.x, self.bound = x, bound
        return np.clip(x, -bound, bound)

    def backward(self, dout):
        x, bound = self.x, self.bound
        return dout * (x < bound) * (x < bound)
""",
    "users.T @ weighted": """
def score(M, users, items):
    s = np.einsum("nd,de,ne->n", users, M, items)
    weighted = (s / len(s))[:, None] * items
    return np.mean(s**2) / 2 + 0.05 * np.sum(M**2), {"M": weighted.T @ users + 0.1 * M}
""",
    "np.cumsum((self.d / self.risk)[::-1])[::-1]": """
class PartialLikelihood:
    def forward(self, scores, d):  # d (N,): 1 where an event was seen, 0 where not
        self.d, self.e = d, np.exp(scores)
        self.risk = np.cumsum(self.e)
        return -np.sum(d * (scores - np.log(self.risk)))

    def backward(self):
        return self.e * np.cumsum(self.d / self.risk) - self.d
""",
    "middle[-p - 1:-1] += g[-p:][::-1]": """
def reflect_forward(x, p):
    return np.pad(x, ((p, p), (0, 0)), mode="reflect"), p


def reflect_backward(g, p):
    middle = g[p:-p].copy()
    middle[1 : p + 1] += g[:p][::-1]
    middle[-p:] += g[-p:][::-1]
    return middle


reflect_forward(np.random.randn(7, 3), 2)
""",
    "share = dout / (self.height * self.count)": """
class Pool:
    def __init__(self, height=1, width=3):
        self.height, self.width = height, width

    def forward(self, x):
        padded = np.pad(x, ((0, 0), (1, 1)))
        self.count = np.array([2, *[3] * (x.shape[1] - 2), 2])
        return (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / self.count

    def backward(self, dout):
        share = dout / (self.height * self.width)
        padded = np.pad(share, ((0, 0), (1, 1)))
        return padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]


class ReLU:
    def forward(self, x):
        self.on = x > 0
        return x * self.on

    def backward(self, dout):
        return dout * self.on


class Net:
    def __init__(self, n):
        self.layers = [ReLU(), Pool(), ReLU(), Pool()]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in self.layers[::-1]:
            dout = layer.backward(dout)
        return dout
""",
    "dx[:, start:start + self.width] += dout[:, t:t + 1] * self.w": """
class Conv:
    def __init__(self, width=3, stride=2):
        self.width, self.stride, self.w = width, stride, np.random.randn(width)

    def forward(self, x):
        self.x, outs = x, []
        for t in range((x.shape[1] - self.width) // self.stride + 1):
            start = t * self.stride
            outs.append(x[:, start : start + self.width] @ self.w)
        return np.stack(outs, axis=1)

    def backward(self, dout):
        self.dw, dx = np.zeros(self.width), np.zeros(self.x.shape)
        for t in range(dout.shape[1]):
            start = t * self.stride
            self.dw += dout[:, t] @ self.x[:, start : start + self.width]
            dx[:, t : t + self.width] += dout[:, t : t + 1] * self.w
        return dx
""",
    "(self.p - self.onehot) * self.mask[:, None] / self.mask.sum()": """
class MaskedLoss:
    def forward(self, scores, onehot, mask):
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.p, self.onehot, self.mask = e / e.sum(axis=1, keepdims=True), onehot, mask
        return -np.sum(mask * np.log((self.p * onehot).sum(axis=1))) / mask.sum()

    def backward(self):
        return (self.p - self.onehot) * self.mask[:, None] / len(self.mask)


MaskedLoss().forward(np.random.randn(5, 3), np.eye(3)[[0, 2, 1, 1, 0]], np.array([1.0, 1, 0, 1, 0]))
""",
    "np.linalg.inv(self.W.T)": """
class Mix:
    def __init__(self, n):
        self.W = np.linalg.qr(np.random.randn(n, n))[0]

    def forward(self, x):
        self.x = x
        return x @ self.W.T, np.full(len(x), np.linalg.slogdet(self.W)[1])

    def backward(self, dy, dlogdet):
        self.dW = dy.T @ self.x + dlogdet.sum() * np.linalg.inv(self.W)
        return dy @ self.W


Mix(3).forward(np.random.randn(6, 3))
""",
    "self.D.forward(real)` before `self.D.backward((p - 1) / len(p))": """
class Critic:
    def __init__(self):
        self.W, self.V = np.random.randn(2, 5), np.random.randn(5, 1)

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.W)
        return self.h @ self.V

    def backward(self, dout):
        self.dV += self.h.T @ dout
        dh = (dout @ self.V.T) * (1 - self.h**2)
        self.dW += self.x.T @ dh
        return dh @ self.W.T


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class GAN:
    def __init__(self):
        self.D = Critic()

    def discriminator_grads(self, real, fake):
        self.D.dW, self.D.dV = np.zeros((2, 5)), np.zeros((5, 1))
        q = sigmoid(self.D.forward(fake))
        p = sigmoid(self.D.forward(real))
        loss = -np.mean(np.log(p)) - np.mean(np.log(1 - q))
        self.D.backward((p - 1) / len(p))
        self.D.backward(q / len(q))
        return loss


GAN().discriminator_grads(np.random.randn(6, 2), np.random.randn(6, 2))
""",
    "i * self.s:i * self.s + 2, j * self.s:j * self.s + 2": """
class Upsample:
    def __init__(self, s=2):
        self.s = s

    def forward(self, x):
        self.x = x
        h, w = x.shape[1:]
        out = np.zeros((len(x), h * self.s, w * self.s))
        for i in range(h):
            for j in range(w):
                out[:, i * self.s : i * self.s + 2, j * self.s : j * self.s + 2] += x[:, i : i + 1, j : j + 1]
        return out

    def backward(self, dout):
        dx = np.zeros(self.x.shape)
        for i in range(dx.shape[1]):
            for j in range(dx.shape[2]):
                dx[:, i, j] = dout[:, i : i + 2, j : j + 2].sum(axis=(1, 2))
        return dx


Upsample().forward(np.random.randn(3, 2, 4))
""",
    "dZ * c['noise'] * c['sigma']": """
def forward(X, params, noise):
    c = {"X": X, "noise": noise, "sigma": np.exp(params["Ws"] @ X)}
    c["Z"] = params["Wm"] @ X + c["sigma"] * noise
    return c


def loss(c):
    return np.sum((c["Z"] - c["X"]) ** 2) / 2


def backward(c, params):
    dZ = c["Z"] - c["X"]
    dlog = dZ * c["noise"]
    return {"Wm": dZ @ c["X"].T, "Ws": dlog @ c["X"].T}


params = {"Wm": np.random.randn(3, 3), "Ws": np.random.randn(3, 3)}
backward(forward(np.random.randn(3, 20), params, np.random.randn(3, 20)), params)
""",
    "dout.transpose(0, 2, 3, 1).reshape(-1, C)": """
def channel_scale_forward(x, gamma):
    N, C, H, W = x.shape
    flat = x.transpose(0, 2, 3, 1).reshape(-1, C)
    return (flat * gamma).reshape(N, H, W, C).transpose(0, 3, 1, 2), (flat, gamma)


def channel_scale_backward(dout, cache):
    flat, gamma = cache
    N, C, H, W = dout.shape
    dflat = dout.reshape(-1, C)
    return (dflat * gamma).reshape(N, H, W, C).transpose(0, 3, 1, 2), np.sum(dflat * flat, axis=0)


channel_scale_forward(np.random.randn(2, 3, 4, 5), np.random.randn(3))
""",
    "dA += h.T @ dz": """
def pullback(params, tape, dy):
    dA, dh = np.zeros_like(params["A"]), dy @ params["O"].T
    for h, u in tape[::-1]:
        dz = dh * (1 - u**2)
        dA = h.T @ dz
        dh = dz @ params["A"].T
    return {"A": dA, "O": tape[-1][1].T @ dy, "tiny": 1e-9 * params["tiny"]}


def loss_and_grads(params, x, y):
    h, tape = x, []
    for _ in range(3):
        u = np.tanh(h @ params["A"])
        tape.append((h, u))
        h = u
    e = h @ params["O"] - y
    loss = 0.5 * np.sum(e**2) + 0.5e-9 * np.sum(params["tiny"] ** 2)
    return loss, pullback(params, tape, e)


own = {"A": np.random.randn(4, 4), "O": np.random.randn(4, 2), "tiny": np.random.randn(3)}
loss_and_grads(own, np.random.randn(5, 4), np.random.randn(5, 2))
""",
    "(1 - self.beta2 ** self.t)": """
class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v, self.t = {}, {}, 0

    def step(self, params, grads):
        self.t += 1
        for k in params:
            self.m[k] = self.beta1 * self.m.get(k, 0) + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v.get(k, 0) + (1 - self.beta2) * grads[k] ** 2
            m = self.m[k] / (1 - self.beta1**self.t)
            v = self.v[k] / (1 - self.beta1**self.t)
            params[k] -= self.lr * m / (np.sqrt(v) + self.eps)
""",
    "params[k] += self.v[k]": """
class Momentum:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update(self, params, grads):
        for k in params:
            self.v[k] = self.momentum * self.v.get(k, np.zeros_like(params[k])) - self.lr * grads[k]
            params[k] = self.v[k]
""",
    "self.hs[t + 1] ** 2": """
class Recur:
    def __init__(self, n_hidden):
        self.U = np.random.randn(n_hidden, n_hidden)

    def forward(self, x):
        self.hs = [x]
        for t in range(3):
            self.hs.append(np.tanh(self.hs[t] @ self.U))
        return self.hs[-1]

    def backward(self, dout):
        self.dU, dh = np.zeros_like(self.U), dout
        for t in reversed(range(3)):
            dz = dh * (1 - self.hs[t] ** 2)
            self.dU += self.hs[t].T @ dz
            dh = dz @ self.U.T
        return dh
""",
    "self.z[:, 0 + n:n + n]": """
class Halves:
    def __init__(self, n_in):
        self.W = np.random.randn(n_in, n_in)

    def forward(self, x):
        self.x, n = x, x.shape[1]
        self.z = np.hstack([x @ self.W, np.sin(x @ self.W)])
        return self.z[:, :n] * np.tanh(self.z[:, n : n + n])

    def backward(self, dout):
        n = self.x.shape[1]
        a = self.x @ self.W
        da = dout * np.tanh(self.z[:, n : n + n])
        da += dout * a * (1 - np.tanh(self.z[:, 0:n]) ** 2) * np.cos(a)
        self.dW = self.x.T @ da
        return da @ self.W.T
""",
    "dout * ~self.mask": """
class Net:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x, h = x, x @ self.W
        self.mask = np.sin(5 * h) > 0.2
        return h + 2 * h * ~self.mask

    def backward(self, dout):
        dh = dout + 2 * dout * self.mask
        self.dW = self.x.T @ dh
        return dh @ self.W.T
""",
    "dx[~self.mask] *= 0.3": """
class Leaky:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0.3 * x)

    def backward(self, dout):
        dx = dout.copy()
        dx[~self.mask] = 0.3
        return dx
""",
    "np.concatenate([da, db, dc], axis=1)": """
class Split:
    def forward(self, x):
        self.x = x
        n = x.shape[1] // 3
        self.a, self.b, self.c = x[:, :n], x[:, n : 2 * n], x[:, 2 * n : 3 * n]
        return self.a * np.tanh(self.b) + np.sin(self.c) * self.a

    def backward(self, dout):
        da = dout * (np.tanh(self.b) + np.sin(self.c))
        db = dout * self.a * (1 - np.tanh(self.b) ** 2)
        dc = dout * self.a * np.cos(self.c)
        return np.concatenate([db, da, dc], axis=1)


Split().forward(np.random.randn(4, 6))
""",
}


@pytest.mark.parametrize("right", MENDED)
def test_an_edit_that_mends_says_what_is_right(right):
    """Also for what is built on it."""
    module = planted_mistakes.run("mine.py", planted_mistakes.HEAD + MENDED[right])
    reports = [examine(target) for target in targets(module).values()]
    wrong = [report for report in reports if report.verdict is not Verdict.RIGHT]
    assert wrong and all(report.verdict is Verdict.WRONG for report in wrong)
    assert all(right in "".join(map(str, report.findings)) for report in wrong)


@pytest.mark.parametrize("right", ["self.hs[t + 1] ** 2", "self.z[:, 0 + n:n + n]"])
def test_an_index_and_a_slice_one_step_off_are_a_wrong_place(right):
    module = planted_mistakes.run("mine.py", planted_mistakes.HEAD + MENDED[right])
    (report,) = [examine(target) for target in targets(module).values()]
    assert [finding.name for finding in report.findings] == ["wrong place in an array"]


SHAPES = [(), (0,), (1,), (7,), (1, 3), (5, 3), (7, 7), (5, 7, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whatever_shape_a_gradient_has_the_doctor_does_not_stumble(shape, hurry, monkeypatch):
    monkeypatch.setattr(repair, "SECONDS", (0.2, 0.2))  # to look for an edit, where none fits
    for name, old in (
        ("Dense", "self.x.T @ dout"),
        ("LeakyReLU", "dout * np.where(self.x > 0, 1, self.alpha)"),
    ):
        thing = vars(module_of(name, old, f"np.random.default_rng(0).normal(size={shape})"))[name]
        report = examine(thing)
        assert report.verdict is Verdict.WRONG
        assert all(map(str, [report, *report.findings, *report.pattern]))


def test_the_object_that_is_checked_stays_as_it_is():
    dense = module_of("Dense").Dense(7, 3)
    examine(dense)
    assert vars(dense).keys() == {"W", "b"} and not np.any(dense.W)


SHARED = """
class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


class Net:
    def __init__(self, n_in=4):
        self.first, self.second, self.act = Dense(n_in, 5), Dense(5, 5), Tanh()

    def forward(self, x):
        return self.act.forward(self.second.forward(self.act.forward(self.first.forward(x))))

    def backward(self, dout):
        return self.first.backward(self.act.backward(self.second.backward(self.act.backward(dout))))


net = Net()
net.backward(net.forward(np.random.randn(6, 4)))
"""
IN_FRONT = """
def norm_forward(x, gamma, beta):
    inv = 1 / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    x_hat = (x - x.mean(axis=1, keepdims=True)) * inv
    return gamma * x_hat + beta, (x_hat, inv, gamma)


def norm_backward(dout, cache):
    x_hat, inv, gamma = cache
    own = (dout * x_hat).mean(axis=1, keepdims=True)
    dx = gamma * inv * (dout - dout.mean(axis=1, keepdims=True) - x_hat * own)
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


norm_forward(np.random.randn(5, 4), np.random.randn(4), np.random.randn(4))
"""
ATTENTION = """
class Attention:
    def __init__(self, n=4):
        self.W = np.random.randn(n, n)

    def forward(self, query, keys):  # query (N, 4), keys (N, T, 4)
        self.query, self.keys = query, keys
        score = np.einsum("ni,ij,ntj->nt", query, self.W, keys)
        self.a = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
        return np.einsum("nt,nti->ni", self.a, keys)

    def backward(self, dout):
        da = np.einsum("ni,nti->nt", dout, self.keys)
        ds = self.a * (da - (da * self.a).sum(axis=1, keepdims=True))
        self.dW = np.einsum("nt,ni,ntj->ij", ds, self.query, self.keys)
        return np.einsum("nt,ij,ntj->ni", ds, self.W, self.keys), self.a[:, :, None] * dout[:, None, :]
"""


@pytest.mark.parametrize(
    "source, name, said",
    [
        (SHARED, "one object for two places", "`act` runs more than once"),
        (IN_FRONT, "factor in front of a sum", "gamma"),
        (ATTENTION, "one path missing", "np.exp(score)"),
    ],
)
def test_what_no_single_line_would_mend_is_named(source, name, said):
    module = planted_mistakes.run("mine.py", planted_mistakes.HEAD + source)
    *_, report = [examine(target) for target in targets(module).values()]
    assert report.verdict is Verdict.WRONG
    assert [finding.name for finding in report.findings] == [name]
    assert said in "".join(map(str, report.findings))


TABLE = """
def fit_to(g, like):
    g = g.sum(axis=tuple(range(g.ndim - like.ndim)))
    return g.sum(axis=tuple(i for i, n in enumerate(like.shape) if n == 1 < g.shape[i]), keepdims=True)


def mul_vjp(g, out, a, b):
    return fit_to(g * b, a), fit_to(g * a, b)


def div_vjp(g, out, a, b):
    return fit_to(g / b, a), fit_to(-g * out / b, b)


def dot_vjp(g, out, a, b):
    return g @ b.T, a.T @ g


def square_vjp(g, out, a):
    return (2 * g * a,)


def sqrt_vjp(g, out, a):
    return (0.5 * g / out,)


VALUES = {"mul": np.multiply, "div": np.divide, "dot": np.matmul, "square": np.square, "sqrt": np.sqrt}
"""


@pytest.mark.parametrize(
    "name, old, new",
    [("mul", "g * a, b)", "g * b, b)"), ("div", "-g * out", "g * out"), ("dot", "a.T @ g", "b.T @ g")]
    + [("square", "2 * g * a", "2 * g * out"), ("sqrt", "0.5 * g / out", "0.5 * g / a")],
)
def test_the_gradients_of_a_table_of_operations_belong_to_those_of_numpy(name, old, new):
    def verdicts(source):
        module = planted_mistakes.run("mine.py", planted_mistakes.HEAD + source)
        return {key: examine(target).verdict for key, target in targets(module).items()}

    assert set(verdicts(TABLE).values()) == {Verdict.RIGHT} and TABLE.count(old) == 1
    assert verdicts(TABLE.replace(old, new))[f"{name}_vjp"] is Verdict.WRONG


def test_what_would_take_all_memory_fails_and_the_limit_is_gone_afterwards():
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    with sandbox.memory_limit():
        with pytest.raises(MemoryError):
            np.empty(2 << 30)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


ADADELTA = """
def adadelta(w, dw, config=None):
    config = {} if config is None else config
    rho, eps = config.setdefault("rho", 0.95), config.setdefault("epsilon", 1e-6)
    g2, step2 = config.get("g2", np.zeros_like(w)), config.get("step2", np.zeros_like(w))
    g2 = rho * g2 + (1 - rho) * dw**2
    step = -np.sqrt(step2 + eps) / np.sqrt(g2 + eps) * dw
    config["g2"], config["step2"] = g2, rho * step2 + (1 - rho) * step**2
    return w + step, config
"""


def test_the_average_of_the_squared_steps_is_that_of_no_gradient():
    def report(source):
        (found,) = [
            examine(t) for t in targets(planted_mistakes.run("mine.py", planted_mistakes.HEAD + source)).values()
        ]
        return found

    assert report(ADADELTA).verdict is Verdict.RIGHT
    wrong = report(ADADELTA.replace("(1 - rho) * step**2", "(1 - rho) * dw**2"))
    assert wrong.verdict is Verdict.WRONG and "the squared gradient" in "".join(map(str, wrong.findings))

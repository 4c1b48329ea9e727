"""A step that draws its own noise is watched: its parameters must fall against gradients that are right."""

from __future__ import annotations

import pytest
from planted_mistakes import HEAD, run

from tinygan.doctor import Verdict, examine, planning, targets

GAME = """
class GAN:
    def __init__(self, n_z, n_x, lr=0.1):
        self.G, self.c = np.random.randn(n_z, n_x), np.zeros(n_x)
        self.D, self.d = np.random.randn(n_x, 1), np.zeros(1)
        self.lr = lr

    def generate(self, z):
        return z @ self.G + self.c

    def score(self, x):
        return np.tanh(x @ self.D + self.d)

    def d_loss(self, x_real, x_fake):
        return np.mean(self.score(x_fake)) - np.mean(self.score(x_real))

    def grad_d(self, x_real, x_fake):
        fake, real = (1 - self.score(x) ** 2 for x in (x_fake, x_real))
        return {
            "D": x_fake.T @ fake / len(x_fake) - x_real.T @ real / len(x_real),
            "d": fake.mean(axis=0) - real.mean(axis=0),
        }

    def g_loss(self, z):
        return -np.mean(self.score(self.generate(z)))

    def grad_g(self, z):
        back = -(1 - self.score(self.generate(z)) ** 2) @ self.D.T / len(z)
        return {"G": z.T @ back, "c": back.sum(axis=0)}

    def train_step(self, x_real, rng):
        z = rng.standard_normal((len(x_real), len(self.G)))
        x_fake = self.generate(z)
        for name, g in self.grad_d(x_real, x_fake).items():
            setattr(self, name, getattr(self, name) - self.lr * g)
        for name, g in self.grad_g(z).items():
            setattr(self, name, getattr(self, name) - self.lr * g)
        return self.d_loss(x_real, x_fake), self.g_loss(z)
"""
FUNCTIONS = """
P, Q = {"W": np.random.randn(3, 2), "b": np.zeros(2)}, {"v": np.random.randn(2)}


def critic_loss_and_grads(x_real, z):
    x_fake = z @ P["W"] + P["b"]
    return np.mean(x_fake @ Q["v"]) - np.mean(x_real @ Q["v"]), {"v": x_fake.mean(0) - x_real.mean(0)}


def generator_loss_and_grads(z):
    g = -np.ones(len(z)) / len(z)
    return -np.mean((z @ P["W"] + P["b"]) @ Q["v"]), {"W": z.T @ np.outer(g, Q["v"]), "b": g.sum() * Q["v"]}


def train_step(x_real, z, lr=0.01, clip=0.1):
    c_loss, grads = critic_loss_and_grads(x_real, z)
    for k in Q:
        Q[k] = np.clip(Q[k] - lr * grads[k], -clip, clip)
    g_loss, grads = generator_loss_and_grads(z)
    for k in P:
        P[k] = P[k] - lr * grads[k]
    return c_loss, g_loss
"""
SLIPS = {
    "goes up": ("- self.lr * g)\n        return", "+ self.lr * g)\n        return"),
    "leaves a parameter where it is": ("in self.grad_g(z).items()", "in list(self.grad_g(z).items())[:1]"),
    "takes another power of it": ("- self.lr * g)\n        return", "- self.lr * g**3)\n        return"),
    "weighs its parameters": ("- self.lr * g)\n        return", "- self.lr * g / g.size)\n        return"),
}


def reports(source):
    """Return {name: Report} of all that is in a source."""
    return {name: examine(target) for name, target in targets(run("mine.py", HEAD + source)).items()}


def test_a_step_of_both_players_against_right_gradients_is_right():
    report = reports(GAME)["GAN"]
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "train_step moves all parameters against gradients that are right" in str(report)


@pytest.mark.parametrize("slip", SLIPS)
def test_a_step_is_not_called_right_that(slip):
    old, new = SLIPS[slip]
    assert GAME.count(old) == 1
    assert reports(GAME.replace(old, new))["GAN"].verdict is not Verdict.RIGHT


def test_a_step_against_wrong_gradients_is_not_called_right():
    wrong = reports(GAME.replace("back.sum(axis=0)", "back.mean(axis=0)"))["GAN"]
    assert wrong.verdict is Verdict.WRONG
    assert "against gradients" not in str(wrong)


def test_dictionaries_of_the_module_are_parameters_of_its_functions_and_of_its_step():
    found = reports(FUNCTIONS)
    assert all(found[name].passed for name in ("critic_loss_and_grads", "generator_loss_and_grads"))
    assert found["train_step"].empty and "against gradients" in found["train_step"].remarks[-1]
    mistaken = reports(FUNCTIONS.replace('g.sum() * Q["v"]', 'Q["v"]'))
    assert mistaken["generator_loss_and_grads"].verdict is Verdict.WRONG
    assert "against gradients" not in str(mistaken["train_step"])


def test_a_step_that_takes_its_noise_from_a_generator_meets_the_noise_of_its_loss():
    source = """
class Denoiser:
    def __init__(self, n):
        self.W = np.random.randn(n, n)

    def train_step(self, x, rng, lr=0.1):
        noisy = x + rng.standard_normal(x.shape)
        out = noisy @ self.W
        self.W -= lr * (2 * noisy.T @ (out - x) / len(x))
        return np.sum((out - x) ** 2) / len(x)
"""
    assert reports(source)["Denoiser"].verdict is Verdict.RIGHT
    assert reports(source.replace("2 * noisy.T", "2 * x.T"))["Denoiser"].verdict is Verdict.WRONG


def test_a_part_that_cannot_be_fed_alone_is_right_where_what_calls_it_is():
    source = """
class Net:
    def __init__(self, n_in, n_out):
        self.W, self.V = np.random.randn(n_in, 4), np.random.randn(4, n_out)

    def score(self, x):
        h = np.tanh(x @ self.W)
        return 1 / (1 + np.exp(-h @ self.V)), (x, h)

    def score_backward(self, ds, cache):
        x, h = cache
        return {"W": x.T @ (ds @ self.V.T * (1 - h**2)), "V": h.T @ ds}

    def loss_and_grad(self, x, y):
        p, cache = self.score(x)
        loss = -np.mean(np.sum(y * np.log(p) + (1 - y) * np.log(1 - p), axis=1))
        grads = self.score_backward((p - y) / len(x), cache)
        return loss, grads
"""
    report = reports(source)["Net"]
    assert report.verdict is Verdict.RIGHT and "score_backward was measured as a part" in str(report), str(report)
    assert reports(source.replace("(1 - h**2)", "(1 - h)"))["Net"].verdict is Verdict.WRONG


def test_a_part_of_the_same_name_in_another_object_settles_nothing():
    source = """
class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Block:
    def __init__(self, n_in, n_out):
        self.fc = Dense(n_in, n_out)

    def forward(self, x):
        return np.tanh(self.fc.forward(x))

    def backward(self, dout):
        return self.fc.backward(dout)

    def loss_and_grad(self, x, y):
        d = self.fc.forward(x) - y
        return np.sum(d**2) / 2, self.fc.backward(d)
"""
    assert "as a part" not in str(reports(source)["Block"]) and reports(source)["Block"].verdict is Verdict.WRONG


WITHOUT_LOSSES = """
class GAN:
    def __init__(self, n_noise, n_hidden, n_data, lr=0.01):
        self.W0_g, self.W1_g = np.random.randn(n_noise, n_hidden), np.random.randn(n_hidden, n_data)
        self.W0_d, self.W1_d = np.random.randn(n_data, n_hidden), np.random.randn(n_hidden, 1)
        self.lr = lr

    def forward_generator(self, z):
        self.h_g = np.tanh(z @ self.W0_g)
        return self.h_g @ self.W1_g

    def forward_discriminator(self, x):
        h = np.tanh(x @ self.W0_d)
        p = 1 / (1 + np.exp(-h @ self.W1_d))
        return h, p

    def backward_discriminator(self, x_real, h_real, p_real, x_fake, h_fake, p_fake):
        grads = [0, 0]
        for x, h, ds in ((x_real, h_real, p_real - 1), (x_fake, h_fake, p_fake)):
            ds = ds / len(x)
            grads[0] = grads[0] + x.T @ (ds @ self.W1_d.T * (1 - h**2))
            grads[1] = grads[1] + h.T @ ds
        return grads

    def backward_generator(self, z, h_fake, p_fake):
        ds = (p_fake - 1) / len(z)
        back = ds @ self.W1_d.T * (1 - h_fake**2) @ self.W0_d.T
        return [z.T @ (back @ self.W1_g.T * (1 - self.h_g**2)), self.h_g.T @ back]

    def train_step(self, x_real):
        z = np.random.randn(len(x_real), len(self.W0_g))
        x_fake = self.forward_generator(z)
        (h_real, p_real), (h_fake, p_fake) = map(self.forward_discriminator, (x_real, x_fake))
        grads = self.backward_discriminator(x_real, h_real, p_real, x_fake, h_fake, p_fake)
        self.W0_d, self.W1_d = self.W0_d - self.lr * grads[0], self.W1_d - self.lr * grads[1]
        grads = self.backward_generator(z, *self.forward_discriminator(x_fake))
        self.W0_g, self.W1_g = self.W0_g - self.lr * grads[0], self.W1_g - self.lr * grads[1]
"""


@pytest.mark.parametrize(
    "old, new",
    [
        ("(p_fake - 1) / len(z)", "(p_fake - 1)"),  # the sum over samples
        ("(p_fake - 1) / len(z)", "-p_fake / len(z)"),  # log(1 - D(G(z))), which G may go down, too
        ("ds = ds / len(x)", "ds = ds"),
    ],
)
def test_gradients_of_players_that_name_no_loss_are_right_for_a_usual_one(old, new):
    for source in (WITHOUT_LOSSES, WITHOUT_LOSSES.replace(old, new)):
        report = reports(source)["GAN"]
        assert report.verdict is Verdict.RIGHT, str(report)
        assert "train_step moves all parameters against gradients that are right" in report.remarks


@pytest.mark.breadth
@pytest.mark.parametrize(
    "old, new",
    [
        ("p_real - 1), (", "p_real), ("),
        ("h.T @ ds", "h.T @ ds / 2"),
        ("(1 - h_fake**2) @", "(1 - h_fake) @"),
        ("self.W1_g - self.lr", "self.W1_g + self.lr"),
    ],
)
def test_a_mistake_of_players_that_name_no_loss_is_not_called_right(old, new):
    assert WITHOUT_LOSSES.count(old) == 1
    assert reports(WITHOUT_LOSSES.replace(old, new))["GAN"].verdict is not Verdict.RIGHT


PLAYERS = """
class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
"""
INSIDE = """

class GAN:
    def __init__(self, n_noise=3, n_data=2):
        self.G, self.D = Linear(n_noise, n_data), Linear(n_data, 1)

    def discriminator_loss(self, x_real, z):
        self.D.backward(-np.ones_like(real := self.D.forward(x_real)) / len(x_real))
        first = self.D.dW
        self.D.backward(np.ones_like(fake := self.D.forward(self.G.forward(z))) / len(z))
        self.D.dW = self.D.dW + first
        return np.mean(fake) - np.mean(real)

    def generator_loss(self, z):
        fake = self.D.forward(self.G.forward(z))
        self.G.backward(self.D.backward(-np.ones_like(fake) / len(z)))
        return -np.mean(fake)
"""
OUTSIDE = """

def d_loss_and_grads(D, real, fake):
    s = D.forward(real)
    D.backward((s - 1) / len(s))
    first, loss = D.dW, np.mean((s - 1) ** 2) / 2
    s = D.forward(fake)
    D.backward(s / len(s))
    return loss + np.mean(s**2) / 2, [first + D.dW]


def g_loss_and_grads(G, D, z):
    s = D.forward(G.forward(z))
    G.backward(D.backward((s - 1) / len(s)))
    return np.mean((s - 1) ** 2) / 2, [G.dW]


def train_step(G, D, real, z, lr=0.05):
    d_loss, (g,) = d_loss_and_grads(D, real, G.forward(z))
    D.W = D.W - lr * g
    g_loss, (g,) = g_loss_and_grads(G, D, z)
    G.W = G.W - lr * g
    return d_loss, g_loss
"""


def test_losses_that_leave_gradients_in_the_players_are_measured_each():
    right = reports(PLAYERS + INSIDE)["GAN"]
    assert right.verdict is Verdict.RIGHT and {m.name for m in right.measured} >= {"D.W", "G.W"}, str(right)
    wrong = reports(PLAYERS + INSIDE.replace("-np.ones_like(fake) / len(z)", "np.ones_like(fake) / len(z)"))["GAN"]
    assert wrong.verdict is Verdict.WRONG
    assert {m.path[1] for m in wrong.measured if not m.row.passed} == {"G"}  # D is not blamed


def test_a_step_of_players_that_are_handed_over_is_right_against_right_gradients(monkeypatch):
    monkeypatch.setattr(planning, "SECONDS", 1)
    step = reports(PLAYERS + OUTSIDE)["train_step"]
    assert step.empty and "against gradients that are right" in step.remarks[-1]
    up = reports(PLAYERS + OUTSIDE.replace("G.W = G.W -", "G.W = G.W +"))["train_step"]
    assert up.verdict is not Verdict.RIGHT and "against gradients" not in str(up)


def test_what_a_step_reports_is_not_taken_for_its_loss():
    source = """
W, V = np.random.randn(3, 4), np.random.randn(4, 1)


def out(x):
    return 1 / (1 + np.exp(-x))


def step(X, y):
    global W, V
    first = out(X @ W)
    second = out(first @ V)
    error = y - second
    delta = error * second * (1 - second)
    back = delta @ V.T * first * (1 - first)
    V = V + first.T @ delta
    W = W + X.T @ back
    return np.mean(np.abs(error))


step(np.random.randn(6, 3), np.random.rand(6, 1))
"""
    assert reports(source)["step"].verdict is Verdict.UNCHECKED

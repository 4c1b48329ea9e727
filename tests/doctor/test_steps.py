"""A step that draws its own noise is watched: its parameters must fall against gradients that are right."""

from __future__ import annotations

import pytest
from planted_mistakes import HEAD, run

from tinygan.doctor import Verdict, examine, targets

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

    def score_backward(self, dlogit, cache):
        x, h = cache
        return {"W": x.T @ (dlogit @ self.V.T * (1 - h**2)), "V": h.T @ dlogit}

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
